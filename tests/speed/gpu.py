"""What every method costs on a GPU, beside its kernels' floor and the CPU cores of the machine.

Run ``python -m tests.speed.gpu --json gpu.json`` where there is an NVIDIA GPU; under eight minutes.

A scene of 7008 x 7008 pixels and six bands is 36 blocks of 1168; one simulated block is run warm,
and its time taken 36 times: kernels, and copies to and from the GPU apart. The whole call, with
what is found of the whole scene before the first block, is that of a crop of 1760 x 1760 through
dask's threads, scaled to the scene: on the GPU, and on all CPU cores. The floor is the longer of
two times: that of the arithmetic which the method cannot do without, at the card's measured speed
of multiply-adds, and that of reading the inputs and writing the outputs once. ``--tiny`` runs all
of it at a size that the simulator can bear, where no figure means anything.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass, make_dataclass

import numpy as np
from numba import cuda

import xstf
from xstf.device import brought_back, lacking, simulated, taken_there
from xstf.kernels.gpu.launch import grid, to_gpu
from xstf.kernels.offload import new
from xstf.registry import find, names

BANDS = 6
SCENE = 7008
BUDGET = 400.0  # seconds, after which no further method is begun


@dataclass(frozen=True)
class Sizes:
    """Sides in fine pixels."""

    block: int = 1168  # what the GPU is given at a time
    crop: int = 1760  # what the CPU computes
    small: int = 304  # where both pictures are compared
    bands: int = BANDS
    scale: int = 16
    many: int = 16  # dates

    @property
    def blocks(self):
        """How many blocks are as many pixels as a scene."""
        return (SCENE / self.block) ** 2


TINY = Sizes(block=16, crop=24, small=16, bands=2, scale=4, many=2)


def parameters(name, tiny):
    if not tiny:
        return {}
    from tests.gpu.scenes import SMALL

    return SMALL.get(name, {})


def operations(name, method, scale, bands, pairs, dates):
    """Return the arithmetic of a fine pixel that no way of computing it can leave out, in flops."""
    window = getattr(method, "window", None) or 2 * scale + 1
    places = window**2
    listed = getattr(method, "num_similar", None) or 0
    said = 4 * listed * bands * dates
    few = 40 * bands * dates  # upsampling, sums of a date
    return {
        "starfm": places * bands * pairs * (4 + 6 * dates),
        "estarfm": places * 3 * bands * pairs + 0.05 * places * 2 * bands * (3 + 2 * dates),
        "fsdaf": places * (4 * bands + 3) + said,
        "sfsdaf": places * 3 * bands + 2 * said,
        "fitfc": places * 3 * bands + said,
        "vipstf": places * 3 * bands * dates + said,
        "stnlffm": 2 * places * 2 * bands + 0.05 * places * bands * pairs * dates * 45,
        "hcm": 2 * bands * bands * dates,
    }.get(name, 0) + few


def scene(size, sizes, pairs):
    """Return a simulated scene with the wanted dates after the first one."""
    bands = tuple(f"b{n}" for n in range(sizes.bands)) if sizes.bands > 2 else ("red", "nir")
    known = ("blue", "green", "red", "nir", "swir1", "swir2")
    ds, _ = xstf.simulate(
        "mixed",
        size=size,
        scale=sizes.scale,
        dates=sizes.many + pairs,
        pairs=pairs,
        bands=known[: len(bands)] if sizes.bands > 2 else bands,
        seed=7,
    )
    return ds.compute()


def block_of(name, options, ds, dates):
    """Return the method, and the block that the engine gives it for a whole scene."""

    def throw(self, b):
        raise LookupError(b)

    kind = find(name)
    thrower = make_dataclass("Thrower", [], bases=(kind,), namespace={"block": throw}, frozen=True)
    lazy = ds.stf.fuse(
        thrower(**options),
        dates=ds.time.values[1 : dates + 1],
        pairs=pairs_of(kind),
        blocksize=max(ds.fine.shape),
    )
    try:
        lazy.compute(scheduler="sync")
    except LookupError as caught:
        return kind(**options), caught.args[0]
    raise AssertionError("no block was made")


def pairs_of(kind):
    return "auto" if kind.pairs[0] == 2 else "nearest"


def timed(function, *arguments):
    """Return what a function returns and the seconds until the GPU has done it."""
    cuda.synchronize()
    start = time.perf_counter()
    found = function(*arguments)
    cuda.synchronize()
    return found, time.perf_counter() - start


def on_gpu(method, b, runs):
    """Return the shortest seconds of a block's way there, its computation, and the way back."""
    taken = []
    for _ in range(runs + 1):  # the first one compiles
        there, way = timed(taken_there, b)
        layers, work = timed(method.block, there)
        back, home = timed(brought_back, layers, b.layers)
        taken.append((way, work, home))
    return back, np.min(taken[1:], axis=0)


def moved_bytes(b):
    """Return the bytes of a block's inputs and of its outputs."""
    images = [b.fine, b.coarse, b.target, *b.planes.values(), *b.made.values()]
    inner = np.prod([p.stop - p.start for p in b.inner])
    return sum(i.nbytes for i in images), 4 * len(b.target) * b.fine.shape[1] * inner


