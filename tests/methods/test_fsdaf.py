"""FSDAF against plain numpy, by its conservation laws, and on the paper's own scene."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests import oracles
from xstf.methods import fsdaf
from xstf.methods._classes import FEW, class_changes


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=48, scale=6, dates=2, pairs=1, bands=("red", "nir"), seed=4)
    ds = ds.compute()
    nir = ds.fine[0, 1].values
    classes = np.digitize(nir, np.quantile(nir, [0.35, 0.7])) + 1
    return ds.assign(classes=(("y", "x"), classes.astype("uint8")))


@pytest.mark.parametrize(("window", "similar", "pure"), [(9, 6, 12), (13, 20, 40)])
def test_equals_the_oracle(scene, window, similar, pure):
    options = {"window": window, "num_similar": similar}
    found = scene.stf.fuse("fsdaf", num_pure=pure, **options).compute()[0]
    expected = oracles.fsdaf(
        scene.fine.values[0],
        scene.coarse.values[0],
        scene.coarse.values[1],
        scene.classes.values,
        6,
        pure=pure,
        **options,
    )
    off = abs(found.values - expected)
    # a pixel may differ where two neighbours rank alike within float32
    assert np.quantile(off, 0.99) < 2e-5
    assert off.max() < 5e-3


def test_class_changes_equal_the_oracle(scene):
    classes = scene.classes.values.reshape(8, 6, 8, 6)
    shares = np.array([(classes == c).mean(axis=(1, 3)).ravel() for c in (1, 2, 3)])
    change = (scene.coarse[1, 1] - scene.coarse[0, 1]).values.astype(float).ravel()
    found = class_changes(shares, change, 15)
    np.testing.assert_allclose(found, oracles.class_changes(shares, change, 15), atol=1e-6)


def test_known_class_changes_give_the_exact_picture():
    """Piecewise constant scene, changes by class, coarse images exact: nothing is left over."""
    rng = np.random.default_rng(0)
    classes = rng.integers(1, 4, (6, 6)).repeat(16, 0).repeat(16, 1)
    classes[5:37, 8:60] = 2
    before = np.array([0.1, 0.2, 0.4])[classes - 1]
    after = np.array([0.14, 0.2, 0.3])[classes - 1]
    ds = _pair(before, after, 8, classes)
    fused = ds.stf.fuse("fsdaf", window=9).compute()[0, 0]
    np.testing.assert_allclose(fused, after, atol=1e-5)


def _pair(before, after, scale, classes=None):
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    images = np.stack([before, after]).astype("float32")[:, None]
    fine = xr.DataArray(images, dims=("time", "band", "y", "x"), coords={"time": days})
    return xstf.scene(fine[:1], fine, scale=scale, classes=classes)


def test_block_means_of_the_change_equal_the_coarse_change():
    """Before the clamp, class change and residual together conserve each cell's change."""
    from xstf.kernels.residual import distribute

    rng = np.random.default_rng(1)
    cell, cells = 8, 5
    side = cell * cells
    fine = rng.uniform(0.1, 0.5, (2, side, side)).astype("float32")
    names = rng.integers(1, 5, (side, side)).astype("uint8")
    alone = rng.uniform(0, 1, names.shape).astype("float32")
    gain = rng.normal(0, 0.05, (2, 4))
    spatial = rng.uniform(0.1, 0.5, fine.shape).astype("float32")
    step = rng.normal(0, 0.1, (2, cells, cells)).astype("float32")
    out = np.empty_like(fine)
    free = np.full(2, np.inf)
    distribute(fine, names, alone, gain[..., None], spatial, step, -free, free, cell, out)
    means = out.reshape(2, cells, cell, cells, cell).mean(axis=(2, 4), dtype=float)
    np.testing.assert_allclose(means, step, atol=1e-6)
    assert out.std() > 0.01


def test_the_clamp_keeps_predictions_in_the_valid_range(scene):
    fused = scene.stf.fuse("fsdaf", window=9).compute()
    assert float(fused.min()) >= 0
    assert float(fused.max()) <= 1
    dark = scene.copy()
    dark["coarse"] = scene.coarse.copy(data=scene.coarse.values - [[[[0]]], [[[0.3]]]])
    fused = dark.stf.fuse("fsdaf", window=9).compute()
    assert float(fused.min()) >= 0


