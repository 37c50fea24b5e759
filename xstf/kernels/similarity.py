"""Maps of what small windows of two images have in common: structure, quality, edges, texture.

Every window is summed afresh in the same order, without fastmath, so that a map has the same bits
however the images are cut. A missing pixel makes its windows NaN; so do infinite ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import njit

from xstf.kernels.agreement import alike

STRIP = 256  # windows whose sums stay in the nearest cache
FORMULAS = ("similarity", "contrast", "quality", "correlation")
SIMILARITY, CONTRAST, QUALITY, CORRELATION = range(4)
STILL = 1e-5  # keeps the relative difference of nothing and nothing at 0


def window_map(
    p: np.ndarray,
    t: np.ndarray,
    weights: np.ndarray,
    formula: str,
    sample: float = 1.0,
    c1: float = 0.0,
    c2: float = 0.0,
) -> np.ndarray:
    """Return a formula of the moments of the window around each pixel.

    Parameters
    ----------
    p, t
        (..., y, x).
    weights
        (side,) of a row of the window and of a column; their sum is 1.
    formula
        ``"similarity"``, ``"contrast"``, ``"quality"`` or ``"correlation"``.
    sample
        What population variances and the covariance are multiplied by.
    c1, c2
        What keeps the quotients of `similarity` finite.

    Returns
    -------
    numpy.ndarray
        (..., y, x) float64, at the centre of each window (even sides: at the pixel after it); NaN
        for windows that leave the image or hold a missing pixel.
    """
    numbers = np.asarray(weights, np.float64), FORMULAS.index(formula), sample, c1, c2
    return _mapped(_windows, len(weights), (p, t), numbers)


def laplacians(p: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eight times each pixel less its eight neighbours, of each image; NaN at the edge."""
    return _mapped(_laplacian, 3, (p,), ()), _mapped(_laplacian, 3, (t,), ())


