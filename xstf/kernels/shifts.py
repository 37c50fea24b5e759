"""How well coarse images fit fine ones that are degraded from other places."""

from __future__ import annotations

import numpy as np
from numba import njit

SUMS = 6  # count, fine, coarse, fine squared, coarse squared, product


def sums_by_shift(fine: np.ndarray, coarse: np.ndarray, cell: int, search: int) -> np.ndarray:
    """Return what the correlations of coarse cells with shifted means of fine pixels are made of.

    Parameters
    ----------
    fine
        (band, rows * cell + 2 search, columns * cell + 2 search) fine images of the cells, and
        `search` pixels around them. NaN is left out; a mean needs half of its pixels.
    coarse
        (band, rows, columns) coarse images.
    cell, search
        Side of a cell, and the furthest shift, in fine pixels.

    Returns
    -------
    numpy.ndarray
        (SUMS, band, 2 search + 1, 2 search + 1) float64: sums over the cells for each shift, rows
        and columns from ``-search``. They add up over parts of a scene.
    """
    out = np.zeros((SUMS, fine.shape[0], 2 * search + 1, 2 * search + 1))
    for band in range(fine.shape[0]):
        means = _means(np.ascontiguousarray(fine[band], np.float32), cell)
        _add(means, np.ascontiguousarray(coarse[band], np.float32), cell, out[:, band])
    return out


@njit(nogil=True, cache=True)
def _means(image, cell):
    """Return the mean of the `cell` x `cell` pixels that begin at each pixel."""
    height, width = image.shape
    total = np.zeros((height, width - cell + 1))
    count = np.zeros((height, width - cell + 1))
    for y in range(height):
        row, sums, seen = image[y], total[y], count[y]
        for k in range(cell):
            part = row[k:]
            for x in range(sums.size):
                known = part[x] == part[x]
                sums[x] += part[x] if known else 0.0
                seen[x] += 1.0 if known else 0.0
    out = np.empty((height - cell + 1, width - cell + 1))
    sums, seen = np.empty(out.shape[1]), np.empty(out.shape[1])
    for y in range(out.shape[0]):
        sums[:] = 0.0
        seen[:] = 0.0
        for k in range(cell):
            some, many = total[y + k], count[y + k]
            for x in range(sums.size):
                sums[x] += some[x]
                seen[x] += many[x]
        for x in range(sums.size):
            enough = seen[x] > 0 and 2 * seen[x] >= cell * cell
            out[y, x] = sums[x] / seen[x] if enough else np.nan
    return out


@njit(nogil=True, cache=True)
def _add(means, coarse, cell, out):
    """Add each cell to the sums of every shift."""
    for i in range(coarse.shape[0]):
        for j in range(coarse.shape[1]):
            value = np.float64(coarse[i, j])
            if np.isnan(value):
                continue
            for a in range(out.shape[1]):
                row = means[i * cell + a, j * cell :]
                count, fine, total = out[0, a], out[1, a], out[2, a]
                fine2, total2, both = out[3, a], out[4, a], out[5, a]
                for b in range(count.size):
                    known = row[b] == row[b]
                    mean = row[b] if known else 0.0
                    told = value if known else 0.0
                    count[b] += 1.0 if known else 0.0
                    fine[b] += mean
                    total[b] += told
                    fine2[b] += mean * mean
                    total2[b] += told * told
                    both[b] += mean * told
