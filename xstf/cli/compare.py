"""``xstf compare``: which method suits a scene, by holding out each fine image in turn."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from xstf.cli import inputs, options, scenes
from xstf.cli.options import Dates, Names, value_of

EXAMPLES = (
    "xstf compare scene.zarr --report report.html",
    "xstf compare scene.zarr -m starfm -m fsdaf:window=17 --gap 20 --csv scores.csv",
    'xstf compare --fine "tm*" --coarse "modis*" --scale 16 --scale-factor 1e-4 \\',
    "  --fine-dates 2001-05-24,2001-07-11,2001-08-12 \\",
    "  --coarse-dates 2001-05-24,2001-07-11,2001-08-12 --dates 2001-07-11",
)


@click.command("compare", epilog=options.examples(*EXAMPLES))
@scenes.of_scene
@click.option(
    "--method",
    "-m",
    "methods",
    multiple=True,
    metavar="NAME[:a=1,b=2]",
    help="A method, with parameters; may be repeated. Default: all that need no training.",
)
@click.option("--dates", type=Dates(spans=True), help="Dates to hold out: a,b or start/stop.")
@click.option(
    "--gap", type=click.FloatRange(0), default=0, help="Days between a date and its pairs."
)
@click.option(
    "--pairs",
    default="auto",
    show_default=True,
    metavar="auto|nearest|N",
    help="Pairs that serve: one on each side, the nearest, or N nearest.",
)
@click.option("--metrics", type=Names(), help="Names of metrics, or: plain, all.")
@click.option("--cell", type=int, help="Side of a coarse cell in fine pixels, where scale is 1.")
@click.option("--keep", metavar="FOLDER", help="Keep predictions; an interrupted run goes on.")
@click.option("--report", metavar="FILE", help="Write an HTML page with tables and pictures.")
@click.option("--csv", metavar="FILE", help="Write every score, one a line.")
@click.option("--title", default="Comparison", show_default=True, help="Of the page.")
@click.option("--overwrite", is_flag=True, help="Replace --report and --csv.")
@click.option("--workers", type=click.IntRange(1), help="Threads; default: all cores.")
@options.debug
def command(**given: Any) -> None:
    """Hold out each known fine image in turn, predict it, and score all methods.

    Doing nothing is always compared too: the pair unchanged, the coarse image upsampled, the mean
    of both fine images by time, and the fine image plus the coarse change, from one side and from
    both. Either SCENE.zarr or --fine and --coarse are needed; put patterns in quotes.
    """
    scenes.check_inputs(given)
    _check_outputs(given)
    import dask

    import xstf
    from xstf.report import table

    scene = scenes.open_scene(given)
    keep = nullcontext(given["keep"]) if given["keep"] else tempfile.TemporaryDirectory()
    workers = {"num_workers": given["workers"]} if given["workers"] else {}
    with keep as folder, dask.config.set(scheduler="threads", **workers):
        try:
            found = xstf.compare(
                scene,
                _methods(given["methods"]),
                dates=given["dates"],
                gap=given["gap"],
                pairs=int(given["pairs"]) if given["pairs"].isdigit() else given["pairs"],
                metrics=_metrics(given["metrics"]),
                cell=given["cell"],
                folder=folder,
                progress=True,
            )
        except KeyboardInterrupt:
            again = "the same --keep goes on" if given["keep"] else "nothing was kept, see --keep"
            click.echo(f"stopped; {again}", err=True)
            raise
        if given["csv"]:
            _write_csv(found, given["csv"])
        advice = xstf.recommend(found)
        click.echo(table(found))
        click.echo(f"\n{advice}")
        for why in found.attrs["left_out"].splitlines():
            click.echo(f"left out: {why}", err=True)
        if given["report"]:
            notes = [str(advice), f"Pairs: {given['pairs']}, at least {given['gap']:g} days away."]
            page = scene.stf.report(found, given["report"], title=given["title"], notes=notes)
            click.echo(f"wrote {page}")


def _check_outputs(given: dict[str, Any]) -> None:
    """Refuse outputs that could not be written, before any work."""
    for name, ends in (("report", (".html", ".htm")), ("csv", (".csv",))):
        if not given[name]:
            continue
        path = Path(given[name])
        if path.suffix.lower() not in ends:
            raise click.UsageError(f"--{name} {path} must end in {ends[0]}")
        if not path.absolute().parent.is_dir():
            raise FileNotFoundError(f"there is no folder for --{name} {path}")
        if path.exists() and not given["overwrite"]:
            raise FileExistsError(f"{path} exists; give another, or replace it with --overwrite")
    scene = given["scene"] and Path(given["scene"]).resolve()
    if given["keep"] and scene and scene in (kept := Path(given["keep"]).resolve(), *kept.parents):
        raise click.UsageError("--keep is the scene itself, or lies in it; give another folder")
    if given["report"]:
        from xstf.plot import check_installed

        check_installed()


def _methods(texts: tuple[str, ...]) -> dict[str, Any] | None:
    """Return {label: (name, parameters)} of texts such as ``fsdaf:window=17,num_pure=100``."""
    found: dict[str, Any] = {}
    for text in texts:
        name, _, settings = text.partition(":")
        parameters = {}
        for setting in filter(None, settings.split(",")):
            key, sign, value = (part.strip() for part in setting.partition("="))
            if not (key and sign and value):
                raise click.UsageError(
                    f"--method {text}: {setting!r} is no name=value, as in fsdaf:window=17"
                )
            parameters[key] = value_of(value)
        if text in found:
            raise click.UsageError(f"--method {text} is there twice")
        found[text] = (name.strip(), parameters)
    return found or None


def _metrics(names: list[str] | None) -> Any:
    if names is None or names in (["plain"], ["all"]):
        return names and names[0]
    return list(dict.fromkeys(["rmse", *names]))  # which the table and the advice are made of


def _write_csv(found: Any, path: str) -> None:
    """Write every score on a line of its own."""
    import csv

    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "date", "band", "metric", "value"])
        for metric, values in found.items():
            if "name" not in values.dims or values.dtype.kind != "f":
                continue
            rows = values.to_series().dropna()
            where = list(rows.index.names)
            for key, value in zip(rows.index, rows, strict=True):
                at = dict(zip(where, key, strict=True))
                day = inputs.day(at["time"])
                writer.writerow([at["name"], day, at.get("band", ""), metric, repr(float(value))])
    click.echo(f"wrote {path}")
