"""Means over similar pixels on a GPU: which they are is one bit for each pixel of a window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.gpu.listing import keep
from xstf.kernels.offload import new
from xstf.kernels.similar import grown, near, weigh
from xstf.kernels.window import ZERO

WORD = 32  # pixels of a row of the window whose bits are one number
CHANNELS = 8  # means of one thread: their sums stay in registers
BIT = np.uint32(1)
NONE = np.uint32(0)
NAN = np.float32(np.nan)


def similar_means(
    images: Any, limits: Any, share: Any, second: Any, third: Any, most: int | None, wanted: Any,
    far: Any, said: Any, moments: Any, count: Any, out: Any, sums: Any,
) -> None:  # fmt: skip
    """Write weighted means over similar pixels; see `xstf.kernels.similar.similar_means`.

    How many images the CPU compares at a time (`second`, `third`) makes no difference here.
    """
    side = len(far)
    size = wanted.shape
    images, limits, share, wanted, far = there(images, limits, share, wanted, far)
    (planes,) = there(said.transpose(2, 0, 1))  # neighbours of a warp read side by side
    bits = new(said, (side * -(-side // WORD), *size), np.uint32)
    _search(size, images, limits, wanted, side, bits, count)
    if most is not None:
        score, place = new(said, (most, *size)), new(said, (most, *size), np.int32)
        _choose(size, planes, share, wanted, side, score, place, bits, count)
    _means((*size, -(-len(out) // CHANNELS)), planes, far, wanted, bits, count, out)
    if moments is not None:
        (added,) = there(moments.transpose(2, 0, 1))
        _sum((*size, len(sums)), added, wanted, side, bits, sums)


@grid("f4[:,:,::1], f4[::1], b1[:,::1], i4, u4[:,:,::1], i4[:,::1]", doubles=0)
def _search(images, limits, wanted, side, bits, count):
    x, y = cuda.grid(2)
    if y >= wanted.shape[0] or x >= wanted.shape[1] or not wanted[y, x]:
        return
    radius = side // 2
    words = bits.shape[0] // side
    number = 0
    for j in range(side):
        for w in range(words):
            columns = min(WORD, side - w * WORD)
            alike = np.uint32(0xFFFFFFFF)
            for n in range(images.shape[0]):
                centre, limit = images[n, y + radius, x + radius], limits[n]
                now = NONE
                if alike != NONE:
                    for i in range(columns):
                        if near(images[n, y + j, x + w * WORD + i], centre, limit):
                            now |= np.uint32(BIT << np.uint32(i))
                alike &= now
            bits[j * words + w, y, x] = alike
            number += cuda.popc(alike)
    count[y, x] = number


@grid(
    "f4[:,:,::1], f4[::1], b1[:,::1], i4, f4[:,:,::1], i4[:,:,::1], u4[:,:,::1], i4[:,::1]",
    doubles=0,
)
def _choose(planes, share, wanted, side, score, place, bits, count):
    """Keep the places where images differ least; ties: the first."""
    x, y = cuda.grid(2)
    if y >= wanted.shape[0] or x >= wanted.shape[1] or not wanted[y, x]:
        return
    radius = side // 2
    words = bits.shape[0] // side
    kept = 0
    for row in range(bits.shape[0]):
        left = bits[row, y, x]
        j, first = row // words, row % words * WORD
        while left != NONE:
            i = first + cuda.ffs(left) - 1
            left &= np.uint32(left - BIT)
            apart = ZERO
            for k in range(share.shape[0]):
                own = planes[k + 1, y + radius, x + radius]
                apart = grown(apart, planes[k + 1, y + j, x + i], own, share[k])
            kept = keep(score, place, kept, apart, row * WORD + i - first, y, x)
        bits[row, y, x] = NONE
    for p in range(kept):
        row, bit = place[p, y, x] // WORD, place[p, y, x] % WORD
        bits[row, y, x] |= np.uint32(BIT << np.uint32(bit))
    count[y, x] = kept


@grid(
    "f4[:,:,::1], f4[:,::1], b1[:,::1], u4[:,:,::1], i4[:,::1], f4[:,:,::1]",
    doubles=0,
)
def _means(planes, far, wanted, bits, count, out):
    x, y, z = cuda.grid(3)
    if y >= wanted.shape[0] or x >= wanted.shape[1] or not wanted[y, x]:
        return
    words = bits.shape[0] // far.shape[0]
    total = cuda.local.array(CHANNELS, np.float32)
    for k in range(CHANNELS):
        total[k] = ZERO
    weights = ZERO
    for row in range(bits.shape[0]):
        left = bits[row, y, x]
        j, first = row // words, row % words * WORD
        while left != NONE:
            i = first + cuda.ffs(left) - 1
            left &= np.uint32(left - BIT)
            w = weigh(planes[0, y + j, x + i], far[j, i])
            weights += w
            for k in range(CHANNELS):
                if z * CHANNELS + k < out.shape[0]:
                    total[k] += w * planes[z * CHANNELS + k + 1, y + j, x + i]
    for k in range(CHANNELS):
        channel = z * CHANNELS + k
        if channel < out.shape[0]:
            value = total[k] / weights if count[y, x] > 0 else NAN
            if math.isnan(value):
                value = _mean_seen(planes, far, bits, channel + 1, y, x)
            out[channel, y, x] = value


@cuda.jit(device=True, inline="always")
def _mean_seen(planes, far, bits, channel, y, x):
    """Return the weighted mean of one channel over the places where it is not missing."""
    words = bits.shape[0] // far.shape[0]
    total = ZERO
    weights = ZERO
    for row in range(bits.shape[0]):
        left = bits[row, y, x]
        j, first = row // words, row % words * WORD
        while left != NONE:
            i = first + cuda.ffs(left) - 1
            left &= np.uint32(left - BIT)
            value = planes[channel, y + j, x + i]
            if not math.isnan(value):
                w = weigh(planes[0, y + j, x + i], far[j, i])
                total += w * value
                weights += w
    return total / weights if weights > ZERO else NAN


@grid("f4[:,:,::1], b1[:,::1], i4, u4[:,:,::1], f8[:,:,::1]", doubles=5)
def _sum(moments, wanted, side, bits, sums):
    x, y, k = cuda.grid(3)
    if y >= wanted.shape[0] or x >= wanted.shape[1] or not wanted[y, x]:
        return
    words = bits.shape[0] // side
    total = 0.0
    for row in range(bits.shape[0]):
        left = bits[row, y, x]
        j, first = row // words, row % words * WORD
        while left != NONE:
            total += np.float64(moments[k, y + j, x + first + cuda.ffs(left) - 1])
            left &= np.uint32(left - BIT)
    sums[k, y, x] = total
