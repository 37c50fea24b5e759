"""Image files: a series of them as one lazy array."""

from __future__ import annotations

import glob
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import georeference

_BESIDE = (".hdr", ".aux.xml", ".enp", ".ovr", ".tfw", ".json", ".txt", ".md")
IDENTITY = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)  # GDAL's order: x0, dx, row skew, y0, column skew, dy
_SIDE = 1024  # of the chunks, pixels
_QUIET = threading.Lock()


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
    images = [_header(paths[i], scale_factor, offset, nodata) for i in order]
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


@dataclass(frozen=True)
class _Image:
    """One file as an array (band, y, x) that is read when it is indexed."""

    path: str
    shape: tuple[int, int, int]
    crs: str | None
    transform: tuple[float, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: tuple[float | None, ...]
    names: tuple[str | None, ...]
    block: tuple[int, int]
    stamp: tuple[int, int]  # time and size of the file: another content is another array

    ndim = 3
    dtype = np.dtype("float32")

    def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
        from rasterio.windows import Window

        spans, rest = [], []
        for index, size in zip(key, self.shape, strict=True):
            plain = isinstance(index, slice) and index.step in (None, 1)
            spans.append(index.indices(size)[:2] if plain else (0, size))
            rest.append(slice(None) if plain else index)
        (b0, b1), (y0, y1), (x0, x1) = spans
        out = np.empty((b1 - b0, y1 - y0, x1 - x0), self.dtype)
        if out.size:
            with opened(self.path, quiet=not self.crs) as source:
                window = Window(x0, y0, x1 - x0, y1 - y0)
                for n, values in enumerate(source.read(range(b0 + 1, b1 + 1), window=window)):
                    out[n] = self._decoded(values, b0 + n)
        return out[tuple(rest)]

    def _decoded(self, values: np.ndarray, band: int) -> np.ndarray:
        nodata, scale, offset = self.nodata[band], self.scales[band], self.offsets[band]
        decoded = values * np.float64(scale) + np.float64(offset)
        if nodata is not None:
            decoded[values == nodata] = np.nan
        return decoded


@contextmanager
def opened(path: str, mode: str = "r", *, quiet: bool, **profile: Any) -> Iterator[Any]:
    """Open a file; `quiet` without the warning that it has no georeference."""
    import rasterio

    if not quiet:
        with rasterio.open(path, mode, **profile) as source:
            yield source
        return
    # the filters are the process's: one thread at a time may change them
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        source = rasterio.open(path, mode, **profile)
    with source:
        yield source


def _header(
    path: str, scale_factor: float | None, offset: float | None, nodata: float | None
) -> _Image:
    """Read what a file says of itself; what the caller says goes before it."""
    from rasterio.errors import RasterioIOError

    for name, value in (("scale_factor", scale_factor), ("offset", offset)):
        if value is not None and not np.isfinite(value) or name == "scale_factor" and value == 0:
            raise ValueError(f"{name}={value!r} makes no image; give such as scale_factor=1e-4")
    try:
        with opened(path, quiet=True) as source:
            count, inside = source.count, source.subdatasets
            if count == 0 or np.dtype(source.dtypes[0]).kind not in "iuf":
                what = f"the images {inside[:3]}; give one of these" if inside else "no image"
                raise ValueError(f"{path} holds {what}")
            transform = tuple(map(float, source.transform.to_gdal()))
            if transform[2] or transform[4]:
                raise ValueError(
                    f"{path} is rotated (transform {transform}), and images lie along y and x; "
                    f"turn it north up first: gdalwarp {Path(path).name} north_up.tif"
                )
            status = os.stat(path) if os.path.exists(path) else None
            return _Image(
                path=path,
                shape=(count, source.height, source.width),
                crs=source.crs.to_wkt() if source.crs else None,
                transform=transform,
                scales=source.scales if scale_factor is None else (float(scale_factor),) * count,
                offsets=source.offsets if offset is None else (float(offset),) * count,
                nodata=source.nodatavals if nodata is None else (float(nodata),) * count,
                names=source.descriptions,
                block=source.block_shapes[0],
                stamp=(status.st_mtime_ns, status.st_size) if status else (0, 0),
            )
    except RasterioIOError as error:
        raise ValueError(
            f"{path} cannot be read as an image ({error}); give the data file itself (of ENVI the "
            "one beside the header), in a format that GDAL reads"
        ) from error


def listed(files: Any) -> list[str]:
    """Return the paths that a pattern, a path or a list of paths stands for."""
    if not isinstance(files, str | os.PathLike):
        paths = [os.fspath(f) for f in files]
        if not paths:
            raise FileNotFoundError("files is empty; give paths, or a pattern such as 'fine/*.tif'")
    else:
        text = os.path.expanduser(os.fspath(files))
        paths = [text]
        if glob.has_magic(text) and not os.path.exists(text):
            found = sorted(p for p in glob.glob(text, recursive=True) if os.path.isfile(p))
            paths = [p for p in found if not p.lower().endswith(_BESIDE)]
            if not paths:
                only = f"only {Path(found[0]).name} and the like" if found else "no file"
                raise FileNotFoundError(f"{text} finds {only}; check the folder and the pattern")
    for path in paths:
        if os.path.isdir(path):
            raise ValueError(f"{path} is a folder; give a pattern such as '{path}/*.tif'")
        # an address that only GDAL understands: /vsizip/..., https://..., HDF4_EOS:...
        if not re.match(r"/vsi|[A-Za-z][\w+]+:", path) and not os.path.exists(path):
            raise FileNotFoundError(f"there is no file {path}; check the path")
    return paths


_DATE = re.compile(
    r"(?<!\d)(?:(\d{4})([-_])(\d\d)\2(\d\d)|(\d{4})(\d\d)(\d\d)|(\d{4})(\d{3}))(?!\d)"
)


def _times(paths: list[str], dates: Any) -> np.ndarray:
    """Return the date of each file; raise where two are the same."""
    if dates is None:
        times = np.array([_date_in(Path(p).name) for p in paths], "datetime64[ns]")
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


def _date_in(name: str) -> np.datetime64:
    """Return the one date in a file name."""
    found = set()
    for match in _DATE.finditer(name):
        year, _, month, day, *digits = match.groups()
        year, month, day = (year, month, day) if year else digits[:3]
        if year is None:
            year, month, day = digits[3], "01", "01"
        try:
            date = np.datetime64(f"{year}-{month}-{day}", "D")
        except ValueError:
            continue
        date = date + (int(digits[4]) - 1 if digits[4] else 0)
        if 1970 <= int(year) <= 2100 and str(date)[:4] == year:
            found.add(date)
    if len(found) != 1:
        several = ", ".join(map(str, sorted(found)))
        raise ValueError(
            f"the name {name} holds {'several dates, ' + several if found else 'no date'}; a name "
            "must hold one date from 1970 to 2100, as YYYY-MM-DD, YYYYMMDD or YYYYDDD, or say the "
            "dates in the order of the files: dates=['2020-10-01', ...]"
        )
    return found.pop()


def _refuse_other_grid(first: _Image, image: _Image) -> None:
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


def _band_names(images: list[_Image], bands: Sequence[Any] | None) -> np.ndarray:
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


def _sides(image: _Image, chunks: int | None) -> tuple[int, int]:
    """Return rows and columns of the chunks: whole blocks of the file, unless a side is given."""
    _, height, width = image.shape
    if chunks is not None:
        return min(chunks, height), min(chunks, width)
    rows, columns = image.block
    # a file in strips is cut into strips: a square would decode each strip several times
    across = width if columns >= width else max(1, _SIDE // columns) * columns
    down = max(1, _SIDE * min(_SIDE, width) // across // rows) * rows
    return min(down, height), min(across, width)
