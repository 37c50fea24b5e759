"""Image files: a series of them as one lazy array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import georeference
from xstf.dates import date_in
from xstf.raster import IDENTITY, Raster, header, listed

_SIDE = 1024  # of the chunks, pixels


def read_images(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    dates: Any = None,
    bands: Sequence[Any] | None = None,
    scale_factor: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    chunks: int | None = None,
) -> xr.DataArray:
    """Open a series of image files, one a date, lazily: only their headers are read.

    Parameters
    ----------
    files
        A pattern such as ``"fine/*.tif"`` (sorted by name; headers and other side files are left
        out), one path, or a list of paths. Any format that GDAL reads.
    dates
        One date per file, in the order of the files. None: from the names of the files, which
        must hold one date each, as YYYY-MM-DD, YYYY_MM_DD, YYYYMMDD or YYYYDDD (MODIS AYYYYDDD).
    bands
        Names of the bands. None: the band descriptions where all files agree, else 1, 2, ...
    scale_factor, offset
        Stored numbers become ``number * scale_factor + offset``. None: as the file says; numbers
        stay as they are where it says nothing.
    nodata
        The stored number that means missing. None: as the file says. NaN is always missing.
    chunks
        Side of the dask chunks in pixels. None: about 1024, whole blocks of the files.

    Returns
    -------
    xarray.DataArray
        (time, band, y, x) float32 in the order of time, NaN where missing, with the CF grid
        mapping ``spatial_ref`` where the files have a CRS. Files without any georeference give
        no coordinates along y and x.

    Raises
    ------
    FileNotFoundError
        If a file is missing or a pattern finds none.
    ValueError
        If a file cannot be read, its name holds no date or several, two have the same date, or
        the files differ in size, bands, CRS or transform.

    Examples
    --------
    >>> import numpy as np, tempfile, xarray as xr, xstf
    >>> image = xr.DataArray(np.full((1, 1, 4, 4), 0.25, "f4"), dims=("time", "band", "y", "x"),
    ...     coords={"time": np.array(["2020-06-01"], "datetime64[ns]"), "band": ["red"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = xstf.write_images(image, folder, prefix="field")
    ...     read = xstf.read_images(f"{folder}/*.tif").load()
    >>> paths[0].name, read.dims, float(read[0, 0, 0, 0])
    ('field_2020-06-01.tif', ('time', 'band', 'y', 'x'), 0.25)
    """
    import dask.array as da

    if chunks is not None and (isinstance(chunks, bool) or chunks != int(chunks) or chunks < 1):
        raise ValueError(f"chunks={chunks!r} is no number of pixels; give such as chunks=512")
    paths = listed(files)
    times = _times(paths, dates)
    order = np.argsort(times, kind="stable")
    images = [header(paths[i], scale_factor, offset, nodata) for i in order]
    first = images[0]
    for image in images[1:]:
        _refuse_other_grid(first, image)
    cut = (-1, *_sides(first, chunks))
    lazy = [
        da.from_array(
            image,
            chunks=cut,
            lock=False,
            asarray=False,
            fancy=False,
            meta=np.empty((0, 0, 0), np.float32),
        )
        for image in images
    ]
    coords: dict[str, Any] = {"time": times[order], "band": _band_names(images, bands)}
    x0, dx, _, y0, _, dy = first.transform
    if first.crs or first.transform != IDENTITY:
        coords["y"] = y0 + (np.arange(first.shape[1]) + 0.5) * dy
        coords["x"] = x0 + (np.arange(first.shape[2]) + 0.5) * dx
    array = xr.DataArray(da.stack(lazy), dims=("time", "band", "y", "x"), coords=coords)
    if first.crs:
        array = georeference(array, first.crs)
        array["spatial_ref"].attrs["GeoTransform"] = " ".join(map(repr, first.transform))
    return array


def _times(paths: list[str], dates: Any) -> np.ndarray:
    """Return the date of each file; raise where two are the same."""
    if dates is None:
        times = np.array([date_in(Path(p).name) for p in paths], "datetime64[ns]")
    else:
        given = [dates] if np.ndim(dates) == 0 else list(dates)
        if len(given) != len(paths):
            raise ValueError(
                f"{len(given)} dates for {len(paths)} files ({Path(paths[0]).name} to "
                f"{Path(paths[-1]).name}); give one date per file, in their order"
            )
        try:
            times = np.array([np.datetime64(d, "ns") for d in given])
        except (TypeError, ValueError) as error:
            raise ValueError(f"dates={dates!r}: {error}; give such as '2020-10-01'") from error
    seen: dict[Any, str] = {}
    for time, path in zip(times, paths, strict=True):
        if time in seen:
            raise ValueError(
                f"{seen[time]} and {path} have the same date, {np.datetime64(time, 'D')}; keep one "
                "file per date, or say when each was taken: dates=['2020-10-01T10:30', ...]"
            )
        seen[time] = path
    return times


def _refuse_other_grid(first: Raster, image: Raster) -> None:
    """Raise where two files are not images of the same bands on the same grid."""
    from rasterio.crs import CRS

    pairs = [
        ("bands", first.shape[0], image.shape[0]),
        ("rows and columns", first.shape[1:], image.shape[1:]),
    ]
    if first.crs != image.crs:
        ours, theirs = (c and CRS.from_wkt(c) for c in (first.crs, image.crs))
        pairs.append(("CRS", ours and ours.to_string(), theirs and theirs.to_string()))
    apart = np.abs(np.subtract(first.transform, image.transform))
    if (apart > 1e-6 * abs(first.transform[1])).any():
        pairs.append(("transform", first.transform, image.transform))
    for what, ours, theirs in pairs:
        if ours != theirs:
            raise ValueError(
                f"{first.path} and {image.path} differ in {what}: {ours} and {theirs}; all files "
                "of one call lie on one grid. Read them apart and bring one to the other: "
                "a.rio.reproject_match(b)"
            )


def _band_names(images: list[Raster], bands: Sequence[Any] | None) -> np.ndarray:
    count = images[0].shape[0]
    if bands is not None:
        names = [bands] if isinstance(bands, str) else list(bands)
        if len(names) != count or len(set(names)) != count:
            raise ValueError(
                f"bands={names}, but {images[0].path} has {count}; give one name of its own to each"
            )
    else:
        names = list(images[0].names)
        told = all(names) and len(set(names)) == count
        if not told or any(i.names != images[0].names for i in images):
            return np.arange(1, count + 1)
    return np.array(names, object if isinstance(names[0], str) else None)


def _sides(image: Raster, chunks: int | None) -> tuple[int, int]:
    """Return rows and columns of the chunks: whole blocks of the file, unless a side is given."""
    _, height, width = image.shape
    if chunks is not None:
        return min(chunks, height), min(chunks, width)
    rows, columns = image.block
    # a file in strips is cut into strips: a square would decode each strip several times
    across = width if columns >= width else max(1, _SIDE // columns) * columns
    down = max(1, _SIDE * min(_SIDE, width) // across // rows) * rows
    return min(down, height), min(across, width)
