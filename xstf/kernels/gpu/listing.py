"""The list of the smallest numbers that a thread has seen, sorted, in the memory of the GPU."""

from __future__ import annotations

from numba import cuda


@cuda.jit(device=True, inline="always")
def keep(rank, place, kept, value, at, y, x):
    """Put a number and its place in the list of a pixel if it belongs there; return how many are.

    Of equal ones those that came first are kept.

    Parameters
    ----------
    rank, place
        (most, y, x) numbers in rising order, and their places: changed.
    kept
        How many there are.
    value, at
        The number and its place.
    y, x
        The pixel.
    """
    most = rank.shape[0]
    full = kept == most
    if full and not value < rank[most - 1, y, x]:
        return kept
    p = most - 1 if full else kept
    while p > 0 and rank[p - 1, y, x] > value:
        rank[p, y, x] = rank[p - 1, y, x]
        place[p, y, x] = place[p - 1, y, x]
        p -= 1
    rank[p, y, x] = value
    place[p, y, x] = at
    return most if full else kept + 1
