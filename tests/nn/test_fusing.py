"""Networks among the other methods: in `fuse`, from store to store, in comparisons, on workers."""

import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.networks import FORECASTS, TINY, lesson, trained
from xstf.archive import prepared
from xstf.nn import NETWORKS, predict
from xstf.registry import find

SHORT = {**TINY["hcnn"], "epochs": 1}


@contextmanager
def told(text):
    """Pass where a warning says so; that a short training beats nothing may be said too."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    assert any(text in str(w.message) for w in found), [str(w.message) for w in found]


@contextmanager
def quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture(scope="module")
def series():
    """Three known dates and two wanted ones."""
    ds, _ = xstf.simulate(
        "mixed", size=(96, 80), scale=4, dates=5, pairs=3, bands=("red", "nir"), seed=5
    )
    return ds.compute()


def test_fuse_trains_first_and_never_on_the_wanted_date(series):
    known = series.time.values[series.fine_observed.values]
    with told("hcnn is not trained, so it is now, on 2020-04-01, 2020-06-04; to keep"):
        fused = series.stf.fuse("hcnn", dates=known[1], **SHORT)
    blind = series.copy(deep=True)
    blind["fine"][2] = np.nan
    blind["fine_observed"][2] = False
    with quietly():
        expected = xstf.fit(blind, "hcnn", progress=False, **SHORT)
    assert fused.attrs["parameter_weights"] == expected.weights.digest
    np.testing.assert_array_equal(fused, series.stf.fuse(expected, dates=known[1]))


def test_training_that_fuse_begins_is_shown(series, capsys, monkeypatch):
    monkeypatch.setattr("xstf.progress._Log.next", 0)
    with told("to keep what it learn"):
        series.stf.fuse("hcnn", **SHORT)
    assert "training hcnn: 100 %, 1 of 1 passes" in capsys.readouterr().err


def test_filling_trains_on_what_is_seen(series):
    ds = series.copy(deep=True)
    ds["fine"][2, :, 20:30, 20:30] = np.nan
    with told("on 2020-04-01, 2020-05-03, 2020-06-04"):
        made = ds.stf.fuse("hcnn", fill=True, dates=ds.time.values[2], **SHORT).compute()
    assert (made.filled == 1).sum() == 2 * 100
    assert not made.fused.isnull().any()


def test_a_comparison_fits_anew_for_each_date(series, tmp_path, monkeypatch):
    seen = []
    kind = type(trained("hcnn"))
    fit = kind.fit

    def spy(self, scene, **options):
        seen.append(scene.time.values[scene.fine_observed.values])
        return fit(self, scene, **options)

    monkeypatch.setattr(kind, "fit", spy)
    with quietly():
        found = series.stf.compare([kind(**SHORT)], metrics="plain", folder=tmp_path)
    assert len(seen) == 3
    for time, dates in zip(found.time.values, seen, strict=True):
        assert len(dates) == 2
        assert time not in dates
    assert np.isfinite(found.rmse.sel(name="hcnn")).all()


def test_a_comparison_of_all_methods_trains_none():
    from xstf.rows import rows_of

    assert not {row.label for row in rows_of()} & set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_from_store_to_store(name, tmp_path):
    ds, _ = lesson()
    path = xstf.save(ds, tmp_path / "scene.zarr")
    out = xstf.fuse_store(path, tmp_path / "out.zarr", trained(name), blocksize=32, progress=False)
    found = xr.open_zarr(out).fused
    expected = ds.stf.fuse(trained(name), blocksize=32).compute()
    np.testing.assert_array_equal(found, expected)
    xstf.fuse_store(path, out, trained(name), blocksize=32, progress=False, resume=True)
    ways = {
        "stf3dcnn": "mean", "edcstfn": "change", "biastf": "likeness", "dlsdfm": "likeness"
    }  # fmt: skip
    changed = {"weigh": ways[name]} if name in ways else {"seed": 3}
    with pytest.raises(ValueError, match="cannot be resumed"):
        xstf.fuse_store(path, out, trained(name), resume=True, progress=False, **changed)


def test_store_to_store_takes_trained_networks_alone(tmp_path):
    path = xstf.save(lesson()[0], tmp_path / "scene.zarr")
    with pytest.raises(ValueError, match="hcnn is not trained; train and keep it first"):
        xstf.fuse_store(path, tmp_path / "out.zarr", "hcnn")
    assert not (tmp_path / "out.zarr").exists()


def test_weights_travel_to_workers_of_a_store_once(tmp_path, monkeypatch):
    """Blocks are told which weights, and read them from the store."""
    sizes = []
    pickled = prepared.pickled
    monkeypatch.setattr(
        "xstf.archive.schedule.pickled", lambda job: sizes.append(len(pickled(job))) or pickled(job)
    )
    from distributed import Client

    ds, _ = lesson()
    path = xstf.save(ds, tmp_path / "scene.zarr")
    with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        out = xstf.fuse_store(
            path, tmp_path / "out.zarr", trained("dlsdfm"), client=client, progress=False
        )
    np.testing.assert_allclose(
        xr.open_zarr(out).fused, ds.stf.fuse(trained("dlsdfm")), rtol=0, atol=1e-5
    )
    assert sizes[0] < len(trained("dlsdfm").weights.data)


def test_a_process_builds_a_network_once(monkeypatch):
    fitted = trained("hcnn")
    built = []
    kind = type(fitted)
    build = kind.build
    monkeypatch.setattr(kind, "build", lambda self, *n: built.append(n) or build(self, *n))
    monkeypatch.setattr(predict, "_models", type(predict._models)())
    lazy = lesson()[0].stf.fuse(fitted, blocksize=16)
    lazy.compute(scheduler="threads", num_workers=4)
    assert built == [(2, 4)]


def test_only_some_networks_are_kept(monkeypatch):
    monkeypatch.setattr(predict, "_models", type(predict._models)())
    monkeypatch.setattr(predict, "MODELS", 1)
    for name in ("hcnn", "biastf", "hcnn"):
        lesson()[0].stf.fuse(trained(name)).compute()
        assert len(predict._models) == 1


@pytest.mark.parametrize("name", FORECASTS)
def test_tiles_within_a_block_do_not_show(name, monkeypatch):
    ds, _ = lesson()
    whole = ds.stf.fuse(trained(name), blocksize=96).compute()
    monkeypatch.setattr(predict, "MEMORY", {"cpu": 1.0})
    monkeypatch.setattr(predict, "SMALLEST", 13)
    cut = ds.stf.fuse(trained(name), blocksize=96).compute()
    np.testing.assert_allclose(cut, whole, rtol=0, atol=1e-5)


def test_a_block_uses_one_thread_and_gives_the_others_back(monkeypatch):
    import torch

    held = []
    forecast = predict._forecast
    monkeypatch.setattr(
        predict, "_forecast", lambda *a: held.append(torch.get_num_threads()) or forecast(*a)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        lesson()[0].stf.fuse(trained("hcnn")).compute(scheduler="sync")
        assert set(held) == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["biastf", "dcstfn", "dlsdfm", "hcnn"])
def test_two_pairs_lie_between_what_either_says(name):
    ds, _ = lesson()
    first, last = (ds.stf.fuse(trained(name), pairs=[ds.time.values[n]]).compute() for n in (0, 2))
    both = ds.stf.fuse(trained(name)).compute()
    low, high = np.minimum(first, last), np.maximum(first, last)
    assert (both >= low - 1e-5).all()
    assert (both <= high + 1e-5).all()


def test_no_coarse_change_since_a_pair_gives_it_all_the_weight():
    ds = lesson()[0].copy(deep=True)
    ds["coarse"][1] = ds["coarse"][0]
    both = ds.stf.fuse(trained("hcnn")).compute()
    first = ds.stf.fuse(trained("hcnn"), pairs=[ds.time.values[0]]).compute()
    np.testing.assert_allclose(both, first, rtol=0, atol=1e-6)


def test_a_cell_that_one_date_lacks_is_no_change_of_its_own():
    """A flat coarse change stays flat where a cell of one image is missing."""
    ds = lesson()[0].copy(deep=True)
    ds["coarse"][1] = ds["coarse"][0] + np.float32(0.03)
    ds["coarse"][1, :, 9, 9] = np.nan
    first = ds.time.values[0]
    fused = ds.stf.fuse(trained("hcnn"), pairs=[first]).compute()[0]
    ds["coarse"][1] = ds["coarse"][0] + np.float32(0.03)
    whole = ds.stf.fuse(trained("hcnn"), pairs=[first]).compute()[0]
    np.testing.assert_allclose(fused, whole, rtol=0, atol=1e-5)


def test_scale_one_needs_no_upsampling():
    ds, _ = lesson()
    fine, coarse = ds.fine, ds.coarse.rename(y_coarse="y", x_coarse="x")
    wide = xr.DataArray(coarse.values.repeat(4, 2).repeat(4, 3), dims=fine.dims)
    wide = wide.assign_coords(fine.coords)
    flat = xstf.scene(fine[[0, 2]], wide, scale=1)
    with quietly():
        fitted = flat.stf.fit("hcnn", progress=False, **SHORT)
    assert not flat.stf.fuse(fitted).isnull().any()


def test_on_a_gpu_that_is_not_there():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(OSError, match="torch sees no NVIDIA GPU; install its build for CUDA"):
        lesson()[0].stf.fuse(trained("hcnn"), device="cuda")
    fused = lesson()[0].stf.fuse(trained("hcnn"), device="auto")
    assert fused.attrs["device"] == "cpu"


def test_without_torch_the_networks_are_named_and_say_what_they_need():
    code = """
