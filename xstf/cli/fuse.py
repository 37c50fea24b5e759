"""``xstf fuse``: predict fine images and write them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from xstf.cli import inputs, options, scenes
from xstf.cli.options import Dates, Pairs, Setting
from xstf.places import place_of

EXAMPLES = (
    "xstf fuse scene.zarr -m fsdaf -o fused.zarr",
    "xstf fuse scene.zarr -m starfm -o tifs --dates 2020-06-01/2020-08-31 -p window=31",
    'xstf fuse --fine "tm*" --coarse "modis*" --scale 16 --scale-factor 1e-4 \\',
    "  --fine-dates 2001-05-24,2001-07-11,2001-08-12 \\",
    "  --coarse-dates 2001-05-24,2001-07-11,2001-08-12 --bands green,red,nir \\",
    "  -m fsdaf -o fused.zarr --dates 2001-07-11 --png fused.png",
    'xstf fuse --fine "hls/*.tif" --coarse "modis/*.tif" --align -m fsdaf -o fused.zarr',
)


@click.command("fuse", epilog=options.examples(*EXAMPLES))
@scenes.of_scene
@click.option("--method", "-m", metavar="NAME", help="Name of a method, see: xstf methods.")
@click.option("--weights", metavar="FILE", help="A trained network, as xstf fit keeps it.")
@click.option(
    "--out",
    "-o",
    required=True,
    metavar="OUT",
    help="A .zarr store, by path or address, or a folder for GeoTIFFs.",
)
@click.option("--dates", type=Dates(spans=True), help="Dates to predict: a,b or start/stop.")
@click.option(
    "--pairs",
    type=Pairs(),
    default="auto",
    show_default=True,
    metavar="auto|nearest|similar|N|a,b",
    help="Dates that serve: one on each side, the nearest, the most similar coarse images, N "
    "nearest, or these.",
)
@click.option(
    "--combine",
    type=click.Choice(["temporal", "nearest"]),
    help="Predict from each pair and combine: by weights, or the nearest that has the pixel.",
)
@click.option("--param", "-p", type=Setting(), multiple=True, help="Parameter: window=41.")
@click.option("--blocksize", type=int, help="Side of a block in fine pixels.")
@click.option("--quality", is_flag=True, help="Write the method's other layers too (.zarr).")
@click.option(
    "--fill", is_flag=True, help="Keep observed pixels, predict what clouds hide (.zarr)."
)
@click.option("--dtype", help="Stored numbers: float32, or int16 with --out-scale-factor.")
@click.option("--out-scale-factor", type=float, help="Step of stored integers: 1e-4.")
@click.option(
    "--png", metavar="FILE", help="Draw the first date before, coarse, predicted (and true)."
)
@click.option("--overwrite", is_flag=True, help="Replace what was written before.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped (Zarr to Zarr).")
@click.option(
    "--append", is_flag=True, help="Extend OUT to what the scene has become (Zarr to Zarr)."
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="cpu",
    help="Where to compute; auto: on a GPU if there is one.",
)
@click.option("--workers", type=click.IntRange(1), help="Threads; default: all cores.")
@click.option(
    "--memory",
    metavar="SIZE",
    help="What the run may take, such as 1GB (Zarr to Zarr); default: 80 % of what is free.",
)
@options.debug
def command(**given: Any) -> None:
    """Predict the fine images of the dates that have only a coarse one.

    A date that is named with --dates is predicted without its own fine image, if it has one.
    Either SCENE.zarr (as xstf.save writes it) or --fine and --coarse are needed; put patterns in
    quotes. From Zarr to Zarr a run that was stopped goes on with --resume, and --append computes
    the dates that are new, or have better pairs or other images now.
    """
    scenes.check_inputs(given)
    _check_outputs(given)
    _find_method(given)
    import dask

    start = time.monotonic()
    scene = scenes.open_scene(given)
    workers = {"num_workers": given["workers"]} if given["workers"] else {}
    with dask.config.set(scheduler="threads", **workers):
        written = _write_store(given) if _from_store(given) else _write(scene, given)
        _report(given["out"], written, time.monotonic() - start)
        if given["png"]:
            click.echo(f"wrote {_draw(scene, written, given)}")


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Return what `xstf.fuse` and `xstf.fuse_store` are both asked."""
    names = ("dates", "pairs", "blocksize", "quality", "combine", "fill", "device")
    return {name: given[name] for name in names} | dict(given["param"])


def _find_method(given: dict[str, Any]) -> None:
    """Read a trained network; its name is that of the method from then on."""
    if bool(given["method"]) == bool(given["weights"]):
        raise click.UsageError("give either --method with a name, or --weights with a file")
    given["asked"] = given["method"]
    if given["weights"]:
        import xstf

        given["asked"] = xstf.load(given["weights"])
        given["method"] = given["asked"].label


