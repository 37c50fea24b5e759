"""What gpfuse scores beside other methods, and whether it knows how far it may be off.

``python -m tests.speed.ours scores --seeds 11 12``: simulated scenes, of methods by name.
``python -m tests.speed.ours intervals [--real FOLDER] [--picture FILE]``: the share of errors in
the interval that should hold nine in ten, by tenths of the deviation; and in others.
``python -m tests.speed.ours flood FILE``: a picture of one, of its prediction and deviation.
FOLDER holds ``boreas``, ``lgc_flood`` and ``saltonsea``.
"""

import argparse
import sys
import warnings
from pathlib import Path
from statistics import NormalDist

import numpy as np

import xstf
from tests.speed.accuracy import boreas, lgc
from xstf.registry import find

SCALES = {"mixed": 20, "parcels": 16, "flood": 16}  # of the scenes that intervals are of
LEVELS = np.linspace(0.05, 0.95, 19)
APART = np.timedelta64(15, "D")  # pairs of saltonsea that serve are so far from the date
CLOUDED = "2020-11-26"


def simulated(kind, seed, pairs, size, scale):
    """Return a scene of three dates, the middle one, and the truth of that date."""
    ds, truth = xstf.simulate(kind, size=size, scale=scale, dates=3, pairs=pairs, seed=seed)
    date = ds.time.values[1]
    return ds.compute(), date, truth.sel(time=date).values