import sys
sys.modules["torch"] = None
import xstf
table = xstf.list_methods().set_index(name="name")
print(table.summary.sel(name="dlsdfm").item())
try:
    xstf.simulate(size=32, dates=3)[0].stf.fuse("dlsdfm")
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert line == "dlsdfm is a network and needs torch: pip install 'xstf[deep]'"


def test_the_lock_lets_one_thread_build(monkeypatch):
    made = []
    fitted = trained("biastf")
    kind = type(fitted)
    build = kind.build
    gate = threading.Barrier(3, timeout=20)
    monkeypatch.setattr(kind, "build", lambda self, *n: made.append(n) or build(self, *n))
    monkeypatch.setattr(predict, "_models", type(predict._models)())
    lazy = lesson()[0].stf.fuse(fitted)

    def run():
        gate.wait()
        lazy.compute(scheduler="sync")

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize("name", [name for name in FORECASTS if hasattr(find(name), "alike")])
def test_around_gaps_the_change_is_that_of_cells_seen_on_both_dates(name):
    """A network that has learned nothing is `add`, with gaps in either coarse image too."""
    ds = lesson()[0].copy(deep=True)
    ds["coarse"][0, :, 3:8, 6:11] = np.nan
    ds["coarse"][1, :, 12:18, 12:17] = np.nan
    with quietly():
        options = {**TINY[name], "epochs": 1, "rate": 1e-12, "alike": None, "progress": False}
        fitted = xstf.fit(ds, name, **options)
    first = {"pairs": [ds.time.values[0]]}
    expected = ds.stf.fuse("add", **first).compute()
    xr.testing.assert_allclose(ds.stf.fuse(fitted, **first).compute(), expected, rtol=0, atol=1e-5)
