"""Projected and measured memory of every method, from store to store.

Run ``python -m tests.speed.memory``: it simulates a scene, saves it, and for each method projects
what a run takes (`xstf.estimate`). Then it fuses the scene in a fresh process, after a run on a
small scene that compiles the method, and measures by how much the resident memory of the process
grew at most while blocks ran. Both are printed, of one thread and of several, with their ratio.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import xstf
from xstf.archive import running
from xstf.limits import BUFFERS
from xstf.registry import find, names

PEAK = "VmHWM:"
CLEAR = Path("/proc/self/clear_refs")


def status(field):
    """Return bytes from the kernel's account of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def scene(folder, name, size, pairs, dates, bands):
    names = ("blue", "green", "red", "nir", "swir1", "swir2")[:bands]
    ds, _ = xstf.simulate(
        "mixed", size=size, scale=16, dates=dates + pairs, pairs=pairs, bands=names, seed=7
    )
    path = folder / f"{name}-{pairs}.zarr"
    return xstf.save(ds.chunk(time=1, y=128, x=128, y_coarse=-1, x_coarse=-1), path)


def fuse(folder, method, options):
    """Fuse a small scene, then the large one, and print what the process held in each part."""
    pairs = find(method).pairs[0]
    options = options | {"progress": False}
    xstf.fuse_store(folder / f"small-{pairs}.zarr", folder / "s.zarr", method, **options)
    before, peaks = status("VmRSS:"), []

    def blocks(*given):
        peaks.append(status(PEAK))
        CLEAR.write_text("5")  # the peak is counted anew from here
        run(*given)
        peaks.append(status(PEAK))

    CLEAR.write_text("5")
    run = running.run_blocks
    start = time.process_time()
    with mock.patch.object(running, "run_blocks", blocks):
        xstf.fuse_store(folder / f"large-{pairs}.zarr", folder / "l.zarr", method, **options)
    sys.stdout.write(json.dumps([before, *peaks, time.process_time() - start]) + "\n")


def measure(folder, method, options):
    """Return bytes before and at most, and CPU-seconds, of a run in a fresh process."""
    again = [sys.executable, "-m", "tests.speed.memory", "--folder", folder, "--only", method]
    done = subprocess.run(
        [*again, "--options", json.dumps(options)], check=True, capture_output=True, text=True
    )
    for name in ("s", "l"):
        subprocess.run(["rm", "-r", str(Path(folder) / f"{name}.zarr")], check=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(folder, method, options):
    """Return the figures of one method and number of threads, in MB."""
    path = Path(folder) / f"large-{find(method).pairs[0]}.zarr"
    told = xstf.estimate(path, method, **options)
    before, passing, peak, spent = measure(folder, method, options)
    return {
        "method": method,
        "threads": options["workers"],
        "dates": told.dates_per_block,
        "block": told.block_bytes / 1e6,
        "blocks": told.threads * (told.block_bytes + BUFFERS) / 1e6,
        "before": before / 1e6,
        "passing": (passing - before) / 1e6,
        "grown": (peak - before) / 1e6,
        "process": told.worker_bytes / max(peak, passing),
        "seconds": spent,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--dates", type=int, default=4)
    parser.add_argument("--blocksize", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--only", nargs="*", default=names())
    parser.add_argument("--dtype", help="int16 packs what is written")
    parser.add_argument("--folder")
    parser.add_argument("--options", type=json.loads)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.folder:
        fuse(Path(given.folder), given.only[0], given.options)
        return
    packed = {"dtype": given.dtype, "scale_factor": 1e-4} if given.dtype else {}
    with tempfile.TemporaryDirectory() as folder:
        for pairs in (1, 2):
            scene(Path(folder), "small", 160, pairs, 2, given.bands)
            scene(Path(folder), "large", given.size, pairs, given.dates, given.bands)
        sys.stdout.write(
            "MB: blocks of all threads, projected; growth of the process while they run, and the "
            "ratio of both; its growth before; the process itself, projected over measured\n"
        )
        for method in given.only:
            for threads in given.threads:
                options = {"blocksize": given.blocksize, "workers": threads}
                found = row(folder, method, options | packed)
                sys.stdout.write(
                    "{method:13} {threads} x {dates} dates {blocks:6.0f} {grown:6.0f} {ratio:5.2f} "
                    "  {passing:5.0f}   {process:5.2f}   ({before:.0f} MB at first, {seconds:.0f} "
                    "CPU-s)\n".format(**found, ratio=found["blocks"] / found["grown"])
                )
                sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    sys.stdout.write(f"largest process {peak:.2f} GB\n")


if __name__ == "__main__":
    main()
