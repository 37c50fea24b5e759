"""All metrics of a prediction at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xstf.metrics import detail, multiscale, spectral, windowed
from xstf.metrics.catalogue import METRICS, named
from xstf.metrics.formulas import FORMULAS, of_moments, range_of
from xstf.metrics.moments import Sides

USUAL = ("rmse", "mae", "bias", "cc", "ssim", "sam", "ergas", "uiqi", "edge", "lbp")
SETS = {
    "plain": tuple(name for name, metric in METRICS.items() if not metric.window),
    "all": tuple(METRICS),
}


class Given(NamedTuple):
    """What metrics must be told.

    Attributes
    ----------
    scale
        Fine pixels per coarse pixel, for ERGAS; None: not known.
    data_range
        The range of the values.
    """

    scale: float | None
    data_range: float


def measure(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    metrics: str | Sequence[str] | None = None,
    scale: float | None = None,
    data_range: float | None = None,
    regions: Any = None,
) -> xr.Dataset:
    """Return metrics of a prediction, lazy where the images are.

    Matched by label, never by position: every predicted date must be in the truth, the bands must
    be the same in any order, and the pixels the same to 1e-6 of a pixel.

    Parameters
    ----------
    predicted, truth
        Images, dims (time, band, y, x) or (band, y, x), in the same unit.
    metrics
        Names, as in `METRICS`; ``"plain"``: all that need no window; ``"all"``; None: rmse, mae,
        bias, cc, ssim, sam, ergas, uiqi, edge and lbp. Of a set what the images do not allow is
        left out: ERGAS without a scale, MS-SSIM of small images.
    scale
        Fine pixels per coarse pixel along one axis; ERGAS uses 1 / scale. None: what
        ``predicted.attrs["scale"]`` says.
    data_range
        The range L of SSIM, PSNR and the edges. By default what `attrs["valid_range"]` (of results
        "scene_range") of the images spans, else 1.0.
    regions
        Parts to score apart: a bool mask (y, x), whole-numbered labels (y, x) with 0 in no region,
        or {name: mask}. Every result then has a dim ``region``.

    Returns
    -------
        A variable for each metric, dims (time, band) or, of all bands together, (time), and
        ``region`` where asked for; float64. SAM is in degrees, NaN for a single band. The attrs of
        each name the variant, and which values are ``best``.

    Raises
    ------
    TypeError
        If an image is not a DataArray.
    ValueError
        If the labels do not match, a metric is unknown, a scale is not positive, or the two valid
        ranges differ.

    Examples
    --------
    >>> values = np.random.default_rng(0).random((2, 16, 16))
    >>> truth = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": ["red", "nir"]})
    >>> found = measure(0.9 * truth, truth, metrics=["rmse", "cc", "ergas"], scale=16)
    >>> list(found)
    ['rmse', 'cc', 'ergas']
    >>> found.cc.round(3).values, found.ergas.attrs["ratio"]
    (array([1., 1.]), 0.0625)
    """
    names = _names(metrics)
    if scale is not None and not 0 < scale < np.inf:
        raise ValueError(f"scale={scale!r} must be positive: fine pixels per coarse one, as in 16")
    sides = Sides.of(predicted, truth, regions)
    scale = spectral.scale_of(sides) if scale is None else float(scale)
    given = Given(scale, range_of(sides, data_range))
    if metrics is None or (isinstance(metrics, str) and metrics in SETS):
        able = {"ergas": given.scale is not None, "ms_ssim": multiscale.fits(sides)}
        names = [name for name in names if able.get(name, True)]
    return xr.Dataset({name: MAKERS[name](sides, given) for name in names})


def _names(metrics: str | Sequence[str] | None) -> list[str]:
    """Return the names of the metrics that are wanted."""
    if metrics is None:
        return list(USUAL)
    if isinstance(metrics, str):
        if metrics in SETS:
            return list(SETS[metrics])
        if metrics not in METRICS:
            raise ValueError(_unknown(metrics) + ", or the sets 'plain' and 'all'")
        return [metrics]
    names = list(dict.fromkeys(metrics))
    for name in names:
        if name not in METRICS:
            raise ValueError(_unknown(name))
    if not names:
        raise ValueError("metrics is empty; name one or more, or leave it out for the usual ones")
    return names


def _unknown(name: Any) -> str:
    near = difflib.get_close_matches(str(name).lower(), METRICS, 3, 0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{name!r} is no metric; {hint}There are {', '.join(METRICS)}"


def _angle(sides: Sides, given: Given) -> xr.DataArray:
    if sides.predicted.sizes["band"] > 1:
        return spectral.angle_of(sides)
    empty = xr.full_like(sides.moments.isel(band=0, moment=0, drop=True), np.nan)
    return named("sam", empty, sides.predicted, variant="undefined for one band")


def _pointwise(name: str) -> Callable[[Sides, Given], xr.DataArray]:
    def make(sides: Sides, given: Given) -> xr.DataArray:
        options: dict[str, Any] = {"data_range": given.data_range} if name == "psnr" else {}
        return of_moments(name, sides, bands="pooled" if name == "dd" else "each", **options)

    return make


MAKERS: dict[str, Callable[[Sides, Given], xr.DataArray]] = {
    **{name: _pointwise(name) for name in FORMULAS},
    "sam": _angle,
    "ergas": lambda sides, given: spectral.ergas_of(sides, scale=given.scale),
    "ssim": lambda sides, given: windowed.ssim_of(sides, data_range=given.data_range),
    "ms_ssim": lambda sides, given: multiscale.scales_of(sides, given.data_range),
    "uiqi": lambda sides, given: windowed.quality_of(sides),
    "scc": lambda sides, given: detail.filtered_of(sides),
    "edge": lambda sides, given: detail.edge_of(sides, data_range=given.data_range),
    "lbp": lambda sides, given: detail.texture_of(sides),
}