def _from_store(given: dict[str, Any]) -> bool:
    """Return whether the scene goes from Zarr to Zarr as it is."""
    changed = any(given[name] is not None for name in ("valid_range", "classes", "min_seen"))
    return bool(given["scene"]) and is_store(given["out"]) and not changed


def _check_outputs(given: dict[str, Any]) -> None:
    """Refuse outputs that could not be written, before any work."""
    out, store = Path(given["out"]), is_store(given["out"])
    if given["out"].strip() in ("", "."):
        raise click.UsageError("--out is empty; give a .zarr, or a folder for GeoTIFFs")
    if out.suffix and not store and not out.is_dir():
        raise click.UsageError(
            f"--out {out} has the ending {out.suffix}; it is a .zarr, or a folder without ending, "
            f"which gets one GeoTIFF a date; such as --out {out.with_suffix('')}"
        )
    for flag in ("quality", "fill"):
        if not store and given[flag]:
            raise click.UsageError(f"--{flag} writes several layers and needs an --out with .zarr")
    _refuse_inputs(out.resolve(), given)
    if given["memory"] and not _from_store(given):
        raise click.UsageError("--memory is for runs from SCENE.zarr to an --out with .zarr")
    goes_on = [flag for flag in ("resume", "append") if given[flag]]
    if goes_on and not _from_store(given):
        raise click.UsageError(
            f"--{goes_on[0]} goes on from SCENE.zarr to an --out with .zarr, and without "
            "--valid-range, --classes and --min-seen, which belong into the scene"
        )
    if store and not (given["overwrite"] or goes_on):
        _refuse_existing(given["out"])
    if not store and out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; --out is a folder or a .zarr")
    if given["png"]:
        _check_png(Path(given["png"]), given["overwrite"])


def _refuse_existing(out: str) -> None:
    """Raise where a store lies already, and say what can be done with it there."""
    place = place_of(out)
    if not place.exists():
        return
    extend = "extend it to what the scene has become with --append, " if place.growth() else ""
    anew = "replace it with --overwrite" if place.replacement() else "delete it yourself"
    raise FileExistsError(
        f"{out} exists; give another --out, go on with a run that was stopped with --resume, "
        f"{extend}or {anew}"
    )


def _check_png(png: Path, overwrite: bool) -> None:
    """Refuse pictures that could not be written."""
    from xstf.plot import check_installed

    check_installed()
    if png.suffix.lower() not in (".png", ".jpg", ".pdf", ".svg"):
        raise click.UsageError(f"--png {png} must end in .png (or .jpg, .pdf, .svg)")
    if not png.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder for --png {png}")
    if png.exists() and not overwrite:
        raise FileExistsError(f"{png} exists; give another --png, or replace it with --overwrite")


def is_store(out: str) -> bool:
    """Return whether the output is a Zarr store; else it is a folder of GeoTIFFs."""
    return Path(out).suffix.lower() == ".zarr" or "://" in out


def _refuse_inputs(out: Path, given: dict[str, Any]) -> None:
    """Refuse to write among the inputs, where a result would pass for an observation."""
    if given["scene"]:
        scene = Path(given["scene"]).resolve()
        if out == scene or scene in out.parents:
            raise click.UsageError("--out is the scene itself, or lies in it; give another path")
    for pattern in (*given["fine"], *given["coarse"]):
        if not is_store(given["out"]) and Path(pattern).parent.resolve() == out:
            raise click.UsageError(
                f"--out is the folder of {pattern}, where results would be taken for images next "
                "time; give another folder"
            )


def _write_store(given: dict[str, Any]) -> Any:
    """Predict from Zarr to Zarr, and return the result, opened where it lies."""
    import xstf

    try:
        xstf.fuse_store(
            given["scene"],
            given["out"],
            given["asked"],
            fine=given["fine_name"],
            coarse=given["coarse_name"],
            dtype=given["dtype"],
            scale_factor=given["out_scale_factor"],
            resume=given["resume"],
            overwrite=given["overwrite"],
            append=given["append"],
            workers=given["workers"],
            memory_limit=given["memory"],
            **_asked(given),
        )
    except KeyboardInterrupt:
        if place_of(given["out"]).exists():
            flag = "append" if given["append"] else "resume"
            click.echo(f"What is done is kept; --{flag} goes on.", err=True)
        raise
    return inputs.open_zarr(given["out"])["fused"]


def _write(scene: Any, given: dict[str, Any]) -> Any:
    """Predict and write, and return the result, opened where it lies."""
    import xstf
    from xstf.progress import progress

    fused = xstf.fuse(scene, given["asked"], **_asked(given))
    layer = fused["fused"] if given["quality"] or given["fill"] else fused
    out, packing = given["out"], {"scale_factor": given["out_scale_factor"]}
    replace = {"overwrite": given["overwrite"]}
    with progress(layer.data.npartitions, given["method"]):
        if is_store(out):
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
    from xstf.dates import find_dates
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
