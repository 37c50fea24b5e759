"""Metrics against slow, obvious numpy and scikit-image; masks, chunks, labels, laziness, text."""

import subprocess
import sys
from functools import partial

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from skimage.metrics import structural_similarity

from xstf import metrics, moments
from xstf.metrics import cc, ergas, rmse, sam, score, ssim, uiqi
from xstf.report import table

TIMES = pd.to_datetime(["2020-01-01", "2020-01-17", "2020-02-02"])
BANDS = ["blue", "red", "nir"]
EVERY = {
    "rmse": rmse,
    "cc": cc,
    "ssim": ssim,
    "ssim 7": partial(ssim, window=7),
    "ssim global": partial(ssim, window="global"),
    "uiqi": uiqi,
    "uiqi 5": partial(uiqi, window=5),
    "uiqi global": partial(uiqi, window="global"),
    "sam": sam,
    "ergas": partial(ergas, ratio=1 / 16),
}


def image(values, times=TIMES, bands=BANDS):
    sizes = values.shape[-2:]
    coords = {"band": bands, "y": 4e6 - 30.0 * np.arange(sizes[0]), "x": 30.0 * np.arange(sizes[1])}
    if values.ndim == 4:
        coords["time"] = times[: len(values)]
    dims = ("time", "band", "y", "x")[-values.ndim :]
    return xr.DataArray(values, coords, dims, attrs={"valid_range": (0.0, 1.0)})


def scene(seed=0, shape=(3, 3, 26, 31), holes=True):
    rng = np.random.default_rng(seed)
    truth = rng.random(shape).astype(np.float32)
    predicted = (0.7 * truth + 0.2 * rng.random(shape)).astype(np.float32)
    if holes:  # few, so that windows without a hole are left
        for array in (truth, predicted):
            array[..., rng.integers(shape[-2]), rng.integers(shape[-1])] = np.nan
        predicted[0, 1, 3, 4] = np.inf
        predicted[2, 0, :, :8] = np.nan  # whole chunks of some tests
        truth[1, 2] = np.nan
    return image(predicted), image(truth)


def each(predicted, truth, one):
    """`one(p, t)` of every band, as nested arrays of float64 with NaN where either is missing."""
    p, t = predicted.values.astype(float), truth.values.astype(float)
    seen = np.isfinite(p) & np.isfinite(t)
    p, t = np.where(seen, p, np.nan), np.where(seen, t, np.nan)
    return np.reshape([one(p[k], t[k]) for k in np.ndindex(p.shape[:-2])], p.shape[:-2])


def flat(one):
    def pixels(p, t):
        seen = np.isfinite(p)
        return one(p[seen], t[seen]) if seen.any() else np.nan

    return pixels


def windows(one, size):
    def slide(p, t):
        found = []
        for i in range(p.shape[0] - size + 1):
            for j in range(p.shape[1] - size + 1):
                a, b = p[i : i + size, j : j + size], t[i : i + size, j : j + size]
                if np.isfinite(a).all():
                    found.append(one(a, b))
        return np.mean(found) if found else np.nan

    return slide


def wang_bovik(p, t):
    cov = np.mean((p - p.mean()) * (t - t.mean()))
    return 4 * cov * p.mean() * t.mean() / ((p.var() + t.var()) * (p.mean() ** 2 + t.mean() ** 2))


def similarity(p, t, weights, sample=1.0, data_range=1.0):
    weights = weights / weights.sum()
    mp, mt = (weights * p).sum(), (weights * t).sum()
    vp, vt = (weights * (p - mp) ** 2).sum() * sample, (weights * (t - mt) ** 2).sum() * sample
    cov = (weights * (p - mp) * (t - mt)).sum() * sample
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return (2 * mp * mt + c1) * (2 * cov + c2) / ((mp**2 + mt**2 + c1) * (vp + vt + c2))


def test_rmse_and_cc_are_those_of_numpy_over_the_joint_pixels():
    p, t = scene()
    root = each(p, t, flat(lambda a, b: np.sqrt(np.mean((a - b) ** 2))))
    pearson = each(p, t, flat(lambda a, b: np.corrcoef(a, b)[0, 1]))
    np.testing.assert_allclose(rmse(p, t), root, rtol=1e-12)
    np.testing.assert_allclose(cc(p, t), pearson, rtol=1e-12)
    assert np.isnan(root[1, 2])
    assert np.isfinite(root).sum() == 8


@pytest.mark.parametrize("window", [8, 5, "global"])
def test_uiqi_is_the_mean_over_whole_windows(window):
    p, t = scene()
    oracle = flat(wang_bovik) if window == "global" else windows(wang_bovik, window)
    np.testing.assert_allclose(uiqi(p, t, window=window), each(p, t, oracle), rtol=1e-10)


