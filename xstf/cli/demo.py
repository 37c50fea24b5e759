"""``xstf demo``: a simulated scene, two methods, and what they are worth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from xstf.cli import inputs, options

METHODS = ("starfm", "fsdaf")
BANDS = ("green", "red", "nir")
SCALE = 16
DATES = 5  # every 16 days; the first and the last have a fine image
TARGET = 2  # the one in the middle

EXAMPLES = (
    "xstf demo",
    "xstf demo --out /tmp/demo --size 512 --seed 3",
    "xstf info xstf-demo/scene.zarr",
    "xstf score xstf-demo/fsdaf.zarr xstf-demo/truth.zarr --scale 16",
)


@click.command("demo", epilog=options.examples(*EXAMPLES))
@click.option("--out", default="xstf-demo", show_default=True, help="Folder to write.")
@click.option("--size", default=256, show_default=True, help="Side of the scene in fine pixels.")
@click.option("--seed", default=0, show_default=True, help="Another number, another scene.")
@click.option("--overwrite", is_flag=True, help="Write into a folder that exists.")
@options.debug
def command(out: str, size: int, seed: int, overwrite: bool) -> None:
    """Simulate a scene, fuse it, and compare with the truth.

    Fields grow and are harvested, and a river floods. Two dates have a fine and a coarse image,
    the date between them only a coarse one; STARFM uses both pairs, FSDAF the nearest. All is
    written to one folder: the scene, the truth and the results as Zarr, the results as GeoTIFFs,
    and a picture.
    """
    folder = Path(out)
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} exists; give another --out, or write into it: --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    import xstf
    from xstf.report import table

    scene, truth = xstf.simulate(
        "mixed", size=size, scale=SCALE, dates=DATES, pairs=2, bands=BANDS, seed=seed
    )
    scene, truth = scene.load(), truth.load()
    target = scene["time"].values[TARGET]
    results = {name: _fuse(scene, name, target) for name in METHODS}
    true = truth.sel(time=[target])
    scores = xstf.score(results, true, scene=scene)
    dates = ", ".join(inputs.day(t) for t in scene["time"].values[scene["fine_observed"].values])
    click.echo(f"{size} x {size} pixels, scale {SCALE}; fine images of {dates}")
    click.echo(f"predicted: {inputs.day(target)}, compared with the truth\n")
    click.echo(table(scores.compute()))
    click.echo()
    _write(folder, scene, truth, results)
    _draw(folder / "demo.png", scene, true, results)
    click.echo(f"{time.monotonic() - start:.1f} s in all")


def _fuse(scene: Any, name: str, target: Any) -> Any:
    import xstf
    from xstf.progress import progress

    fused = xstf.fuse(scene, name, dates=[target])
    with progress(fused.data.npartitions, name):
        return fused.compute()


def _write(folder: Path, scene: Any, truth: Any, results: dict[str, Any]) -> None:
    import xstf

    xstf.save(scene, folder / "scene.zarr", overwrite=True)
    xstf.save(truth.to_dataset(name="fine"), folder / "truth.zarr", overwrite=True)
    for name, fused in results.items():
        xstf.save(fused, folder / f"{name}.zarr", overwrite=True)
        xstf.write_images(fused, folder, prefix=name, overwrite=True)
    names = ["scene.zarr", "truth.zarr", *(f"{n}.zarr" for n in results), "GeoTIFFs"]
    click.echo(f"wrote {folder}: {', '.join(names)}")


def _draw(path: Path, scene: Any, true: Any, results: dict[str, Any]) -> None:
    """Draw the picture, or say how to get matplotlib."""
    from xstf.plot import overview

    target = true["time"].values[0]
    truth = true.isel(time=0)
    before, after = scene["time"].values[scene["fine_observed"].values]
    images = {
        f"fine {inputs.day(before)}": scene["fine"].sel(time=before),
        f"coarse {inputs.day(target)}": scene["coarse"].sel(time=target),
        f"fine {inputs.day(after)}": scene["fine"].sel(time=after),
        f"true {inputs.day(target)}": truth,
    }
    stretch = [name for name in images if not name.startswith("coarse")]
    tried = {"add, both sides": _fuse(scene, "add", target), **results}
    images |= {name: image[0] for name, image in tried.items()}
    errors = {f"error of {name}": image[0] - truth for name, image in tried.items()}
    try:
        click.echo(f"wrote {overview(images, path, errors=errors, stretch=stretch)}")
    except ImportError as error:
        click.echo(f"no picture: {error}")
