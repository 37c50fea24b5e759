"""Sums over cells and square windows, each in a fixed order, so that no cut of the scene shows."""

from __future__ import annotations

import numpy as np
from numba import njit


def cell_means(images: np.ndarray, cell: int) -> np.ndarray:
    """Return means over cells of `cell` x `cell` pixels.

    Parameters
    ----------
    images
        (..., y, x), whole cells. NaN is left out.
    cell
        Side of a cell in pixels.

    Returns
    -------
    numpy.ndarray
        (..., y / cell, x / cell) float32; NaN where more than half of the pixels are missing.
    """
    lead, (height, width) = images.shape[:-2], images.shape[-2:]
    out = np.empty((*lead, height // cell, width // cell), np.float32)
    flat = np.ascontiguousarray(images).reshape(-1, height, width)
    _cell_means(flat, cell, out.reshape(flat.shape[0], *out.shape[-2:]))
    return out


@njit(nogil=True, cache=True)
def _cell_means(images, cell, out):
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total = 0.0
                count = 0
                for y in range(i * cell, (i + 1) * cell):
                    for x in range(j * cell, (j + 1) * cell):
                        value = np.float64(images[n, y, x])
                        if not np.isnan(value):
                            total += value
                            count += 1
                enough = count > 0 and 2 * count >= cell * cell
                out[n, i, j] = total / count if enough else np.nan


def moments(images: np.ndarray, cell: int) -> np.ndarray:
    """Return what a scene's statistics are made of, for each square of `cell` pixels.

    Parameters
    ----------
    images
        (..., y, x). The last squares of a row or column may be cut short.
    cell
        Side of a square in pixels.

    Returns
    -------
    numpy.ndarray
        (5, ..., rows of squares, columns of squares) float64: count, mean, sum of squared
        differences from the mean, smallest, largest. NaN is left out.
    """
    lead, (height, width) = images.shape[:-2], images.shape[-2:]
    flat = np.ascontiguousarray(images).reshape(-1, height, width)
    rows, columns = -(-height // cell), -(-width // cell)
    out = np.empty((5, flat.shape[0], rows, columns))
    _moments(flat, cell, out)
    return out.reshape(5, *lead, rows, columns)


@njit(nogil=True, cache=True)
def _moments(images, cell, out):
    height, width = images.shape[1:]
    for n in range(out.shape[1]):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                rows = range(i * cell, min(height, (i + 1) * cell))
                columns = range(j * cell, min(width, (j + 1) * cell))
                count = 0
                total = 0.0
                low = np.inf
                high = -np.inf
                for y in rows:
                    for x in columns:
                        value = np.float64(images[n, y, x])
                        if not np.isnan(value):
                            count += 1
                            total += value
                            low = min(low, value)
                            high = max(high, value)
                mean = total / count if count else 0.0
                spread = 0.0
                for y in rows:
                    for x in columns:
                        value = np.float64(images[n, y, x])
                        if not np.isnan(value):
                            spread += (value - mean) ** 2
                out[0, n, i, j] = count
                out[1, n, i, j] = mean
                out[2, n, i, j] = spread
                out[3, n, i, j] = low
                out[4, n, i, j] = high


def weighted_means(images: np.ndarray, cell: int, line: np.ndarray) -> np.ndarray:
    """Return means over cells whose pixels, and those around them, have weights.

    Parameters
    ----------
    images
        (..., y, x), whole cells. NaN is left out, and so is what lies beyond the images.
    cell
        Side of a cell in pixels.
    line
        (cell + 2 margin,): weight of the pixels along one axis, with a sum of 1.

    Returns
    -------
    numpy.ndarray
        (..., y / cell, x / cell) float32; NaN where more than half of the weight is missing.
    """
    lead, (height, width) = images.shape[:-2], images.shape[-2:]
    out = np.empty((*lead, height // cell, width // cell), np.float32)
    flat = np.ascontiguousarray(images, np.float32).reshape(-1, height, width)
    _weighted_means(flat, cell, line, out.reshape(flat.shape[0], *out.shape[-2:]))
    return out


@njit(nogil=True, cache=True)
def _weighted_means(images, cell, line, out):
    height, width = images.shape[1:]
    margin = (line.size - cell) // 2
    sums = np.empty((2, out.shape[1], width))  # along the columns first, then along the rows
    for n in range(out.shape[0]):
        sums[:] = 0.0
        for i in range(out.shape[1]):
            top = i * cell - margin
            for k in range(max(0, -top), min(line.size, height - top)):
                for x in range(width):
                    value = np.float64(images[n, top + k, x])
                    if not np.isnan(value):
                        sums[0, i, x] += line[k] * value
                        sums[1, i, x] += line[k]
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                left = j * cell - margin
                total = 0.0
                weight = 0.0
                for k in range(max(0, -left), min(line.size, width - left)):
                    total += line[k] * sums[0, i, left + k]
                    weight += line[k] * sums[1, i, left + k]
                out[n, i, j] = total / weight if weight >= 0.5 - 1e-9 else np.nan
