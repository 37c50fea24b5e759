"""Dates as people write them: in calls, in messages, in names of files."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Any

import numpy as np


def find_dates(times: np.ndarray, wanted: Any) -> list[int]:
    """Return the positions of `wanted` dates on the axis `times` (datetime64).

    A date without a time of day means the image of that day.

    Raises
    ------
    ValueError
        If a date is not one of `times`, or names a day that has several.
    """
    found = []
    for value in _listed(wanted):
        date, unit = _date(value)
        if unit in ("Y", "M"):
            raise ValueError(
                f"{value!r} is a whole {'year' if unit == 'Y' else 'month'}; write dates as "
                f"'2020-07-11', or a slice: slice({value!r}, {value!r})"
            )
        daily = unit in ("W", "D")
        axis = times.astype("datetime64[D]") if daily else times
        hits = np.flatnonzero(axis == (date.astype("datetime64[D]") if daily else date))
        if len(hits) == 0:
            nearest = times[np.argmin(np.abs(times - date.astype(times.dtype)))]
            raise ValueError(
                f"{text_of(date)} is not a date of the scene, which has {len(times)} dates from "
                f"{text_of(times.min())} to {text_of(times.max())}; nearest is {text_of(nearest)}"
            )
        if len(hits) > 1:
            raise ValueError(
                f"{text_of(date)} names {len(hits)} images of that day "
                f"({some_of(times[hits])}); give the time of day too"
            )
        found.append(int(hits[0]))
    return found


def text_of(date: np.datetime64) -> str:
    """Return a date as text, without a time of day where it is midnight."""
    day = date.astype("datetime64[D]")
    return str(day if day == date else date.astype("datetime64[s]"))


def within(times: np.ndarray, window: slice) -> np.ndarray:
    """Return which times lie in a slice; an end that is a day, month or year is in it whole."""
    if window.step is not None:
        raise ValueError(f"dates={window} has a step; name the dates instead")
    inside = np.ones(len(times), bool)
    if window.start is not None:
        inside &= times >= _date(window.start)[0]
    if window.stop is not None:
        stop, unit = _date(window.stop)
        inside &= times < stop + 1 if unit in ("Y", "M", "W", "D") else times <= stop
    return inside


def _date(value: Any) -> tuple[np.datetime64, str]:
    """Return a date and how fine it is written: Y, M, D, h, ..."""
    try:
        if not isinstance(value, str | datetime.date | np.datetime64):
            raise TypeError
        date = np.datetime64(value)
    except (TypeError, ValueError):
        date = np.datetime64("NaT")
    if np.isnat(date):
        raise ValueError(f"{value!r} is not a date; write dates as '2020-07-11'")
    return date, np.datetime_data(date.dtype)[0]


def _listed(dates: Any) -> list[Any]:
    if isinstance(dates, str) or not isinstance(dates, Iterable):
        return [dates]
    values = getattr(dates, "values", dates)
    plain = isinstance(values, np.ndarray | np.generic)
    return list(np.atleast_1d(np.asarray(values))) if plain else list(values)


def some_of(times: np.ndarray) -> str:
    """Return dates as text, the first and last ones where they are many."""
    days = [text_of(t) for t in times]
    if not days:
        return "none"
    return ", ".join(days if len(days) <= 8 else [*days[:4], "...", *days[-3:]])


_DATE = re.compile(
    r"(?<!\d)(?:(\d{4})([-_])(\d\d)\2(\d\d)|(\d{4})(\d\d)(\d\d)|(\d{4})(\d{3}))(?!\d)"
)


def date_in(name: str) -> np.datetime64:
    """Return the one date in a file name."""
    found = set()
    for match in _DATE.finditer(name):
        year, _, month, day, *digits = match.groups()
        year, month, day = (year, month, day) if year else digits[:3]
        if year is None:
            year, month, day = digits[3], "01", "01"
        try:
            date = np.datetime64(f"{year}-{month}-{day}", "D")
        except ValueError:
            continue
        date = date + (int(digits[4]) - 1 if digits[4] else 0)
        if 1970 <= int(year) <= 2100 and str(date)[:4] == year:
            found.add(date)
    if len(found) != 1:
        several = ", ".join(map(str, sorted(found)))
        raise ValueError(
            f"the name {name} holds {'several dates, ' + several if found else 'no date'}; a name "
            "must hold one date from 1970 to 2100, as YYYY-MM-DD, YYYYMMDD or YYYYDDD, or say the "
            "dates in the order of the files: dates=['2020-10-01', ...]"
        )
    return found.pop()
