"""What training holds of a scene that is larger than its pools, and what it spends its time on.

Run ``python -m tests.speed.streaming``: it saves a simulated scene in Zarr and trains on it for two
passes in a fresh process whose pools are bounded by ``--pool``. Printed are the size of the fine
images that it learns from, by how much the resident memory of the process grew, and the CPU-seconds
of the network, of reading chunks, of sharing the coarse change, and of cutting patches.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from functools import wraps
from pathlib import Path

import xstf
from tests.speed.memory import CLEAR, PEAK, status
from xstf.nn import patches, train
from xstf.nn.alike import Alike

spent = {}


def timed(owner, name, label):
    """Count the CPU-seconds of a function, without those of others that are counted too."""
    plain = getattr(owner, name)

    @wraps(plain)
    def call(*given, **named):
        start, before = time.thread_time(), sum(spent.values())
        try:
            return plain(*given, **named)
        finally:
            inside = sum(spent.values()) - before
            spent[label] = spent.get(label, 0) + time.thread_time() - start - inside

    setattr(owner, name, call)


def learn(path, method, pool, options):
    """Train, and print what it held and took."""
    small, _ = xstf.simulate("parcels", size=160, scale=16, dates=3, pairs=2, seed=1)
    xstf.fit(small.compute(), method, progress=False, **options)  # what is kept for good
    patches.POOL = pool
    timed(patches.Source, "read", "reading")
    timed(Alike, "moved", "sharing")
    timed(patches.Source, "_drawn", "cutting")
    timed(train, "_step", "network")
    before, start = status("VmRSS:"), time.process_time()
    CLEAR.write_text("5")
    xstf.fit(xstf.open_scene(path), method, progress=False, **options)
    total = time.process_time() - start
    rest = total - sum(spent.values())
    parts = ", ".join(f"{name} {s:.1f}" for name, s in {**spent, "rest": rest}.items())
    sys.stdout.write(
        f"grew by {(status(PEAK) - before) / 1e6:.0f} MB; {total:.1f} CPU-s: {parts}\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="hcnn")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--pool", type=float, default=32e6, help="bytes of images in a pool")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.folder:
        options = {"width": given.width, "epochs": given.epochs}
        learn(given.folder, given.method, given.pool, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        ds, _ = xstf.simulate("parcels", size=given.size, scale=16, dates=3, pairs=2, seed=1)
        xstf.save(ds.chunk(time=1, y=256, x=256), Path(folder) / "scene.zarr")
        sys.stdout.write(f"{2 * ds.fine[0].nbytes / 1e6:.0f} MB of fine images in Zarr, ")
        sys.stdout.write(f"pools of {given.pool / 1e6:.0f} MB, two at a time\n")
        sys.stdout.flush()
        again = [sys.executable, "-m", "tests.speed.streaming", *sys.argv[1:]]
        subprocess.run([*again, "--folder", f"{folder}/scene.zarr"], check=True)


if __name__ == "__main__":
    main()
