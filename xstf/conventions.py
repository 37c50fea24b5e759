"""What the CF conventions want said of images and their axes, so that other programs know them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import xarray as xr

CONVENTIONS = "CF-1.11"


def with_axes_said(array: xr.DataArray, mapping: Mapping[str, Any] | None) -> xr.DataArray:
    """Return images whose coordinates say what they are; what they say already stays.

    Parameters
    ----------
    array
        Images with any of the coordinates ``time``, ``band``, ``y`` and ``x``.
    mapping
        Attributes of their grid mapping, None where they have no CRS.
    """
    wkt = str(mapping.get("crs_wkt") or mapping.get("spatial_ref")) if mapping else None
    said = {
        **_spatial(wkt),
        "time": {"standard_name": "time", "axis": "T"},
        "band": {"long_name": "band"},
        "pair_dates": {"long_name": "dates of the pairs that served"},
    }
    array = array.assign_coords({n: array[n].copy() for n in said if n in array.coords})
    for name in said:
        if name in array.coords:
            array[name].attrs = {**said[name], **array[name].attrs}
    return array


def together(layers: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Return the layers of a result as one Dataset, in which ``fused`` names the others."""
    layers = {name: array.copy(deep=False) for name, array in layers.items()}
    others = " ".join(name for name in layers if name != "fused")
    if others and "fused" in layers:
        layers["fused"].attrs["ancillary_variables"] = others
    return xr.Dataset(layers, attrs={"Conventions": CONVENTIONS})


@lru_cache(maxsize=16)
def _spatial(wkt: str | None) -> dict[str, dict[str, str]]:
    """Return what y and x are in a CRS."""
    axes = {"y": {"axis": "Y"}, "x": {"axis": "X"}}
    if wkt is None:
        return axes
    from pyproj import CRS

    for said in CRS.from_wkt(wkt).cs_to_cf():
        if said.get("axis") in ("X", "Y"):
            axes[said["axis"].lower()] = {str(k): str(v) for k, v in said.items()}
    return axes
