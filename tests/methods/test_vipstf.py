"""VIPSTF against plain numpy, by its exact cases, and with gaps."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles.vipstf import vipstf as oracle
from xstf.methods.vipstf import find_moments


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=48, scale=4, dates=4, pairs=3, bands=("red", "nir"), seed=4)
    ds = ds.compute()
    assert ds.fine_observed.values.tolist() == [True, False, True, True]
    return ds


def pairs_of(ds, *positions):
    return list(ds.time.values[list(positions)])


@pytest.mark.parametrize("positions", [(0,), (0, 2), (0, 2, 3)])
@pytest.mark.parametrize(("window", "similar"), [(9, 6), (13, 30)])
def test_equals_the_oracle(scene, positions, window, similar):
    options = {"window": window, "num_similar": similar}
    found = scene.stf.fuse("vipstf", pairs=pairs_of(scene, *positions), **options).compute()[0]
    at = list(positions)
    expected = oracle(
        scene.fine.values[at], scene.coarse.values[at], scene.coarse.values[1], 4,
        window=window, similar=similar,
    )  # fmt: skip
    off = abs(found.values - expected)
    assert np.isfinite(off).mean() > 0.2
    # a pixel may differ where two neighbours are alike within float32
    assert np.nanquantile(off, 0.99) < 1e-6
    assert np.nanmax(off) < 2e-3


@pytest.mark.parametrize("pairs", [1, 3])
def test_a_line_takes_the_fine_image_along(scene, pairs):
    """C0 = 0.8 C1 + 0.05: the prediction is 0.8 F1 + 0.05, whatever other pairs there are."""
    ds = scene.copy(deep=True)
    ds["coarse"][1] = 0.8 * ds.coarse[2] + 0.05
    fused = ds.stf.fuse("vipstf", pairs=pairs_of(ds, 2) if pairs == 1 else 3, window=9).compute()[0]
    np.testing.assert_allclose(fused, 0.8 * ds.fine[2] + 0.05, atol=2e-5)


@pytest.mark.parametrize("which", [0, 2, 3])
def test_a_target_like_one_of_the_pairs_is_that_pair(scene, which):
    ds = scene.copy(deep=True)
    ds["coarse"][1] = ds.coarse[which]
    fused = ds.stf.fuse("vipstf", pairs=3, window=9).compute()[0]
    np.testing.assert_allclose(fused, ds.fine[which], atol=2e-5)


def test_another_pair_explains_no_less(scene):
    images = scene.coarse.values.astype(float)
    target = images[1]

    def left(*pairs):
        moments = find_moments(target, *images[list(pairs)])
        total = 0
        for band in range(2):
            gain, base = moments.line(band, list(range(len(pairs))))
            said = np.tensordot(gain, images[list(pairs), band], 1) + base
            total += ((target[band] - said) ** 2).sum()
        return total

    noise = np.random.default_rng(0).normal(0.3, 0.1, target.shape)
    images = np.concatenate([images, noise[None]])
    assert left(0, 2) <= left(0) * (1 + 1e-7)
    assert left(0, 2, 3) <= left(0, 2) * (1 + 1e-7)
    assert left(0, 2, 4) <= left(0, 2) * (1 + 1e-7)


def test_pairs_that_are_alike_share_their_weight(scene):
    target, first = scene.coarse.values[1], scene.coarse.values[0]
    moments = find_moments(target, first, first)
    gain, _ = moments.line(0, [0, 1])
    alone, _ = moments.line(0, [0])
    np.testing.assert_allclose(gain, alone[0] / 2, atol=1e-6)


def test_a_flat_scene_keeps_its_texture(scene):
    """Nothing to regress on: the fine image is moved, not lost."""
    ds = scene.copy(deep=True)
    ds["coarse"][0], ds["coarse"][1] = 0.3, 0.35
    fused = ds.stf.fuse("vipstf", pairs=pairs_of(ds, 0), window=9).compute()[0]
    np.testing.assert_allclose(fused, ds.fine[0] + 0.05, atol=1e-6)


def test_a_pixel_missing_in_one_pair_has_a_line_of_its_own(scene):
    ds = scene.copy(deep=True)
    ds["coarse"][1] = 0.5 * ds.coarse[0] + 0.4 * ds.coarse[2] + 0.02
    ds["fine"][2, :, 20:28, 20:28] = np.nan
    fused = ds.stf.fuse("vipstf", pairs=pairs_of(ds, 0, 2), window=9).compute()[0]
    both = 0.5 * ds.fine[0] + 0.4 * ds.fine[2] + 0.02
    outside = ~np.isnan(both.values)
    near = np.zeros(outside.shape[1:], bool)
    near[16:32, 16:32] = True  # their alike neighbours may lie in the gap
    sure = outside & ~near
    np.testing.assert_allclose(fused.values[sure], both.values[sure], atol=2e-5)
    assert not fused.isnull().any()
    target, first = ds.coarse.values[1], ds.coarse.values[0]
    gain, base = find_moments(target, first).line(0, [0])
    virtual = gain[0] * ds.fine.values[0, 0] + base
    step = abs(fused.values[0] - virtual)[20:28, 20:28]
    assert step.max() < abs(target[0] - gain[0] * first[0] - base).max() + 1e-6


def test_cells_that_one_image_lacks_are_left_out_of_the_regression(scene):
    target, first, second = scene.coarse.values[[1, 0, 2]]
    holes = second.copy()
    holes[0, 3:5, 4] = np.nan
    some = ~np.isnan(holes[0])
    moments = find_moments(target, first, holes)
    expected = np.linalg.lstsq(
        np.stack([first[0][some], second[0][some], np.ones(some.sum())], axis=1).astype(float),
        target[0][some].astype(float),
        rcond=None,
    )[0]
    gain, base = moments.line(0, [0, 1])
    np.testing.assert_allclose([*gain, base], expected, atol=1e-5)


def test_one_search_serves_all_dates(scene):
    """With one pair and one band its own image and the virtual one have the same alike pixels."""
    ds = scene.isel(band=[1])
    options = {"pairs": pairs_of(ds, 0), "window": 9, "num_similar": 9, "quality": True}
    dates = ds.time.values[[1, 2, 3]]
    many = ds.stf.fuse("vipstf", dates=dates, search="pairs", **options).compute()
    own = ds.stf.fuse("vipstf", dates=dates, **options).compute()
    assert np.quantile(abs(many.fused - own.fused), 0.99) < 1e-6
    for date in dates:
        one = ds.stf.fuse("vipstf", dates=date, search="pairs", **options).compute()
        xr.testing.assert_identical(one, many.sel(time=[date]))


@pytest.mark.parametrize("search", ["virtual", "pairs"])
def test_any_cut_gives_the_same_picture(scene, search):
    options = {"pairs": 3, "window": 9, "search": search}
    whole = scene.stf.fuse("vipstf", blocksize=1000, **options).compute()
    cut = scene.chunk(y=13, x=7).stf.fuse("vipstf", blocksize=16, **options).compute()
    xr.testing.assert_identical(cut, whole)


def test_turned_scenes_give_turned_pictures(scene):
    turned = scene.copy(deep=True)
    turned["fine"].values[:] = np.swapaxes(scene.fine.values, 2, 3)[..., ::-1]
    turned["coarse"].values[:] = np.swapaxes(scene.coarse.values, 2, 3)[..., ::-1]
    found = turned.stf.fuse("vipstf", pairs=3, window=9).compute().values
    expected = scene.stf.fuse("vipstf", pairs=3, window=9).compute().values
    off = abs(found - np.swapaxes(expected, 2, 3)[..., ::-1])
    assert np.quantile(off, 0.99) < 2e-6
    assert off.max() < 2e-3


def test_temperature_is_fused_alike(scene):
    kelvin = scene.assign(fine=scene.fine * 50 + 270, coarse=scene.coarse * 50 + 270)
    kelvin = kelvin.assign_attrs(valid_range=None)
    found = (kelvin.stf.fuse("vipstf", window=9, pairs=3).compute() - 270) / 50
    expected = scene.stf.fuse("vipstf", window=9, pairs=3).compute()
    assert np.quantile(abs(found - expected), 0.9) < 2e-5


def test_quality_counts_alike_neighbours(scene):
    result = scene.stf.fuse("vipstf", window=9, num_similar=5, quality=True).compute()
    assert (result.similar == 5).all()
