"""Metrics of windows against slow numpy, scikit-image and torchmetrics; bits of their maps."""

from functools import partial
from importlib import import_module

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from tests.metrics.images import each, flat, image, pearson, scene, windows
from tests.strategies import chunks_of
from xstf.metrics import ms_ssim, ssim, uiqi
from xstf.metrics.multiscale import WEIGHTS
from xstf.metrics.sliding import Kernel, slide
from xstf.metrics.windowed import gaussian

GAUSS = np.outer(gaussian(), gaussian())
UNIFORM = np.full(8, 1 / 8)


def wang_bovik(p, t):
    cov = np.mean((p - p.mean()) * (t - t.mean()))
    return 4 * cov * p.mean() * t.mean() / ((p.var() + t.var()) * (p.mean() ** 2 + t.mean() ** 2))


def similarity(p, t, weights, sample=1.0, data_range=1.0):
    weights = weights / weights.sum()
    mp, mt = (weights * p).sum(), (weights * t).sum()
    c1 = (0.01 * data_range) ** 2
    structure = contrast(p, t, weights, sample, data_range)
    return (2 * mp * mt + c1) / (mp**2 + mt**2 + c1) * structure


def contrast(p, t, weights, sample=1.0, data_range=1.0):
    mp, mt = (weights * p).sum(), (weights * t).sum()
    vp, vt = (weights * (p - mp) ** 2).sum() * sample, (weights * (t - mt) ** 2).sum() * sample
    cov = (weights * (p - mp) * (t - mt)).sum() * sample
    c2 = (0.03 * data_range) ** 2
    return (2 * cov + c2) / (vp + vt + c2)


@pytest.mark.parametrize(("window", "step"), [(8, 1), (5, 1), (8, "window"), (6, 4), (2, 3)])
def test_uiqi_is_the_mean_over_whole_windows(window, step):
    p, t = scene()
    oracle = windows(wang_bovik, window, window if step == "window" else step)
    expected = each(p, t, oracle)
    for cut in ({}, {"y": 7, "x": (3, 20, 8)}):
        found = uiqi(p.chunk(cut) if cut else p, t, window=window, step=step)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert np.isfinite(expected).sum() == 8


def test_uiqi_of_everything_is_one_window():
    p, t = scene()
    np.testing.assert_allclose(
        uiqi(p, t, window="global"), each(p, t, flat(wang_bovik)), rtol=1e-10
    )


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
    kernel = Kernel("window_map", 8, {"weights": UNIFORM, "formula": "quality"})
    assert abs(slide(kernel, p, t)).max() <= 1 + 1e-12


