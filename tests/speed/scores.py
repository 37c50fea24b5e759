"""How fast images that do not fit in memory are scored, from Zarr, and what memory that takes.

Run ``python -m tests.speed.scores``: writes two float32 images of SIZE x SIZE pixels and six bands,
and scores them in a fresh process for each set of metrics. CPU-seconds count reading,
decompression and dask; megabytes are those of both images, uncompressed. Compiled code is warm.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr

from xstf.metrics import measure

SIDE = 1024  # of a chunk


def write(folder, size, compressed):
    rng = da.random.default_rng(5)
    truth = rng.integers(0, 5000, (1, 6, size, size), chunks=(1, 6, SIDE, SIDE)) * np.float32(1e-4)
    predicted = truth + rng.integers(-300, 300, truth.shape, chunks=truth.chunks) * np.float32(1e-4)
    options = {} if compressed else {"compressors": None}
    for name, image in (("truth", truth), ("predicted", predicted)):
        array = xr.DataArray(image.astype("float32"), dims=("time", "band", "y", "x"), name=name)
        array.to_zarr(folder / name, encoding={name: options}, zarr_format=3, consolidated=False)


def read(folder):
    return (
        xr.open_zarr(folder / name, consolidated=False)[name] for name in ("predicted", "truth")
    )


def report(folder, metrics, workers, regions):
    predicted, truth = read(folder)
    places = np.arange(predicted.sizes["y"], dtype="int16") // 100
    options = {
        "metrics": None
        if metrics == "usual"
        else metrics.split(",")
        if "," in metrics
        else metrics,
        "scale": 16,
        "regions": np.add.outer(places, places) % regions + 1 if regions else None,
    }
    warm = (i.isel(y=slice(200), x=slice(200)) for i in (predicted, truth))
    measure(*warm, **options | {"regions": None}).compute()
    dask.config.set(scheduler="threads", num_workers=workers)
    cpu, wall = time.process_time(), time.monotonic()
    measure(predicted, truth, **options).compute()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    megabytes = (predicted.nbytes + truth.nbytes) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(
        f"{metrics:10} {megabytes:7.0f} MB  {cpu:6.2f} CPU-s  {megabytes / cpu:6.0f} MB/s per core"
        f"  {wall:6.2f} s on {workers}  peak {peak:.2f} GB\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=7008)
    parser.add_argument("--sets", nargs="*", default=["plain", "usual", "all"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--regions", type=int, default=0, help="labels to tell apart")
    parser.add_argument("--compressed", action="store_true", help="Zarr's default, zstd")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.folder:
        report(options.folder, options.sets[0], options.workers, options.regions)
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.size, options.compressed)
        again = [sys.executable, "-m", "tests.speed.scores", "--folder", folder]
        again += ["--workers", str(options.workers), "--regions", str(options.regions)]
        for name in options.sets:
            subprocess.run([*again, "--sets", name], check=True)


if __name__ == "__main__":
    main()
