"""Metrics of sliding windows: structural similarity, at one scale and five, and UIQI."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from xstf.metrics.catalogue import named, take_bands
from xstf.metrics.formulas import range_of
from xstf.metrics.moments import Moments, Sides
from xstf.metrics.sliding import Kernel, window_means

Own = Literal["each", "mean"]
VARIANTS = {
    11: "11-px Gaussian, sigma 1.5",
    7: "7-px uniform, sample moments",
    "global": "global, population moments",
}


def ssim(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    data_range: float | None = None,
    window: Literal[11, 7, "global"] = 11,
    bands: Own = "each",
    regions: Any = None,
) -> xr.DataArray:
    """Structural similarity of each band [Wang et al. 2004, IEEE TIP 13(4), eq 13].

    K1 = 0.01, K2 = 0.03. Windows that leave the image or hold a missing pixel are left out.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    data_range
        The range L of the values, in their unit; it changes the value a lot. None: what
        ``attrs["valid_range"]`` of the images spans, else 1.
    window
        11: Gaussian of 11 x 11 pixels, sigma 1.5, population moments, as in the paper. 7: uniform
        7 x 7, sample moments, the default of scikit-image. "global": the formula once over all
        valid pixels, population moments, as several papers on fusion do.
    bands
        ``"each"`` band, or the ``"mean"`` of these.
    regions
        As for `rmse`; a window belongs to the region of its centre.

    Returns
    -------
        Dims (..., band, [region]), float64, at most 1.

    Raises
    ------
    ValueError
        For another window, a data range that is not positive, or labels that do not match.

    Notes
    -----
    torchmetrics (1.9) also averages over windows that leave the image, which it fills by
    reflection, so its value differs from this one and from scikit-image's.
    """
    return ssim_of(Sides.of(predicted, truth, regions), window, data_range, bands)


def uiqi(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    window: int | Literal["global"] = 8,
    step: int | Literal["window"] = 1,
    bands: Own = "each",
    regions: Any = None,
) -> xr.DataArray:
    """Universal image quality index of each band [Wang and Bovik 2002, IEEE SPL 9(3)].

    The product of [2 cov / (var_p + var_t)] and [2 p t / (p^2 + t^2)], p and t being the means; a
    factor that is 0/0 counts as 1. So two equal windows always give 1, and two flat windows are
    judged by their means, as the authors' code does. Windows that leave the image or hold a missing
    pixel are left out.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    window
        Side of the uniform window in pixels, or "global" for one value over all valid pixels,
        which several codes for fusion print under the same name.
    step
        Pixels from one window to the next; "window": blocks side by side, from the first pixel on.
    bands
        ``"each"`` band, or the ``"mean"`` of these.
    regions
        As for `rmse`; a window belongs to the region of its centre.

    Returns
    -------
        Dims (..., band, [region]), float64, -1 to 1.

    Raises
    ------
    ValueError
        For a window that is neither an integer of 2 or more nor "global", a step that is no
        positive integer, or labels that do not match.

    Notes
    -----
    The `uqi` of sewar (up to 0.4.10) uses window means where its formula wants window sums:
    independent random images score 0.89 there, 0.01 here. That of torchmetrics (1.9) weights 11 x
    11 pixels by a Gaussian, and equal flat windows score near 0 there or what rounding leaves, even
    below 0.
    """
    return quality_of(Sides.of(predicted, truth, regions), window, step, bands)


def ssim_of(
    sides: Sides, window: Any = 11, data_range: float | None = None, bands: str = "each"
) -> xr.DataArray:
    """Return the structural similarity of two images; see `ssim`."""
    if window not in VARIANTS:
        raise ValueError(f"window={window!r}: SSIM takes 11 (Gaussian), 7 (uniform) or 'global'")
    span = range_of(sides, data_range)
    numbers = constants(span)
    if window == "global":
        result = _of_whole(sides, "similarity", **numbers)
    else:
        weights = gaussian() if window == 11 else np.full(7, 1 / 7)
        numbers |= {"weights": weights, "sample": 1.0 if window == 11 else 49 / 48}
        result = _means(sides, "similarity", numbers)
    attrs = {"variant": VARIANTS[window], "data_range": span, "bands": bands}
    return named("ssim", take_bands(result, bands), sides.predicted, **attrs)


def quality_of(sides: Sides, window: Any = 8, step: Any = 1, bands: str = "each") -> xr.DataArray:
    """Return the universal image quality index of two images; see `uiqi`."""
    stride = window if step == "window" else step
    if window == "global":
        if step not in (1, "window"):
            raise ValueError(
                f"step={step!r} with window='global': there is one window; leave it out"
            )
        result, variant = _of_whole(sides, "quality"), "global"
    elif not _whole_number(window, 2):
        raise ValueError(f"window={window!r} must be an integer, 2 or more, or 'global'; usual: 8")
    elif not _whole_number(stride, 1):
        raise ValueError(f"step={step!r} must be an integer, 1 or more, or 'window' for blocks")
    else:
        weights = np.full(window, 1 / window)
        result = _means(sides, "quality", {"weights": weights}, int(stride))
        variant = f"{window}-px sliding window, stride {stride}"
        variant = f"{window}-px blocks" if stride == window else variant
    result = take_bands(result, bands)
    return named("uiqi", result, sides.predicted, variant=variant, bands=bands)


def gaussian() -> np.ndarray:
    """Return the weights of 11 pixels, sigma 1.5."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    return weights / weights.sum()


def constants(span: float) -> dict[str, Any]:
    """Return what keeps the quotients of SSIM finite, for a range of the values."""
    return {"c1": (0.01 * span) ** 2, "c2": (0.03 * span) ** 2}


def _means(sides: Sides, formula: str, numbers: dict[str, Any], step: int = 1) -> xr.DataArray:
    numbers = numbers | {"formula": formula}
    kernel = Kernel("window_map", len(numbers["weights"]), numbers, step)
    return window_means(kernel, sides.predicted, sides.truth, regions=sides.regions)


def _of_whole(sides: Sides, formula: str, **numbers: float) -> xr.DataArray:
    """Return a kernel's formula of the moments of all pixels."""

    def one(values: np.ndarray) -> float:
        from xstf.kernels import similarity

        moments = Moments(*values)[1:6]
        value: float = getattr(similarity, formula)(*moments, **numbers)
        return value

    return xr.apply_ufunc(
        one,
        sides.moments,
        input_core_dims=[["moment"]],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[np.float64],
    )


def _whole_number(value: Any, least: int) -> bool:
    whole_number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole_number and bool(value >= least)
