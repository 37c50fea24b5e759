"""The search for similar pixels: wide windows, the most similar ones, sums."""

import numpy as np
import pytest

from tests.test_similar import run
from xstf.kernels.gpu import launch


@pytest.fixture
def both(monkeypatch):
    """Return a caller of `tests.test_similar.run` on the CPU and in the simulator."""
    from tests import test_similar

    kernel = test_similar.similar_means

    def there(*arguments):
        moved = [launch.to_gpu(a) if isinstance(a, np.ndarray) else a for a in arguments]
        kernel(*moved)
        for before, after in zip(arguments, moved, strict=True):
            if isinstance(before, np.ndarray):
                before[...] = launch.to_main(after)

    def call(*arguments, **options):
        expected = run(*arguments, **options)
        with monkeypatch.context() as patch:
            patch.setattr(test_similar, "similar_means", there)
            return run(*arguments, **options), expected

    return call


@pytest.mark.parametrize("most", [None, 3])
@pytest.mark.parametrize("side", [3, 33])  # a row of the second takes two words
def test_the_same_means_as_on_the_cpu(most, side, both):
    rng = np.random.default_rng(1)
    shape = side + 1, side + 2
    images = rng.random((3, *shape), np.float32)
    images[:, 2, 1] = np.nan
    said, moments = rng.random((2, *shape, 4), np.float32)
    said[1, 1, 2] = np.nan
    limits = np.array([0.3, 0.4, 0.5], np.float32)
    found, expected = both(images, limits, said, side, most=most, moments=moments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=3e-6)