def test_temperature_has_no_range():
    rng = np.random.default_rng(2)
    before = 290 + rng.normal(0, 4, (48, 48))
    ds = _pair(before / 1000, before / 1000, 8).assign_attrs(valid_range=None)
    ds["fine"] = ds.fine * 1000
    ds["coarse"] = ds.coarse * 1000 + xr_ones(ds) * 3
    fused = ds.stf.fuse("fsdaf", window=9, small=20).compute()[0, 0]
    assert abs(float(fused.mean()) - before.mean() - 3) < 0.5


def xr_ones(ds):
    return (ds.time == ds.time[1]).astype("float32")


def test_the_papers_scene():
    """Class changes 0.04, 0, -0.10; with the paper's window, its error [Zhu 2016, table 2]."""
    ds, truth = xstf.simulate("zhu")
    classes = ds.classes.values.reshape(30, 16, 30, 16)
    shares = np.array([(classes == c).mean(axis=(1, 3)).ravel() for c in (1, 2, 3)])
    change = (ds.coarse[1, 0] - ds.coarse[0, 0]).values.astype(float).ravel()
    gain = class_changes(shares, change, round(FEW * 900))
    np.testing.assert_allclose(gain, [0.04, 0, -0.10], atol=1e-4)
    fused = ds.stf.fuse("fsdaf", window=17).compute()
    wanted = truth.sel(time=fused.time)
    assert float(np.sqrt(((fused - wanted) ** 2).mean())) < 0.027
    from xstf.metrics import cc

    assert float(cc(fused, wanted).squeeze()) > 0.98


def test_a_user_class_map_may_have_any_labels(scene):
    named = scene.assign(classes=(("y", "x"), np.array([0, 7, 200, 31])[scene.classes.values]))
    a, b = (ds.stf.fuse("fsdaf", window=9).compute() for ds in (scene, named))
    # other labels, other order of the classes in the least squares: equal but for rounding
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("bad", [-1, 300, 2.5])
def test_a_class_map_of_other_numbers_is_refused(scene, bad):
    classes = scene.classes.astype(float)
    classes[0, 0] = bad
    with pytest.raises(ValueError, match="labels are whole numbers from 1 to 255"):
        scene.assign(classes=classes).stf.fuse("fsdaf", window=9).compute()


def test_an_empty_class_map_is_refused(scene):
    with pytest.raises(ValueError, match="class map holds no class"):
        scene.assign(classes=scene.classes * 0).stf.fuse("fsdaf", window=9).compute()


def test_unclassified_pixels_follow_their_neighbours(scene):
    classes = scene.classes.copy()
    classes[10:14, 10:14] = 0
    fused = scene.assign(classes=classes).stf.fuse("fsdaf", window=13).compute()
    assert not fused.isnull().any()


def test_scale_one_needs_the_cell(scene):
    coarse = scene.coarse.values.repeat(6, 2).repeat(6, 3)
    fine = scene.fine.isel(time=[0])
    on_fine = scene.fine.copy(data=coarse)
    ds = xstf.scene(fine, on_fine, scale=1, classes=scene.classes)
    with pytest.raises(ValueError, match="cell=16"):
        ds.stf.fuse("fsdaf", window=9)
    found = ds.stf.fuse("fsdaf", window=9, cell=6).compute()
    np.testing.assert_array_equal(found, scene.stf.fuse("fsdaf", window=9).compute())
    with pytest.raises(ValueError, match="scale 7 does not divide"):
        ds.stf.fuse("fsdaf", window=9, cell=7)
    with pytest.raises(ValueError, match="leave cell out"):
        scene.stf.fuse("fsdaf", window=9, cell=7)


def test_quality_counts_alike_neighbours(scene):
    result = scene.stf.fuse("fsdaf", window=9, num_similar=5, quality=True).compute()
    assert set(result.data_vars) == {"fused", "similar"}
    assert float(result.similar.min()) >= 1
    assert float(result.similar.max()) == 5


