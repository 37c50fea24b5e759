"""What blocks cost on a cluster: on one worker and on two, and while the scene grows.

Run ``python -m tests.speed.cluster``. It fuses a simulated scene from Zarr to Zarr on one worker
and on two in turn, and says how many CPU-seconds a block takes on each; then scenes of 640, 1280
and 2560 pixels a side in the same tiles, each on a new cluster of two workers, and says what a
worker held at most and how much each CPU-second brought.
"""

import argparse
import os
import tempfile
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import xstf
from tests.speed.store import say, spent

TILE = 320


@contextmanager
def cluster(workers, **options):
    """Give a client of workers with one thread each, and the processes of these."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", **options
        ) as made,
        Client(made) as client,
    ):
        yield client, list(client.run(os.getpid).values())


def peak(pid):
    """Return the most megabytes that a process has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(found) / 1e3


def simulated(folder, size, dates):
    """Save a scene with a pair at either end."""
    ds, _ = xstf.simulate(
        "parcels", size=size, scale=16, dates=dates + 2, pairs=2, bands=("red", "nir"), seed=1
    )
    path = folder / f"{size}-{dates}.zarr"
    return path if path.exists() else xstf.save(ds.chunk(y=TILE, x=TILE), path)


def fuse(path, out, method, client):
    """Fuse a scene, one date in each block, and return the number of blocks."""
    told = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xstf.fuse_store(
            path, out, method, blocksize=TILE, dates_per_block=1, overwrite=True, client=client,
            progress=lambda *counts: told.append(counts[0]),
        )  # fmt: skip
    return told[-1]


def scaling(folder, method, size, rounds):
    """Say what a block costs on one worker and on two, in turn."""
    path, out = simulated(folder, size, 2), folder / "out.zarr"
    cost, wall = {1: [], 2: []}, {1: [], 2: []}
    for _ in range(rounds):
        for workers in (1, 2):
            with cluster(workers) as (client, pids):
                fuse(path, out, method, client)  # compiled code is loaded, all is imported
                used, start = partial(spent, [os.getpid(), *pids]), perf_counter()
                before = used()
                blocks = fuse(path, out, method, client)
                cost[workers].append((used() - before) / blocks)
                wall[workers].append(perf_counter() - start)
    one, two = (f"{median(cost[n]):.3f} ({min(cost[n]):.3f}-{max(cost[n]):.3f})" for n in (1, 2))
    ratios = sorted(b / a for a, b in zip(cost[1], cost[2], strict=True))
    say(
        f"{method}, {blocks} blocks of {TILE} x {TILE} x 2: CPU-s a block on one worker {one}, on "
        f"two {two}; two over one in each round {' '.join(f'{r:.2f}' for r in ratios)}, median "
        f"{median(ratios):.2f}; wall {median(wall[1]):.1f} and {median(wall[2]):.1f} s"
    )


def growth(folder, method, sizes, dates):
    """Say what workers hold and how fast they are while the scene grows."""
    small = simulated(folder, sizes[0], dates)
    for size in sizes:
        path = simulated(folder, size, dates)
        with cluster(2) as (client, pids):
            fuse(small, folder / "warm.zarr", method, client)
            used, start = partial(spent, [os.getpid(), *pids]), perf_counter()
            before = used()
            blocks = fuse(path, folder / "out.zarr", method, client)
            seconds, wall = used() - before, perf_counter() - start
            held = " and ".join(f"{peak(pid):.0f}" for pid in pids)
        values = 2 * dates * size**2 / 1e6
        say(
            f"{method}, {size} x {size}, {dates} dates, 2 bands, {blocks} blocks: workers held "
            f"{held} MB at most; {values / seconds:.2f} megapixels and bands a CPU-second, "
            f"{wall:.0f} s"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="*", default=["starfm", "fsdaf"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[640, 1280, 2560])
    parser.add_argument("--dates", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for method in options.methods:
            if options.rounds:
                scaling(Path(folder), method, 1280, options.rounds)
            if options.sizes:
                growth(Path(folder), method, options.sizes, options.dates)


if __name__ == "__main__":
    main()
