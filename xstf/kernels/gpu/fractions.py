"""Pixels as mixtures of classes on a GPU: a thread for each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.fractions import mix, soften
from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.offload import new


def soft_classes(image: Any, mean: Any, inverse: Any, out: Any) -> None:
    """Write how far each pixel is of each class; see `xstf.kernels.fractions.soft_classes`."""
    size = out.shape[1:]
    share, gap = (new(out, (*size, n), np.float64) for n in mean.shape)
    _soften(size, *there(image, mean, inverse), out, share, gap)


def change_of_mixture(soft: Any, step: Any, start: Any, end: Any, out: Any) -> None:
    """Write what new classes and shares make; see `xstf.kernels.fractions.change_of_mixture`."""
    size = out.shape[1:]
    _mix(size, *there(soft, step, start, end), out, new(out, (*size, len(soft)), np.float64))


@grid("f4[:,:,::1], f8[:,::1], f8[:,:,::1], f4[:,:,::1], f8[:,:,::1], f8[:,:,::1]", doubles=94)
def _soften(image, mean, inverse, out, share, gap):
    x, y = cuda.grid(2)
    if y < out.shape[1] and x < out.shape[2]:
        soften(image, mean, inverse, out, share[y, x], gap[y, x], y, x)


@grid("f4[:,:,::1], f4[:,:,::1], f8[:,::1], f8[:,::1], f4[:,:,::1], f8[:,:,::1]", doubles=119)
def _mix(soft, step, start, end, out, after):
    x, y = cuda.grid(2)
    if y < out.shape[1] and x < out.shape[2]:
        mix(soft, step, start, end, out, after[y, x], y, x)
