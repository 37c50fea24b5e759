"""The columns of a table of methods: numbers by method and date, and which of them are best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xstf.plot.numbers import (
    best_of,
    digits_of,
    factor_of,
    head_of,
    over_dates,
    rule_of,
    trivial_of,
    values_of,
)


@dataclass(frozen=True)
class Column:
    """One number of each method on each date."""

    metric: str
    head: str
    title: str  # what it is, in words
    rule: str | None  # what is best: "small", "large", "zero"
    digits: int
    values: np.ndarray  # (name, time), as printed but for rounding

    def on(self, date: int | None) -> np.ndarray:
        """Return the number of each method on a date, or the mean over the dates that it has."""
        return over_dates(self.values) if date is None else self.values[:, date]

    def best(self, date: int | None) -> np.ndarray:
        """Return which methods are the best, by the digits that are printed.

        Of means only those over as many dates as any method has, for fewer may be easier ones.
        """
        values = np.round(self.on(date), self.digits)
        if date is None:
            count = np.isfinite(self.values).sum(axis=1)
            values = np.where(count == count.max(), values, np.nan)
        return best_of(values, self.rule)

    def text(self, value: float) -> str:
        """Return a number as printed, "-" for none."""
        # a rounded -0.0 plus 0.0 is 0.0
        return f"{round(value, self.digits) + 0.0:.{self.digits}f}" if np.isfinite(value) else "-"


def columns_of(
    scores: xr.Dataset, metrics: Sequence[str], factor: float | None = None
) -> list[Column]:
    """Return the columns of some metrics; RMSE has one for each band, and one of their mean.

    What is in units of the images comes times `factor`, by default `factor_of` of the scores.
    """
    factor = factor or factor_of(scores)
    columns = []
    for metric in metrics:
        bands: list[str | None] = [None]
        if metric == "rmse" and "band" in scores["rmse"].dims:
            bands = [str(band) for band in scores["rmse"]["band"].values]
            bands += [None] * (len(bands) > 1)
        for band in bands:
            values = values_of(scores, metric, band, factor)
            if metric == "seconds":  # doing nothing is no feat
                values = np.where(trivial_of(scores)[:, None], np.nan, values)
            mean = "mean" if metric == "rmse" and len(bands) > 1 else head_of(scores, metric)
            columns.append(
                Column(
                    metric,
                    band or mean,
                    _title(scores[metric], band),
                    rule_of(scores, metric),
                    digits_of(metric, factor),
                    values,
                )
            )
    return columns


def dates_of(scores: xr.Dataset) -> np.ndarray:
    """Return on how many dates each method has a value, (name,)."""
    return np.isfinite(values_of(scores, "rmse")).sum(axis=1)


def nothing_first(scores: xr.Dataset) -> np.ndarray:
    """Return the places of the methods, those that do nothing first, else as they came."""
    return np.argsort(~trivial_of(scores), kind="stable")


def _title(found: xr.DataArray, band: str | None) -> str:
    """Return what a metric is, in words, with its variant."""
    attrs = found.attrs
    words = [str(attrs.get("long_name", found.name))]
    if "band" in found.dims:
        words.append(band or "mean over bands")
    words += [str(attrs[k]) for k in ("variant",) if attrs.get(k)]
    if attrs.get("units") not in (None, "", "1"):
        words.append(f"in {attrs['units']}")
    return ", ".join(words)
