"""Coarse images that lie on the fine grid, brought to their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr


def reduce_to_cells(array: xr.DataArray, cell: int) -> xr.DataArray:
    """Return block means over cells of `cell` x `cell` pixels, lazily.

    A cell is missing where more than half of its pixels are.
    """
    check_whole(array, cell)
    from xstf.kernels.boxes import cell_means

    data = array.data
    if hasattr(data, "dask"):
        whole = [
            tuple(size * cell for size in _even(sum(c) // cell, max(1, max(c) // cell)))
            for c in data.chunks[-2:]
        ]
        data = data.rechunk({data.ndim - 2: whole[0], data.ndim - 1: whole[1]})
        small = (*data.chunks[:-2], *(tuple(s // cell for s in c) for c in whole))
        means = data.map_blocks(
            cell_means, cell, chunks=small, dtype="float32", meta=np.empty((0,) * data.ndim, "f4")
        )
    else:
        means = cell_means(np.asarray(data), cell)
    return label_cells(means, array, cell)


def check_whole(array: xr.DataArray, cell: int) -> None:
    """Raise where cells do not divide images (..., y, x)."""
    for dim in array.dims[-2:]:
        if array.sizes[dim] % cell:
            keep = array.sizes[dim] // cell * cell
            raise ValueError(
                f"scale {cell} does not divide the {array.sizes[dim]} pixels along {dim}; cut "
                f"both images first: .isel({dim}=slice(0, {keep}))"
            )


def label_cells(means: Any, array: xr.DataArray, cell: int) -> xr.DataArray:
    """Return means over the cells of `array` with its names, labelled by the cells' centres."""
    y, x = array.dims[-2:]
    coords = {n: c for n, c in array.coords.items() if y not in c.dims and x not in c.dims}
    for dim in (y, x):
        coords[dim] = (dim, array[dim].values.reshape(-1, cell).mean(axis=1))
    return xr.DataArray(means, dims=array.dims, coords=coords, attrs=array.attrs, name="coarse")


def _even(total: int, size: int) -> tuple[int, ...]:
    return (size,) * (total // size) + ((total % size,) if total % size else ())
