"""The most alike neighbours of each pixel, found once, and what they say on any date and band."""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu
from xstf.kernels.smallest import NEVER, START, U, choose, room
from xstf.kernels.window import FAST, LANES

SHIFT = 10  # an offset is row << SHIFT | column within the window


def rings(radius: int) -> np.ndarray:
    """Return distance / radius over a window; infinite in the padding of its rows."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    side = 2 * radius + 1
    far = np.full((side, -(-side // LANES) * LANES), np.inf, np.float32)
    far[:, :side] = np.hypot(y, x) / radius
    return far


@njit(inline="always", fastmath=FAST)
def score(difference, far):
    """Return what neighbours are ranked by: alike first, then near [released FSDAF program]."""
    return (difference + np.float32(1e-5)) * (np.float32(10) + far)


@njit(inline="always", fastmath=FAST)
def say(difference, far):
    """Return the weight of a neighbour [Zhu 2016, eq 21-24 as released]."""
    return np.float32(1) / ((np.float32(1) + far) * (np.float32(1) + difference))


@also_on_gpu
@njit(nogil=True, cache=True, fastmath=FAST)
def most_alike(fine, alike, floor, far, offset, weight, count):
    """Find the most alike neighbours of each pixel, itself among them.

    Parameters
    ----------
    fine
        (band, y + 2 radius, x + 2 radius + padding), NaN where missing and in the padding.
    alike
        (band,): a neighbour differs by no more in any band.
    floor
        Added to the pixel's own value where differences are divided by it.
    far
        From `rings`.
    offset, weight, count
        (y, x, k), (y, x, k), (y, x): filled. Of equals at the end of the list those first in row
        order are in it; see `xstf.kernels.smallest.choose` for the order of the list. Weights of
        a pixel are not normalised.
    """
    bands, tall, wide = fine.shape
    side, columns = far.shape
    height, width, most = offset.shape
    fars = far.reshape(-1)
    flat = fine.reshape(-1)
    centre, share = np.empty((2, bands), np.float32)
    rooms = room(side, columns, most)
    rank, chosen = rooms[0], rooms[-1]
    gap = np.empty(side * columns, np.float32)
    limit = START
    for y in range(height):
        for x in range(width):
            for b in range(bands):
                centre[b] = fine[b, y + side // 2, x + side // 2]
                share[b] = share_of(centre[b], floor)
            first = y * wide + x
            _differences(flat, first, tall * wide, wide, centre, share, alike, columns, side, gap)
            for i in range(gap.shape[0]):
                rank[U(i)] = score(gap[U(i)], fars[U(i)])
            n, limit = choose(rooms, limit)
            count[y, x] = n
            for p in range(n):
                j = chosen[p] // columns
                i = chosen[p] - j * columns
                offset[y, x, p] = j << SHIFT | i
                weight[y, x, p] = say(gap[chosen[p]], far[j, i])


@njit(inline="always", fastmath=FAST)
def share_of(own, floor):
    """Return what a difference from a pixel's own value is multiplied by."""
    return np.float32(1) / (abs(own) + floor)


@njit(inline="always", fastmath=FAST)
def grown(gap, difference, share, most):
    """Return the relative difference with one band more, `NEVER` where that band is not alike."""
    return gap + difference * share if difference <= most else NEVER


@njit(nogil=True, cache=True, fastmath=FAST)
def _differences(flat, first, plane, pitch, centre, share, alike, columns, side, gap):
    """Write the relative difference of each pixel of a window; `NEVER` or more if not alike."""
    for b in range(centre.shape[0]):
        middle = centre[b]
        part = share[b]
        most = alike[b]
        for j in range(side):
            at = U(first + b * plane + j * pitch)
            to = U(j * columns)
            if b == 0:
                for i in range(columns):
                    d = abs(flat[at + U(i)] - middle)
                    gap[to + U(i)] = grown(np.float32(0), d, part, most)
            else:
                for i in range(columns):
                    d = abs(flat[at + U(i)] - middle)
                    gap[to + U(i)] = grown(gap[to + U(i)], d, part, most)


@also_on_gpu  # no fastmath: a channel has the same bits in the vectorised loop and its remainder
@njit(nogil=True, cache=True)
def spread(values, offset, weight, count, out):
    """Write what each pixel's neighbours say together, a missing one left out.

    Parameters
    ----------
    values
        (y + 2 radius, x + 2 radius, channel): a channel for each band and date.
    offset, weight, count
        From `most_alike`.
    out
        (y, x, channel): filled; NaN where no neighbour has a value.
    """
    height, width, channels = out.shape
    total = np.empty(channels, np.float32)
    weights = np.empty(channels, np.float32)
    for y in range(height):
        for x in range(width):
            total[:] = 0
            weights[:] = 0
            for p in range(count[y, x]):
                j = offset[y, x, p] >> SHIFT
                i = offset[y, x, p] & ((1 << SHIFT) - 1)
                w = weight[y, x, p]
                said = values[y + j, x + i]
                for c in range(channels):
                    value = said[c]
                    seen = value == value  # not NaN, as a select
                    total[c] += w * value if seen else np.float32(0)
                    weights[c] += w if seen else np.float32(0)
            for c in range(channels):
                out[y, x, c] = total[c] / weights[c] if weights[c] > 0 else np.nan
