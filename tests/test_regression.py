"""Lines in coarse windows against plain numpy."""

import numpy as np
import pytest

from tests.oracles.fitfc import lines
from xstf.kernels.regression import fill_from_neighbours, fit_lines, on_lines


def fitted(pair, target, radius, gamma=0.0):
    """Lines of images (image, y, x), whose windows end at the edge."""
    pad = [(0, 0), (radius, radius), (radius, radius)]
    pair, target = (
        np.pad(image.astype("f4"), pad, constant_values=np.nan) for image in (pair, target)
    )
    out = np.empty((3, len(pair), *(n - 2 * radius for n in pair.shape[1:])), np.float32)
    fit_lines(pair, target, radius, gamma, *out)
    return out


@pytest.mark.parametrize(("radius", "gamma"), [(1, 0.0), (2, 0.0), (1, 0.01), (3, 1.0)])
def test_equal_the_oracle(radius, gamma):
    rng = np.random.default_rng(1)
    pair, target = rng.uniform(0.1, 0.5, (2, 2, 9, 7)).astype("f4")
    pair[0, 4, 4] = target[0, 2, :3] = target[1, 6:, :4] = np.nan
    found = fitted(pair, target, radius, gamma)
    for n in range(2):
        expected = lines(pair[n].astype(float), target[n].astype(float), radius, gamma)
        np.testing.assert_allclose(found[:, n], expected, rtol=2e-5, atol=2e-6)


def test_moments_are_kept_in_double():
    """Digital numbers with a spread of some units on a level of 30000."""
    rng = np.random.default_rng(2)
    pair = 30000 + rng.integers(-9, 10, (1, 6, 6))
    slope, offset, left = fitted(pair, 2 * pair - 29000, 1)
    np.testing.assert_array_equal(slope, 2)
    np.testing.assert_array_equal(offset, -29000)
    np.testing.assert_allclose(left, 0, atol=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.3, 290.0])
def test_flat_windows_shift(level):
    pair = np.full((1, 5, 5), level)
    target = pair + np.arange(25).reshape(1, 5, 5) / 100
    slope, offset, left = fitted(pair, target, 1)
    assert (slope == 1).all()
    change = (target.astype("f4") - pair.astype("f4"))[0]
    assert offset[0, 2, 2] == pytest.approx(change[1:4, 1:4].mean(), abs=1e-6)
    assert left[0, 2, 2] == pytest.approx(change[2, 2] - offset[0, 2, 2], abs=1e-4)


def test_windows_of_two_cells_shift_and_empty_ones_are_missing():
    rng = np.random.default_rng(3)
    pair = rng.uniform(0.1, 0.5, (1, 6, 6))
    target = np.full(pair.shape, np.nan)
    target[0, 0, :2] = pair[0, 0, :2] * 2
    slope, offset, left = fitted(pair, target, 1)
    seen = np.zeros((6, 6), bool)
    seen[:2, :3] = True
    np.testing.assert_array_equal(~np.isnan(slope[0]), seen)
    assert (slope[0][seen] == 1).all()
    assert offset[0, 0, 0] == pytest.approx(pair[0, 0, :2].mean())
    assert offset[0, 1, 2] == pytest.approx(pair[0, 0, 1])
    assert np.isnan(left[0]).sum() == 34


def test_missing_cells_are_filled_by_the_mean_around():
    cells = np.arange(30, dtype="f4").reshape(1, 5, 6)
    cells[0, 1:3, 1:4] = np.nan
    out = np.empty((1, 3, 4), np.float32)
    fill_from_neighbours(cells, out)
    inside = cells[0, 1:-1, 1:-1]
    np.testing.assert_array_equal(out[0][~np.isnan(inside)], inside[~np.isnan(inside)])
    assert out[0, 0, 0] == pytest.approx(np.mean([0, 1, 2, 6, 12]))
    assert out[0, 1, 1] == pytest.approx(np.mean([19, 20, 21]))
    alone = np.full((1, 5, 5), np.nan, np.float32)
    fill_from_neighbours(alone, out[:, :, :3])
    assert np.isnan(out[..., :3]).all()


@pytest.mark.parametrize("spare", [0, 3])
def test_lines_on_fine_pixels(spare):
    rng = np.random.default_rng(4)
    fine = rng.random((2, 12, 16), np.float32)
    slope, offset = rng.random((2, 3, 2, 3, 4), np.float32)
    left = rng.random((3, 2, 12, 16), np.float32)
    out = np.empty((12 - 2 * spare, 16 - 2 * spare, 6), np.float32)
    on_lines(fine, slope, offset, left, 4, spare, out)
    a, b = (cells.repeat(4, 2).repeat(4, 3) for cells in (slope, offset))
    expected = (a * fine + b + left).reshape(6, 12, 16).transpose(1, 2, 0)
    cut = slice(spare, 12 - spare), slice(spare, 16 - spare)
    np.testing.assert_allclose(out, expected[cut], rtol=0, atol=3e-7)
