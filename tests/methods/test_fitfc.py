"""Fit-FC against plain numpy, scenes with known answers, and real scenes."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles.fitfc import fitfc
from tests.speed.accuracy import boreas, lgc

SMALL = {"window": 7, "num_similar": 6}


@pytest.fixture(scope="module")
def scene():
    """One pair and two targets, with holes."""
    ds, _ = xstf.simulate("mixed", size=36, scale=4, dates=3, pairs=1, bands=("red", "nir"), seed=2)
    ds = ds.compute()
    ds["fine"][0, 0, 14:17, 9:12] = np.nan
    ds["fine"][0, 1, 30, 30] = np.nan
    ds["coarse"][0, 1, 5, 2] = np.nan
    ds["coarse"][2, :, 3:7, 4:8] = np.nan
    return ds


@pytest.mark.parametrize("bands", [[0, 1], [1]], ids=["two bands", "one band"])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"num_similar": 1}, {"window": 11, "num_similar": 30}, {"cell_window": 5},
     {"gamma": 0.01}, {"window": 3, "num_similar": 9}],
    ids=str,
)  # fmt: skip
def test_equals_the_oracle(scene, parameters, bands):
    options = {**SMALL, **parameters}
    ds = scene.isel(band=bands)
    found = ds.stf.fuse("fitfc", quality=True, **options).compute()
    for date in range(2):
        expected, count = fitfc(
            ds.fine.values[0], ds.coarse.values[0], ds.coarse.values[date + 1], 4, **options
        )
        np.testing.assert_array_equal(np.isnan(found.fused[date]), np.isnan(expected))
        np.testing.assert_allclose(found.fused[date], expected, rtol=0, atol=2e-5)
        np.testing.assert_array_equal(found.similar[date, 0], count)


def one_pair(fine, before, after, scale):
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    axes = ("time", "band", "y", "x")
    observed = xr.DataArray(fine[None].astype("f4"), dims=axes, coords={"time": days[:1]})
    coarse = xr.DataArray(np.stack([before, after]).astype("f4"), dims=axes, coords={"time": days})
    return xstf.scene(observed, coarse, scale=scale)


@pytest.fixture
def textured():
    rng = np.random.default_rng(4)
    fine = rng.uniform(0.1, 0.5, (2, 32, 32))
    return fine, fine.reshape(2, 8, 4, 8, 4).mean(axis=(2, 4))


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (1, 0.05), (1.3, -0.02), (-0.5, 0.5)])
def test_one_line_everywhere_takes_any_texture_along(textured, alpha, beta):
    fine, coarse = textured
    ds = one_pair(fine, coarse, alpha * coarse + beta, 4)
    found = ds.stf.fuse("fitfc", window=5, num_similar=1).compute()[0]
    np.testing.assert_allclose(found, alpha * fine + beta, rtol=0, atol=3e-6)


def test_one_line_everywhere_is_exact_over_flat_objects():
    fine = np.random.default_rng(5).integers(1, 5, (2, 8, 8)).repeat(6, 1).repeat(6, 2) / 10
    coarse = fine.reshape(2, 12, 4, 12, 4).mean(axis=(2, 4))
    found = one_pair(fine, coarse, 0.8 * coarse + 0.1, 4).stf.fuse("fitfc", window=11).compute()
    np.testing.assert_allclose(found[0], 0.8 * fine + 0.1, rtol=0, atol=2e-6)


def test_the_same_coarse_image_gives_the_same_fine_one(textured):
    fine, coarse = textured
    found = one_pair(fine, coarse, coarse, 4).stf.fuse("fitfc", window=5, num_similar=1).compute()
    np.testing.assert_array_equal(found[0], fine.astype("f4"))


def test_flat_windows_shift(textured):
    """Cells of the left half are alike: slope 1 there, and the mean change."""
    fine, coarse = textured
    before = coarse.copy()
    before[:, :, :4] = 0.3
    after = 1.5 * before
    after[:, :, :4] = 0.34
    ds = one_pair(fine, before, after, 4)
    found = ds.stf.fuse("fitfc", window=5, num_similar=1).compute().values[0]
    # residuals are 0 where windows are flat or all on one line; at the scene's edge those of
    # cells further along are mixed in
    found, fine = found[:, 8:24], fine[:, 8:24]
    np.testing.assert_allclose(found[..., :4], fine[..., :4] + 0.04, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[..., 26:], 1.5 * fine[..., 26:], rtol=0, atol=3e-6)


@pytest.mark.parametrize("turn", ["flip", "transpose"])
def test_turning_the_scene_turns_the_prediction(scene, turn):
    ds = scene.copy(deep=True)
    for name in ("fine", "coarse"):
        values = ds[name].values
        ds[name][:] = values[..., ::-1, ::-1] if turn == "flip" else values.swapaxes(2, 3)
    a, b = (s.stf.fuse("fitfc", **SMALL).compute().values for s in (scene, ds))
    a = a[..., ::-1, ::-1] if turn == "flip" else a.swapaxes(2, 3)
    np.testing.assert_allclose(b, a, rtol=0, atol=2e-6)


def test_other_units_give_the_same_picture(scene):
    ds = scene.copy().assign_attrs(valid_range=[0.0, 1024.0])
    for name in ("fine", "coarse"):
        ds[name] = scene[name] * np.float32(1024)
    a, b = (
        s.stf.fuse("fitfc", gamma=gamma, **SMALL).compute()
        for s, gamma in ((scene, 1e-3), (ds, 1e-3 * 1024**2))
    )
    np.testing.assert_array_equal(b / 1024, a)


def test_scaled_integers_are_their_values():
    rng = np.random.default_rng(6)
    images = [rng.integers(200, 4000, (2, 1, n, n)).astype("uint16") for n in (24, 6)]
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    scaled = [
        xr.DataArray(image, dims=("time", "band", "y", "x"), coords={"time": days})
        for image in images
    ]
    whole = [image.assign_attrs(scale_factor=1e-4) for image in scaled]
    a, b = (
        xstf.scene(fine[:1], coarse, scale=4).stf.fuse("fitfc", **SMALL).compute()
        for fine, coarse in (whole, [(image * 1e-4).astype("f4") for image in scaled])
    )
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_the_coarse_scale_of_one_band_does_not_touch_another(scene):
    ds = scene.copy(deep=True)
    ds["coarse"][:, 1] = ds["coarse"][:, 1] * np.float32(0.5)
    a, b = (s.stf.fuse("fitfc", **SMALL).compute() for s in (scene, ds))
    np.testing.assert_array_equal(a[:, 0], b[:, 0])


@pytest.mark.parametrize(
    "parameters", [{"cell_window": 7}, {"window": 13, "num_similar": 40, "gamma": 0.01}], ids=str
)
def test_any_cut_gives_the_same_picture(scene, parameters):
    options = {**SMALL, **parameters}
    whole = scene.stf.fuse("fitfc", blocksize=1000, **options).compute()
    parts = scene.stf.fuse("fitfc", blocksize=12, **options).compute()
    xr.testing.assert_identical(parts, whole)


def test_far_pixels_do_not_see_a_hole(scene):
    holes = scene.copy(deep=True)
    holes["fine"][0, :, :8, :8] = np.nan
    a, b = (s.stf.fuse("fitfc", **SMALL).compute().values for s in (scene, holes))
    far = np.ones(a.shape[2:], bool)
    far[: 8 + 3, : 8 + 3] = False
    np.testing.assert_array_equal(a[..., far], b[..., far])


def test_coarse_images_on_the_fine_grid_need_the_cell(scene):
    coarse = scene.fine.copy(data=scene.coarse.values.repeat(4, 2).repeat(4, 3))
    coarse = coarse.assign_coords(time=scene.time)
    ds = xstf.scene(scene.fine.isel(time=[0]), coarse, scale=1)
    with pytest.raises(ValueError, match="cell=16"):
        ds.stf.fuse("fitfc", **SMALL)
    found = ds.stf.fuse("fitfc", cell=4, **SMALL).compute()
    np.testing.assert_allclose(found, scene.stf.fuse("fitfc", **SMALL).compute(), atol=2e-6)


@pytest.mark.real
def test_on_lgc_flood(real_data):
    ds, _ = lgc(real_data)
    found = errors(ds.stf.fuse("fitfc", dates="2004-12-28"), ds)
    assert (found <= [108.5, 147, 395]).all(), found
    pulled = errors(ds.stf.fuse("fitfc", dates="2004-12-28", gamma=1e-3), ds)
    assert (pulled < [103, 139.5, 370]).all(), pulled


@pytest.mark.real
def test_on_boreas(real_data):
    ds = boreas(real_data, 16)
    may = {"dates": "2001-07-11", "pairs": ["2001-05-24"]}
    found = errors(ds.stf.fuse("fitfc", **may), ds)
    assert (found <= [61, 73.5, 248]).all(), found
    pulled = errors(ds.stf.fuse("fitfc", gamma=1e-3, **may), ds)
    assert (pulled <= [57, 84, 198]).all(), pulled


@pytest.mark.real
@pytest.mark.parametrize(("method", "bound"), [("fitfc", 0.0515), ("stnlffm", 0.055)])
def test_one_band_with_gaps_in_the_coarse_target(real_data, method, bound):
    folder, days = real_data / "saltonsea", ["2020-11-11", "2020-12-06"]
    fine = xstf.read_images([folder / "fine" / f"{d}_fine.tif" for d in days])
    coarse = xstf.read_images([folder / "coarse" / f"{d}_coarse.tif" for d in days])
    ds = xstf.find_observed(xstf.scene(fine, coarse), least=0.9).compute()
    assert ds.coarse.isnull().any(("y_coarse", "x_coarse")).all()
    fused = ds.stf.fuse(method, dates=days[0], pairs=[days[1]]).compute()
    assert not fused.isnull().any()
    off = fused - ds.fine.sel(time=fused.time)
    assert float(np.sqrt((off**2).mean())) < bound


def errors(fused, ds):
    off = fused.compute() - ds.fine.sel(time=fused.time)
    assert not off.isnull().any()
    return 1e4 * np.sqrt((off**2).mean(("time", "y", "x"))).values
