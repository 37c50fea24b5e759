"""Linear mappings from the bands of a date to their change, for a window of cells around each."""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu, in_main_memory

FLAT = 1e-6  # bands that vary less, relative to their values, hold nothing but rounding


@in_main_memory
@njit(nogil=True, cache=True)
def fit_mappings(pair, target, radius, pull, white, out):
    """Write the regularised least squares of the change of cells on the pair's cells, in float64.

    Parameters
    ----------
    pair, target
        (group, band, rows + 2 radius, columns + 2 radius); NaN where missing or off the scene.
    radius
        Half the window, in cells.
    pull
        Towards no change: this share of the sum of squares is added to the square of each band.
    white
        Whether there is a constant beside the bands, which nothing pulls.
    out
        (group, band + 1, band, rows, columns): filled with the share that each band, and a
        constant, has in the change of each band. Cells that miss a band on either date are left
        out; NaN where none is left.
    """
    bands = pair.shape[1]
    side = 2 * radius + 1
    x = np.empty((bands, side * side))
    change = np.empty((bands, side * side))
    square = np.empty((bands, bands))
    for g in range(out.shape[0]):
        for i in range(out.shape[3]):
            for j in range(out.shape[4]):
                n = _cells(pair[g], target[g], i, j, side, x, change)
                if n == 0:
                    out[g, :, :, i, j] = np.nan
                    continue
                middle = _centred(x, n, white)
                height = _centred(change, n, white)
                empty = not _factor(x, n, pull, middle, square)
                for b in range(bands):
                    share = _solved(square, x, change[b], n, empty)
                    for c in range(bands):
                        out[g, c, b, i, j] = share[c]
                        height[b] -= share[c] * middle[c]
                    out[g, bands, b, i, j] = height[b]


@njit(nogil=True, cache=True)
def _cells(pair, target, i, j, side, x, change):
    """Write the values and changes of a window's cells; return how many have all bands."""
    n = 0
    for p in range(i, i + side):
        for q in range(j, j + side):
            whole = True
            for b in range(x.shape[0]):
                x[b, n] = pair[b, p, q]
                change[b, n] = np.float64(target[b, p, q]) - x[b, n]
                whole &= not np.isnan(change[b, n])
            n += whole
    return n


@njit(nogil=True, cache=True)
def _centred(values, n, white):
    """Take their mean from the first n values of each row where there is a constant; return it."""
    mean = np.zeros(values.shape[0])
    if white:
        for b in range(values.shape[0]):
            for k in range(n):
                mean[b] += values[b, k]
            mean[b] /= n
            for k in range(n):
                values[b, k] -= mean[b]
    return mean


@njit(nogil=True, cache=True)
def _factor(x, n, pull, middle, square):
    """Write the Cholesky factor of the normal equations; say whether there is anything in them."""
    bands = x.shape[0]
    total = 0.0
    level = 0.0
    for b in range(bands):
        for c in range(b + 1):
            square[b, c] = 0.0
            for k in range(n):
                square[b, c] += x[b, k] * x[c, k]
        total += square[b, b]
        level += n * middle[b] ** 2
    if total <= FLAT**2 * level or total == 0:
        return False
    for b in range(bands):
        square[b, b] += pull * total
        for c in range(b + 1):
            for k in range(c):
                square[b, c] -= square[b, k] * square[c, k]
            square[b, c] = np.sqrt(square[b, b]) if c == b else square[b, c] / square[c, c]
    return True


@njit(nogil=True, cache=True)
def _solved(factor, x, change, n, empty):
    """Return the solution for one band's changes."""
    bands = x.shape[0]
    out = np.zeros(bands)
    if empty:
        return out
    for b in range(bands):
        for k in range(n):
            out[b] += x[b, k] * change[k]
        for c in range(b):
            out[b] -= factor[b, c] * out[c]
        out[b] /= factor[b, b]
    for b in range(bands - 1, -1, -1):
        for c in range(b + 1, bands):
            out[b] -= factor[c, b] * out[c]
        out[b] /= factor[b, b]
    return out


@also_on_gpu  # no fastmath: where nothing changes, pixels must come out as they are
@njit(nogil=True, cache=True)
def mapped(fine, shares, out):
    """Write fine pixels with their change.

    Parameters
    ----------
    fine
        (band, y, x).
    shares
        (band + 1, band, y, x): from `fit_mappings`, at the fine pixels.
    out
        (band, y, x): filled.
    """
    bands = fine.shape[0]
    change = np.empty(fine.shape[2], np.float32)
    for b in range(bands):
        for y in range(fine.shape[1]):
            constant = shares[bands, b, y]
            for x in range(change.shape[0]):
                change[x] = constant[x]
            for c in range(bands):
                values = fine[c, y]
                share = shares[c, b, y]
                for x in range(change.shape[0]):
                    change[x] = changed(change[x], share[x], values[x])
            own = fine[b, y]
            to = out[b, y]
            for x in range(change.shape[0]):
                to[x] = own[x] + change[x]


@njit(inline="always")
def changed(change, share, value):
    """Return the change of a pixel with the share of one band more."""
    return change + share * value
