"""What blocks of networks are projected to hold, beside what they hold."""

import tracemalloc
import warnings

import numpy as np
import pytest
from torch.profiler import ProfilerActivity, profile

import xstf
from xstf.nn import NETWORKS
from xstf.sizes import BlockSize

SIDE = 96
LEAST, MOST = 0.8, 1.5  # projected over measured


def held(call):
    """Return the bytes of arrays and tensors that a call held at most."""
    tracemalloc.start()
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
            call()
        arrays = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    events = found.profiler.kineto_results.events()
    steps = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    return arrays + np.cumsum([size for _, size in sorted(steps)]).max()


@pytest.mark.parametrize("alike", [1.0, None])
@pytest.mark.parametrize("name", ["biastf", "dlsdfm", "hcnn", "stf3dcnn"])
def test_blocks_hold_what_their_network_says(name, alike, monkeypatch):
    assert name in NETWORKS
    ds, _ = xstf.simulate(
        "mixed", size=2 * SIDE, scale=8, dates=4, pairs=2, bands=("red", "nir"), seed=1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        options = {"width": 8, "patch": 24, "epochs": 1, "progress": False, "alike": alike}
        small = ds.isel(y=slice(0, 48), x=slice(0, 48), y_coarse=slice(0, 6), x_coarse=slice(0, 6))
        fitted = xstf.fit(small, name, **options)
    found, kind = [], type(fitted)
    plain = kind.block

    def watched(self, b):
        made = plain(self, b)  # the network is built and kept
        if b.place == (-b.halo, -b.halo):
            inside = tuple(part.stop - part.start for part in b.inner)
            reach = (b.target.shape[-1] - b.fine.shape[-1] // b.scale) // 2
            counts = len(b.fine), b.fine.shape[1], len(b.target)
            size = BlockSize(*inside, *counts, b.scale, b.halo, reach, 1)
            found.append(self.memory(size) / held(lambda: plain(self, b)))
        return made

    monkeypatch.setattr(kind, "block", watched)
    ds.stf.fuse(fitted, blocksize=SIDE).compute(scheduler="sync")
    assert LEAST < found[0] < MOST
