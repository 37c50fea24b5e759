"""STARFM against plain numpy, scenes with known answers, and the paper's own simulations."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests import oracles
from xstf.papers import gao_c


@pytest.fixture(scope="module")
def scene():
    """Coarse images on the fine grid (scale 1), with a hole on each side."""
    ds, _ = xstf.simulate("mixed", size=28, scale=4, dates=3, pairs=2, bands=("red",), seed=2)
    coarse = ds.fine.copy(data=ds.coarse.values.repeat(4, 2).repeat(4, 3)).assign_coords(
        time=ds.time
    )
    coarse.values[:, :, 3, 20:23] = np.nan
    fine = ds.fine.isel(time=[0, 2]).compute()
    fine.values[0, 0, 14:17, 9:12] = np.nan
    return xstf.scene(fine, coarse, scale=1)


PARAMETERS = [
    {},
    {"classes": 4},
    {"temporal": True},
    {"rule": "paper", "classes": 4},
    {"rule": "paper", "classes": 4, "logistic": True},
    {"logistic": True, "classes": 6},
    {"classes": 4, "distance": 3.0, "uncertainty_fine": 0.02, "uncertainty_coarse": 0.01},
    {"classes": 3, "uncertainty_fine": 0, "uncertainty_coarse": 0, "step": 1e-3},
]


@pytest.mark.parametrize("pairs", [1, 2])
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_equals_the_oracle(scene, parameters, pairs):
    at = [0, 2][:pairs]
    expected = oracles.starfm(
        scene.fine.values[at, 0],
        scene.coarse.values[at, 0],
        scene.coarse.values[1, 0],
        window=9,
        **{"classes": 40, **parameters},
    )
    served = list(scene.time.values[at])
    found = scene.stf.fuse("starfm", window=9, pairs=served, **parameters).compute()[0, 0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_adding_a_constant_to_all_images_adds_it_to_the_prediction(scene):
    moved = scene.copy()
    for name in ("fine", "coarse"):
        moved[name] = scene[name] + np.float32(0.125)
    options = {"window": 9, "classes": 4}
    a, b = (ds.stf.fuse("starfm", **options).compute() for ds in (scene, moved))
    np.testing.assert_allclose(b, a + 0.125, atol=3e-4)
    assert float(abs(b - a - 0.125).median()) < 1e-6


def test_two_equal_pairs_are_one_pair(scene):
    ds = scene.isel(time=[0, 1, 2]).copy(deep=True).compute()
    for name in ("fine", "coarse"):
        ds[name][2] = ds[name][0]
    options = {"window": 9, "temporal": True}
    both = ds.stf.fuse("starfm", **options).compute()
    one = ds.stf.fuse("starfm", pairs=[ds.time.values[0]], **options).compute()
    np.testing.assert_allclose(both, one, atol=1e-6)


def test_gao_scene_a_changing_reflectance_is_predicted_by_the_search():
    ds, truth = xstf.simulate("gao_a")
    fused = ds.stf.fuse("starfm", classes=4, upsample="nearest").compute()
    moved = ds.stf.fuse("add", upsample="nearest").compute()
    wanted = truth.sel(time=fused.time)
    errors = [float(np.sqrt(((image - wanted) ** 2).mean())) for image in (fused, moved)]
    assert errors[0] < 0.35 * errors[1]


@pytest.mark.parametrize("radius", [360, 480])
def test_gao_scene_c_objects_that_hold_a_pure_cell_are_kept(radius):
    ds, truth = gao_c(radius=radius)
    fused = ds.stf.fuse("starfm", classes=4, upsample="nearest", rule="paper").compute()
    wanted = truth.sel(time=fused.time)
    water = wanted.values[0, 0] < 0.1
    assert abs(fused.values[0, 0] - wanted.values[0, 0])[water].mean() < 0.01


def test_the_window_must_fit_and_be_odd(scene):
    with pytest.raises(ValueError, match="window of 51 fine pixels is larger than the scene"):
        scene.stf.fuse("starfm")
    with pytest.raises(ValueError, match="window=10 breaks its rule.*odd"):
        scene.stf.fuse("starfm", window=10)


def test_similar_counts_the_neighbours_that_have_a_say():
    """On two flat halves each pixel is alike to those of its half within the window."""
    flat = np.full((1, 20, 24), 0.2, np.float32)
    flat[..., 12:] = 0.6
    times = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    fine = xr.DataArray(flat[None], dims=("time", "band", "y", "x"), coords={"time": times[:1]})
    coarse = xr.DataArray(
        np.stack([flat, flat + np.float32(0.05)]), dims=fine.dims, coords={"time": times}
    )
    ds = xstf.scene(fine, coarse, scale=1)
    found = ds.stf.fuse("starfm", window=5, quality=True).compute()
    assert set(found.data_vars) == {"fused", "similar"}
    rows = np.minimum(np.arange(20), 2) + np.minimum(np.arange(20)[::-1], 2) + 1
    at = np.arange(12)
    columns = np.minimum(at, 2) + np.minimum(at[::-1], 2) + 1
    expected = rows[:, None] * np.concatenate([columns, columns])
    np.testing.assert_array_equal(found.similar[0, 0], expected)
    np.testing.assert_array_equal(found.fused, ds.stf.fuse("starfm", window=5).compute())


def test_similar_is_missing_where_the_prediction_is(scene):
    found = scene.stf.fuse("starfm", window=9, quality=True).compute()
    np.testing.assert_array_equal(found.similar.isnull(), found.fused.isnull())
