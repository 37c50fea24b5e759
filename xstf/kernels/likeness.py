"""How alike the fine and the coarse spectrum of a pixel are [Zhu 2010, eq 14]."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu


@also_on_gpu
@njit(nogil=True, cache=True, error_model="numpy")
def dissimilarity(fine, coarse, out):
    """Write 1 - R of each pixel: how little its fine and coarse spectra are alike [eq 14].

    R is the correlation over all bands and pairs; with fewer than three values, one minus half
    the relative difference. 0.5 where the correlation is not defined [released program].

    Parameters
    ----------
    fine, coarse
        (pair, band, y, x).
    out
        (y, x) float32: filled.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = unlike(fine, coarse, y, x)


@njit(inline="always")
def unlike(fine, coarse, y, x):
    """Return 1 - R of one pixel."""
    number = fine.shape[0] * fine.shape[1]
    mean_f = 0.0
    mean_c = 0.0
    apart = 0.0
    for p in range(fine.shape[0]):
        for b in range(fine.shape[1]):
            f, c = np.float64(fine[p, b, y, x]), np.float64(coarse[p, b, y, x])
            mean_f += f
            mean_c += c
            apart += abs((f - c) / (f + c))
    mean_f /= number
    mean_c /= number
    ff = 0.0
    cc = 0.0
    fc = 0.0
    for p in range(fine.shape[0]):
        for b in range(fine.shape[1]):
            f, c = fine[p, b, y, x] - mean_f, coarse[p, b, y, x] - mean_c
            ff += f * f
            cc += c * c
            fc += f * c
    value = 1 - fc / math.sqrt(ff * cc) if number > 2 else apart / number
    return 0.5 if math.isnan(value) else max(value, 0.0)
