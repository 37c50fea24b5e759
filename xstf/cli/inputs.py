"""What commands read: scenes, results and image files, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from xstf.places import place_of
from xstf.wording import day as day
from xstf.wording import plural as plural


def is_zarr(path: str | Path) -> bool:
    """Return whether a Zarr group lies at `path`, which can be an address."""
    if Path(path).suffix.lower() in (".tif", ".tiff"):
        return False
    return place_of(path).is_store()


def open_zarr(path: str | Path) -> xr.Dataset:
    """Open any Zarr group lazily, with its CRS and with text as text.

    Parameters
    ----------
    path
        A Zarr group.
    """
    ds: xr.Dataset = place_of(path).dataset(chunks={})
    for name, variable in ds.variables.items():
        if variable.dtype.kind == "T":
            ds[name] = ds[name].astype(object)
    return ds


def open_images(
    path: str | Path,
    variable: str,
    *,
    dates: Sequence[str] | None = None,
    scale_factor: float | None = None,
    bands: Sequence[str] | None = None,
) -> xr.DataArray:
    """Open a series of images: a variable of a Zarr group, or image files.

    Parameters
    ----------
    path
        Zarr group, image file, pattern, or folder of GeoTIFFs.
    variable
        Name of the images in the Zarr group.
    dates, scale_factor, bands
        Of image files, see `xstf.read_images`; not for Zarr.

    Raises
    ------
    ValueError
        If the group has no such variable, or an option is given that Zarr does not need.
    """
    import xstf

    given = {"dates": dates, "scale_factor": scale_factor, "bands": bands}
    if not is_zarr(path):
        files = str(Path(path) / "*.tif") if Path(path).is_dir() else str(path)
        return xstf.read_images(files, **given)
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{path} is Zarr, which knows its own {name.replace('_', ' ')}")
    ds = open_zarr(path)
    if variable not in ds:
        held = ", ".join(sorted(map(str, ds.data_vars))) or "none"
        raise ValueError(f"{path} has no variable {variable!r}; it has {held}")
    return ds[variable]


def read_classes(path: str | Path) -> Any:
    """Return the class map in the first band of an image file, (y, x) whole numbers.

    Parameters
    ----------
    path
        An image file; missing pixels become 0, which means unclassified.
    """
    import xstf

    image = xstf.read_images([path], dates=["2000-01-01"])[0, 0].load()
    return image.fillna(0).round().astype("int32").values
