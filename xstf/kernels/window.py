"""Weighted means of alike neighbours over a window, for many dates from one search.

NaN drops a neighbour by failing its comparison, so fastmath must keep NaN (no nnan, no ninf).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu

FAST = {"contract", "reassoc", "nsz", "arcp"}
LANES = 16  # float32 in one vector register; loops along a window's rows take whole registers
RUN = 256  # output pixels side by side in the inner loops; what they read stays in the near caches
TAKE = 4  # neighbours added to an output pixel while its sums are in registers
ORDERED = {"contract", "nsz", "arcp"}  # one order of the sums, searched for one date or for many
ZERO = np.float32(0)


def distances(radius: int, scale: float, multiple: int = LANES) -> np.ndarray:
    """Return 1 / (1 + d / scale) over a window, its rows padded with zeros.

    Parameters
    ----------
    radius
        Half the window, in pixels.
    scale
        Distance at which the weight is one half, in pixels.
    multiple
        Length of the padded rows is a multiple of it; whole registers unless given.
    """
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    side = 2 * radius + 1
    far = np.zeros((side, -(-side // multiple) * multiple), np.float32)
    far[:, :side] = 1 / (1 + np.hypot(y, x) / scale)
    return far


@njit(inline="always", fastmath=ORDERED)
def weigh(near, far, flat, full, temporal):
    """Return a neighbour's weight: `near` (and `far`), all alike where `near` exceeds `full`."""
    if temporal is None:
        return flat if near > full else near * far
    return near


@njit(inline="always", fastmath=ORDERED)
def admit(weight, near, limit, value, centre, alike, strict):
    """Return the weight of an alike neighbour that some date may still accept, 0 otherwise."""
    similar = abs(value - centre) <= alike
    if strict is not None:
        similar = similar & (near >= limit)
    return weight if similar else ZERO


@njit(inline="always", fastmath=ORDERED)
def passes(near, limit, strict):
    """Say whether no date can reject a neighbour any more."""
    return near >= limit if strict is None else False


@njit(inline="always", fastmath=ORDERED)
def weigh_date(weight, passed, soon, limit, far, flat, full, temporal):
    """Return the neighbour's weight on one date; `soon` is NaN where that date lacks it."""
    if temporal is not None:
        weight = weight * soon
        weight = flat if weight > full else weight * far
    return weight if soon >= (ZERO if passed else limit) else ZERO


@also_on_gpu
@njit(nogil=True, cache=True)
def alike_means(
    fine, near, soon, moved, near_limit, soon_limit, far, flat, alike, full, temporal, strict,
    total, weight, count,
):  # fmt: skip
    """Add weighted sums over each pixel's window to `total` and `weight` (date, y, x).

    `count`, None or alike, grows by the number of neighbours that had a say. The places of the
    window are outermost and output pixels innermost: no register is spent on the window's padding.

    Parameters
    ----------
    fine, near
        (y + 2 radius, x + 2 radius + padding): what is compared; the weight of a neighbour.
    soon, moved
        (date, ...) alike: the second weight, NaN where missing; what is averaged, 0 where missing.
    near_limit, soon_limit
        (y, x) and (date, y, x): neighbours below both (`strict`: below either) are rejected.
    far, flat
        (window, columns): distance weight; 1 inside the window and 0 in the padding. Columns are a
        multiple of ``TAKE``.
    alike, full
        Largest difference from the centre; weight beyond which distance does not count.
    temporal, strict
        None or 1, fixed when compiled: `soon` is part of the weight; both limits must hold.
    """
    radius = far.shape[0] // 2
    height, width = near_limit.shape
    signed = np.empty((far.shape[1], RUN), np.float32)
    sums = np.empty((3, RUN), np.float32)
    for y in range(height):
        for start in range(0, width, RUN):
            stop = min(width, start + RUN)
            centres = fine[y + radius, start + radius : stop + radius]
            limits = near_limit[y, start:stop]
            for j in range(far.shape[0]):
                values = fine[y + j, start:]
                nears = near[y + j, start:]
                if soon.shape[0] > 1:
                    _search(
                        values, nears, centres, limits, far[j], flat[j], alike, full, temporal,
                        strict, signed,
                    )  # fmt: skip
                for d in range(soon.shape[0]):
                    soons = soon[d, y + j, start:]
                    moves = moved[d, y + j, start:]
                    least = soon_limit[d, y, start:stop]
                    sums[:] = 0
                    if soon.shape[0] > 1:
                        _add(
                            signed, soons, moves, least, far[j], flat[j], full, temporal, count,
                            sums,
                        )  # fmt: skip
                    else:
                        _search_and_add(
                            values, nears, centres, limits, soons, moves, least, far[j], flat[j],
                            alike, full, temporal, strict, count, sums,
                        )  # fmt: skip
                    for x in range(stop - start):
                        total[d, y, start + x] += sums[0, x]
                        weight[d, y, start + x] += sums[1, x]
                        if count is not None:
                            count[d, y, start + x] += sums[2, x]


