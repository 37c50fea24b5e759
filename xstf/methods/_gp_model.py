"""The covariance of change between coarse cells, and how large its parts are (REML)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xstf.methods._gp_sensor import Sensor

Array = np.ndarray

SMOOTH = (0.7, 1.5, 4.0)  # cells: lengths of the change that depends on place alone
LOCAL = 1.5  # cells: length over which the worth of a feature changes
ERROR = (0.7, 2.0)  # cells: lengths of the error of coarse change
WINDOW = 16  # cells along the side of the windows that variances are found from
WINDOWS = 16  # of them at most, evenly over the scene
ROUNDS = 30  # of the search for variances
VAGUE = 1.4  # deviation of the prior of their logarithms
FIRST = 0.03  # share of the variance that is noise, before anything is known
BOUNDS = (-12.0, 4.0)  # of the logarithms
JITTER = 1e-5


@dataclass(frozen=True)
class Steps:
    """Covariances of cells by how far they are apart, (length, axis, steps)."""

    smooth: Array
    local: Array  # (axis, steps)
    error: Array


def find_steps(sensor: Sensor, cells: int) -> Steps:
    """Return the covariances of cells up to so many steps apart."""
    smooth = np.array([sensor.covariance(length, cells)[0] for length in SMOOTH])
    away = np.arange(cells + 1)
    error = np.array([[np.exp(-0.5 * (away / length) ** 2)] * 2 for length in ERROR])
    return Steps(smooth, sensor.covariance(LOCAL, cells)[0], error)


def between(steps: Array, place: tuple[Array, Array]) -> Array:
    """Return the covariance of cells with each other.

    Parameters
    ----------
    steps
        (axis, steps).
    place
        Rows and columns of the cells.
    """
    down, across = (table[np.abs(at[:, None] - at)] for table, at in zip(steps, place, strict=True))
    return down * across


def parts_of(
    steps: Steps, place: tuple[Array, Array], features: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """Return the parts of the covariance of cells: those of finite and of infinite length.

    Parameters
    ----------
    steps
        From `find_steps`.
    place
        Rows and columns of the cells.
    features
        Of each kind, (feature, cell) float64.
    """
    products = [kind.T @ kind for kind in features]
    local = between(steps.local, place)
    finite = [between(table, place) for table in steps.smooth] + [local * p for p in products]
    return finite, products


@dataclass(frozen=True)
class Error:
    """The error of coarse change, as the pairs tell it."""

    variance: Array  # of each length, then without any; their sum is 1
    deviation: Array  # (band,)


@dataclass(frozen=True)
class Part:
    """Some cells of the scene that are solved together."""

    place: tuple[Array, Array]  # row and column of each
    features: Array  # (feature, cell) float64
    gain: Array  # (cell,) factor of finite change


@dataclass(frozen=True)
class Model:
    """Covariance of the change of cells: shares of the variance, and the coarse error."""

    steps: Steps
    sizes: tuple[int, ...]  # number of features of each kind
    finite: Array  # variance of each finite part
    infinite: Array  # of the worth of each kind of feature all over the scene
    white: float
    error: Array  # as in `Error`

    def covariance(self, part: Part) -> tuple[Array, Array]:
        """Return that of the cells of a part, without coarse error, and of this error."""
        finite, _ = parts_of(self.steps, part.place, self.kinds(part.features))
        total = sum(v * m for v, m in zip(self.finite, finite, strict=True))
        total *= part.gain[:, None] * part.gain
        total[np.diag_indices(len(total))] += self.white + JITTER
        return total, error_between(self.steps, part.place, self.error)

    def kinds(self, features: Array) -> list[Array]:
        """Return features apart by kind."""
        return by_kind(features, self.sizes)


def by_kind(features: Array, sizes: Sequence[int]) -> list[Array]:
    """Return features apart by kind, of which there may be none."""
    return np.split(features, np.cumsum(sizes, dtype=int))[:-1]


def error_between(steps: Steps, place: tuple[Array, Array], variance: Array) -> Array:
    """Return the covariance of the coarse error of cells."""
    total = sum(v * between(t, place) for v, t in zip(variance, steps.error, strict=False))
    total[np.diag_indices(len(total))] += variance[-1]
    return total


def windows(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Return windows of cells that variances are found from, at most `WINDOWS`."""
    along = []
    for size in shape:
        count = max(1, round(size / WINDOW))
        edges = np.linspace(0, size, count + 1).round().astype(int)
        along.append([slice(a, b) for a, b in zip(edges, edges[1:], strict=False)])
    every = [(row, column) for row in along[0] for column in along[1]]
    if len(every) <= WINDOWS:
        return every
    # evenly along both, not along rows alone
    side = int(WINDOWS**0.5)
    rows, columns = (
        [along[axis][i] for i in np.linspace(0, len(along[axis]) - 1, side).round().astype(int)]
        for axis in (0, 1)
    )
    return [(row, column) for row in rows for column in columns]


def first_variances(number: int) -> Array:
    """Return what is believed of the variances of so many parts, and of noise, beforehand."""
    return np.append(np.full(number, 0.5 / number), FIRST)


def find_variances(
    parts: Sequence[Sequence[Array]], values: Sequence[Array], noise: Sequence[Array] | None
) -> Array:
    """Return the variance of each part of a covariance, and of white noise last.

    They maximise the likelihood of windows, taken as independent, times a vague prior.

    Parameters
    ----------
    parts
        Of each window, (cell, cell) matrices.
    values
        Of each window, (band, cell): of mean 0 and variance about 1 over all windows.
    noise
        Of each window, a known part of the covariance; or None.
    """
    from scipy.linalg.lapack import dpotrf, dpotri
    from scipy.optimize import minimize

    count = sum(v.shape[1] for v in values)
    number = len(parts[0])
    size = np.array([sum(np.trace(w[m]) for w in parts) / count for m in range(number)])
    size = np.maximum(size, 1e-9)
    start = np.log(first_variances(number))
    bands = len(values[0])

    def cost(logs: Array) -> tuple[float, Array]:
        variance = np.exp(logs)
        total, slope = 0.0, np.zeros(number + 1)
        for n, (matrices, y) in enumerate(zip(parts, values, strict=True)):
            system = sum(
                v * m for v, m in zip(variance / np.append(size, 1), matrices, strict=False)
            )
            if noise is not None:
                system = system + noise[n]
            system[np.diag_indices(len(system))] += variance[-1] + JITTER
            factor, _ = dpotrf(system, lower=1, overwrite_a=1)
            total += bands * np.log(np.diag(factor)).sum()
            inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
            inverse += np.tril(inverse, -1).T
            weights = inverse @ y.T
            total += 0.5 * (weights * y.T).sum()
            rest = bands * inverse - weights @ weights.T
            slope[:-1] += [0.5 * np.vdot(rest, m) for m in matrices]
            slope[-1] += 0.5 * np.trace(rest)
        away = logs - start
        slope[:-1] /= size
        cost_ = total / bands + 0.5 * (away**2).sum() / VAGUE**2
        return cost_, slope * variance / bands + away / VAGUE**2

    found = minimize(
        cost, start, jac=True, method="L-BFGS-B", bounds=[BOUNDS] * len(start),
        options={"maxiter": ROUNDS},
    )  # fmt: skip
    return np.exp(found.x) / np.append(size, 1)
