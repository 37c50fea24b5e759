"""What scores say, as plain arrays with a name, a unit and a rule of what is best."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

# in the order of a table
HEADS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": "AD",
    "dd": "DD",
    "cc": "CC",
    "r2": "R²",
    "kge": "KGE",
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "uiqi": "UIQI",
    "scc": "sCC",
    "edge": "Edge",
    "lbp": "LBP",
    "sam": "SAM deg",
    "ergas": "ERGAS",
    "coarse_rmse": "coarse RMSE",
    "valid": "valid %",
    "seconds": "seconds",
}
IN_UNITS = ("rmse", "mae", "bias", "dd", "coarse_rmse")  # of the images
_DIMS = ("name", "time", "band")
_DIGITS = {"sam": 2, "psnr": 2, "ergas": 3, "valid": 1, "seconds": 1}
_BEST = {"valid": "large", "seconds": "small"}


def scores_of(scores: xr.Dataset, *metrics: str) -> xr.Dataset:
    """Return scores, once they have the dimension ``name`` and these metrics.

    Raises
    ------
    ValueError
        If they have not, or a metric has a dimension that none of ours is.
    """
    if not isinstance(scores, xr.Dataset) or "name" not in scores.dims:
        dims = tuple(getattr(scores, "dims", ())) or type(scores).__name__
        raise ValueError(
            f"scores are {dims}, but need the dimension name, that of the methods; give what "
            "xstf.compare returned"
        )
    missing = [name for name in metrics if name not in scores]
    if missing:
        there = ", ".join(map(str, scores.data_vars))
        raise ValueError(f"the scores have no {missing[0]!r}, only {there}; give one of these")
    for metric in metrics:
        more = [d for d in scores[metric].dims if d not in _DIMS]
        if more:
            raise ValueError(f"{metric!r} has the dimension {more[0]!r}; take one: "
                             f".isel({more[0]}=0)")  # fmt: skip
    return scores


def factor_of(scores: xr.Dataset) -> float:
    """Return what values in units of the images are multiplied by: 1e4 for reflectance, or 1."""
    limits = scores.attrs.get("scene_range")
    if limits is None or isinstance(limits, str):
        return 1.0
    return 1e4 if max(map(abs, limits)) <= 2 else 1.0


def values_of(
    scores: xr.Dataset, metric: str, band: Any = None, factor: float | None = None
) -> np.ndarray:
    """Return a metric as (name, time): of one band, or the mean over those that have a value.

    What is in units of the images comes times `factor`, by default `factor_of`; the share of valid
    pixels in percent.

    Raises
    ------
    ValueError
        If there is no such band.
    """
    found = scores[metric]
    if "band" in found.dims:
        found = _of_band(found, band)
    if "time" not in found.dims:
        found = found.expand_dims("time")
    values = np.asarray(found.transpose("name", "time").values, np.float64)
    if metric in IN_UNITS:
        return values * (factor or factor_of(scores))
    return values * 100 if metric == "valid" else values


def _of_band(found: xr.DataArray, band: Any) -> xr.DataArray:
    if band is None:
        return found.mean("band")
    names = [str(b) for b in found["band"].values]
    if str(band) not in names:
        raise ValueError(f"band={band!r} is not scored; there are {', '.join(names)}")
    return found.isel(band=names.index(str(band)))


def over_dates(values: np.ndarray) -> np.ndarray:
    """Return the mean of (name, time) over the dates that a method has, NaN for none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=1)
    total = np.where(seen, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def best_of(values: np.ndarray, rule: str | None) -> np.ndarray:
    """Return which of the values are the best: small, large or nearest to zero.

    Of equal ones all are, but none where no other is worse.
    """
    if rule not in ("small", "large", "zero") or not np.isfinite(values).any():
        return np.zeros(len(values), bool)
    badness = {"small": values, "large": -values, "zero": np.abs(values)}[rule]
    least = np.nanmin(badness)
    return (badness == least) & bool((badness > least).any())


def rule_of(scores: xr.Dataset, metric: str) -> str | None:
    """Return what is best of a metric: "small", "large", "zero", None where nothing is said."""
    return scores[metric].attrs.get("best", _BEST.get(metric))


def head_of(scores: xr.Dataset, metric: str) -> str:
    """Return the short name of a metric, as the head of a column."""
    return HEADS.get(metric) or str(scores[metric].attrs.get("long_name", metric))


def label_of(scores: xr.Dataset, metric: str) -> str:
    """Return the name of a metric with its unit, as a chart says it."""
    from xstf.plot.canvas import in_powers

    name = head_of(scores, metric)
    if metric not in IN_UNITS:
        return name
    factor, units = factor_of(scores), scores[metric].attrs.get("units")
    return name + (in_powers(factor) or (f" ({units})" if units not in (None, "1") else ""))


def digits_of(metric: str, factor: float) -> int:
    """Return how many decimals of a metric are worth printing; errors come times `factor`."""
    return max(1, 4 - round(np.log10(factor))) if metric in IN_UNITS else _DIGITS.get(metric, 3)


def methods_of(scores: xr.Dataset) -> list[str]:
    """Return the names of the methods."""
    return [str(name) for name in scores["name"].values]


def trivial_of(scores: xr.Dataset) -> np.ndarray:
    """Return which methods do nothing, (name,) bool."""
    if "trivial" not in scores.coords:
        return np.zeros(scores.sizes["name"], bool)
    return np.asarray(scores["trivial"].values, bool)


def metrics_of(scores: xr.Dataset) -> list[str]:
    """Return the numbers that there are by method, in the order of a table."""
    there = [
        str(name)
        for name, found in scores.data_vars.items()
        if "name" in found.dims and set(found.dims) <= set(_DIMS) and found.dtype.kind in "fiu"
    ]
    return [n for n in HEADS if n in there] + [n for n in there if n not in HEADS]
