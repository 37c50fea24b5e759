"""Linear relations between two coarse images, one for the window of cells around each cell."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu

FEW = 3  # cells: fewer do not tell a slope
FLAT = 1e-6  # a window that varies less, relative to its values, holds nothing but rounding


@also_on_gpu
@njit(nogil=True, cache=True)
def fit_lines(pair, target, radius, gamma, slope, offset, residual):
    """Write least-squares lines of the target's cells on the pair's, in float64.

    Parameters
    ----------
    pair, target
        (image, rows + 2 radius, columns + 2 radius); NaN where missing or off the scene.
    radius
        Half the window, in cells.
    gamma
        Pull of slopes towards 1: weight of (slope - 1)^2 beside the squared residuals.
    slope, offset
        (image, rows, columns): filled. Cells missing on either date are left out. A window with
        fewer than three, or a flat one, has slope 1 and the mean difference as offset; an empty
        one NaN.
    residual
        (image, rows, columns): filled with what the line leaves of its middle cell, NaN where that
        is missing.
    """
    for n in range(slope.shape[0]):
        for i in range(slope.shape[1]):
            for j in range(slope.shape[2]):
                line = line_of(pair, target, n, i, j, radius, gamma)
                slope[n, i, j], offset[n, i, j], residual[n, i, j] = line


@njit(inline="always")
def line_of(pair, target, n, i, j, radius, gamma):
    """Return slope, offset and residual of the window whose corner is i, j in image n."""
    count = 0
    middle = 0.0
    height = 0.0
    for p in range(2 * radius + 1):
        for q in range(2 * radius + 1):
            x, y = np.float64(pair[n, i + p, j + q]), np.float64(target[n, i + p, j + q])
            if not math.isnan(x + y):
                count += 1
                middle += x
                height += y
    middle = middle / count if count > 0 else math.nan
    height = height / count if count > 0 else math.nan
    spread = 0.0
    both = 0.0
    for p in range(2 * radius + 1):
        for q in range(2 * radius + 1):
            x, y = np.float64(pair[n, i + p, j + q]), np.float64(target[n, i + p, j + q])
            if not math.isnan(x + y):
                spread += (x - middle) ** 2
                both += (x - middle) * (y - height)
    flat = spread <= FLAT**2 * (spread + count * middle**2)
    slope = 1.0 if count < FEW or flat else (both + gamma) / (spread + gamma)
    slope = slope if count > 0 else math.nan
    offset = height - slope * middle
    x = np.float64(pair[n, i + radius, j + radius])
    return slope, offset, np.float64(target[n, i + radius, j + radius]) - (slope * x + offset)


@also_on_gpu
@njit(nogil=True, cache=True)
def fill_from_neighbours(cells, out):
    """Write cells, each missing one as the mean of those of its eight neighbours that are there.

    Parameters
    ----------
    cells
        (image, rows + 2, columns + 2).
    out
        (image, rows, columns): filled.
    """
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[n, i, j] = filled(cells, n, i, j)


@njit(inline="always")
def filled(cells, n, i, j):
    """Return a cell of image n, or the mean of its neighbours, of which i, j is the first."""
    total = 0.0
    count = 0
    for p in range(3):
        for q in range(3):
            value = np.float64(cells[n, i + p, j + q])
            if not math.isnan(value):
                total += value
                count += 1
    own = np.float64(cells[n, i + 1, j + 1])
    mean = total / count if count > 0 else math.nan
    return mean if math.isnan(own) else own


@also_on_gpu
@njit(nogil=True, cache=True)
def on_lines(fine, slope, offset, residual, scale, spare, out):
    """Write each fine pixel by the line of its cell, plus the residual there.

    Parameters
    ----------
    fine
        (band, y, x), whole cells.
    slope, offset
        (date, band, y / scale, x / scale).
    residual
        (date, band, y, x).
    scale
        Fine pixels along the side of a cell.
    spare
        Pixels around the images that are not wanted.
    out
        (y - 2 spare, x - 2 spare, date * band): filled.
    """
    dates, bands = slope.shape[:2]
    cells = np.empty(out.shape[1], np.int64)
    for x in range(out.shape[1]):
        cells[x] = (x + spare) // scale
    for y in range(out.shape[0]):
        i = (y + spare) // scale
        for d in range(dates):
            for b in range(bands):
                values = fine[b, y + spare, spare:]
                left = residual[d, b, y + spare, spare:]
                a = slope[d, b, i]
                c = offset[d, b, i]
                to = out[y, :, d * bands + b]
                for x in range(out.shape[1]):
                    to[x] = on_line(values[x], a[cells[x]], c[cells[x]], left[x])


@njit(inline="always")
def on_line(value, slope, offset, left):
    """Return a fine value moved by the line of its cell, plus the residual there."""
    return slope * value + (offset + left)
