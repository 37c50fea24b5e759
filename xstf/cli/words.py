"""What `xstf info` says of grids and dates, in words."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from xstf.cli import inputs

MARKS = {(True, True): "#", (False, True): ".", (True, False): "o", (False, False): "-"}
LEGEND = "# fine and coarse   . coarse only   o fine only   - neither"
_MONTHS = 24  # more of them are drawn year by year
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


def span(times: Any) -> str:
    """Return how many dates there are, and from when to when.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    """
    if len(times) == 1:
        return inputs.day(times[0])
    return f"{len(times)}, {inputs.day(times[0])} to {inputs.day(times[-1])}"


def grid(images: Any) -> str:
    """Return size, bands, pixel and CRS of images.

    Parameters
    ----------
    images
        (time, band, y, x).
    """
    y, x = (images.sizes[d] for d in ("y", "x"))
    bands = images["band"].values if "band" in images.coords else range(images.sizes["band"])
    words = [
        f"{y} x {x} pixels",
        f"{inputs.plural(len(bands), 'band')}: " + " ".join(map(str, bands)),
    ]
    crs = _crs(images)
    if "x" in images.coords and x > 1 and crs:
        words.append(f"{abs(float(images['x'][1] - images['x'][0])):g} wide")
    return ", ".join([*words, crs or "no CRS"])


def _crs(images: Any) -> str | None:
    from xstf.crs import mapping_of, name_of

    mapping = mapping_of(images)
    return None if mapping is None else name_of(mapping.get("crs_wkt") or mapping["spatial_ref"])


def dates(times: Any, fine: Any, coarse: Any) -> None:
    """Write which dates have which image, how many pairs there are, and the gaps between them.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    fine, coarse
        (time,) bool, which of them have such an image.
    """
    import numpy as np

    row("dates", span(times))
    row("pairs", f"{inputs.plural(int((fine & coarse).sum()), 'date')} with both images")
    known = times[fine]
    only = f"{inputs.plural(int((coarse & ~fine).sum()), 'date')} with a coarse image only"
    if len(known) > 1:
        days = np.diff(known) / np.timedelta64(1, "D")
        at = int(days.argmax())
        ends = f"{inputs.day(known[at])} and {inputs.day(known[at + 1])}"
        longest = f"{days[at]:.4g} day" + ("" if days[at] == 1 else "s")
        only = f"{longest} at most between fine images, {ends}; {only}"
    row("gaps", only)
    seen = zip(fine, coarse, strict=True)
    for line in strip(times, [MARKS[bool(f), bool(c)] for f, c in seen]):
        click.echo(f"  {line}")
    click.echo(f"  {LEGEND}")


def strip(times: Any, marks: list[str]) -> list[str]:
    """Return one line a month, or a year of long series, with one character a date.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    marks
        One character for each.
    """
    months = [str(t)[:7] for t in times]
    labels = months if len(set(months)) <= _MONTHS else [month[:4] for month in months]
    rows: dict[str, str] = {}
    for label, mark in zip(labels, marks, strict=True):
        rows[label] = rows.get(label, "") + mark
    lines = []
    for label, text in rows.items():
        first, *more = textwrap.wrap(text, 70, break_on_hyphens=False)
        lines += [f"{label}  {first}", *(" " * (len(label) + 2) + rest for rest in more)]
    return lines
