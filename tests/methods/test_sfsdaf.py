"""SFSDAF against plain numpy, by conservation, and on a scene whose shares change."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles.sfsdaf import new_shares, sfsdaf, soft_classes, steady
from xstf.kernels import fractions as kernel
from xstf.methods._mixtures import steady_values
from xstf.methods.sfsdaf import Sfsdaf


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=56, scale=4, dates=2, pairs=1, bands=("red", "nir"), seed=4)
    ds = ds.compute()
    nir = ds.fine[0, 1].values
    classes = np.digitize(nir, np.quantile(nir, [0.35, 0.7])) + 1
    return ds.assign(classes=(("y", "x"), classes.astype("uint8")))


@pytest.mark.parametrize(("similar", "pure"), [(6, 50), (20, 12)])
def test_equals_the_oracle(scene, similar, pure):
    found = scene.stf.fuse("sfsdaf", num_similar=similar, num_pure=pure).compute()[0]
    expected = sfsdaf(
        scene.fine.values[0], *scene.coarse.values, scene.classes.values, 4,
        similar=similar, pure=pure,
    )  # fmt: skip
    off = abs(found.values - expected)
    assert np.isfinite(off).mean() > 0.3
    # a pixel may differ where two neighbours are alike within float32
    assert np.nanquantile(off, 0.99) < 1e-6
    assert np.nanmax(off) < 2e-3


def test_soft_classes_are_the_oracles(scene):
    fine, classes = scene.fine.values[0], scene.classes.values
    inside = [fine[:, classes == c].astype(float) for c in (1, 2, 3)]
    mean = np.array([i.mean(axis=1) for i in inside])
    inverse = np.array([np.linalg.inv(np.cov(i)) for i in inside])
    out = np.empty((3, *classes.shape), np.float32)
    kernel.soft_classes(fine, mean, inverse, out)
    np.testing.assert_allclose(out, soft_classes(fine, classes), atol=1e-5)
    mean[1], inverse[1] = np.nan, np.nan
    hole = fine.copy()
    hole[1, 3, 3] = np.nan
    kernel.soft_classes(hole, mean, inverse, out)
    assert (out[1] == 0).sum() == out[1].size - 1
    assert np.isnan(out[:, 3, 3]).all()


def test_shares_of_cells_are_the_best(scene):
    rng = np.random.default_rng(0)
    ends, cells = rng.random((2, 4)), rng.random((2, 3, 3)).astype("float32")
    before = rng.dirichlet(np.ones(4), (3, 3)).transpose(2, 0, 1)
    before[0, 2, 2] = np.nan
    out = np.empty((4, 3, 3))
    kernel.new_shares(ends, cells, before, out)
    assert np.isnan(out[:, 2, 2]).all()
    for i, j in np.argwhere(~np.isnan(out[0])):
        expected = new_shares(ends, cells[:, i, j].astype(float), before[:, i, j])
        np.testing.assert_allclose(out[:, i, j], expected, atol=1e-5)


def test_class_values_come_from_the_oracles_cells():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(3) / 2, 60).T
    step = rng.normal(0, 0.1, 60)
    cells = steady(shares, step, 20)
    assert 10 < len(cells) < 60
    expected = np.linalg.lstsq(shares[:, cells].T, step[cells], rcond=None)[0]
    np.testing.assert_allclose(steady_values(shares, step, step, 20, 1.0), expected, atol=1e-8)
    none = shares.copy()
    none[1] = 0
    assert steady_values(none, step, step, 20, 1.0)[1] == step.mean()


def test_block_means_of_the_change_equal_the_coarse_change():
    from xstf.kernels.residual import distribute

    rng = np.random.default_rng(1)
    fine, alone, spatial = rng.random((3, 2, 24, 24), dtype="f4")
    foretold = rng.normal(0, 0.1, fine.shape).astype("f4")
    step = rng.normal(0, 0.1, (2, 4, 4)).astype("f4")
    names, out = np.ones((24, 24), "u1"), np.empty_like(fine)
    free = np.full(2, np.inf)
    distribute(fine, names, alone[0], foretold, spatial, step, -free, free, 6, out, 1)
    means = out.reshape(2, 4, 6, 4, 6).mean(axis=(2, 4), dtype=float)
    np.testing.assert_allclose(means, step, atol=1e-6)


def test_shares_that_change_are_seen_better_than_by_fsdaf():
    """A lake grows over two classes of land; only the shares of classes change."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    before = 1 + (rng.integers(0, 2, (8, 8)).repeat(12, 0).repeat(12, 1))
    after = before.copy()
    before[np.hypot(y - 48, x - 48) < 16] = 3
    after[np.hypot(y - 48, x - 48) < 27] = 3
    values = np.array([[0.1, 0.3, 0.02], [0.45, 0.3, 0.03], [0.2, 0.5, 0.04]])
    images = np.stack([values[:, names - 1] for names in (before, after)])
    images += rng.normal(0, 0.003, images.shape)
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    images = xr.DataArray(
        images.astype("float32"), dims=("time", "band", "y", "x"), coords={"time": days}
    )
    ds = xstf.scene(images[:1], images, scale=8)
    options = {"min_classes": 3, "max_classes": 3, "num_pure": 60}
    off = {
        name: float(((ds.stf.fuse(name, **given).compute()[0] - images[1]) ** 2).mean() ** 0.5)
        for name, given in (("sfsdaf", options), ("fsdaf", {**options, "window": 17}))
    }
    assert off["sfsdaf"] < 0.95 * off["fsdaf"]


