"""What a date's coarse change says: variances, global effects, and a weight for each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from xstf.methods._gp_error import FLAT, known_of, standard
from xstf.methods._gp_gain import find_gain, spread_gain
from xstf.methods._gp_model import (
    SMOOTH,
    Error,
    Model,
    Part,
    Steps,
    by_kind,
    error_between,
    find_variances,
    first_variances,
    parts_of,
    windows,
)

Array = np.ndarray

TILE = 16  # cells along the side of a tile whose weights are solved for together
OVERLAP = 8  # cells around it that are solved along
STEPS = TILE + 2 * OVERLAP  # cells that a tile, or a window, is wide at most
FAINT = 2e-3  # of the variance of change: a coarse error that is none
LEVEL = 0.25  # of the binary logarithm: errors so little apart share a solution
VAGUE_MEAN = 1e-6  # of the inverse variance of the change of the scene


@dataclass(frozen=True)
class Found:
    """What one date's change is made of, beside the weights of the cells."""

    variance: Array  # of each smooth length, then of each kind of feature: shares
    white: float  # share that no cell shares with another
    deviation: Array  # (band,) of the change of cells
    mean: Array  # (band,) change of the scene
    effect: Array  # (band, feature) worth of a feature all over the scene
    whole: Array  # variance of that worth, of each kind of feature: shares
    surprise: Array  # (band,) squared change of cells over its expectation, mean
    share: float = 1.0  # how much the member counts
    kept: Array = field(default_factory=lambda: np.ones(1))  # (band,) share of detail that is kept


@dataclass(frozen=True)
class Seen:
    """What is known of one date's cells."""

    values: Array  # (band, rows, columns): change, NaN where missing
    features: Array  # (feature, rows, columns) float64
    gain: Array  # (1, rows, columns)
    level: Array  # (band,): variance of the coarse error

    def parts(self, window: tuple[slice, slice]) -> Iterator[tuple[Part, float, Array, Array]]:
        """Yield parts of a window with their coarse error, bands, and values (band, cell)."""
        for doubt, bands, known in groups(self.values[(slice(None), *window)], self.level):
            row, column = np.nonzero(known)
            if len(row):
                yield (
                    self.part(row + window[0].start, column + window[1].start),
                    doubt,
                    bands,
                    self.values[(bands, *window)][:, row, column],
                )

    def part(self, row: Array, column: Array) -> Part:
        """Return the cells of some rows and columns."""
        gain = self.gain[0, row, column].astype(np.float64)
        return Part((row, column), self.features[:, row, column], gain)


def solve(
    step: Array, features: Array, sizes: tuple[int, ...], steps: Steps, error: Error, trust: float
) -> tuple[Found, Array, Array]:
    """Return what one date's change is made of, the weight of each cell, and its gain.

    Parameters
    ----------
    step
        (band, rows, columns): coarse change.
    features
        (feature, rows, columns), NaN where unseen.
    sizes
        Number of features of each kind.
    steps
        From `find_steps`.
    error
        Of coarse change.
    trust
        Share of its variance that is believed.

    Returns
    -------
    found : Found
    weights : numpy.ndarray
        (band, rows, columns) float32, 0 where nothing is known.
    gain : numpy.ndarray
        (1, rows, columns) float32: factor of finite change, see `find_gain`.
    """
    from xstf.kernels.solve import one_thread

    with one_thread():
        return _solve(step, features.astype(np.float64), sizes, steps, error, trust)


def _solve(
    step: Array, features: Array, sizes: tuple[int, ...], steps: Steps, error: Error, trust: float
) -> tuple[Found, Array, Array]:
    seen = np.isfinite(features).all(axis=0)
    values, mean, deviation = standard(np.where(seen, step, np.nan))
    known = np.isfinite(values).any(axis=(1, 2)) & (deviation > FLAT)
    mean = np.where(np.isfinite(values).any(axis=(1, 2)), mean, np.nan)
    weights = np.zeros(step.shape, np.float32)
    scale = np.maximum(deviation, FLAT)[known]
    gain = find_gain(values[known], error.deviation[known] / scale)
    of_cells = spread_gain(gain, steps)
    bands = np.flatnonzero(known)
    if len(bands) == 0:
        effects, whole = np.zeros((len(step), len(features))), np.zeros(len(sizes))
        none, usual = np.zeros(len(SMOOTH) + len(sizes)), np.ones(len(step))
        return Found(none, 0.0, deviation, mean, effects, whole, usual), weights, gain
    values = values[bands]
    doubt = trust * (error.deviation[bands] / deviation[bands]) ** 2
    level = np.where(doubt < FAINT, 0, 2 ** (LEVEL * np.round(np.log2(doubt + 1e-30) / LEVEL)))
    date = Seen(values, features, of_cells, level)
    model = fit(date, sizes, steps, error, float(doubt.mean()))
    base, effect = find_effects(model, date)
    rest = values - base[:, None, None] - np.tensordot(effect, np.nan_to_num(features), 1)
    for inner, outer in tiles(step.shape[1:]):
        found = _weights(model, replace(date, values=rest), outer)
        own = tuple(slice(i.start - o.start, i.stop - o.start)
                    for i, o in zip(inner, outer, strict=True))  # fmt: skip
        weights[(bands[:, None, None], *_grid(inner))] = found[(slice(None), *own)]
    surprise = np.ones(len(step))
    surprise[bands] = np.nanmean(rest * weights[bands], axis=(1, 2))
    scale = deviation[bands]
    weights[bands] *= (scale[:, None, None] * of_cells).astype(np.float32)
    mean[bands] += scale * base
    effects = np.zeros((len(step), len(features)))
    effects[bands] = scale[:, None] * effect
    made = Found(model.finite, model.white, deviation, mean, effects, model.infinite, surprise)
    return made, weights, gain


