"""How the change between two coarse images is carried to fine pixels by all that are alike.

The alike pixels of a window are listed once for each pixel. Values are gathered along the list and
summed, for every band and date, in the order of the list.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu
from xstf.kernels.similar import near as alike_in_band
from xstf.kernels.window import FAST, LANES

FAINT = np.float32(88)  # exp(-88) is about the smallest float32
# numba checks signed indices for negative ones, which keeps loops from being vectorised
U = np.uint64


def patch_weights(side: int) -> np.ndarray:
    """Return the weights of a patch: the mean of the square ones nested in it, each of sum 1."""
    radius = side // 2
    ring = np.abs(np.mgrid[-radius : radius + 1, -radius : radius + 1]).max(axis=0)
    nested = [(ring <= r) / (2 * r + 1) ** 2 for r in range(radius + 1)]
    return (np.sum(nested, axis=0) / len(nested)).astype(np.float32)


@also_on_gpu
@njit(nogil=True, cache=True)
def relate(fine, tolerance, side, coarse, step, gap, limits, gamma, out):
    """Write ``a F + b`` of each pixel, the line of its alike pixels' coarse values on both dates.

    It is that of least squares restricted by ``gamma (a - 1)^2`` [Cheng 2017, eq 13].

    Parameters
    ----------
    fine, tolerance
        (band, y + 2 radius, x + 2 radius + padding): NaN where missing and in the padding; how
        far an alike neighbour may differ from each pixel.
    side
        Of the window.
    coarse, gap
        Like `fine`: the pair's coarse image, how far the fine image is from it.
    step
        (date, ...) alike: coarse change since the pair.
    limits
        A neighbour counts whose gap is below the pixel's own plus the first, or whose change is
        in size within the second of the pixel's own.
    gamma
        Pull of the slope towards 1.
    out
        (date, band, y, x): filled, NaN where the pixel or the change is missing.
    """
    bands, tall, wide = fine.shape
    half = side // 2
    place = np.empty(side * side + 1, np.int64)
    ok = np.empty(side * (-(-side // LANES) * LANES), np.int32)
    u = np.empty(side * side, np.float32)
    s = np.empty(side * side, np.float32)
    near = np.empty(side * side, np.int32)
    for y in range(out.shape[2]):
        for x in range(out.shape[3]):
            n = _alike(fine, tolerance, y, x, side, ok, place)
            for b in range(bands):
                own = coarse[b, y + half, x + half]
                _gather(coarse[b].reshape(-1), place, n, u)
                most = gap[b, y + half, x + half] + limits[0]
                _nearer(gap[b].reshape(-1), place, n, most, near)
                apart = np.float64(fine[b, y + half, x + half]) - own
                for d in range(out.shape[0]):
                    mine = step[d, b, y + half, x + half]
                    _gather(step[d, b].reshape(-1), place, n, s)
                    count, value, change, square, both = _moments(
                        u, s, near, n, own, mine, limits[1]
                    )
                    said = carried(count, value, change, square, both, apart, gamma)
                    out[d, b, y, x] = own + (apart + said)


@njit(nogil=True, cache=True)
def _alike(fine, tolerance, y, x, side, ok, place):
    """List the pixels of a window that are alike the middle one in all bands, in row order."""
    bands, tall, wide = fine.shape
    columns = ok.shape[0] // side
    flat = fine.reshape(-1)
    for b in range(bands):
        middle = fine[b, y + side // 2, x + side // 2]
        most = tolerance[b, y + side // 2, x + side // 2]
        for j in range(side):
            at = U((b * tall + y + j) * wide + x)
            to = U(j * columns)
            if b == 0:
                for i in range(columns):
                    ok[to + U(i)] = np.int32(alike_in_band(flat[at + U(i)], middle, most))
            else:
                for i in range(columns):
                    ok[to + U(i)] &= np.int32(alike_in_band(flat[at + U(i)], middle, most))
    n = 0
    for j in range(side):
        at = (y + j) * wide + x
        to = U(j * columns)
        for i in range(side):
            place[U(n)] = at + i
            n += ok[to + U(i)]
    return n


@njit(nogil=True, cache=True)
def _gather(flat, place, n, out):
    for p in range(n):
        out[p] = flat[U(place[p])]


@njit(nogil=True, cache=True)
def _nearer(flat, place, n, limit, out):
    out[:n] = 0
    if limit > -np.inf:
        for p in range(n):
            out[p] = np.int32(flat[U(place[p])] < limit)


@njit(inline="always", fastmath=FAST)
def counts(change, own, near, limit):
    """Say whether a neighbour's change is there, and of about the pixel's size, or itself near."""
    steady = abs(abs(change) - abs(own)) < limit
    return steady | ((near > 0) & (change == change))  # not NaN


@njit(nogil=True, cache=True, fastmath=FAST)
def _moments(values, changes, near, n, own, own_change, limit):
    """Return number and sums of value (less the pixel's own), change, value squared and both."""
    count = value = change = square = both = np.float32(0)
    for p in range(n):
        u = values[p] - own
        s = changes[p]
        seen = counts(s, own_change, near[p], limit) & (u == u)  # not NaN
        u = u if seen else np.float32(0)
        s = s if seen else np.float32(0)
        count += np.float32(1) if seen else np.float32(0)
        value += u
        change += s
        square += u * u
        both += u * s
    return count, value, change, square, both


@njit(inline="always")
def carried(count, value, change, square, both, apart, gamma):
    """Return the change of a pixel whose fine value is `apart` from its coarse one.

    The slope less 1 is the slope of the change on the pair, under the same restriction.
    """
    n = np.float64(count) if count > 0 else math.nan
    mean = value / n
    moved = change / n
    spread = square - n * mean * mean
    slope = (both - n * mean * moved) / (spread + gamma) if spread + gamma > 0 else 0.0
    return slope * (apart - mean) + moved


@also_on_gpu
@njit(nogil=True, cache=True)
def average(fine, tolerance, side, coarse, step, gap, moved, limits, patch, scale, sums):
    """Write sums for the mean of what alike pixels become, weighted by coarse patches.

    A weight is exp(-d / scale), d the distance of the neighbour's patch on the pair's date from
    the pixel's own on the target's [Cheng 2017, eq 8].

    Parameters
    ----------
    fine, tolerance, side, coarse, gap, step, limits
        As in `relate`, but with a rim of half a patch around.
    moved
        Like `step`: what each pixel becomes, NaN where it cannot be used.
    patch
        From `patch_weights`.
    scale
        Patch distance at which a weight falls to 1 / e.
    sums
        (3, date, band, y, x): filled with weighted sum, weight and number of neighbours.
    """
    bands, tall, wide = fine.shape
    dates = step.shape[0]
    rim = patch.shape[0] // 2
    place = np.empty(side * side + 1, np.int64)
    ok = np.empty(side * (-(-side // LANES) * LANES), np.int32)
    s = np.empty(side * side, np.float32)
    m = np.empty(side * side, np.float32)
    near = np.empty(side * side, np.int32)
    far = np.empty((2, dates, side * side), np.float32)
    for y in range(sums.shape[3]):
        for x in range(sums.shape[4]):
            n = _alike(fine, tolerance, y + rim, x + rim, side, ok, place)
            i, j = y + rim + side // 2, x + rim + side // 2
            for b in range(bands):
                _nearer(gap[b].reshape(-1), place, n, gap[b, i, j] + limits[0], near)
                _patches(coarse[b], step[:, b], i - rim, j - rim, patch, place, n, m, far)
                for d in range(dates):
                    _gather(step[d, b].reshape(-1), place, n, s)
                    _gather(moved[d, b].reshape(-1), place, n, m)
                    told = _weighted(far[0, d], far[1, d], s, m, near, n, step[d, b, i, j],
                                     limits[1], scale)  # fmt: skip
                    for k in range(3):
                        sums[k, d, b, y, x] = told[k]


@njit(nogil=True, cache=True)
def _patches(coarse, step, y, x, patch, place, n, values, far):
    """Write sums and weights of the differences of patches, what is missing left out."""
    side = patch.shape[0]
    wide = coarse.shape[1]
    flat = coarse.reshape(-1)
    far[:, :, :n] = 0
    for a in range(side):
        for c in range(side):
            move = (a - side // 2) * wide + c - side // 2
            for p in range(n):
                values[p] = flat[U(place[p] + move)]
            for d in range(step.shape[0]):
                own = coarse[y + a, x + c] + step[d, y + a, x + c]
                _apart(values, n, own, patch[a, c], far[0, d], far[1, d])


@njit(nogil=True, cache=True, fastmath=FAST)
def _apart(values, n, own, share, total, weight):
    for p in range(n):
        gap = abs(values[p] - own)
        seen = gap == gap  # not NaN
        total[p] += share * gap if seen else np.float32(0)
        weight[p] += share if seen else np.float32(0)


@njit(inline="always", fastmath=FAST)
def _fourth(x):
    x = x * x
    return x * x


@njit(inline="always", fastmath=FAST)
def fade(z):
    """Return exp(-z) for z >= 0: that of z / 128, squared seven times."""
    x = min(z, FAINT) * np.float32(1 / 128)
    e = np.float32(1 / 24) - x * np.float32(1 / 120)
    e = np.float32(1) - x * (
        np.float32(1) - x * (np.float32(0.5) - x * (np.float32(1 / 6) - x * e))
    )
    e = _fourth(_fourth(_fourth(e)))
    return e * e


@njit(inline="always", fastmath=FAST)
def weight_of(total, share, scale):
    """Return the weight of a neighbour by the mean difference of its patch [eq 8]."""
    return fade(total / (share * scale))


# the numpy model: a check for division by zero would keep the loop from being vectorised
@njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _weighted(total, share, changes, moved, near, n, own_change, limit, scale):
    """Return weighted sum, weight and number of the neighbours that count."""
    told = weight = count = np.float32(0)
    for p in range(n):
        w = weight_of(total[p], share[p], scale)
        seen = counts(changes[p], own_change, near[p], limit)
        seen = seen & (moved[p] == moved[p]) & (share[p] > 0)  # not NaN
        w = w if seen else np.float32(0)
        told += w * moved[p] if seen else np.float32(0)
        weight += w
        count += np.float32(1) if seen else np.float32(0)
    return told, weight, count
