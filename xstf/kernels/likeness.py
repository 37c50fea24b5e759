"""How alike the fine and the coarse spectrum of a pixel are [Zhu 2010, eq 14]."""

from __future__ import annotations

import numpy as np
from numba import njit


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
    pairs, bands, height, width = fine.shape
    number = pairs * bands
    for y in range(height):
        for x in range(width):
            mean_f = 0.0
            mean_c = 0.0
            apart = 0.0
            for p in range(pairs):
                for b in range(bands):
                    f, c = np.float64(fine[p, b, y, x]), np.float64(coarse[p, b, y, x])
                    mean_f += f
                    mean_c += c
                    apart += abs((f - c) / (f + c))
            mean_f /= number
            mean_c /= number
            ff = 0.0
            cc = 0.0
            fc = 0.0
            for p in range(pairs):
                for b in range(bands):
                    f, c = fine[p, b, y, x] - mean_f, coarse[p, b, y, x] - mean_c
                    ff += f * f
                    cc += c * c
                    fc += f * c
            value = 1 - fc / np.sqrt(ff * cc) if number > 2 else apart / number
            out[y, x] = 0.5 if np.isnan(value) else max(value, 0.0)
