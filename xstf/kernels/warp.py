"""Images on the cells of another grid, however that lies: sheared, turned, flipped, finer."""

from __future__ import annotations

import numpy as np
from numba import njit

HOW = {"nearest": 0, "bilinear": 1, "cubic": 2, "average": 3}
_NEAREST, _BILINEAR, _CUBIC, _AVERAGE = HOW.values()
_FINE = 8  # points along a source pixel that an average is taken over, so 1/8 pixel is exact
_MOST = 24  # points along a cell, about, from which on pixels get fewer, but two at least


def reach(how: str, widest: float) -> int:
    """Return how many source pixels around a cell's centre its value is made of.

    Parameters
    ----------
    how
        One of `HOW`.
    widest
        Side of the largest cell in source pixels.
    """
    return int(np.ceil({"nearest": 0, "average": 1}.get(how, HOW[how]) * max(1.0, widest))) + 1


def warp(images: np.ndarray, v: np.ndarray, u: np.ndarray, how: str) -> np.ndarray:
    """Return images on cells whose corners lie anywhere among their pixels.

    Parameters
    ----------
    images
        (..., y, x), NaN where missing. What lies beyond is missing too.
    v, u
        (rows + 1, columns + 1) row and column of the corners of the cells, in pixels from the
        outer corner of the first pixel; NaN where a corner has no place.
    how
        ``"nearest"``; ``"bilinear"`` and ``"cubic"`` (Keys 1981, a = -1/2) at the cell's centre,
        the kernel widened by the side of a cell in pixels where that is above 1; ``"average"`` by
        area.

    Returns
    -------
    numpy.ndarray
        (..., rows, columns) float32. Average: NaN where more than half of the cell is missing, the
        mean of the rest otherwise. Else NaN where the pixel under the centre is missing; other
        missing pixels are left out and the weights of the rest, bilinear then, grow in proportion.
    """
    flat = np.ascontiguousarray(images, np.float32).reshape(-1, *images.shape[-2:])
    out = np.empty((flat.shape[0], v.shape[0] - 1, v.shape[1] - 1), np.float32)
    if how == "average":
        _average(flat, v, u, out)
    else:
        _interpolate(flat, v, u, HOW[how], out)
    return out.reshape(*images.shape[:-2], *out.shape[1:])


@njit(nogil=True, cache=True)
def _side(p, i, j):
    """Return how far a cell reaches along one source axis, in pixels; 1 for a turned pixel too."""
    down = 0.5 * (p[i + 1, j] - p[i, j] + p[i + 1, j + 1] - p[i, j + 1])
    across = 0.5 * (p[i, j + 1] - p[i, j] + p[i + 1, j + 1] - p[i + 1, j])
    return np.sqrt(down * down + across * across)


@njit(nogil=True, cache=True)
def _centre(p, i, j):
    return 0.25 * (p[i, j] + p[i, j + 1] + p[i + 1, j] + p[i + 1, j + 1])


@njit(nogil=True, cache=True)
def _average(images, v, u, out):
    count, height, width = images.shape
    totals, seen = np.empty(count), np.empty(count, np.int64)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            widest = max(_side(v, i, j), _side(u, i, j))
            if not widest < np.inf:
                out[:, i, j] = np.nan
                continue
            each = max(2, min(_FINE, int(_MOST / max(1.0, widest))))
            # a little less, so that rounding adds no point to a whole number of pixels
            points = max(_FINE, int(np.ceil(each * widest - 1e-6)))
            totals[:] = 0.0
            seen[:] = 0
            for a in range(points):
                s = (a + 0.5) / points
                for b in range(points):
                    t = (b + 0.5) / points
                    y = _between(v, i, j, s, t)
                    x = _between(u, i, j, s, t)
                    if not (0 <= y < height and 0 <= x < width):
                        continue
                    for n in range(count):
                        value = np.float64(images[n, int(y), int(x)])
                        if not np.isnan(value):
                            totals[n] += value
                            seen[n] += 1
            for n in range(count):
                enough = seen[n] > 0 and 2 * seen[n] >= points * points
                out[n, i, j] = totals[n] / seen[n] if enough else np.nan


@njit(nogil=True, cache=True)
def _between(p, i, j, s, t):
    top = (1 - t) * p[i, j] + t * p[i, j + 1]
    bottom = (1 - t) * p[i + 1, j] + t * p[i + 1, j + 1]
    return (1 - s) * top + s * bottom


@njit(nogil=True, cache=True)
def _interpolate(images, v, u, how, out):
    count, height, width = images.shape
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            y, x = _centre(v, i, j), _centre(u, i, j)
            out[:, i, j] = np.nan
            if not (0 <= y < height and 0 <= x < width):
                continue
            down, across = max(1.0, _side(v, i, j)), max(1.0, _side(u, i, j))
            for n in range(count):
                under = images[n, int(y), int(x)]
                if np.isnan(under):
                    continue
                if how == _NEAREST:
                    out[n, i, j] = under
                    continue
                value = np.nan
                if how == _CUBIC:
                    value = _weighted(images[n], y, x, down, across, _CUBIC)
                if np.isnan(value):  # something is missing, and cubic weights would magnify it
                    value = _weighted(images[n], y, x, down, across, _BILINEAR)
                out[n, i, j] = value


@njit(nogil=True, cache=True)
def _weighted(image, y, x, down, across, how):
    """Return the weighted mean around a place; cubic is NaN where a pixel of it is missing."""
    height, width = image.shape
    row, column = y - 0.5, x - 0.5  # now in pixel centres
    total = 0.0
    weights = 0.0
    for k in range(int(np.ceil(row - how * down)), int(np.floor(row + how * down)) + 1):
        along = _kernel(abs(k - row) / down, how)
        for m in range(
            int(np.ceil(column - how * across)), int(np.floor(column + how * across)) + 1
        ):
            weight = along * _kernel(abs(m - column) / across, how)
            if weight == 0.0:
                continue
            inside = 0 <= k < height and 0 <= m < width
            value = np.float64(image[k, m]) if inside else np.nan
            if not np.isnan(value):
                total += weight * value
                weights += weight
            elif how == _CUBIC:
                return np.nan
    return total / weights


@njit(nogil=True, cache=True)
def _kernel(distance, how):
    if how == _BILINEAR:
        return max(0.0, 1 - distance)
    if distance < 1:
        return (1.5 * distance - 2.5) * distance * distance + 1
    if distance < 2:
        return ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return 0.0