def test_exact_mixtures_give_their_shares():
    rng = np.random.default_rng(0)
    ends, before, after = rng.random((3, 3)), *rng.dirichlet(np.ones(3), (2, 5, 5))
    cells = np.einsum("bc,ijc->bij", ends, after).astype("float32")
    out = np.empty((3, 5, 5))
    kernel.new_shares(ends, cells, before.transpose(2, 0, 1), out)
    np.testing.assert_allclose(out, after.transpose(2, 0, 1), atol=1e-4)


def test_one_band_is_refused(scene, nothing_computes):
    with pytest.raises(ValueError, match='sfsdaf cannot work on one band.*use "fsdaf"'):
        scene.isel(band=[0]).stf.fuse("sfsdaf")


def test_the_window_is_two_cells_and_a_pixel(scene):
    a, b = (scene.stf.fuse("sfsdaf", num_similar=9, window=w).compute() for w in (None, 9))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, scene.stf.fuse("sfsdaf", num_similar=9, window=13).compute())
    with pytest.raises(ValueError, match="larger than the scene"):
        scene.stf.fuse("sfsdaf", window=61)


@pytest.mark.parametrize("window", [3, 13, 21])
def test_any_window_and_cut_give_the_same_picture(scene, window):
    options = {"num_similar": 7, "window": window, "quality": True}
    whole = scene.stf.fuse("sfsdaf", blocksize=1000, **options).compute()
    cut = scene.chunk(y=13, x=7).stf.fuse("sfsdaf", blocksize=16, **options).compute()
    xr.testing.assert_identical(cut, whole)


def test_fewer_bands_than_classes_take_the_nearest_shares(scene):
    fused = scene.drop_vars("classes").stf.fuse("sfsdaf", max_classes=6, min_classes=6, small=9)
    assert not fused.compute().isnull().any()


def test_quality_counts_alike_neighbours(scene):
    result = scene.stf.fuse("sfsdaf", num_similar=5, quality=True).compute()
    assert (result.similar == 5).all()


def test_the_valid_range_is_kept(scene):
    dark = scene.assign(coarse=scene.coarse - xr.DataArray([0, 0.2], dims="time").astype("f4"))
    fused = dark.stf.fuse("sfsdaf").compute()
    assert float(fused.min()) >= 0
    free = dark.assign_attrs(valid_range=None).stf.fuse("sfsdaf").compute()
    assert float(free.min()) < 0


def test_defaults_are_those_of_the_program():
    made = Sfsdaf()
    assert (made.min_classes, made.max_classes, made.spatial) == (4, 4, "cubic")
    assert made.halo(16) == 16 + 8
    assert made.reach == 2
