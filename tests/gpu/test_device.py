"""Which device is taken, and what is said where there is none."""

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import xstf
from xstf import device
from xstf.device import NoDevice, chosen, lacking
from xstf.method import Method
from xstf.registry import find


@dataclass(frozen=True, kw_only=True)
class Nowhere(Method):
    """A method that has no grids."""


@pytest.fixture
def _no_gpu(monkeypatch):
    monkeypatch.setattr(device, "lacking", lambda: "there is none; get one")


@pytest.fixture
def _a_gpu(monkeypatch):
    monkeypatch.setattr(device, "lacking", lambda: None)


def test_unknown_devices_are_refused(tiny):
    ds, _ = tiny
    with pytest.raises(ValueError, match="device='gpu' must be one of 'auto', 'cpu', 'cuda'"):
        ds.stf.fuse("add", device="gpu")


@pytest.mark.usefixtures("_no_gpu")
def test_cuda_without_a_gpu_says_what_is_missing_and_what_to_do(tiny):
    ds, _ = tiny
    with pytest.raises(NoDevice, match='there is none; get one, or use device="cpu"'):
        ds.stf.fuse("starfm", device="cuda", window=11)


@pytest.mark.usefixtures("_no_gpu")
def test_auto_without_a_gpu_takes_the_cpu_and_says_so(tiny):
    ds, _ = tiny
    found = ds.stf.fuse("add", device="auto")
    assert found.attrs["device"] == "cpu"
    xr.testing.assert_identical(found.compute(), ds.stf.fuse("add").compute())


@pytest.mark.usefixtures("_no_gpu")
def test_the_command_line_says_so_in_one_line(tiny, tmp_path):
    from tests.cli.runner import invoke

    source = xstf.save(tiny[0], tmp_path / "scene.zarr")
    call = ["fuse", str(source), "-m", "add", "-o", str(tmp_path / "out.zarr")]
    said = invoke([*call, "--device", "cuda"])
    assert said.exit_code == 1
    assert said.stderr.startswith('Error: device="cuda" cannot be used: there is none; get one')
    assert invoke([*call, "--device", "auto"]).exit_code == 0


@pytest.mark.usefixtures("_a_gpu")
def test_auto_takes_a_gpu_only_for_methods_that_can():
    assert chosen("auto", find("starfm")()) == "cuda"
    assert chosen("auto", Nowhere()) == "cpu"
    assert chosen("cpu", find("starfm")()) == "cpu"
    with pytest.raises(ValueError, match="nowhere cannot run on a GPU; leave device out"):
        chosen("cuda", Nowhere())


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(device, "_installed", lambda package: False)
    monkeypatch.setattr(device, "simulated", lambda: False)
    assert 'numba-cuda is not installed; run pip install "xstf[cuda]"' in lacking()


def test_a_missing_driver_is_named(monkeypatch):
    pytest.importorskip("numba_cuda")
    monkeypatch.setattr(device, "_installed", lambda package: True)
    monkeypatch.setattr(device, "simulated", lambda: False)
    monkeypatch.setattr("numba.cuda.is_available", lambda: False)
    assert "no NVIDIA GPU with a driver is visible to this process" in lacking()


def test_the_device_is_part_of_what_a_run_is(tiny, tmp_path, monkeypatch):
    ds, _ = tiny
    source = xstf.save(ds, tmp_path / "scene.zarr")
    out = xstf.fuse_store(source, tmp_path / "fused.zarr", "add", progress=False)
    monkeypatch.setattr(device, "lacking", lambda: None)
    with pytest.raises(ValueError, match="device"):
        xstf.fuse_store(source, out, "add", device="cuda", resume=True, progress=False)


def test_a_block_in_main_memory_is_not_touched():
    class Told:
        device = "cpu"

    assert device.run(lambda b: b, Told) is Told


@pytest.mark.parametrize("axis", [0, 1])
def test_halves_of_a_block_are_blocks(axis):
    from xstf.method import Block

    scale, halo, reach, margin = 4, 8, 2, 1
    size = [16, 16]
    size[axis] += 12
    cells = [(n + 2 * halo) // scale for n in size]
    fine = np.arange((size[0] + 16) * (size[1] + 16.0)).reshape(1, 1, size[0] + 16, -1)
    coarse = np.arange((cells[0] + 4) * (cells[1] + 4.0)).reshape(1, 1, cells[0] + 4, -1)
    made = coarse[..., 1:-1, 1:-1]
    whole = Block(
        fine, coarse, coarse, {"classes": fine[0, 0]}, {"plane": made}, None, (), np.arange(1),
        np.arange(1), (100, 200), halo, scale, None,
    )  # fmt: skip
    (first, second), along = device._halved(whole)
    assert along == axis - 2
    inner = [np.concatenate([b.fine[(..., *b.inner)] for b in (first, second)], along)]
    np.testing.assert_array_equal(inner[0], whole.fine[(..., *whole.inner)])
    for part in (first, second):
        moved = [int(at - start) for at, start in zip(part.place, whole.place, strict=True)]
        y, x = (n // scale for n in moved)
        np.testing.assert_array_equal(part.fine[0, 0, 0, 0], fine[0, 0, moved[0], moved[1]])
        assert part.coarse.shape[-1] == part.fine.shape[-1] // scale + 2 * reach
        assert part.made["plane"].shape[-2] == part.fine.shape[-2] // scale + 2 * margin
        assert part.coarse[0, 0, 0, 0] == coarse[0, 0, y, x]
        assert part.made["plane"][0, 0, 0, 0] == made[0, 0, y, x]
        assert part.planes["classes"].shape == part.fine.shape[2:]
