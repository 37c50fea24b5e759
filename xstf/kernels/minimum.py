"""Small least-squares problems with bounds, solved in loops whose bits no BLAS changes."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def bounded_minimum(system, side, low, high):
    """Return the minimum of x' S x / 2 - s' x with every unknown between two bounds.

    Parameters
    ----------
    system
        (unknown, unknown), symmetric and positive definite.
    side
        (unknown,).
    low, high
        Bounds of all unknowns.
    """
    unknowns = len(side)
    state = np.zeros(unknowns, np.int64)  # -1 and 1: at a bound
    x = _free_minimum(system, side, state, np.zeros(unknowns))
    for p in range(unknowns):
        if x[p] < low or x[p] > high:
            state[p] = -1 if x[p] < low else 1
            x[p] = low if x[p] < low else high
    if not state.any():
        return x
    tolerance = 1e-12 * np.abs(side).max()
    for _ in range(20 * unknowns):
        goal = _free_minimum(system, side, state, x)
        step, hit = 1.0, -1
        for p in range(unknowns):
            bound = min(max(goal[p], low), high)
            if state[p] == 0 and bound != goal[p]:
                part = (bound - x[p]) / (goal[p] - x[p])
                if part < step:
                    step, hit = part, p
        if hit >= 0:
            for p in range(unknowns):
                if state[p] == 0:
                    x[p] += step * (goal[p] - x[p])
            state[hit] = -1 if goal[hit] < low else 1
            x[hit] = low if goal[hit] < low else high
            continue
        x = goal
        worst, freed = tolerance, -1
        for p in range(unknowns):
            slope = -side[p]
            for q in range(unknowns):
                slope += system[p, q] * x[q]
            if state[p] * slope > worst:
                worst, freed = state[p] * slope, p
        if freed < 0:
            break
        state[freed] = 0
    return x


@njit(nogil=True, cache=True)
def mixture_minimum(system, side):
    """Return the minimum of x' S x / 2 - s' x over shares: none below zero, together one.

    Parameters
    ----------
    system
        (unknown, unknown), symmetric and positive definite.
    side
        (unknown,).
    """
    unknowns = len(side)
    nothing = np.zeros(unknowns)
    ones = np.ones(unknowns)
    state = np.zeros(unknowns, np.int64)  # -1: at zero
    x = ones / unknowns
    tolerance = 1e-12 * max(np.abs(side).max(), np.abs(system).max())
    for _ in range(20 * unknowns):
        along = _free_minimum(system, ones, state, nothing)
        goal = _free_minimum(system, side, state, nothing)
        price = (goal.sum() - 1) / along.sum()
        goal = goal - price * along
        step, hit = 1.0, -1
        for p in range(unknowns):
            if state[p] == 0 and goal[p] < 0:
                part = x[p] / (x[p] - goal[p])
                if part < step:
                    step, hit = part, p
        x = x + step * (goal - x)
        if hit >= 0:
            state[hit] = -1
            x[hit] = 0.0
            continue
        worst, freed = -tolerance, -1
        for p in range(unknowns):
            slope = price - side[p]
            for q in range(unknowns):
                slope += system[p, q] * x[q]
            if state[p] != 0 and slope < worst:
                worst, freed = slope, p
        if freed < 0:
            break
        state[freed] = 0
    return x


@njit(nogil=True, cache=True)
def _free_minimum(system, side, state, x):
    """Return the minimum over the unknowns that are at no bound, the others kept."""
    unknowns = len(side)
    at = np.flatnonzero(state == 0)
    free = len(at)
    low = np.empty((free, free))
    y = np.empty(free)
    for a in range(free):
        total = side[at[a]]
        for q in range(unknowns):
            if state[q] != 0:
                total -= system[at[a], q] * x[q]
        for b in range(a + 1):
            entry = system[at[a], at[b]]
            for k in range(b):
                entry -= low[a, k] * low[b, k]
            low[a, b] = np.sqrt(entry) if a == b else entry / low[b, b]
        for k in range(a):
            total -= low[a, k] * y[k]
        y[a] = total / low[a, a]
    out = x.copy()
    for a in range(free - 1, -1, -1):
        for k in range(a + 1, free):
            y[a] -= low[k, a] * y[k]
        y[a] /= low[a, a]
        out[at[a]] = y[a]
    return out
