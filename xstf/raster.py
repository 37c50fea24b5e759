"""One image file as an array that is read where it is indexed, and files found by a pattern."""

from __future__ import annotations

import glob
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_BESIDE = (".hdr", ".aux.xml", ".enp", ".ovr", ".tfw", ".json", ".txt", ".md")
IDENTITY = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)  # GDAL's order: x0, dx, row skew, y0, column skew, dy
_QUIET = threading.Lock()


@dataclass(frozen=True)
class Raster:
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


def header(
    path: str, scale_factor: float | None, offset: float | None, nodata: float | None
) -> Raster:
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
            return Raster(
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
