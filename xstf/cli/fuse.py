"""``xstf fuse``: predict fine images and write them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from xstf.cli import inputs, options
from xstf.cli.options import Dates, Names, Pairs, Range, Setting

_OF_FILES = {
    "fine_dates": "--fine-dates",
    "coarse_dates": "--coarse-dates",
    "bands": "--bands",
    "scale": "--scale",
    "scale_factor": "--scale-factor",
    "fine_scale_factor": "--fine-scale-factor",
    "coarse_scale_factor": "--coarse-scale-factor",
    "nodata": "--nodata",
}

EXAMPLES = (
    "xstf fuse scene.zarr -m fsdaf -o fused.zarr",
    "xstf fuse scene.zarr -m starfm -o tifs --dates 2020-06-01/2020-08-31 -p window=31",
    'xstf fuse --fine "tm*" --coarse "modis*" --scale 16 --scale-factor 1e-4 \\',
    "  --fine-dates 2001-05-24,2001-07-11,2001-08-12 \\",
    "  --coarse-dates 2001-05-24,2001-07-11,2001-08-12 --bands green,red,nir \\",
    "  -m fsdaf -o fused.zarr --dates 2001-07-11 --png fused.png",
)


@click.command("fuse", epilog=options.examples(*EXAMPLES))
@click.argument("scene", nargs=-1, metavar="[SCENE.zarr]")
@click.option(
    "--method", "-m", required=True, metavar="NAME", help="Name of a method, see: xstf methods."
)
@click.option(
    "--out", "-o", required=True, metavar="OUT", help="A .zarr store, or a folder for GeoTIFFs."
)
@click.option("--fine", multiple=True, metavar="PATTERN", help='Fine images: "fine/*.tif".')
@click.option("--coarse", multiple=True, metavar="PATTERN", help='Coarse ones: "coarse/*.tif".')
@click.option("--fine-dates", type=Dates(), help="Their dates; default: from the file names.")
@click.option("--coarse-dates", type=Dates(), help="Likewise, in the order of the file names.")
@click.option("--bands", type=Names(), help="Names of the bands of the files.")
@click.option("--scale", type=int, help="Fine pixels per coarse cell; for equal grids.")
@click.option("--scale-factor", type=float, help="Stored numbers to reflectance, of all: 1e-4.")
@click.option("--fine-scale-factor", type=float, help="Of the fine images alone.")
@click.option("--coarse-scale-factor", type=float, help="Of the coarse images alone.")
@click.option("--nodata", type=float, help="The stored number that means missing.")
@click.option("--valid-range", type=Range(), help="Default: as the scene says, else 0,1.")
@click.option(
    "--min-seen",
    type=float,
    help="Least share of an image, for series with empty files.",
)
@click.option("--classes", metavar="FILE", help="Class map on the fine grid, an image file.")
@click.option("--fine-name", default="fine", show_default=True, help="Variable of the scene.")
@click.option("--coarse-name", default="coarse", show_default=True, help="Variable of the scene.")
@click.option("--dates", type=Dates(spans=True), help="Dates to predict: a,b or start/stop.")
@click.option(
    "--pairs",
    type=Pairs(),
    default="auto",
    show_default=True,
    metavar="auto|nearest|N|a,b",
    help="Dates that serve: one on each side, the nearest, N nearest, or these.",
)
@click.option("--param", "-p", type=Setting(), multiple=True, help="Parameter: window=41.")
@click.option("--blocksize", type=int, help="Side of a block in fine pixels.")
@click.option("--quality", is_flag=True, help="Write the method's other layers too (.zarr).")
@click.option("--dtype", help="Stored numbers: float32, or int16 with --out-scale-factor.")
@click.option("--out-scale-factor", type=float, help="Step of stored integers: 1e-4.")
@click.option(
    "--png", metavar="FILE", help="Draw the first date before, coarse, predicted (and true)."
)
@click.option("--overwrite", is_flag=True, help="Replace what was written before.")
@click.option("--workers", type=click.IntRange(1), help="Threads; default: all cores.")
@options.debug
def command(**given: Any) -> None:
    """Predict the fine images of the dates that have only a coarse one.

    A date that is named with --dates is predicted without its own fine image, if it has one.
    Either SCENE.zarr (as xstf.save writes it) or --fine and --coarse are needed; put patterns in
    quotes.
    """
    _check_inputs(given)
    _check_outputs(given)
    import dask

    import xstf

    start = time.monotonic()
    scene = _scene(given)
    fused = xstf.fuse(
        scene,
        given["method"],
        dates=given["dates"],
        pairs=given["pairs"],
        blocksize=given["blocksize"],
        quality=given["quality"],
        **dict(given["param"]),
    )
    workers = {"num_workers": given["workers"]} if given["workers"] else {}
    with dask.config.set(scheduler="threads", **workers):
        written = _write(fused, given)
        _report(given["out"], written, time.monotonic() - start)
        if given["png"]:
            click.echo(f"wrote {_draw(scene, written, given)}")


def _check_inputs(given: dict[str, Any]) -> None:
    """Refuse anything but a scene, or files of both kinds."""
    if len(given["scene"]) > 1:
        raise click.UsageError(
            f"there are {len(given['scene'])} names after the options, such as "
            f"{given['scene'][0]!r}; the shell spelt out a pattern. Put patterns in quotes: "
            '--fine "fine/*.tif"'
        )
    given["scene"] = given["scene"][0] if given["scene"] else None
    files = bool(given["fine"]), bool(given["coarse"])
    if given["scene"] and any(files):
        raise click.UsageError(
            f"give either SCENE.zarr or --fine and --coarse, not both; {given['scene']!r} was read "
            'as SCENE.zarr. Put patterns in quotes: --fine "fine/*.tif"'
        )
    if not given["scene"] and not all(files):
        raise click.UsageError(
            "there is nothing to fuse; give either SCENE.zarr, or --fine and --coarse with the "
            "image files"
        )
    if given["scene"]:
        wrong = [flag for name, flag in _OF_FILES.items() if given[name] is not None]
        if wrong:
            raise click.UsageError(f"{wrong[0]} is for image files; a scene knows it itself")
    elif (given["fine_name"], given["coarse_name"]) != ("fine", "coarse"):
        raise click.UsageError("--fine-name and --coarse-name are for SCENE.zarr, not for files")


def _check_outputs(given: dict[str, Any]) -> None:
    """Refuse outputs that could not be written, before any work."""
    out = Path(given["out"])
    if given["out"].strip() in ("", "."):
        raise click.UsageError("--out is empty; give a .zarr, or a folder for GeoTIFFs")
    if out.suffix and not is_store(out) and not out.is_dir():
        raise click.UsageError(
            f"--out {out} has the ending {out.suffix}; it is a .zarr, or a folder without ending, "
            f"which gets one GeoTIFF a date; such as --out {out.with_suffix('')}"
        )
    if not is_store(out) and given["quality"]:
        raise click.UsageError("--quality writes several layers and needs an --out with .zarr")
    _refuse_inputs(out.resolve(), given)
    if is_store(out) and out.exists() and not given["overwrite"]:
        raise FileExistsError(f"{out} exists; give another --out, or replace it with --overwrite")
    if not is_store(out) and out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; --out is a folder or a .zarr")
    if given["png"]:
        from xstf.plot import check_installed

        check_installed()
        if Path(given["png"]).suffix.lower() not in (".png", ".jpg", ".pdf", ".svg"):
            raise click.UsageError(f"--png {given['png']} must end in .png (or .jpg, .pdf, .svg)")
        if not Path(given["png"]).absolute().parent.is_dir():
            raise FileNotFoundError(f"there is no folder for --png {given['png']}")
        if Path(given["png"]).exists() and not given["overwrite"]:
            raise FileExistsError(
                f"{given['png']} exists; give another --png, or replace it with --overwrite"
            )


def is_store(out: Path) -> bool:
    """Return whether the output is a Zarr store; else it is a folder of GeoTIFFs."""
    return out.suffix.lower() == ".zarr"


def _refuse_inputs(out: Path, given: dict[str, Any]) -> None:
    """Refuse to write among the inputs, where a result would pass for an observation."""
    if given["scene"]:
        scene = Path(given["scene"]).resolve()
        if out == scene or scene in out.parents:
            raise click.UsageError("--out is the scene itself, or lies in it; give another path")
    for pattern in (*given["fine"], *given["coarse"]):
        if not is_store(out) and Path(pattern).parent.resolve() == out:
            raise click.UsageError(
                f"--out is the folder of {pattern}, where results would be taken for images next "
                "time; give another folder"
            )


def _scene(given: dict[str, Any]) -> Any:
    import xstf

    classes = inputs.read_classes(given["classes"]) if given["classes"] else None
    if given["scene"]:
        scene = xstf.open_scene(
            given["scene"], fine=given["fine_name"], coarse=given["coarse_name"]
        )
        if given["valid_range"] is not None:
            scene.attrs["valid_range"] = options.limits(given["valid_range"])
        if classes is not None:
            scene = scene.assign(classes=(("y", "x"), classes))
    else:
        fine, coarse = (_files(given, kind) for kind in ("fine", "coarse"))
        extra = {} if given["valid_range"] is None else {"valid_range": given["valid_range"]}
        limits = {name: options.limits(value) for name, value in extra.items()}
        scene = xstf.scene(fine, coarse, scale=given["scale"], classes=classes, **limits)
    if given["min_seen"] is not None:
        scene = xstf.find_observed(scene, least=given["min_seen"])
    return scene


def _files(given: dict[str, Any], kind: str) -> Any:
    import xstf

    own = given[f"{kind}_scale_factor"]
    files = given[kind][0] if len(given[kind]) == 1 else list(given[kind])
    return xstf.read_images(
        files,
        dates=given[f"{kind}_dates"],
        bands=given["bands"],
        scale_factor=given["scale_factor"] if own is None else own,
        nodata=given["nodata"],
    )


def _write(fused: Any, given: dict[str, Any]) -> Any:
    """Write the result and return it, opened where it lies."""
    import xstf
    from xstf.progress import progress

    layer = fused["fused"] if given["quality"] else fused
    out, packing = given["out"], {"scale_factor": given["out_scale_factor"]}
    replace = {"overwrite": given["overwrite"]}
    with progress(layer.data.npartitions, given["method"]):
        if is_store(Path(out)):
            xstf.save(fused, out, dtype=given["dtype"], **packing, **replace)
            return inputs.open_zarr(out)["fused"]
        paths = xstf.write_images(
            fused, out, dtype=given["dtype"] or "float32", **packing, **replace
        )
    dates = [inputs.day(t) for t in fused["time"].values]
    read = xstf.read_images(paths, dates=dates, bands=fused["band"].values)
    return read.assign_coords(pair_dates=("time", fused["pair_dates"].values), y=fused.y, x=fused.x)


def _report(out: str, fused: Any, seconds: float) -> None:
    """Say what was written, for which dates, and from which pairs."""
    sizes = fused.sizes
    click.echo(
        f"wrote {out}: {inputs.plural(sizes['time'], 'date')}, "
        f"{inputs.plural(sizes['band'], 'band')}, {sizes['y']} x {sizes['x']} pixels, "
        f"{seconds:.1f} s"
    )
    shown = list(zip(fused["time"].values, fused["pair_dates"].values, strict=True))
    for date, pairs in shown[:20]:
        click.echo(f"  {inputs.day(date)}  from {pairs}")
    if len(shown) > 20:
        click.echo(f"  and {len(shown) - 20} more: xstf info {out}")


def _draw(scene: Any, fused: Any, given: dict[str, Any]) -> Path:
    """Draw the first predicted date beside what it was made from, and the truth if there is one."""
    from xstf.checks import take_apart
    from xstf.pairing import find_dates
    from xstf.plot import overview

    parts = take_apart(scene).ds
    first = fused.isel(time=0)
    date = first["time"].values
    images = {}
    for pair in str(first["pair_dates"].values).split(" ")[:2]:
        images[f"fine {pair}"] = parts["fine"][find_dates(parts["time"].values, pair)[0]]
    images[f"coarse {inputs.day(date)}"] = parts["coarse"].sel(time=date)
    name, errors = f"{given['method']} {inputs.day(date)}", {}
    images[name] = first
    stretch = [n for n in images if n.startswith("fine")]
    truth = parts["fine"].sel(time=date).load()
    if bool(truth.notnull().any()):
        images[f"true {inputs.day(date)}"] = truth
        errors[f"error of {given['method']}"] = first.copy(data=first.values - truth.values)
    return overview(images, given["png"], errors=errors, stretch=stretch)
