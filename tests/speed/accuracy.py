"""What the methods score on the real scenes, beside doing nothing.

Run ``python -m tests.speed.accuracy FOLDER``, where FOLDER holds ``boreas`` and ``lgc_flood`` as
they are distributed with the ESTARFM and FSDAF programs (ENVI, green, red, near infrared).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import xstf
from xstf.methods._classes import FEW, class_changes
from xstf.registry import find, names
from xstf.report import table

BANDS = ["green", "red", "nir"]


def read(folder, kind, names, dates):
    paths = [folder / f"{kind}{n}" for n in names]
    return xstf.read_images(paths, dates=dates, bands=BANDS, scale_factor=1e-4).compute()


def boreas(folder, scale):
    dates, days = ["2001-05-24", "2001-07-11", "2001-08-12"], ["0524", "0711", "0812"]
    images = [read(folder / "boreas", kind, days, dates) for kind in ("tm", "modis")]
    return xstf.scene(*images, scale=scale)


def lgc(folder):
    dates = ["2004-11-26", "2004-12-28"]
    days = [d.replace("-", "") for d in dates]
    images = (read(folder / "lgc_flood", kind, days, dates) for kind in ("Landsat", "MODIS"))
    labels = np.fromfile(folder / "lgc_flood/Landsat20041126_SVM_classification", np.uint8)
    return xstf.scene(*images, scale=16), labels.reshape(480, 480)


def rows_of_boreas(folder):
    native, shipped = boreas(folder, 16), boreas(folder, 1)
    may, date = {"pairs": ["2001-05-24"]}, "2001-07-11"
    yield "pair 05-24 unchanged", native, native.fine[:1].assign_coords(time=native.time[1:2])
    for name, ds, method, options in (
        ("add", native, "add", may),
        ("add, both sides", native, "add", {}),
        ("starfm, as shipped", shipped, "starfm", may),
        ("starfm", native, "starfm", may),
        ("starfm, both sides", native, "starfm", {}),
        ("fsdaf", native, "fsdaf", may),
        ("sfsdaf", native, "sfsdaf", may),
        ("ubdf", native, "ubdf", may),
        ("stdfa", native, "stdfa", may),
        ("strum", native, "strum", may),
        ("strum, paper", native, "strum", {**may, "rule": "paper"}),
        ("vipstf", native, "vipstf", may),
        ("vipstf, both sides", native, "vipstf", {}),
        ("fitfc", native, "fitfc", may),
        ("stnlffm", native, "stnlffm", may),
        ("stnlffm, both sides", native, "stnlffm", {}),
        ("hcm", native, "hcm", may),
        ("gpfuse", native, "gpfuse", may),
        ("gpfuse, both sides", native, "gpfuse", {}),
        ("estarfm", native, "estarfm", {}),
        ("estarfm, as shipped", shipped, "estarfm", {}),
        ("estarfm code, as shipped", shipped, "estarfm", {"slope": "code"}),
    ):
        yield name, ds, ds.stf.fuse(method, dates=date, **options)


def gain_of_mending(folder):
    """Return the lines of a table: RMSE before and after, on the pixels that are left."""
    ds, date = boreas(folder, 16), "2001-07-11"
    found = xstf.estimate_shift(ds)
    mended = xstf.mend_shift(ds, found)
    yield (
        f"shift {found.dy.item():.1f} {found.dx.item():.1f}; by date "
        f"{found.dy_of_date.values.round(1)} {found.dx_of_date.values.round(1)}; correlation "
        f"{found.before.mean().item():.2f} before, {found.after.mean().item():.2f} after"
    )
    yield f"{'RMSE x 10^4':20} {'as shipped':^20}  {'mended':^20}    gain"
    for name in names():
        if find(name).trivial and name != "add":
            continue
        for count, pairs in ((1, ["2001-05-24"]), (2, "auto")):
            if count not in find(name).pairs:
                continue
            both = []
            for scene in (ds, mended):
                fused = scene.stf.fuse(name, dates=date, pairs=pairs).sel(y=mended.y, x=mended.x)
                off = (fused - mended.fine.sel(time=date)).compute()
                both.append(1e4 * np.sqrt((off**2).mean(("time", "y", "x"))).values)
            shipped, better = ("".join(f"{v:7.1f}" for v in values) for values in both)
            gain = 100 * (1 - both[1].mean() / both[0].mean())
            label = f"{name}, both sides" if count == 2 else name
            yield f"{label:20}{shipped}  {better}  {gain:5.1f} %"


def rows_of_lgc(folder):
    ds, labels = lgc(folder)
    named = ds.assign(classes=(("y", "x"), labels))
    yield "pair unchanged", ds, ds.fine[:1].assign_coords(time=ds.time[1:2])
    for name, scene, method, options in (
        ("add", ds, "add", {}),
        ("starfm", ds, "starfm", {}),
        ("fsdaf", ds, "fsdaf", {}),
        ("fsdaf, 100 pure cells", ds, "fsdaf", {"num_pure": 100}),
        ("the same, shipped classes", named, "fsdaf", {"num_pure": 100}),
        ("fsdaf, cubic", ds, "fsdaf", {"spatial": "cubic"}),
        ("sfsdaf", ds, "sfsdaf", {}),
        ("ubdf", ds, "ubdf", {}),
        ("stdfa", ds, "stdfa", {}),
        ("strum", ds, "strum", {}),
        ("strum, paper", ds, "strum", {"rule": "paper"}),
        ("vipstf", ds, "vipstf", {}),
        ("fitfc", ds, "fitfc", {}),
        ("stnlffm", ds, "stnlffm", {}),
        ("hcm", ds, "hcm", {}),
        ("gpfuse", ds, "gpfuse", {}),
    ):
        yield name, ds, scene.stf.fuse(method, dates="2004-12-28", **options)


def zhu():
    """Return the lines of the FSDAF paper's scene: class changes, and RMSE by window."""
    ds, truth = xstf.simulate("zhu")
    shares = np.array(
        [
            (ds.classes.values == c).reshape(30, 16, 30, 16).mean(axis=(1, 3)).ravel()
            for c in (1, 2, 3)
        ]
    )
    step = (ds.coarse[1, 0] - ds.coarse[0, 0]).values.astype(float).ravel()
    yield f"class changes {class_changes(shares, step, round(FEW * 900)).round(4)}"
    for window in (17, 41):
        fused = ds.stf.fuse("fsdaf", window=window)
        yield f"window {window}: RMSE {float(xstf.score(fused, truth).rmse.mean()):.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for title, rows in (
        ("boreas", rows_of_boreas),
        ("lgc_flood", rows_of_lgc),
    ):
        scores = {
            name: xstf.score(image, ds.fine, scale=16).compute() for name, ds, image in rows(folder)
        }
        sys.stdout.write(f"{title}\n{table(scores)}\n\n")
    sys.stdout.write("\n".join(["boreas, its shift mended", *gain_of_mending(folder), "", ""]))
    sys.stdout.write(
        "\n".join(["the scene of Zhu et al. (2016), figure 2, drawn anew", *zhu(), ""])
    )


if __name__ == "__main__":
    main()
