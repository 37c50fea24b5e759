import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xstf.kernels.boxes import cell_means, moments


def random(*shape, missing=0.0, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, shape).astype(dtype)
    values[rng.uniform(0, 1, shape) < missing] = np.nan
    return values


def plain_means(images, cell):
    height, width = images.shape[-2:]
    out = np.empty((*images.shape[:-2], height // cell, width // cell))
    for i, j in np.ndindex(*out.shape[-2:]):
        box = images[..., i * cell : (i + 1) * cell, j * cell : (j + 1) * cell].astype("f8")
        count = np.isfinite(box).sum((-1, -2))
        total = np.where(np.isfinite(box), box, 0).sum((-1, -2))
        out[..., i, j] = np.where(count * 2 >= cell**2, total / np.maximum(count, 1), np.nan)
    return out


@pytest.mark.parametrize("cell", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("missing", [0.0, 0.5, 1.0])
def test_means_over_cells(cell, missing):
    images = random(2, 3, 2 * cell, 4 * cell, missing=missing, seed=cell)
    found = cell_means(images, cell)
    assert found.dtype == np.float32
    assert found.shape == (2, 3, 2, 4)
    np.testing.assert_allclose(found, plain_means(images, cell), rtol=1e-6)


def test_half_of_the_pixels_are_enough_and_fewer_are_not():
    half = np.full((2, 4), 0.25, "float32")
    half[0, :2] = half[1, 2:] = np.nan
    np.testing.assert_array_equal(cell_means(half, 2), [[0.25, 0.25]])
    half[1, 0] = np.nan
    np.testing.assert_array_equal(cell_means(half, 2), [[np.nan, 0.25]])
    five = np.full((3, 3), np.nan, "float32")  # 9 pixels: five hold, four do not
    five.ravel()[:4] = 0.5
    assert np.isnan(cell_means(five, 3)).all()
    five.ravel()[4] = 0.5
    np.testing.assert_array_equal(cell_means(five, 3), [[0.5]])


def test_means_of_a_cut_are_the_cut_means_bit_for_bit():
    images = random(1, 2, 24, 36, missing=0.3)
    whole = cell_means(images, 4)
    part = cell_means(images[..., 8:20, 4:36], 4)  # not contiguous
    np.testing.assert_array_equal(part, whole[..., 2:5, 1:9])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_leave_their_input_alone_and_add_in_double(dtype):
    images = np.full((1, 64, 64), 0.1, dtype)
    before = images.copy()
    np.testing.assert_array_equal(cell_means(images, 64), np.float32(images[0, 0, 0]))
    np.testing.assert_array_equal(images, before)


def test_moments_by_numpy():
    images = random(2, 2, 37, 45, missing=0.2)
    found = moments(images, 16)
    assert found.shape == (5, 2, 2, 3, 3)
    assert found.dtype == np.float64
    for i, j in np.ndindex(3, 3):
        box = images[..., 16 * i : 16 * i + 16, 16 * j : 16 * j + 16].astype("f8")
        box = box.reshape(2, 2, -1)
        count = np.isfinite(box).sum(-1)
        np.testing.assert_array_equal(found[0, ..., i, j], count)
        np.testing.assert_allclose(found[1, ..., i, j], np.nanmean(box, -1), rtol=1e-13)
        np.testing.assert_allclose(found[2, ..., i, j], np.nanvar(box, -1) * count, rtol=1e-11)
        np.testing.assert_array_equal(found[3, ..., i, j], np.nanmin(box, -1))
        np.testing.assert_array_equal(found[4, ..., i, j], np.nanmax(box, -1))


def test_moments_of_nothing():
    found = moments(np.full((1, 4, 4), np.nan, "float32"), 4)[:, 0, 0, 0]
    np.testing.assert_array_equal(found, [0, 0, 0, np.inf, -np.inf])


def test_moments_of_large_numbers_keep_their_spread():
    kelvin = (300 + random(1, 64, 64) / 100).astype("float32")
    found = moments(kelvin, 64)[:, 0, 0, 0]
    assert found[2] / found[0] == pytest.approx(kelvin.astype("f8").var(), rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_moments_lose_no_pixel(cell, rows, columns, seed):
    images = random(1, rows, columns, missing=0.2, seed=seed)
    found = moments(images, cell)[:, 0]
    assert found[0].sum() == np.isfinite(images).sum()
    np.testing.assert_allclose((found[0] * found[1]).sum(), np.nansum(images.astype("f8")))
    if np.isfinite(images).any():
        assert found[3].min() == np.nanmin(images)
        assert found[4].max() == np.nanmax(images)


def test_moments_of_a_cut_on_squares_are_the_cut_moments():
    images = random(1, 48, 64, missing=0.1)
    np.testing.assert_array_equal(
        moments(images[:, 16:48, 32:], 16), moments(images, 16)[..., 1:, 2:]
    )
