"""The most alike neighbours of each pixel, found once, and what they say on any date and band."""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.window import FAST, LANES

NEVER = np.float32(3e38)
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


@njit(nogil=True, cache=True, fastmath=FAST)
def most_alike(fine, alike, floor, far, offset, weight, count):
    """Find the most alike neighbours of each pixel, itself first.

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
        (y, x, k), (y, x, k), (y, x): filled. Ties go to the first in row order. Weights of a
        pixel are not normalised.
    """
    bands = fine.shape[0]
    rows, columns = far.shape
    radius = rows // 2
    height, width, most = offset.shape
    gap = np.empty(columns, np.float32)
    rank = np.empty(columns, np.float32)
    bits = rank.view(np.int32)
    limit = np.empty(1, np.float32)
    limit_bits = limit.view(np.int32)
    best = np.empty(most + 1, np.float32)
    differ = np.empty(most + 1, np.float32)
    where = np.empty(most + 1, np.int32)
    for y in range(height):
        for x in range(width):
            n = 0
            limit[0] = NEVER
            for j in range(rows):
                fars = far[j]
                for i in range(columns):
                    gap[i] = 0
                for b in range(bands):
                    values = fine[b, y + j, x : x + columns]
                    centre = fine[b, y + radius, x + radius]
                    share = np.float32(1) / (abs(centre) + floor)
                    most_b = alike[b]
                    for i in range(columns):
                        d = abs(values[i] - centre)
                        gap[i] = gap[i] + d * share if d <= most_b else NEVER
                # scores are not negative, so their bits are in the same order as their values
                low = np.int32(2147483647)
                for i in range(columns):
                    rank[i] = score(gap[i], fars[i])
                    low = min(low, bits[i])
                if low >= limit_bits[0]:
                    continue
                for i in range(columns):
                    value = rank[i]
                    if value < limit[0]:
                        p = n if n < most else most - 1
                        while p > 0 and best[p - 1] > value:
                            best[p] = best[p - 1]
                            differ[p] = differ[p - 1]
                            where[p] = where[p - 1]
                            p -= 1
                        best[p] = value
                        differ[p] = gap[i]
                        where[p] = j << SHIFT | i
                        if n < most:
                            n += 1
                        if n == most:
                            limit[0] = best[most - 1]
            count[y, x] = n
            for p in range(n):
                j = where[p] >> SHIFT
                i = where[p] & ((1 << SHIFT) - 1)
                offset[y, x, p] = where[p]
                weight[y, x, p] = say(differ[p], far[j, i])


# no fastmath: a channel must get the same bits in the vectorised loop and in its remainder
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
                    seen = value == value  # noqa: PLR0124 - not NaN, as a select
                    total[c] += w * value if seen else np.float32(0)
                    weights[c] += w if seen else np.float32(0)
            for c in range(channels):
                out[y, x, c] = total[c] / weights[c] if weights[c] > 0 else np.nan
