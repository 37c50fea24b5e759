"""Classes of a fine image on a GPU: a thread for each pixel, or for each cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from xstf.kernels.classify import nearest, share_out
from xstf.kernels.gpu.launch import grid, there


def classify(image: Any, centres: Any, names: Any) -> None:
    """Write the class of each pixel; see `xstf.kernels.classify.classify`."""
    _classify(names.shape, *there(image, centres), names)


def fractions(names: Any, cell: int, tenths: int, out: Any) -> None:
    """Write the share of each class in each cell; see `xstf.kernels.classify.fractions`."""
    _fractions(out.shape[1:], *there(names), cell, tenths, out)


def homogeneity(names: Any, classes: int, radius: int, out: Any) -> None:
    """Write the share of alike neighbours; see `xstf.kernels.classify.homogeneity`.

    The CPU moves sums along, class by class; here each window is counted afresh. Counts are whole
    numbers, so both are the same.
    """
    _homogeneity(out.shape, *there(names), radius, out)


@grid("f4[:,:,::1], f8[:,::1], u1[:,::1]", doubles=39)
def _classify(image, centres, names):
    x, y = cuda.grid(2)
    if y < names.shape[0] and x < names.shape[1]:
        names[y, x] = nearest(image, centres, y, x)


@grid("u1[:,::1], i4, i4, f8[:,:,::1]", doubles=42)
def _fractions(names, cell, tenths, out):
    j, i = cuda.grid(2)
    if i < out.shape[1] and j < out.shape[2]:
        share_out(names, cell, tenths, out, i, j)


@grid("u1[:,::1], i4, f4[:,::1]", doubles=4)
def _homogeneity(names, radius, out):
    x, y = cuda.grid(2)
    if y >= out.shape[0] or x >= out.shape[1]:
        return
    own = names[y, x]
    same = seen = 0
    if own > 0:
        for j in range(max(y - radius, 0), min(y + radius + 1, out.shape[0])):
            for i in range(max(x - radius, 0), min(x + radius + 1, out.shape[1])):
                same += names[j, i] == own
                seen += names[j, i] > 0
    out[y, x] = np.float32(same / max(seen, 1))
