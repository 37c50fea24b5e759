"""Classes of spectra that are alike: k-means on a sample of the scene."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

SOFT = 3.0  # times the median squared distance from the nearest class: shared between classes
ROUNDS = 30  # of k-means
STARTS = 5  # of which the best goes on,
EARLY = 4  # after so many rounds
TINY = 1e-6  # of the deviation: differences that are none


def find_classes(spectra: Array, number: int) -> tuple[Array, float]:
    """Return the centres of classes of spectra (pixel, band), and how sharp classes are."""
    centres, apart = _k_means(spectra.astype(np.float64), number)
    return centres.astype(np.float32), 1 / (2 * SOFT * max(float(np.median(apart)), TINY))


def _k_means(points: Array, number: int) -> tuple[Array, Array]:
    """Return the centres of classes, and the squared distance of each point from its own.

    Of some starts the best after a few rounds goes on.
    """
    starts = [_moved(points, _start(points, number, seed), EARLY) for seed in range(STARTS)]
    centres = min(starts, key=lambda found: _squares(points, found).min(axis=1).sum())
    centres = _moved(points, centres, ROUNDS)
    return centres, _squares(points, centres).min(axis=1)


def _start(points: Array, number: int, seed: int) -> Array:
    """Return centres drawn one by one, by the squared distance from those that are there."""
    rng = np.random.default_rng(seed)
    centres = points[rng.integers(len(points))][None]
    apart = _squares(points, centres)[:, 0]
    while len(centres) < number and apart.any():
        chosen = np.searchsorted(np.cumsum(apart), rng.uniform() * apart.sum())
        centres = np.concatenate([centres, points[min(chosen, len(points) - 1)][None]])
        apart = np.minimum(apart, _squares(points, centres[-1:])[:, 0])
    return centres


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
