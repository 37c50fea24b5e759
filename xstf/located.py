"""Images and where they lie: by their coordinates, their GeoTransform, or pixels counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xstf.arrays import as_images, select
from xstf.coordinates import with_axes
from xstf.crs import mapping_of, same_crs
from xstf.projection import Lattice, lattice_of

NAMES = ("fine", "coarse")
Anchors = tuple[str | None, str | None]


@dataclass(frozen=True)
class Located:
    """Images (time, band, y, x), the attributes of their grid mapping, and their grid."""

    array: xr.DataArray
    mapping: dict[str, Any] | None
    lattice: Lattice


def locate_both(
    fine: Any,
    coarse: Any,
    anchors: Anchors = (None, None),
    bands: Any = None,
    sensors: Any = None,
) -> tuple[Located, Located]:
    """Return fine and coarse images and where they lie; raise where that is not known.

    Parameters
    ----------
    fine, coarse
        Images as `xstf.align` takes them.
    anchors
        What the coordinates of each name of a pixel, see `xstf.projection.lattice_of`.
    bands, sensors
        As in `xstf.scene`.
    """
    arrays = [_with_dims(given, name) for given, name in zip((fine, coarse), NAMES, strict=True)]
    if bands is not None or sensors is not None:
        arrays = list(select(arrays[0], arrays[1], bands, sensors))
    mappings = [mapping_of(array) or mapping_of(array, "spatial_ref_coarse") for array in arrays]
    arrays = [_checked(array, name) for array, name in zip(arrays, NAMES, strict=True)]
    if (mappings[0] is None) != (mappings[1] is None):
        same_crs(*mappings)  # raises
    placed = [
        _placed(array, mapping, name)
        for array, mapping, name in zip(arrays, mappings, NAMES, strict=True)
    ]
    placed[0] = with_axes(placed[0], placed[1])
    placed[1] = with_axes(placed[1], placed[0])
    found = [
        Located(array, mapping, lattice_of(array, mapping, anchor, name))
        for array, mapping, anchor, name in zip(placed, mappings, anchors, NAMES, strict=True)
    ]
    return found[0], found[1]


def mapped(array: xr.DataArray, mapping: dict[str, Any] | None) -> xr.DataArray:
    """Return images with a grid mapping, or without any."""
    array = array.drop_vars(("spatial_ref", "spatial_ref_coarse"), errors="ignore")
    if mapping is None:
        return array
    array = array.assign_coords(spatial_ref=xr.DataArray(np.int64(0), attrs=mapping))
    array.encoding["grid_mapping"] = "spatial_ref"
    return array


def _with_dims(given: Any, name: str) -> xr.DataArray:
    """Return images with a date and a band, where they have these as scalar coordinates."""
    if not isinstance(given, xr.DataArray):
        raise TypeError(
            f"{name} is a {type(given).__name__}, not a DataArray on one grid; make one of a "
            f"Dataset of bands: xstf.to_images({name}), and bring images on several grids (UTM "
            "zones) to one first: xarray.concat([a, b.rio.reproject_match(a)], 'time')"
        )
    for dim in ("band", "time"):
        if dim not in given.dims and (dim == "band" or dim in given.coords):
            given = given.expand_dims(dim)
    return given


def _checked(array: xr.DataArray, name: str) -> xr.DataArray:
    flat = [str(n) for n, c in array.coords.items() if c.ndim == 2]
    array = as_images(array, name)
    if flat and not {"y", "x"} <= set(array.coords):
        raise ValueError(
            f"{name} lies on a swath ({', '.join(flat)} along two dimensions), and images lie "
            "on a regular grid; resample it first, with pyresample or satpy's resample()"
        )
    return array


def _placed(array: xr.DataArray, mapping: dict[str, Any] | None, name: str) -> xr.DataArray:
    """Return images with coordinates by their GeoTransform, where they have none."""
    if {"y", "x"} <= set(array.coords):
        return array
    said = str((mapping or {}).get("GeoTransform", "")).split()
    if said:
        x0, dx, _, y0, _, dy = map(float, said)
        shape = (array.sizes["y"], array.sizes["x"])
        return array.assign_coords(Lattice(y0, dy, x0, dx, shape).centres)
    if mapping:
        raise ValueError(
            f"{name} has a CRS but no coordinates along y and x, so where it lies is not "
            "known; give the pixel centres: .assign_coords(y=..., x=...)"
        )
    return array