@grid("f4[:,::1], f4[:,::1]")
def copied(source, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        out[y, x] = source[y, x]


@grid("f4[:,::1], i4")
def multiplied(out, rounds):
    x, y = cuda.grid(2)
    if y >= out.shape[0] or x >= out.shape[1]:
        return
    a = b = c = d = out[y, x]
    b += np.float32(1)  # four sums that do not wait for each other
    c += np.float32(2)
    d += np.float32(3)
    for _ in range(rounds):
        a = a * a + a
        b = b * b + b
        c = c * c + c
        d = d * d + d
    out[y, x] = a + b + c + d


def ceilings(tiny):
    """Return the card's measured GB/s of its memory and GFLOP/s of float32 multiply-adds."""
    size, rounds = (16, 1) if tiny else (8192, 2048)
    source = to_gpu(np.zeros((size, size), np.float32))
    out = new(source, source.shape)
    narrow = to_gpu(np.zeros((size, min(size, 2048)), np.float32))
    best = []
    for call, work in (
        (lambda: copied(source.shape, source, out), 8 * size**2),
        (lambda: multiplied(narrow.shape, narrow, rounds), 8 * rounds * narrow.size),
    ):
        timed(call)
        best.append(work / min(timed(call)[1] for _ in range(3)) / 1e9)
    return best


def whole_call(name, options, ds, dates, **where):
    """Return the seconds of a whole call on all cores through dask's threads."""
    targets, pairs = ds.time.values[1 : dates + 1], pairs_of(find(name))
    lazy = ds.stf.fuse(name, dates=targets, pairs=pairs, **where, **options)
    lazy[:1, :, :64, :64].compute(scheduler="threads")  # compiled code warm
    start = time.perf_counter()
    lazy.compute(scheduler="threads")
    return time.perf_counter() - start


def difference(method, small):
    """Return the largest difference from the CPU and the share of pixels beyond the tolerance."""
    from tests.gpu.scenes import TOLERANCE

    expected = method.block(small)["fused"]
    found = brought_back(method.block(taken_there(small)), ("fused",))["fused"]
    gap = np.abs(found - expected)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf"), 1.0
    return float(np.nanmax(gap)), float((gap > TOLERANCE[method.name]).mean())


def measure(name, sizes, scenes, dates, limits, tiny):
    """Return one line of the table."""
    kind, options = find(name), parameters(name, tiny)
    pairs = kind.pairs[0]
    method, b = block_of(name, options, scenes["block", pairs], dates)
    _, (way, work, home) = on_gpu(method, b, 1 if tiny else 3)
    read, written = moved_bytes(b)
    pixels = sizes.block**2
    flops = operations(name, method, b.scale, sizes.bands, pairs, dates) * pixels
    memory, speed = limits
    floor = max(flops / speed, (read + written) / memory) / 1e9
    crop, crops = scenes["crop", pairs], (SCENE / sizes.crop) ** 2
    cpu = whole_call(name, options, crop, dates) * crops
    gpu = whole_call(name, options, crop, dates, device="cuda", blocksize=sizes.block) * crops
    small = block_of(name, options, scenes["small", pairs], min(dates, 2))[1]
    largest, share = difference(method, small)
    return {
        "method": name,
        "dates": dates,
        "gpu seconds": gpu,
        "kernels": work * sizes.blocks,
        "copies": (way + home) * sizes.blocks,
        "GB/s": (read + written) / work / 1e9,
        "GFLOP/s": flops / work / 1e9,
        "over floor": work / floor,
        "cpu seconds": cpu,
        "times the cpu": cpu / gpu,
        "largest difference": largest,
        "share beyond": share,
    }


def table(rows):
    columns = list(rows[0])
    lines = [columns]
    lines += [[v if isinstance(v, str) else f"{v:.3g}" for v in row.values()] for row in rows]
    widths = [max(len(str(line[n])) for line in lines) for n in range(len(columns))]
    pairs = [zip(line, widths, strict=True) for line in lines]
    return "\n".join("  ".join(str(v).rjust(w) for v, w in line) for line in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--only", action="append", help="a method; may be repeated")
    parser.add_argument("--tiny", action="store_true", help="for the simulator: figures mean none")
    given = parser.parse_args()
    if lacking():
        raise SystemExit(f"no GPU: {lacking()}")
    begun = time.perf_counter()
    sizes = TINY if given.tiny else Sizes()
    limits = ceilings(given.tiny)
    chosen = given.only or [name for name in names() if find(name).on_gpu]
    scenes = {}
    for pairs in sorted({find(name).pairs[0] for name in chosen}):
        for role in ("block", "crop", "small"):
            scenes[role, pairs] = scene(getattr(sizes, role), sizes, pairs)
    rows, left = [], []
    for name in chosen:
        if time.perf_counter() - begun > BUDGET:
            left.append(name)
            continue
        for dates in (1, sizes.many):
            rows.append(measure(name, sizes, scenes, dates, limits, given.tiny))
            print(table(rows[-1:]), flush=True)
        rows[-1]["over one date"] = rows[-1]["kernels"] / rows[-2]["kernels"]
        rows[-2]["over one date"] = 1.0
    made = {
        "GB/s": limits[0],
        "GFLOP/s": limits[1],
        "cores": os.cpu_count(),
        "simulated": simulated(),
        "no time for": left,
        "rows": rows,
    }
    print(f"\nceilings: {limits[0]:.4g} GB/s, {limits[1]:.4g} GFLOP/s; {os.cpu_count()} CPU cores")
    print(table(rows))
    if left:
        print("no time for", ", ".join(left))
    if given.json:
        with open(given.json, "w") as file:
            json.dump(made, file, indent=1)


if __name__ == "__main__":
    main()
