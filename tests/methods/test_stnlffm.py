"""STNLFFM against plain numpy, its closed form, scenes with known answers, and real scenes."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles.stnlffm import stnlffm
from tests.speed.accuracy import boreas, lgc

SMALL = {"window": 7, "tolerance": 0.02}


@pytest.fixture(scope="module")
def scene():
    """Two pairs and a target with coarse images on the fine grid (scale 1), with holes."""
    ds, _ = xstf.simulate("mixed", size=20, scale=4, dates=3, pairs=2, bands=("red", "nir"), seed=2)
    ds = ds.compute()
    coarse = ds.fine.copy(data=ds.coarse.values.repeat(4, 2).repeat(4, 3)).assign_coords(
        time=ds.time
    )
    coarse.values += np.random.default_rng(0).normal(0, 0.003, coarse.shape)
    coarse.values[0, :, 3, 14:17] = np.nan
    coarse.values[1, 1, 10:12, 5] = np.nan
    fine = ds.fine.isel(time=[0, 2])
    fine.values[0, 0, 14:17, 9:12] = np.nan
    fine.values[1, :, 18, 18] = np.nan
    return xstf.scene(fine, coarse, scale=1)


@pytest.mark.parametrize("pairs", [1, 2])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"rule": "code"},
        {"patch": 3},
        {"patch": 5, "rule": "code", "h": 0.05},
        {"gamma": 0.01},
        {"tolerance": 0.1, "gamma": 1e-4, "h": 0.3},
    ],
    ids=str,
)
def test_equals_the_oracle(scene, parameters, pairs):
    at = [0, 2][:pairs]
    options = {**SMALL, **parameters}
    expected, count = stnlffm(
        scene.fine.values[at], scene.coarse.values[at], scene.coarse.values[1], **options
    )
    found = scene.stf.fuse(
        "stnlffm", pairs=list(scene.time.values[at]), quality=True, **options
    ).compute()
    np.testing.assert_array_equal(np.isnan(found.fused[0]), np.isnan(expected))
    np.testing.assert_allclose(found.fused[0], expected, rtol=0, atol=3e-6)
    np.testing.assert_array_equal(found.similar[0], np.where(np.isnan(expected), np.nan, count))


def test_one_band_is_enough(scene):
    one = scene.isel(band=[1])
    expected, _ = stnlffm(one.fine.values[:1], one.coarse.values[:1], one.coarse.values[1], **SMALL)
    found = one.stf.fuse("stnlffm", pairs=[one.time.values[0]], **SMALL).compute()[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def flat_pair(coarse_before, coarse_after, fine):
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    axes = ("time", "band", "y", "x")
    images = np.stack([coarse_before, coarse_after]).astype("f4")
    coarse = xr.DataArray(images, dims=axes, coords={"time": days})
    observed = xr.DataArray(fine[None].astype("f4"), dims=axes, coords={"time": days[:1]})
    return xstf.scene(observed, coarse, scale=1)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0, 1e6])
def test_the_closed_form_of_the_slope(gamma):
    """Target = alpha pair + beta over one flat class: a = (alpha S + gamma) / (S + gamma)."""
    rng = np.random.default_rng(1)
    before = rng.uniform(0.2, 0.4, (1, 9, 9))
    fine = np.full((1, 9, 9), 0.5)
    alpha, beta = 0.9, 0.04
    after = alpha * before + beta
    ds = flat_pair(before, after, fine)
    options = {"window": 9, "uncertainty_coarse": 1.0, "h": 100.0, "gamma": gamma}
    found = ds.stf.fuse("stnlffm", **options).compute().values[0, 0, 4, 4]
    # the middle pixel averages all 81; each has a line of its own window, cut at the edge
    moved = []
    for y, x in np.ndindex(9, 9):
        part = np.s_[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5]
        u, v = before[0][part], after[0][part]
        spread = ((u - u.mean()) ** 2).sum()
        a = (alpha * spread + gamma) / (spread + gamma)
        moved.append(a * 0.5 + v.mean() - a * u.mean())
    assert abs(found - np.mean(moved)) < 1e-6


def test_a_rise_and_a_fall_of_one_size_are_alike():
    """Equation 7 compares sizes of change, so opposite changes are averaged: a weakness."""
    fine = np.full((1, 5, 10), 0.5)
    before = np.full((1, 5, 10), 0.4)
    after = before + np.where(np.arange(10) < 5, 0.03, -0.03)
    ds = flat_pair(before, after, fine)
    found = ds.stf.fuse("stnlffm", window=5, h=100.0).compute().values[0, 0]
    np.testing.assert_allclose(found[:, 0], 0.53, atol=1e-6)
    assert (found[:, 4] < 0.515).all()


@pytest.mark.parametrize("rule", ["paper", "code"])
def test_of_two_pairs_the_one_without_change_decides(scene, rule):
    ds = scene.copy(deep=True)
    ds["coarse"][:] = np.nan_to_num(ds.coarse, nan=0.2)
    ds["fine"][:] = (np.nan_to_num(ds.fine, nan=0.2) * 4).round() / 4
    ds["coarse"][1] = ds["coarse"][2]
    found = ds.stf.fuse("stnlffm", window=7, rule=rule).compute()[0]
    np.testing.assert_allclose(found, ds.fine[2], rtol=0, atol=1e-6)


def test_swapping_the_pairs_changes_nothing(scene):
    ds = scene.copy(deep=True)
    for name in ("fine", "coarse"):
        ds[name][:] = ds[name].values[::-1]
    a, b = (s.stf.fuse("stnlffm", **SMALL).compute() for s in (scene, ds))
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("turn", ["flip", "transpose"])
def test_turning_the_scene_turns_the_prediction(scene, turn):
    ds = scene.copy(deep=True)
    for name in ("fine", "coarse"):
        values = ds[name].values
        ds[name][:] = values[..., ::-1, ::-1] if turn == "flip" else values.swapaxes(2, 3)
    a, b = (s.stf.fuse("stnlffm", **SMALL).compute().values for s in (scene, ds))
    a = a[..., ::-1, ::-1] if turn == "flip" else a.swapaxes(2, 3)
    np.testing.assert_allclose(b, a, rtol=0, atol=2e-6)


def test_other_units_give_the_same_picture(scene):
    """With every parameter in the units of the scene."""
    k = 256.0
    ds = scene.copy()
    for name in ("fine", "coarse"):
        ds[name] = scene[name] * np.float32(k)
    ds = ds.assign_attrs(valid_range=[0.0, k])
    scaled = {
        "window": 7,
        "tolerance": 0.02 * k,
        "doubling": k,
        "uncertainty_coarse": 0.005 * k,
        "gamma": k**2,
        "h": 0.15 * k**0.5,
    }
    a = scene.stf.fuse("stnlffm", **SMALL).compute()
    b = ds.stf.fuse("stnlffm", **scaled).compute()
    np.testing.assert_allclose(b / k, a, rtol=0, atol=1e-6)


def test_what_leaves_the_valid_range_is_no_neighbour():
    """Two pixels fall below 0; the others rise: the prediction is that of those."""
    fine = np.full((1, 7, 7), 0.02)
    before = np.full((1, 7, 7), 0.3)
    after = before - 0.01
    after[0, 3, 3:5] = 0.3 - 0.014
    fine[0, 3, 3:5] = 0.012
    ds = flat_pair(before, after, fine)
    options = {"window": 3, "gamma": 1e6, "uncertainty_coarse": 1e-3}
    found = ds.stf.fuse("stnlffm", **options).compute().values[0, 0]
    np.testing.assert_allclose(found[3, 3:5], 0, atol=1e-7)
    free = ds.assign_attrs(valid_range=None).stf.fuse("stnlffm", **options).compute()
    np.testing.assert_allclose(free.values[0, 0, 3, 3:5], -0.002, atol=1e-6)


@pytest.mark.parametrize(
    "parameters", [{"patch": 7, "rule": "code"}, {"window": 5, "gamma": 0.0}], ids=str
)
def test_any_cut_gives_the_same_picture(parameters):
    ds = xstf.simulate("mixed", size=48, scale=4, dates=3, pairs=2, bands=("nir",), seed=6)[0]
    ds = ds.compute()
    options = {**SMALL, **parameters}
    whole = ds.stf.fuse("stnlffm", blocksize=1000, **options).compute()
    parts = ds.stf.fuse("stnlffm", blocksize=12, **options).compute()
    xr.testing.assert_identical(parts, whole)


def test_far_pixels_do_not_see_a_hole(scene):
    ds = xstf.simulate("mixed", size=60, scale=4, dates=2, pairs=1, bands=("nir",), seed=6)[0]
    ds = ds.compute()
    holes = ds.copy(deep=True)
    holes["fine"][0, :, :8, :8] = np.nan
    a, b = (s.stf.fuse("stnlffm", **SMALL).compute().values[0, 0] for s in (ds, holes))
    far = np.ones(a.shape, bool)
    far[: 8 + 6, : 8 + 6] = False
    np.testing.assert_array_equal(a[far], b[far])
    assert (a != b)[~far].any()


@pytest.mark.real
def test_on_lgc_flood(real_data):
    ds, _ = lgc(real_data)
    for rule, bounds in (("paper", [101, 141, 390]), ("code", [112, 153, 413])):
        found = errors(ds.stf.fuse("stnlffm", dates="2004-12-28", rule=rule), ds)
        assert (found <= bounds).all(), found


@pytest.mark.real
def test_on_boreas(real_data):
    ds = boreas(real_data, 16)
    day = "2001-07-11"
    one = errors(ds.stf.fuse("stnlffm", dates=day, pairs=["2001-05-24"]), ds)
    assert (one <= [57, 89, 206]).all(), one
    two = errors(ds.stf.fuse("stnlffm", dates=day), ds)
    assert (two <= [48.5, 48, 127]).all(), two


def errors(fused, ds):
    off = fused.compute() - ds.fine.sel(time=fused.time)
    assert not off.isnull().any()
    return 1e4 * np.sqrt((off**2).mean(("time", "y", "x"))).values
