"""Stored numbers to reflectance: by the product, or recognised from the numbers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

SAMPLE = 512  # pixels a side that are looked at to recognise units
SEEN = 100  # of them must not be missing
BRIGHT = 2.0  # reflectance that nothing exceeds
PACKED = ("scale_factor", "add_offset", "_FillValue", "missing_value", "nodata")
OFTEN = 0.01  # of a sample: a value that stands for missing
LOOKED_AT = 7  # images that may be sampled
SAY = "scale_factor=... where files are read, or xstf.sensors.to_reflectance(images, product)"
KELVIN = (200.0, 350.0)  # where all of an image lies between these it may well be a temperature
EDGES = (1.0, 99.0)  # percentiles that must be plausible


@dataclass(frozen=True)
class Packed:
    """How a product stores reflectance: ``number * scale_factor + offset``.

    Attributes
    ----------
    title : str
        Which product, and where it is said.
    scale_factor, offset : float
        What makes reflectance of a number.
    fill : tuple of int
        Numbers that stand for a missing pixel.
    low, high : int
        The numbers that products call valid; others are missing.
    """

    title: str
    scale_factor: float
    offset: float
    fill: tuple[int, ...]
    low: int
    high: int


PRODUCTS: Mapping[str, Packed] = MappingProxyType(
    {
        "landsat-c2": Packed("Landsat Collection 2 Level-2 (USGS)", 2.75e-5, -0.2, (0,), 1, 65455),
        "landsat-c1": Packed(
            "Landsat Collection 1 Level-2 (USGS)", 1e-4, 0.0, (-9999,), -2000, 16000
        ),
        "hls": Packed("HLS v2 L30, S30 (HLS User Guide)", 1e-4, 0.0, (-9999,), -2000, 16000),
        "sentinel2": Packed("Sentinel-2 L2A, baseline before 04.00", 1e-4, 0.0, (0,), 1, 65534),
        "sentinel2-04": Packed("Sentinel-2 L2A, baseline 04.00 on", 1e-4, -0.1, (0,), 1, 65534),
        "mod09": Packed("MOD09, MYD09 (User's Guide)", 1e-4, 0.0, (-28672,), -100, 16000),
        "mcd43": Packed("MCD43A4, VNP43 (User's Guide)", 1e-4, 0.0, (32767,), 0, 32766),
        "vnp09": Packed("VNP09, VJ109 (User's Guide)", 1e-4, 0.0, (-28672,), -100, 16000),
    }
)


def to_reflectance(images: xr.DataArray, product: str) -> xr.DataArray:
    """Return stored numbers of a product as reflectance.

    Parameters
    ----------
    images
        As the product stores them, not scaled; lazy or not. NaN stays missing.
    product
        One of `PRODUCTS`: landsat-c2, landsat-c1, hls, sentinel2, sentinel2-04, mod09, mcd43,
        vnp09.

    Returns
    -------
    xarray.DataArray
        float32, about 0..1; NaN for fill and for numbers that the product calls invalid.

    Raises
    ------
    ValueError
        For an unknown product, or images that say that they are scaled already, or otherwise; when
        computed, for pixels that are reflectance.

    Examples
    --------
    >>> import numpy as np, xarray, xstf.sensors
    >>> stored = xarray.DataArray(np.array([[0, 8000, 18000]], "uint16"), dims=("y", "x"))
    >>> xstf.sensors.to_reflectance(stored, "landsat-c2").values
    array([[  nan, 0.02 , 0.295]], dtype=float32)
    """
    if product not in PRODUCTS:
        raise ValueError(f"product={product!r} is none of {', '.join(PRODUCTS)}")
    packed = PRODUCTS[product]
    done = {n for n in ("scale_factor", "add_offset") if n in images.encoding}
    if done and images.dtype.kind == "f":
        raise ValueError(
            f"these images were read with {' and '.join(sorted(done))}, so they are scaled already"
        )
    own = {n: images.attrs[n] for n in ("scale_factor", "add_offset") if n in images.attrs}
    same = {"scale_factor": (1.0, packed.scale_factor), "add_offset": (0.0, packed.offset)}
    other = [f"{n}={v}" for n, v in own.items() if not np.isclose(v, same[n], atol=0).any()]
    if other:
        raise ValueError(
            f"these images carry {', '.join(other)}, which is not how {product} stores images; "
            "name the product that they are, or decode them by what they say: xarray.decode_cf"
        )
    fill = [v for n, v in images.attrs.items() if n in ("_FillValue", "missing_value", "nodata")]
    kept = {n: v for n, v in images.attrs.items() if n not in PACKED}
    found = xr.apply_ufunc(
        _unpacked,
        images,
        kwargs={"packed": packed, "fill": fill},
        dask="parallelized",
        output_dtypes=[np.float32],
    )
    found.attrs = kept | {"units": "1", "valid_range": (0.0, 1.0)}
    return found


def recognise(images: xr.DataArray) -> str:
    """Say in what units images are, from a sample of their pixels.

    A square in the middle of the middle image is read; where it is missing, those of a few others.

    Parameters
    ----------
    images
        (..., y, x).

    Returns
    -------
    str
        ``"reflectance"`` (0..1), ``"1e-4"`` (0..10000), ``"landsat-c2"`` (2.75e-5 with an offset of
        -0.2) or ``"1/255"`` (0..255).

    Raises
    ------
    ValueError
        If the sample fits none, as temperatures do not, or has too few pixels.

    Examples
    --------
    >>> import numpy as np, xarray, xstf.sensors
    >>> stored = xarray.DataArray(np.linspace(7500, 20000, 400).reshape(20, 20), dims=("y", "x"))
    >>> xstf.sensors.recognise(stored)
    'landsat-c2'
    """
    if not isinstance(images, xr.DataArray):
        raise TypeError(
            f"images are a {type(images).__name__}, not a DataArray; of a Dataset give one variable"
        )
    values = _sample(images)
    if values.size >= SEEN and not values.any():
        raise ValueError(
            f"all pixels of a sample are 0, which says nothing of units; say them: {SAY}"
        )
    if values.size < SEEN:
        raise ValueError(
            f"only {values.size} pixels of some images are not missing, too few to recognise their "
            f"units; say them: {SAY}"
        )
    low, high = np.percentile(values, EDGES)
    fits = _fitting(low, high, bool((values == np.trunc(values)).all()))
    if len(fits) != 1:
        found = " and ".join(fits) or "neither reflectance nor a number of the known products"
        raise ValueError(
            f"pixels from {low:.6g} to {high:.6g} (1 and 99 %) fit {found}; say their units: "
            f"{SAY}, or valid_range=None for temperature and the like{_marked(values)}"
        )
    return fits[0]


def _marked(values: np.ndarray) -> str:
    """Return what to do where the lowest or highest value is there so often that it is a mark."""
    for value in (values.min(), values.max()):
        if abs(value) > BRIGHT and (values == value).mean() > OFTEN:
            return f"; if {value:g} stands for a missing pixel, read with nodata={value:g}"
    return ""


def _fitting(low: float, high: float, whole: bool) -> list[str]:
    """Return which units a range of values fits; bytes are no dark image in ten-thousandths."""
    fits: list[str] = []
    if KELVIN[0] <= low and high <= KELVIN[1]:
        return fits
    if low >= -0.2 and high <= BRIGHT and not (whole and high > 1):
        fits.append("reflectance")
    if whole and low >= 0 and 10 < high <= 255:
        fits.append("1/255")
    offset = PRODUCTS["landsat-c2"]
    dark = (0.0 - offset.offset) / offset.scale_factor
    if high > 255 and low >= dark - 1000 and high <= (BRIGHT - offset.offset) / offset.scale_factor:
        fits.append("landsat-c2")
    elif high > 255 and low >= -2000 and high <= BRIGHT * 1e4:
        fits.append("1e-4")
    return fits


def _sample(images: xr.DataArray) -> np.ndarray:
    """Return pixels in the middle of the middle image, and of others until there are enough."""
    place = {}
    for dim in images.dims:
        size = images.sizes[dim]
        half = SAMPLE // 2 if dim in images.dims[-2:] else 0
        middle = size // 2
        place[dim] = slice(max(0, middle - half), middle + max(half, 1))
    count = images.sizes.get("time", 1) if "time" in images.dims else 1
    spread = np.linspace(0, count - 1, min(count, LOOKED_AT - 1)).round().astype(int)
    values = np.empty(0)
    for at in dict.fromkeys([count // 2, *spread.tolist()]):
        part = images.isel(place | ({"time": at} if "time" in images.dims else {}))
        more = np.asarray(part.values, np.float64).ravel()
        values = np.append(values, more[np.isfinite(more)])
        if values.size >= SEEN:
            break
    return values


def _scaled(number: np.ndarray) -> bool:
    """Return whether values are reflectance and no stored numbers, as far as many of them tell."""
    seen = number[np.isfinite(number)]
    seen = seen[seen != 0]
    return seen.size >= SEEN and bool((abs(seen) <= BRIGHT).all() and (seen % 1 != 0).mean() > 0.5)


def _unpacked(values: np.ndarray, packed: Packed, fill: list[float]) -> np.ndarray:
    number = values.astype(np.float64)
    if _scaled(number):
        raise ValueError(
            f"pixels up to {np.nanmax(number):.3g} are no stored numbers of {packed.title}: these "
            "images are scaled already; leave to_reflectance out"
        )
    good = (number >= packed.low) & (number <= packed.high)
    good &= ~np.isin(number, [*packed.fill, *fill])
    return np.where(good, number * packed.scale_factor + packed.offset, np.nan).astype(np.float32)
