"""Images of a scene as they lie in Zarr: which part a window needs, read without a graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import same_axes
from xstf.grid import Tile
from xstf.places import Place

OPEN = 8  # stores that a process keeps open


@dataclass(frozen=True)
class Stored:
    """Images in a store and how the scene sees them (`xstf.portion.Source`)."""

    place: Place
    tag: str  # of the run, so that a store written anew is opened anew
    group: str | None
    name: str
    dims: tuple[str, ...]  # the store's names of time, band, y and x; of y and x for a plane
    dates: tuple[int, ...]  # where each date of the scene lies in the store, -1 where it lacks
    bands: tuple[int, ...]
    corner: tuple[int, int]  # stored pixel of the scene's first row and column
    size: tuple[int, int]  # rows and columns of the scene
    cell: int = 1  # stored pixels whose mean is one of the scene's cells

    def window(self, dates: Sequence[int], tile: Tile) -> np.ndarray:
        """Return the window of these dates, (date, band, y, x), NaN (or 0) off the scene."""
        variable = _variable(self.place, self.tag, self.group, self.name)
        kind = np.dtype(np.float32) if variable.dtype.kind == "f" else variable.dtype
        shape = (len(dates), len(self.bands), tile.y1 - tile.y0, tile.x1 - tile.x0)
        found = np.full(shape, np.nan if kind.kind == "f" else 0, kind)
        rows, columns = (
            slice(max(start, 0), min(stop, extent))
            for start, stop, extent in zip(
                (tile.y0, tile.x0), (tile.y1, tile.x1), self.size, strict=True
            )
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return found
        into = (
            slice(rows.start - tile.y0, rows.stop - tile.y0),
            slice(columns.start - tile.x0, columns.stop - tile.x0),
        )
        for at, stop, first in _runs([self.dates[d] for d in dates]):
            values = self._values(variable, slice(first, first + stop - at), rows, columns)
            found[(slice(at, stop), slice(None), *into)] = values
        return found

    def _values(self, variable: xr.Variable, dates: slice, rows: slice, columns: slice) -> Any:
        """Return what lies at the scene's rows and columns of dates that follow one another."""
        where: dict[Any, Any] = {}
        for dim, pixels, start in zip(self.dims[-2:], (rows, columns), self.corner, strict=True):
            where[dim] = slice(start + pixels.start * self.cell, start + pixels.stop * self.cell)
        if len(self.dims) == 2:
            return variable.isel(where).transpose(*self.dims).values
        where[self.dims[0]] = dates
        values = variable.isel(where).transpose(*self.dims).values
        if self.bands != tuple(range(values.shape[1])):
            values = values[:, list(self.bands)]
        if self.cell == 1:
            return values
        from xstf.kernels.boxes import cell_means

        # images of their own group are made float32 before they are reduced
        values = values.astype(np.float32, copy=False) if self.group else values
        return cell_means(np.ascontiguousarray(values), self.cell)


@dataclass(frozen=True)
class Names:
    """Where the images of both kinds lie in a store: its groups and variables."""

    groups: tuple[str | None, str | None]
    names: tuple[str, str]

    @classmethod
    def of(cls, place: Place, fine: str, coarse: str) -> Names:
        """Return where `xstf.open_scene` finds the images."""
        if not {fine, coarse} <= set(place.group().group_keys()):
            return cls((None, None), (fine, coarse))
        found = []
        for group in (fine, coarse):
            ds = open_lazily(place, group)
            images = [str(n) for n, v in ds.data_vars.items() if v.ndim == 4]
            found.append(group if group in ds else images[0])
        return cls((fine, coarse), (found[0], found[1]))


