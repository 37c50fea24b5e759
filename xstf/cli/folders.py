"""What `xstf info` says of folders: both kinds of images in two of them, or a benchmark."""

from __future__ import annotations

from pathlib import Path

import click

from xstf.cli import contents, steps
from xstf.cli.words import problem


def of_both_kinds(path: str) -> dict[str, tuple[str, ...]] | None:
    """Return the patterns of the folders ``fine`` and ``coarse`` in a folder, None without them.

    Parameters
    ----------
    path
        A folder, or anything else.
    """
    found: dict[str, tuple[str, ...]] = {}
    for kind in ("fine", "coarse"):
        inside = Path(path) / kind
        if not inside.is_dir():
            return None
        found[kind] = (str(inside / ("*.tif" if any(inside.glob("*.tif")) else "*")),)
    return found


def benchmarks(path: str) -> list[str]:
    """Return the names of the published benchmarks that a folder can be.

    Parameters
    ----------
    path
        A folder, or anything else.
    """
    if not Path(path).is_dir():
        return []
    from xstf.datasets import recognise

    return recognise(path)


def say_benchmark(path: str, names: list[str]) -> None:
    """Say what a benchmark holds, and how it is read.

    Parameters
    ----------
    path
        Its folder.
    names
        What it can be.
    """
    import xstf

    click.echo(f"{path}: files as of the benchmark {' or '.join(names)}")
    try:
        ds = xstf.datasets.read(names[0], path)
    except ValueError as error:
        problem("benchmark", error)
        return
    contents.say_contents(ds)
    steps.say_code(
        [
            f"ds = xstf.datasets.read({names[0]!r}, {path!r})",
            'xstf.save(ds, "scene.zarr")  # then: xstf info scene.zarr --look',
        ]
    )
