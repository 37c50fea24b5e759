"""Cutting both grids of a scene together, on whole coarse cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import take_apart


def isel(data: xr.Dataset, indexers: Mapping[str, Any]) -> xr.Dataset:
    """Cut both grids by positions on the fine one, outwards to whole coarse cells.

    Parameters
    ----------
    data
        The scene.
    indexers
        ``y`` and ``x`` as slices of fine pixels with step 1; others as xarray takes them.
    """
    parts = take_apart(data)
    ds, scale = parts.ds, parts.grid.scale
    _refuse_coarse(indexers)
    both: dict[str, Any] = {k: v for k, v in indexers.items() if k not in ("y", "x")}
    for dim in ("y", "x"):
        if dim not in indexers:
            continue
        window = indexers[dim]
        _check_slice(dim, window)
        start, stop, _ = window.indices(ds.sizes[dim])
        if stop <= start:
            raise ValueError(
                f"{dim}={window!r} holds no pixel: the scene has {ds.sizes[dim]} along {dim}"
            )
        cells = slice(start // scale, -(-stop // scale))
        both[dim] = slice(cells.start * scale, cells.stop * scale)
        both[f"{dim}_coarse"] = cells
    return take_apart(ds.isel(both)).ds if _keeps_dims(both) else ds.isel(both)


def sel(data: xr.Dataset, indexers: Mapping[str, Any]) -> xr.Dataset:
    """Cut both grids by coordinates, outwards to whole coarse cells.

    Parameters
    ----------
    data
        The scene.
    indexers
        ``y`` and ``x`` as slices of coordinates in either order; others as xarray takes them.
    """
    _refuse_coarse(indexers)
    windows = {
        dim: _inside(data[dim].values, dim, indexers[dim]) for dim in ("y", "x") if dim in indexers
    }
    return isel(data.sel({k: v for k, v in indexers.items() if k not in windows}), windows)


def _inside(values: np.ndarray, dim: str, window: Any) -> slice:
    """Return the positions of the coordinates within a window."""
    _check_slice(dim, window)
    first, last = window.start, window.stop
    down = values[0] > values[-1]
    if first is not None and last is not None:
        low, high = min(first, last), max(first, last)
    else:
        low, high = (last, first) if down else (first, last)
        low, high = -np.inf if low is None else low, np.inf if high is None else high
    inside = np.flatnonzero((values >= low) & (values <= high))
    if len(inside) == 0:
        raise ValueError(
            f"{dim}={window!r} holds no pixel: the scene reaches from {values.min()} to "
            f"{values.max()}"
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _check_slice(dim: str, window: Any) -> None:
    if not isinstance(window, slice) or window.step not in (None, 1):
        raise ValueError(
            f"{dim}={window!r} does not cut both grids; give a slice with step 1, such as "
            f"{dim}=slice(0, 64)"
        )


def _refuse_coarse(indexers: Mapping[str, Any]) -> None:
    for dim in ("y_coarse", "x_coarse"):
        if dim in indexers:
            raise ValueError(f"{dim}=... would cut one grid alone; cut both: {dim[0]}=slice(...)")


def _keeps_dims(indexers: Mapping[str, Any]) -> bool:
    """Say whether the cut is still a scene: no dimension is indexed away."""
    return all(isinstance(v, slice) or np.ndim(v) > 0 for v in indexers.values())
