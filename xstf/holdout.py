"""Which predictions a comparison makes: dates held out, and the pairs that serve each method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import fuse
from xstf.checks import Parts
from xstf.dates import find_dates, text_of, within
from xstf.method import Method, learns
from xstf.planning import plan as plan_of
from xstf.rows import Row


@dataclass(frozen=True)
class Trial:
    """One prediction: a method, the date that is held out, and the pairs that serve."""

    row: Row
    target: int
    pairs: tuple[int, ...]
    day: str

    def __str__(self) -> str:
        return f"{self.row.label} {self.day}"

    def fuse(self, ds: xr.Dataset, method: Method) -> Any:
        """Return the prediction by a method, lazily."""
        times = ds["time"].values
        target, pairs = times[self.target], times[list(self.pairs)]
        return fuse(ds, method, dates=[target], pairs={target: pairs})

    def check(self, ds: xr.Dataset) -> None:
        """Raise where the scene cannot serve the method; nothing is trained."""
        method = self.row.method
        if not learns(method):
            self.fuse(ds, method)
            return
        target, pairs = ds["time"].values[self.target], ds["time"].values[list(self.pairs)]
        plan_of(ds, method, {}, dates=[target], pairs={target: pairs})


def with_cells(rows: list[Row], parts: Parts, cell: int | None) -> list[Row]:
    """Return the rows with the side of a cell, where methods need one that the scene lacks.

    Parameters
    ----------
    rows
        All rows.
    parts
        The scene.
    cell
        Side of a coarse cell in fine pixels, or None.
    """
    if parts.grid.scale > 1 or cell is None:
        return rows
    return [
        replace(row, method=replace(row.method, cell=cell))  # type: ignore[type-var]  # all are
        if row.method.cells
        and "cell" in row.method.parameters
        and not row.method.parameters["cell"]
        else row
        for row in rows
    ]


def able(trials: list[Trial], parts: Parts, strict: bool) -> tuple[list[Trial], dict[str, str]]:
    """Return the trials of the methods that the scene can serve; and why not the others, by label.

    Parameters
    ----------
    trials
        All that are planned.
    parts
        The scene.
    strict
        Raise for the first method that the scene cannot serve.
    """
    left_out: dict[str, str] = {}
    for label in dict.fromkeys(t.row.label for t in trials):
        first = next(t for t in trials if t.row.label == label)
        try:
            first.check(parts.ds)
        except ValueError as error:
            if strict:
                raise
            left_out[label] = str(error)
    return [t for t in trials if t.row.label not in left_out], left_out


def plan(
    rows: list[Row], parts: Parts, dates: Any, gap: float, strict: bool
) -> tuple[list[Trial], dict[str, str]]:
    """Return every prediction to make, in the order of dates; and why some methods make none.

    Parameters
    ----------
    rows
        What is compared.
    parts
        The scene.
    dates
        Which dates to hold out; None: all that some method can predict.
    gap
        Days that lie at least between a date and its pairs.
    strict
        Raise where a method can predict none of the dates.
    """
    wanted = _wanted(parts, dates)
    far = f" at least {gap:g} days away" if gap else ""
    served, left_out = _served(rows, parts, wanted, gap, far)
    wrong = [row for row in rows if row.label in left_out and not row.method.trivial]
    if strict and wrong:
        raise ValueError(f"{wrong[0].label} cannot be compared: {left_out[wrong[0].label]}")
    methods = {row.label for row in rows if not row.method.trivial}
    trials = []
    for target in wanted:
        day = text_of(parts.times[target])
        here = [Trial(row, target, served[row.label, target], day) for row in rows
                if served.get((row.label, target))]  # fmt: skip
        if not here and not (dates is None or isinstance(dates, slice)):
            raise ValueError(f"{day} cannot be held out: no other date{far} has both images")
        if not methods or any(trial.row.label in methods for trial in here):
            trials += here
    if not trials:
        days = ", ".join(text_of(t) for t in parts.times[wanted]) or "none"
        raise ValueError(
            f"no date can be held out: it needs pairs of other dates{far}, and dates with both "
            f"images are {days}; " + ("give a smaller gap" if gap else "add pairs to the scene")
        )
    return trials, left_out


def _wanted(parts: Parts, dates: Any) -> list[int]:
    """Return the dates to hold out, which must have both images."""
    times, usable = parts.times, parts.observed("fine") & parts.observed("coarse")
    if dates is None or isinstance(dates, slice):
        inside = usable if dates is None else usable & within(times, dates)
        return [int(i) for i in np.flatnonzero(inside)]
    wanted = sorted(set(find_dates(times, dates)))
    lost = [text_of(times[i]) for i in wanted if not usable[i]]
    if lost:
        known = ", ".join(text_of(t) for t in times[usable]) or "none"
        raise ValueError(
            f"{lost[0]} has no fine or no coarse image, so it cannot be held out; dates with both: "
            f"{known}"
        )
    return wanted


def _served(
    rows: list[Row], parts: Parts, wanted: list[int], gap: float, far: str
) -> tuple[dict[tuple[str, int], tuple[int, ...]], dict[str, str]]:
    """Return the pairs of each row and date, and why some rows have none."""
    usable = parts.observed("fine") & parts.observed("coarse")
    served: dict[tuple[str, int], tuple[int, ...]] = {}
    left_out: dict[str, str] = {}
    for row in rows:
        try:
            for target in wanted:
                served[row.label, target] = row.pairs_of(parts.times, usable, target, gap)
        except ValueError as error:
            left_out[row.label] = str(error)
            continue
        if not any(served[row.label, target] for target in wanted):
            sides = " on both sides" if row.both_sides else ""
            cure = "; give a smaller gap" if gap else ""
            left_out[row.label] = f"no date has enough pairs{sides}{far}{cure}"
    return {k: p for k, p in served.items() if k[0] not in left_out}, left_out
