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
    # one pair served the prediction, so one side is all that doing nothing has
    assert found["name"].values.tolist() == ["unchanged", "upsampled", "add", "add (given)"]
    assert found["trivial"].values.tolist() == [True, True, True, False]
    np.testing.assert_array_equal(*(found.rmse.sel(name=n) for n in ("add", "add (given)")))
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


def test_of_a_quality_result_the_images_are_scored(fused, tiny):
    ds, truth = tiny
    layers = ds.stf.fuse("add", quality=True).compute()
    xr.testing.assert_identical(xstf.score(layers, truth), xstf.score(layers.fused, truth))
    with pytest.raises(ValueError, match="has no variable fused, only spread"):
        xstf.score(layers[["spread"]], truth)


def test_a_filled_result_is_judged_by_what_it_predicts(tiny):
    ds, truth = tiny[0].compute(), tiny[1]
    ds["fine"].values[0, :, 10:20, 10:20] = np.nan
    filled = ds.stf.fuse("add", fill=True, pairs=1).compute()
    found = xstf.score(filled, truth, metrics=["rmse"])["rmse"]
    gap = ds.fine.isnull()[0, 0]
    predicted = ds.stf.fuse("add", dates=ds.time.values[0], pairs=1).where(gap)
    expected = xstf.score(predicted, truth, metrics=["rmse"])["rmse"]
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    with pytest.raises(ValueError, match="keep what was observed.*pass the whole Dataset"):
        xstf.score(filled.fused, truth)


def test_rows_share_one_range_and_one_scale(fused, tiny):
    truth = tiny[1]
    narrow = fused.assign_attrs(scene_range=[0.0, 0.5])
    with pytest.raises(ValueError, match="valid_range differs"):
        xstf.score({"a": fused, "b": narrow}, truth)
    with pytest.raises(ValueError, match="of scales .*state scale="):
        xstf.score({"a": fused, "b": fused.assign_attrs(scale=4)}, truth)


def test_without_a_valid_range_what_needs_one_is_left_out(tiny):
    ds, truth = (part.compute() for part in tiny)
    warm = {name: ds[name] * 30 + 280 for name in ("fine", "coarse")}
    ds = ds.assign(warm).assign_attrs(valid_range=None)
    fused = ds.stf.fuse("add")
    assert not {"ssim", "edge"} & set(xstf.score(fused, truth * 30 + 280, scene=ds))
    found = xstf.score(fused, truth * 30 + 280, scene=ds, data_range=30)
    assert found.ssim.attrs["data_range"] == 30
    with pytest.raises(ValueError, match="ssim needs the range of the values"):
        xstf.score(fused, truth * 30 + 280, scene=ds, metrics=["ssim"])


def test_coordinates_of_other_files_meet_to_a_millionth_of_a_pixel(fused, tiny):
    ds, truth = tiny
    moved = fused.assign_coords(x=fused.x * (1 + 1e-13))
    assert (moved.x.values != fused.x.values).any()
    ours = xstf.score({"a": moved}, truth, scene=ds, metrics=["rmse"]).rmse.sel(name="a")
    np.testing.assert_allclose(ours, xstf.score(fused, truth, metrics=["rmse"]).rmse, rtol=1e-12)


def test_dates_and_kinds_of_predictions(fused, tiny):
    ds, truth = tiny
    one = xstf.score(fused[0], truth, scene=ds, metrics=["rmse"])
    assert one.rmse.sizes["time"] == 1
    assert ds.stf.consistency(fused[0])["rmse"].sizes["time"] == 1
    with pytest.raises(ValueError, match="'add' has no date, so nothing can be predicted"):
        xstf.score(fused[0].drop_vars("time"), truth, scene=ds)
    with pytest.raises(TypeError, match="predicted is a ndarray, not a DataArray"):
        xstf.score(fused.values, truth, scene=ds)
    with pytest.raises(ValueError, match="cell=4 is no side of a coarse cell.*scene's are 8"):
        ds.stf.consistency(fused, cell=4)


def test_digital_numbers_are_refused_when_they_are_read(fused, tiny):
    ds, truth = tiny
    lazy = xstf.score(fused.chunk(y=16) * 1e4, truth, scene=ds, metrics=["rmse"])
    with pytest.raises(ValueError, match="predicted holds values .* look like digital numbers"):
        lazy.compute()


def test_nothing_to_score(tiny):
    with pytest.raises(ValueError, match="there is no prediction to score"):
        xstf.score({}, tiny[1])
    with pytest.raises(ValueError, match="select one date of both, or expand_dims"):
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
