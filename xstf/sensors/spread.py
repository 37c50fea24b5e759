"""Fine images as a coarse sensor sees them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from xstf.reduction import check_whole, label_cells, reduce_to_cells

REACH = 3.0  # standard deviations of a point spread that are looked at


def degrade(images: xr.DataArray, scale: int, *, spread: float = 0.0) -> xr.DataArray:
    """Return images as a sensor with coarse pixels sees them.

    Parameters
    ----------
    images
        (..., y, x) of whole cells, NaN where missing; lazy or not.
    scale
        Side of a coarse cell in fine pixels.
    spread
        Standard deviation of the Gaussian point spread on top of the cell's own box, in cells. 0:
        plain means over the cells. MODIS' and VIIRS' response along a scan is a triangle twice as
        wide as a pixel, which comes to 0.29.

    Returns
    -------
    xarray.DataArray
        (..., y, x) float32, labelled by the centres of the cells. A cell is missing where more than
        half of its weight is; else missing pixels are left out. At the images' edge the weight that
        falls beyond counts as missing.

    Raises
    ------
    ValueError
        If cells do not divide the images, or for a negative spread.

    Examples
    --------
    >>> import numpy as np, xarray, xstf.sensors
    >>> fine = xarray.DataArray(np.eye(4), dims=("y", "x"))
    >>> xstf.sensors.degrade(fine, 2).values.tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    if not isinstance(scale, int | np.integer) or isinstance(scale, bool) or scale < 1:
        raise ValueError(f"scale={scale!r} is no side of a cell in fine pixels, 1 or more")
    if not 0 <= spread <= 3:
        raise ValueError(f"spread={spread!r} is no width in coarse cells; give 0 to 3, such as 0.3")
    if images.dims[-2:] != ("y", "x"):
        raise ValueError(f"images have dims {images.dims}, not (..., 'y', 'x'); transpose them")
    images = _with_axes(images)
    if spread == 0:
        return reduce_to_cells(images, int(scale))
    check_whole(images, int(scale))
    return label_cells(_spread(images, int(scale), spread), images, int(scale))


def weights(scale: int, spread: float) -> np.ndarray:
    """Return the weight of each pixel of a line in the value of a cell, in its middle.

    Parameters
    ----------
    scale
        Side of a cell in pixels.
    spread
        Standard deviation of the Gaussian, in cells.

    Returns
    -------
    numpy.ndarray
        (scale + 2 margin,) float64 with a sum of 1: the box, smoothed.
    """
    sigma = spread * scale
    margin = math.ceil(REACH * sigma)
    centre = np.arange(-margin, scale + margin) + 0.5

    def below(edge: float) -> np.ndarray:
        return np.array([math.erf(d / (sigma * math.sqrt(2))) for d in centre - edge])

    line = below(0.0) - below(float(scale))
    return line / line.sum()


def _with_axes(images: xr.DataArray) -> xr.DataArray:
    """Return images whose y and x have coordinates: pixel numbers where they had none."""
    lacking = {d: np.arange(images.sizes[d]) for d in ("y", "x") if d not in images.coords}
    return images.assign_coords(lacking)


def _spread(images: xr.DataArray, scale: int, spread: float) -> Any:
    from xstf.kernels.boxes import weighted_means

    line = weights(scale, spread)
    margin = (len(line) - scale) // 2
    data = images.data
    if not hasattr(data, "dask"):
        return weighted_means(np.asarray(data), scale, line)
    first = data.ndim - 2  # of the two axes along the ground
    cells = [min(-(-margin // scale), size // scale) for size in data.shape[first:]]
    along = [
        _cut(size // scale, max(1, max(chunks) // scale, reach), scale)
        for size, chunks, reach in zip(data.shape[first:], data.chunks[first:], cells, strict=True)
    ]
    data = data.rechunk({first: along[0], first + 1: along[1]})
    depth = {first: cells[0] * scale, first + 1: cells[1] * scale}
    from dask.array.overlap import overlap

    wide = overlap(data, depth=depth, boundary=np.nan, allow_rechunk=False)
    chunks = (*data.chunks[:first], *(tuple(c // scale for c in one) for one in along))
    return wide.map_blocks(_inner, scale, line, cells, chunks=chunks, dtype="float32")


def _cut(total: int, side: int, scale: int) -> tuple[int, ...]:
    """Return chunks of `side` cells, in pixels; the last one takes what is left over."""
    count = max(1, total // side)
    return (*(side * scale,) * (count - 1), (total - (count - 1) * side) * scale)


def _inner(block: np.ndarray, scale: int, line: np.ndarray, cells: list[int]) -> np.ndarray:
    from xstf.kernels.boxes import weighted_means

    rows, columns = (slice(reach, -reach) for reach in cells)
    return weighted_means(block, scale, line)[..., rows, columns]
