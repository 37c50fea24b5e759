"""Coarse images brought to whole cells of the fine grid, lazily and a tile at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.projection import Lattice, corners, locate, side_of_cell
from xstf.reduction import reduce_to_cells

RESAMPLINGS = ("nearest", "bilinear", "cubic", "average")
TILE = 256  # cells along the side of a task's output
_SAME = 0.003  # of a coarse pixel: edges that lie nearer are the same; 0.05 fine ones at scale 16
_LINES = 17  # of a tile, by which the pixels that it needs are found


def on_cells(images: xr.DataArray, source: Lattice, cells: Lattice, how: str | None) -> Any:
    """Return the data of images on the cells of another grid: dask where they are, else numpy.

    Parameters
    ----------
    images
        (time, band, y, x) float32 on the grid `source`.
    source, cells
        Where the images lie, and where they are wanted.
    how
        One of `RESAMPLINGS`. None: the average where a cell is 1.7 pixels wide or more, and cubic
        below. Pixels that are the cells, and blocks of them to be averaged, are taken as they are.
    """
    how = how or ("average" if side_of_cell(source, cells) >= 1.7 else "cubic")
    whole = whole_pixels(source, cells)
    if whole is not None and (whole[2] == 1 or how == "average"):
        rows, columns, side = whole
        cut = images.isel(y=rows, x=columns).drop_vars(("y", "x"), errors="ignore")
        return cut.data if side == 1 else reduce_to_cells(cut, side).data
    if hasattr(images.data, "dask"):
        return _lazily(images.data, source, cells, how)
    everything = (slice(0, size) for size in cells.shape)
    return _warped(images.values, corners(source, cells, *everything), (0, 0), how)


def whole_pixels(source: Lattice, cells: Lattice) -> tuple[slice, slice, int] | None:
    """Return the rows and columns that are the cells, and how many pixels a cell is wide.

    The slices run backwards where the grids do. None where cells are not whole pixels.
    """
    v, u = locate(source, cells, *(np.array([0.0, size]) for size in cells.shape))
    found = []
    for start, stop, bent, extent, size in (
        (v[0, 0], v[1, 0], v[:, 1] - v[:, 0], source.shape[0], cells.shape[0]),
        (u[0, 0], u[0, 1], u[1] - u[0], source.shape[1], cells.shape[1]),
    ):
        side = abs(stop - start) / size
        ends = [round(e) if np.isfinite(e) else -1 for e in (start, stop)]
        off = max(abs(start - ends[0]), abs(stop - ends[1]), np.abs(bent).max())
        if not off <= _SAME or round(side) < 1 or abs(ends[1] - ends[0]) != round(side) * size:
            return None
        if min(ends) < 0 or max(ends) > extent:
            return None
        found.append((_between(*ends), round(side)))
    (rows, tall), (columns, wide) = found
    return (rows, columns, tall) if tall == wide else None


def _between(first: int, last: int) -> slice:
    """Return the pixels between two edges, backwards where these are."""
    if first < last:
        return slice(first, last)
    return slice(first - 1, last - 1 if last else None, -1)


def _lazily(data: Any, source: Lattice, cells: Lattice, how: str) -> Any:
    """Return a dask array whose every tile reads its own window of the images alone."""
    import dask
    import dask.array as da

    place = dask.delayed(corners, pure=True)
    blocks: list[list[Any]] = []
    for rows in _cuts(cells.shape[0]):
        blocks.append([])
        for columns in _cuts(cells.shape[1]):
            shape = rows.stop - rows.start, columns.stop - columns.start
            window = _window(source, cells, rows, columns, how)
            part = data[(..., *window)].rechunk({2: -1, 3: -1})
            if 0 in part.shape:
                chunks = (*data.chunks[:2], *((size,) for size in shape))
                whole = (*data.shape[:2], *shape)
                blocks[-1].append(da.full(whole, np.nan, dtype="float32", chunks=chunks))
                continue
            blocks[-1].append(
                part.map_blocks(
                    _warped,
                    place(source, cells, rows, columns),
                    (window[0].start, window[1].start),
                    how,
                    chunks=(*part.chunks[:2], (shape[0],), (shape[1],)),
                    dtype="float32",
                    meta=np.empty((0,) * 4, "float32"),
                )
            )
    return da.block(blocks)


def _cuts(size: int) -> list[slice]:
    return [slice(start, min(start + TILE, size)) for start in range(0, size, TILE)]


def _warped(
    values: np.ndarray, place: tuple[np.ndarray, np.ndarray], start: tuple[int, int], how: str
) -> np.ndarray:
    from xstf.kernels.warp import warp

    # whole numbers are taken off, which is exact: the same sums whatever the window
    return warp(values, place[0] - start[0], place[1] - start[1], how)


def _window(
    source: Lattice, cells: Lattice, rows: slice, columns: slice, how: str
) -> tuple[slice, slice]:
    """Return the pixels that the cells of a tile are made of, by some lines across it."""
    from xstf.kernels.warp import reach

    lines = [np.unique(np.linspace(s.start, s.stop, _LINES).round()) for s in (rows, columns)]
    v, u = locate(source, cells, *lines)
    found = []
    for at, size in ((v, source.shape[0]), (u, source.shape[1])):
        if not np.isfinite(at).any():
            return slice(0, 0), slice(0, 0)
        down = np.abs(np.diff(at, axis=0)) / np.diff(lines[0])[:, None]
        across = np.abs(np.diff(at, axis=1)) / np.diff(lines[1])
        wide = max(np.nanmax(side, initial=0) for side in (down, across))
        margin = reach(how, np.sqrt(2) * wide) + 1  # a sheared cell reaches further than its sides
        low, high = np.floor(np.nanmin(at)) - margin, np.ceil(np.nanmax(at)) + margin
        found.append(slice(*(int(min(max(edge, 0), size)) for edge in (low, high))))
    return found[0], found[1]
