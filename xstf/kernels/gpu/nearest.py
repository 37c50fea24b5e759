"""The most alike neighbours on a GPU, and what they say: a thread for each pixel, or channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.gpu.listing import keep
from xstf.kernels.nearest import SHIFT, grown, say, score, share_of
from xstf.kernels.offload import new
from xstf.kernels.smallest import NEVER
from xstf.kernels.window import ZERO

COLUMN = (1 << SHIFT) - 1
NAN = np.float32(np.nan)


def most_alike(
    fine: Any, alike: Any, floor: float, far: Any, offset: Any, weight: Any, count: Any
) -> None:
    """Find the most alike neighbours; see `xstf.kernels.nearest.most_alike`."""
    *size, most = offset.shape
    fine, alike, far = there(fine, alike, far)
    share = new(fine, (len(fine), *size))
    _shares((*size, len(fine)), fine, floor, len(far) // 2, share)
    rank, place = new(fine, (most, *size)), new(fine, (most, *size), np.int32)
    _most_alike(tuple(size), fine, share, alike, far, rank, place, offset, weight, count)


def spread(values: Any, offset: Any, weight: Any, count: Any, out: Any) -> None:
    """Write what neighbours say together; see `xstf.kernels.nearest.spread`."""
    height, width, channels = out.shape
    _spread((height, width * channels), *there(values, offset, weight, count), out)


@grid("f4[:,:,::1], f4, i4, f4[:,:,::1]")
def _shares(fine, floor, middle, share):
    x, y, b = cuda.grid(3)
    if y < share.shape[1] and x < share.shape[2]:
        share[b, y, x] = share_of(fine[b, y + middle, x + middle], floor)


@grid(
    "f4[:,:,::1], f4[:,:,::1], f4[::1], f4[:,::1], f4[:,:,::1], i4[:,:,::1], i4[:,:,::1], "
    "f4[:,:,::1], i4[:,::1]",
)
def _most_alike(fine, share, alike, far, rank, place, offset, weight, count):
    x, y = cuda.grid(2)
    if y >= count.shape[0] or x >= count.shape[1]:
        return
    side, kept = far.shape[0], 0
    for j in range(side):
        for i in range(side):
            gap = _gap(fine, share, alike, side // 2, j, i, y, x)
            if gap < NEVER:
                kept = keep(rank, place, kept, score(gap, far[j, i]), j << SHIFT | i, y, x)
    count[y, x] = kept
    for p in range(kept):
        at = place[p, y, x]
        j, i = at >> SHIFT, at & COLUMN
        offset[y, x, p] = at
        gap = _gap(fine, share, alike, side // 2, j, i, y, x)
        weight[y, x, p] = say(gap, far[j, i])


@cuda.jit(device=True, inline="always")
def _gap(fine, share, alike, middle, j, i, y, x):
    """Return the relative difference of a neighbour, `NEVER` where it is not alike in a band."""
    gap = ZERO
    for b in range(fine.shape[0]):
        if gap < NEVER:
            step = abs(fine[b, y + j, x + i] - fine[b, y + middle, x + middle])
            gap = grown(gap, step, share[b, y, x], alike[b])
    return gap


@grid("f4[:,:,::1], i4[:,:,::1], f4[:,:,::1], i4[:,::1], f4[:,:,::1]")
def _spread(values, offset, weight, count, out):
    column, y = cuda.grid(2)  # channels lie side by side
    x = column // out.shape[2]
    c = column - x * out.shape[2]
    if y >= out.shape[0] or x >= out.shape[1]:
        return
    total = ZERO
    weights = ZERO
    for p in range(count[y, x]):
        at, w = offset[y, x, p], weight[y, x, p]
        value = values[y + (at >> SHIFT), x + (at & COLUMN), c]
        if value == value:  # not NaN
            total += w * value
            weights += w
    out[y, x, c] = total / weights if weights > ZERO else NAN
