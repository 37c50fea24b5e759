"""``xstf score``: how close images are to the truth."""

from __future__ import annotations

from typing import Any

import click

from xstf.cli import inputs, options
from xstf.cli.options import Dates, Names

EXAMPLES = (
    "xstf score fused.zarr scene.zarr",
    "xstf score fused.zarr truth.zarr --scene scene.zarr",
    "xstf score fused.zarr tm0711 --dates 2001-07-11 --scale-factor 1e-4 \\",
    "  --bands green,red,nir --scale 16",
)


@click.command("score", epilog=options.examples(*EXAMPLES))
@click.argument("predicted")
@click.argument("truth")
@click.option("--scene", metavar="SCENE.zarr", help="Score doing nothing too, where TRUTH is none.")
@click.option("--scale", type=float, help="Fine pixels per coarse cell; ERGAS needs it.")
@click.option("--predicted-dates", type=Dates(), help="Dates of PREDICTED files.")
@click.option("--dates", type=Dates(), help="Dates of TRUTH files; default: from their names.")
@click.option("--scale-factor", type=float, help="Stored numbers of TRUTH files to units: 1e-4.")
@click.option("--bands", type=Names(), help="Names of the bands of TRUTH files.")
@click.option("--factor", type=float, help="Print RMSE times this; default 1e4 for reflectance.")
@options.debug
def command(predicted: str, truth: str, **given: Any) -> None:
    """Print how close PREDICTED is to TRUTH, one row a date, and what doing nothing scores.

    PREDICTED is a .zarr with the variable fused, an image file, a quoted pattern or a folder of
    GeoTIFFs. TRUTH is a .zarr with the variable fine, such as a scene, or image files. Where it is
    a scene, or --scene names one, a second table has the rows that take no method.
    """
    import xstf
    from xstf.report import table

    ours = inputs.open_images(predicted, "fused", dates=given["predicted_dates"])
    theirs = inputs.open_images(
        truth,
        "fine",
        dates=given["dates"],
        scale_factor=given["scale_factor"],
        bands=given["bands"],
    )
    scene = _scene(truth, given["scene"])
    if not given["scene"] and scene is not None and "fine_observed" in scene:
        theirs = theirs.isel(time=scene["fine_observed"].values)  # scraps are no truth
    ours, theirs = _meet(ours, theirs)
    name = str(ours.attrs.get("method", "predicted"))
    found = xstf.score({name: ours}, theirs, scale=given["scale"], scene=scene).compute()
    own = found.sel(name=name)
    seen = own["rmse"].notnull().any("band").values
    if not seen.any():
        raise ValueError(f"{truth} has no pixel on the dates of {predicted}, so nothing is scored")
    if not seen.all():
        click.echo(f"left out, without a true pixel: {_some(own['time'].values[~seen])}", err=True)
    dates, factor = own["time"].values[seen], given["factor"] or _factor(ours)
    rows = {inputs.day(date): own.sel(time=date) for date in dates}
    if len(rows) > 1:
        rows["all"] = own.sel(time=dates)
    click.echo(table(rows, factor=factor))
    if scene is not None:
        click.echo(f"\n{table(found.sel(time=dates), factor=factor)}")


def _scene(truth: str, named: str | None) -> Any:
    """Return the scene that do-nothing predictions are made of, or None."""
    import xstf

    if named:
        return xstf.open_scene(named)
    if not (inputs.is_zarr(truth) and {"fine", "coarse"} <= set(inputs.open_zarr(truth))):
        return None
    return xstf.open_scene(truth)


def _meet(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return both with dates in common; a side that names no bands or places takes the other's."""
    import numpy as np

    common = np.intersect1d(ours["time"].values, theirs["time"].values)
    if not len(common):
        days = [", ".join(inputs.day(t) for t in a["time"].values[:4]) for a in (ours, theirs)]
        raise ValueError(f"no date in common: PREDICTED has {days[0]}; TRUTH {days[1]}")
    lost = np.setdiff1d(ours["time"].values, common)
    if lost.size:
        click.echo(f"left out, without a true image: {_some(lost)}", err=True)
    ours, theirs = ours.sel(time=common), theirs.sel(time=common)
    for one, other, name in ((ours, theirs, "TRUTH"), (theirs, ours, "PREDICTED")):
        if _numbered(other) and not _numbered(one) and one.sizes["band"] == other.sizes["band"]:
            bands = ", ".join(map(str, one["band"].values))
            click.echo(f"the bands of {name} have no names; read in this order: {bands}", err=True)
            other.coords["band"] = one["band"].values
    _same_bands(ours, theirs)
    for dim in ("y", "x"):
        if (dim in ours.coords) != (dim in theirs.coords) and ours.sizes[dim] == theirs.sizes[dim]:
            ours, theirs = (a.drop_vars(dim, errors="ignore") for a in (ours, theirs))
    return ours, theirs


def _same_bands(ours: Any, theirs: Any) -> None:
    one, other = ([str(band) for band in a["band"].values] for a in (ours, theirs))
    if sorted(one) != sorted(other):
        raise ValueError(
            f"the bands differ: PREDICTED has {', '.join(one)}; TRUTH {', '.join(other)}. Name "
            f"those of image files: --bands {','.join(one)}"
        )


def _some(dates: Any) -> str:
    more = f" and {len(dates) - 5} more" if len(dates) > 5 else ""
    return ", ".join(inputs.day(date) for date in dates[:5]) + more


def _numbered(images: Any) -> bool:
    return "band" not in images.coords or images["band"].dtype.kind in "iu"


def _factor(predicted: Any) -> float:
    """Return 1e4 for reflectance, 1 for temperature, an index and the like."""
    ours = "xstf_version" in predicted.attrs  # then no valid range means that there is none
    limits = predicted.attrs.get("scene_range", None if ours else (0, 1))
    return 1e4 if limits is not None and max(map(abs, limits)) <= 2 else 1.0
