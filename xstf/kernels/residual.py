"""FSDAF's distribution of what the classes leave unexplained within each coarse cell."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu

TINY = 1e-10  # keeps weights above zero, in the units of the scene
CAP = 10.0  # no pixel takes more than ten times the mean share


@njit(inline="always")
def foretold(gain, name, b, y, x):
    """Return the change of a pixel before the residual: that of its class, or its own."""
    return np.float64(gain[b, name - 1, 0] if gain.shape[2] == 1 else gain[b, y, x])


@also_on_gpu
@njit(nogil=True, cache=True, error_model="numpy")
def distribute(fine, names, homogeneity, gain, spatial, step, lows, highs, cell, out, free=None):
    """Write the change of each pixel: what was foretold, plus its share of the cell's residual.

    Parameters
    ----------
    fine
        (band, y, x) of the pair, whole cells.
    names, homogeneity
        (y, x) class, 0 where none, and the share of its neighbours that have it.
    gain
        (band, class, 1) float64: change of each class; or (band, y, x) float32, of each pixel.
    spatial
        (band, y, x): the coarse image of the target date at fine pixels.
    step
        (band, y / cell, x / cell): coarse change.
    lows, highs
        (band,): limits of the predicted value.
    cell
        Side of a cell in pixels.
    out
        (band, y, x) float32: filled; NaN where the pixel has no class or the cell no change.
    free
        None or 1, fixed when compiled. With 1, shares are neither zero where the spatial
        prediction departs to the other side, nor bounded [released SFSDAF program].
    """
    weight = np.empty(cell * cell, np.float64)
    bands, rows, columns = step.shape
    for b in range(bands):
        for i in range(rows):
            for j in range(columns):
                distribute_in(
                    fine, names, homogeneity, gain, spatial, step, lows, highs, cell, out, free,
                    weight, b, i, j,
                )  # fmt: skip


@njit(inline="always")
def distribute_in(
    fine, names, homogeneity, gain, spatial, step, lows, highs, cell, out, free, weight, b, i, j
):  # fmt: skip
    """Write the changes in one cell and band; `weight` has room for each of its pixels."""
    y0, y1, x0, x1 = i * cell, (i + 1) * cell, j * cell, (j + 1) * cell
    count = 0
    explained = 0.0
    for y in range(y0, y1):
        for x in range(x0, x1):
            if names[y, x] > 0:
                count += 1
                explained += foretold(gain, names[y, x], b, y, x)
    left = np.float64(step[b, i, j]) - explained / max(count, 1)
    total = 0.0
    n = 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            if names[y, x] > 0:
                moved = fine[b, y, x] + foretold(gain, names[y, x], b, y, x)
                apart = np.float64(spatial[b, y, x]) - moved
                weight[n] = weight_of(apart, left, np.float64(homogeneity[y, x]), free)
                total += weight[n]
                n += 1
    mean = total / max(n, 1)
    total = 0.0
    for k in range(n):
        weight[k] = weight[k] / mean
        if free is None and weight[k] > CAP:
            weight[k] = 1.0
        total += weight[k]
    mean = total / max(n, 1)
    n = 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            if names[y, x] > 0:
                own = np.float64(fine[b, y, x])
                change = foretold(gain, names[y, x], b, y, x)
                change += left * (weight[n] / mean)
                out[b, y, x] = min(max(own + change, lows[b]), highs[b]) - own
                n += 1
            else:
                out[b, y, x] = math.nan


@njit(inline="always")
def weight_of(apart, left, alone, free):
    """Return the share of the residual `left` that a pixel takes, not normalised."""
    against = (left <= 0 and apart > 0) or (left > 0 and apart < 0)
    if free is None and against:
        apart = 0.0
    return abs(apart) * alone + abs(left) * (1 - alone) + TINY
