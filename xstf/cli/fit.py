"""``xstf fit``: train a network on the known pairs of a scene and keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xstf.cli import options, scenes
from xstf.cli.options import Dates, Setting

EXAMPLES = (
    "xstf fit scene.zarr -m hcnn -o hcnn.safetensors -p width=16 -p epochs=40",
    "xstf fuse scene.zarr --weights hcnn.safetensors -o fused.zarr",
    "xstf fit scene.zarr -m hcnn -o hcnn.safetensors --checkpoint run.safetensors --resume",
)


@click.command("fit", epilog=options.examples(*EXAMPLES))
@scenes.of_scene
@click.option("--method", "-m", required=True, metavar="NAME", help="A network, see: xstf methods.")
@click.option("--out", "-o", required=True, metavar="FILE", help="Where the network is kept.")
@click.option("--dates", type=Dates(spans=True), help="Train on these alone: a,b or start/stop.")
@click.option("--param", "-p", type=Setting(), multiple=True, help="Parameter: epochs=40.")
@click.option("--init", metavar="FILE", help="Go on from this trained network.")
@click.option("--checkpoint", metavar="FILE", help="Keep the training here after each pass.")
@click.option("--resume", is_flag=True, help="Go on with the training in --checkpoint.")
@click.option("--device", default="cpu", show_default=True, help="Where to train: cpu, cuda.")
@click.option("--overwrite", is_flag=True, help="Replace a trained network in FILE.")
@options.debug
def command(**given: Any) -> None:
    """Train a network on the dates that have both images.

    Either SCENE.zarr (as xstf.save writes it) or --fine and --coarse are needed; put patterns in
    quotes. Parts of the scene are held out: what is printed at the end is the error there, in units
    of the scene, beside that of doing nothing.
    """
    import xstf

    scenes.check_inputs(given)
    _check_out(Path(given["out"]), given["overwrite"])
    scene = _cut(scenes.open_scene(given), given["dates"])
    names = ("init", "checkpoint", "resume", "device")
    try:
        fitted = xstf.fit(
            scene, given["method"], **{n: given[n] for n in names}, **dict(given["param"])
        )
    except KeyboardInterrupt:
        if given["checkpoint"] and Path(given["checkpoint"]).exists():
            click.echo("What is done is kept; --resume goes on.", err=True)
        raise
    fitted.save(given["out"], overwrite=given["overwrite"])
    _report(fitted, given["out"])


def _check_out(out: Path, overwrite: bool) -> None:
    """Refuse an output that could not be written, before any work."""
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; give another --out, or replace it with --overwrite")
    if out.exists():
        import xstf

        xstf.load(out)  # nothing but a trained network is ever replaced
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder for --out {out}")


def _cut(scene: Any, dates: Any) -> Any:
    """Return some dates of a scene."""
    from xstf.dates import find_dates

    if dates is None:
        return scene
    if isinstance(dates, slice):
        return scene.sel(time=dates)
    return scene.isel(time=find_dates(scene["time"].values, dates))


def _report(fitted: Any, out: str) -> None:
    """Say how the training went."""
    history = fitted.history
    passes = history.sizes["epoch"]
    click.echo(f"wrote {out}: {fitted.label}, {passes} pass" + "es" * (passes > 1))
    if "held_out_best" not in history:
        return
    rows = {fitted.label: history["held_out_best"]}
    rows |= {str(n): history["held_out_trivial"].sel(name=n) for n in history["name"].values}
    bands = [str(b) for b in history["band"].values]
    width = max(map(len, rows))
    wide = max(8, *map(len, bands))
    click.echo(f"  {'held out, RMSE':{width + 6}}" + "  ".join(f"{b:>{wide}}" for b in bands))
    for name, errors in rows.items():
        click.echo(f"  {name:{width + 6}}" + "  ".join(f"{v:{wide}.4f}" for v in errors.values))
