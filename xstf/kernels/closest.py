"""The spectrally closest neighbours of each pixel: a list of offsets, found once for all dates."""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.nearest import SHIFT, rings
from xstf.kernels.offload import also_on_gpu
from xstf.kernels.smallest import START, U, choose, room
from xstf.kernels.window import FAST


def ties(radius: int, smallest: float) -> np.ndarray:
    """Return what is added to squared spectral distances so that of equals the nearest is first.

    Parameters
    ----------
    radius
        Half the window, in pixels.
    smallest
        Squared spectral distance below which two neighbours count as equally close.
    """
    return (max(smallest, 1e-30) * rings(radius)).astype(np.float32)


@also_on_gpu
@njit(nogil=True, cache=True)
def closest(fine, tie, near, offset, weight, count, straight=None):
    """Find the neighbours with the smallest squared distance over all bands, itself among them.

    Parameters
    ----------
    fine
        (band, y + 2 radius, x + 2 radius + padding), NaN where missing and in the padding. A pixel
        that misses a band is nobody's neighbour and has none.
    tie
        From `ties`: (window, columns).
    near
        (window, columns) weight of a neighbour by its place.
    offset, weight, count
        (y, x, k), (y, x, k), (y, x): filled, offsets as in `xstf.kernels.nearest`. The order is
        that of the groups; of equal distances at the end of the list those first in row order
        are in it.
    straight
        None or 1, fixed when compiled: with 1, differences are added as they are, not squared.
    """
    bands, tall, wide = fine.shape
    side, columns = tie.shape
    height, width, most = offset.shape
    ties = tie.reshape(-1)
    flat = fine.reshape(-1)
    centre = np.empty(bands, np.float32)
    rooms = room(side, columns, most)
    gap, chosen = rooms[0], rooms[-1]
    limit = START
    for y in range(height):
        for x in range(width):
            for b in range(bands):
                centre[b] = fine[b, y + side // 2, x + side // 2]
            first = y * wide + x
            _distances(flat, first, tall * wide, wide, centre, ties, columns, side, gap, straight)
            n, limit = choose(rooms, limit)
            count[y, x] = n
            for p in range(n):
                j = chosen[p] // columns
                i = chosen[p] - j * columns
                offset[y, x, p] = j << SHIFT | i
                weight[y, x, p] = near[j, i]


@njit(inline="always", fastmath=FAST)
def apart_in_band(difference, straight):
    """Return what one band adds to the distance of two pixels."""
    return difference * difference if straight is None else abs(difference)


@njit(nogil=True, cache=True, fastmath=FAST)
def _distances(flat, first, plane, pitch, centre, tie, columns, side, gap, straight):
    """Write the squared distance of each pixel of a window, plus its tie."""
    for b in range(centre.shape[0]):
        middle = centre[b]
        for j in range(side):
            at = U(first + b * plane + j * pitch)
            to = U(j * columns)
            if b == 0:
                for i in range(columns):
                    d = flat[at + U(i)] - middle
                    gap[to + U(i)] = tie[to + U(i)] + apart_in_band(d, straight)
            else:
                for i in range(columns):
                    d = flat[at + U(i)] - middle
                    gap[to + U(i)] += apart_in_band(d, straight)
