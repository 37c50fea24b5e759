"""UBDF, STDFA and STRUM against plain numpy and known answers; the least squares against scipy."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import lsq_linear

import xstf
from tests.oracles import unmix as oracle
from tests.oracles.sfsdaf import new_shares
from xstf.kernels.minimum import bounded_minimum, mixture_minimum
from xstf.kernels.unmix import merge_small
from xstf.registry import find

SCALE = 4


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=48, scale=4, dates=2, pairs=1, bands=("red", "nir"), seed=4)
    ds = ds.compute()
    nir = ds.fine[0, 1].values
    classes = np.digitize(nir, np.quantile(nir, [0.35, 0.7, 0.74])) + 1
    classes[8:12, 8:11] = 0
    return ds.assign(classes=(("y", "x"), classes.astype("uint8")))


def made(classes, before, after):
    """A scene of one band from values of the classes; coarse images are exact means."""
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    images = np.stack([np.asarray(v)[classes - 1] for v in (before, after)])[:, None]
    images = images.astype("float32")
    images = xr.DataArray(images, dims=("time", "band", "y", "x"), coords={"time": days})
    return xstf.scene(images[:1], images, scale=SCALE, classes=classes)


def random_classes(count=3, side=32, seed=0):
    return np.random.default_rng(seed).integers(1, count + 1, (side, side))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ubdf", {"window": 3}),
        ("stdfa", {"window": 3}),
        ("stdfa", {"window": 5, "rule": "paper"}),
        ("strum", {"window": 3}),
        ("strum", {"window": 5}),
        ("strum", {"window": 5, "rule": "paper", "noise": 0.2}),
    ],
)
@pytest.mark.parametrize("gap", [False, True])
def test_equals_the_oracle(scene, method, options, gap):
    ds = scene
    if gap:
        ds = scene.copy(deep=True)
        ds["coarse"][:, :, 4, 4] = np.nan
    found = ds.stf.fuse(method, **options).compute()[0]
    expected = oracle.fused(
        method, ds.fine.values[0], *ds.coarse.values, ds.classes.values, SCALE, **options
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("window", [5, 7])
def test_classes_that_are_alike_everywhere_are_exact(window):
    classes = random_classes(3, 8).repeat(6, 0).repeat(6, 1)  # some cells are pure, some are not
    ds = made(classes, [0.1, 0.2, 0.4], [0.15, 0.12, 0.45])
    truth = np.array([0.15, 0.12, 0.45])[classes - 1]
    for method in ("ubdf", "stdfa", "strum"):
        fused = ds.stf.fuse(method, window=window).compute()[0, 0]
        np.testing.assert_allclose(fused, truth, atol=1e-5)


def test_cells_that_cannot_tell_classes_apart_give_the_mean():
    """Every cell half and half: the coarse change cannot say which class has changed."""
    classes = np.tile([[1, 2], [2, 1]], (16, 16))
    ds = made(classes, [0.2, 0.4], [0.3, 0.4])
    for options in ({}, {"rule": "paper"}):
        fused = ds.stf.fuse("strum", **options).compute()[0, 0]
        np.testing.assert_allclose(fused - ds.fine[0, 0], 0.05, atol=1e-6)


def test_small_classes_change_as_the_most_alike_one_of_the_cell():
    classes = random_classes(2)
    classes[::8, ::8] = 3  # one pixel of every other cell in a row: 1 / 16
    ds = made(classes, [0.1, 0.3, 0.32], [0.2, 0.28, 0.6])
    merged, apart = (
        ds.stf.fuse("stdfa", rule="paper", least_share=least).compute()[0, 0] - ds.fine[0, 0]
        for least in (0.2, 0.0)
    )
    few = classes == 3
    np.testing.assert_allclose(apart.values[few], 0.28, atol=1e-4)
    second = merged.where(classes == 2)
    blocks = second.values.reshape(8, 4, 8, 4)
    np.testing.assert_allclose(
        merged.values[few], np.nanmax(blocks, axis=(1, 3))[::2, ::2].ravel(), atol=1e-6
    )


def test_unmixing_both_dates_is_unmixing_the_change():
    """Without bounds and merging, STDFA and STRUM are one [linear]."""
    classes = random_classes(3, 8).repeat(6, 0).repeat(6, 1)
    ds = made(classes, [0.3, 0.4, 0.5], [0.45, 0.35, 0.5])
    noise = np.random.default_rng(1).normal(0, 0.002, ds.coarse.shape)
    ds["coarse"] = ds.coarse + noise.astype("float32")
    apart = ds.stf.fuse("stdfa", rule="paper").compute()
    change = ds.stf.fuse("strum", least_share=0.0).compute()
    np.testing.assert_allclose(apart, change, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "options"),
    [("stdfa", {"rule": "paper"}), ("strum", {}), ("strum", {"rule": "paper"})],
)
def test_a_constant_bias_of_the_coarse_images_changes_nothing(scene, method, options):
    biased = scene.assign(coarse=scene.coarse + np.float32(0.05))
    a, b = (ds.stf.fuse(method, **options).compute() for ds in (scene, biased))
    np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("method", ["ubdf", "stdfa", "strum"])
def test_turned_scenes_give_turned_pictures(scene, method):
    def turned(ds):
        out = ds.copy(deep=True)
        out["fine"].values[:] = np.swapaxes(ds.fine.values, 2, 3)[..., ::-1]
        out["coarse"].values[:] = np.swapaxes(ds.coarse.values, 2, 3)[..., ::-1]
        out["classes"].values[:] = ds.classes.values.T[:, ::-1]
        return out

    found = turned(scene).stf.fuse(method).compute().values
    expected = np.swapaxes(scene.stf.fuse(method).compute().values, 2, 3)[..., ::-1]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("method", ["ubdf", "stdfa", "strum"])
def test_other_units_give_the_same_picture(scene, method):
    percent = scene.assign(fine=scene.fine * 100, coarse=scene.coarse * 100)
    percent = percent.assign_attrs(valid_range=(0.0, 100.0))
    found = percent.stf.fuse(method).compute()
    np.testing.assert_allclose(found / 100, scene.stf.fuse(method).compute(), atol=1e-5)


@pytest.mark.parametrize("method", ["ubdf", "stdfa", "strum"])
def test_one_band_and_double_precision_run(scene, method):
    one = scene.isel(band=[1])
    fused = one.stf.fuse(method).compute()
    assert not fused.isnull().any()
    wide = one.assign(fine=one.fine.astype(float), coarse=one.coarse.astype(float))
    xr.testing.assert_identical(wide.stf.fuse(method).compute(), fused)


def test_ubdf_looks_at_no_value_of_the_fine_image(scene):
    other = scene.assign(fine=scene.fine.copy(data=scene.fine.values**2))
    xr.testing.assert_identical(*(ds.stf.fuse("ubdf").compute() for ds in (scene, other)))


@pytest.mark.parametrize("limits", [(0.0, 1.0), None])
def test_ubdf_stays_between_its_bounds(scene, limits):
    fused = scene.assign_attrs(valid_range=limits).stf.fuse("ubdf", window=3).compute()[0]
    target = scene.coarse[1]
    low = target.min(("y_coarse", "x_coarse")) if limits is None else 0
    assert (fused >= low - 1e-6).all()
    assert (fused <= target.max(("y_coarse", "x_coarse")) + 1e-6).all()


def test_a_pixel_without_a_class_changes_as_its_cell(scene):
    none = scene.classes.values == 0
    step = (scene.coarse[1] - scene.coarse[0]).values.repeat(4, 1).repeat(4, 2)
    for method, expected in (
        ("strum", scene.fine[0].values + step),
        ("ubdf", scene.coarse[1].values.repeat(4, 1).repeat(4, 2)),
    ):
        fused = scene.stf.fuse(method).compute()[0]
        np.testing.assert_allclose(fused.values[:, none], expected[:, none], atol=1e-6)


def test_a_window_without_coarse_data_is_missing(scene):
    holes = scene.copy(deep=True)
    holes["coarse"][1, :, 3:8, 3:8] = np.nan
    for method in ("ubdf", "stdfa", "strum"):
        gone = np.isnan(holes.stf.fuse(method, window=3).compute().values[0, 0])
        expected = np.zeros_like(gone)
        expected[4 * 4 : 7 * 4, 4 * 4 : 7 * 4] = True
        np.testing.assert_array_equal(gone, expected)


def test_bounded_least_squares_are_scipys():
    rng = np.random.default_rng(0)
    for _ in range(200):
        rows = rng.random((12, rng.integers(1, 7)))
        values = rng.normal(1, 2, 12)
        low, high = sorted(rng.normal(size=2))
        found = bounded_minimum(rows.T @ rows, rows.T @ values, low, high)
        expected = lsq_linear(rows, values, (low, high), method="bvls", tol=1e-14).x
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_equal_bounds_leave_no_choice():
    rows = np.random.default_rng(0).random((9, 4))
    found = bounded_minimum(rows.T @ rows, rows.sum(axis=0), 0.3, 0.3)
    np.testing.assert_array_equal(found, 0.3)


def test_shares_that_explain_best_are_those_of_all_choices():
    rng = np.random.default_rng(0)
    for _ in range(100):
        ends, cell, before = rng.random((3, 4)), rng.random(3), rng.dirichlet(np.ones(4))
        ridge = 1e-8 * (ends**2).sum()
        found = mixture_minimum(ends.T @ ends + ridge * np.eye(4), ends.T @ cell + ridge * before)
        assert found.min() >= 0
        assert abs(found.sum() - 1) < 1e-12
        np.testing.assert_allclose(found, new_shares(ends, cell, before), atol=1e-6)


def test_merging_keeps_the_sum_and_the_last_class():
    shares = np.array([[0.6, 0.02], [0.36, 0.01], [0.04, 0.97], [0.0, 0.0]]).reshape(4, 1, 2)
    alike = np.array([[1, 2, 3], [0, 2, 3], [3, 1, 0], [0, 1, 2]])
    merge_small(shares, 0.05, alike)
    np.testing.assert_allclose(shares[:, 0, 0], [0.6, 0.4, 0, 0])
    np.testing.assert_allclose(shares[:, 0, 1], [0, 0, 1, 0])


def test_three_names_share_a_file():
    assert {find(name).__module__ for name in ("ubdf", "stdfa", "strum")} == {"xstf.methods.unmix"}


@pytest.mark.parametrize("window", [1, 7, 31])
@pytest.mark.parametrize("method", ["ubdf", "stdfa", "strum"])
def test_any_window_and_cut_give_the_same_picture(scene, method, window):
    whole = scene.stf.fuse(method, window=window, blocksize=1000).compute()
    cut = scene.chunk(y=13, x=7).stf.fuse(method, window=window, blocksize=16).compute()
    xr.testing.assert_identical(cut, whole)
    assert not whole.isnull().any()
