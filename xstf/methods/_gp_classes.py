"""Classes of spectra that are alike: k-means on a sample of the scene, without chance."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

SOFT = 3.0  # times the median squared distance from the nearest class: shared between classes
ROUNDS = 30  # of k-means
TINY = 1e-6  # of the deviation: differences that are none


def find_classes(spectra: Array, number: int) -> tuple[Array, float]:
    """Return the centres of classes of spectra (pixel, band), and how sharp classes are."""
    from xstf.kernels.solve import one_thread

    points = spectra.astype(np.float64)
    with one_thread():
        centres = _moved(points, _halved(points, number), ROUNDS)
    apart = np.median(_squares(points, centres).min(axis=1))
    return centres.astype(np.float32), 1 / (2 * SOFT * max(float(apart), TINY))


def _halved(points: Array, number: int) -> Array:
    """Return the means of parts: the widest is cut across its longest axis until there are enough.

    K-means that begin there have no seed, and are as good as the best of several drawn at random.
    There are fewer parts if there are fewer spectra.
    """
    parts, widths = [points], [_width(points)]
    while len(parts) < number and max(widths) > 0:
        widest = int(np.argmax(widths))
        away = parts[widest] - parts[widest].mean(axis=0)
        axis = np.linalg.eigh(np.einsum("ij,ik->jk", away, away))[1][:, -1]
        upper = (away * axis).sum(axis=1) > 0
        if upper.all() or not upper.any():  # alike but for rounding
            widths[widest] = 0.0
            continue
        halves = [parts[widest][upper], parts[widest][~upper]]
        parts[widest : widest + 1] = halves
        widths[widest : widest + 1] = [_width(half) for half in halves]
    return np.stack([part.mean(axis=0) for part in parts])


def _width(points: Array) -> float:
    """Return the sum of squared distances of points from their mean."""
    return float(((points - points.mean(axis=0)) ** 2).sum())


def _moved(points: Array, centres: Array, rounds: int) -> Array:
    """Return centres after some rounds of k-means; one that is nobody's stays."""
    for _ in range(rounds):
        name = _squares(points, centres).argmin(axis=1)
        count = np.bincount(name, minlength=len(centres))[:, None]
        sums = np.stack([np.bincount(name, band, len(centres)) for band in points.T], axis=1)
        moved = np.where(count > 0, sums / np.maximum(count, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _squares(points: Array, centres: Array) -> Array:
    """Return squared distances, (point, centre); not by BLAS, whose sums depend on its threads."""
    total = np.zeros((len(points), len(centres)))
    for band, centre in zip(points.T, centres.T, strict=True):
        total += (band[:, None] - centre) ** 2
    return total
