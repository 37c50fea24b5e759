"""Means over the similar pixels of a window, similar in several images at once [Zhu 2010].

The similar pixels and their weights are found once for each pixel and serve all bands and dates.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu
from xstf.kernels.window import FAST, LANES

RUN = 64  # output pixels that walk one row of the window before the next row
SLOTS = 3  # couples of images that one loop compares, as many as the registers hold
SHIFT = np.uint32(16)  # a place in the window is row << SHIFT | column, unsigned like all that
COLUMN = np.uint32((1 << 16) - 1)  # indexes in the inner loops: no check for numbers below zero
ONE = np.uint32(1)
FLOOR = np.float32(1e-7)  # keeps the weight of a perfectly alike pixel finite [released program]


def rises(radius: int) -> np.ndarray:
    """Return 1 + distance / radius over a window [eq 15], rows padded to whole registers.

    Parameters
    ----------
    radius
        Half the window, in pixels.
    """
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    side = 2 * radius + 1
    far = np.zeros((side, -(-side // LANES) * LANES), np.float32)
    far[:, :side] = 1 + np.hypot(y, x) / radius
    return far


def couples(count: int) -> tuple[np.ndarray, int]:
    """Return in which order images are compared, two at a time, and how many twos one loop takes.

    Parameters
    ----------
    count
        Number of images.

    Returns
    -------
    order : numpy.ndarray
        Indices of the images; the last one is repeated until all loops are full.
    slots : int
        1 to 3.
    """
    twos = -(-count // 2)
    loops = -(-twos // SLOTS)
    slots = -(-twos // loops)
    return np.minimum(np.arange(2 * slots * loops), count - 1), slots


@njit(inline="always")
def _couple(images, limits, n, row, middle, start, radius):
    """Return a row of two images, the row of their centres, and the largest differences."""
    return (
        images[n, row, start:],
        images[n + 1, row, start:],
        images[n, middle, start + radius :],
        images[n + 1, middle, start + radius :],
        limits[n],
        limits[n + 1],
    )


@njit(inline="always", fastmath=FAST)
def near(value, centre, limit):
    """Say whether two values are alike; a missing one is like none."""
    return abs(value - centre) <= limit


@njit(inline="always", fastmath=FAST)
def _alike(couple, one, other, at):
    """Say whether two images are alike at a place and at the centre, where they are one, other."""
    return near(couple[0][at], one, couple[4]) & near(couple[1][at], other, couple[5])


@njit(inline="always")
def grown(apart, value, own, share):
    """Return how much images differ with one image more."""
    return apart + abs(value - own) * share


@njit(nogil=True, cache=True, fastmath=FAST)
def _search(images, limits, second, third, wanted, y, start, side, alike, found, number):
    """Write where the similar pixels of a run of pixels are, in the order of rows."""
    run = number.size
    radius = side // 2
    columns = alike.shape[1]
    words = alike.view(np.uint64)
    step = 2
    if second is not None:
        step = 4
    if third is not None:
        step = 6
    number[:] = 0
    for j in range(side):
        for n in range(0, images.shape[0], step):
            fresh = np.uint8(n == 0)
            a = _couple(images, limits, n, y + j, y + radius, start, radius)
            if second is not None:
                b = _couple(images, limits, n + 2, y + j, y + radius, start, radius)
            if third is not None:
                c = _couple(images, limits, n + 4, y + j, y + radius, start, radius)
            for x in range(run):
                if not wanted[x]:
                    continue
                row = alike[x]
                a2, a3 = a[2][x], a[3][x]
                if second is not None:
                    b2, b3 = b[2][x], b[3][x]
                if third is not None:
                    c2, c3 = c[2][x], c[3][x]
                for i in range(columns):
                    good = _alike(a, a2, a3, x + i)
                    if second is not None:
                        good &= _alike(b, b2, b3, x + i)
                    if third is not None:
                        good &= _alike(c, c2, c3, x + i)
                    row[i] = (row[i] | fresh) if good else np.uint8(0)
        for x in range(run):
            if not wanted[x]:
                continue
            word = np.uint64(0)
            for k in range(words.shape[1]):
                word |= words[x, k]
            if word == 0:
                continue
            row = alike[x]
            places = found[x]
            m = number[x]
            place = np.uint32(j) << SHIFT
            for i in range(side):
                places[m] = place
                place += ONE
                m += np.uint32(row[i])
            number[x] = m


@njit(inline="always")
def _choose(flat, channels, width, corner, middle, share, places, n, apart, score, best):
    """Keep the places where images differ least, as many as `score` holds; ties: the first."""
    apart[:n] = 0
    for k in range(share.size):
        values = flat[np.uint32(k) + ONE :]
        own = values[middle * channels]
        for m in range(n):
            at = (corner + (places[m] >> SHIFT) * width + (places[m] & COLUMN)) * channels
            apart[m] = grown(apart[m], values[at], own, share[k])
    most = score.size
    kept = 0
    for m in range(n):
        if kept == most and not apart[m] < score[most - 1]:
            continue
        p = kept if kept < most else most - 1
        while p > 0 and score[p - 1] > apart[m]:
            score[p] = score[p - 1]
            best[p] = best[p - 1]
            p -= 1
        score[p] = apart[m]
        best[p] = places[m]
        kept = min(kept + 1, most)
    places[:kept] = best[:kept]
    return np.uint32(kept)


@njit(inline="always")
def weigh(unlike, far):
    """Return the weight of a similar pixel, not normalised [eq 16-17]."""
    return np.float32(1) / (unlike * far + FLOOR)


@njit(inline="always")
def _add(flat, channels, width, corner, far, places, n, total):
    """Write weighted sums of all channels, which lie in `flat` pixel by pixel; return weights."""
    total[:] = 0
    weights = np.float32(0)
    places[n] = places[0]  # two at a time; the odd one has no weight
    for m in range(0, n, 2):
        one, two = places[m], places[m + 1]
        a = flat[(corner + (one >> SHIFT) * width + (one & COLUMN)) * channels :]
        b = flat[(corner + (two >> SHIFT) * width + (two & COLUMN)) * channels :]
        v = weigh(a[0], far[one >> SHIFT, one & COLUMN])
        w = weigh(b[0], far[two >> SHIFT, two & COLUMN]) if m + 1 < n else np.float32(0)
        weights += v + w
        for k in range(total.size):
            total[k] += v * a[k] + w * b[k]
    return weights


@njit(nogil=True, cache=True, error_model="numpy")
def _mean_seen(said, y, x, far, places, n, k):
    """Return the weighted mean of one channel over the places where it is not missing."""
    total = np.float32(0)
    weights = np.float32(0)
    for m in range(n):
        j, i = places[m] >> SHIFT, places[m] & COLUMN
        value = said[y + j, x + i, k]
        if not np.isnan(value):
            w = weigh(said[y + j, x + i, 0], far[j, i])
            total += w * value
            weights += w
    return total / weights if weights > 0 else np.float32(np.nan)


@njit(inline="always")
def _sum(moments, y, x, places, n, total):
    """Write sums of all moments in float64."""
    total[:] = 0
    for m in range(n):
        value = moments[y + (places[m] >> SHIFT), x + (places[m] & COLUMN)]
        for k in range(total.size):
            total[k] += value[k]


@also_on_gpu
@njit(nogil=True, cache=True, error_model="numpy")
def similar_means(
    images, limits, share, second, third, most, wanted, far, said, moments, count, out, sums
):
    """Write weighted means over the similar pixels of each wanted pixel.

    Parameters
    ----------
    images
        (image, y + 2 radius, x + 2 radius + padding) in the order of `couples`, NaN where missing
        and in the padding.
    limits
        (image,): a similar pixel differs by no more in any image.
    share
        (channel,): weights of differences in the channels after the first, by which the most
        similar are chosen.
    second, third
        None or 1, fixed when compiled: one loop compares two, and three, couples of images.
    most
        Number of most similar pixels that are kept; None: all.
    wanted
        (y, x) bool. Of other pixels nothing is written.
    far
        From `rises`.
    said
        (y + 2 radius, x + 2 radius, channel): first 1 - R of eq 14, see `dissimilarity`; then
        what is averaged, NaN where missing. Fastest with a multiple of 8 channels.
    moments
        (y + 2 radius, x + 2 radius, moment), never NaN: what is summed without weights; or None.
    count
        (y, x) int32: filled with the number of similar pixels.
    out
        (channel, y, x) float32: filled with means of so many channels, without the first; NaN
        where no similar pixel has a value.
    sums
        (moment, y, x) float64: filled with sums of the first so many moments; or None.
    """
    side, columns = far.shape
    radius = side // 2
    height, width = wanted.shape
    stride, channels = np.uint32(said.shape[1]), np.uint32(said.shape[2])
    flat = said.reshape(-1)
    alike = np.zeros((RUN, columns), np.uint8)
    found = np.empty((RUN, side * side + 1), np.uint32)
    number = np.empty(RUN, np.uint32)
    total = np.empty(channels, np.float32)
    if moments is not None:
        exact = np.empty(moments.shape[2], np.float64)
    score = np.empty(1 if most is None else most, np.float32)
    best = np.empty(score.size, np.uint32)
    apart = np.empty(side * side, np.float32)
    for y in range(height):
        for start in range(0, width, RUN):
            wants = wanted[y, start : start + RUN]
            if not wants.any():
                continue
            _search(
                images, limits, second, third, wants, y, start, side, alike, found,
                number[: wants.size],
            )  # fmt: skip
            for x in range(wants.size):
                if not wants[x]:
                    continue
                n, places = number[x], found[x]
                at, into = np.uint32(y), np.uint32(start + x)
                corner = at * stride + into
                if most is not None:
                    middle = corner + (stride + ONE) * np.uint32(radius)
                    n = _choose(
                        flat, channels, stride, corner, middle, share, places, n, apart, score, best
                    )
                weights = _add(flat, channels, stride, corner, far, places, n, total)
                for k in range(out.shape[0]):
                    value = total[k + 1] / weights if n > 0 else np.float32(np.nan)
                    if np.isnan(value):
                        value = _mean_seen(said, at, into, far, places, n, k + 1)
                    out[k, y, start + x] = value
                if moments is not None:
                    _sum(moments, at, into, places, n, exact)
                    for k in range(sums.shape[0]):
                        sums[k, y, start + x] = exact[k]
                count[y, start + x] = n