def detail_map(p: np.ndarray, t: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation of the `laplacians` in the window around each pixel."""
    return window_map(*laplacians(p, t), weights, "correlation")


def roberts(p: np.ndarray) -> np.ndarray:
    """Return the strength of edges by the Roberts cross, at the last pixel of each 2 x 2."""
    return _mapped(_roberts, 2, (p,), ())


def edge_change(p: np.ndarray, t: np.ndarray, still: float) -> np.ndarray:
    """Return how much stronger the edges of `p` are, relative to those of both."""
    return _mapped(_edge_change, 2, (p, t), (still,))


def texture_change(p: np.ndarray, t: np.ndarray, tolerance: float) -> np.ndarray:
    """Return how much larger the local binary patterns of `p` are, relative to both."""
    return _mapped(_texture_change, 3, (p, t), (tolerance,))


def _mapped(walk: Callable, side: int, images: tuple, numbers: tuple) -> np.ndarray:
    lead, (height, width) = images[0].shape[:-2], images[0].shape[-2:]
    planes = [i.reshape(math.prod(lead), height, width) for i in alike(*images)]
    out = np.full(planes[0].shape, np.nan)
    if min(height, width) >= side:
        walk(*planes, *numbers, out)
    return out.reshape(*lead, height, width)


@njit(nogil=True, cache=True)
def similarity(p, t, var_p, var_t, cov, c1, c2):
    """Return Wang's index of structural similarity."""
    return (2 * p * t + c1) / (p * p + t * t + c1) * contrast(var_p, var_t, cov, c2)


@njit(nogil=True, cache=True)
def contrast(var_p, var_t, cov, c2):
    """Return the part of `similarity` that the means do not enter."""
    return (2 * cov + c2) / (var_p + var_t + c2)


@njit(nogil=True, cache=True)
def quality(p, t, var_p, var_t, cov):
    """Return Wang and Bovik's index; a factor that is 0/0 counts as 1."""
    spread = var_p + var_t
    level = p * p + t * t
    first = 2 * cov / spread if spread != 0 else 1.0
    return first * (2 * p * t / level if level != 0 else 1.0)


@njit(nogil=True, cache=True)
def correlation(var_p, var_t, cov):
    """Return Pearson's coefficient, NaN where a side is constant."""
    spread = math.sqrt(var_p) * math.sqrt(var_t)
    value = cov / spread if spread > 0 else np.nan
    value = 1.0 if value > 1 else value
    return -1.0 if value < -1 else value


@njit(nogil=True, cache=True)
def _windows(p, t, weights, formula, sample, c1, c2, out):
    side = weights.size
    half = side // 2
    tall, whole = np.empty((5, STRIP + side)), np.empty((5, STRIP))
    rows, columns = out.shape[1] - side + 1, out.shape[2] - side + 1
    for n in range(out.shape[0]):
        for y in range(rows):
            for start in range(0, columns, STRIP):
                size = min(STRIP, columns - start)
                _down(p[n], t[n], y, start, size + side - 1, weights, tall)
                _across(tall, size, weights, whole)
                row = out[n, y + half, start + half : start + half + size]
                _finish(whole, formula, sample, c1, c2, row)


@njit(nogil=True, cache=True)
def _down(p, t, y, start, size, weights, tall):
    """Moments of each column of the window: means about its first pixel, then spreads."""
    mean_p, mean_t, pp, tt, pt = tall[0], tall[1], tall[2], tall[3], tall[4]
    top_p, top_t = p[y, start:], t[y, start:]
    tall[:] = 0
    for i in range(1, weights.size):
        w = weights[i]
        a, b = p[y + i, start:], t[y + i, start:]
        for x in range(size):
            mean_p[x] += w * (np.float64(a[x]) - np.float64(top_p[x]))
            mean_t[x] += w * (np.float64(b[x]) - np.float64(top_t[x]))
    for x in range(size):
        mean_p[x] += np.float64(top_p[x])
        mean_t[x] += np.float64(top_t[x])
    for i in range(weights.size):
        w = weights[i]
        a, b = p[y + i, start:], t[y + i, start:]
        for x in range(size):
            one = np.float64(a[x]) - mean_p[x]
            other = np.float64(b[x]) - mean_t[x]
            pp[x] += w * one * one
            tt[x] += w * other * other
            pt[x] += w * one * other


@njit(nogil=True, cache=True)
def _across(tall, size, weights, whole):
    """Moments of each window from those of its columns."""
    mean_p, mean_t, pp, tt, pt = whole[0], whole[1], whole[2], whole[3], whole[4]
    first_p, first_t = tall[0], tall[1]
    whole[:] = 0
    for j in range(1, weights.size):
        w = weights[j]
        a, b = tall[0, j:], tall[1, j:]
        for x in range(size):
            mean_p[x] += w * (a[x] - first_p[x])
            mean_t[x] += w * (b[x] - first_t[x])
    for x in range(size):
        mean_p[x] += first_p[x]
        mean_t[x] += first_t[x]
    for j in range(weights.size):
        w = weights[j]
        a, b, aa, bb, ab = tall[0, j:], tall[1, j:], tall[2, j:], tall[3, j:], tall[4, j:]
        for x in range(size):
            one = a[x] - mean_p[x]
            other = b[x] - mean_t[x]
            pp[x] += w * (aa[x] + one * one)
            tt[x] += w * (bb[x] + other * other)
            pt[x] += w * (ab[x] + one * other)


@njit(nogil=True, cache=True)
def _finish(whole, formula, sample, c1, c2, out):
    p, t, pp, tt, pt = whole[0], whole[1], whole[2], whole[3], whole[4]
    if formula == SIMILARITY:
        for x in range(out.size):
            out[x] = similarity(p[x], t[x], sample * pp[x], sample * tt[x], sample * pt[x], c1, c2)
    elif formula == CONTRAST:
        for x in range(out.size):
            out[x] = contrast(sample * pp[x], sample * tt[x], sample * pt[x], c2)
    elif formula == QUALITY:
        for x in range(out.size):
            out[x] = quality(p[x], t[x], pp[x], tt[x], pt[x])
    else:
        for x in range(out.size):
            out[x] = correlation(pp[x], tt[x], pt[x])


@njit(nogil=True, cache=True)
def _laplacian(p, out):
    for n in range(out.shape[0]):
        for y in range(out.shape[1] - 2):
            above, same, below, row = p[n, y], p[n, y + 1], p[n, y + 2], out[n, y + 1, 1:-1]
            for x in range(row.size):
                c = np.float64(same[x + 1])
                corners = (c - above[x]) + (c - above[x + 2]) + (c - below[x]) + (c - below[x + 2])
                sides = (c - above[x + 1]) + (c - below[x + 1]) + (c - same[x]) + (c - same[x + 2])
                row[x] = corners + sides if abs(corners + sides) < np.inf else np.nan


@njit(nogil=True, cache=True)
def _cross(above, below, x):
    down = abs(np.float64(above[x]) - np.float64(below[x + 1]))
    return down + abs(np.float64(above[x + 1]) - np.float64(below[x]))


@njit(nogil=True, cache=True)
def _roberts(p, out):
    for n in range(out.shape[0]):
        for y in range(out.shape[1] - 1):
            above, below, row = p[n, y], p[n, y + 1], out[n, y + 1, 1:]
            for x in range(row.size):
                row[x] = _cross(above, below, x)


@njit(nogil=True, cache=True)
def _edge_change(p, t, still, out):
    for n in range(out.shape[0]):
        for y in range(out.shape[1] - 1):
            above_p, below_p, above_t, below_t = p[n, y], p[n, y + 1], t[n, y], t[n, y + 1]
            row = out[n, y + 1, 1:]
            for x in range(row.size):
                ours, theirs = _cross(above_p, below_p, x), _cross(above_t, below_t, x)
                value = (ours - theirs) / (ours + theirs + still)
                row[x] = value if ours + theirs < np.inf else np.nan


@njit(nogil=True, cache=True)
def _pattern(above, same, below, x, tolerance):
    """Return the 8 bits of what exceeds the centre, clockwise from north; NaN where one lacks."""
    c = np.float64(same[x + 1])
    limit = c + tolerance
    code = 0.0
    code += 1.0 if above[x + 1] > limit else 0.0
    code += 2.0 if above[x + 2] > limit else 0.0
    code += 4.0 if same[x + 2] > limit else 0.0
    code += 8.0 if below[x + 2] > limit else 0.0
    code += 16.0 if below[x + 1] > limit else 0.0
    code += 32.0 if below[x] > limit else 0.0
    code += 64.0 if same[x] > limit else 0.0
    code += 128.0 if above[x] > limit else 0.0
    rows = (above[x] + above[x + 1] + above[x + 2]) + (below[x] + below[x + 1] + below[x + 2])
    return code / 255 if abs(rows + same[x] + same[x + 2] + c) < np.inf else np.nan


@njit(nogil=True, cache=True)
def _texture_change(p, t, tolerance, out):
    for n in range(out.shape[0]):
        for y in range(out.shape[1] - 2):
            row = out[n, y + 1, 1:-1]
            for x in range(row.size):
                ours = _pattern(p[n, y], p[n, y + 1], p[n, y + 2], x, tolerance)
                theirs = _pattern(t[n, y], t[n, y + 1], t[n, y + 2], x, tolerance)
                row[x] = (ours - theirs) / (ours + theirs + STILL)
