"""Where the pixels of other tools' cubes lie, however these tools say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import georeference, inside_pixel, step_of
from xstf.crs import crs_of, mapping_of, name_of

MAPPED = {"grid_mapping_name", "crs_wkt", "spatial_ref"}  # attributes of a grid mapping
SAME = 1e-3  # of a pixel: sizes that differ by less are one


def grid_mappings(ds: xr.Dataset) -> list[Any]:
    """Return the grid mappings among the variables, where opening a file may leave them."""
    return [
        name
        for name, variable in ds.data_vars.items()
        if variable.ndim == 0 and MAPPED & set(variable.attrs)
    ]


def told_crs(array: xr.DataArray) -> Any:
    """Return the CRS that the data say, however they say it; None where they do not."""
    cf = mapping_of(array)
    if cf is not None:
        return cf.get("crs_wkt") or cf["spatial_ref"]
    for coordinate in array.coords.values():  # CF without a WKT
        if coordinate.ndim == 0 and "grid_mapping_name" in coordinate.attrs:
            from pyproj import CRS

            return CRS.from_cf(coordinate.attrs)
    for name in ("epsg", "proj:epsg", "proj:code", "crs"):
        if name in array.coords and array.coords[name].ndim == 0:
            value = array.coords[name].item()
            if value is None or value != value:
                continue
            return f"EPSG:{value}" if isinstance(value, int) else value
    area: Any = array.attrs.get("area")  # satpy
    return area.crs if hasattr(area, "crs") else array.attrs.get("crs")


def placed(array: xr.DataArray, bounds: Any) -> xr.DataArray:
    """Return the array with the centres of its pixels as coordinates, y downwards."""
    lacking = [d for d in ("y", "x") if d not in array.coords or array.coords[d].ndim != 1]
    flat = [str(n) for n, c in array.coords.items() if c.ndim == 2 and set(c.dims) == {"y", "x"}]
    if lacking and flat and bounds is None:
        raise ValueError(
            f"the data lie on a swath ({', '.join(flat)} along two dimensions), and images lie on "
            "a regular grid; resample them first, with pyresample or satpy's resample()"
        )
    if bounds is not None:
        if not lacking:
            raise ValueError(f"bounds={bounds}, but the data have coordinates; leave it out")
        left, bottom, right, top = map(float, bounds if len(bounds) == 4 else (0, 0, 0, 0))
        if not (left < right and bottom < top):
            raise ValueError(f"bounds={bounds} are not (left, bottom, right, top)")
        rows, columns = array.sizes["y"], array.sizes["x"]
        y = top - (np.arange(rows) + 0.5) * (top - bottom) / rows
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        return array.drop_vars(lacking, errors="ignore").assign_coords(y=y, x=x)
    if lacking:
        array, told = array.drop_vars(lacking, errors="ignore"), _transform(array)
        if told is None:
            return array
        axes = {dim: at + (np.arange(array.sizes[dim]) + 0.5) * d for dim, (at, d) in told.items()}
        array = array.assign_coords(axes)
    array = _centred(array)
    rising = array.sizes["y"] > 1 and array["y"].values[0] < array["y"].values[-1]
    return array.isel(y=slice(None, None, -1)) if rising else array


def with_crs(array: xr.DataArray, own: Any, crs: Any) -> xr.DataArray:
    """Return the array with its CRS; raise where two are said."""
    if crs is not None and own is not None and crs_of(own) != crs_of(crs):
        raise ValueError(
            f"crs={crs!r}, but the data say {name_of(own)}; leave crs out, "
            "or drop what the data say if it is wrong: data.drop_vars('spatial_ref')"
        )
    known = crs if own is None else own
    return array if known is None else georeference(array, known)


def _centred(array: xr.DataArray) -> xr.DataArray:
    """Return coordinates moved from corners to centres where a transform tells that they are.

    Of images that were cut, turned or thinned since, the transform still tells the old pixels.
    """
    told = _transform(array)
    if told is None:
        return array
    moved = {}
    for dim, (edge, width) in told.items():
        values = array[dim].values
        step = step_of(values)
        if step is not None and abs(abs(step / width) - 1) > SAME:
            continue  # other pixels than those that the transform tells
        inside = inside_pixel(values[0], edge, width)
        if inside is None:
            raise ValueError(
                f"along {dim} the coordinates lie {(values[0] - edge) / width % 1:.3g} pixels "
                "inside the pixels of the transform that the data carry, neither at centres nor "
                "at edges, so one of both is wrong; drop the transform, data.drop_attrs() or "
                "data.drop_vars('spatial_ref'), or give other coordinates"
            )
        if inside == 0:
            moved[dim] = values + width / 2
    return array.assign_coords(moved)


def _transform(array: xr.DataArray) -> dict[str, tuple[float, float]] | None:
    """Return edge and width of pixels along y and x where the data say them, else None."""
    told = array.attrs.get("transform")
    if told is not None:
        dx, _, left, _, dy, top = tuple(told)[:6]
        return {"y": (top, dy), "x": (left, dx)}
    said = str((mapping_of(array) or {}).get("GeoTransform", "")).split()
    if len(said) != 6:
        return None
    left, dx, _, top, _, dy = map(float, said)
    return {"y": (top, dy), "x": (left, dx)}
