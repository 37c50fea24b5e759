"""Fine images as a coarse sensor sees them."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from xstf.kernels.boxes import cell_means
from xstf.sensors import degrade
from xstf.sensors.spread import weights


def images(*shape, missing=0.0, seed=0):
    random = np.random.default_rng(seed)
    values = random.random(shape, dtype=np.float32)
    values[random.random(shape) < missing] = np.nan
    return xr.DataArray(values, dims=("time", "band", "y", "x")[-len(shape) :])


def plain(values, scale, spread):
    """Add up every pixel's weight for every cell."""
    line = weights(scale, spread)
    margin = (len(line) - scale) // 2
    full = np.outer(line, line)
    wide = np.pad(values, margin, constant_values=np.nan)
    out = np.empty([n // scale for n in values.shape])
    for i, j in np.ndindex(*out.shape):
        rows = slice(i * scale, i * scale + len(line))
        part = wide[rows, j * scale : j * scale + len(line)]
        seen = np.isfinite(part)
        weight = full[seen].sum()
        out[i, j] = (full[seen] * part[seen]).sum() / weight if weight >= 0.5 else np.nan
    return out


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.5])
@pytest.mark.parametrize(("scale", "spread"), [(4, 0.29), (5, 0.5), (2, 1.0)])
def test_weighted_means(scale, spread, missing):
    fine = images(6 * scale, 4 * scale, missing=missing)
    found = degrade(fine, scale, spread=spread)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain(fine.values, scale, spread), rtol=1e-5)


def test_the_line_is_a_smoothed_box():
    line = weights(16, 0.3)
    fine = np.zeros(16 * 9 * 20)
    fine[16 * 4 * 20 : 16 * 5 * 20] = 1
    expected = gaussian_filter(fine, 0.3 * 16 * 20, truncate=6).reshape(-1, 20).mean(1)
    margin = (len(line) - 16) // 2
    expected = expected[64 - margin : 80 + margin]
    np.testing.assert_allclose(line, expected / expected.sum(), atol=5e-5)
    variance = (line * (np.arange(len(line)) - (len(line) - 1) / 2) ** 2).sum()
    assert variance == pytest.approx((16**2 - 1) / 12 + (0.3 * 16) ** 2, rel=0.02)


def test_without_spread_it_is_the_mean_of_the_cell():
    fine = images(2, 3, 8, 12, missing=0.2)
    found = degrade(fine.assign_coords(y=-np.arange(8.0), x=np.arange(12.0)), 4)
    np.testing.assert_array_equal(found, cell_means(fine.values, 4))
    np.testing.assert_array_equal(found.y, [-1.5, -5.5])
    np.testing.assert_array_equal(found.x, [1.5, 5.5, 9.5])


@pytest.mark.parametrize("chunks", [(4, 4), (8, 12), (5, 7), (24, 32)])
@pytest.mark.parametrize("spread", [0.0, 0.4, 1.2, 3.0])
def test_the_same_however_it_is_cut(chunks, spread):
    fine = images(2, 2, 24, 32, missing=0.2)
    whole = degrade(fine, 4, spread=spread)
    lazy = degrade(fine.chunk(time=1, y=chunks[0], x=chunks[1]), 4, spread=spread)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy, whole)


def test_even_ground_stays_even():
    found = degrade(xr.full_like(images(12, 12), 0.3), 4, spread=0.5)
    np.testing.assert_allclose(found, 0.3, rtol=1e-6)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"scale": 0}, "scale=0 is no side"),
        ({"scale": 5}, "scale 5 does not divide the 12 pixels along y"),
        ({"scale": 4, "spread": -1}, "spread=-1 is no width"),
        ({"scale": 4, "spread": np.nan}, "spread=nan is no width"),
    ],
)
def test_nonsense_is_refused(how, match):
    with pytest.raises(ValueError, match=match):
        degrade(images(12, 12), **how)
    with pytest.raises(ValueError, match="not .*'y', 'x'"):
        degrade(images(12, 12).T, 4)
