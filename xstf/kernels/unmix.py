"""Unmixing: what each class says, by least squares over the cells of a moving window."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.minimum import bounded_minimum
from xstf.kernels.offload import also_on_gpu, in_main_memory


@in_main_memory
@njit(nogil=True, cache=True)
def merge_small(shares, least, alike):
    """Give shares below `least` to the most alike class of the same cell, smallest first.

    Parameters
    ----------
    shares
        (class, rows, columns) of each cell: changed.
    least
        A class with a smaller share of a cell is merged, unless it is the only one.
    alike
        (class, class - 1): the other classes, the most alike one first.
    """
    classes = shares.shape[0]
    for i in range(shares.shape[1]):
        for j in range(shares.shape[2]):
            while True:
                small = -1
                for c in range(classes):
                    share = shares[c, i, j]
                    if share > 0 and (small < 0 or share < shares[small, i, j]):
                        small = c
                if small < 0 or shares[small, i, j] >= least:
                    break
                heir = -1
                for k in range(classes - 1):
                    if heir < 0 and shares[alike[small, k], i, j] > 0:
                        heir = alike[small, k]
                if heir < 0:
                    break
                shares[heir, i, j] += shares[small, i, j]
                shares[small, i, j] = 0.0


@in_main_memory
@njit(nogil=True, cache=True)
def unmix(shares, values, lows, highs, alike, radius, least, prior, purest, out):
    """Write what each class says in each cell: least squares over the window, within bounds.

    Parameters
    ----------
    shares
        (class, rows + 2 radius, columns + 2 radius) float64; zeros where a cell tells nothing.
    values
        (channel, rows + 2 radius, columns + 2 radius): what is unmixed; NaN leaves a cell out.
    lows, highs
        (channel,) bounds.
    alike
        (class, class - 1): the other classes, the most alike one first.
    radius
        Half the window in cells.
    least
        A class whose share is nowhere in the window above this joins the most alike one that is.
    prior
        Weight of the prior, in cells. It decides what the cells of the window cannot tell apart.
    purest
        None: the prior is the mean of the window, and is worth `prior` of its cells. 1: it is the
        purest cell of the class, worth `prior` times its share [Gevaert & Garcia-Haro 2015].
    out
        (channel, class, rows, columns) float64: filled; NaN where no cell of the window tells.
    """
    classes = shares.shape[0]
    side = 2 * radius + 1
    rows = np.empty((side * side + 1, classes))
    places = np.empty((side * side, 2), np.int64)
    told = np.empty(side * side)
    used = np.empty((side * side, classes))
    into = np.empty(classes, np.int64)
    column = np.empty(classes, np.int64)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = shares[:, i : i + side, j : j + side]
            unknowns = _columns(window, alike, least, into, column)
            cells = _rows(window, column, unknowns, rows, places)
            whole = False
            square = np.zeros((unknowns, unknowns))
            for n in range(out.shape[0]):
                inside = values[n, i : i + side, j : j + side]
                count = _told(inside, places, rows, cells, used, told)
                if count == 0:
                    out[n, :, i, j] = np.nan
                    continue
                # all channels that see every cell share one system
                if not (whole and count == cells):
                    square = _square(used, count, unknowns)
                    whole = count == cells
                weight, centre = _prior(used, told, count, unknowns, prior, purest)
                solved = _solve(square, used, told, count, weight, centre, lows[n], highs[n])
                for c in range(classes):
                    out[n, c, i, j] = solved[column[c]]


@njit(nogil=True, cache=True)
def _columns(window, alike, least, into, column):
    """Find the unknown that stands for each class, and return how many there are."""
    classes = window.shape[0]
    most = np.zeros(classes)
    for c in range(classes):
        for a in range(window.shape[1]):
            for b in range(window.shape[2]):
                most[c] = max(most[c], window[c, a, b])
    limit = least if (most > least).any() else 0.0
    unknowns = 0
    for c in range(classes):
        into[c] = c if most[c] > limit else -1
        if into[c] == c:
            column[c] = unknowns
            unknowns += 1
    for c in range(classes):
        for k in range(classes - 1):
            if into[c] < 0 and most[alike[c, k]] > limit:
                into[c] = alike[c, k]
        if into[c] >= 0:
            column[c] = column[into[c]]
    return unknowns


@njit(nogil=True, cache=True)
def _rows(window, column, unknowns, rows, places):
    """Write the shares and the places of the cells that tell, and return how many do."""
    count = 0
    if unknowns == 0:
        return 0
    for a in range(window.shape[1]):
        for b in range(window.shape[2]):
            total = 0.0
            rows[count] = 0.0
            for c in range(window.shape[0]):
                rows[count, column[c]] += window[c, a, b]
                total += window[c, a, b]
            if total > 0:
                places[count, 0] = a
                places[count, 1] = b
                count += 1
    return count


@njit(nogil=True, cache=True)
def _told(values, places, rows, cells, used, told):
    """Keep the cells that have a value, and return how many do."""
    count = 0
    for n in range(cells):
        value = np.float64(values[places[n, 0], places[n, 1]])
        if not np.isnan(value):
            used[count] = rows[n]
            told[count] = value
            count += 1
    return count


@njit(nogil=True, cache=True)
def _square(used, count, unknowns):
    square = np.zeros((unknowns, unknowns))
    for n in range(count):
        for p in range(unknowns):
            for q in range(p + 1):
                square[p, q] += used[n, p] * used[n, q]
    for p in range(unknowns):
        for q in range(p):
            square[q, p] = square[p, q]
    return square


@njit(nogil=True, cache=True)
def _prior(used, told, count, unknowns, prior, purest):
    """Return weight and value of what each unknown is drawn to."""
    mean = 0.0
    for n in range(count):
        mean += told[n]
    weight = np.full(unknowns, prior * count)
    centre = np.full(unknowns, mean / count)
    if purest is not None:
        for p in range(unknowns):
            best = 0
            for n in range(1, count):
                if used[n, p] > used[best, p]:
                    best = n
            # a class that no cell with a value holds is drawn to their mean
            if used[best, p] > 0:
                centre[p] = told[best]
            weight[p] = prior * max(used[best, p], 1e-8)
    return weight, centre


@njit(nogil=True, cache=True)
def _solve(square, used, told, count, weight, centre, low, high):
    """Return the unknowns of one window and channel."""
    unknowns = square.shape[0]
    system = square.copy()
    side = weight * centre
    for p in range(unknowns):
        system[p, p] += weight[p]
        for n in range(count):
            side[p] += used[n, p] * told[n]
    return bounded_minimum(system, side, low, high)


@also_on_gpu
@njit(nogil=True, cache=True)
def say_by_class(names, said, alone, out):
    """Write what its class says in its cell for each pixel.

    Parameters
    ----------
    names
        (rows * cell, columns * cell) classes; 0 where none.
    said
        (channel, class, rows, columns), from `unmix`.
    alone
        (channel, rows, columns): for pixels without a class, or whose class no cell tells of.
    out
        (channel, rows * cell, columns * cell) float32: filled.
    """
    channels, _, rows, columns = said.shape
    cell = names.shape[0] // rows
    for n in range(channels):
        for i in range(rows):
            for y in range(i * cell, (i + 1) * cell):
                for j in range(columns):
                    for x in range(j * cell, (j + 1) * cell):
                        out[n, y, x] = say(names[y, x], said, alone, n, i, j)


@njit(inline="always")
def say(name, said, alone, n, i, j):
    """Return what a class says in a cell, or what the cell says alone."""
    value = said[n, max(name, 1) - 1, i, j]
    return np.float64(alone[n, i, j]) if name == 0 or math.isnan(value) else value