def saltonsea(folder):
    paths = (f"{folder}/saltonsea/{kind}/*.tif" for kind in ("fine", "coarse"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # many of its images are empty
        series = [xstf.read_images(p) for p in paths]
        return xstf.find_observed(xstf.scene(*series), least=0.9).compute()


def off(found, truth):
    return float(np.sqrt(np.nanmean((found - truth) ** 2)))


def scores(kind, seeds, methods):
    rows = [("method, pairs", *map(str, seeds))]
    for pairs in (1, 2):
        given = [simulated(kind, seed, pairs, 400, 20) for seed in seeds]
        for name in methods:
            if pairs in find(name).pairs:
                made = [ds.stf.fuse(name, dates=d).compute().values[0] for ds, d, _ in given]
                errors = [off(m, truth) for m, (*_, truth) in zip(made, given, strict=True)]
                rows.append((f"{name}, {pairs}", *(f"{1e4 * e:.0f}" for e in errors)))
    return rows


def cases(seed, folder):
    """Yield a name, a scene, a date, its pairs and the truth; cases of one name count together."""
    for kind, scale in SCALES.items():
        for pairs in (1, 2):
            yield f"{kind}, {pairs}", *simulated(kind, seed, pairs, 320, scale), "auto"
    if folder is None:
        return
    ds, date = boreas(folder, 16).compute(), np.datetime64("2001-07-11")
    truth = ds.fine.sel(time=date).values
    yield "boreas, 1", ds, date, truth, ["2001-05-24"]
    yield "boreas, 2", ds, date, truth, "auto"
    ds = lgc(folder)[0].compute()
    date = ds.time.values[1]
    yield "lgc_flood, 1", ds, date, ds.fine.sel(time=date).values, "auto"
    ds = saltonsea(folder)
    known = [t for t in ds.time.values[ds.fine_observed.values] if str(t)[:10] != CLOUDED]
    for date in known:
        sides = (
            [t for t in known if t <= date - APART][-1:],
            [t for t in known if t >= date + APART],
        )
        if all(sides):
            both = [sides[0][0], sides[1][0]]
            truth = ds.fine.sel(time=date).values
            yield "saltonsea, 2", ds, date, truth, both
            for one in both:
                yield "saltonsea, 1", ds, date, truth, [one]


def intervals(seed, folder):
    """Return standardised errors of each case, in the order of their deviations."""
    found = {}
    for name, ds, date, truth, pairs in cases(seed, folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a held-out date is a pair that does not serve
            made = ds.stf.fuse("gpfuse", dates=date, pairs=pairs, quality=True).compute()
        error, sd = (made.fused.values[0] - truth).ravel(), made.sd.values.ravel()
        known = np.isfinite(error) & np.isfinite(sd)
        found.setdefault(name, []).append((error[known], sd[known]))
    out = {}
    for name, parts in found.items():
        error, sd = (np.concatenate(side) for side in zip(*parts, strict=True))
        out[name] = (abs(error) / sd)[np.argsort(sd, kind="stable")]
    return out


def within(apart, level):
    """Return the share of standardised errors within the interval of a level."""
    return (apart <= NormalDist().inv_cdf(0.5 + level / 2)).mean()


def show(rows):
    """Print rows of text in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        sys.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip() + "\n")


def draw(found, path):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    left.set_prop_cycle(color=plt.colormaps["tab20"].colors)
    right.set_prop_cycle(color=plt.colormaps["tab20"].colors)
    for name, apart in found.items():
        style = {"ls": "-" if name.endswith("1") else "--", "lw": 1.2, "label": name}
        left.plot(LEVELS, [within(apart, level) for level in LEVELS], **style)
        tenths = [100 * within(part, 0.9) for part in np.array_split(apart, 10)]
        right.plot(range(1, 11), tenths, marker=".", **style)
    left.plot([0, 1], [0, 1], color="k", lw=0.6)
    left.set(xlabel="interval should hold", ylabel="interval holds", xlim=(0, 1), ylim=(0, 1))
    right.axhspan(85, 95, color="0.9")
    right.set(xlabel="tenth of the pixels, by sd", ylabel="of 90 % intervals, %", ylim=(60, 101))
    right.legend(fontsize=7, ncols=2)
    figure.savefig(path, dpi=110)


def draw_flood(path):
    """Draw a flood: the truth, two predictions, and a deviation."""
    import matplotlib.pyplot as plt

    ds, date, truth = simulated("mixed", 12, 1, 400, 20)
    made = ds.stf.fuse("gpfuse", dates=date, quality=True).compute()
    other = ds.stf.fuse("sfsdaf", dates=date).compute().values[0]
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.8), layout="constrained")
    part = (slice(80, 280), slice(40, 240))
    images = {"truth": truth, "sfsdaf": other, "gpfuse": made.fused.values[0]}
    for axis, (name, image) in zip(axes, images.items(), strict=False):
        red, green, blue = image[[3, 2, 1]] / np.array([0.6, 0.25, 0.2])[:, None, None]
        axis.imshow(np.clip(np.dstack([red, green, blue]), 0, 1)[part])
        axis.set_title(name)
    sd = np.sqrt((made.sd.values[0] ** 2).mean(axis=0))[part]
    figure.colorbar(axes[3].imshow(sd, vmax=0.1), ax=axes[3])
    axes[3].set_title("sd, mean of the bands")
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = parser.add_subparsers(dest="what", required=True)
    scored = sub.add_parser("scores")
    scored.add_argument("--kind", default="mixed", choices=SCALES)
    scored.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    scored.add_argument("--methods", nargs="+", default=["gpfuse", "sfsdaf", "estarfm", "add"])
    held = sub.add_parser("intervals")
    held.add_argument("--seed", type=int, default=71)
    held.add_argument("--real", type=Path)
    held.add_argument("--picture", type=Path)
    flood = sub.add_parser("flood")
    flood.add_argument("picture", type=Path)
    given = parser.parse_args()
    if given.what == "flood":
        draw_flood(given.picture)
        return
    if given.what == "scores":
        show(scores(given.kind, given.seeds, given.methods))
        return
    found = intervals(given.seed, given.real)
    rows = [("case, pairs", "all", "by tenths of sd")]
    for name, apart in found.items():
        tenths = (f"{100 * within(part, 0.9):.0f}" for part in np.array_split(apart, 10))
        rows.append((name, f"{100 * within(apart, 0.9):.0f}", " ".join(tenths)))
    show(rows)
    if given.picture:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
