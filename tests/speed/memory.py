"""Peak memory of a scene from Zarr to Zarr.

Run ``python -m tests.speed.memory``: simulates a scene of SIZE x SIZE pixels and two bands, lazily,
saves it, and fuses it in a fresh process for each method, which prints its peak resident memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import xstf


def fuse(folder, method):
    """Fuse the scene in a folder, and say what the process took at most."""
    ds = xstf.open_scene(folder / "scene.zarr")
    xstf.save(ds.stf.fuse(method), folder / f"{method}.zarr")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    image = ds.fine[0].nbytes / 1e9
    sys.stdout.write(f"{method:8} peak {peak:.2f} GB; a fine image has {image:.2f} GB\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6144)
    parser.add_argument("--methods", nargs="*", default=["add"])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
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
