"""Means over a window."""

import numpy as np
import pytest

from xstf.kernels.means import window_means


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_window_means_equal_numpy(radius):
    images = np.random.default_rng(0).normal(0, 1, (2, 3, 19, 23)).astype("f4")
    images[0, 1, 4:9, 5:8] = np.nan
    images[1, 2] = np.nan
    found = window_means(images, radius)
    windows = np.lib.stride_tricks.sliding_window_view(
        images.astype(float), (2 * radius + 1,) * 2, axis=(-2, -1)
    )
    there = ~np.isnan(windows)
    number = there.sum(axis=(-1, -2))
    total = np.where(there, windows, 0).sum(axis=(-1, -2))
    expected = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_a_part_of_an_image_has_the_same_means():
    images = np.random.default_rng(1).normal(0, 1, (40, 50)).astype("f4")
    images[11, 17] = np.nan
    whole = window_means(images, 5)
    np.testing.assert_array_equal(window_means(images[7:30, 13:44], 5), whole[7:20, 13:34])
