"""Metrics of pixels alone against numpy: bands, dates, maps, offsets, constants."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from tests.metrics.images import FORMULAS, POINTWISE, each, flat, image, scene
from xstf.metrics import bias, cc, dd, kge, mae, psnr, r2, rmse


@pytest.mark.parametrize("name", POINTWISE)
def test_each_band_is_that_of_numpy_over_the_joint_pixels(name):
    p, t = scene()
    expected = each(p, t, flat(FORMULAS[name]))
    np.testing.assert_allclose(POINTWISE[name](p, t), expected, rtol=1e-10)
    assert np.isfinite(expected).sum() == 8  # a band of one date is missing


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("lazy", [False, True])
def test_pooled_bands_are_one_sample_and_their_mean_is_another_number(name, lazy):
    p, t = scene()
    metric, one = POINTWISE[name], flat(FORMULAS[name])
    pooled = [one(a, b) for a, b in zip(*(i.values.astype(float) for i in (p, t)), strict=True)]
    cut = {"band": 2, "y": 9} if lazy else {}
    p, t = p.chunk(cut) if lazy else p, t
    found = metric(p, t, bands="pooled")
    assert found.dims == ("time",)
    np.testing.assert_allclose(found, pooled, rtol=1e-10)
    mean = metric(p, t, bands="mean")
    np.testing.assert_allclose(mean, each(p, t, one).mean(axis=1), rtol=1e-10)
    assert np.isnan(mean[1])
    assert np.isfinite(found[1])
    assert (found.attrs["bands"], mean.attrs["bands"]) == ("pooled", "mean")


def test_the_degree_of_distortion_is_the_pooled_mean_absolute_error():
    p, t = scene()
    np.testing.assert_allclose(dd(p, t), mae(p, t, bands="pooled"), rtol=1e-14)
    np.testing.assert_allclose(dd(p, t)[0], np.nanmean(abs(p - t).where(np.isfinite(p))[0]))


CUTS = [None, {"time": 1, "band": 1, "y": 10}, {"time": 2, "band": 3, "x": (20, 11)}]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("over", ["time", "band"])
@pytest.mark.parametrize("name", POINTWISE)
def test_over_dates_or_bands_is_a_map_of_what_numpy_gives(name, over, cut):
    p, t = scene(shape=(3, 3, 13, 31))
    axis = p.get_axis_num(over)
    a, b = (np.moveaxis(i.values.astype(float), axis, 0) for i in (p, t))
    one = flat(FORMULAS[name])
    with np.errstate(all="ignore"):
        expected = [one(a[:, *k], b[:, *k]) if _two(a, b, k) else np.nan for k in _places(a)]
    expected = np.reshape(expected, a.shape[1:])
    if cut:
        p, t = p.chunk(cut), t.chunk(cut)
    found = POINTWISE[name](p, t, over=over)
    assert found.dims == tuple(d for d in ("time", "band", "y", "x") if d != over)
    seen = np.isfinite(expected)
    assert seen.sum() > 100
    np.testing.assert_allclose(found.values[seen], expected[seen], rtol=1e-7)
    assert found.attrs["over"] == over


def _places(a):
    return np.ndindex(*a.shape[1:])


def _two(a, b, k):  # of one date numpy's correlation is 0/0, with a warning
    return np.count_nonzero(np.isfinite(a[:, *k] + b[:, *k])) > 1


def test_maps_of_bands_pool_or_average_what_is_left():
    p, t = scene()
    pooled = rmse(p, t, over="time", bands="pooled")
    square = ((p - t).where(np.isfinite(p)).astype(float) ** 2).mean(("time", "band"))
    np.testing.assert_allclose(pooled, np.sqrt(square), rtol=1e-6)
    mean = mae(p, t, over="time", bands="mean")
    np.testing.assert_allclose(mean, mae(p, t, over="time").mean("band", skipna=False))
    np.testing.assert_allclose(dd(p, t, over="band"), mae(p, t, over="band"))


def test_many_dates_pool_to_the_same_map():
    rng = np.random.default_rng(1)
    p, t = (
        xr.DataArray(280 + rng.random((50, 1, 3, 4)), dims=("time", "band", "y", "x"))
        for _ in range(2)
    )
    p[7:30, 0, 1, 1] = np.nan
    whole = kge(p, t, over="time")
    for cut in (1, 7, (1, 30, 19)):
        parts = kge(p.chunk(time=cut), t.chunk(time=3), over="time")
        assert parts.data.numblocks == (1, 1, 1)
        xr.testing.assert_allclose(parts.compute(), whole, rtol=1e-10)


def test_a_constant_side_has_no_correlation_whatever_the_cut():
    p, t = scene(holes=False)
    p[:] = np.float32(0.1)
    for cut in ({}, {"y": 3, "x": 4}):
        a, b = (i.chunk(cut) if cut else i for i in (p, t))
        for metric in (cc, r2, kge):
            assert np.isnan(metric(a, b)).all()
            assert np.isnan(metric(b, a)).all()
        assert (r2(a, b, kind="determination") <= 0).all()
        assert np.isnan(r2(b, a, kind="determination")).all()


def test_large_offsets_do_not_spoil_the_moments():
    p, t = scene(holes=False)
    p, t = p.astype(float) / 64, t.astype(float) / 64
    lifted = [(i + 2.0**20).chunk(y=7, x=9) for i in (p, t)]
    np.testing.assert_allclose(cc(*lifted), cc(p, t), rtol=1e-6)


def test_a_first_pixel_far_off_does_not_spoil_the_moments():
    p, t = (i.astype(float) for i in scene(holes=False))
    p[..., 0, 0] = t[..., 0, 0] = 1e6
    ours = cc(p, t).values
    np.testing.assert_allclose(1 - ours, 1 - each(p, t, flat(pearson_of_longs)), rtol=1e-3)


def pearson_of_longs(p, t):
    p, t = (a.astype(np.longdouble) - a.astype(np.longdouble).mean() for a in (p, t))
    return float((p * t).sum() / np.sqrt((p * p).sum() * (t * t).sum()))


def test_one_pixel_has_errors_and_no_spread():
    p, t = image(np.full((2, 1, 1), 0.3)), image(np.full((2, 1, 1), 0.5))
    np.testing.assert_allclose(rmse(p, t), 0.2)
    np.testing.assert_allclose(bias(p, t), -0.2)
    assert np.isnan(cc(p, t)).all()
    assert np.isnan(kge(p, t)).all()


def test_no_error_is_infinitely_above_the_noise():
    _, t = scene(holes=False)
    assert np.isposinf(psnr(t, t)).all()
    np.testing.assert_allclose(psnr(t + 0.1, t, data_range=10), 40, rtol=1e-5)
    assert psnr(t, t).attrs["units"] == "dB"


def test_units_are_those_of_the_images():
    p, t = scene()
    p.attrs["units"] = "K"
    for metric in (rmse, mae, bias, dd):
        assert metric(p, t).attrs["units"] == "K"
        assert "units" not in metric(t, p).attrs
    assert "units" not in cc(p, t).attrs


def test_integers_are_taken():
    p, t = scene(holes=False)
    p, t = ((i * 10_000).astype(np.int16) for i in (p, t))
    xr.testing.assert_allclose(rmse(p, t), rmse(p.astype(float), t.astype(float)))
    xr.testing.assert_allclose(
        rmse(p, t, over="time"), rmse(p.astype(float), t.astype(float), over="time")
    )


def test_a_view_that_may_not_be_written_is_read():
    p, t = scene()
    values = p.values.transpose(0, 1, 3, 2)  # strided
    values.flags.writeable = False
    turned = xr.DataArray(values, dims=("time", "band", "x", "y"), coords=p.coords)
    xr.testing.assert_allclose(rmse(turned, t), rmse(p, t), rtol=1e-12)


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        (rmse, {"bands": "all"}, "bands='all'; this metric takes 'each' or 'mean' or 'pooled'"),
        (rmse, {"over": "date"}, "over='date': metrics reduce 'space'"),
        (rmse, {"over": "band", "bands": "mean"}, "no band is left"),
        (rmse, {"over": "time", "regions": np.ones((26, 31), bool)}, "gives a map; cut regions"),
        (r2, {"kind": "r"}, "kind='r': R squared is of 'correlation' or of 'determination'"),
        (kge, {"version": 2011}, "version=2011.*2009 or 2012"),
        (psnr, {"data_range": 0}, "data_range=0 must be positive"),
    ],
)
def test_what_is_not_known_is_refused(metric, options, message):
    with pytest.raises(ValueError, match=message):
        metric(*scene(), **options)


def test_a_map_over_dates_needs_dates():
    p, t = (i.isel(time=0) for i in scene())
    with pytest.raises(ValueError, match=r"over='time': the images have dims .*, no time"):
        rmse(p, t, over="time")


def test_maps_are_lazy(nothing_computes):
    p, t = (i.chunk(time=1, y=10) for i in scene())
    for over in ("time", "band"):
        for metric in (rmse, cc, dd):
            assert isinstance(metric(p, t, over=over).data, da.Array)
