"""The spectrally closest neighbours on a GPU: each thread keeps the sorted list of a pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.closest import apart_in_band
from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.gpu.listing import keep
from xstf.kernels.nearest import SHIFT
from xstf.kernels.offload import new
from xstf.kernels.smallest import NEVER


def closest(
    fine: Any, tie: Any, near: Any, offset: Any, weight: Any, count: Any, straight: Any = None
) -> None:
    """Find the neighbours with the smallest distance; see `xstf.kernels.closest.closest`."""
    *size, most = offset.shape
    rank, place = new(fine, (most, *size)), new(fine, (most, *size), np.int32)
    _closest(
        tuple(size), *there(fine, tie, near), rank, place, offset, weight, count, straight=straight
    )


@grid(
    "f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,:,::1], i4[:,:,::1], i4[:,:,::1], f4[:,:,::1], "
    "i4[:,::1]",
    variants=[{"straight": None}, {"straight": 1}],
)
def _closest(straight: int | None) -> Callable[..., None]:
    def kernel(fine, tie, near, rank, place, offset, weight, count):
        x, y = cuda.grid(2)
        if y >= count.shape[0] or x >= count.shape[1]:
            return
        side, most = tie.shape[0], rank.shape[0]
        middle, kept, worst = side // 2, 0, NEVER
        for j in range(side):
            for i in range(side):
                gap = tie[j, i]
                for b in range(fine.shape[0]):
                    if gap < worst:  # it only grows
                        step = fine[b, y + j, x + i] - fine[b, y + middle, x + middle]
                        gap += apart_in_band(step, straight)
                if gap < worst:
                    kept = keep(rank, place, kept, gap, j << SHIFT | i, y, x)
                    worst = rank[most - 1, y, x] if kept == most else NEVER
        count[y, x] = kept
        for p in range(kept):
            at = place[p, y, x]
            offset[y, x, p] = at
            weight[y, x, p] = near[at >> SHIFT, at & ((1 << SHIFT) - 1)]

    return kernel
