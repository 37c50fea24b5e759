"""Pixels and cells as mixtures of classes: their shares, and what a change of them changes."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.minimum import mixture_minimum
from xstf.kernels.offload import also_on_gpu

TINY = 1e-12  # keeps the share of a pixel that is its class's mean finite
RIDGE = 1e-8  # share of the system that draws to the shares before, where bands cannot tell


@also_on_gpu  # the numpy model: a check for division by zero would cost as much as all else
@njit(nogil=True, cache=True, error_model="numpy")
def soft_classes(image, mean, inverse, out):
    """Write how far each pixel is of each class: by 1 / squared Mahalanobis distance.

    Parameters
    ----------
    image
        (band, y, x).
    mean, inverse
        (class, band) and (class, band, band): of the classes' values, and of their covariance; NaN
        for a class without pixels, which has no share.
    out
        (class, y, x) float32: filled, together 1; NaN where a band is missing.
    """
    classes, bands = mean.shape
    share = np.empty(classes)
    gap = np.empty(bands)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            soften(image, mean, inverse, out, share, gap, y, x)


@njit(inline="always")
def soften(image, mean, inverse, out, share, gap, y, x):
    """Write how far one pixel is of each class; `share` and `gap` have room for classes, bands."""
    total = 0.0
    missing = False
    for b in range(gap.shape[0]):
        missing |= math.isnan(image[b, y, x])
    for c in range(share.shape[0]):
        for b in range(gap.shape[0]):
            gap[b] = np.float64(image[b, y, x]) - mean[c, b]
        apart = 0.0
        for b in range(gap.shape[0]):
            for d in range(gap.shape[0]):
                apart += gap[b] * inverse[c, b, d] * gap[d]
        share[c] = 0.0 if math.isnan(apart) else 1 / (apart + TINY)
        total += share[c]
    for c in range(share.shape[0]):
        out[c, y, x] = math.nan if missing else share[c] / total


@njit(nogil=True, cache=True)
def mean_shares(soft, names, cell, out, seen):
    """Write the mean share of each class in each cell, over the pixels that have a class.

    Parameters
    ----------
    soft
        (class, y, x), whole cells.
    names
        (y, x): 0 where a pixel has no class.
    cell
        Side of a cell in pixels.
    out
        (class, rows, columns) float64: filled; NaN where fewer than half of the pixels have one.
    seen
        (rows, columns) float64: filled with the share of the pixels that have a class.
    """
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            for c in range(out.shape[0]):
                total = 0.0
                count = 0
                for y in range(i * cell, (i + 1) * cell):
                    for x in range(j * cell, (j + 1) * cell):
                        if names[y, x] > 0:
                            total += np.float64(soft[c, y, x])
                            count += 1
                out[c, i, j] = total / count if 2 * count >= cell * cell else np.nan
                seen[i, j] = count / (cell * cell)


@njit(nogil=True, cache=True)
def new_shares(ends, cells, before, out):
    """Write the shares of classes that explain each cell best: none below zero, together one.

    Parameters
    ----------
    ends
        (band, class): values of the classes.
    cells
        (band, rows, columns): what is explained.
    before
        (class, rows, columns): where the bands cannot tell, the nearest to these are taken.
    out
        (class, rows, columns) float64: filled; NaN where a cell or its shares before are missing.
    """
    bands, classes = ends.shape
    system = np.zeros((classes, classes))
    for p in range(classes):
        for q in range(classes):
            for b in range(bands):
                system[p, q] += ends[b, p] * ends[b, q]
    ridge = RIDGE * max(np.trace(system), 1e-12)
    for p in range(classes):
        system[p, p] += ridge
    side = np.empty(classes)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            missing = False
            for p in range(classes):
                side[p] = ridge * before[p, i, j]
                for b in range(bands):
                    side[p] += ends[b, p] * np.float64(cells[b, i, j])
                missing |= np.isnan(side[p])
            if missing:
                out[:, i, j] = np.nan
            else:
                out[:, i, j] = mixture_minimum(system, side)


@also_on_gpu
@njit(nogil=True, cache=True, error_model="numpy")
def change_of_mixture(soft, step, start, end, out):
    """Write what classes and shares that change make of each pixel.

    Parameters
    ----------
    soft
        (class, y, x) shares before.
    step
        (class, y, x) their change; NaN is none.
    start, end
        (band, class): values of the classes before and after.
    out
        (band, y, x) float32: filled; NaN where there is no share before.
    """
    after = np.empty(start.shape[1])
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            mix(soft, step, start, end, out, after, y, x)


@njit(inline="always")
def mix(soft, step, start, end, out, after, y, x):
    """Write the change of one pixel; `after` has room for its new shares."""
    total = 0.0
    for c in range(after.shape[0]):
        move = np.float64(step[c, y, x])
        share = np.float64(soft[c, y, x]) + (0.0 if math.isnan(move) else move)
        share = share if share > 0.0 else 0.0  # inlined, min and max take five times as long
        after[c] = share if share < 1.0 else 1.0
        total += after[c]
    for b in range(out.shape[0]):
        change = 0.0
        for c in range(after.shape[0]):
            old = start[b, c] * np.float64(soft[c, y, x])
            change += end[b, c] * (after[c] / total) - old
        out[b, y, x] = change
