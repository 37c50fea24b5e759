"""Scores of regions are those of images masked by hand, from one pass."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.images import EVERY, JOINT, POINTWISE, WINDOWED, scene
from tests.metrics.test_windowed import large
from tests.strategies import chunks_of
from xstf.metrics import edge, measure, ms_ssim, rmse, sam
from xstf.metrics.sliding import Kernel, slide

CENTRED = sorted(set(WINDOWED) - {"ssim global", "uiqi global", "scc", "edge top"})


def labels(seed=0, shape=(26, 31)):
    """Labels 3, 7 and -2 in runs of any length, and pixels in no region."""
    rng = np.random.default_rng(seed)
    found = rng.choice([0, 3, 7, -2], shape)
    found[5:15, 4:20] = 7
    found[16:24, 10:30] = 3
    return found


@pytest.mark.parametrize("name", POINTWISE | JOINT)
@pytest.mark.parametrize("lazy", [False, True])
def test_regions_of_pixels_are_those_of_masked_images(name, lazy):
    p, t = scene()
    metric, image = EVERY[name], labels()
    cut = {"time": 1, "band": 2, "y": 9, "x": (11, 20)}
    found = metric(p.chunk(cut) if lazy else p, t, regions=image)
    assert found.region.values.tolist() == [-2, 3, 7]
    assert found.dims[-1] == "region"
    for label in (-2, 3, 7):
        alone = metric(p.where(image == label), t)
        np.testing.assert_allclose(found.sel(region=label), alone, rtol=1e-10, err_msg=name)
    assert np.isfinite(found).sum() >= 6


@pytest.mark.parametrize("cut", [{}, {"time": 1, "y": (2, 24), "x": (9, 9, 13)}])
@pytest.mark.parametrize("name", CENTRED)
def test_a_window_belongs_to_the_region_of_its_centre(name, cut):
    p, t = scene()
    masks = {"left": np.arange(31) < 14 + 0 * np.arange(26)[:, None], "7": labels() == 7}
    whole = EVERY[name](p, t)
    everything = EVERY[name](p.chunk(cut) if cut else p, t, regions=np.ones((26, 31), bool))
    np.testing.assert_allclose(everything.sel(region="inside"), whole, rtol=1e-12)
    if name in MAPS:
        kernel, step = MAPS[name]
        image = slide(kernel, p, t).values
        half = kernel.side // 2
        counted = np.zeros(image.shape[-2:], bool)
        counted[half::step, half::step] = True
        found = EVERY[name](p.chunk(cut) if cut else p, t, regions=masks)
        for label, mask in masks.items():
            inside = np.where(mask & counted, image, np.nan)
            seen = np.isfinite(inside).any(axis=(-1, -2))
            expected = np.full(seen.shape, np.nan)
            expected[seen] = np.nanmean(inside[seen], axis=(-1, -2))
            np.testing.assert_allclose(found.sel(region=label), expected, rtol=1e-12)


MAPS = {
    "uiqi": (Kernel("window_map", 8, {"weights": np.full(8, 1 / 8), "formula": "quality"}), 1),
    "uiqi 6 by 4": (
        Kernel("window_map", 6, {"weights": np.full(6, 1 / 6), "formula": "quality"}),
        4,
    ),
    "scc 8": (Kernel("detail_map", 10, {"weights": np.full(8, 1 / 8)}), 1),
    "edge": (Kernel("edge_change", 2, {"still": 1e-5}), 1),
    "lbp": (Kernel("texture_change", 3, {"tolerance": 0.0}), 1),
}


@pytest.mark.parametrize("name", ["ssim global", "uiqi global"])
def test_windows_of_everything_are_those_of_the_regions_pixels(name):
    p, t = scene()
    found = EVERY[name](p, t, regions=labels())
    for label in (-2, 3, 7):
        np.testing.assert_allclose(
            found.sel(region=label), EVERY[name](p.where(labels() == label), t), rtol=1e-10
        )


@pytest.mark.parametrize("cut", [{}, {"y": 10, "x": 12}])
def test_the_strongest_edges_are_sought_in_each_region(cut):
    p, t = scene()
    top, right = np.arange(26)[:, None] + np.zeros(31) < 13, np.zeros((26, 31), bool)
    right[:, 20:] = True
    found = edge(p.chunk(cut) if cut else p, t, top=0.2, regions={"top": top, "right": right})
    # an edge lies at the last of its pixels: keep the row or column that comes before
    np.testing.assert_allclose(found[..., 0], edge(p[..., :13, :], t[..., :13, :], top=0.2))
    np.testing.assert_allclose(found[..., 1], edge(p[..., 19:], t[..., 19:], top=0.2))


def test_five_scales_take_regions_where_each_scale_has_them():
    p, t = large()
    left = np.zeros((190, 203), bool)
    left[:, :110] = True
    found = ms_ssim(p.chunk(y=50), t, regions={"left": left, "all": ~left | left}).compute()
    np.testing.assert_allclose(found.sel(region="all"), ms_ssim(p, t), rtol=1e-12)
    xr.testing.assert_allclose(ms_ssim(p, t, regions={"left": left})[..., 0], found[..., 0])
    assert (found[..., 0] != found[..., 1]).all()


def test_masks_may_overlap_and_a_mask_alone_is_inside():
    p, t = scene(holes=False)
    a, b = np.zeros((2, 26, 31), bool)
    a[:20], b[10:] = True, True
    found = rmse(p, t, regions={"a": a, "b": b})
    for name, mask in (("a", a), ("b", b)):
        np.testing.assert_allclose(found.sel(region=name), rmse(p.where(mask), t), rtol=1e-12)
    alone = rmse(p, t, regions=a)
    assert alone.region.values.tolist() == ["inside"]
    np.testing.assert_allclose(alone[..., 0], found.sel(region="a"), rtol=1e-14)


def test_a_region_without_a_pixel_is_nan():
    p, t = scene(holes=False)
    none = np.zeros((26, 31), bool)
    for name, metric in EVERY.items():
        found = metric(p.chunk(y=9), t, regions={"none": none, "all": ~none}).compute()
        assert np.isnan(found.sel(region="none")).all(), name
        assert np.isfinite(found.sel(region="all")).all(), name


@settings(max_examples=15, deadline=None)
@given(cut=st.tuples(chunks_of(26), chunks_of(31)), seed=st.integers(0, 99))
def test_regions_do_not_see_the_chunks(cut, seed):
    p, t = scene()
    chunks = {"time": 1, "y": cut[0], "x": cut[1]}
    names = ["rmse", "cc", "bias", "sam", "uiqi", "scc", "edge", "lbp"]
    options = {"metrics": names, "regions": labels(seed)}
    found = measure(p.chunk(chunks), t, **options).compute(scheduler="sync")
    xr.testing.assert_allclose(found, measure(p, t, **options), rtol=1e-12, atol=1e-14)


def test_labels_on_dask_are_read_once_and_masks_never():
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    p, t = (i.chunk(y=13) for i in scene())
    lazy = da.from_array(labels(), chunks=(13, 31)).map_blocks(read, meta=np.empty((0, 0), int))
    found = rmse(p, t, regions=lazy)
    assert len(reads) == 2
    xr.testing.assert_allclose(found.compute(), rmse(p, t, regions=labels()).compute())
    reads.clear()
    xr.testing.assert_allclose(
        rmse(p, t, regions={"a": lazy == 3}).isel(region=0, drop=True).compute(),
        rmse(p, t, regions=labels()).sel(region=3, drop=True).compute(),
    )
    assert len(reads) == 2


def test_many_regions_do_not_read_the_images_again():
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    p, t = scene()
    lazy = p.chunk(y=13, x=16).data
    p = p.copy(data=lazy.map_blocks(read, meta=np.empty((0,) * 4, p.dtype)))
    masks = {k: labels(k) == 3 for k in range(5)}
    options = {"metrics": "plain", "scale": 4, "regions": masks}
    measure(p, t.chunk(y=13, x=16), **options).compute(scheduler="sync")
    assert len(reads) == 4


def test_labelled_masks_lie_on_the_image_by_their_coordinates():
    p, t = scene()
    mask = xr.DataArray(labels(), dims=("y", "x"), coords={"y": p.y, "x": p.x}).T
    expected = rmse(p, t, regions=labels())
    xr.testing.assert_identical(rmse(p, t, regions=mask), expected)
    xr.testing.assert_identical(
        rmse(p, t, regions=mask.astype("uint8").where(mask > 0, 0)),
        (rmse(p, t, regions=np.where(labels() > 0, labels(), 0))),
    )
    with pytest.raises(ValueError, match="in predicted, .* in regions; they must agree"):
        rmse(p, t, regions=mask.assign_coords(x=mask.x + 30))


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({}, "regions is empty; give {name: mask}"),
        ({"a": labels()}, r"regions\['a'\] is int64, needs a bool mask"),
        (labels().astype(float), "regions is float64, needs bool .* or whole numbers"),
        (np.zeros((26, 31), int), "holds only 0"),
        (np.ones((26, 30), bool), "x must be the same"),
        (np.ones(26, bool), r"regions has shape \(26,\), needs \(y, x\)"),
        (xr.DataArray(np.ones((2, 26, 31), bool), dims=("time", "y", "x")), "select one image"),
    ],
)
def test_what_is_no_region_is_refused_with_the_cure(regions, message):
    with pytest.raises(ValueError, match=message):
        rmse(*scene(), regions=regions)


def test_masks_compute_nothing(nothing_computes):
    p, t = (i.chunk(y=9) for i in scene())
    mask = {"a": xr.DataArray(da.ones((26, 31), dtype=bool, chunks=(9, 31)), dims=("y", "x"))}
    found = measure(p, t, scale=8, regions=mask)
    assert all(dask.is_dask_collection(v) for v in found.values())
    assert sam(p, t, regions=np.ones((26, 31), int)).chunks is not None
