"""Which metrics there are, what each of them needs, and how a result says what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

Bands = Literal["each", "mean", "pooled"]


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before it is computed.

    Attributes
    ----------
    long_name
        What it is, in words.
    best
        Which values are good: ``"small"``, ``"large"``, or those near ``"zero"``.
    window
        Whether it looks at neighbours of a pixel, which costs more than pixels alone.
    per
        ``"band"``: a value for each band and date; ``"date"``: one for all bands.
    units
        ``"image"``: that of the images; else its own, or None.
    """

    long_name: str
    best: Literal["small", "large", "zero"]
    window: bool = False
    per: Literal["band", "date"] = "band"
    units: str | None = None


METRICS: dict[str, Metric] = {
    "rmse": Metric("root mean squared error", "small", units="image"),
    "mae": Metric("mean absolute error", "small", units="image"),
    "bias": Metric("mean error", "zero", units="image"),
    "cc": Metric("correlation coefficient", "large"),
    "r2": Metric("coefficient of determination", "large"),
    "psnr": Metric("peak signal-to-noise ratio", "large", units="dB"),
    "kge": Metric("Kling-Gupta efficiency", "large"),
    "dd": Metric("degree of distortion", "small", per="date", units="image"),
    "ssim": Metric("structural similarity", "large", window=True),
    "ms_ssim": Metric("multi-scale structural similarity", "large", window=True),
    "sam": Metric("spectral angle", "small", per="date", units="degree"),
    "ergas": Metric("relative global error", "small", per="date"),
    "uiqi": Metric("universal image quality index", "large", window=True),
    "scc": Metric("spatial correlation coefficient", "large", window=True),
    "edge": Metric("relative change of edges", "zero", window=True),
    "lbp": Metric("relative change of local binary patterns", "zero", window=True),
}


def named(name: str, result: xr.DataArray, like: xr.DataArray, **attrs: Any) -> xr.DataArray:
    """Return a result under its name, with attrs that say what it is; `like` has the unit."""
    about = METRICS[name]
    units = like.attrs.get("units") if about.units == "image" else about.units
    known = {"long_name": about.long_name, "units": units, "best": about.best}
    result = result.rename(name)
    result.attrs = {k: v for k, v in (known | attrs).items() if v is not None}
    return result


def take_bands(result: xr.DataArray, bands: str) -> xr.DataArray:
    """Return values of each band, or their mean, which is NaN where one of them is."""
    check_bands(bands, ("each", "mean"))
    return result if bands == "each" else result.mean("band", skipna=False)


def check_bands(bands: str, able: tuple[str, ...]) -> None:
    """Raise for a way to treat the bands that a metric does not know."""
    if bands in able:
        return
    listed = " or ".join(map(repr, able))
    why = ": pixels of several bands make no window" if bands == "pooled" else ""
    raise ValueError(f"bands={bands!r}{why}; this metric takes {listed}")


def per_chunk(function: Callable[..., np.ndarray], image: xr.DataArray, *core: str) -> xr.DataArray:
    """Return a function of arrays whose last axes are `core`, which it takes away."""
    return xr.apply_ufunc(
        function,
        image,
        input_core_dims=[list(core)],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[np.float64],
    )
