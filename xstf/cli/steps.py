"""What `xstf info` says can be done with a scene: methods, and the commands to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from xstf.cli import inputs
from xstf.cli.scenes import spelt

_FIRST = ("fsdaf", "starfm")  # suggested where they can run
_IDLE = ("unchanged", "upsampled", "interpolated")


def say_methods(ds: Any, parts: Any) -> list[str]:
    """Write which methods can run, and what the others miss; return their names. Reads no pixel.

    Parameters
    ----------
    ds
        The scene.
    parts
        The same, taken apart.
    """
    import numpy as np

    import xstf
    from xstf.cli import line_of
    from xstf.dates import text_of
    from xstf.method import build, learns
    from xstf.planning import plan
    from xstf.registry import names

    fine, coarse = parts.observed("fine"), parts.observed("coarse")
    wanted = np.flatnonzero(coarse & ~fine)
    if not len(wanted):
        wanted = np.flatnonzero(coarse)
    date = parts.times[wanted[len(wanted) // 2]]
    width = max(map(len, names()))
    click.echo(f"methods, on {inputs.day(date)}")
    able = []
    for name in names():
        try:
            (group,) = plan(ds, name, {}, dates=[date]).groups
            if not learns(build(name, {})):  # which would be trained
                xstf.fuse(ds, name, dates=[date])
        except (ValueError, ImportError) as error:
            said = f"no: {line_of(error)}"
        else:
            can = "can be trained, then run" if learns(build(name, {})) else "can run"
            said = f"{can}, from {' '.join(text_of(parts.times[p]) for p in group.pairs)}"
            able.append(name)
        click.echo(f"  {name:{width}}  {said}")
    return able


def say_next(given: Mapping[str, Any], able: list[str], parts: Any) -> None:
    """Write the commands that go on with a scene.

    Parameters
    ----------
    given
        The options that describe the scene, as `xstf.cli.scenes.open_scene` takes them, and
        ``look``, whether its pairs were looked at already.
    able
        Methods that can run.
    parts
        The scene, taken apart.
    """
    fine, coarse = parts.observed("fine"), parts.observed("coarse")
    pairs, lacking = int((fine & coarse).sum()), int((coarse & ~fine).sum())
    lines = []
    if pairs and not given["look"]:
        lines.append((spelt("info", given) + " --look", "shift, suspect pairs, missing pixels"))
    if pairs > 1 and able:
        lines.append((spelt("compare", given), "which method suits it"))
    useful = [name for name in able if name not in _IDLE]
    if lacking and useful:
        method = next((name for name in _FIRST if name in useful), useful[0])
        end = f" --method {method} --out fused.zarr"
        lines.append((spelt("fuse", given) + end, f"predicts {inputs.plural(lacking, 'date')}"))
    say_lines(lines)


def say_lines(lines: list[tuple[str, str]]) -> None:
    """Write what to do next.

    Parameters
    ----------
    lines
        Each command, and what it is for.
    """
    if lines:
        click.echo("next")
    for line, reason in lines:
        click.echo(f"  {line}" + (f"  # {reason}" if reason else ""))


def say_code(lines: list[str]) -> None:
    """Write the Python that does what no option does.

    Parameters
    ----------
    lines
        Of code.
    """
    click.echo("next, in Python")
    for line in lines:
        click.echo(f"  {line}")


def quoted(files: Any) -> str:
    """Return files as they are written in Python.

    Parameters
    ----------
    files
        A pattern, or several.
    """
    names = [str(name) for name in files]
    return repr(names[0] if len(names) == 1 else names).replace("'", '"')
