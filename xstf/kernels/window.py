"""Weighted means of alike neighbours over a window, for many dates from one search.

NaN drops a neighbour by failing its comparison, so fastmath must keep NaN (no nnan, no ninf).
"""

from __future__ import annotations

import numpy as np
from numba import njit

FAST = {"contract", "reassoc", "nsz", "arcp"}
LANES = 16  # float32 in one vector register; rows of the window are padded to whole registers
RUN = 64  # output pixels walked before the next row of the window, to stay in the nearest cache
ZERO = np.float32(0)


def distances(radius: int, scale: float) -> np.ndarray:
    """Return 1 / (1 + d / scale) over a window, rows padded with zeros to whole registers.

    Parameters
    ----------
    radius
        Half the window, in pixels.
    scale
        Distance at which the weight is one half, in pixels.
    """
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    side = 2 * radius + 1
    far = np.zeros((side, -(-side // LANES) * LANES), np.float32)
    far[:, :side] = 1 / (1 + np.hypot(y, x) / scale)
    return far


@njit(inline="always", fastmath=FAST)
def weigh(near, far, flat, full, temporal):
    """Return a neighbour's weight: `near` (and `far`), all alike where `near` exceeds `full`."""
    if temporal is None:
        return flat if near > full else near * far
    return near


@njit(inline="always", fastmath=FAST)
def admit(weight, near, limit, value, centre, alike, strict):
    """Return the weight of an alike neighbour, 0 otherwise.

    Its sign says whether it has passed already: below zero, no date can reject it any more.
    """
    similar = abs(value - centre) <= alike
    if strict is None:
        weight = weight if similar else ZERO
        return -weight if near >= limit else weight
    return weight if similar & (near >= limit) else ZERO


@njit(inline="always", fastmath=FAST)
def weigh_date(signed, soon, limit, far, flat, full, temporal):
    """Return the neighbour's weight on one date; `soon` is NaN where that date lacks it."""
    weight = abs(signed)
    if temporal is not None:
        weight = weight * soon
        weight = flat if weight > full else weight * far
    return weight if soon >= (ZERO if signed < 0 else limit) else ZERO


@njit(nogil=True, cache=True, fastmath=FAST)
def alike_means(
    fine, near, soon, moved, near_limit, soon_limit, far, flat, alike, full, temporal, strict, skip,
    total, weight, count,
):  # fmt: skip
    """Add weighted sums over each pixel's window to `total` and `weight` (date, y, x).

    `count`, None or alike, grows by the number of neighbours that had a say.

    Parameters
    ----------
    fine, near
        (y + 2 radius, x + 2 radius + padding): what is compared; the weight of a neighbour.
    soon, moved
        (date, ...) alike: the second weight, NaN where missing; what is averaged, 0 where missing.
    near_limit, soon_limit
        (y, x) and (date, y, x): neighbours below both (`strict`: below either) are rejected.
    far, flat
        (window, columns): distance weight; 1 inside the window and 0 in the padding.
    alike, full
        Largest difference from the centre; weight beyond which distance does not count.
    temporal, strict, skip
        None or 1, fixed when compiled: `soon` is part of the weight; both limits must hold; pass
        over rows that hold no alike pixel (the sums are the same bits, with several dates sooner).
    """
    rows, columns = far.shape
    radius = rows // 2
    height, width = near_limit.shape
    signed = np.empty(columns, np.float32)
    for y in range(height):
        for start in range(0, width, RUN):
            stop = min(width, start + RUN)
            centres = fine[y + radius, start + radius :]
            limits = near_limit[y, start:]
            for j in range(rows):
                values = fine[y + j, start:]
                nears = near[y + j, start:]
                fars = far[j]
                flats = flat[j]
                for x in range(stop - start):
                    centre = centres[x]
                    limit = limits[x]
                    some = ZERO
                    for i in range(columns):
                        one = weigh(nears[x + i], fars[i], flats[i], full, temporal)
                        one = admit(one, nears[x + i], limit, values[x + i], centre, alike, strict)
                        if skip is not None:
                            some += abs(one)
                        signed[i] = one
                    if skip is not None and some == 0:
                        continue
                    for d in range(soon.shape[0]):
                        soons = soon[d, y + j, start:]
                        moves = moved[d, y + j, start:]
                        least = soon_limit[d, y, start + x]
                        t = ZERO
                        w = ZERO
                        n = ZERO
                        for i in range(columns):
                            one = weigh_date(
                                signed[i], soons[x + i], least, fars[i], flats[i], full, temporal
                            )
                            w += one
                            t += one * moves[x + i]
                            if count is not None:
                                n += np.float32(1) if one > ZERO else ZERO
                        total[d, y, start + x] += t
                        weight[d, y, start + x] += w
                        if count is not None:
                            count[d, y, start + x] += n