def stored_images(
    place: Place, tag: str, names: Names, ds: xr.Dataset, cells: tuple[int, int], cell: int
) -> dict[str, Stored]:
    """Return how the images of a checked scene lie in the store that it was opened from.

    Parameters
    ----------
    place, tag
        The store, and what tells this run from others.
    names
        Where the images are.
    ds
        The scene.
    cells
        Rows and columns of the coarse images as methods take them.
    cell
        Side of the cells that the coarse images of the fine grid are reduced to, 1 where they are
        taken as they are.
    """
    found = {}
    raw = [
        open_lazily(place, group)[name]
        for group, name in zip(names.groups, names.names, strict=True)
    ]
    if names.groups[0] is not None and raw[0].shape[-2:] == raw[1].shape[-2:]:
        scale = int(ds.attrs["scale"])
        cell = scale if same_axes(*(_plain(image) for image in raw)) else 1
    for kind, group, image in zip(("fine", "coarse"), names.groups, raw, strict=True):
        y, x = ("y", "x") if kind == "fine" else ("y_coarse", "x_coarse")
        dims = _dims(image, (y, x))
        bands = ds["band"].values if "band" in ds.coords else None
        side = cell if kind == "coarse" else 1
        found[kind] = Stored(
            place,
            tag,
            group,
            str(image.name),
            dims,
            _positions(image, dims[0], ds["time"].values),
            _positions(image, dims[1], bands),
            (_first(image, dims[2], ds, y), _first(image, dims[3], ds, x)),
            cells if kind == "coarse" else (ds.sizes[y], ds.sizes[x]),
            side,
        )
    if "classes" in ds:
        size = ds.sizes["y"], ds.sizes["x"]
        found["classes"] = Stored(place, tag, None, "classes", ("y", "x"), (0,), (0,), (0, 0), size)
    return found


def open_lazily(place: Place, group: str | None = None) -> xr.Dataset:
    """Open a Zarr group without dask, decoded as `xstf.open_scene` decodes it.

    Parameters
    ----------
    place, group
        The store, and the group in it.
    """
    found: xr.Dataset = place.dataset(group, chunks=None, cache=False)
    return found


@lru_cache(OPEN)
def _dataset(place: Place, tag: str, group: str | None) -> xr.Dataset:
    return open_lazily(place, group)


@lru_cache(4 * OPEN)
def _variable(place: Place, tag: str, group: str | None, name: str) -> xr.Variable:
    return _dataset(place, tag, group)[name].variable


def _runs(positions: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (start, stop, position of the first) of dates that follow one another in the store."""
    start = 0
    for n in range(1, len(positions) + 1):
        if n == len(positions) or positions[n] != positions[n - 1] + 1:
            if positions[start] >= 0:
                yield start, n, positions[start]
            start = n


def _dims(image: xr.DataArray, axes: tuple[str, str]) -> tuple[str, ...]:
    """Return the store's names of time, band, y and x."""
    if set(axes) <= set(image.dims):
        return ("time", "band", *axes)
    y, x = (str(d) for d in image.dims if d not in ("time", "band"))
    across = y.lower().startswith(("x", "lon", "easting", "col"))
    down = x.lower().startswith(("y", "lat", "northing", "row"))
    return ("time", "band", x, y) if across or down else ("time", "band", y, x)


def _plain(image: xr.DataArray) -> xr.DataArray:
    names = dict(zip(_dims(image, ("y", "x")), ("time", "band", "y", "x"), strict=True))
    return image.rename({old: new for old, new in names.items() if old != new})


def _positions(image: xr.DataArray, dim: str, wanted: Any) -> tuple[int, ...]:
    """Return where values of the scene's axis lie along the store's, -1 where they do not."""
    if dim not in image.coords or wanted is None:
        return tuple(range(image.sizes[dim]))
    own = image[dim].values
    if own.dtype.kind == "M":
        own, wanted = (axis.astype("datetime64[ns]") for axis in (own, wanted))
    where = {str(value): n for n, value in enumerate(own)}
    return tuple(where.get(str(value), -1) for value in wanted)


def _first(image: xr.DataArray, dim: str, ds: xr.Dataset, axis: str) -> int:
    """Return the stored pixel of the scene's first row or column."""
    if dim not in image.coords or axis not in ds.coords:
        return 0
    return int(np.argmin(np.abs(image[dim].values - ds[axis].values[0])))
