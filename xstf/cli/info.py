"""``xstf info``: what lies at a path, or what files there are, and what to do with it."""

from __future__ import annotations

from typing import Any

import click

from xstf.cli import inputs, options, plan, scenes
from xstf.cli.words import problem

EXAMPLES = (
    'xstf info --fine "fine/*.tif" --coarse "coarse/*.tif"',
    'xstf info --fine "hls/*.tif" --coarse "mod09/*.tif" --scale-factor 1e-4 --align --look',
    "xstf info scene.zarr --look",
    "xstf info scene.zarr --plan --method fsdaf --memory 1GB --workers 4",
    "xstf info fused.zarr",
    'xstf info "tm*" --dates 2001-05-24,2001-07-11,2001-08-12',
)


@click.command("info", epilog=options.examples(*EXAMPLES))
@click.argument("scene", nargs=-1, metavar="[PATH]")
@scenes.of_files
@click.option(
    "--dates", type=options.Dates(spans=True), help="Of image files whose names hold none."
)
@click.option("--look", is_flag=True, help="Read the pairs: shift, suspect pairs, missing pixels.")
@plan.of_plan
@options.debug
def command(dates: Any, **given: Any) -> None:
    """Say what is there, what is wrong with it, which methods can run, and what to do next.

    PATH is a scene or a result in Zarr, a pattern of image files, or a folder: of image files, with
    a folder fine and a folder coarse in it, or of a published benchmark. Or do the files of --fine
    and --coarse make a scene, and with which options? What is wrong is marked with ! and comes with
    its cure. Only headers and a sample of the pixels are read, unless --look asks for more.
    """
    plan.check_plan(dates, given)
    path = given["scene"][0] if len(given["scene"]) == 1 else None
    if given["plan"]:
        if path is None:
            raise click.UsageError("--plan is for one scene in Zarr; give SCENE.zarr")
        names = given["fine_name"], given["coarse_name"]
        plan.say_plan(path, *names, given | {"dates": dates})
        return
    if path is not None and not inputs.is_zarr(path) and not (given["fine"] or given["coarse"]):
        _files(path, dates, given)
        return
    scenes.check_inputs(given)
    if path is None:
        from xstf.cli.raw import say_files

        say_files(given)
    else:
        _zarr(path, given)


def _zarr(path: str, given: dict[str, Any]) -> None:
    """Say what a Zarr group holds."""
    from xstf.cli import contents

    ds = inputs.open_zarr(path)
    if "fused" in ds:
        contents.say_result(path, ds)
    elif given["fine_name"] in ds and given["coarse_name"] not in ds:
        contents.say_images(path, ds[given["fine_name"]])
    else:
        contents.say_scene(path, given)


def _files(path: str, dates: Any, given: dict[str, Any]) -> None:
    """Say what image files hold: of one kind, of both in two folders, or a benchmark."""
    from xstf.cli import contents, folders

    both = folders.of_both_kinds(path)
    if both:
        from xstf.cli.raw import say_files

        click.echo(f"{path}: a folder of fine and one of coarse images")
        say_files(given | {"scene": None} | both)
        return
    names = folders.benchmarks(path)
    if names:
        folders.say_benchmark(path, names)
        return
    asked = {"scale_factor": given["scale_factor"], "bands": given["bands"]}
    try:
        images = inputs.open_images(path, "fused", dates=dates, **asked)
    except ValueError as error:
        if "://" in path:  # where nothing may lie at all
            raise
        click.echo(f"{path}: image files")
        problem("files", error)
        return
    contents.say_images(path, images)
