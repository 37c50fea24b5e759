"""The error of coarse change, as the pairs tell it."""

from __future__ import annotations

import numpy as np

from xstf.methods._gp_model import WINDOWS, Error, Steps, between, find_variances, windows

Array = np.ndarray

FLAT = 1e-7  # deviation of a change that is none


def find_error(differences: Array, steps: Steps) -> Error:
    """Return the error of coarse change.

    Parameters
    ----------
    differences
        (case, band, rows, columns): what coarse images show beyond fine ones, in some cases.
    steps
        From `find_steps`.
    """
    from xstf.kernels.solve import one_thread

    scaled = [standard(case) for case in differences]
    deviation = np.sqrt(np.mean([each**2 for _, _, each in scaled], axis=0))
    every = [(values, w) for w in windows(differences.shape[2:]) for values, _, _ in scaled]
    chosen = np.linspace(0, len(every) - 1, min(len(every), WINDOWS)).round().astype(int)
    parts, seen = [], []
    for values, window in (every[n] for n in chosen):
        place, inside = known_of(values, window)
        if len(place[0]):
            parts.append([between(table, place) for table in steps.error])
            seen.append(inside)
    if not parts:
        return Error(np.append(np.zeros(len(steps.error)), 1.0), deviation)
    with one_thread():
        variance = find_variances(parts, seen, None)
    return Error(variance / variance.sum(), deviation)


def standard(values: Array) -> tuple[Array, Array, Array]:
    """Return images of mean 0 and deviation 1, and both of each band."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    known = np.isfinite(flat)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, flat, 0).sum(axis=1) / count
    apart = np.where(known, flat - mean[:, None], 0)
    deviation = np.sqrt((apart**2).sum(axis=1) / count)
    with np.errstate(invalid="ignore"):
        scaled = (flat - mean[:, None]) / np.maximum(deviation, FLAT)[:, None]
    return scaled.reshape(values.shape), mean, deviation


def known_of(values: Array, window: tuple[slice, slice]) -> tuple[tuple[Array, Array], Array]:
    """Return rows and columns of the cells of a window that have all images, and their values."""
    inside = values[(slice(None), *window)]
    row, column = np.nonzero(np.isfinite(inside).all(axis=0))
    place = row + window[0].start, column + window[1].start
    return place, values[:, place[0], place[1]]
