"""What Zarr gets: regular chunks, encodings, and blocks that are written one by one."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.packing import PACKED, PLAIN, Packing


def write_blocks(jobs: list[tuple[Any, Path, str, Packing]]) -> list[np.ndarray]:
    """Write dask arrays into Zarr arrays of the same chunks, in one compute.

    Parameters
    ----------
    jobs
        For each array: the dask array, the folder of the Zarr array, its name for messages, and
        how to pack it.

    Returns
    -------
    list of numpy.ndarray
        For each array how many values along its first dimension are not missing.
    """
    import dask

    counts = [
        data.map_blocks(
            _write_block,
            str(path),
            name,
            packing,
            chunks=(data.chunks[0], *((1,) * len(c) for c in data.chunks[1:])),
            dtype=np.int64,
            meta=np.empty((0,) * data.ndim, np.int64),
        )
        for data, path, name, packing in jobs
    ]
    totals = dask.compute(*counts)
    return [c.sum(axis=tuple(range(1, c.ndim))) for c in totals]


def _write_block(
    values: np.ndarray, path: str, name: str, packing: Packing, block_info: Any = None
) -> np.ndarray:
    """Write one chunk, unless all of it is missing, and count what is not."""
    import zarr

    seen = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    packed = packing.pack(values, name)
    if values.dtype.kind != "f" or not np.isnan(values).all():
        where = tuple(slice(*ends) for ends in block_info[0]["array-location"])
        zarr.open_array(path, mode="r+")[where] = packed
    return seen.sum(axis=tuple(range(1, values.ndim)), keepdims=True)


def warn_missing(count: np.ndarray, times: np.ndarray, name: str) -> None:
    """Warn of dates on which nothing was predicted."""
    empty = [str(np.datetime64(t, "D")) for t in times[count == 0]]
    if empty:
        shown = ", ".join(empty[:6]) + (f" and {len(empty) - 6} more" if len(empty) > 6 else "")
        warnings.warn(
            f"{name} is missing everywhere on {shown}: no coarse image, or nothing but clouds in "
            "it or in the images that served (pair_dates)",
            UserWarning,
            stacklevel=3,
        )


def regular(variable: xr.Variable) -> xr.Variable:
    """Return the variable on dask, in chunks that Zarr can store; in memory, one date a chunk."""
    if variable.chunks is None:
        return variable.chunk({variable.dims[0]: 1})
    sizes = (max(c) for c in variable.chunks)
    return variable.chunk(dict(zip(variable.dims, sizes, strict=True)))


def as_stored(
    ds: xr.Dataset, packing: Packing
) -> tuple[xr.Dataset, dict[Hashable, dict[str, Any]]]:
    """Return the data as they are stored: regular chunks, no old encodings; and the new ones."""
    encoding: dict[Hashable, dict[str, Any]] = {}
    ds = ds.copy()
    for name in list(ds.variables):
        variable = ds.variables[name].copy(deep=False)
        mapping = variable.encoding.get("grid_mapping", variable.attrs.get("grid_mapping"))
        variable.encoding = {}
        encoding[name] = {"grid_mapping": mapping} if mapping in ds.variables else {}
        # left from packed files, these would be applied once more on opening
        stale = PACKED if variable.dtype.kind == "f" else ()
        variable.attrs = {
            k: v for k, v in variable.attrs.items() if k not in (*stale, "grid_mapping")
        }
        if variable.dtype.kind in "UT":
            variable = variable.astype(object)
        if variable.chunks is not None and (
            variable.ndim == 0 or variable.dtype.kind not in "biuf"
        ):
            variable = variable.compute()
        image = variable.ndim == 4 and variable.dtype.kind == "f"
        if image or variable.chunks is not None:
            variable = regular(variable)
            encoding[name]["chunks"] = [max(c) for c in variable.chunks or ()]
            if variable.dtype.kind == "f":
                encoding[name] |= packing_of(variable, packing).encoding
        if name not in ds.indexes:
            ds[name] = variable
        elif ds[name].dtype.kind in "UT":
            ds = ds.assign_coords({name: variable})
        ds.variables[name].encoding = {}
    return ds, {n: e for n, e in encoding.items() if e}


def packing_of(variable: xr.Variable | xr.DataArray, packing: Packing) -> Packing:
    """Return how a variable is packed: images as asked, all else as it is."""
    image = variable.ndim == 4 and variable.dtype.kind == "f"
    return packing if image and not variable.attrs.get("counts") else PLAIN
