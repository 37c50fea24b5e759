"""Grids and dates in words, for what `ds.stf` shows and ``xstf info`` prints."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from xstf.crs import mapping_of, name_of
from xstf.dates import text_of

MARKS = {(True, True): "#", (False, True): ".", (True, False): "o", (False, False): "-"}
LEGEND = "# fine and coarse   . coarse only   o fine only   - neither"
_MONTHS = 24  # more of them are drawn year by year


def day(date: Any) -> str:
    """Return a date as text, without a time of day where it is midnight.

    Parameters
    ----------
    date
        A datetime64.
    """
    return text_of(np.datetime64(date))


def plural(count: int, word: str) -> str:
    """Return ``1 date``, ``2 dates``.

    Parameters
    ----------
    count
        How many.
    word
        Of one.
    """
    return f"{count} {word}" + "s" * (count != 1)


def span(times: Any) -> str:
    """Return how many dates there are, and from when to when.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    """
    if len(times) == 1:
        return day(times[0])
    return f"{len(times)}, {day(times[0])} to {day(times[-1])}"


def grid(images: Any) -> str:
    """Return size, bands, pixel and CRS of images.

    Parameters
    ----------
    images
        (time, band, y, x).
    """
    y, x = (images.sizes[d] for d in ("y", "x"))
    bands = images["band"].values if "band" in images.coords else range(images.sizes["band"])
    words = [f"{y} x {x} pixels", f"{plural(len(bands), 'band')}: " + " ".join(map(str, bands))]
    crs = _crs(images)
    if "x" in images.coords and x > 1 and crs:
        words.append(f"{abs(float(images['x'][1] - images['x'][0])):g} wide")
    return ", ".join([*words, crs or "no CRS"])


def _crs(images: Any) -> str | None:
    mapping = mapping_of(images)
    return None if mapping is None else name_of(mapping.get("crs_wkt") or mapping["spatial_ref"])


def gaps(times: Any, fine: Any, coarse: Any) -> str:
    """Return how far fine images lie apart at most, and how many dates lack one.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    fine, coarse
        (time,) bool, which of them have such an image.
    """
    known = times[fine]
    only = f"{plural(int((coarse & ~fine).sum()), 'date')} with a coarse image only"
    if len(known) < 2:
        return only
    days = np.diff(known) / np.timedelta64(1, "D")
    at = int(days.argmax())
    longest = f"{days[at]:.4g} day" + ("" if days[at] == 1 else "s")
    ends = f"{day(known[at])} and {day(known[at + 1])}"
    return f"{longest} at most between fine images, {ends}; {only}"


def marks_of(fine: Any, coarse: Any) -> list[str]:
    """Return one character a date that says which images it has; see `LEGEND`.

    Parameters
    ----------
    fine, coarse
        (time,) bool, which dates have such an image.
    """
    return [MARKS[bool(f), bool(c)] for f, c in zip(fine, coarse, strict=True)]


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
