"""Whether images are the ones they were: an exact number for each date, however they are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

_STEPS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)  # odd, bits well mixed


def fingerprints(images: xr.DataArray) -> xr.DataArray:
    """Return a number for each date that changes with any bit of its image, lazily.

    Sums of whole numbers modulo 2^64, so no cut and no order of the parts can show.

    Parameters
    ----------
    images
        (time, band, y, x) on any grid.

    Returns
    -------
    xarray.DataArray
        (time,) uint64.
    """
    data = images.astype("float32", copy=False).data
    if images.chunks is not None:
        alone = tuple((1,) * len(sizes) for sizes in data.chunks[1:])
        made = {"dtype": np.uint64, "meta": np.empty((0,) * 4, np.uint64)}
        data = data.map_blocks(_sums, chunks=(data.chunks[0], *alone), **made)
    else:
        data = _sums(data)
    time = images.dims[0]
    coords = {time: images[time].variable} if time in images.coords else {}
    found = xr.DataArray(data.sum(axis=(1, 2, 3), dtype=np.uint64), dims=[time], coords=coords)
    return found.rename(None)


def _sums(images: np.ndarray, block_info: Any = None) -> np.ndarray:
    """Return the sum over one part of the images, each value times what its place is worth."""
    starts = [ends[0] for ends in block_info[0]["array-location"][1:]] if block_info else (0, 0, 0)
    place: Any = np.uint64(1)
    for axis, (start, size, step) in enumerate(zip(starts, images.shape[1:], _STEPS, strict=True)):
        along = np.arange(start, start + size, dtype=np.uint64) * np.uint64(step)
        place = place + along.reshape([-1 if n == axis else 1 for n in range(3)])
    found = [(_bits(image) * place).sum(dtype=np.uint64) for image in images]
    return np.array(found, np.uint64).reshape(-1, 1, 1, 1)


def _bits(values: np.ndarray) -> np.ndarray:
    """Return the bits of each value, mixed so that two changes are unlikely to cancel."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    return bits * np.uint64(0xFF51AFD7ED558CCD) ^ (bits >> np.uint64(7))
