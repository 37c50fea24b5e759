"""Coarse images on the fine grid, on a GPU: a thread for each fine pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid
from xstf.kernels.resample import mended
from xstf.kernels.window import ZERO

NAN = np.float32(np.nan)


def upsample(cells: Any, weights: Any, fallback: Any, scale: int, out: Any) -> None:
    """Write coarse images at the fine pixels; see `xstf.kernels.resample.upsample`."""
    _upsample((*out.shape[1:], len(out)), cells, weights, fallback, scale, out)


@grid("f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], i4, f4[:,:,::1]", doubles=0)
def _upsample(cells, weights, fallback, scale, out):
    x, y, n = cuda.grid(3)
    if y >= out.shape[1] or x >= out.shape[2]:
        return
    i, j = y // scale, x // scale
    p = (y - i * scale) * scale + x - j * scale
    taps, mends = weights.shape[0], fallback.shape[0]
    total = lost = rest = held = ZERO
    missing = 0
    for a in range(taps):
        for b in range(taps):
            value, weight = cells[n, i + a, j + b], weights[a, b, p]
            if math.isnan(value):
                missing += 1
                lost += abs(weight)
            else:
                total += value * weight
    if missing > 0:
        near = (taps - mends) // 2
        seen = 0
        for a in range(mends):
            for b in range(mends):
                value, weight = cells[n, i + near + a, j + near + b], fallback[a, b, p]
                if not math.isnan(value):
                    seen += 1
                    rest += value * weight
                    held += abs(weight)
        total = mended(total, lost, rest, held) if seen > 0 else NAN
    out[n, y, x] = total
