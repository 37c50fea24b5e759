"""A long run out of core whose workers are killed: what comes out is what an undisturbed run makes.

Run ``python -m tests.speed.soak``. It writes a scene whose fine images take 2.1 GB, fuses the dates
between them (2.0 GB more) on two workers that may hold 1 GB each, and kills one of them every
minute, every third time both. Then it fuses anew undisturbed, compares the two results date by
date, and says how many blocks there were, how many workers were killed, and what one held at most.
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr

import xstf
from tests.speed.cluster import cluster, peak
from tests.speed.store import say
from xstf.archive.manifest import Marks

PIECE, SCALE, BANDS = 512, 16, ("red", "nir")
PATIENCE = {"distributed.deploy.lost-worker-timeout": "10 minutes"}  # on a busy machine


def write_scene(path, size, pairs):
    """Write a scene of many dates: a small one again and again, each time of another brightness."""
    ds, _ = xstf.simulate(
        "parcels", size=PIECE, scale=SCALE, dates=2 * pairs - 1, pairs=pairs, bands=BANDS, seed=1
    )
    ds, found = ds.compute(), {}
    times = size // PIECE
    for kind, side in (("fine", size), ("coarse", size // SCALE)):
        brightness = (np.arange(times**2, dtype="f4").reshape(times, times) + 50) / (
            times**2 + 50
        )  # of each piece its own, so that none can be taken for another
        piece = ds[kind].values.shape[-1]
        source = da.from_array(ds[kind].values, chunks=(1, -1, piece, piece))
        rows = [[source * brightness[i, j] for j in range(times)] for i in range(times)]
        axes = ("y", "x") if kind == "fine" else ("y_coarse", "x_coarse")
        step = 30.0 if kind == "fine" else 30.0 * SCALE
        middles = (np.arange(side) + 0.5) * step
        found[kind] = xr.DataArray(
            da.block(rows),
            dims=("time", "band", *axes),
            coords={"time": ds.time, "band": ds.band, axes[0]: -middles, axes[1]: middles},
        )
    scene = xr.Dataset(
        {**found, "fine_observed": ds.fine_observed, "coarse_observed": ds.coarse_observed},
        attrs=ds.attrs,
    )
    return xstf.save(scene, path)


class Killer(threading.Thread):
    """Kills a worker now and then, if something was done since, and notes what workers hold."""

    def __init__(self, client, every, told, seed=1):
        super().__init__(daemon=True)
        self.client, self.every, self.told = client, every, told
        self.draw, self.over = random.Random(seed), threading.Event()
        self.killed, self.held = 0, {}

    def pids(self):
        """Return the processes of the workers that are there now."""
        with suppress(OSError, ValueError):
            return sorted(self.client.run(os.getpid, on_error="ignore").values())
        return []

    def run(self):
        """Look each second."""
        rounds, due, done = 0, time.monotonic() + self.every, 0
        while not self.over.wait(1):
            there = self.pids()
            for pid in there:
                with suppress(OSError, ValueError):
                    self.held[pid] = max(self.held.get(pid, 0), peak(pid))
            if there and time.monotonic() >= due and len(self.told) > done:
                rounds, due, done = rounds + 1, time.monotonic() + self.every, len(self.told)
                for pid in there if rounds % 3 == 0 else [self.draw.choice(there)]:
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1


def fuse(path, out, options, every):
    """Fuse on two workers; return blocks, kills, the most that a worker held, and seconds."""
    told, start = [], time.perf_counter()

    def tell(done, total, seconds):
        told.append(done)

    with dask.config.set(PATIENCE), cluster(2, memory_limit="1GB") as (client, _):
        killer = Killer(client, every, told)
        killer.start()
        xstf.fuse_store(
            path, out, options.method, blocksize=PIECE, pairs="nearest", client=client,
            progress=tell, **({"window": options.window} if options.window else {}),
        )  # fmt: skip
        killer.over.set()
        killer.join()
    return told[-1], killer.killed, max(killer.held.values()), time.perf_counter() - start


def hashes(path):
    """Return a hash of the values of each date."""
    fused = xr.open_zarr(path).fused
    return [hashlib.sha256(fused[n].values.tobytes()).hexdigest() for n in range(fused.shape[0])]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--every", type=float, default=60, help="seconds between two kills")
    parser.add_argument("--method", default="starfm")
    parser.add_argument("--window", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where there is room")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        path = write_scene(folder / "scene.zarr", options.size, options.pairs)
        one = 4e-9 * len(BANDS) * options.size**2
        say(f"fine images {one * options.pairs:.1f} GB, to fuse {one * (options.pairs - 1):.1f} GB")
        found = []
        for label, every in (("disturbed", options.every), ("undisturbed", np.inf)):
            out = folder / f"{label}.zarr"
            blocks, kills, held, seconds = fuse(path, out, options, every)
            found.append(hashes(out))
            done = Marks(str(out)).done
            say(
                f"{label}: {blocks} dates and tiles in {seconds:.0f} s, {int(done.sum())} of "
                f"{done.size} marked, {kills} workers killed, one held {held:.0f} MB at most"
            )
        same = sum(a == b for a, b in zip(*found, strict=True))
        say(f"{same} of {len(found[0])} dates are the same, bit by bit")
        sys.exit(same != len(found[0]))


if __name__ == "__main__":
    main()