def test_uiqi_of_independent_noise_is_near_zero_where_the_mean_for_sum_mistake_gives_more():
    rng = np.random.default_rng(5)
    p, t = image(rng.random((3, 64, 64))), image(rng.random((3, 64, 64)))
    assert abs(uiqi(p, t)).max() < 0.05


def test_uiqi_of_flat_windows_is_judged_by_their_means():
    levels = np.random.default_rng(4).random((2, 20, 1, 1))  # their squares do not round alike
    low, high = (image(v * np.ones((12, 12)), bands=np.arange(20)) for v in levels)
    luminance = (2 * levels[0] * levels[1] / (levels**2).sum(axis=0)).squeeze()
    for window in (8, "global"):
        np.testing.assert_array_equal(uiqi(low, low, window=window), 1)
        np.testing.assert_array_equal(uiqi(0 * low, 0 * low, window=window), 1)
        np.testing.assert_allclose(uiqi(low, high, window=window), luminance, rtol=1e-12)
        np.testing.assert_array_equal(uiqi(0 * low, high, window=window), 0)


def test_uiqi_stays_in_range_where_rounding_is_all_there_is():
    rng = np.random.default_rng(3)
    p, t = (image(300 + 1e-8 * rng.random((3, 16, 16))) for _ in range(2))
    assert abs(moments.windows(metrics._uiqi_image, p, t, 8)).max() <= 1 + 1e-12


