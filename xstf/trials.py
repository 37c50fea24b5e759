"""The predictions of a comparison: which are made, and keeping them on disk until all is done."""

from __future__ import annotations

import json
import os
import re
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import fuse
from xstf.checks import Parts
from xstf.fingerprint import fingerprints
from xstf.method import Method
from xstf.pairing import apart, find_dates, text_of
from xstf.planning import on_cells
from xstf.progress import progress
from xstf.rows import Row
from xstf.store import save


@dataclass(frozen=True)
class Trial:
    """One prediction: a method, the date that is held out, and the pairs that serve."""

    row: Row
    target: int
    pairs: tuple[int, ...]
    day: str

    def __str__(self) -> str:
        return f"{self.row.label} {self.day}"


@dataclass(frozen=True)
class Note:
    """What is known of a prediction that is complete."""

    label: str
    date: str
    pairs: list[str]
    seconds: float


def able(
    rows: list[Row], parts: Parts, cell: int | None, strict: bool
) -> tuple[list[Row], dict[str, str]]:
    """Return the rows that the scene can serve, with the cells they need; and why not the others.

    Parameters
    ----------
    rows
        All rows.
    parts
        The scene.
    cell
        Side of a coarse cell where the scene's scale is 1.
    strict
        Raise for the first row that the scene cannot serve.
    """
    found, left_out = [], {}
    for row in rows:
        if row.method.cells and parts.grid.scale == 1 and cell is not None:
            row = replace(row, method=replace(row.method, cell=cell))  # type: ignore[type-var]
        try:
            on_cells(row.method, parts)
        except ValueError as error:
            if strict:
                raise
            left_out[row.label] = str(error)
        else:
            found.append(row)
    return found, left_out


def plan(rows: list[Row], parts: Parts, dates: Any, gap: float) -> list[Trial]:
    """Return every prediction to make, in the order of dates.

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
    """
    times, usable = parts.times, parts.observed("fine") & parts.observed("coarse")
    wanted = [int(i) for i in np.flatnonzero(usable)]
    if dates is not None:
        wanted = sorted(set(find_dates(times, dates)))
    lost = [text_of(times[i]) for i in wanted if not usable[i]]
    known = ", ".join(text_of(t) for t in times[usable]) or "none"
    if lost:
        raise ValueError(
            f"{lost[0]} has no fine or no coarse image, so it cannot be held out; dates with both: "
            f"{known}"
        )
    trials = []
    for target in wanted:
        served = [(row, row.pairs_of(times, usable, target, gap)) for row in rows]
        served = [(row, pairs) for row, pairs in served if pairs]
        if dates is not None or not all(row.method.trivial for row, _ in served):
            day = text_of(times[target])
            trials += [Trial(row, target, pairs, day) for row, pairs in served]
    if not trials:
        far = f" at least {gap:g} days away" if gap else ""
        raise ValueError(
            f"no date can be held out: it needs pairs of other dates{far}, and dates with both "
            f"images are {known}; " + ("give a smaller gap" if gap else "add pairs to the scene")
        )
    return trials


@dataclass(frozen=True)
class Predictions:
    """Predictions in a folder, each beside a note that says it is complete."""

    folder: Path
    parts: Parts
    gap: float

    def make(self, trial: Trial, what: str = "") -> None:
        """Compute and keep a prediction, unless it is there.

        Parameters
        ----------
        trial
            Which one.
        what
            What a bar of progress calls it; none is shown without.
        """
        path = self.path(trial)
        note = path.with_suffix(".json")
        if note.exists() and path.exists():
            return
        start = time.monotonic()
        times = self.parts.times
        target, pairs = times[trial.target], times[list(trial.pairs)]
        scene, method = self._fitted(trial)
        fused = fuse(scene, method, dates=[target], pairs={target: pairs})
        bar = progress(fused.data.npartitions, what) if what else nullcontext()
        with bar, warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*missing", UserWarning)  # scores tell the share
            save(fused, path, overwrite=path.exists())
        seconds = time.monotonic() - start
        partial = note.with_suffix(".partial")
        partial.write_text(
            json.dumps(vars(Note(trial.row.label, trial.day, [text_of(p) for p in pairs], seconds)))
        )
        os.replace(partial, note)

    def open(self, trial: Trial) -> tuple[xr.DataArray, Note]:
        """Return a prediction, lazily, and what is known of it."""
        path = self.path(trial)
        return open_prediction(path), Note(**json.loads(path.with_suffix(".json").read_text()))

    def path(self, trial: Trial) -> Path:
        """Return where a prediction lies: its name holds all that it depends on."""
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{trial.day}-{trial.row.label}")
        return self.folder / f"{name}-{self._key(trial)}.zarr"

    def _key(self, trial: Trial) -> str:
        from dask.base import tokenize

        import xstf

        served = [*trial.pairs, trial.target]
        images = [self._bits["fine"][p] for p in trial.pairs]
        images += [self._bits["coarse"][p] for p in served]
        learned = (self._bits, self.gap) if learns(trial.row.method) else None
        ds = self.parts.ds
        return tokenize(
            trial.row.method,
            images,
            learned,
            self.parts.times[served].astype("datetime64[s]").astype(str).tolist(),
            ds["classes"].data if "classes" in ds else None,
            self.parts.grid,
            self.parts.valid_range,
            xstf.__version__,
        )[:16]

    @cached_property
    def _bits(self) -> dict[str, dict[int, int]]:
        """A number for every image that may serve, by date; one pass over them."""
        import dask

        kinds = ("fine", "coarse")
        usable = np.flatnonzero(self.parts.observed("fine") & self.parts.observed("coarse"))
        images = (self.parts.ds[kind].isel(time=usable) for kind in kinds)
        numbers = dask.compute(*(fingerprints(i) for i in images))
        dates = usable.tolist()
        return {
            k: dict(zip(dates, n.values.tolist(), strict=True))
            for k, n in zip(kinds, numbers, strict=True)
        }

    def _fitted(self, trial: Trial) -> tuple[xr.Dataset, Method]:
        """Return scene and method; one that learns never sees the date nor what the gap hides."""
        method: Any = trial.row.method
        if not learns(method):
            return self.parts.ds, method
        seen = apart(self.parts.times, self.parts.observed("fine"), trial.target, self.gap)
        ds = self.parts.ds
        kept = xr.DataArray(seen, dims="time", coords={"time": ds["time"]})
        held = ds.assign(fine=ds["fine"].where(kept), fine_observed=("time", seen))
        return held, method.fit(held)


def learns(method: Method) -> bool:
    """Return whether a method is fitted to a scene before it predicts."""
    return callable(getattr(method, "fit", None))


def open_prediction(path: Path) -> xr.DataArray:
    """Open a prediction that was kept, lazily."""
    ds = xr.open_zarr(str(path), decode_coords="all", consolidated=False, chunks={})
    fused = ds["fused"]
    for name in ("band", "pair_dates"):
        fused = fused.assign_coords({name: (fused[name].dims, fused[name].values.astype(object))})
    return fused
