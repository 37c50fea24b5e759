"""The formulas of metrics that moments suffice for, and their way from moments to a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xstf.metrics.catalogue import check_bands, named, per_chunk, take_bands
from xstf.metrics.moments import Moments, Sides, pool

Formula = Callable[[Moments], np.ndarray]


def of_moments(
    name: str, sides: Sides, *, bands: str = "each", over: str = "space", **options: Any
) -> xr.DataArray:
    """Return a metric from the moments of two images.

    Parameters
    ----------
    name
        Of a metric of this file.
    sides
        The images.
    bands, over
        As for `rmse`.
    **options
        Those of the metric's own.
    """
    check_bands(bands, ("each", "mean", "pooled"))
    formula, variant, attrs = FORMULAS[name](sides, **options)
    m = sides.moments_over(over)
    if "band" in m.dims:
        if bands == "pooled":
            result = per_chunk(lambda a: formula(_pooled(a)), m, "band", "moment")
        else:
            each = per_chunk(lambda a: formula(Moments(*np.moveaxis(a, -1, 0))), m, "moment")
            result = take_bands(each, bands)
        attrs = attrs | {"bands": bands}
    elif bands == "mean":
        raise ValueError(f"bands='mean' with over={over!r}: no band is left; leave bands= out")
    else:
        result = per_chunk(lambda a: formula(Moments(*np.moveaxis(a, -1, 0))), m, "moment")
    return named(name, result, sides.predicted, variant=variant, over=over, **attrs)


def range_of(sides: Sides, given: float | None) -> float:
    """Return the range of the values: what is given, what the images say they span, or 1."""
    if given is None:
        given = spans_of(sides.predicted, sides.truth) or 1.0
    if not 0 < given < np.inf:
        raise ValueError(f"data_range={given!r} must be positive: 1.0 for reflectance")
    return float(given)


def spans_of(*images: xr.DataArray) -> float | None:
    """Return what the images say that their values span, which must be the same, or None."""
    said = [i.attrs.get("scene_range", i.attrs.get("valid_range")) for i in images]
    ranges = {tuple(map(float, r)) for r in said if r is not None}
    if len(ranges) > 1:
        raise ValueError(f"valid_range differs: {sorted(ranges)}; state data_range=")
    return next((hi - lo for lo, hi in ranges), None)


def _pooled(values: np.ndarray) -> Moments:
    """(..., band, moment) -> moments of all bands together."""
    return Moments(*pool(np.moveaxis(values, -1, 0), axis=values.ndim - 1))


def pearson(m: Moments) -> np.ndarray:
    """Return the correlation coefficient, NaN where a side is constant."""
    spread = np.sqrt(m.var_p) * np.sqrt(m.var_t)
    return np.clip(m.cov / nonzero(spread), -1, 1)


def nonzero(values: np.ndarray) -> np.ndarray:
    """Return what may divide: the values, NaN for 0."""
    return np.where(values != 0, values, np.nan)


def _rmse(sides: Sides) -> tuple[Formula, str, dict[str, Any]]:
    return lambda m: np.sqrt(m.mse), "population mean", {}


def _mae(sides: Sides) -> tuple[Formula, str, dict[str, Any]]:
    return lambda m: m.mae, "population mean", {}


def _bias(sides: Sides) -> tuple[Formula, str, dict[str, Any]]:
    return lambda m: m.diff, "predicted - truth", {}


def _cc(sides: Sides) -> tuple[Formula, str, dict[str, Any]]:
    return pearson, "Pearson", {}


def _r2(sides: Sides, kind: str = "correlation") -> tuple[Formula, str, dict[str, Any]]:
    if kind == "correlation":
        return lambda m: pearson(m) ** 2, "square of Pearson's correlation", {}
    if kind == "determination":
        return lambda m: 1 - m.mse / nonzero(m.var_t), "determination, 1 - SSE / SST", {}
    raise ValueError(f"kind={kind!r}: R squared is of 'correlation' or of 'determination'")


def _psnr(sides: Sides, data_range: float | None) -> tuple[Formula, str, dict[str, Any]]:
    span = range_of(sides, data_range)

    def formula(m: Moments) -> np.ndarray:
        decibels = 10 * np.log10(span**2 / nonzero(m.mse))
        return np.where(m.mse == 0, np.inf, decibels)

    return formula, "10 log10(L^2 / MSE)", {"data_range": span}


def _kge(sides: Sides, version: int = 2009) -> tuple[Formula, str, dict[str, Any]]:
    if version not in (2009, 2012):
        raise ValueError(f"version={version!r}: the Kling-Gupta efficiency is of 2009 or 2012")

    def formula(m: Moments) -> np.ndarray:
        beta = m.mean_p / nonzero(m.mean_t)
        alpha = np.sqrt(m.var_p) / nonzero(np.sqrt(m.var_t))
        if version == 2012:
            alpha = alpha / nonzero(beta)
        return 1 - np.sqrt((pearson(m) - 1) ** 2 + (alpha - 1) ** 2 + (beta - 1) ** 2)

    return formula, f"{version}", {}


FORMULAS: dict[str, Callable[..., tuple[Formula, str, dict[str, Any]]]] = {
    "rmse": _rmse,
    "mae": _mae,
    "bias": _bias,
    "cc": _cc,
    "r2": _r2,
    "psnr": _psnr,
    "kge": _kge,
    "dd": _mae,
}
