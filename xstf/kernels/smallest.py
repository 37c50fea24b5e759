"""The smallest numbers of a window, by place: most are never looked at one by one.

All numbers of a window are written down first, in groups: pixels that lie a fixed stride apart.
The smallest of each group gives a limit that enough groups pass, so only some tens of candidates
are left, of which bisection keeps those that are wanted. The limit of the last pixel is where the
next one starts; it decides how many candidates there are, never which of them are kept.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.window import FAST, LANES

NEVER = np.float32(3e38)  # numbers as large, or NaN, are not chosen
STRIDE = 4  # rows of the window from one pixel of a group to the next
START = np.int32(0x3A000000)  # of the limit, any number would do
# numbers are not negative, so their bits are in the same order as their values
NEVER_BITS = np.int32(NEVER.view(np.int32))
# numba checks signed indices for negative ones, which keeps loops from being vectorised
U = np.uint64


@njit(nogil=True, cache=True)
def room(side, columns, most):
    """Return what `choose` works in; the first `side * columns` of its first array are to fill.

    Parameters
    ----------
    side, columns
        Rows and columns of the window, padding included.
    most
        How many numbers are wanted.
    """
    groups = STRIDE * columns
    numbers = np.full(-(-side // STRIDE) * groups, np.inf, np.float32)
    least = np.empty(groups, np.float32)
    which = np.empty(groups + 1, np.int32)
    place = np.empty(numbers.shape[0] + 1, np.int32)
    bits = np.empty(numbers.shape[0] + LANES, np.int32)
    chosen = np.empty(most + 1, np.int32)
    return numbers, least, which, place, bits, chosen


@njit(nogil=True, cache=True)
def choose(rooms, limit):
    """Choose the smallest numbers, and return how many there are and where to start next time.

    Their places are in the last array of `rooms`, in the order of the groups. Of equal numbers at
    the end of the list those first in row order are in it.

    Parameters
    ----------
    rooms
        From `room`, its first array (row by row) filled with numbers that are not negative.
    limit
        From the last call, `START` in the first.
    """
    numbers, least, which, place, bits, chosen = rooms
    most = chosen.shape[0] - 1
    _smallest(numbers, least)
    now = _limit(least.view(np.int32), most, limit)
    n = _candidates(numbers.view(np.int32), least.view(np.int32), now, which, place, bits)
    n = _choose(bits, place, n, most, now, chosen)
    # where there are too few all are candidates, which is far from where others have to start
    return n, limit if now == NEVER_BITS - 1 else now


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
