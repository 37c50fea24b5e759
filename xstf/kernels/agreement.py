"""How two images agree: moments of their pixels, of whole regions or one by one; spectral angles.

A pixel counts where both sides are finite. Sums are float64 about a pixel that counts, in two
passes, so that a constant side has a variance of exactly 0 and large values keep their spread.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FAST = {"contract", "reassoc", "nsz", "arcp"}
STRIP = 256  # pixels whose sums stay in the nearest cache
FIELDS = 9  # count, mean_p, mean_t, var_p, var_t, cov, mse, mae, diff


def moments_of_regions(
    p: np.ndarray, t: np.ndarray, layers: np.ndarray | None = None, regions: int = 1
) -> np.ndarray:
    """Return the moments over y and x of each region.

    Parameters
    ----------
    p, t
        (..., y, x) prediction and truth, any dtype.
    layers
        (layer, y, x) whole numbers: 0 outside, else 1 + the region's position. The regions of one
        layer do not overlap. None: all pixels are one region.
    regions
        How many there are.

    Returns
    -------
    numpy.ndarray
        (9, ..., region) float64: count, means of both, variances, covariance (population), mean
        squared, mean absolute and mean difference; 0 and NaN for a region without a pixel.
    """
    lead, (height, width) = p.shape[:-2], p.shape[-2:]
    a, b = alike(p, t)
    runs = whole_rows(height, width) if layers is None else runs_of(np.ascontiguousarray(layers))
    out = np.zeros((math.prod(lead), regions, FIELDS))
    shape = (len(out), height, width)
    _add_runs(a.reshape(shape), b.reshape(shape), runs, out)
    _divide(out)
    return np.moveaxis(out, -1, 0).reshape(FIELDS, *lead, regions)


def moments_along(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the moments of each pixel along the first axis.

    Parameters
    ----------
    p, t
        (n, ...) prediction and truth.

    Returns
    -------
    numpy.ndarray
        (9, ...) float64, as `moments_of_regions`.
    """
    a, b = alike(p, t)
    shape = (len(p), math.prod(p.shape[1:]))
    out = np.empty((FIELDS, shape[1]))
    _along(a.reshape(shape), b.reshape(shape), out)
    return out.reshape(FIELDS, *p.shape[1:])


def angles(p: np.ndarray, t: np.ndarray, cosine: bool) -> np.ndarray:
    """Return the angle between the spectra of each pixel, in radians, or its cosine.

    Parameters
    ----------
    p, t
        (..., band, y, x).
    cosine
        Leave out the last step.

    Returns
    -------
    numpy.ndarray
        (..., y, x) float64, NaN where a band is missing or a spectrum is zero.
    """
    a, b = alike(p, t)
    lead = p.shape[:-3]
    shape = (math.prod(lead), *p.shape[-3:])
    out = np.empty((shape[0], *shape[-2:]))
    _angles(a.reshape(shape), b.reshape(shape), cosine, out)
    return out.reshape(*lead, *shape[-2:])


def alike(*images: np.ndarray) -> list[np.ndarray]:
    """Return images as contiguous float32, or as float64 where one is anything else."""
    single = all(i.dtype == np.float32 for i in images)
    return [np.ascontiguousarray(i, np.float32 if single else np.float64) for i in images]


def whole_rows(height: int, width: int) -> np.ndarray:
    """Return every row as a run of region 0."""
    rows = np.arange(height)
    return np.stack([0 * rows, rows, 0 * rows, 0 * rows + width], axis=1)


def runs_of(layers: np.ndarray) -> np.ndarray:
    """Return (run, 4): region, row, first column, column after the last."""
    out = np.empty((_find_runs(layers, np.empty((0, 4), np.int64)), 4), np.int64)
    _find_runs(layers, out)
    return out


@njit(nogil=True, cache=True)
def _find_runs(layers, out):
    found = 0
    for k in range(layers.shape[0]):
        for y in range(layers.shape[1]):
            row = layers[k, y]
            start = 0
            for x in range(1, row.size + 1):
                if x == row.size or row[x] != row[start]:
                    if row[start] > 0:
                        if found < len(out):
                            out[found, 0] = np.int64(row[start]) - 1
                            out[found, 1] = y
                            out[found, 2] = start
                            out[found, 3] = x
                        found += 1
                    start = x
    return found


@njit(nogil=True, cache=True)
def _add_runs(p, t, runs, out):
    for n in range(p.shape[0]):
        for k in range(runs.shape[0]):
            region, y, start, stop = runs[k]
            a = p[n, y, start:stop]
            b = t[n, y, start:stop]
            first = _first(a, b)
            if first < a.size:
                _join(out[n, region], _run(a[first:], b[first:]))


@njit(nogil=True, cache=True)
def _first(p, t):
    """Return where the first pixel that counts is, or how many there are."""
    for x in range(p.size):
        if abs(np.float64(p[x]) - np.float64(t[x])) < np.inf:
            return x
    return p.size


