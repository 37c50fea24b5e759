"""The predictions of a comparison, kept on disk until all is done."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts
from xstf.dates import text_of
from xstf.fingerprint import fingerprints
from xstf.holdout import Trial
from xstf.method import Method, learns
from xstf.pairing import apart
from xstf.progress import progress
from xstf.source import code_of
from xstf.store import save

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Note:
    """What is known of a prediction that is complete."""

    label: str
    date: str
    pairs: list[str]
    seconds: float


@dataclass(frozen=True)
class Predictions:
    """Predictions in a folder, each beside a note that says it is complete."""

    folder: Path
    parts: Parts
    gap: float
    kept: bool

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
        fused = trial.fuse(*self._fitted(trial))
        bar = progress(fused.data.npartitions, what) if what else nullcontext()
        with bar, warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*missing", UserWarning)  # scores tell the share
            save(fused, path, overwrite=path.exists())
        pairs = [text_of(self.parts.times[p]) for p in trial.pairs]
        known = Note(trial.row.label, trial.day, pairs, time.monotonic() - start)
        partial = note.with_suffix(".partial")
        partial.write_text(json.dumps(vars(known)))
        os.replace(partial, note)
        log.info("%s %s predicted in %.1f s", known.label, trial.day, known.seconds)

    def open(self, trial: Trial) -> tuple[xr.DataArray, Note]:
        """Return a prediction, lazily, and what is known of it."""
        path = self.path(trial)
        return open_prediction(path), Note(**json.loads(path.with_suffix(".json").read_text()))

    def path(self, trial: Trial) -> Path:
        """Return where a prediction lies: its name holds all that it depends on."""
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{trial.day}-{trial.row.label}")
        return self.folder / f"{name}-{self._key(trial)}.zarr"

    def _key(self, trial: Trial) -> str:
        """Return the fingerprint of all that a prediction depends on."""
        from dask.base import tokenize

        served = [*trial.pairs, trial.target]
        method = trial.row.method
        if not self.kept:
            return tokenize(trial.row.label, served)[:16]
        images = [self._bits["fine"][p] for p in trial.pairs]
        images += [self._bits["coarse"][p] for p in served]
        learned = (self._bits, self.gap) if learns(method) else None
        days = self.parts.times[served].astype("datetime64[s]").astype(str).tolist()
        return tokenize(method, code_of(method), images, learned, days, self._place)[:16]

    @cached_property
    def _bits(self) -> dict[str, dict[int, int]]:
        """A number for every observed image, by date: one pass over them, date by date."""
        found: dict[str, dict[int, int]] = {}
        for kind in ("fine", "coarse"):
            dates = np.flatnonzero(self.parts.observed(kind)).tolist()
            images = self.parts.ds[kind]
            found[kind] = {d: int(fingerprints(images.isel(time=[d])).values[0]) for d in dates}
        return found

    @cached_property
    def _place(self) -> list[Any]:
        """What else a prediction depends on, or carries: grid, bands, classes, version."""
        import xstf

        ds = self.parts.ds
        labels = [ds[n].values.tolist() for n in ("band", "y", "x") if n in ds.coords]
        classes = None
        if "classes" in ds:
            classes = int(fingerprints(ds["classes"].expand_dims(("time", "band"))).values[0])
        mapping = ds["fine"].encoding.get("grid_mapping", "")
        crs = dict(ds[mapping].attrs) if mapping in ds.coords else {}
        limits = self.parts.valid_range
        return [labels, str(crs), classes, self.parts.grid, limits, xstf.__version__]

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


def open_prediction(path: Path) -> xr.DataArray:
    """Open a prediction that was kept, lazily."""
    ds = xr.open_zarr(str(path), decode_coords="all", consolidated=False, chunks={})
    fused = ds["fused"]
    for name in {"band", "pair_dates"} & set(fused.coords):
        fused = fused.assign_coords({name: (fused[name].dims, fused[name].values.astype(object))})
    return fused