def test_a_small_spread_about_a_large_level_is_not_lost():
    rng = np.random.default_rng(3)
    a, b = rng.random((2, 1, 24, 24))
    lifted = (image(1e6 + i, bands=["a"]) for i in (a, b))
    expected = each(image(a, bands=["a"]), image(b, bands=["a"]), windows(contrast_of_nine, 7))
    assert float(expected[0]) != 0
    found = ssim(*lifted, window=7, data_range=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # the luminance differs from 1 by 1e-12


def contrast_of_nine(p, t):
    return contrast(p, t, np.full((7, 7), 1 / 49), 49 / 48)


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
    formulas = {
        11: windows(partial(similarity, weights=GAUSS), 11),
        7: windows(partial(similarity, weights=np.ones((7, 7)), sample=49 / 48), 7),
        "global": flat(lambda a, b: similarity(a, b, np.ones(a.size))),
    }
    p, t = scene()
    for window, oracle in formulas.items():
        found = ssim(p, t, window=window)
        np.testing.assert_allclose(found, each(p, t, oracle), rtol=1e-10)
        full = ssim(*scene(holes=False), window=window)
        assert (found != full).all()


def test_torchmetrics_counts_windows_beyond_the_edge_and_agrees_inside():
    functional = import_module("torchmetrics.functional.image")
    torch = import_module("torch")
    p, t = (i.astype(float)[:1] for i in scene(holes=False, shape=(1, 3, 40, 44)))
    ours, theirs = torch.tensor(p.values), torch.tensor(t.values)
    mean, full = functional.structural_similarity_index_measure(
        ours, theirs, data_range=1.0, return_full_image=True
    )
    inside = full[..., 5:-5, 5:-5].mean(dim=(-1, -2))
    np.testing.assert_allclose(ssim(p, t), inside, rtol=1e-10)
    assert abs(float(mean) - float(ssim(p, t).mean())) > 1e-4
    quality = functional.universal_image_quality_index(ours, theirs)
    oracle = windows(partial(_weighted_quality, weights=GAUSS), 11)
    assert float(quality) == pytest.approx(float(np.mean(each(p, t, oracle))), abs=1e-10)
    still = torch.full((1, 1, 20, 20), 0.3)
    assert float(functional.universal_image_quality_index(still, still)) < 0.5


def _weighted_quality(p, t, weights):
    mp, mt = (weights * p).sum(), (weights * t).sum()
    vp, vt = (weights * (p - mp) ** 2).sum(), (weights * (t - mt) ** 2).sum()
    cov = (weights * (p - mp) * (t - mt)).sum()
    return 4 * cov * mp * mt / ((vp + vt) * (mp**2 + mt**2))


def large(seed=0, shape=(1, 2, 190, 203)):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    smooth = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 23)
    truth = (smooth + 0.1 * rng.random(shape)).astype(np.float32)
    predicted = (truth + 0.1 * rng.random(shape)).astype(np.float32)
    bands = ["red", "nir"][: shape[1]]
    return image(predicted, bands=bands), image(truth, bands=bands)


def test_five_scales_are_those_of_torchmetrics_but_for_the_edge_of_the_last():
    module = import_module("torchmetrics.functional.image.ssim")
    torch = import_module("torch")
    p, t = (i.astype(float) for i in large(shape=(1, 1, 192, 208)))
    a, b = torch.tensor(p.values), torch.tensor(t.values)
    theirs = module.multiscale_structural_similarity_index_measure(a, b, data_range=1.0)
    product = 1.0
    for power in WEIGHTS:
        rules = {"data_range": 1.0, "return_contrast_sensitivity": True}
        edged, structure = (float(v) for v in module._ssim_update(a, b, **rules))
        _, whole = module._ssim_update(a, b, data_range=1.0, return_full_image=True)
        product *= structure**power
        a, b = (torch.nn.functional.avg_pool2d(i, 2) for i in (a, b))
    product /= structure ** WEIGHTS[-1]
    expected = product * edged ** WEIGHTS[-1]
    assert float(theirs) == pytest.approx(expected, rel=1e-9)  # its powers are float32
    inside = float(whole[..., 5:-5, 5:-5].mean())
    assert float(ms_ssim(p, t)[0, 0]) == pytest.approx(product * inside ** WEIGHTS[-1], rel=1e-9)
    assert abs(float(theirs) - float(ms_ssim(p, t)[0, 0])) > 1e-6


def test_five_scales_of_noise_that_is_not_alike_are_nothing():
    rng = np.random.default_rng(0)
    values = rng.random((1, 176, 176))
    p, t = image(values, bands=["a"]), image(1 - values, bands=["a"])
    assert float(ms_ssim(p, t)[0]) == 0
    assert float(ms_ssim(t, t)[0]) == pytest.approx(1)
    missing = t.copy()
    missing[0, 80, 80] = np.nan
    assert np.isnan(ms_ssim(missing, t)[0])


def test_five_scales_need_176_pixels():
    p, t = large(shape=(1, 2, 175, 203))
    with pytest.raises(ValueError, match="175 x 203 pixels; .* need 176 x 176 or more; use ssim"):
        ms_ssim(p, t)


