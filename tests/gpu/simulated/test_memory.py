"""Blocks that a GPU's memory does not hold are halved, and no pixel shows it."""

import numpy as np
import pytest
import xarray as xr

from tests.gpu.scenes import fuse
from xstf import device
from xstf.kernels.gpu import stand_in


@pytest.fixture
def memory(monkeypatch):
    """Return a setter of the bytes that one array may take."""
    monkeypatch.setattr(device, "_too_large", set())

    def limit(size):
        monkeypatch.setattr(stand_in.ndarray, "limit", size)

    return limit


@pytest.mark.parametrize(("method", "share"), [("add", 0.7), ("add", 0.4), ("starfm", 0.4)])
def test_a_block_too_large_is_halved(method, share, memory, monkeypatch):
    shapes = []
    original = device._there_and_back

    def noted(function, b):
        made = original(function, b)
        shapes.append(b.fine.shape[2:])
        return made

    whole = fuse(method, 1, "cuda")
    monkeypatch.setattr(device, "_there_and_back", noted)
    memory(share * whole.fused.nbytes)
    xr.testing.assert_identical(fuse(method, 1, "cuda"), whole)
    assert len(shapes) >= 2
    tried = len(device._too_large)
    fuse(method, 1, "cuda")
    assert len(device._too_large) == tried  # and is not tried again


def test_a_cell_that_does_not_fit_is_an_error(memory):
    memory(100)
    with pytest.raises(MemoryError, match="one cell and its halo of 4 pixels is too large"):
        fuse("starfm", 1, "cuda")


def test_numpy_arrays_mix_with_none_on_the_gpu():
    there, here = stand_in.asarray(np.ones(3)), np.ones(3)
    for mix in (lambda: there + here, lambda: np.where(there > 0, here, 0), lambda: here * there):
        with pytest.raises(TypeError, match="among arrays on the GPU"):
            mix()
    with pytest.raises(TypeError, match="unasked"):
        np.asarray(there)