def fit(date: Seen, sizes: tuple[int, ...], steps: Steps, error: Error, doubt: float) -> Model:
    """Return the model of a date whose standardised change is given.

    Parameters
    ----------
    date
        What is known of it.
    sizes, steps, error
        As for `solve`.
    doubt
        Variance of the coarse error, of that of the change, mean over bands.
    """
    parts, seen, noise = [], [], []
    for window in windows(date.values.shape[1:]):
        place, inside = known_of(date.values, window)
        if len(place[0]) == 0:
            continue
        part = date.part(*place)
        finite, infinite = parts_of(steps, place, by_kind(part.features, sizes))
        parts.append([part.gain[:, None] * part.gain * matrix for matrix in finite] + infinite)
        seen.append(inside)
        if doubt >= FAINT:
            noise.append(doubt * error_between(steps, place, error.variance))
    number = len(SMOOTH) + len(sizes)
    variance = first_variances(number + len(sizes))
    if parts:  # some cell has all bands
        variance = find_variances(parts, seen, noise or None)
    return Model(
        steps, sizes, variance[:number], variance[number:-1], float(variance[-1]), error.variance
    )


def groups(values: Array, level: Array) -> Iterator[tuple[float, Array, Array]]:
    """Yield coarse error, bands, and which cells they have, of bands that are solved together."""
    known = np.isfinite(values)
    left = list(range(len(values)))
    while left:
        alike = [b for b in left if level[b] == level[left[0]]
                 and np.array_equal(known[b], known[left[0]])]  # fmt: skip
        yield float(level[left[0]]), np.array(alike), known[left[0]]
        left = [b for b in left if b not in alike]


def find_effects(model: Model, date: Seen) -> tuple[Array, Array]:
    """Return the mean of each band and the worth of each feature all over the scene.

    By generalised least squares over windows, taken as independent.

    Parameters
    ----------
    model
        From `fit`.
    date
        What is known of its cells.
    """
    from scipy.linalg import cho_factor, cho_solve

    own = np.repeat(1 / model.infinite, np.array(model.sizes, int))
    prior = np.diag(np.append(VAGUE_MEAN, own))
    system = np.tile(prior, (len(date.values), 1, 1))
    side = np.zeros((len(date.values), len(prior)))
    for window in windows(date.values.shape[1:]):
        for part, doubt, bands, inside in date.parts(window):
            covariance, error = model.covariance(part)
            rows = np.concatenate([np.ones((1, inside.shape[1])), part.features])
            solved = cho_solve(cho_factor(covariance + doubt * error, lower=True), rows.T)
            system[bands] += rows @ solved
            side[bands] += inside @ solved
    found = np.array([np.linalg.solve(a, b) for a, b in zip(system, side, strict=True)])
    return found[:, 0], found[:, 1:]


def _weights(model: Model, date: Seen, window: tuple[slice, slice]) -> Array:
    """Return the weights of the cells of a window, (band, rows, columns)."""
    from scipy.linalg import cho_factor, cho_solve

    out = np.zeros((len(date.values), *(part.stop - part.start for part in window)))
    for part, doubt, bands, inside in date.parts(window):
        covariance, error = model.covariance(part)
        factor = cho_factor(covariance + doubt * error, lower=True)
        row, column = part.place[0] - window[0].start, part.place[1] - window[1].start
        for band, values in zip(bands, inside, strict=True):
            # one by one, since many right-hand sides together would change each other's bits
            out[band, row, column] = cho_solve(factor, values)
    return out


def tiles(shape: tuple[int, int]) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield tiles of cells, and the same with their overlap."""
    along = [
        [
            (slice(a, min(a + TILE, size)),
             slice(max(0, a - OVERLAP), min(size, a + TILE + OVERLAP)))
            for a in range(0, size, TILE)
        ]
        for size in shape
    ]  # fmt: skip
    for row, wide_row in along[0]:
        for column, wide_column in along[1]:
            yield (row, column), (wide_row, wide_column)


def _grid(window: tuple[slice, slice]) -> tuple[Array, Array]:
    """Return rows and columns of a window, to pick with."""
    rows, columns = (np.arange(part.start, part.stop) for part in window)
    return rows[:, None], columns
