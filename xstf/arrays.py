"""Images as users hold them, made float32 (time, band, y, x), NaN where missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import check_bands, check_filled, check_times
from xstf.packing import PACKED

ACROSS = ("x", "lon", "easting", "col")  # how names of the last dimension begin
DOWN = ("y", "lat", "northing", "row")


def as_images(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return images (time, band, y, x) as float32, checked but for their values."""
    array = _decoded(_named(array, name), name)
    check_filled(array, name)
    check_times(array["time"].values, name)
    check_bands(array, name)
    return array


def _named(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return the array with dimensions (time, band, y, x), whatever the last two are called."""
    missing = [d for d in ("time", "band") if d not in array.dims]
    if missing or array.ndim != 4:
        cure = (
            f"add what is missing: .expand_dims({missing[0]}=[...])"
            if missing
            else "take one of each other dimension: .isel(...)"
        )
        raise ValueError(f"{name} has dimensions {array.dims}, not (time, band, y, x); {cure}")
    array = array.transpose("time", "band", ...)
    y, x = array.dims[2:]
    if _begins(y, ACROSS) or _begins(x, DOWN):
        y, x = x, y
    array = array.transpose("time", "band", y, x)
    return array.rename({old: new for old, new in ((y, "y"), (x, "x")) if old != new})


def _begins(name: Any, words: tuple[str, ...]) -> bool:
    return str(name).lower().startswith(words)


def _decoded(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return float32 values, integers decoded by their scale, offset and fill attributes."""
    attrs = {**array.encoding, **array.attrs}
    if array.dtype.kind in "iu":
        if "scale_factor" not in array.attrs:
            raise ValueError(
                f"{name} is {array.dtype} without a scale_factor, so its units are not known; "
                "read it with xstf.read_images(..., scale_factor=1e-4), or make reflectance 0..1 "
                f"of it: xstf.sensors.to_reflectance({name}, product); "
                f"xstf.sensors.recognise({name}) says which numbers they are"
            )
        fill = attrs.get("_FillValue", attrs.get("missing_value"))
        values = array.astype("float32")
        if fill is not None:
            values = values.where(array != fill)
        values = values * np.float32(attrs["scale_factor"]) + np.float32(attrs.get("add_offset", 0))
        array = values.assign_attrs(array.attrs)
    elif array.dtype.kind != "f":
        raise ValueError(f"{name} is {array.dtype}; images are numbers, NaN where missing")
    else:  # floats whose missing pixels were not made NaN when they were opened
        fill = array.attrs.get("_FillValue", array.attrs.get("missing_value"))
        if fill is not None and np.isfinite(fill):
            array = array.where(array != array.dtype.type(fill))
    array = array.astype("float32")
    # what was decoded must not say that it is packed, or a writer scales it again
    array.attrs = {k: v for k, v in array.attrs.items() if k not in PACKED}
    array.encoding = {}
    return array


def select(
    fine: xr.DataArray, coarse: xr.DataArray, bands: Any, sensors: Any
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the bands of both that see the same light, under one name."""
    from xstf.sensors.bands import select_bands

    if bands is None or sensors is None or isinstance(sensors, str) or len(sensors) != 2:
        raise ValueError(
            f"bands={bands!r}, sensors={sensors!r}: give both, the names of the bands and of the "
            "two sensors, as in bands=['red', 'nir'], sensors=('landsat8', 'modis')"
        )
    return select_bands(fine, sensors[0], bands), select_bands(coarse, sensors[1], bands)


def class_map(classes: xr.DataArray | np.ndarray, fine: xr.DataArray) -> Any:
    """Return the data of a class map, matched to the fine pixels by names and coordinates."""
    sizes = {dim: fine.sizes[dim] for dim in ("y", "x")}
    if isinstance(classes, xr.DataArray) and classes.ndim == 2:
        y, x = classes.dims
        if _begins(y, ACROSS) or _begins(x, DOWN):
            y, x = x, y
        classes = classes.transpose(y, x)
        for dim, own in (("y", y), ("x", x)):
            if own in classes.coords and classes.sizes[own] == sizes[dim]:
                apart = np.abs(classes[own].values - fine[dim].values).max()
                steps = np.abs(np.diff(fine[dim].values[:2]))
                if len(steps) and not apart <= 0.5 * steps[0]:
                    raise ValueError(
                        f"the classes lie {apart:g} from the fine pixels along {dim}; give them on "
                        "the fine grid"
                    )
    if classes.shape != tuple(sizes.values()):
        raise ValueError(
            f"the classes have shape {classes.shape}, but the fine images are {sizes['y']} x "
            f"{sizes['x']}; give one class for each fine pixel"
        )
    return getattr(classes, "data", classes)
