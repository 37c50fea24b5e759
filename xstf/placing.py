"""Where the pixels of other tools' cubes lie, however these tools say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import georeference, mapping_of

CORNER = 0.01  # of a pixel: a coordinate this near to a pixel's corner is the corner


def told_crs(array: xr.DataArray) -> Any:
    """Return the CRS that the data say, however they say it; None where they do not."""
    cf = mapping_of(array)
    if cf is not None:
        return cf.get("crs_wkt") or cf["spatial_ref"]
    for name in ("epsg", "proj:epsg", "proj:code", "crs"):
        if name in array.coords and array.coords[name].ndim == 0:
            value = array.coords[name].item()
            return f"EPSG:{value}" if isinstance(value, int) else value
    area: Any = array.attrs.get("area")  # satpy
    return area.crs if hasattr(area, "crs") else array.attrs.get("crs")


def placed(array: xr.DataArray, bounds: Any) -> xr.DataArray:
    """Return the array with the centres of its pixels as coordinates, y downwards."""
    lacking = [d for d in ("y", "x") if d not in array.coords or array.coords[d].ndim != 1]
    if bounds is not None:
        if not lacking:
            raise ValueError(f"bounds={bounds}, but the data have coordinates; leave it out")
        left, bottom, right, top = map(float, bounds)
        if not (left < right and bottom < top):
            raise ValueError(f"bounds={bounds} are not (left, bottom, right, top)")
        rows, columns = array.sizes["y"], array.sizes["x"]
        y = top - (np.arange(rows) + 0.5) * (top - bottom) / rows
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        return array.drop_vars(lacking, errors="ignore").assign_coords(y=y, x=x)
    if lacking:
        return array.drop_vars(lacking, errors="ignore")
    array = _centred(array)
    rising = array.sizes["y"] > 1 and array["y"].values[0] < array["y"].values[-1]
    return array.isel(y=slice(None, None, -1)) if rising else array


def with_crs(array: xr.DataArray, own: Any, crs: Any) -> xr.DataArray:
    """Return the array with its CRS; raise where two are said."""
    from pyproj import CRS

    if crs is not None and own is not None and CRS.from_user_input(own) != CRS.from_user_input(crs):
        raise ValueError(
            f"crs={crs!r}, but the data say {CRS.from_user_input(own).to_string()}; leave crs out, "
            "or drop what the data say if it is wrong: data.drop_vars('spatial_ref')"
        )
    known = crs if own is None else own
    return array if known is None else georeference(array, known)


def _centred(array: xr.DataArray) -> xr.DataArray:
    """Return coordinates moved from corners to centres where a transform tells that they are."""
    transform = array.attrs.get("transform")
    if transform is None:
        return array
    dx, _, left, _, dy, top = tuple(transform)[:6]
    y, x = array["y"].values, array["x"].values
    if abs(x[0] - left) <= CORNER * abs(dx) and abs(y[0] - top) <= CORNER * abs(dy):
        return array.assign_coords(y=y + dy / 2, x=x + dx / 2)
    return array