@settings(max_examples=8, deadline=None)
@given(cut=st.tuples(chunks_of(190), chunks_of(203)))
def test_five_scales_do_not_see_the_chunks(cut):
    p, t = large()
    p[0, 0, 3, 190] = np.nan
    found = ms_ssim(p.chunk(y=cut[0], x=cut[1]), t)
    xr.testing.assert_allclose(found.compute(scheduler="sync"), ms_ssim(p, t), rtol=1e-12)
    assert np.isfinite(ms_ssim(p, t)).all()


@pytest.mark.parametrize("size", [1, 3, 6])
@pytest.mark.parametrize("metric", [ssim, partial(ssim, window=7), uiqi])
def test_images_smaller_than_the_window_have_no_window(metric, size):
    p, t = scene(shape=(3, 3, size, 20), holes=False)
    assert np.isnan(metric(p, t)).all()
    assert np.isnan(metric(p.chunk(y=1, x=7), t.chunk(y=1, x=7))).all()


KERNELS = [
    Kernel(
        "window_map", 11, {"weights": gaussian(), "formula": "similarity", "c1": 1e-4, "c2": 9e-4}
    ),
    Kernel("window_map", 11, {"weights": gaussian(), "formula": "contrast", "c2": 9e-4}),
    Kernel("window_map", 8, {"weights": UNIFORM, "formula": "quality"}),
    Kernel("window_map", 21, {"weights": np.full(21, 1 / 21), "formula": "correlation"}),
    Kernel("detail_map", 10, {"weights": UNIFORM}),
    Kernel("edge_change", 2, {"still": 1e-5}),
    Kernel("texture_change", 3, {"tolerance": 0.0}),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.name} {k.side}")
@settings(max_examples=15, deadline=None)
@given(cut=st.tuples(chunks_of(26), chunks_of(31)))
def test_any_chunks_give_the_same_map_bit_for_bit(kernel, cut):
    p, t = scene()
    whole = slide(kernel, p, t)
    again = slide(kernel, p.chunk(y=cut[0], x=cut[1]), t.chunk(y=cut[0], x=cut[1]))
    np.testing.assert_array_equal(again.compute(scheduler="sync"), whole)
    assert np.isfinite(whole).any()


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.name} {k.side}")
def test_wide_images_have_the_same_bits_as_their_parts(kernel):
    p, t = scene(shape=(1, 1, 30, 700), holes=False)  # more than a strip of the kernels
    whole = slide(kernel, p, t).values
    half = kernel.side // 2
    part = slide(kernel, p[..., 101:517], t[..., 101:517]).values
    np.testing.assert_array_equal(part[..., half:-half], whole[..., 101 + half : 517 - half])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(ssim, window=9), "window=9: SSIM takes 11"),
        (partial(ssim, data_range=0), "data_range=0 must be positive"),
        (partial(ssim, bands="pooled"), "bands='pooled': pixels of several bands make no window"),
        (partial(ssim, bands="all"), "bands='all'; this metric takes 'each' or 'mean'"),
        (partial(uiqi, window=1), "window=1 must be an integer, 2 or more"),
        (partial(uiqi, window=8.0), "window=8.0 must be an integer"),
        (partial(uiqi, step=0), "step=0 must be an integer, 1 or more, or 'window'"),
        (partial(uiqi, step="block"), "step='block' must be an integer"),
        (partial(uiqi, window="global", step=4), "step=4 with window='global'"),
    ],
)
def test_bad_options_are_refused_with_the_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call(*scene())


def test_the_mean_of_bands():
    p, t = scene()
    for metric in (ssim, uiqi, partial(uiqi, window="global")):
        mean, found = metric(p, t, bands="mean"), metric(p, t)
        np.testing.assert_allclose(mean, found.values.mean(axis=1), rtol=1e-14)
        assert mean.dims == ("time",)


def test_local_correlation_is_that_of_numpy():
    kernel = Kernel("window_map", 8, {"weights": UNIFORM, "formula": "correlation"})
    p, t = scene()
    found = slide(kernel, p, t).mean(("y", "x"))
    np.testing.assert_allclose(found, each(p, t, windows(pearson, 8)), rtol=1e-9)
