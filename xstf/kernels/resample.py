"""Coarse images on the fine grid, by fixed weights of the cells around each fine pixel."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu, new, packed

REACH = {"nearest": 0, "linear": 1, "cubic": 2, "tps": 8}  # cells that one fine pixel is made of
FAINT = 1e-4  # share of a smooth kernel in the fallback, so that a missing cell leaves no hole
FAST = {"contract", "nsz", "arcp"}


def upsample(cells: np.ndarray, how: str, scale: int) -> np.ndarray:
    """Return coarse images at the fine pixels.

    Parameters
    ----------
    cells
        (..., rows + 2 reach, columns + 2 reach) coarse images with ``REACH[how]`` cells more on
        each side; NaN where missing or off the scene.
    how
        ``"nearest"``, ``"linear"``, ``"cubic"`` (Keys 1981, a = -1/2) or ``"tps"``, the thin-plate
        spline of the lattice cut off at 8 cells.
    scale
        Fine pixels along the side of a cell.

    Returns
    -------
    numpy.ndarray
        (..., rows * scale, columns * scale) float32. Linear and cubic: a missing cell is left out
        and the weights of its neighbours grow in proportion (linear weights then); NaN where no
        neighbour is left. Else NaN where a cell within reach is missing.
    """
    reach = REACH[how]
    rows, columns = (size - 2 * reach for size in cells.shape[-2:])
    flat = packed(cells, np.float32).reshape(-1, *cells.shape[-2:])
    out = new(flat, (flat.shape[0], rows * scale, columns * scale))
    mends = how in ("linear", "cubic")
    _upsample(flat, table(how, scale), table("fallback", scale) if mends else _NONE, scale, out)
    return out.reshape(*cells.shape[:-2], *out.shape[1:])


_NONE = np.zeros((0, 0, 0), np.float32)


@cache
def table(how: str, scale: int) -> np.ndarray:
    """Return the weights (2 reach + 1, 2 reach + 1, scale * scale) of cells for the fine pixels."""
    if how == "tps":
        from xstf.kernels.spline import cardinal

        return cardinal(scale, REACH["tps"])
    offset = (np.arange(scale) + 0.5) / scale - 0.5
    reach = REACH.get(how, 1)
    distance = np.abs(np.arange(-reach, reach + 1)[:, None] - offset)
    linear = np.maximum(0, 1 - distance)
    if how == "nearest":
        line = np.ones((1, scale))
    elif how == "linear":
        line = linear
    elif how == "cubic":
        near = (1.5 * distance - 2.5) * distance**2 + 1
        far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
        line = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    else:
        smooth = np.where(distance < 0.5, 0.75 - distance**2, 0.5 * (1.5 - distance).clip(0) ** 2)
        line = linear
        both = _outer(line) * (1 - FAINT) + _outer(smooth) * FAINT
        return both.astype(np.float32)
    return _outer(line).astype(np.float32)


def _outer(line: np.ndarray) -> np.ndarray:
    taps, scale = line.shape
    return np.einsum("ap,bq->abpq", line, line).reshape(taps, taps, scale * scale)


@njit(inline="always", fastmath=FAST)
def mended(total, lost, rest, held):
    """Return a weighted sum, or a mean of the cells nearby where weights of it are lost."""
    mean = rest / held if held > 0 else np.float32(np.nan)
    return mean if lost > 0 else total


@also_on_gpu
@njit(nogil=True, cache=True, fastmath=FAST)
def _upsample(cells, weights, fallback, scale, out):
    taps, mends = weights.shape[0], fallback.shape[0]
    near = (taps - mends) // 2
    total = np.empty(scale * scale, np.float32)
    lost = np.empty_like(total)
    rest = np.empty_like(total)
    held = np.empty_like(total)
    for n in range(out.shape[0]):
        image = cells[n]
        for i in range(out.shape[1] // scale):
            for j in range(out.shape[2] // scale):
                if _seen(image, i, j, taps) == taps * taps:
                    _add(image, i, j, weights, total)
                elif _seen(image, i + near, j + near, mends) == 0:
                    total[:] = np.nan
                else:
                    _add(image, i, j, weights, total)
                    _weigh(image, i, j, weights, True, lost)
                    _add(image, i + near, j + near, fallback, rest)
                    _weigh(image, i + near, j + near, fallback, False, held)
                    for p in range(total.size):
                        total[p] = mended(total[p], lost[p], rest[p], held[p])
                for p in range(scale):
                    for q in range(scale):
                        out[n, i * scale + p, j * scale + q] = total[p * scale + q]


@njit(nogil=True, cache=True)
def _seen(cells, i, j, taps):
    """Count the cells from (i, j) on that hold something."""
    count = 0
    for a in range(taps):
        for b in range(taps):
            count += not np.isnan(cells[i + a, j + b])
    return count


@njit(nogil=True, cache=True, fastmath=FAST)
def _add(cells, i, j, weights, total):
    """Sum the cells that are there by their weights."""
    total[:] = 0
    for a in range(weights.shape[0]):
        for b in range(weights.shape[1]):
            value = cells[i + a, j + b]
            line = weights[a, b]
            if not np.isnan(value):
                for p in range(total.size):
                    total[p] += value * line[p]


@njit(nogil=True, cache=True, fastmath=FAST)
def _weigh(cells, i, j, weights, missing, total):
    """Sum the size of the weights of the cells that are missing, or of those that are there."""
    total[:] = 0
    for a in range(weights.shape[0]):
        for b in range(weights.shape[1]):
            line = weights[a, b]
            if np.isnan(cells[i + a, j + b]) == missing:
                for p in range(total.size):
                    total[p] += abs(line[p])