def test_min_classes_above_max_classes_is_refused():
    with pytest.raises(ValueError, match="min_classes=5 is above max_classes=3"):
        fsdaf.Fsdaf(min_classes=5, max_classes=3)


def test_impossible_values_do_not_move_their_neighbours(scene):
    """Coarse images alike on both dates: values below the valid range are no change."""
    ds = scene.copy(deep=True)
    ds["fine"][:, :, 8:14, 8:14] -= ds["fine"][:, :, 8:14, 8:14].max() + 0.004
    ds["coarse"][1] = ds["coarse"][0]
    fused = ds.stf.fuse("fsdaf", window=9).compute()[0]
    possible = (ds.fine[0] >= 0) & (ds.fine[0] <= 1)
    np.testing.assert_array_equal(fused.where(possible), ds.fine[0].where(possible))
    assert not possible.all()


def test_scattered_missing_pixels_keep_the_class_changes():
    rng = np.random.default_rng(5)
    classes = rng.integers(1, 4, (12, 12)).repeat(12, 0).repeat(12, 1)
    before = np.array([0.1, 0.2, 0.4])[classes - 1]
    after = before + np.array([0.1, -0.05, 0.02])[classes - 1]
    ds = _pair(before, after, 16, classes)
    whole = ds.stf.fuse("fsdaf", window=9, num_pure=30).compute()
    missing = rng.random(before.shape) < 0.02
    holes = ds.assign(fine=ds.fine.where(~xr.DataArray(missing, dims=("y", "x"))))
    found = holes.stf.fuse("fsdaf", window=9, num_pure=30).compute()
    np.testing.assert_array_equal(found[0, 0].isnull(), missing)
    assert float(abs(found - whole).mean()) < 0.003


def test_no_cell_that_tells_is_announced(scene):
    holes = scene.copy(deep=True)
    holes["fine"][:, :, ::2, ::3] = np.nan
    with pytest.warns(UserWarning, match="no coarse cell has nine tenths"):
        holes.stf.fuse("fsdaf", window=9).compute(scheduler="sync")


def test_predictions_near_a_missing_cell_are_kept(scene):
    """Off-range values in a missing cell have no coarse change to be repaired with."""
    bright = scene.copy(deep=True)
    bright["fine"] = bright.fine + (0.995 - bright.fine.max())
    bright["coarse"] = bright.coarse + (0.995 - bright.coarse.max()) + 0.02
    bright["coarse"][:, :, 3, 3] = np.nan
    free = bright.assign_attrs(valid_range=None)
    a, b = (ds.stf.fuse("fsdaf", window=9).compute().isnull() for ds in (bright, free))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "classes",
    [(("y_coarse", "x_coarse"), np.ones((8, 8), int)), (("y", "x"), np.full((48, 48), "a"))],
)
def test_a_class_map_elsewhere_or_of_text_is_refused(scene, classes):
    with pytest.raises(ValueError, match="class map is"):
        scene.drop_vars("classes").assign(classes=classes).stf.fuse("fsdaf", window=9)


@pytest.mark.parametrize("missing", ["step", "gain", "spatial"])
def test_what_is_missing_in_a_cell_is_missing_in_its_change(missing):
    from xstf.kernels.residual import distribute

    rng = np.random.default_rng(3)
    fine, spatial, out = rng.random((3, 1, 8, 8), dtype="f4")
    names, alone = np.ones((8, 8), "u1"), rng.random((8, 8), dtype="f4")
    gain, step = np.zeros((1, 1)), np.full((1, 2, 2), 0.1, "f4")
    hole = np.zeros((8, 8), bool)
    if missing == "step":
        step[0, 0, 1] = np.nan
        hole[:4, 4:] = True
    elif missing == "gain":
        gain[:] = np.nan
        hole[:] = True
    else:
        spatial[0, 5, 5] = np.nan  # the cell's shares cannot be known
        hole[4:, 4:] = True
    distribute(fine, names, alone, gain[..., None], spatial, step, np.zeros(1), np.ones(1), 4, out)
    np.testing.assert_array_equal(np.isnan(out[0]), hole)
