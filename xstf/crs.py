"""Coordinate reference systems: what is one, and what it is called."""

from __future__ import annotations

from typing import Any

import xarray as xr

ALIGN = "xstf.align(fine, coarse) builds the scene (on the command line: --align)"


def crs_of(crs: Any) -> Any:
    """Return a pyproj.CRS; raise for what is none."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(crs)
    except CRSError as error:
        raise ValueError(
            f"crs={crs!r} is no coordinate reference system ({error}); give such as 'EPSG:32633'"
        ) from error


def name_of(crs: Any) -> str:
    """Return a CRS, anything that pyproj.CRS takes, in a word."""
    crs = crs_of(crs)
    code = crs.to_authority()
    if code:
        return ":".join(code)
    made = crs.coordinate_operation  # which tells more than the name of one that has none
    return str(
        made.method_name if made and crs.name.lower() in ("unknown", "unnamed") else crs.name
    )


def mapping_of(array: xr.DataArray, name: str = "spatial_ref") -> dict[str, Any] | None:
    """Return the attributes of the array's grid mapping, None where it has no CRS."""
    named = array.encoding.get("grid_mapping") or array.attrs.get("grid_mapping") or name
    for candidate in (named, name):
        if candidate in array.coords:
            attrs = dict(array.coords[candidate].attrs)
            if attrs.get("crs_wkt") or attrs.get("spatial_ref"):
                return attrs
    return None


def same_crs(fine: dict[str, Any] | None, coarse: dict[str, Any] | None) -> None:
    """Raise where the two grid mappings have different coordinate reference systems."""
    if fine is None and coarse is None:
        return
    if fine is None or coarse is None:
        lacking, other = ("fine", "coarse") if fine is None else ("coarse", "fine")
        raise ValueError(
            f"the {other} images have a CRS and the {lacking} ones have none; say it: "
            f"xstf.georeference({lacking}, 'EPSG:...')"
        )
    ours, theirs = _wkt(fine), _wkt(coarse)
    if ours == theirs:
        return
    from pyproj import CRS

    left, right = CRS.from_wkt(ours), CRS.from_wkt(theirs)
    if not left.equals(right, ignore_axis_order=True):
        raise ValueError(
            f"the CRS differ: fine {name_of(left)}, coarse {name_of(right)}; bring the coarse "
            f"images to the fine CRS: {ALIGN}"
        )


def _wkt(mapping: dict[str, Any]) -> str:
    return str(mapping.get("crs_wkt") or mapping["spatial_ref"])
