"""FSDAF's distribution of residuals on a GPU: a thread for each cell and band."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.offload import new
from xstf.kernels.residual import distribute_in

VARIANTS = [{"free": None}, {"free": 1}]


def distribute(
    fine: Any, names: Any, homogeneity: Any, gain: Any, spatial: Any, step: Any, lows: Any,
    highs: Any, cell: int, out: Any, free: int | None = None,
) -> None:  # fmt: skip
    """Write the change of each pixel; see `xstf.kernels.residual.distribute`."""
    weight = new(step, (*step.shape, cell * cell), np.float64)
    images = there(fine, names, homogeneity, gain, spatial, step, lows, highs)
    told = _by_class if gain.shape[2] == 1 else _by_pixel
    told((*step.shape[1:], len(step)), *images, cell, out, weight, free=free)


def _kernel(free: int | None) -> Callable[..., None]:
    def kernel(
        fine, names, homogeneity, gain, spatial, step, lows, highs, cell, out, weight
    ):  # fmt: skip
        j, i, b = cuda.grid(3)
        if i < step.shape[1] and j < step.shape[2]:
            distribute_in(
                fine, names, homogeneity, gain, spatial, step, lows, highs, cell, out, free,
                weight[b, i, j], b, i, j,
            )  # fmt: skip

    return kernel


@grid(
    "f4[:,:,::1], u1[:,::1], f4[:,::1], f8[:,:,::1], f4[:,:,::1], f4[:,:,::1], f8[::1], f8[::1], "
    "i4, f4[:,:,::1], f8[:,:,:,::1]",
    doubles=260,
    variants=VARIANTS,
)
def _by_class(free: int | None) -> Callable[..., None]:
    return _kernel(free)


@grid(
    "f4[:,:,::1], u1[:,::1], f4[:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f8[::1], f8[::1], "
    "i4, f4[:,:,::1], f8[:,:,:,::1]",
    doubles=260,
    variants=VARIANTS,
)
def _by_pixel(free: int | None) -> Callable[..., None]:
    return _kernel(free)
