"""All metrics at once: what is held, shared, named, matched and refused."""

import subprocess
import sys

import dask
import numpy as np
import pytest
import xarray as xr

from tests.metrics.images import BANDS, EVERY, scene
from tests.metrics.test_windowed import large
from xstf import metrics
from xstf.metrics import METRICS, ergas, measure, ms_ssim, rmse, ssim, uiqi

USUAL = ["rmse", "mae", "bias", "cc", "ssim", "sam", "ergas", "uiqi", "edge", "lbp"]
PLAIN = ["rmse", "mae", "bias", "cc", "r2", "psnr", "kge", "dd", "sam", "ergas"]


@pytest.mark.parametrize("metric", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("lazy", [False, True])
def test_nothing_to_compare_is_nan_without_a_warning(metric, lazy):
    p, t = scene(shape=(2, 3, 14, 13), holes=False)
    p[0], t[0, :, :, 1:] = np.nan, np.nan
    if lazy:
        p, t = p.chunk(y=5, x=13), t.chunk(y=5, x=13)
    found = metric(p, t).compute()
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
    assert found.dtype == np.float64
    assert list(found.time.values) == list(p.time.values)


LINES = {"time": 1, "band": 1, "y": 1, "x": 31}
UNEVEN = {"time": 3, "band": 2, "y": (1, 2, 3, 20), "x": (17, 1, 1, 12)}
COLUMNS = {"time": (1, 2), "band": 3, "y": 26, "x": 4}


@pytest.mark.parametrize(
    "chunks", [(LINES, None), (None, COLUMNS), (UNEVEN, UNEVEN)], ids=["one", "other", "both"]
)
@pytest.mark.parametrize("metric", EVERY.values(), ids=EVERY)
def test_any_chunks_give_the_same_score(metric, chunks):
    images = scene()
    cut = (a.chunk(c) if c else a for a, c in zip(images, chunks, strict=True))
    found = metric(*cut)
    assert found.chunks is not None
    whole = metric(*images)
    xr.testing.assert_allclose(found.compute(scheduler="sync"), whole, rtol=1e-12, atol=1e-15)


def test_building_computes_nothing(nothing_computes):
    p, t = scene()
    p, t = p.chunk(y=8, x=9), t.chunk(y=9, x=8)
    found = [measure(p, t, scale=16, metrics="all")] + [metric(p, t) for metric in EVERY.values()]
    assert all(dask.is_dask_collection(variable) for variable in found[0].values())
    assert all(dask.is_dask_collection(one) for one in found[1:])
    a, b = (i.chunk(y=50) for i in large())
    assert dask.is_dask_collection(ms_ssim(a, b))
    with pytest.raises(AssertionError, match="computed"):
        found[0].compute()


def reading(p):
    """Return a lazy image and the list of its reads."""
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    lazy = p.chunk(y=13, x=16).data
    return p.copy(data=lazy.map_blocks(read, meta=np.empty((0,) * 4, p.dtype))), reads


@pytest.mark.parametrize("names", [None, "plain", "all"])
def test_all_metrics_share_one_reading(names):
    p, t = scene()
    lazy, reads = reading(p)
    measure(lazy, t.chunk(y=13, x=16), scale=16, metrics=names).compute(scheduler="sync")
    assert len(reads) == 4


def test_the_moments_are_found_once(monkeypatch):
    from xstf.metrics import moments

    calls = []
    found = moments._region_moments

    def count(*arrays, **options):
        calls.append(1)
        return found(*arrays, **options)

    monkeypatch.setattr(moments, "_region_moments", count)
    p, t = scene()
    names = [n for n in PLAIN if n != "sam"]
    measure(p, t, scale=16, metrics=[*names, "ssim"])
    assert len(calls) == 1
    graph = measure(p.chunk(y=13, x=16), t, scale=16, metrics=names)
    graph.compute(scheduler="sync")
    assert len(calls) == 1 + 4


def test_inputs_are_left_alone():
    p, t = scene()
    before = p.copy(deep=True), t.copy(deep=True)
    measure(p, t, scale=16, metrics="all")
    xr.testing.assert_identical(p, before[0])
    xr.testing.assert_identical(t, before[1])


def test_integers_are_taken():
    p, t = scene(holes=False)
    p, t = ((i * 10_000).astype(np.int16) for i in (p, t))
    for cut in ({}, {"y": 5}):
        found = measure(p.chunk(cut) if cut else p, t, scale=4, metrics="all")
        floats = measure(p.astype(float), t.astype(float), scale=4, metrics="all")
        xr.testing.assert_allclose(found.compute(), floats, rtol=1e-12)


def test_a_perfect_image_has_perfect_scores():
    _, t = large()
    found = measure(t, t, scale=16, metrics="all")
    assert set(found) == set(METRICS)
    for name, value in found.items():
        best = {"small": 0, "zero": 0, "large": np.inf if name == "psnr" else 1}
        np.testing.assert_allclose(value, best[METRICS[name].best], atol=1e-5, err_msg=name)


def test_what_is_worse_is_told_by_every_metric():
    p, t = large()
    worse = p.copy(data=p.values[..., ::-1].copy())
    a, b = (measure(i, t, scale=16, metrics="all").mean() for i in (p, worse))
    signs = {"small": 1, "large": -1}
    for name, metric in METRICS.items():
        if metric.best in signs:
            assert signs[metric.best] * float(b[name] - a[name]) > 0, name


def test_the_sets():
    p, t = scene()
    assert list(measure(p, t, scale=20)) == USUAL
    assert list(measure(p, t, scale=20, metrics="plain")) == PLAIN
    assert list(measure(p, t, scale=20, metrics="all")) == [n for n in METRICS if n != "ms_ssim"]
    assert list(measure(p, t)) == [n for n in USUAL if n != "ergas"]
    assert list(measure(p, t, metrics=["cc", "rmse", "cc"])) == ["cc", "rmse"]
    assert list(measure(p, t, metrics="kge")) == ["kge"]
    assert [n for n, m in METRICS.items() if not m.window] == PLAIN


def test_measure_holds_what_the_metrics_give_and_names_their_variants():
    p, t = scene()
    found = measure(p, t, scale=20, metrics="all")
    for name, value in found.items():
        per = {"band": ("time", "band"), "date": ("time",)}[METRICS[name].per]
        assert value.dims == per
        alone = ergas(p, t, scale=20) if name == "ergas" else getattr(metrics, name)(p, t)
        xr.testing.assert_identical(value, alone)
        assert value.attrs["variant"]
        assert value.attrs["long_name"] == METRICS[name].long_name
        assert value.attrs["best"] == METRICS[name].best
        assert "valid_range" not in value.attrs
    assert list(found.band.values) == BANDS
    assert found.ssim.attrs["variant"] == "11-px Gaussian, sigma 1.5"
    assert found.ssim.attrs["data_range"] == 1.0
    assert found.sam.attrs["units"] == "degree"
    assert found.ergas.attrs["ratio"] == 1 / 20


def test_the_scale_may_be_what_the_prediction_says():
    p, t = scene()
    said = p.assign_attrs(scale=8)
    xr.testing.assert_identical(measure(said, t).ergas, ergas(p, t, scale=8))
    assert measure(said, t, scale=4).ergas.attrs["ratio"] == 1 / 4
    for named in (["ergas"], "ergas"):
        with pytest.raises(ValueError, match="give scale=16"):
            measure(p, t, metrics=named)


def test_the_data_range_is_that_of_the_images_unless_told():
    p, t = scene()
    p.attrs, t.attrs = {}, {"valid_range": [0.0, 2.5]}
    xr.testing.assert_identical(measure(p, t).ssim, ssim(p, t, data_range=2.5))
    xr.testing.assert_identical(ssim(p, t), ssim(p, t, data_range=2.5))
    xr.testing.assert_identical(measure(p, t, data_range=3).ssim, ssim(p, t, data_range=3))
    for name in ("ssim", "psnr", "edge"):
        assert measure(p, t, metrics=name)[name].attrs["data_range"] == 2.5
    t.attrs = {"valid_range": None}
    xr.testing.assert_identical(measure(p, t).ssim, ssim(p, t, data_range=1.0))
    p.attrs, t.attrs = {"valid_range": (0.0, 1.0)}, {"valid_range": np.array([0.0, 2.0])}
    with pytest.raises(ValueError, match="valid_range differs.*data_range="):
        measure(p, t)
    assert measure(p, t, data_range=1).ssim.attrs["data_range"] == 1
    p.attrs["scene_range"] = (0.0, 2.0)
    assert measure(p, t).ssim.attrs["data_range"] == 2


@pytest.mark.parametrize("lazy", [False, True])
def test_one_band_has_no_angle_and_one_date_no_time(lazy):
    p, t = scene(holes=False)
    if lazy:
        p, t = p.chunk(y=9), t.chunk(y=9)
    full = measure(p, t, scale=16).compute()
    single = measure(p.isel(band=[1]), t.isel(band=[1]), scale=16).compute()
    assert single.sam.dims == ("time",)
    assert np.isnan(single.sam).all()
    assert single.sam.attrs["variant"] == "undefined for one band"
    xr.testing.assert_allclose(single.rmse, full.rmse.isel(band=[1]), rtol=1e-12)
    date = measure(p.isel(time=2), t.isel(time=2), scale=16).compute()
    assert date.rmse.dims == ("band",)
    xr.testing.assert_allclose(date, full.isel(time=2, drop=True), rtol=1e-12)
    mask = np.ones((26, 31), bool)
    none = measure(p.isel(band=[1]), t.isel(band=[1]), metrics="sam", regions=mask)
    assert none.sam.dims == ("time", "region")


def test_images_are_matched_by_label_never_by_position():
    p, t = scene()
    expected = measure(p, t, scale=16)
    shuffled = t.isel(time=[2, 0, 1], band=[1, 2, 0]).transpose("band", "x", "time", "y")
    xr.testing.assert_equal(measure(p, shuffled, scale=16), expected)
    xr.testing.assert_equal(rmse(p, shuffled), expected.rmse)
    part = measure(p.isel(time=[2, 0]), t, scale=16)
    xr.testing.assert_equal(part, expected.isel(time=[2, 0]))
    seconds = t.assign_coords(time=t.time.values.astype("datetime64[s]"))
    xr.testing.assert_equal(measure(p, seconds, scale=16), expected)
    jitter = t.assign_coords(x=t.x.values + 1e-6)
    xr.testing.assert_equal(measure(p, jitter, scale=16), expected)
    extra = p.assign_coords(spatial_ref=0, day=("time", [1, 17, 33]))
    xr.testing.assert_equal(measure(extra, t, scale=16), expected)


def test_the_order_of_dims_is_free():
    p, t = scene()
    expected = measure(p, t, scale=16, metrics="all")
    turned = p.transpose("x", "band", "y", "time")
    found = measure(turned, t, scale=16, metrics="all")
    xr.testing.assert_allclose(found.transpose(*expected.dims), expected, rtol=1e-12)
    lazy = measure(turned.chunk(x=9), t, scale=16, metrics="all").compute()
    xr.testing.assert_allclose(lazy.transpose(*expected.dims), expected, rtol=1e-12)


def test_images_without_coordinates_are_matched_by_size():
    p, t = scene()
    bare = [i.drop_vars(i.coords) for i in (p, t)]
    np.testing.assert_array_equal(measure(*bare).rmse, measure(p, t).rmse)
    with pytest.raises(ValueError, match="time must be the same"):
        measure(bare[0], bare[1].isel(time=[0, 1]))


def mismatches():
    p, t = scene()
    return {
        "y must be the same: crop both": (p, t.isel(y=slice(3, None))),
        "x is 0.0 .. 900.0 in predicted, 30.0 .. 930.0 in truth.*resample one": (
            p,
            t.assign_coords(x=t.x + 30),
        ),
        "y is .*1e-6 of a pixel": (p, t.assign_coords(y=t.y + 0.3 * float(t.y[1] - t.y[0]))),
        r"y runs (up|down) in predicted.*flipped.*truth.isel\(y=slice": (
            p,
            t.isel(y=slice(None, None, -1)),
        ),
        r"x of truth lie half a pixel .*assign_coords\(x=predicted.x": (
            p,
            t.assign_coords(x=t.x - 0.5 * float(t.x[1] - t.x[0])),
        ),
        "x is .*crop both with ds.stf.sel": (p, t.assign_coords(x=t.x + 1e-3)),
        "2020-02-02.*which truth lacks.*predicted.sel": (p, t.isel(time=[0, 1])),
        "band green, which truth lacks": (p.assign_coords(band=["blue", "green", "nir"]), t),
        "predicted has bands blue, nir, truth blue, red, nir.*truth.sel": (p.isel(band=[0, 2]), t),
        "2020-01-17.*more than once; drop_duplicates": (p, t.isel(time=[0, 1, 1, 2])),
        "select one date of both": (p.isel(time=0), t),
        "needs band, y and x.*expand_dims": (p.isel(band=0), t.isel(band=0)),
        "only one of the images has the coordinate 'band'": (p.drop_vars("band"), t),
    }


@pytest.mark.parametrize(("message", "images"), mismatches().items())
def test_images_that_do_not_match_are_refused_with_the_cure(message, images):
    with pytest.raises(ValueError, match=message):
        measure(*images, scale=16)
    with pytest.raises(ValueError, match=message):
        uiqi(*images)


@pytest.mark.parametrize("wrong", [lambda i: i.to_dataset(name="fused"), lambda i: i.values])
def test_what_is_no_dataarray_is_refused_with_the_cure(wrong):
    p, t = scene()
    with pytest.raises(TypeError, match=r"predicted is a \w+, .*ds\['fused'\]"):
        measure(wrong(p), t)
    with pytest.raises(TypeError, match="truth is a"):
        rmse(p, wrong(t))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": -16}, "scale=-16 must be positive"),
        ({"data_range": np.nan}, "data_range=nan must be positive"),
        ({"metrics": "rsme"}, "'rsme' is no metric; did you mean 'rmse'.*the sets 'plain' and"),
        ({"metrics": ["rmse", "SSIMs"]}, "'SSIMs' is no metric; did you mean 'ssim' or"),
        ({"metrics": ["q4x7"]}, "'q4x7' is no metric; There are rmse"),
        ({"metrics": []}, "metrics is empty"),
        ({"metrics": ["ms_ssim"]}, "need 176 x 176"),
    ],
)
def test_bad_options_are_refused_with_the_rule(options, message):
    with pytest.raises(ValueError, match=message):
        measure(*scene(), **options)


def test_a_score_may_be_kept(tmp_path):
    p, t = (i.assign_coords(band=[0, 1, 2]) for i in scene())
    found = measure(p, t, scale=16, metrics="all", regions={"a": np.ones((26, 31), bool)})
    found.to_zarr(tmp_path / "score.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "score.zarr", consolidated=False) as kept:
        xr.testing.assert_identical(kept.load(), found.load())


def test_importing_the_metrics_loads_nothing_heavy():
    code = (
        "import sys, xstf.metrics; "
        "heavy = {'torch', 'numba', 'rasterio', 'skimage', 'matplotlib', 'scipy.ndimage'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
