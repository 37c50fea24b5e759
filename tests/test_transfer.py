"""Window sums and weights of the nonlocal filter against plain numpy."""

import numpy as np
import pytest
from numba import njit

from xstf.kernels.transfer import fade, patch_weights, window_means


@pytest.mark.parametrize("side", [1, 3, 9])
def test_window_means_leave_out_what_is_missing(side):
    rng = np.random.default_rng(1)
    images = rng.random((2, 14, 15)).astype("f4")
    images[0, 3:8, 2:11] = np.nan
    out = np.empty((2, 15 - side, 16 - side))
    window_means(images, side, out)
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    seen = ~np.isnan(windows)
    count = seen.sum(axis=(3, 4))
    expected = np.where(seen, windows, 0).sum(axis=(3, 4), dtype=float) / np.maximum(count, 1)
    expected[count == 0] = np.nan
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_a_window_mean_does_not_know_its_neighbours():
    images = np.random.default_rng(2).random((1, 20, 20)).astype("f4")
    whole, part = np.empty((1, 12, 12)), np.empty((1, 5, 7))
    window_means(images, 9, whole)
    window_means(images[:, 4:17, 3:18], 9, part)
    np.testing.assert_array_equal(part, whole[:, 4:9, 3:10])


def test_weights_fade_exponentially():
    @njit
    def faded(z, out):
        for n in range(len(z)):
            out[n] = fade(z[n])

    z = np.concatenate([np.linspace(0, 20, 4001), np.geomspace(1e-9, 80, 500)]).astype("f4")
    out = np.empty_like(z)
    faded(z, out)
    np.testing.assert_allclose(out, np.exp(-z.astype(float)), rtol=2e-5, atol=1e-12)
    assert out[0] == 1
    faded(np.array([200, 1e30, np.inf], "f4"), out)
    assert (out[:3] < 1e-37).all()


@pytest.mark.parametrize("side", [1, 3, 7])
def test_patch_weights_sum_to_one_and_peak_in_the_middle(side):
    weights = patch_weights(side)
    assert weights.shape == (side, side)
    assert weights.sum() == pytest.approx(1)
    assert weights.argmax() == side * side // 2
    if side == 3:
        np.testing.assert_allclose(weights[0], 1 / 18)