@njit(nogil=True, cache=True, fastmath=FAST)
def _run(p, t):
    """Return count, means and sums of a run whose first pixel counts."""
    p0, t0 = np.float64(p[0]), np.float64(t[0])
    count = sum_p = sum_t = squares = sizes = steps = 0.0
    for x in range(p.size):
        a, b = np.float64(p[x]), np.float64(t[x])
        d = a - b
        seen = abs(d) < np.inf
        count += 1.0 if seen else 0.0
        sum_p += a - p0 if seen else 0.0
        sum_t += b - t0 if seen else 0.0
        squares += d * d if seen else 0.0
        sizes += abs(d) if seen else 0.0
        steps += d if seen else 0.0
    mean_p, mean_t = p0 + sum_p / count, t0 + sum_t / count
    pp = tt = pt = 0.0
    for x in range(p.size):
        a, b = np.float64(p[x]), np.float64(t[x])
        seen = abs(a - b) < np.inf
        a = a - mean_p if seen else 0.0
        b = b - mean_t if seen else 0.0
        pp += a * a
        tt += b * b
        pt += a * b
    return count, mean_p, mean_t, pp, tt, pt, squares, sizes, steps


@njit(nogil=True, cache=True)
def _join(total, run):
    """Add a run to the sums of its region."""
    count, mean_p, mean_t, pp, tt, pt, squares, sizes, steps = run
    both = total[0] + count
    if total[0] == 0:
        total[1] = mean_p
        total[2] = mean_t
    a, b = mean_p - total[1], mean_t - total[2]
    share = total[0] * (count / both)
    total[3] += pp + a * a * share
    total[4] += tt + b * b * share
    total[5] += pt + a * b * share
    total[6] += squares
    total[7] += sizes
    total[8] += steps
    total[1] += a * (count / both)
    total[2] += b * (count / both)
    total[0] = both


@njit(nogil=True, cache=True)
def _divide(out):
    for n in range(out.shape[0]):
        for r in range(out.shape[1]):
            count = out[n, r, 0]
            for k in range(1, 3):
                if count == 0:
                    out[n, r, k] = np.nan
            for k in range(3, FIELDS):
                out[n, r, k] = out[n, r, k] / count if count > 0 else np.nan


@njit(nogil=True, cache=True)
def _along(p, t, out):
    first_p, first_t, sums = np.empty(STRIP), np.empty(STRIP), np.empty((FIELDS, STRIP))
    for start in range(0, p.shape[1], STRIP):
        size = min(STRIP, p.shape[1] - start)
        sums[:] = 0
        for n in range(p.shape[0]):
            _first_pass(p[n, start:], t[n, start:], size, first_p, first_t, sums)
        for x in range(size):
            count = sums[0, x] if sums[0, x] > 0 else np.nan
            sums[1, x] = first_p[x] + sums[1, x] / count
            sums[2, x] = first_t[x] + sums[2, x] / count
        for n in range(p.shape[0]):
            _second_pass(p[n, start:], t[n, start:], size, sums)
        for k in range(FIELDS):
            for x in range(size):
                count = sums[0, x] if sums[0, x] > 0 else np.nan
                out[k, start + x] = sums[k, x] if k < 3 else sums[k, x] / count


@njit(nogil=True, cache=True)
def _first_pass(p, t, size, first_p, first_t, sums):
    count, sum_p, sum_t = sums[0], sums[1], sums[2]
    squares, sizes, steps = sums[6], sums[7], sums[8]
    for x in range(size):
        a, b = np.float64(p[x]), np.float64(t[x])
        d = a - b
        seen = abs(d) < np.inf
        fresh = seen & (count[x] == 0)
        first_p[x] = a if fresh else first_p[x]
        first_t[x] = b if fresh else first_t[x]
        count[x] += 1.0 if seen else 0.0
        sum_p[x] += a - first_p[x] if seen else 0.0
        sum_t[x] += b - first_t[x] if seen else 0.0
        squares[x] += d * d if seen else 0.0
        sizes[x] += abs(d) if seen else 0.0
        steps[x] += d if seen else 0.0


@njit(nogil=True, cache=True)
def _second_pass(p, t, size, sums):
    mean_p, mean_t, pp, tt, pt = sums[1], sums[2], sums[3], sums[4], sums[5]
    for x in range(size):
        a, b = np.float64(p[x]), np.float64(t[x])
        seen = abs(a - b) < np.inf
        a = a - mean_p[x] if seen else 0.0
        b = b - mean_t[x] if seen else 0.0
        pp[x] += a * a
        tt[x] += b * b
        pt[x] += a * b


@njit(nogil=True, cache=True)
def _angles(p, t, cosine, out):
    # no fastmath: the sums over bands must be the same bits in every lane
    dot, pp, tt = np.empty(STRIP), np.empty(STRIP), np.empty(STRIP)
    for n in range(p.shape[0]):
        for y in range(p.shape[2]):
            for start in range(0, p.shape[3], STRIP):
                values = out[n, y, start : start + STRIP]
                dot[:] = 0
                pp[:] = 0
                tt[:] = 0
                for band in range(p.shape[1]):
                    _add_band(p[n, band, y, start:], t[n, band, y, start:], dot, pp, tt, values)
                for x in range(values.size):
                    length = math.sqrt(pp[x]) * math.sqrt(tt[x])
                    value = dot[x] / length if length > 0 else np.nan
                    value = 1.0 if value > 1 else value
                    values[x] = -1.0 if value < -1 else value
                if not cosine:
                    for x in range(values.size):
                        values[x] = math.acos(values[x])


@njit(nogil=True, cache=True)
def _add_band(p, t, dot, pp, tt, values):
    for x in range(values.size):
        a, b = np.float64(p[x]), np.float64(t[x])
        dot[x] += a * b
        pp[x] += a * a
        tt[x] += b * b
