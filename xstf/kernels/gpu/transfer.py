"""Change carried by alike pixels on a GPU: which they are is one bit for each of a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.gpu.similar import BIT, NONE, WORD
from xstf.kernels.offload import new
from xstf.kernels.transfer import alike_in_band, carried, counts, weight_of
from xstf.kernels.window import ZERO

ONE = np.float32(1)
NEAR = np.int32(1)
FAR = np.int32(0)


def relate(
    fine: Any, tolerance: Any, side: int, coarse: Any, step: Any, gap: Any, limits: Any,
    gamma: float, out: Any,
) -> None:  # fmt: skip
    """Write the lines of alike neighbours; see `xstf.kernels.transfer.relate`."""
    fine, tolerance, coarse, step, gap = there(fine, tolerance, coarse, step, gap)
    dates, bands, *size = out.shape
    bits = _searched(fine, tolerance, side, 0, tuple(size))
    _relate(
        (*size, dates * bands), fine, side, coarse, step, gap, *limits, gamma, bits, out
    )  # fmt: skip


def average(
    fine: Any, tolerance: Any, side: int, coarse: Any, step: Any, gap: Any, moved: Any,
    limits: Any, patch: Any, scale: float, sums: Any,
) -> None:  # fmt: skip
    """Write sums over alike neighbours; see `xstf.kernels.transfer.average`."""
    fine, tolerance, coarse, step, gap = there(fine, tolerance, coarse, step, gap)
    moved, patch = there(moved, patch)
    _, dates, bands, *size = sums.shape
    bits = _searched(fine, tolerance, side, len(patch) // 2, tuple(size))
    _average(
        (*size, dates * bands), side, coarse, step, gap, moved, *limits, patch, scale, bits, sums
    )  # fmt: skip


def _searched(fine: Any, tolerance: Any, side: int, rim: int, size: tuple[int, ...]) -> Any:
    bits = new(fine, (side * -(-side // WORD), *size), np.uint32)
    _search(size, fine, tolerance, side, rim, bits)
    return bits


@grid("f4[:,:,::1], f4[:,:,::1], i4, i4, u4[:,:,::1]", doubles=0)
def _search(fine, tolerance, side, rim, bits):
    x, y = cuda.grid(2)
    if y >= bits.shape[1] or x >= bits.shape[2]:
        return
    middle = rim + side // 2
    words = bits.shape[0] // side
    for row in range(bits.shape[0]):
        j, first = row // words, row % words * WORD
        alike = np.uint32(0xFFFFFFFF)
        for b in range(fine.shape[0]):
            centre, most = fine[b, y + middle, x + middle], tolerance[b, y + middle, x + middle]
            now = NONE
            if alike != NONE:
                for i in range(min(WORD, side - first)):
                    if alike_in_band(fine[b, y + rim + j, x + rim + first + i], centre, most):
                        now |= np.uint32(BIT << np.uint32(i))
            alike &= now
        bits[row, y, x] = alike


@grid(
    "f4[:,:,::1], i4, f4[:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4, f4, f8, u4[:,:,::1], "
    "f4[:,:,:,::1]",
    doubles=26,
)
def _relate(fine, side, coarse, step, gap, nearer, steady, gamma, bits, out):
    x, y, z = cuda.grid(3)
    if y >= out.shape[2] or x >= out.shape[3]:
        return
    d = z // out.shape[1]
    b = z - d * out.shape[1]
    half = side // 2
    words = bits.shape[0] // side
    own, mine = coarse[b, y + half, x + half], step[d, b, y + half, x + half]
    most = gap[b, y + half, x + half] + nearer
    count = value = change = square = both = ZERO
    for row in range(bits.shape[0]):
        left = bits[row, y, x]
        j, first = row // words, row % words * WORD
        while left != NONE:
            i = first + cuda.ffs(left) - 1
            left &= np.uint32(left - BIT)
            u, s = coarse[b, y + j, x + i] - own, step[d, b, y + j, x + i]
            near = NEAR if gap[b, y + j, x + i] < most else FAR
            if counts(s, mine, near, steady) and u == u:  # not NaN
                count += ONE
                value += u
                change += s
                square += u * u
                both += u * s
    apart = np.float64(fine[b, y + half, x + half]) - own
    said = carried(count, value, change, square, both, apart, gamma)
    out[d, b, y, x] = own + (apart + said)


@grid(
    "i4, f4[:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[:,:,:,::1], f4, f4, f4[:,::1], f4, "
    "u4[:,:,::1], f4[:,:,:,:,::1]",
    doubles=0,
)
def _average(side, coarse, step, gap, moved, nearer, steady, patch, scale, bits, sums):
    x, y, z = cuda.grid(3)
    if y >= sums.shape[3] or x >= sums.shape[4]:
        return
    d = z // sums.shape[2]
    b = z - d * sums.shape[2]
    rim = patch.shape[0] // 2
    words = bits.shape[0] // side
    m, k = y + rim + side // 2, x + rim + side // 2  # the pixel itself
    mine, most = step[d, b, m, k], gap[b, m, k] + nearer
    told = weights = count = ZERO
    for row in range(bits.shape[0]):
        left = bits[row, y, x]
        j, first = y + rim + row // words, row % words * WORD
        while left != NONE:
            i = x + rim + first + cuda.ffs(left) - 1
            left &= np.uint32(left - BIT)
            value = moved[d, b, j, i]
            near = NEAR if gap[b, j, i] < most else FAR
            if counts(step[d, b, j, i], mine, near, steady) and value == value:  # not NaN
                total = share = ZERO
                for p in range(patch.shape[0]):
                    for q in range(patch.shape[0]):
                        at, to = m - rim + p, k - rim + q
                        own = coarse[b, at, to] + step[d, b, at, to]
                        apart = abs(coarse[b, j - rim + p, i - rim + q] - own)
                        if apart == apart:
                            total += patch[p, q] * apart
                            share += patch[p, q]
                if share > ZERO:
                    w = weight_of(total, share, scale)
                    told += w * value
                    weights += w
                    count += ONE
    sums[0, d, b, y, x] = told
    sums[1, d, b, y, x] = weights
    sums[2, d, b, y, x] = count
