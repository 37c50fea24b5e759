"""What `xstf info` says of grids and dates, in words."""

from __future__ import annotations

from typing import Any

import click

from xstf.wording import LEGEND, gaps, grid, marks_of, plural, span, strip

__all__ = ["dates", "grid", "percent", "problem", "row", "span", "strip"]

_INDENT = 12


def row(name: str, value: str) -> None:
    """Write one line of a report.

    Parameters
    ----------
    name, value
        What is told, and what it is.
    """
    click.echo(f"{name:{_INDENT}}{value}")


def problem(name: str, error: BaseException | str) -> None:
    """Write what is wrong with something, in the words of the command line.

    Parameters
    ----------
    name
        What it is wrong with.
    error
        What the library raised, which names the cure.
    """
    from xstf.cli import line_of

    row(name, f"! {error if isinstance(error, str) else line_of(error)}")


def percent(share: float) -> str:
    """Return a share in whole percent, rounded down.

    Parameters
    ----------
    share
        0 to 1.
    """
    return f"{int(100 * share)} %"


def dates(times: Any, fine: Any, coarse: Any) -> None:
    """Write which dates have which image, how many pairs there are, and the gaps between them.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    fine, coarse
        (time,) bool, which of them have such an image.
    """
    row("dates", span(times))
    row("pairs", f"{plural(int((fine & coarse).sum()), 'date')} with both images")
    row("gaps", gaps(times, fine, coarse))
    for line in strip(times, marks_of(fine, coarse)):
        click.echo(f"  {line}")
    click.echo(f"  {LEGEND}")