@pytest.mark.parametrize("data_range", [1.0, 0.4])
@pytest.mark.parametrize(
    ("window", "settings"),
    [
        (11, {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
        (7, {}),
    ],
)
def test_ssim_is_that_of_scikit_image(window, settings, data_range):
    p, t = scene(holes=False)
    theirs = partial(structural_similarity, data_range=data_range, **settings)
    ours = ssim(p, t, window=window, data_range=data_range)
    np.testing.assert_allclose(ours, each(p, t, theirs), rtol=1e-10)


def test_ssim_leaves_out_windows_with_a_hole():
    gauss = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    formulas = {
        11: windows(partial(similarity, weights=np.outer(gauss, gauss)), 11),
        7: windows(partial(similarity, weights=np.ones((7, 7)), sample=49 / 48), 7),
        "global": flat(lambda a, b: similarity(a, b, np.ones(a.size))),
    }
    p, t = scene()
    for window, oracle in formulas.items():
        found = ssim(p, t, window=window)
        np.testing.assert_allclose(found, each(p, t, oracle), rtol=1e-10)
        full = ssim(*scene(holes=False), window=window)
        assert (found != full).all()


def spectra(predicted, truth, one):
    p, t = predicted.values.astype(float), truth.values.astype(float)
    found = []
    for date in range(p.shape[0]):
        vectors = [
            (p[date, :, i, j], t[date, :, i, j]) for i, j in np.ndindex(p.shape[2], p.shape[3])
        ]
        values = [
            one(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
            for a, b in vectors
            if np.isfinite(a).all() and np.isfinite(b).all() and a.any() and b.any()
        ]
        found.append(np.mean(values) if values else np.nan)
    return np.array(found)


@pytest.mark.parametrize(
    ("unit", "one"),
    [
        ("rad", np.arccos),
        ("deg", lambda c: np.degrees(np.arccos(c))),
        ("cos", lambda c: c),
    ],
)
def test_sam_is_the_mean_angle_over_pixels_seen_in_all_bands(unit, one):
    p, t = scene()
    p[2, :, 5, 5] = 0
    t[0, :, 6, 6] = 0
    found = sam(p, t, unit=unit)
    assert found.dims == ("time",)
    np.testing.assert_allclose(found, spectra(p, t, one), rtol=1e-10)
    assert np.isnan(found[1])
    assert found.attrs["units"] == {"rad": "radian", "deg": "degree", "cos": "1"}[unit]


def test_sam_of_the_same_direction_is_zero_and_of_orthogonal_spectra_ninety():
    red = image(np.stack([np.ones((4, 4)), np.zeros((4, 4))]), bands=["red", "nir"])
    nir = red.copy(data=red.values[::-1])
    assert float(sam(red, 3 * red)) == pytest.approx(0, abs=1e-6)
    assert float(sam(red, nir)) == pytest.approx(90)


def test_ergas_is_the_mean_over_bands_of_relative_errors():
    p, t = scene()
    square = each(p, t, flat(lambda a, b: np.mean((a - b) ** 2) / b.mean() ** 2))
    expected = 100 / 16 * np.sqrt(square.mean(axis=1))
    found = ergas(p, t, ratio=1 / 16)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(found[1])  # a band is missing
    assert found.attrs["ratio"] == 1 / 16
    zero = t.copy(data=np.zeros(t.shape))
    assert np.isnan(ergas(p, zero, ratio=1)).all()


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


@pytest.mark.parametrize("metric", [ssim, partial(ssim, window=7), uiqi])
@pytest.mark.parametrize("size", [1, 3, 6])
def test_images_smaller_than_the_window_have_no_window(metric, size):
    p, t = scene(shape=(3, 3, size, 20), holes=False)
    assert np.isnan(metric(p, t)).all()
    assert np.isnan(metric(p.chunk(y=1, x=7), t.chunk(y=1, x=7))).all()


@pytest.mark.parametrize("chunks", [None, {"y": 3, "x": 4}])
def test_a_constant_side_has_no_correlation(chunks):
    p, t = scene(holes=False)
    p[:] = np.float32(0.1)
    if chunks:
        p, t = p.chunk(chunks), t.chunk(chunks)
    assert np.isnan(cc(p, t)).all()
    assert np.isnan(cc(t, p)).all()
    assert np.isfinite(ssim(p, t)).all()


def test_a_perfect_image_has_perfect_scores():
    _, t = scene(holes=False)
    found = score(t, t, scale=16)
    ideal = {"rmse": 0, "cc": 1, "ssim": 1, "sam": 0, "ergas": 0, "uiqi": 1}
    for name, value in ideal.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


def test_large_offsets_do_not_spoil_the_moments():
    p, t = scene(holes=False)
    p, t = p.astype(float) / 64, t.astype(float) / 64
    lifted = [(i + 2.0**20).chunk(y=7, x=9) for i in (p, t)]
    np.testing.assert_allclose(cc(*lifted), cc(p, t), rtol=1e-6)


CHUNKS = [
    {"time": 1, "band": 1, "y": 1, "x": 31},
    {"time": 3, "band": 2, "y": (1, 2, 3, 20), "x": (17, 1, 1, 12)},
    {"time": (1, 2), "band": 3, "y": 26, "x": 4},
]


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("metric", EVERY.values(), ids=EVERY)
def test_any_chunks_give_the_same_score(metric, chunks):
    p, t = scene()
    whole = metric(p, t)
    for a, b in [(p.chunk(chunks), t.chunk(chunks)), (p.chunk(chunks), t), (p, t.chunk(chunks))]:
        found = metric(a, b)
        assert found.chunks is not None
        xr.testing.assert_allclose(found.compute(scheduler="sync"), whole, rtol=1e-12, atol=0)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(
    ("formula", "numbers"),
    [
        (metrics._ssim_image, (11, 1.0)),
        (metrics._ssim_image, (7, 1.0)),
        (metrics._uiqi_image, (8,)),
        (metrics._uiqi_image, (21,)),
    ],
)
def test_any_chunks_give_the_same_map_bit_for_bit(formula, numbers, chunks):
    p, t = scene()
    whole = moments.windows(formula, p, t, *numbers)
    mixed = moments.windows(formula, p.chunk(chunks), t.chunk(y=13), *numbers)
    np.testing.assert_array_equal(mixed.compute(scheduler="sync"), whole)
    assert np.isfinite(whole).any()


def refuse(*args, **kwargs):
    raise AssertionError("computed while building")


def test_building_computes_nothing():
    p, t = scene()
    p, t = p.chunk(y=8, x=9), t.chunk(y=9, x=8)
    with dask.config.set(scheduler=refuse):
        found = [score(p, t, scale=16)] + [metric(p, t) for metric in EVERY.values()]
        with pytest.raises(AssertionError, match="while building"):
            found[0].compute()
    assert all(dask.is_dask_collection(variable) for variable in found[0].values())


def test_the_metrics_of_a_score_share_their_pass_over_the_moments():
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    p, t = scene()
    lazy = p.chunk(y=13, x=16).data
    p = p.copy(data=lazy.map_blocks(read, meta=np.empty((0,) * 4, p.dtype)))
    score(p, t.chunk(y=13, x=16), scale=16).compute(scheduler="sync")
    assert len(reads) == 4
    parts = [k for k in score(p, t, scale=16).__dask_graph__() if "_chunk_moments" in str(k)]
    assert len(parts) == 4


def test_inputs_are_left_alone():
    p, t = scene()
    before = p.copy(deep=True), t.copy(deep=True)
    score(p, t, scale=16)
    xr.testing.assert_identical(p, before[0])
    xr.testing.assert_identical(t, before[1])


def test_integers_are_taken():
    p, t = scene(holes=False)
    p, t = ((i * 10_000).astype(np.int16) for i in (p, t))
    xr.testing.assert_allclose(rmse(p, t), rmse(p.astype(float), t.astype(float)))
    xr.testing.assert_allclose(
        ssim(p.chunk(y=5), t), ssim(p.astype(float), t.astype(float)), rtol=1e-12
    )


def test_score_holds_every_metric_and_names_its_variant():
    p, t = scene()
    found = score(p, t, scale=20)
    assert {k: v.dims for k, v in found.items()} == {
        **dict.fromkeys(["rmse", "cc", "ssim", "uiqi"], ("time", "band")),
        **dict.fromkeys(["sam", "ergas"], ("time",)),
    }
    assert list(found.band.values) == BANDS
    for name, metric in EVERY.items():
        if name in found and name != "ergas":
            xr.testing.assert_equal(found[name], metric(p, t))
    xr.testing.assert_equal(found["ergas"], ergas(p, t, ratio=1 / 20))
    assert all("variant" in v.attrs and "valid_range" not in v.attrs for v in found.values())
    assert found.ssim.attrs == {"variant": "11-px Gaussian, sigma 1.5", "data_range": 1.0}
    assert found.sam.attrs["units"] == "degree"
    assert found.ergas.attrs["ratio"] == 1 / 20
    assert "ergas" not in score(p, t)


def test_score_takes_the_data_range_from_the_images_unless_told():
    p, t = scene()
    p.attrs, t.attrs = {}, {"valid_range": [0.0, 2.5]}
    xr.testing.assert_identical(score(p, t).ssim, ssim(p, t, data_range=2.5))
    xr.testing.assert_identical(score(p, t, data_range=3).ssim, ssim(p, t, data_range=3))
    t.attrs = {"valid_range": None}
    xr.testing.assert_identical(score(p, t).ssim, ssim(p, t, data_range=1.0))
    p.attrs, t.attrs = {"valid_range": (0.0, 1.0)}, {"valid_range": np.array([0.0, 2.0])}
    with pytest.raises(ValueError, match="valid_range differs.*data_range="):
        score(p, t)
    assert score(p, t, data_range=1).ssim.attrs["data_range"] == 1


@pytest.mark.parametrize("lazy", [False, True])
def test_score_of_one_band_has_no_angle_and_of_one_date_no_time(lazy):
    p, t = scene(holes=False)
    if lazy:
        p, t = p.chunk(y=9), t.chunk(y=9)
    full = score(p, t, scale=16).compute()
    single = score(p.isel(band=[1]), t.isel(band=[1]), scale=16).compute()
    assert single.sam.dims == ("time",)
    assert np.isnan(single.sam).all()
    xr.testing.assert_allclose(single.rmse, full.rmse.isel(band=[1]), rtol=1e-12)
    date = score(p.isel(time=2), t.isel(time=2), scale=16).compute()
    assert date.rmse.dims == ("band",)
    xr.testing.assert_allclose(date, full.isel(time=2, drop=True), rtol=1e-12)


def test_images_are_matched_by_label_never_by_position():
    p, t = scene()
    expected = score(p, t, scale=16)
    shuffled = t.isel(time=[2, 0, 1], band=[1, 2, 0]).transpose("band", "x", "time", "y")
    xr.testing.assert_equal(score(p, shuffled, scale=16), expected)
    xr.testing.assert_equal(rmse(p, shuffled), expected.rmse)
    part = score(p.isel(time=[2, 0]), t, scale=16)
    xr.testing.assert_equal(part, expected.isel(time=[2, 0]))
    seconds = t.assign_coords(time=t.time.values.astype("datetime64[s]"))
    xr.testing.assert_equal(score(p, seconds, scale=16), expected)
    jitter = t.assign_coords(x=t.x.values + 1e-6)
    xr.testing.assert_equal(score(p, jitter, scale=16), expected)
    extra = p.assign_coords(spatial_ref=0, day=("time", [1, 17, 33]))
    xr.testing.assert_equal(score(extra, t, scale=16), expected)


def test_images_without_coordinates_are_matched_by_size():
    p, t = scene()
    bare = [i.drop_vars(i.coords) for i in (p, t)]
    np.testing.assert_array_equal(score(*bare).rmse, score(p, t).rmse)
    with pytest.raises(ValueError, match="time must be the same"):
        score(bare[0], bare[1].isel(time=[0, 1]))


def mismatches():
    p, t = scene()
    return {
        "y must be the same: crop both": (p, t.isel(y=slice(3, None))),
        "x is 0.0 .. 900.0 in predicted, 30.0 .. 930.0 in truth.*resample one": (
            p,
            t.assign_coords(x=t.x + 30),
        ),
        "y is .*1e-6 of a pixel": (p, t.isel(y=slice(None, None, -1))),
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
        score(*images, scale=16)
    with pytest.raises(ValueError, match=message):
        uiqi(*images)


@pytest.mark.parametrize("wrong", [lambda i: i.to_dataset(name="fused"), lambda i: i.values])
def test_what_is_no_dataarray_is_refused_with_the_cure(wrong):
    p, t = scene()
    with pytest.raises(TypeError, match=r"predicted is a \w+, .*ds\['fused'\]"):
        score(wrong(p), t)
    with pytest.raises(TypeError, match="truth is a"):
        rmse(p, wrong(t))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(ssim, window=9), "window=9: SSIM takes 11"),
        (partial(ssim, data_range=0), "data_range=0 must be positive"),
        (partial(uiqi, window=1), "window=1 must be an integer, 2 or more"),
        (partial(uiqi, window=8.0), "window=8.0 must be an integer"),
        (partial(sam, unit="degree"), "unit='degree'.*'deg', 'rad' or 'cos'"),
        (partial(ergas, ratio=0), "ratio=0 must be positive.*1/16"),
        (partial(score, scale=-16), "scale=-16 must be positive"),
        (partial(score, data_range=np.nan), "data_range=nan must be positive"),
        (lambda p, t: sam(p.isel(band=[0]), t.isel(band=[0])), "1 band: .* needs 2 or more"),
    ],
)
def test_bad_numbers_are_refused_with_the_rule(call, message):
    p, t = scene()
    with pytest.raises(ValueError, match=message):
        call(p, t)


def made(rmse_values, **joint):
    bands = {k: ("band", np.full(3, joint[k])) for k in ("cc", "ssim", "uiqi")}
    others = {k: joint[k] for k in ("sam", "ergas") if k in joint}
    return xr.Dataset({"rmse": ("band", rmse_values), **bands, **others}, {"band": BANDS})


def test_table_is_aligned_text():
    rows = {
        "fsdaf": made([0.0123, 0.02, 0.1], cc=0.91, ssim=0.8, sam=4.5, ergas=1.2, uiqi=0.7),
        "pair unchanged": made([0.02, 0.03, np.nan], cc=0.5, ssim=0.4, sam=12.25, uiqi=np.nan),
    }
    assert table(rows).splitlines() == [
        "                RMSE x 10^4",
        "                 blue    red     nir      CC    SSIM  SAM deg   ERGAS    UIQI",
        "fsdaf           123.0  200.0  1000.0  0.9100  0.8000     4.50  1.2000  0.7000",
        "pair unchanged  200.0  300.0       -  0.5000  0.4000    12.25       -       -",
    ]


def test_table_averages_over_dates_and_takes_a_factor():
    p, t = scene(holes=False)
    found = score(p, t, scale=16)
    lines = table({"x": found}, factor=1).splitlines()
    assert lines[0].strip() == "RMSE"
    numbers = [float(cell) for cell in lines[2].split()[1:]]
    joint = [float(found[k].mean()) for k in ("cc", "ssim", "sam", "ergas", "uiqi")]
    np.testing.assert_allclose(numbers, [*found.rmse.mean("time").values, *joint], atol=6e-3)
    assert numbers[0] == round(float(found.rmse[:, 0].mean()), 4)
    assert all(len(line) < 100 for line in lines)
    assert table({"x": found}, factor=300).splitlines()[0].strip() == "RMSE x 300"


@pytest.mark.parametrize(
    ("rows", "factor", "message"),
    [
        ({}, 1, "no rows"),
        ({"a": xr.Dataset({"cc": 1.0})}, 1, "row 'a' has .*not rmse"),
        ({"a": xr.Dataset({"rmse": ("band", [1.0])})}, 0, "factor=0 must be positive"),
        (
            {
                "a": xr.Dataset({"rmse": ("band", [1.0])}, {"band": ["red"]}),
                "b": xr.Dataset({"rmse": ("band", [1.0])}, {"band": ["nir"]}),
            },
            1,
            r"row 'b' has bands \['nir'\], the first \['red'\]",
        ),
    ],
)
def test_table_refuses_rows_that_do_not_fit(rows, factor, message):
    with pytest.raises(ValueError, match=message):
        table(rows, factor=factor)


def test_importing_the_metrics_loads_nothing_heavy():
    code = (
        "import sys, xstf.metrics; "
        "heavy = {'torch', 'numba', 'rasterio', 'skimage', 'matplotlib', 'scipy.ndimage'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
