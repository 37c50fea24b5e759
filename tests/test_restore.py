"""Means of cells brought back: exact, without steps, and what a Haar transform would keep."""

import numpy as np
import pytest

from xstf.kernels.boxes import cell_means
from xstf.kernels.restore import restore


def given(scale, cells=(7, 9), seed=0, bands=2):
    rng = np.random.default_rng(seed)
    image = rng.uniform(0.1, 0.5, (bands, cells[0] * scale, cells[1] * scale)).astype("f4")
    return image, rng.uniform(0.1, 0.5, (bands, *cells)).astype("f4")


def haar(image, levels):
    """Return the approximation of an orthonormal Haar transform."""
    for _ in range(levels):
        for axis in (-2, -1):
            image = np.moveaxis(image, axis, 0)
            image = np.moveaxis((image[::2] + image[1::2]) / np.sqrt(2), 0, axis)
    return image


@pytest.mark.parametrize("scale", [2, 3, 4, 7, 16])
def test_means_are_those_that_were_given(scale):
    image, cells = given(scale)
    made = restore(image, cells, scale)
    assert made.dtype == np.float32
    means = made.reshape(2, 5, scale, 7, scale).mean((2, 4), dtype=float)
    np.testing.assert_allclose(means, cells[:, 1:-1, 1:-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", [1, 2, 4])
def test_the_approximation_of_a_haar_transform_is_replaced(level):
    scale = 2**level
    image, cells = given(scale)
    made = restore(image.astype("f8"), cells.astype("f8"), scale)
    expected = scale * cells[:, 1:-1, 1:-1]
    np.testing.assert_allclose(haar(made, level), expected, rtol=0, atol=1e-5)


def test_what_is_added_has_no_steps():
    """Between neighbours it changes as little across the border of a cell as inside."""
    scale = 16
    rng = np.random.default_rng(1)
    cells = rng.uniform(0.1, 0.5, (1, 8, 8)).astype("f4")
    added = restore(np.zeros((1, 128, 128), "f4"), cells, scale)[0]
    for axis in (0, 1):
        jumps = np.abs(np.diff(added, axis=axis)).max(1 - axis)
        border = np.arange(1, len(jumps) + 1) % scale == 0
        assert jumps[border].max() < jumps[~border].max()
    steps = np.abs(np.diff(cells[0, 1:-1, 1:-1], axis=0)).max()
    assert np.abs(np.diff(added, axis=0)).max() < steps / 2


def test_flat_differences_are_flat_and_none_is_none():
    image, _ = given(8)
    means = cell_means(image, 8)
    inner = image[:, 8:-8, 8:-8]
    np.testing.assert_allclose(restore(image, means, 8), inner, rtol=0, atol=1e-6)
    np.testing.assert_allclose(restore(image, means + 0.1, 8), inner + 0.1, rtol=0, atol=1e-6)


def test_missing_cells_change_nothing_and_pull_nothing():
    image, cells = given(4)
    means = cell_means(image, 4)
    shifted = means + np.float32(0.1)
    shifted[0, 3, 4] = np.nan
    shifted[:, 0] = np.nan  # the ring, off the scene
    made = restore(image, shifted, 4)
    inner = image[:, 4:-4, 4:-4]
    assert np.isfinite(made).all()
    away = np.ones(inner.shape, bool)
    away[0, 8:12, 12:16] = False
    np.testing.assert_allclose(made[away], (inner + 0.1)[away], rtol=0, atol=1e-6)
    everywhere = restore(image, np.full_like(cells, np.nan), 4)
    np.testing.assert_array_equal(everywhere, inner)


def test_any_cut_gives_the_same_surface():
    image, cells = given(4, (9, 9))
    whole = restore(image, cells, 4)
    part = restore(image[:, 8:28, 4:32], cells[:, 2:7, 1:8], 4)
    np.testing.assert_array_equal(part, whole[:, 8:20, 4:24])
