"""Images on the cells of another grid, against GDAL, plain weights and known answers."""

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, reproject

from xstf.kernels.boxes import cell_means
from xstf.kernels.warp import HOW, reach, warp

RNG = np.random.default_rng(0)


def corners(rows, columns, *, start=(0.0, 0.0), down=(1.0, 0.0), across=(0.0, 1.0)):
    """Corners of cells that go `down` and `across` (rows, columns of pixels) from `start`."""
    i, j = np.mgrid[0 : rows + 1, 0 : columns + 1]
    return tuple(start[k] + i * down[k] + j * across[k] for k in (0, 1))


@pytest.mark.parametrize("how", HOW)
def test_cells_that_are_pixels_are_these(how):
    image = RNG.uniform(0, 1, (2, 9, 11)).astype("f4")
    got = warp(image, *corners(5, 6, start=(2, 3)), how)
    np.testing.assert_allclose(got, image[:, 2:7, 3:9], rtol=0, atol=1e-6)
    flipped = corners(5, 6, start=(7, 9), down=(-1, 0), across=(0, -1))
    np.testing.assert_allclose(warp(image, *flipped, how), got[:, ::-1, ::-1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", [2, 3, 5])
def test_the_average_of_whole_pixels_is_their_mean(side):
    image = RNG.uniform(0, 1, (1, 4 * side, 5 * side)).astype("f4")
    image[0, 0, : side // 2] = np.nan
    got = warp(image, *corners(4, 5, down=(side, 0), across=(0, side)), "average")
    np.testing.assert_allclose(got, cell_means(image, side), rtol=0, atol=1e-6)


def test_the_average_weighs_by_area():
    """A cell of 1.5 x 1.5 pixels: one pixel whole, two halves, one quarter."""
    image = np.array([[[1.0, 2.0], [4.0, 8.0]]], "f4")
    got = warp(image, *corners(1, 1, down=(1.5, 0), across=(0, 1.5)), "average")
    assert got.item() == pytest.approx((1 + 2 / 2 + 4 / 2 + 8 / 4) / 2.25)


@pytest.mark.parametrize("how", ["bilinear", "cubic"])
@pytest.mark.parametrize("side", [0.7, 1.0, 1.6, 2.5])
def test_interpolation_is_gdal_s(how, side):
    image = RNG.uniform(0, 1, (24, 30)).astype("f4")
    start, shape = (5.3, 4.8), (6, 7)
    want = np.full(shape, np.nan, "f4")
    reproject(
        image,
        want,
        src_transform=rasterio.Affine(1, 0, 0, 0, 1, 0),
        dst_transform=rasterio.Affine(side, 0, start[1], 0, side, start[0]),
        src_crs="EPSG:32633",
        dst_crs="EPSG:32633",
        resampling=getattr(Resampling, how),
    )
    got = warp(image, *corners(*shape, start=start, down=(side, 0), across=(0, side)), how)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-4)


@pytest.mark.parametrize("how", HOW)
def test_a_plane_stays_a_plane_on_sheared_cells(how):
    rows, columns = np.mgrid[0:40, 0:40] + 0.5
    plane = (0.01 * rows - 0.02 * columns)[None].astype("f4")
    v, u = corners(9, 8, start=(12.2, 8.4), down=(1.1, 0.4), across=(-0.2, 0.9))
    got = warp(plane, v, u, how)[0]
    centre = [(p[1:, 1:] + p[:-1, :-1]) / 2 for p in (v, u)]
    want = 0.01 * centre[0] - 0.02 * centre[1]
    # the nearest pixel, and an average of flat pixels, are off by up to half a pixel's step; the
    # weights of a widened kernel are not quite even
    slack = {"nearest": 0.015, "average": 0.006, "bilinear": 1.5e-3}.get(how, 2e-4)
    np.testing.assert_allclose(got, want, rtol=0, atol=slack)


@pytest.mark.parametrize("how", ["nearest", "bilinear", "cubic"])
def test_a_missing_pixel_takes_its_own_cells_and_colours_no_other(how):
    image = np.full((1, 12, 12), 0.25, "f4")
    image[0, 6, 5] = np.nan
    v, u = corners(40, 40, start=(1.0, 1.0), down=(0.25, 0), across=(0, 0.25))
    got = warp(image, v, u, how)[0]
    missing = np.zeros((40, 40), bool)
    missing[20:24, 16:20] = True
    np.testing.assert_array_equal(np.isnan(got), missing)
    np.testing.assert_allclose(got[~missing], 0.25, rtol=0, atol=1e-6)


def test_around_a_missing_pixel_cubic_weights_give_way():
    """The rest of four bilinear weights, grown in proportion."""
    image = RNG.uniform(0, 1, (1, 8, 8)).astype("f4")
    image[0, 3, 4] = np.nan
    v, u = corners(1, 1, start=(3.2, 2.9))  # centre at row 3.7, column 3.4: of centres 3.2, 2.9
    weights = {(3, 2): 0.8 * 0.1, (3, 3): 0.8 * 0.9, (4, 2): 0.2 * 0.1, (4, 3): 0.2 * 0.9}
    want = sum(w * image[0][at] for at, w in weights.items())
    assert warp(image, v, u, "cubic").item() == pytest.approx(want, abs=1e-6)
    v, u = corners(1, 1, start=(3.2, 3.1))  # now the missing one has weight 0.8 * 0.1
    rest = {(3, 3): 0.8 * 0.9, (4, 3): 0.2 * 0.9, (4, 4): 0.2 * 0.1}
    want = sum(w * image[0][at] for at, w in rest.items()) / sum(rest.values())
    assert warp(image, v, u, "cubic").item() == pytest.approx(want, abs=1e-6)


def test_an_average_needs_half_of_the_cell():
    image = np.full((1, 4, 4), 0.5, "f4")
    image[0, :, :2] = np.nan
    for across, missing in ((3.6, True), (4.0, False)):  # 1.6 of 3.6 pixels, 2 of 4
        v, u = corners(1, 1, down=(4, 0), across=(0, across))
        assert np.isnan(warp(image, v, u, "average").item()) == missing
    v, u = corners(1, 1, start=(0, 2), down=(4, 0), across=(0, 4.2))  # beyond the image is missing
    assert np.isnan(warp(image, v, u, "average").item())


@pytest.mark.parametrize("how", HOW)
def test_corners_without_a_place_leave_cells_missing(how):
    image = np.ones((1, 6, 6), "f4")
    v, u = corners(3, 3, start=(1, 1))
    v[0, 0] = np.nan
    got = warp(image, v, u, how)[0]
    assert np.isnan(got[0, 0])
    assert np.isfinite(got).sum() == 8


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("side", [0.6, 1.0, 2.7])
def test_no_pixel_beyond_reach_is_read(how, side):
    image = RNG.uniform(0, 1, (1, 40, 40)).astype("f4")
    v, u = corners(1, 1, start=(19.3, 20.6), down=(side, 0), across=(0, side))
    margin = reach(how, side)
    rows, columns = (
        slice(int(np.floor(p.min())) - margin, int(np.ceil(p.max())) + margin) for p in (v, u)
    )
    part = image[:, rows, columns]
    got = warp(part, v - rows.start, u - columns.start, how)
    np.testing.assert_array_equal(got, warp(image, v, u, how))
