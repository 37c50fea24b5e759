"""Plain means over a square window on a GPU: columns, then rows, summed in the CPU's order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid
from xstf.kernels.offload import new
from xstf.kernels.window import ZERO

ONE = np.float32(1)


def window_means(images: Any, radius: int, out: Any) -> None:
    """Write means over the window of each pixel; see `xstf.kernels.means.window_means`."""
    shape = len(out), out.shape[1], images.shape[2]
    column, seen = new(images, shape, np.float64), new(images, shape)
    _columns((*shape[1:], len(out)), images, radius, column, seen)
    _rows((*out.shape[1:], len(out)), column, seen, radius, out)


@grid("f4[:,:,::1], i4, f8[:,:,::1], f4[:,:,::1]", doubles=19)
def _columns(images, radius, column, seen):
    x, y, n = cuda.grid(3)
    if y >= column.shape[1] or x >= column.shape[2]:
        return
    total = 0.0
    count = ZERO
    for j in range(2 * radius + 1):
        value = images[n, y + j, x]
        if not math.isnan(value):
            total += np.float64(value)
            count += ONE
    column[n, y, x] = total
    seen[n, y, x] = count


@grid("f8[:,:,::1], f4[:,:,::1], i4, f4[:,:,::1]", doubles=17)
def _rows(column, seen, radius, out):
    x, y, n = cuda.grid(3)
    if y >= out.shape[1] or x >= out.shape[2]:
        return
    total = 0.0
    count = ZERO
    for i in range(2 * radius + 1):
        total += column[n, y, x + i]
        count += seen[n, y, x + i]
    out[n, y, x] = total / count
