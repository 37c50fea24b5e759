"""How close a fused image is to the truth: metrics on labelled arrays, lazy on dask.

Every metric takes `predicted` and `truth` with dims `band`, `y`, `x` and any leading ones
(usually `time`), matches them by label, and reduces `y` and `x`. A pixel counts where both sides
are finite. Moments and results are float64; an entry without a valid pixel is NaN. The field's
codes differ in window, moments, units and ratio, so the result's attrs name the variant used.
"""

from typing import Any, Literal

import numpy as np
import xarray as xr

from xstf.matching import matched
from xstf.moments import MOMENTS, extreme, moments, window_moments, windows

__all__ = ["cc", "ergas", "rmse", "sam", "score", "ssim", "uiqi"]

_SAM_UNITS = {"deg": "degree", "rad": "radian", "cos": "1"}


def rmse(predicted: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """Root of the mean squared error of each band.

    The mean over bands is not the RMSE pooled over them; say which one you print.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x), in the same unit.

    Returns
    -------
        Dims (..., band), float64, in the unit of the images.

    Raises
    ------
    ValueError
        Where the labels of the two images do not match.

    Examples
    --------
    >>> truth = xr.DataArray([[[0.1, 0.2], [0.3, np.nan]]], dims=("band", "y", "x"))
    >>> rmse(truth + 0.05, truth).round(6).values
    array([0.05])
    """
    result = moments(predicted, truth)["mse"] ** 0.5
    return _named("rmse", result, variant="per band, population mean")


def cc(predicted: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """Pearson's correlation coefficient of each band; NaN where one side is constant.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).

    Returns
    -------
        Dims (..., band), float64, -1 to 1.

    Raises
    ------
    ValueError
        Where the labels of the two images do not match.
    """
    m = moments(predicted, truth)
    spread = m["var_p"] ** 0.5 * m["var_t"] ** 0.5
    result = (m["cov"] / spread.where(spread > 0)).clip(-1, 1)
    return _named("cc", result, variant="Pearson")


def ssim(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    data_range: float = 1.0,
    window: Literal[11, 7, "global"] = 11,
) -> xr.DataArray:
    """Structural similarity of each band [Wang et al. 2004, IEEE TIP 13(4), eq 13].

    K1 = 0.01, K2 = 0.03. Windows that leave the image or hold a missing pixel are left out.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    data_range
        The range L of the values, in their unit; it changes the value a lot.
    window
        11: Gaussian of 11 x 11 pixels, sigma 1.5, population moments, as in the paper. 7: uniform
        7 x 7, sample moments, the default of scikit-image. "global": the formula once over all
        valid pixels, population moments, as several papers on fusion do.

    Returns
    -------
        Dims (..., band), float64, at most 1.

    Raises
    ------
    ValueError
        For another window, a data range that is not positive, or labels that do not match.
    """
    variants = {
        11: "11-px Gaussian, sigma 1.5",
        7: "7-px uniform, sample moments",
        "global": "global, population moments",
    }
    if window not in variants:
        raise ValueError(f"window={window!r}: SSIM takes 11 (Gaussian), 7 (uniform) or 'global'")
    if not 0 < data_range < np.inf:
        raise ValueError(f"data_range={data_range!r} must be positive: 1.0 for reflectance")
    if window == "global":
        m = moments(predicted, truth)
        result = _ssim(data_range, *(m[name] for name in MOMENTS[1:6]))
    else:
        result = _mean(windows(_ssim_image, predicted, truth, int(window), data_range))
    return _named("ssim", result, variant=variants[window], data_range=float(data_range))


def uiqi(
    predicted: xr.DataArray, truth: xr.DataArray, *, window: int | Literal["global"] = 8
) -> xr.DataArray:
    """Universal image quality index of each band [Wang and Bovik 2002, IEEE SPL 9(3)].

    The product of [2 cov / (var_p + var_t)] and [2 p t / (p^2 + t^2)], p and t being the means; a
    factor that is 0/0 counts as 1. So two equal windows always give 1, and two flat windows are
    judged by their means, as the authors' code does. The windows slide by one pixel; those that
    leave the image or hold a missing pixel are left out.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    window
        Side of the uniform window in pixels, or "global" for one value over all valid pixels,
        which several codes for fusion print under the same name.

    Returns
    -------
        Dims (..., band), float64, -1 to 1.

    Raises
    ------
    ValueError
        For a window that is neither an integer of 2 or more nor "global", or labels that do not
        match.

    Notes
    -----
    The `uqi` of sewar (up to 0.4.10) uses window means where its formula wants window sums:
    independent random images score 0.89 there, 0.01 here.
    """
    if window == "global":
        m = moments(predicted, truth)
        result = _uiqi(*(m[name] for name in MOMENTS[1:6]))
        return _named("uiqi", result, variant="global")
    if not isinstance(window, int | np.integer) or window < 2:
        raise ValueError(f"window={window!r} must be an integer, 2 or more, or 'global'; usual: 8")
    result = _mean(windows(_uiqi_image, predicted, truth, int(window)))
    return _named("uiqi", result, variant=f"{window}-px sliding window, stride 1")


def sam(
    predicted: xr.DataArray, truth: xr.DataArray, *, unit: Literal["deg", "rad", "cos"] = "deg"
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

    Returns
    -------
        Dims of the images without band, y and x; float64.

    Raises
    ------
    ValueError
        For one band, an unknown unit, or labels that do not match.

    Notes
    -----
    Older versions of sewar take the angle between whole *bands*, not between the spectra of
    pixels; numbers of codes that import it are another quantity.
    """
    if unit not in _SAM_UNITS:
        raise ValueError(f"unit={unit!r}: the spectral angle takes 'deg', 'rad' or 'cos'")
    p, t = matched(predicted, truth)
    if p.sizes["band"] < 2:
        raise ValueError(
            f"{p.sizes['band']} band: a spectral angle needs 2 or more; pass more, or leave SAM out"
        )
    angle = xr.apply_ufunc(
        _angle,
        p,
        t,
        input_core_dims=[["band"], ["band"]],
        kwargs={"unit": unit},
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[np.float64],
    )
    return _named("sam", _mean(angle), variant="mean over pixels", units=_SAM_UNITS[unit])


def ergas(predicted: xr.DataArray, truth: xr.DataArray, *, ratio: float) -> xr.DataArray:
    """Relative global error over the bands [Wald 2000]; 0 is ideal.

    100 * ratio * sqrt(mean over bands of (RMSE / mean of the truth)^2). NaN where a band has no
    valid pixel or a truth of mean 0.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x), in a unit with a true zero.
    ratio
        Fine over coarse pixel size: 1/16 for Landsat on MODIS. Codes in use put 1, 1/4, 4 or
        1/16 here, hence no default.

    Returns
    -------
        Dims of the images without band, y and x; float64.

    Raises
    ------
    ValueError
        For a ratio that is not positive, or labels that do not match.
    """
    if not 0 < ratio < np.inf:
        raise ValueError(f"ratio={ratio!r} must be positive: fine / coarse pixel size, as in 1/16")
    m = moments(predicted, truth)
    relative = m["mse"] / (m["mean_t"] ** 2).where(m["mean_t"] != 0)
    result = 100 * ratio * relative.mean("band", skipna=False) ** 0.5
    return _named("ergas", result, variant="Wald, mean over bands", ratio=float(ratio))


def score(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    scale: float | None = None,
    data_range: float | None = None,
) -> xr.Dataset:
    """Return all metrics of a prediction at once, lazy where the images are.

    Matched by label, never by position: every predicted date must be in the truth, the bands must
    be the same in any order, and the pixels the same to 1e-6 of a pixel.

    Parameters
    ----------
    predicted, truth
        Images, dims (time, band, y, x) or (band, y, x), in the same unit.
    scale
        Fine pixels per coarse pixel along one axis; ERGAS uses 1 / scale and is left out where
        this is None.
    data_range
        The range L of SSIM. By default what `attrs["valid_range"]` (of results "scene_range")
        of the images spans, else 1.0.

    Returns
    -------
        `rmse`, `cc`, `ssim` (11 px) and `uiqi` (8 px) with dims (time, band), `sam` (degrees; NaN
        for a single band) and `ergas` with dims (time). The attrs of each name the variant.

    Raises
    ------
    TypeError
        If an image is not a DataArray.
    ValueError
        If the labels do not match, a scale is not positive, or the two valid ranges differ.

    Examples
    --------
    >>> values = np.random.default_rng(0).random((2, 16, 16))
    >>> truth = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": ["red", "nir"]})
    >>> found = score(0.9 * truth, truth, scale=16)
    >>> list(found)
    ['rmse', 'cc', 'ssim', 'sam', 'ergas', 'uiqi']
    >>> found.cc.round(3).values, found.ergas.attrs["ratio"]
    (array([1., 1.]), 0.0625)
    """
    if scale is not None and not 0 < scale < np.inf:
        raise ValueError(f"scale={scale!r} must be positive: fine pixels per coarse one, as in 16")
    p, t = matched(predicted, truth)
    if data_range is None:
        data_range = _data_range(predicted, truth)
    found = {"rmse": rmse(p, t), "cc": cc(p, t), "ssim": ssim(p, t, data_range=data_range)}
    if p.sizes["band"] > 1:
        found["sam"] = sam(p, t)
    else:
        empty = xr.full_like(found["rmse"].isel(band=0, drop=True), np.nan)
        found["sam"] = _named("sam", empty, variant="undefined for one band", units="degree")
    if scale is not None:
        found["ergas"] = ergas(p, t, ratio=1 / scale)
    return xr.Dataset(found | {"uiqi": uiqi(p, t)})


def _data_range(*images: xr.DataArray) -> float:
    said = [i.attrs.get("scene_range", i.attrs.get("valid_range")) for i in images]
    ranges = {tuple(map(float, r)) for r in said if r is not None}
    if len(ranges) > 1:
        raise ValueError(f"valid_range differs: {sorted(ranges)}; state data_range= for SSIM")
    return next((hi - lo for lo, hi in ranges), 1.0)


def _named(name: str, result: xr.DataArray, **attrs: Any) -> xr.DataArray:
    result = result.rename(name)
    result.attrs = attrs
    return result


def _mean(image: xr.DataArray) -> xr.DataArray:
    count = image.count(("y", "x"))
    return image.sum(("y", "x")) / count.where(count > 0)


def _ssim(data_range: float, p: Any, t: Any, var_p: Any, var_t: Any, cov: Any) -> Any:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return (2 * p * t + c1) * (2 * cov + c2) / ((p**2 + t**2 + c1) * (var_p + var_t + c2))


def _uiqi(p: Any, t: Any, var_p: Any, var_t: Any, cov: Any) -> Any:
    def ratio(above: Any, below: Any) -> Any:
        return xr.where(below == 0, 1.0, above / xr.where(below == 0, 1.0, below))

    return ratio(2 * cov, var_p + var_t) * ratio(2 * p * t, p**2 + t**2)


def _angle(p: np.ndarray, t: np.ndarray, unit: str) -> np.ndarray:
    """Angle or cosine of each pixel, (..., band) -> (...), NaN where it has none."""
    dot, pp, tt = np.zeros((3, *p.shape[:-1]))
    for band in range(p.shape[-1]):  # one by one on any chunk: arccos magnifies the last bit
        a, b = p[..., band].astype(np.float64), t[..., band].astype(np.float64)
        a, b = (np.where(np.isfinite(side), side, np.nan) for side in (a, b))
        dot, pp, tt = dot + a * b, pp + a * a, tt + b * b
    length = np.sqrt(pp) * np.sqrt(tt)
    cosine = np.clip(dot / np.where(length > 0, length, np.nan), -1, 1)
    if unit == "cos":
        return cosine
    return np.degrees(np.arccos(cosine)) if unit == "deg" else np.arccos(cosine)


def _ssim_image(p: np.ndarray, t: np.ndarray, window: int, data_range: float) -> np.ndarray:
    gauss = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights, sample = (np.ones(7), 49 / 48) if window == 7 else (gauss, 1.0)
    mean_p, mean_t, *second = window_moments(p, t, weights / weights.sum())
    return _ssim(data_range, mean_p, mean_t, *(sample * a for a in second))


def _uiqi_image(p: np.ndarray, t: np.ndarray, window: int) -> np.ndarray:
    mean_p, mean_t, var_p, var_t, cov = window_moments(p, t, np.full(window, 1 / window))
    # A flat window must have variance 0, and rounding must not push the quotient beyond 1.
    var_p, var_t = (
        np.where(extreme("minimum", a, window) == extreme("maximum", a, window), 0, var)
        for a, var in ((p, var_p), (t, var_t))
    )
    bound = np.sqrt(var_p) * np.sqrt(var_t)
    return _uiqi(mean_p, mean_t, var_p, var_t, np.clip(cov, -bound, bound))
