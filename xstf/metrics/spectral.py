"""Metrics of all bands together: the spectral angle, and the relative global error."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from xstf.metrics.catalogue import named, per_chunk
from xstf.metrics.formulas import nonzero
from xstf.metrics.moments import Moments, Sides
from xstf.metrics.pointwise import Over

NOUNS = {"space": "pixels", "time": "dates"}
UNITS = {"deg": "degree", "rad": "radian", "cos": "1"}


def sam(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    unit: Literal["deg", "rad", "cos"] = "deg",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Spectral angle between the band vectors of each pixel, averaged over pixels.

    [Kruse et al. 1993, RSE 44]. Pixels that lack a band, and zero vectors, are left out.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x), with two bands or more.
    unit
        Mean angle in degrees ("deg") or radians ("rad"), or mean cosine ("cos"): all three are
        printed as "SAM" in the literature.
    over
        ``"space"``: the mean over pixels. ``"time"``: a map (y, x) of means over dates. ``"band"``:
        the map (..., y, x) of the angles.
    regions
        As for `rmse`.

    Returns
    -------
        Dims of the images without band, y and x, and ``region`` where asked for; float64.

    Raises
    ------
    ValueError
        For one band, an unknown unit, or labels that do not match.

    Notes
    -----
    Older versions of sewar take the angle between whole *bands*, not between the spectra of
    pixels; numbers of codes that import it are another quantity. torchmetrics (1.9) is NaN for an
    image with a single zero vector.
    """
    return angle_of(Sides.of(predicted, truth, regions), unit, over)


def ergas(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    ratio: float | None = None,
    scale: float | None = None,
    over: Literal["space", "time"] = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Relative global error over the bands [Wald 2000]; 0 is ideal.

    100 * ratio * sqrt(mean over bands of (RMSE / mean of the truth)^2). NaN where a band has no
    valid pixel or a truth of mean 0.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x), in a unit with a true zero.
    ratio
        Fine over coarse pixel size: 1/16 for Landsat on MODIS.
    scale
        Fine pixels per coarse pixel along one axis, 1 / ratio. Give one of the two, or neither
        where ``predicted.attrs["scale"]`` says it.
    over
        ``"space"``: y and x. ``"time"``: a map (y, x) over the dates.
    regions
        As for `rmse`.

    Returns
    -------
        Dims of the images without band, y and x, and ``region`` where asked for; float64.

    Raises
    ------
    ValueError
        For no ratio or both, one that is not positive, or labels that do not match.

    Notes
    -----
    Codes in use put 1, 1/4, 4 or 1/16 for the ratio, so the attrs of the result name it. The
    ``ratio`` of torchmetrics (1.9, by default 4) is coarse over fine: this function's scale.
    """
    return ergas_of(Sides.of(predicted, truth, regions), ratio, scale, over)


def angle_of(sides: Sides, unit: str = "deg", over: str = "space") -> xr.DataArray:
    """Return the spectral angle of two images; see `sam`."""
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r}: the spectral angle takes 'deg', 'rad' or 'cos'")
    if sides.predicted.sizes["band"] < 2:
        raise ValueError(
            f"{sides.predicted.sizes['band']} band: a spectral angle needs 2 or more; pass more, "
            "or leave SAM out"
        )
    sides.check_over(over)
    angle = xr.apply_ufunc(
        _angles,
        sides.predicted,
        sides.truth,
        input_core_dims=[["band"], ["band"]],
        kwargs={"cosine": unit == "cos"},
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[np.float64],
    )
    if over == "space":
        angle = sides.mean(angle)
    elif over == "time":
        angle = angle.mean("time")
    attrs = {
        "variant": "each pixel" if over == "band" else f"mean over {NOUNS[over]}",
        "units": UNITS[unit],
        "over": over,
        "best": "large" if unit == "cos" else "small",
    }
    result = np.degrees(angle) if unit == "deg" else angle
    return named("sam", result, sides.predicted, **attrs)


def ergas_of(
    sides: Sides, ratio: float | None = None, scale: float | None = None, over: str = "space"
) -> xr.DataArray:
    """Return the relative global error of two images; see `ergas`."""
    if over == "band":
        raise ValueError("over='band': ERGAS joins the bands by itself; reduce 'space' or 'time'")
    ratio = _ratio(sides, ratio, scale)
    m = sides.moments_over(over)

    def formula(values: np.ndarray) -> np.ndarray:
        m = Moments(*np.moveaxis(values, -1, 0))
        return 100 * ratio * np.sqrt((m.mse / nonzero(m.mean_t) ** 2).mean(axis=-1))

    result = per_chunk(formula, m, "band", "moment")
    attrs = {"variant": "Wald, mean over bands", "ratio": ratio, "over": over}
    return named("ergas", result, sides.predicted, **attrs)


def scale_of(sides: Sides) -> float | None:
    """Return the scale that the prediction says it was made with."""
    scale = sides.predicted.attrs.get("scale")
    return None if scale is None else float(scale)


def _ratio(sides: Sides, ratio: float | None, scale: float | None) -> float:
    if ratio is not None and scale is not None:
        raise ValueError(f"ratio={ratio!r} and scale={scale!r}: ERGAS takes one; leave out scale=")
    if ratio is None and scale is None:
        scale = scale_of(sides)
        if scale is None:
            raise ValueError(
                "ERGAS needs fine / coarse pixel size, and predicted.attrs has no 'scale'; give "
                "scale=16 or ratio=1/16"
            )
    if ratio is not None and not 0 < ratio < np.inf:
        raise ValueError(f"ratio={ratio!r} must be positive: fine / coarse pixel size, as in 1/16")
    if scale is not None and not 0 < scale < np.inf:
        raise ValueError(f"scale={scale!r} must be positive: fine pixels per coarse one, as in 16")
    return float(ratio) if ratio is not None else 1 / float(scale or 1)


def _angles(p: np.ndarray, t: np.ndarray, cosine: bool) -> np.ndarray:
    """(..., y, x, band) -> (..., y, x)."""
    from xstf.kernels.agreement import angles

    return angles(np.moveaxis(p, -1, -3), np.moveaxis(t, -1, -3), cosine)
