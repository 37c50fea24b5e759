"""Peak memory of a scene from Zarr to Zarr, or of one block.

Run ``python -m tests.speed.memory``: simulates a scene of SIZE x SIZE pixels and two bands, lazily,
saves it, and fuses it in a fresh process for each method, which prints its peak resident memory.
With ``--blocks`` it prints what one block of 256 x 256 pixels takes at most, as a multiple of the
images that it is given, for one date and for eight.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import xstf
from xstf.method import find, names


def fuse(folder, method):
    """Fuse the scene in a folder, and say what the process took at most."""
    ds = xstf.open_scene(folder / "scene.zarr")
    xstf.save(ds.stf.fuse(method), folder / f"{method}.zarr")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    image = ds.fine[0].nbytes / 1e9
    sys.stdout.write(f"{method:8} peak {peak:.2f} GB; a fine image has {image:.2f} GB\n")


def of_blocks(method):
    """Return the peak of a block over the bytes of its images, for one date and for eight."""
    pairs = find(method).pairs[0]
    bands = ("green", "red", "nir")
    ds, _ = xstf.simulate("mixed", size=768, dates=8 + pairs, pairs=pairs, bands=bands, seed=7)
    ds, found = ds.compute(), {}
    kind = find(method)
    plain = kind.block

    def watched(self, b):
        tracemalloc.start()
        made = plain(self, b)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        given = sum(a.nbytes for a in (b.fine, b.coarse, b.target, *b.made.values()))
        if min(b.place) > 0:  # away from the edges, where all is the same; compiled by then
            found[len(b.target)] = peak / given, given / 1e6
        return made

    kind.block = watched  # on the class itself: dask copies the objects that it runs
    for dates in (1, 8):
        times = ds.time.values[1 : 1 + dates]
        ds.stf.fuse(method, dates=times, blocksize=256).compute(scheduler="sync")
    kind.block = plain
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6144)
    parser.add_argument("--methods", nargs="*", default=["add"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--blocks", action="store_true")
    options = parser.parse_args()
    if options.blocks:
        for method in names():
            one, eight = (found for _, found in sorted(of_blocks(method).items()))
            sys.stdout.write(
                f"{method:14} one date {one[0]:4.1f} x {one[1]:5.1f} MB   "
                f"eight {eight[0]:4.1f} x {eight[1]:5.1f} MB\n"
            )
        return
    if options.folder:
        fuse(options.folder, options.methods[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        ds, _ = xstf.simulate(
            "parcels", size=options.size, scale=16, dates=2, pairs=1, bands=("red", "nir"), seed=1
        )
        xstf.save(ds, Path(folder) / "scene.zarr")
        for method in options.methods:
            again = [sys.executable, "-m", "tests.speed.memory", "--folder", folder]
            subprocess.run([*again, "--methods", method], check=True)


if __name__ == "__main__":
    main()
