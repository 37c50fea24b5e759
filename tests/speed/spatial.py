"""What a learned spatial prediction does for FSDAF on the real scenes, and what its training costs.

Run ``python -m tests.speed.spatial boreas FOLDER``, or ``lgc_flood``. The shift of ``boreas`` is
mended by 7 rows and 17 columns; networks are trained on its two known dates, and on the one pair of
``lgc_flood``.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

import xstf
from tests.speed.accuracy import boreas, lgc
from tests.speed.learning import errors, row

SHIFT = 7, 17  # coarse(y, x) shows fine(y + 7, x + 17)
MAY, AUGUST = {"pairs": ["2001-05-24"]}, {"pairs": ["2001-08-12"]}
BOTH = {"combine": "temporal"}


def mended(folder):
    """Return boreas without its shift, cut to whole cells."""
    ds, side = boreas(folder, 1), 16
    size = [n - n % side for n in (ds.sizes["y"] - SHIFT[0], ds.sizes["x"] - SHIFT[1])]
    fine = ds.fine.values[..., SHIFT[0] :, SHIFT[1] :][..., : size[0], : size[1]]
    coarse = ds.coarse.values[..., : size[0], : size[1]]
    coords = {"time": ds.time.values, "band": ds.band.values}
    images = (xr.DataArray(v, dims=ds.fine.dims, coords=coords) for v in (fine, coarse))
    return xstf.scene(*images, scale=side)


def rows_of(name, folder):
    """Return the scene, its target, and what is predicted: label, method, options."""
    if name == "lgc_flood":
        plain = [("add", "add", {}), ("fsdaf", "fsdaf", {})]
        return lgc(folder)[0], "2004-12-28", plain, [("msisr", "msisr", {})]
    plain = [
        ("add, May", "add", MAY), ("add, August", "add", AUGUST), ("add, both sides", "add", {}),
        ("estarfm", "estarfm", {}), ("fsdaf, May", "fsdaf", MAY),
        ("fsdaf, August", "fsdaf", AUGUST), ("fsdaf, both sides", "fsdaf", BOTH),
    ]  # fmt: skip
    learned = [
        ("msisr, May", "msisr", MAY), ("msisr, August", "msisr", AUGUST),
        ("msisr, both sides", "msisr", BOTH), ("cyclegan", "cyclegan", {}),
    ]  # fmt: skip
    return mended(folder), "2001-07-11", plain, learned


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", choices=("boreas", "lgc_flood"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=["msisr", "cyclegan"])
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", ".*beat the trivial", UserWarning)
    ds, date, plain, learned = rows_of(asked.scene, asked.folder)
    for label, method, options in plain:
        row(label, errors(ds.stf.fuse(method, dates=date, **options).compute(), ds.fine))
    known = ds.sel(time=ds.time != np.datetime64(date))
    sizes = {
        "msisr": {"width": 24, "blocks": 4, "epochs": 40, "rate": 1e-3},
        "cyclegan": {"width": 8, "blocks": 3, "epochs": 8, "rate": 1e-3},
    }
    for name in asked.only:
        uses = [(label, options) for label, method, options in learned if method == name]
        found, seconds = {label: [] for label, _ in uses}, []
        for seed in asked.seed:
            start = time.process_time()
            fitted = xstf.fit(known, name, seed=seed, progress=False, **sizes[name])
            seconds.append(time.process_time() - start)
            for label, options in uses:
                fused = ds.stf.fuse(fitted, dates=date, **options).compute()
                found[label].append(errors(fused, ds.fine))
        for label, rows in found.items():
            spread = np.std(np.mean(rows, axis=1))
            row(label, np.mean(rows, axis=0), spread, np.mean(seconds))


if __name__ == "__main__":
    main()
