"""Scores beside doing nothing, on the same pixels, and agreement with the coarse images."""

import numpy as np
import pytest
import xarray as xr

import xstf
from xstf.metrics import measure
from xstf.scoring import measure_rows

NOTHING = ["unchanged", "upsampled", "interpolated", "add", "add, both sides"]


@pytest.fixture
def fused(tiny):
    return tiny[0].stf.fuse("add").compute()


def test_of_two_images_it_is_measure(fused, tiny):
    _, truth = tiny
    xr.testing.assert_identical(xstf.score(fused, truth), measure(fused, truth))


def test_a_scene_brings_the_rows_that_do_nothing(fused, tiny):
    ds, truth = tiny
    found = xstf.score(fused.assign_attrs(method="mine"), truth, scene=ds, metrics=["rmse", "cc"])
    assert found["name"].values.tolist() == [*NOTHING, "mine"]
    assert found["trivial"].values.tolist() == [True] * 5 + [False]
    both = measure(fused, truth, metrics=["rmse"])["rmse"]
    for name in ("mine", "add, both sides"):
        np.testing.assert_allclose(found["rmse"].sel(name=name), both, rtol=1e-6)
    kept = ds.fine[[0, 3]].assign_coords(time=fused.time)
    np.testing.assert_allclose(
        found["rmse"].sel(name="unchanged"), measure(kept, truth, metrics=["rmse"])["rmse"]
    )
    assert found["rmse"].attrs == both.attrs


def test_the_truth_may_be_the_scene_itself(tiny):
    ds, truth = tiny
    whole = ds.assign(fine=truth, fine_observed=("time", np.ones(4, bool)))
    fused = whole.stf.fuse("add", dates=ds.time.values[1], pairs=[ds.time.values[0]])
    found = whole.stf.score(fused, metrics=["rmse"])
    assert found["name"].values.tolist() == [n for n in NOTHING if n != "add"] + ["add"]
    assert not found["trivial"].sel(name="add")  # it is the prediction that was given
    before = truth[[0]].assign_coords(time=truth.time[[1]])
    unchanged = measure(before, truth, metrics=["rmse"])["rmse"]
    np.testing.assert_allclose(found["rmse"].sel(name="unchanged"), unchanged, rtol=1e-12)


def test_all_are_judged_on_the_pixels_that_each_has(fused, tiny):
    _, truth = tiny
    holes = fused.copy(deep=True)
    holes[0, 0, :10] = np.nan
    found = measure_rows({"whole": fused, "holes": holes}, truth, metrics=["rmse"])["rmse"]
    expected = measure(fused.where(holes.notnull()), truth, metrics=["rmse"])["rmse"]
    for name in ("whole", "holes"):
        np.testing.assert_allclose(found.sel(name=name), expected, rtol=1e-12)
    assert float(expected[0, 0]) != float(measure(fused, truth, metrics=["rmse"])["rmse"][0, 0])


def test_a_date_that_one_lacks_is_missing_for_it_alone(fused, tiny):
    _, truth = tiny
    found = measure_rows({"both": fused, "one": fused[:1]}, truth, metrics=["rmse", "sam"])
    assert found["rmse"].sel(name="one").isnull().all("band").values.tolist() == [False, True]
    xr.testing.assert_equal(
        found.sel(name="both", drop=True), measure(fused, truth, metrics=["rmse", "sam"])
    )


def test_scores_beside_nothing_are_lazy(tiny, nothing_computes):
    ds, truth = tiny
    found = xstf.score(ds.chunk(y=16).stf.fuse("add"), truth.chunk(y=16), scene=ds.chunk(y=16))
    assert found["rmse"].chunks is not None


def test_the_scale_comes_from_the_scene(fused, tiny):
    ds, truth = tiny
    plain = fused.drop_attrs()
    found = xstf.score(plain, truth, scene=ds, metrics=["ergas"])["ergas"]
    assert found.attrs["ratio"] == 1 / 8


def test_nothing_to_score(tiny):
    with pytest.raises(ValueError, match="there is no prediction to score"):
        xstf.score({}, tiny[1])
    with pytest.raises(ValueError, match="some predictions have dates"):
        xstf.score({"a": tiny[1], "b": tiny[1][0].drop_vars("time")}, tiny[1])


def test_consistency_is_the_error_of_the_cell_means(tiny):
    ds, truth = tiny
    found = ds.stf.consistency(truth)
    cells = truth.values.astype(float).reshape(4, 2, 6, 8, 8, 8).mean(axis=(3, 5))
    off = cells - ds.coarse.values
    np.testing.assert_allclose(found["rmse"], np.sqrt((off**2).mean(axis=(2, 3))), rtol=1e-5)
    np.testing.assert_allclose(found["bias"], off.mean(axis=(2, 3)), rtol=1e-3, atol=1e-8)


def test_consistency_tells_a_wrong_day_and_bias(tiny):
    ds, truth = tiny
    good = ds.stf.consistency(truth[1:2])["rmse"]
    late = ds.stf.consistency(truth[3:4].assign_coords(time=truth.time[1:2]))["rmse"]
    high = ds.stf.consistency(truth[1:2] + np.float32(0.05))
    assert (late > 2 * good).all()
    np.testing.assert_allclose(high["bias"], 0.05, atol=0.01)


def test_consistency_of_coarse_images_on_the_fine_grid(tiny):
    ds, truth = tiny
    coarse = truth.copy(data=ds.coarse.values.repeat(8, 2).repeat(8, 3))
    shipped = xstf.scene(truth, coarse, scale=1)
    np.testing.assert_allclose(
        shipped.stf.consistency(truth, cell=8)["rmse"], ds.stf.consistency(truth)["rmse"], rtol=1e-5
    )
    pixels = np.sqrt(((truth - coarse) ** 2).mean(("y", "x")))
    np.testing.assert_allclose(shipped.stf.consistency(truth)["rmse"], pixels, rtol=1e-5)


def test_consistency_needs_a_coarse_image(tiny):
    ds, truth = tiny
    ds["coarse_observed"] = ("time", [True, False, True, True])
    with pytest.raises(ValueError, match="2020-.* has no coarse image to agree with"):
        ds.stf.consistency(truth)
