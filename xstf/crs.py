"""Coordinate reference systems: what is one, and what it is called."""

from __future__ import annotations

from typing import Any


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
