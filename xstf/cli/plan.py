"""``xstf info SCENE.zarr --plan``: what a run would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from xstf.cli.options import Pairs, Setting

_OPTIONS = (
    click.option(
        "--plan", is_flag=True, help="Say what a run of --method would hold, read and write."
    ),
    click.option("--method", "-m", metavar="NAME", help="Of the run."),
    click.option("--pairs", type=Pairs(), default="auto", metavar="...", help="As of xstf fuse."),
    click.option("--combine", type=click.Choice(["temporal", "nearest"]), help="Likewise."),
    click.option("--param", "-p", type=Setting(), multiple=True, help="Likewise: window=41."),
    click.option("--blocksize", type=int, help="Likewise."),
    click.option("--quality", is_flag=True, help="Likewise."),
    click.option("--fill", is_flag=True, help="Likewise."),
    click.option("--memory", metavar="SIZE", help="Likewise: 1GB."),
    click.option("--workers", type=click.IntRange(1), help="Likewise."),
)
_TAKEN = ("pairs", "combine", "blocksize", "quality", "fill", "workers", "dates")


def of_plan(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take what a run would be asked for."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_plan(dates: Any, given: dict[str, Any]) -> None:
    """Refuse what does not go together.

    Parameters
    ----------
    dates
        What ``--dates`` says.
    given
        The options of `of_plan`.
    """
    if given["plan"] and not given["method"]:
        raise click.UsageError("--plan needs a --method, such as --method fsdaf")
    if not given["plan"]:
        alone = [name for name in ("method", "param", "memory", "workers") if given[name]]
        if alone:
            raise click.UsageError(f"--{alone[0]} is for --plan; add it")
        if isinstance(dates, slice):
            raise click.UsageError("--dates of image files are a,b and no span")


def say_plan(path: str, fine: str, coarse: str, given: dict[str, Any]) -> None:
    """Say what a run would take.

    Parameters
    ----------
    path, fine, coarse
        The scene, and the names of its variables.
    given
        What the command was given.
    """
    import xstf

    taken = {name: given[name] for name in _TAKEN}
    rest = {"memory_limit": given["memory"], "fine": fine, "coarse": coarse}
    click.echo(str(xstf.estimate(path, given["method"], **taken, **rest, **dict(given["param"]))))
