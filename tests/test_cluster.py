"""Clusters on this machine, and where blocks run; labelled CPU workers stand in for GPUs."""

import os
from collections import Counter
from dataclasses import dataclass

import dask
import numpy as np
import pytest
import xarray as xr
from distributed import Client

import xstf
from xstf import cluster
from xstf.method import Method


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(cluster, "visible", lambda: ["0", "1"])


@pytest.fixture
def mixed(two_gpus, monkeypatch):
    """One worker without a GPU, two that say that they have one and simulate it."""
    monkeypatch.setattr(cluster, "THREADS", (*cluster.THREADS, "NUMBA_ENABLE_CUDASIM"))
    with (
        cluster.local(workers=1, gpus=2, dashboard_address=None, memory_limit=0) as made,
        Client(made) as client,
    ):
        client.wait_for_workers(3)
        yield client


def environment(names):
    return {name: os.environ.get(name) for name in names}


def test_each_gpu_has_one_process_and_one_thread(mixed):
    workers = mixed.scheduler_info(n_workers=-1)["workers"].values()
    by_name = {worker["name"]: worker for worker in workers}
    assert sorted(by_name) == ["cpu-0", "gpu-0", "gpu-1"]
    assert all(worker["nthreads"] == 1 for worker in workers)
    assert by_name["cpu-0"]["resources"] == {}
    assert by_name["gpu-1"]["resources"] == {"GPU": 1}
    told = mixed.run(environment, ["CUDA_VISIBLE_DEVICES", *cluster.THREADS])
    seen = {by_address["CUDA_VISIBLE_DEVICES"] for by_address in told.values()}
    assert seen == {None, "0", "1"} | ({os.environ.get("CUDA_VISIBLE_DEVICES")} - {None})
    for one in told.values():
        assert {one[name] for name in cluster.THREADS} == {"1"}


@dataclass(frozen=True, kw_only=True)
class Placed(Method):
    """Writes where each block ran: 1 on workers without a GPU, 10 and more on those with one."""

    on_gpu = True
    pairs = range(1, 3)

    def block(self, b):
        from distributed import get_worker

        kind, number = get_worker().name.split("-")
        rows, columns = b.inner
        shape = (
            len(b.target),
            b.fine.shape[1],
            rows.stop - rows.start,
            columns.stop - columns.start,
        )
        value = 10 + int(number) if kind == "gpu" else 1
        return {"fused": np.full(shape, value, np.float32)}


def counts(fused):
    """Return how many blocks of 16 x 16 pixels ran on each worker."""
    tiles = fused.isel(band=0).coarsen(y=16, x=16).reduce(np.min)
    return Counter(np.asarray(tiles).ravel().tolist())


def test_blocks_that_need_a_gpu_run_on_workers_that_have_one(mixed, tmp_path):
    assert cluster.lacking(mixed) is None
    assert cluster.resources(mixed, "cpu") is None
    assert cluster.resources(mixed, "cuda") == {"GPU": 1}
    scene, _ = xstf.simulate("parcels", size=128, scale=8, dates=4, bands=["red", "nir"])
    path = xstf.save(scene, tmp_path / "scene.zarr")
    how = {"device": "cuda", "blocksize": 16}
    out = xstf.fuse_store(path, tmp_path / "o.zarr", Placed(), client=mixed, **how)
    stored = counts(xr.open_zarr(out).fused)
    assert set(stored) <= {10, 11}
    assert sum(stored.values()) == 64 * 2

    with pytest.raises(ValueError, match="dask forgets which tasks need one when it fuses tasks"):
        xstf.fuse(scene.chunk(), Placed(), **how)
    with dask.config.set({"optimization.fuse.active": False}):
        fused = xstf.fuse(scene.chunk(y=32), Placed(), **how)
        assert fused.attrs["device"] == "cuda"
        lazy = counts(fused.compute())
    assert set(lazy) == {10, 11}
    assert sum(lazy.values()) == 64 * 2
    anywhere = xstf.fuse(scene, Placed(), blocksize=16).compute()
    assert 1 in counts(anywhere)


def test_where_all_have_a_gpu_or_none_has_one(two_gpus):
    scene, _ = xstf.simulate("parcels", size=32, scale=8, dates=3)
    with (
        cluster.local(workers=0, gpus=[1], dashboard_address=None, memory_limit=0) as made,
        Client(made) as client,
    ):
        assert cluster.resources(client, "cuda") is None  # any will do
        assert xstf.fuse(scene, "add", device="auto").attrs["device"] == "cuda"
    with (
        cluster.local(workers=1, dashboard_address=None, memory_limit=0) as made,
        Client(made),
    ):
        with pytest.raises(OSError, match="none of the 1 workers of .* says that it has a GPU"):
            xstf.fuse(scene, "add", device="cuda")
        assert xstf.fuse(scene, "add", device="auto").attrs["device"] == "cpu"
    assert cluster.current() is None
    assert cluster.resources(None, "cuda") is None


def test_a_scene_is_fused_on_it_as_anywhere(tmp_path):
    scene, _ = xstf.simulate("parcels", size=64, dates=4)
    with (
        cluster.local(workers=2, dashboard_address=None, memory_limit=0) as made,
        Client(made) as client,
    ):
        path = xstf.save(scene, tmp_path / "scene.zarr")
        out = xstf.fuse_store(path, tmp_path / "out.zarr", "add", blocksize=32, client=client)
    np.testing.assert_array_equal(xstf.scene(scene).stf.fuse("add"), xr.open_zarr(out).fused)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"workers": -1}, "workers=-1 is no whole number, 0 or more"),
        ({"workers": 0}, "nobody would work"),
        ({"threads": 0}, "threads=0 is no whole number, 1 or more"),
        ({"gpus": "both"}, "gpus='both' must be a number, 'all'"),
        ({"gpus": -1}, "gpus=-1 must be a number"),
        ({"gpus": [0, 0]}, "names one twice"),
    ],
)
def test_nonsense_is_refused(two_gpus, how, match):
    with pytest.raises(ValueError, match=match):
        cluster.local(**how)


@pytest.mark.parametrize("gpus", [3, [2], ["0", "7"]])
def test_gpus_that_are_not_there_are_refused(two_gpus, gpus):
    with pytest.raises(RuntimeError, match="but there is only 0, 1 on this machine"):
        cluster.local(gpus=gpus)


@pytest.mark.parametrize("gpus", ["all", 1])
def test_without_any_it_is_said(monkeypatch, gpus):
    monkeypatch.setattr(cluster, "visible", list)
    with pytest.raises(RuntimeError, match="there is none that nvidia-smi can see"):
        cluster.local(gpus=gpus)


def test_what_is_visible(monkeypatch, tmp_path):
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 0\necho 1\necho 2\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cluster.visible() == ["0", "1", "2"]
    assert cluster.devices_of("all") == ["0", "1", "2"]
    assert cluster.devices_of(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert cluster.visible() == ["2", "0"]
    assert cluster.devices_of(1) == ["2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cluster.visible() == []
    assert cluster.devices_of(None) == cluster.devices_of(0) == []
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert cluster.visible() == []
