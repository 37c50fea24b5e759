"""Training: it learns, it stops, it goes on where it was stopped, and it tells how it went."""

import warnings
from contextlib import suppress

import numpy as np
import pytest
import torch
import xarray as xr

import xstf
from tests.networks import FORECASTS, TINY, lesson, trained
from xstf.kernels.resample import upsample
from xstf.nn.inputs import Normaliser, tensors
from xstf.nn.model import directions
from xstf.registry import find

QUICK = {"progress": False}


def quietly(scene, method, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return xstf.fit(scene, method, **{**TINY.get(method, {}), **QUICK, **options})


@pytest.mark.parametrize("name", ["biastf", "dcstfn", "dlsdfm", "edcstfn", "hcnn"])
def test_one_patch_is_learnt_by_heart(name):
    """The loss of one patch falls more than tenfold, for what the network can see."""
    torch.manual_seed(0)
    given = {"width": 8, "skip": True} if name != "hcnn" else {"width": 16, "batch_norm": False}
    model = find(name)(**given).build(1, 4)
    model.normalise(Normaliser(*(np.array([v], "float32") for v in (0, 1, 1))))
    draw = np.random.default_rng(0)
    coarse = upsample(draw.normal(size=(1, 2, 1, 13, 13)), "cubic", 4)  # smooth, as it is
    step = coarse[:, 1] - coarse[:, 0]
    fine = np.stack([coarse[:, 0], coarse[:, 0] + 0.6 * step + 0.3 * np.abs(step)], axis=1)
    made = [*tensors(model.normal, fine, coarse), torch.ones(1)]
    ((images, later, truth, seen), _) = directions(*made, model.radius)
    optimiser = torch.optim.Adam(model.begin(0), 5e-3)
    losses = []
    for _ in range(150):
        loss = model.misfit(images, later, truth, seen)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10, losses[::20]


@pytest.fixture(scope="module")
def sensors():
    """A scene where the fine change is 1.6 times the coarse one: simple to learn, and to miss."""
    draw = np.random.default_rng(1)
    cells = draw.uniform(0.1, 0.5, (4, 1, 20, 20)).astype("float32")
    cells = 0.3 * cells + 0.2
    texture = 0.02 * draw.normal(size=(1, 1, 80, 80)).astype("float32")
    wide = np.pad(cells, [(0, 0), (0, 0), (2, 2), (2, 2)], mode="edge")
    smooth = upsample(wide, "cubic", 4)
    fine = smooth[:1] + 1.6 * (smooth - smooth[:1]) + texture
    days = np.array(["2020-05-01", "2020-05-11", "2020-05-21", "2020-05-31"], "datetime64[ns]")
    parts = (
        xr.DataArray(v, dims=("time", "band", "y", "x"), coords={"time": days, "band": ["red"]})
        for v in (fine, cells)
    )
    truth, coarse = parts
    return xstf.scene(truth[[0, 3]], coarse), truth


@pytest.mark.parametrize("name", [name for name in FORECASTS if name != "stfdcnn"])
def test_a_network_learns_what_the_sensors_differ_in(sensors, name):
    scene, truth = sensors
    options = {"width": 4, "epochs": 8, "patch": 24, "halve": 5, "rate": 5e-3, "batch": 8}
    if name == "stf3dcnn":  # small
        options |= {"width": 8, "epochs": 24, "halve": 10}
    if name == "dcstfn":  # looks so far that a larger patch leaves nothing to hold out
        options |= {"patch": 16}
    if hasattr(find(name), "alike"):  # no pixel here is like another
        options |= {"alike": None}
    fitted = quietly(scene, name, **options)

    def error(method):
        off = scene.stf.fuse(method) - truth
        return float(np.sqrt((off**2).mean()))

    assert error(fitted) < 0.7 * error("add")
    found = fitted.history
    assert found.loss[-1] < 0.5 * found.loss[0]
    best = found.held_out_best.values
    np.testing.assert_allclose(best, found.held_out_rmse.min("epoch"))
    assert best < 0.7 * found.held_out_trivial.sel(name="add")


def test_the_same_seed_gives_the_same_weights():
    scene, _ = lesson()
    one, again = quietly(scene, "hcnn"), quietly(scene.chunk(time=1, y=48, x=40), "hcnn")
    assert one == trained("hcnn")
    assert again == one
    assert quietly(scene, "hcnn", seed=1) != one


class Killed(Exception):
    """What ends a training."""


@pytest.mark.parametrize("name", ["hcnn", "biastf", "edcstfn", "msisr", "cyclegan"])
def test_a_training_that_was_killed_comes_to_the_same_weights(name, tmp_path):
    scene, _ = lesson()
    options = {"epochs": 3} | ({"halve": 2} if name in FORECASTS else {})
    whole = quietly(scene, name, **options)
    path = tmp_path / "run"
    for stop in (1, 5):  # the second time in the second stage, where there is one

        def kill(done, total, _, stop=stop):
            if done == stop + 1:  # before this pass is kept
                raise Killed

        with suppress(Killed):
            quietly(scene, name, **options, checkpoint=path, resume=True, progress=kill)
    for _ in range(2):  # the second time everything is done
        assert quietly(scene, name, **options, checkpoint=path, resume=True) == whole


def test_another_training_is_not_taken_up(tmp_path):
    scene, _ = lesson()
    path = tmp_path / "run"
    quietly(scene, "hcnn", checkpoint=path)
    with pytest.raises(FileExistsError, match="resume=True"):
        quietly(scene, "hcnn", checkpoint=path)
    with pytest.raises(ValueError, match="rate 0.001 there, 0.01 here"):
        quietly(scene, "hcnn", checkpoint=path, resume=True, rate=0.01)
    other = scene.copy(deep=True)
    other["fine"][0, 0, 3, 3] += 0.01
    with pytest.raises(ValueError, match="holds another training .fine images"):
        quietly(other, "hcnn", checkpoint=path, resume=True)
    with pytest.raises(ValueError, match="training that is under way"):
        xstf.load(path)
    with pytest.raises(ValueError, match="checkpoint="):
        quietly(scene, "hcnn", resume=True)
    kept = trained("hcnn").save(tmp_path / "kept")
    with pytest.raises(ValueError, match="trained, not a training"):
        quietly(scene, "hcnn", checkpoint=kept, resume=True)


def test_training_goes_on_from_other_weights(tmp_path):
    scene, _ = lesson()
    path = trained("hcnn").save(tmp_path / "a")
    more = quietly(scene, "hcnn", init=path, epochs=1)
    assert more == quietly(scene, "hcnn", init=trained("hcnn"), epochs=1)
    assert more.history.rate[0] == pytest.approx(1e-4)
    assert more.history.loss[0] < trained("hcnn").history.loss[0]
    with pytest.raises(ValueError, match="width 2 there, 3 here"):
        quietly(scene, "hcnn", init=path, width=3)
    with pytest.raises(ValueError, match="method hcnn there, biastf here"):
        quietly(scene, "biastf", init=path)
    with pytest.raises(ValueError, match="scale 4 there, 8 here"):
        quietly(lesson(8)[0], "hcnn", init=path)


def test_a_network_that_beats_nothing_says_so():
    scene, _ = lesson()
    with pytest.warns(UserWarning, match="does not beat the trivial prediction"):
        xstf.fit(scene, "biastf", **TINY["biastf"], **QUICK, rate=1e-12)


def test_training_ends_when_nothing_gets_better():
    fitted = quietly(lesson()[0], "hcnn", epochs=40, patience=3, rate=0.03)
    found = fitted.history
    assert 3 <= found.sizes["epoch"] < 40
    # each band is at its best, untrained if need be
    untrained = found.held_out_trivial.sel(name="add, shared").values
    rows = np.array([untrained, *found.held_out_rmse.values])
    np.testing.assert_allclose(found.held_out_best, rows.min(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(rows.min(axis=0), rows[:-3].min(axis=0))


def test_a_network_of_all_bands_is_kept_whole():
    found = quietly(lesson()[0], "stf3dcnn", epochs=12, rate=0.03).history
    rows = [found.held_out_trivial.sel(name="add, shared").values, *found.held_out_rmse.values]
    assert any(np.allclose(row, found.held_out_best, rtol=1e-5) for row in rows)


def test_a_loss_that_is_lost_is_an_error():
    with pytest.raises(ValueError, match="lower rate"):
        quietly(lesson()[0], "biastf", rate=1e30, epochs=3)


def test_small_scenes_are_trained_unjudged():
    scene, _ = xstf.simulate("parcels", size=32, scale=4, dates=3, bands=("red", "nir"))
    with pytest.warns(UserWarning, match="too small to hold a patch of 32 out"):
        fitted = xstf.fit(scene, "hcnn", **TINY["hcnn"], **QUICK)
    assert "held_out_rmse" not in fitted.history


def test_one_pair_teaches_nothing():
    scene, _ = xstf.simulate("parcels", size=64, dates=3, pairs=1)
    with pytest.raises(ValueError, match="learns from two or more dates.* has 2020-04-01"):
        xstf.fit(scene, "hcnn")


def test_clouds_over_all_leave_no_patch():
    scene = lesson()[0].copy(deep=True)
    scene["fine"][0, :, ::2] = np.nan
    with pytest.raises(ValueError, match="no patch of the scene is seen on two dates"):
        quietly(scene, "hcnn")


def test_missing_pixels_teach_nothing_wrong():
    scene = lesson()[0].copy(deep=True)
    scene["fine"][0, :, 40:60, 30:60] = np.nan
    scene["coarse"][2, :, 3:5, 3:5] = np.nan
    fitted = quietly(scene, "dlsdfm")
    assert np.isfinite(fitted.history.loss).all()
    fused = scene.stf.fuse(fitted, pairs="nearest").compute()
    hole = np.zeros((96, 80), bool)
    hole[40:60, 30:60] = True
    np.testing.assert_array_equal(np.isnan(fused.values[0, 0]), hole)


def test_methods_that_learn_nothing_are_not_fitted():
    with pytest.raises(ValueError, match="starfm learns nothing"):
        lesson()[0].stf.fit("starfm")


def test_devices_that_are_not_there():
    with pytest.raises(ValueError, match="'tpu' is not served"):
        quietly(lesson()[0], "hcnn", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch sees no GPU"):
            quietly(lesson()[0], "hcnn", device="cuda")


def test_the_choice_of_precision_is_put_back():
    from xstf.nn.predict import rounding

    flags = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [f.allow_tf32 for f in flags]
    with rounding("32", torch.device("cuda")):
        assert not any(f.allow_tf32 for f in flags)
    assert [f.allow_tf32 for f in flags] == before
