"""Linear algebra whose bits do not depend on how many threads BLAS has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_ALONE = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Give BLAS one thread, as dask's workers do; one task of a process at a time."""
    from threadpoolctl import threadpool_limits

    # the limit belongs to the process: without the lock another task would lift it
    with _ALONE, threadpool_limits(1, "blas"):
        yield


def bounded(rows: np.ndarray, values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the least-squares solution with every unknown between two bounds.

    Parameters
    ----------
    rows
        (equation, unknown).
    values
        (equation,).
    low, high
        Bounds of all unknowns.
    """
    from scipy.optimize import lsq_linear

    with one_thread():
        return lsq_linear(rows, values, (low, high), method="bvls").x
