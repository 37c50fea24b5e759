"""Quality flags of the sensors: which pixels they tell to be cloudy, and those pixels to NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.dates import find_dates, text_of
from xstf.flags import PRODUCTS, Product

ALIGNED = 1e-3  # of a pixel: two grids that differ by more are not one


def hide(
    images: xr.DataArray,
    flags: xr.DataArray,
    product: str,
    what: str | Sequence[str] | None = None,
    *,
    widen: int = 0,
) -> xr.DataArray:
    """Return images with NaN where their quality flags tell so, in all bands.

    Parameters
    ----------
    images
        (..., y, x), lazy or not; whole numbers become float32.
    flags
        Flag words as the product has them, (y, x) or (time, y, x): on the grid of the images, or
        on a coarser one whose pixels hold a whole number of theirs. NaN is taken as hidden.
    product, what, widen
        As in `flagged`.

    Returns
    -------
    xarray.DataArray
        As `images`.

    Raises
    ------
    ValueError
        If the grids do not meet, an image has no flags of its date, or for what `flagged` refuses.

    Examples
    --------
    >>> import numpy as np, xarray, xstf.masks
    >>> red = xarray.DataArray(np.full((1, 2), 0.1, "f4"), dims=("y", "x"))
    >>> quality = xarray.DataArray([[21824, 22280]], dims=("y", "x"))
    >>> xstf.masks.hide(red, quality, "landsat").values
    array([[0.1, nan]], dtype=float32)
    """
    _check_kind(images, "images")
    _check_kind(flags, "flags")
    bad = _on_grid(flagged(_on_dates(flags, images), product, what, widen=widen), images)
    if images.dtype.kind != "f":
        images = images.astype("float32")
    shown = images.where(~bad).transpose(*images.dims)
    return shown.assign_attrs(images.attrs)


def flagged(
    flags: xr.DataArray,
    product: str,
    what: str | Sequence[str] | None = None,
    *,
    widen: int = 0,
) -> xr.DataArray:
    """Return which pixels quality flags tell to be of some kind.

    Parameters
    ----------
    flags
        Flag words (..., y, x) as the product has them, lazy or not; NaN counts as told.
    product
        One of `xstf.flags.PRODUCTS`: landsat, hls, sentinel2, modis_state, modis_qc, viirs_qf1,
        viirs_qf2, brdf.
    what
        Kinds, such as ``("cloud", "shadow")``: keys of ``PRODUCTS[product].meanings``. None: its
        usual ones.
    widen
        Pixels (of the flags) within this distance of a told one are told as well, but not around
        those where nothing was measured.

    Returns
    -------
    xarray.DataArray
        bool, dims and coordinates of `flags`.

    Raises
    ------
    ValueError
        For an unknown product or kind, or, when computed, for flags that are no whole numbers, as
        interpolated ones are.
    """
    _check_kind(flags, "flags")
    of = _product(product)
    names = of.usual if what is None else (what,) if isinstance(what, str) else tuple(what)
    unknown = [name for name in names if name not in of.meanings]
    if unknown or not names:
        raise ValueError(
            f"what={what!r}: {product} flags tell {', '.join(of.meanings)}, and at least one is "
            "needed"
        )
    if not isinstance(widen, int | np.integer) or isinstance(widen, bool) or widen < 0:
        raise ValueError(f"widen={widen!r} is no number of pixels, 0 or more")
    if flags.sizes.get("band") == 1:  # as files of flags are opened
        flags = flags.isel(band=0, drop=True)
    if flags.dims[-2:] != ("y", "x"):
        raise ValueError(f"flags have dims {flags.dims}, not (..., 'y', 'x'); rename or transpose")
    seen = [name for name in names if name not in of.absent]
    absent = [name for name in names if name in of.absent]
    told = _mapped(lambda words: _told(words, of, seen), flags)
    if widen and seen:
        told = _widened(told, int(widen))
    if absent or flags.dtype.kind == "f":
        told = told | _mapped(lambda words: _told(words, of, absent, missing=True), flags)
    return told.rename("flagged").drop_attrs()


def _check_kind(given: Any, name: str) -> None:
    if not isinstance(given, xr.DataArray):
        raise TypeError(
            f"{name} are a {type(given).__name__}, not a DataArray (..., y, x); take a variable of "
            "a Dataset by its name, and give an array its dims: xarray.DataArray(array, dims=...)"
        )


def _product(name: str) -> Product:
    if name not in PRODUCTS:
        raise ValueError(f"product={name!r} is none of {', '.join(PRODUCTS)}")
    return PRODUCTS[name]


def _told(words: np.ndarray, of: Product, names: list[str], missing: bool = False) -> np.ndarray:
    """Return where flag words tell one of some kinds; with `missing`, or are NaN."""
    lost = np.zeros(words.shape, bool)
    if words.dtype.kind == "f":
        lost = np.isnan(words)
        words = np.where(lost, 0, words)
        if (words != np.trunc(words)).any():
            value = words[words != np.trunc(words)][0]
            raise ValueError(
                f"a flag word is {value}, which is no whole number: flags cannot be interpolated "
                "or scaled; resample them by nearest neighbour and read them without scale_factor"
            )
    # negative words are unsigned ones that were read as signed: the low bits are the same
    whole = words.astype(np.int64) & ((1 << of.width) - 1)
    told = lost.copy() if missing else np.zeros(words.shape, bool)
    for name in names:
        told |= of.meanings[name].told(whole) & ~lost
    return told


def _mapped(function: Callable[[np.ndarray], np.ndarray], flags: xr.DataArray) -> xr.DataArray:
    return xr.apply_ufunc(function, flags, dask="parallelized", output_dtypes=[bool])


def _widened(told: xr.DataArray, distance: int) -> xr.DataArray:
    """Return where a told pixel is at most so many pixels away, the same however it is cut."""
    from scipy.ndimage import binary_dilation

    y, x = np.ogrid[-distance : distance + 1, -distance : distance + 1]
    disk = np.hypot(y, x) <= distance
    disk = disk.reshape((1,) * (told.ndim - 2) + disk.shape)

    def widen(block: np.ndarray) -> np.ndarray:
        return binary_dilation(block, disk)

    data = told.data
    if hasattr(data, "dask"):
        depth = {told.ndim - 2: distance, told.ndim - 1: distance}
        data = data.map_overlap(widen, depth=depth, boundary="none", dtype=bool)
    else:
        data = widen(data)
    return told.copy(data=data)


def _on_dates(flags: xr.DataArray, images: xr.DataArray) -> xr.DataArray:
    """Return the flags of the dates of the images, in their order."""
    if "time" not in flags.dims:
        return flags
    if "time" not in images.coords:
        raise ValueError("flags have dates and the images have none; give the flags of one date")
    if "time" not in flags.coords:
        raise ValueError(
            "flags have a dimension time and no dates; give them: flags.assign_coords(time=...)"
        )
    known, wanted = flags["time"].values, np.atleast_1d(images["time"].values)
    lost = [date for date in wanted if date not in known]
    if lost:
        raise ValueError(
            f"{text_of(lost[0])} has no flags, which have {len(known)} dates from "
            f"{text_of(known.min())} to {text_of(known.max())}; drop that image, or give its flags"
        )
    at = find_dates(known, wanted)
    return flags.isel(time=at if "time" in images.dims else at[0])


def _on_grid(bad: xr.DataArray, images: xr.DataArray) -> xr.DataArray:
    """Return flags on the pixels of the images, with their coordinates."""
    factors = {}
    for dim in ("y", "x"):
        if dim not in images.dims:
            raise ValueError(f"images have dims {images.dims}, without {dim!r}; rename them")
        factors[dim], rest = divmod(images.sizes[dim], bad.sizes[dim])
        if rest or not factors[dim]:
            raise ValueError(
                f"images have {images.sizes[dim]} pixels along {dim} and their flags "
                f"{bad.sizes[dim]}, which is no whole number of times as many; cut both to one "
                "extent, or reproject the flags by nearest neighbour"
            )
        _check_places(images, bad, dim, factors[dim])
    data = bad.data
    for dim, factor in factors.items():
        data = data.repeat(factor, axis=bad.get_axis_num(dim)) if factor > 1 else data
    kept = {
        n: c for n, c in bad.coords.items() if not {"y", "x"} & set(c.dims) and n in images.dims
    }
    own = {dim: images[dim] for dim in ("y", "x") if dim in images.coords}
    return xr.DataArray(data, dims=bad.dims, coords=kept | own)


def _check_places(images: xr.DataArray, bad: xr.DataArray, dim: str, factor: int) -> None:
    """Raise where flags do not lie on the pixels that they are said to be of."""
    if dim not in images.coords or dim not in bad.coords:
        return
    places = images[dim].values.astype(float)
    step = np.abs(places[-1] - places[0]) / max(1, len(places) - 1) or 1.0
    centres = places.reshape(-1, factor).mean(axis=1)
    apart: Any = np.abs(centres - bad[dim].values).max() / step
    if not apart <= ALIGNED * factor:
        raise ValueError(
            f"flags lie {apart:.3g} pixels off the images along {dim}; cut both to one extent (and "
            "let both run the same way), or reproject the flags by nearest neighbour"
        )
