"""STARFM's window, on dates that do not fill the last thread, and by all its rules."""

import numpy as np
import pytest

from xstf.kernels.gpu.launch import to_gpu, to_main
from xstf.kernels.gpu.window import DATES
from xstf.kernels.window import TAKE, alike_means, distances

RADIUS = 1


def inputs(dates, seed=0):
    rng = np.random.default_rng(seed)
    far = distances(RADIUS, 2.0, TAKE)
    shape = 3 + 2 * RADIUS, 4 + 2 * RADIUS + far.shape[1] - far.shape[0]
    fine, near = rng.random((2, *shape), np.float32)
    soon, moved = rng.random((2, dates, *shape), np.float32)
    fine[2, 2] = soon[0, 1, 1] = np.nan
    near_limit, soon_limit = rng.random((3, 4), np.float32), rng.random((dates, 3, 4), np.float32)
    return fine, near, soon, moved, near_limit, soon_limit, far, (far > 0).astype(np.float32)


@pytest.mark.parametrize(("temporal", "strict"), [(None, None), (1, 1)])
@pytest.mark.parametrize("dates", [1, DATES + 1])
def test_the_same_sums_as_on_the_cpu(dates, temporal, strict):
    arrays = inputs(dates)
    rules = np.float32(0.6), np.float32(0.5), temporal, strict
    expected = np.zeros((3, dates, 3, 4), np.float32)
    found = [to_gpu(image) for image in expected]
    alike_means(*arrays, *rules, *expected)
    alike_means(*map(to_gpu, arrays), *rules, *found)
    np.testing.assert_allclose(np.stack([to_main(f) for f in found]), expected, rtol=1e-6)
    assert expected[2].max() > 1