@njit(nogil=True, cache=True, fastmath=ORDERED)
def _search(
    values, nears, centres, limits, fars, flats, alike, full, temporal, strict, signed
):  # fmt: skip
    """Weigh the neighbours in a row of each pixel's window, for all dates.

    The sign of `signed` (columns, x) is minus where no date can reject the neighbour any more.
    """
    for i in range(fars.size):
        far, flat = fars[i], flats[i]
        out = signed[i]
        for x in range(centres.size):
            near = nears[i + x]
            one = weigh(near, far, flat, full, temporal)
            one = admit(one, near, limits[x], values[i + x], centres[x], alike, strict)
            out[x] = -one if passes(near, limits[x], strict) else one


@njit(nogil=True, cache=True, fastmath=ORDERED)
def _add(signed, soons, moves, least, fars, flats, full, temporal, count, sums):
    """Add what a row of each pixel's window holds on a date to `sums`.

    `sums` (3, x): values by weights, weights, neighbours.
    """
    total, weight, number = sums[0], sums[1], sums[2]
    for i in range(0, fars.size, TAKE):
        far, flat, ones = fars[i : i + TAKE], flats[i : i + TAKE], signed[i : i + TAKE]
        soon, moved = soons[i:], moves[i:]
        for x in range(least.size):
            t, w, n = total[x], weight[x], number[x]
            for k in range(TAKE):
                found = ones[k, x]
                passed = found < ZERO
                one = weigh_date(
                    abs(found), passed, soon[x + k], least[x], far[k], flat[k], full, temporal
                )
                w += one
                t += one * moved[x + k]
                n += np.float32(1) if one > ZERO else ZERO
            total[x], weight[x] = t, w
            if count is not None:
                number[x] = n


@njit(nogil=True, cache=True, fastmath=ORDERED)
def _search_and_add(
    values, nears, centres, limits, soons, moves, least, fars, flats, alike, full, temporal,
    strict, count, sums,
):  # fmt: skip
    """Search and add in one pass, for one date: the same bits as one after the other."""
    total, weight, number = sums[0], sums[1], sums[2]
    for i in range(0, fars.size, TAKE):
        far, flat = fars[i : i + TAKE], flats[i : i + TAKE]
        value, near, soon, moved = values[i:], nears[i:], soons[i:], moves[i:]
        for x in range(centres.size):
            t, w, n = total[x], weight[x], number[x]
            for k in range(TAKE):
                one = weigh(near[x + k], far[k], flat[k], full, temporal)
                one = admit(one, near[x + k], limits[x], value[x + k], centres[x], alike, strict)
                passed = passes(near[x + k], limits[x], strict)
                one = weigh_date(
                    one, passed, soon[x + k], least[x], far[k], flat[k], full, temporal
                )
                w += one
                t += one * moved[x + k]
                n += np.float32(1) if one > ZERO else ZERO
            total[x], weight[x] = t, w
            if count is not None:
                number[x] = n
