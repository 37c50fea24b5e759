"""CPU-seconds per megapixel and band of every method, and what further dates cost.

Run ``python -m tests.speed.methods``. One core, compiled code warm, the whole call: pairing, graph,
statistics, upsampling, the block and putting it together. Best of several runs, and the ratio of
eleven dates to one within the same run, since machines are shared.
"""

import argparse
import json
import resource
import sys
import time

import dask
import numpy as np

import xstf
from xstf.registry import find

CASES = {
    "add": {},
    "starfm": {"window": 51},
    "starfm 4 classes": {"window": 51, "classes": 4},
    "starfm paper": {"window": 51, "rule": "paper"},
    "estarfm": {},
    "estarfm code": {"slope": "code"},
    "estarfm 20": {"num_similar": 20},
    "fsdaf": {"window": 41},
    "sfsdaf": {},
    "ubdf": {},
    "stdfa": {},
    "strum": {},
    "vipstf": {"window": 65},
    "vipstf one search": {"window": 65, "search": "pairs"},
    "fitfc": {},
    "stnlffm": {},
    "hcm": {},
    "gpfuse": {},
}


def spent(lazy):
    start = time.process_time()
    lazy.compute(scheduler="sync")
    return time.process_time() - start


def scene(size, pairs):
    """Return a scene with 11 dates to predict after the first, and so many pairs."""
    bands = ("green", "red", "nir")
    ds, _ = xstf.simulate(
        "mixed", size=size, scale=16, dates=11 + pairs, pairs=pairs, bands=bands, seed=7
    )
    return ds.compute()


def least_pairs(name):
    return find(name.split()[0]).pairs[0]


def measure(name, parameters, ds, runs):
    """Return CPU-seconds per megapixel-band of one date, and eleven dates over one."""
    method = name.split()[0]
    times = ds.time.values
    ds.stf.fuse(method, dates=times[1], **parameters).compute(scheduler="sync")
    one, many = [], []
    for _ in range(runs):
        one.append(spent(ds.stf.fuse(method, dates=times[1], **parameters)))
        many.append(spent(ds.stf.fuse(method, dates=times[1:12], **parameters)))
    size = np.prod(ds.fine.shape[1:]) / 1e6
    return {
        "method": name,
        "one": min(one) / size,
        "median": float(np.median(one)) / size,
        "ten_more": min(m / o for m, o in zip(many, one, strict=True)) - 1,
        "ten_more_median": float(np.median(np.array(many) / np.array(one))) - 1,
    }


def threads(name, parameters, ds, runs):
    """Return CPU-seconds and wall time of two threads over those of one, the same blocks."""
    method, side = name.split()[0], -(-max(ds.fine.shape[2:]) // 3)
    lazy = ds.stf.fuse(method, dates=ds.time.values[1], blocksize=side, **parameters)
    lazy.compute(scheduler="sync")
    ratios = []
    for _ in range(runs):
        taken = []
        for workers in (1, 2):
            cpu, wall = time.process_time(), time.perf_counter()
            lazy.compute(scheduler="threads", num_workers=workers)
            taken.append((time.process_time() - cpu, time.perf_counter() - wall))
        ratios.append([two / one for one, two in zip(*taken, strict=True)])
    cpu, wall = np.median(ratios, axis=0)
    return {"method": name, "cpu": float(cpu), "wall": float(wall)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=480)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--json")
    parser.add_argument("--threads", action="store_true", help="compare two threads with one")
    options = parser.parse_args()
    scenes = {pairs: scene(options.size, pairs) for pairs in (1, 2)}
    if options.threads:
        sys.stdout.write("two threads over one, nine blocks: CPU-seconds, wall time (medians)\n")
        for name in options.only:
            row = threads(name, CASES[name], scenes[least_pairs(name)], options.runs)
            sys.stdout.write(f"{row['method']:<20} {row['cpu']:.2f} {row['wall']:.2f}\n")
        return
    head = "CPU-s per megapixel-band (best, median), ten more dates over the first (best, median)"
    sys.stdout.write(head + "\n")
    rows = []
    with dask.config.set(scheduler="sync"):
        for name in options.only:
            row = measure(name, CASES[name], scenes[least_pairs(name)], options.runs)
            rows.append(row)
            sys.stdout.write(
                f"{name:18} {row['one']:6.2f} {row['median']:6.2f}   {row['ten_more']:6.2f} "
                f"{row['ten_more_median']:6.2f}\n"
            )
            sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(f"peak memory of the process {peak:.2f} GB\n")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
