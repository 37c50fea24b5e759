"""What a run from store to store costs beside the fusion itself.

Run ``python -m tests.speed.store``. It makes an empty scene of years (365 dates, 6 bands, 8000 x
8000 pixels; nothing is stored, so it takes no room), and says what the client pays to hand out all
blocks and mark them; then how many CPU-milliseconds a block costs on a cluster, of a method that
does nothing: handed out alone, with its windows read, and with its result written.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import xarray as xr

import xstf
from tests.archive.faults import Null
from xstf.archive import work


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def empty_scene(path, dates, bands, size, chunk, scale=16):
    """Write a scene without a pixel in it: metadata alone."""
    import dask.array as da

    cells = size // scale
    fine, coarse = ((np.arange(n) + 0.5) * step for n, step in ((size, 30), (cells, 30 * scale)))
    times = np.datetime64("2020-01-01", "ns") + np.arange(dates) * np.timedelta64(1, "D")
    names = np.array([f"b{n}" for n in range(bands)], object)
    shapes = {"fine": (dates, bands, size, size), "coarse": (dates, bands, cells, cells)}
    dims = {"fine": ("y", "x"), "coarse": ("y_coarse", "x_coarse")}
    ds = xr.Dataset(
        {
            **{
                kind: (("time", "band", *dims[kind]), da.zeros(shape, "f4", chunks=-1))
                for kind, shape in shapes.items()
            },
            "fine_observed": ("time", np.arange(dates) % 16 == 0),
            "coarse_observed": ("time", np.ones(dates, bool)),
        },
        coords={
            "time": times, "band": names, "y": -fine, "x": fine,
            "y_coarse": -coarse, "x_coarse": coarse,
        },
        attrs={"scale": scale, "valid_range": "none"},
    )  # fmt: skip
    encoding = {
        "fine": {"chunks": (1, bands, chunk, chunk), "fill_value": 0.25},
        "coarse": {"chunks": (1, bands, cells, cells), "fill_value": 0.25},
    }
    ds.to_zarr(path, zarr_format=3, consolidated=False, compute=False, encoding=encoding)
    return path


def nothing(job, block):
    """Stand in for a block."""
    return work.Done([True] * len(block.dates), None)


def read_alone(job, block):
    """Read and fuse a block, and write nothing."""
    known = work._unpickled(job) if isinstance(job, bytes) else job
    return work.Done([True] * len(work.predict(known, block)["fused"]), None)


def run(path, out, do, unread=False, used=time.process_time, **options):
    """Return blocks, dates and tiles, seconds, and seconds and CPU from the first block on."""
    told = []

    def tell(done, total, seconds):
        told.append((total, time.perf_counter(), used()))

    from xstf.archive import making, running

    start = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(mock.patch("xstf.archive.schedule.do", do))
        stack.enter_context(mock.patch.object(running, "identity", return_value={"of": "nothing"}))
        if unread:
            stack.enter_context(mock.patch.object(making, "prepare"))
        xstf.fuse_store(path, out, Null(), progress=tell, **options)
    first, last = told[0], told[-1]
    whole = time.perf_counter() - start
    return len(told), last[0], whole, last[1] - first[1], last[2] - first[2]


def submission(folder, dates, size, together):
    """Say what the client pays for a run of years whose blocks cost nothing."""
    path = empty_scene(folder / "years.zarr", dates, 6, size, 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    options = {"blocksize": 1000, "workers": 2, "dates_per_block": together, "overwrite": True}
    tasks, blocks, whole, wall, cpu = run(path, folder / "o.zarr", nothing, True, **options)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    say(
        f"{dates} dates x 6 x {size} x {size} in tiles of 1000, {together} date(s) a block: "
        f"{blocks} dates and tiles in {tasks} tasks, {wall:.1f} s ({cpu:.1f} CPU-s) of {whole:.1f} "
        f"s in all; peak memory {after:.0f} MB, of which {before:.0f} MB were there before"
    )


def spent(cluster_pids):
    """Return the CPU-seconds that processes have used."""
    total = 0.0
    for pid in cluster_pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / 100
    return total


def alone(client, count, used):
    """Return the CPU-milliseconds of a task of dask that does nothing, four under way at a time."""
    from distributed import as_completed

    before, running = used(), as_completed()
    for n in range(count + 4):
        if n < count:
            running.add(client.submit(str, n, pure=False))
        if n >= 4:
            next(running).result()
    return 1e3 * (used() - before) / count


def overhead(folder, workers, blocks):
    """Say what a block of a method that does nothing costs on a cluster."""
    from distributed import Client, LocalCluster

    side = 64
    path = empty_scene(folder / "small.zarr", 2 + blocks // 64, 2, side * 8, side)
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        pids = [os.getpid(), *client.run(os.getpid).values()]
        used = partial(spent, pids)
        say(f"{workers} worker(s), a task of dask alone: {alone(client, blocks, used):.1f} CPU-ms")
        options = {"blocksize": side, "dates_per_block": 1, "overwrite": True, "client": client}
        for name, do in (
            ("handed out and marked", nothing), ("read, not written", read_alone),
            ("read and written", work.do),
        ):  # fmt: skip
            run(path, folder / "warm.zarr", do, **options)
            tasks, _, _, wall, cpu = run(path, folder / "out.zarr", do, used=used, **options)
            say(
                f"{workers} worker(s), {tasks} blocks of {side} x {side}, {name}: "
                f"{1e3 * cpu / tasks:.1f} CPU-ms a block in all processes, {wall:.1f} s"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dates", type=int, default=365)
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--together", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--blocks", type=int, default=640)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for together in options.together:
            (Path(folder) / str(together)).mkdir()
            submission(Path(folder) / str(together), options.dates, options.size, together)
        for workers in options.workers:
            (Path(folder) / f"w{workers}").mkdir()
            overhead(Path(folder) / f"w{workers}", workers, options.blocks)


if __name__ == "__main__":
    main()
