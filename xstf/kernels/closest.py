"""The spectrally closest neighbours of each pixel: a list of offsets, found once for all dates.

All distances of a window are written down first, in groups: pixels that lie a fixed stride apart.
The smallest distance of each group gives a limit that enough pixels pass, so only some tens of
candidates are ever looked at one by one. The limit of the last pixel is where the next one starts;
it decides how many candidates there are, never which of them are kept.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.nearest import NEVER, SHIFT, rings
from xstf.kernels.window import FAST, LANES

STRIDE = 4  # rows of the window from one pixel of a group to the next
START = np.int32(0x3A000000)  # of the limit, any number would do
# distances are not negative, so their bits are in the same order as their values
NEVER_BITS = np.int32(np.float32(NEVER).view(np.int32))
# numba checks signed indices for negative ones, which keeps loops from being vectorised
U = np.uint64


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
    groups = STRIDE * columns
    turns = -(-side // STRIDE)
    padded = np.full(turns * groups, np.inf, np.float32)
    padded[: side * columns] = tie.reshape(-1)
    flat = fine.reshape(-1)
    centre = np.empty(bands, np.float32)
    gap = padded.copy()
    least = np.empty(groups, np.float32)
    which = np.empty(groups + 1, np.int32)
    place = np.empty(gap.shape[0] + 1, np.int32)
    bits = np.empty(gap.shape[0] + LANES, np.int32)
    chosen = np.empty(most + 1, np.int32)
    limit = START
    for y in range(height):
        for x in range(width):
            for b in range(bands):
                centre[b] = fine[b, y + side // 2, x + side // 2]
            first = y * wide + x
            _distances(flat, first, tall * wide, wide, centre, padded, columns, side, gap, straight)
            _smallest(gap, least)
            limit = _limit(least.view(np.int32), most, limit)
            n = _candidates(gap.view(np.int32), least.view(np.int32), limit, which, place, bits)
            n = _choose(bits, place, n, most, limit, chosen)
            count[y, x] = n
            for p in range(n):
                j = chosen[p] // columns
                i = chosen[p] - j * columns
                offset[y, x, p] = j << SHIFT | i
                weight[y, x, p] = near[j, i]


@njit(inline="always", fastmath=FAST)
def _apart(difference, straight):
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
                    gap[to + U(i)] = tie[to + U(i)] + _apart(d, straight)
            else:
                for i in range(columns):
                    d = flat[at + U(i)] - middle
                    gap[to + U(i)] += _apart(d, straight)


@njit(nogil=True, cache=True, fastmath=FAST)
def _smallest(gap, least):
    """Write the smallest distance of each group; what is missing is as far as can be."""
    groups = least.shape[0]
    for i in range(groups):
        least[i] = NEVER
    for start in range(0, gap.shape[0], groups):
        for i in range(groups):
            value = gap[U(start) + U(i)]
            value = value if value < NEVER else NEVER
            gap[U(start) + U(i)] = value
            least[i] = value if value < least[i] else least[i]


@njit(nogil=True, cache=True)
def _passing(bits, limit):
    """Return how many are at or below the limit."""
    limit = np.int32(limit)
    n = 0
    for i in range(bits.shape[0]):
        n += bits[i] <= limit
    return n


@njit(nogil=True, cache=True)
def _limit(least, most, limit):
    """Return a limit that `most` groups pass, if so many hold anything, and few more."""
    step = 1 << 20
    n = _passing(least, limit)
    while n < most and limit + step < NEVER_BITS:
        limit += step
        step *= 2
        n = _passing(least, limit)
    if n < most:
        return NEVER_BITS - 1
    while n > most + LANES // 4 and step > 1 << 16:
        fewer = _passing(least, limit - step)
        if fewer < most:
            step //= 4
        else:
            limit -= step
            n = fewer
    return limit


@njit(nogil=True, cache=True)
def _candidates(gap, least, limit, which, place, bits):
    """Write the places of the pixels that pass the limit, and their distances; return how many."""
    groups = least.shape[0]
    g = 0
    for i in range(groups):
        which[U(g)] = i
        g += least[i] <= limit
    n = 0
    for q in range(g):
        for at in range(which[q], gap.shape[0], groups):
            place[U(n)] = at
            n += gap[U(at)] <= limit
    for p in range(n):
        bits[p] = gap[U(place[p])]
    return n


@njit(nogil=True, cache=True)
def _choose(bits, place, n, most, limit, chosen):
    """Write the places of the `most` smallest of n candidates; return how many there are."""
    if n <= most:
        chosen[:n] = place[:n]
        return n
    whole = -(-n // LANES) * LANES
    bits[n:whole] = NEVER_BITS
    known = bits[:whole]
    low, high, passing = limit - (1 << 25), limit, n
    if _passing(known, low) >= most:
        low = -1
    while passing > most and high - low > 1:
        middle = (low + high) // 2
        found = _passing(known, middle)
        if found >= most:
            high, passing = middle, found
        else:
            low = middle
    if passing > most:
        _leave_out(bits, place, n, high, passing - most)
    k = 0
    for p in range(n):
        chosen[U(k)] = place[p]
        k += bits[p] <= high
    return k


@njit(nogil=True, cache=True)
def _leave_out(bits, place, n, worst, excess):
    """Mark so many of the candidates at the worst distance as out, the last in row order first."""
    for _ in range(excess):
        last = -1
        for p in range(n):
            if bits[p] == worst and (last < 0 or place[p] > place[last]):
                last = p
        bits[last] = NEVER_BITS
