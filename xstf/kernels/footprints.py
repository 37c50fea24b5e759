"""From pixels to cells and back: means over footprints, and what cells are worth at pixels."""

from __future__ import annotations

import numpy as np
from numba import njit

FAST = {"contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, fastmath=FAST | {"reassoc"})
def footprints(images, scale, start_y, taps_y, start_x, taps_x, out):
    """Write weighted sums over the footprints of cells.

    Parameters
    ----------
    images
        (image, y, x) float32 without NaN.
    scale
        Fine pixels from one cell to the next.
    start_y, start_x
        First row and column of the first cell's footprint; the images hold all footprints.
    taps_y, taps_x
        Weights along y and x, float32.
    out
        (image, rows, columns) float32: filled.
    """
    count, rows, columns = out.shape
    across = np.empty((images.shape[1], columns), np.float32)
    for k in range(count):
        for y in range(start_y, start_y + (rows - 1) * scale + len(taps_y)):
            for j in range(columns):
                row = images[k, y, start_x + j * scale :]
                total = np.float32(0)
                for m in range(len(taps_x)):
                    total += taps_x[m] * row[m]
                across[y, j] = total
        for i in range(rows):
            for j in range(columns):
                total = np.float32(0)
                for n in range(len(taps_y)):
                    total += taps_y[n] * across[start_y + i * scale + n, j]
                out[k, i, j] = total


@njit(nogil=True, cache=True, fastmath=FAST)
def add_worth(cells, down, across, features, effect, out):
    """Add to each pixel the sum over features of their value times their worth there.

    The worth of a feature is `effect` plus a weighted sum of the cells around the pixel.

    Parameters
    ----------
    cells
        (feature, rows + 2 reach, columns + 2 reach) float32, `reach` cells around the pixels.
    down, across
        (2 reach + 1, scale) float32: weights by the cell and the pixel's place within its own.
    features
        (feature, y, x) float32.
    effect
        (feature,) float32.
    out
        (y, x) float32: added to.
    """
    taps, scale = down.shape
    count, height, width = features.shape
    columns = cells.shape[2]
    row_sums = np.empty(columns, np.float32)
    worth = np.empty(scale, np.float32)
    for y in range(height):
        i, phase = y // scale, y % scale
        to = out[y]
        for k in range(count):
            row_sums[:] = 0
            for t in range(taps):
                weight = down[t, phase]
                row = cells[k, i + t]
                for j in range(columns):
                    row_sums[j] += weight * row[j]
            feature = features[k, y]
            for j in range(width // scale):
                worth[:] = effect[k]
                for t in range(taps):
                    value = row_sums[j + t]
                    weights = across[t]
                    for x in range(scale):
                        worth[x] += value * weights[x]
                start = j * scale
                own, goal = feature[start:], to[start:]
                for x in range(scale):
                    goal[x] += own[x] * worth[x]
