"""What networks score beside doing nothing and ESTARFM, and what their training costs.

Run ``python -m tests.speed.learning simulated``, or ``boreas``, ``mended`` (boreas with its shift
mended by hand) or ``saltonsea`` with the FOLDER that holds them. Networks are trained on the known
dates alone; late dates of ``saltonsea`` are predicted by networks that were trained on early ones.
``untrained`` is a network that has learned nothing: the fine image plus the coarse change that
pixels alike share (``--set alike=none``: that of the cells), weighed between both sides.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

import xstf
from tests.speed.accuracy import boreas
from xstf.cli.options import value_of
from xstf.nn import NETWORKS

PLAIN = {
    "add, nearest": ("add", {"pairs": "nearest"}),
    "add, both sides": ("add", {}),
    "estarfm": ("estarfm", {}),
    "fsdaf": ("fsdaf", {"pairs": "nearest"}),
}


def simulated(_, seed, size, dates, pairs):
    """Return the scene to train on, that to predict on, the dates, and the truth."""
    bands = ("green", "red", "nir")
    ds, truth = xstf.simulate(
        "parcels", size=size, scale=16, dates=dates, pairs=pairs, bands=bands, seed=seed
    )
    return ds, ds, None, truth


def of_boreas(folder, *_):
    ds = boreas(folder, 16).compute()
    blind = ds.isel(time=[0, 2])
    return blind, ds, "2001-07-11", ds.fine


def of_mended(folder, *_):
    """Boreas without the rows and columns by which its coarse images lie off, on whole cells."""
    ds = boreas(folder, 1).compute()
    down, right = 7, 17
    side = (400 - right) // 16 * 16
    fine = ds.fine[..., down : down + side, right : right + side]
    coarse = ds.coarse[..., :side, :side].values
    coords = {n: fine[n] for n in ("time", "band", "y", "x")}
    ds = xstf.scene(fine, xr.DataArray(coarse, coords, fine.dims), scale=16)
    return ds.isel(time=[0, 2]), ds, "2001-07-11", ds.fine


def of_saltonsea(folder, *_):
    good = [
        "2020-10-02", "2020-10-07", "2020-10-12", "2020-10-17", "2020-10-22", "2020-10-27",
        "2020-11-11", "2020-11-21", "2020-12-01", "2020-12-11", "2020-12-21", "2020-12-31",
    ]  # fmt: skip
    folder = folder / "saltonsea"
    fine = xstf.read_images([folder / "fine" / f"{d}_fine.tif" for d in good], dates=good)
    coarse = xstf.read_images([folder / "coarse" / f"{d}_coarse.tif" for d in good], dates=good)
    ds = xstf.find_observed(xstf.scene(fine, coarse)).compute()
    return ds.isel(time=slice(0, 6)), ds, good[7:-1:2], ds.fine


SCENES = {
    "simulated": simulated,
    "boreas": of_boreas,
    "mended": of_mended,
    "saltonsea": of_saltonsea,
}


def setting(text):
    name, value = text.split("=")
    return name, value_of(value)


def errors(predicted, truth):
    """Return the RMSE of each band x 10^4, the mean over dates."""
    off = predicted - truth.sel(time=predicted.time)
    return 1e4 * np.sqrt((off.astype(float) ** 2).mean(("y", "x"))).mean("time").values


def row(name, found, spread=None, seconds=None):
    bands = " ".join(f"{v:7.1f}" for v in [*found, found.mean()])
    more = "" if spread is None else f"   +- {spread:.1f}"
    more += "" if seconds is None else f"   {seconds:6.0f} CPU-s to train"
    sys.stdout.write(f"{name:18} {bands}{more}\n")
    sys.stdout.flush()


def trained(name, given, scene, dates, truth, seeds, title):
    """Train with several seeds and print the mean, the spread, and the time of one training."""
    learn, ds = scene
    rows, seconds = [], []
    for seed in seeds:
        start = time.process_time()
        fitted = xstf.fit(learn, name, seed=seed, **given)
        seconds.append(time.process_time() - start)
        rows.append(errors(ds.stf.fuse(fitted, dates=dates).compute(), truth))
    mean = np.mean(rows, axis=0)
    spread = np.std(np.mean(rows, axis=1)) if len(rows) > 1 else None
    row(title, mean, spread, np.mean(seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--network", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--seed", type=int, nargs="*", default=[0], help="of the training")
    parser.add_argument("--scene-seed", type=int, nargs="*", default=[1], help="of the simulation")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--set", nargs="*", default=[], type=setting, metavar="NAME=VALUE")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--dates", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "does not beat|.*beat the trivial", UserWarning)
    kinds = asked.scene_seed if asked.scene == "simulated" else [None]
    for kind in kinds:
        made = SCENES[asked.scene](asked.folder, kind, asked.size, asked.dates, asked.pairs)
        learn, ds, dates, truth = made
        names = " ".join(f"{b!s:>7}" for b in [*np.atleast_1d(ds.band.values), "mean"])
        title = asked.scene if kind is None else f"{asked.scene} {kind}"
        sys.stdout.write(f"{title:18} {names}   RMSE x 10^4, width {asked.width}\n")
        for name, (method, options) in PLAIN.items():
            row(name, errors(ds.stf.fuse(method, dates=dates, **options).compute(), truth))
        given = {"width": asked.width, "epochs": asked.epochs, "device": asked.device}
        given |= {"progress": False, **dict(asked.set)}
        nothing = {**given, "width": 1, "epochs": 1, "rate": 1e-12}
        trained("hcnn", nothing, (learn, ds), dates, truth, asked.seed[:1], "untrained")
        for name in asked.network:
            trained(name, given, (learn, ds), dates, truth, asked.seed, name)


if __name__ == "__main__":
    main()
