"""STARFM's window on a GPU: a thread for each pixel, and some dates that share its search."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.offload import new
from xstf.kernels.window import ZERO, admit, passes, weigh, weigh_date

DATES = 8  # dates of one thread: their sums stay in registers
ONE = np.float32(1)
CASES = [
    {"temporal": temporal, "strict": strict, "dates": dates}
    for temporal, strict, dates in product((None, 1), (None, 1), (1, DATES))
]


def alike_means(
    fine: Any, near: Any, soon: Any, moved: Any, near_limit: Any, soon_limit: Any, far: Any,
    flat: Any, alike: float, full: float, temporal: int | None, strict: int | None,
    total: Any, weight: Any, count: Any,
) -> None:  # fmt: skip
    """Add weighted sums over each pixel's window; see `xstf.kernels.window.alike_means`."""
    inputs = there(fine, near, soon, moved, near_limit, soon_limit, far, flat)
    sums = new(total, (3, *total.shape))
    dates = len(total)
    each = 1 if dates == 1 else DATES
    _alike_means(
        (*near_limit.shape, -(-dates // each)), *inputs, alike, full, sums,
        temporal=temporal, strict=strict, dates=each,
    )  # fmt: skip
    for kept, found in zip((total, weight, count), sums, strict=True):
        if kept is not None:
            kept += found


@grid(
    "f4[:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,:,::1], f4[:,::1], "
    "f4[:,::1], f4, f4, f4[:,:,:,::1]",
    doubles=0,
    variants=CASES,
)
def _alike_means(temporal: int | None, strict: int | None, dates: int) -> Callable[..., None]:
    def kernel(
        fine, near, soon, moved, near_limit, soon_limit, far, flat, alike, full, sums
    ):  # fmt: skip
        x, y, z = cuda.grid(3)
        if y >= sums.shape[2] or x >= sums.shape[3]:
            return
        first = z * dates
        here = min(dates, sums.shape[1] - first)
        radius = far.shape[0] // 2
        centre, limit = fine[y + radius, x + radius], near_limit[y, x]
        row = cuda.local.array((3, dates), np.float32)  # sums of one row of the window,
        whole = cuda.local.array((3, dates), np.float32)  # then of all, in the order of the loop
        for d in range(dates):
            for n in range(3):
                whole[n, d] = ZERO
        for j in range(far.shape[0]):
            for d in range(dates):
                for n in range(3):
                    row[n, d] = ZERO
            for i in range(2 * radius + 1):
                close = near[y + j, x + i]
                one = weigh(close, far[j, i], flat[j, i], full, temporal)
                one = admit(one, close, limit, fine[y + j, x + i], centre, alike, strict)
                if one > ZERO:
                    passed = passes(close, limit, strict)
                    for d in range(dates):  # a fixed number, which the compiler unrolls
                        if d < here:
                            some = weigh_date(
                                one, passed, soon[first + d, y + j, x + i],
                                soon_limit[first + d, y, x], far[j, i], flat[j, i], full, temporal,
                            )  # fmt: skip
                            row[0, d] += some * moved[first + d, y + j, x + i]
                            row[1, d] += some
                            row[2, d] += ONE if some > ZERO else ZERO
            for d in range(dates):
                for n in range(3):
                    whole[n, d] += row[n, d]
        for d in range(dates):
            if d < here:
                for n in range(3):
                    sums[n, first + d, y, x] = whole[n, d]

    return kernel
