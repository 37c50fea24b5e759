"""What a date's coarse change says: variances, global effects, and a weight for each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xstf.methods._gp_model import (
    SMOOTH,
    Error,
    Model,
    Part,
    Steps,
    between,
    error_between,
    find_variances,
    parts_of,
    windows,
)

Array = np.ndarray

TILE = 16  # cells along the side of a tile whose weights are solved for together
OVERLAP = 8  # cells around it that are solved along
STEPS = TILE + 2 * OVERLAP  # cells that a tile, or a window, is wide at most
FAINT = 2e-3  # of the variance of change: a coarse error that is none
LEVEL = 0.25  # of the binary logarithm: errors so little apart share a solution
SURE = 0.03  # of the variance of change: coarse error at which gains are halved
BLUR = 5  # cells that the gain of a cell is made of
CALM = 0.3  # of the mean square: change where none is seen, when gains are found
FLAT = 1e-7  # deviation of a change that is none


@dataclass(frozen=True)
class Found:
    """What one date's change is made of, beside the weights of the cells."""

    variance: Array  # of each smooth length, then of each kind of feature: shares
    white: float  # share that no cell shares with another
    deviation: Array  # (band,) of the change of cells
    mean: Array  # (band,) change of the scene
    effect: Array  # (band, feature) worth of a feature all over the scene
    whole: Array  # variance of that worth, of each kind of feature: shares


def find_error(difference: Array, steps: Steps) -> Error:
    """Return the error of coarse change.

    Parameters
    ----------
    difference
        (band, rows, columns): what the coarse images show beyond the fine ones.
    steps
        From `find_steps`.
    """
    from xstf.kernels.solve import one_thread

    values, _, deviation = standard(difference)
    parts, seen = [], []
    for window in windows(difference.shape[1:]):
        place, inside = _known(values, window)
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


def _known(values: Array, window: tuple[slice, slice]) -> tuple[tuple[Array, Array], Array]:
    """Return rows and columns of the cells of a window that have all images, and their values."""
    inside = values[(slice(None), *window)]
    row, column = np.nonzero(np.isfinite(inside).all(axis=0))
    place = row + window[0].start, column + window[1].start
    return place, values[:, place[0], place[1]]


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
        nothing = np.zeros((len(step), len(features)))
        none = np.zeros(len(SMOOTH) + len(sizes))
        return Found(none, 0.0, deviation, mean, nothing, np.zeros(len(sizes))), weights, gain
    values = values[bands]
    doubt = trust * (error.deviation[bands] / deviation[bands]) ** 2
    model = fit(values, features, of_cells, sizes, steps, error, float(doubt.mean()))
    level = np.where(doubt < FAINT, 0, 2 ** (LEVEL * np.round(np.log2(doubt + 1e-30) / LEVEL)))
    base, effect = find_effects(model, values, features, of_cells, level)
    rest = values - base[:, None, None] - np.tensordot(effect, np.nan_to_num(features), 1)
    for inner, outer in tiles(step.shape[1:]):
        found = _weights(model, rest, features, of_cells, level, outer)
        own = tuple(slice(i.start - o.start, i.stop - o.start)
                    for i, o in zip(inner, outer, strict=True))  # fmt: skip
        weights[(bands[:, None, None], *_grid(inner))] = found[(slice(None), *own)]
    scale = deviation[bands]
    weights[bands] *= (scale[:, None, None] * of_cells).astype(np.float32)
    mean[bands] += scale * base
    effects = np.zeros((len(step), len(features)))
    effects[bands] = scale[:, None] * effect
    return Found(model.finite, model.white, deviation, mean, effects, model.infinite), weights, gain


def find_gain(values: Array, error: Array) -> Array:
    """Return by how much change departs from the mean around each cell, (1, rows, columns).

    The root mean square over the bands and 3 x 3 cells, raised a little and relative to the scene.
    Where the coarse error is not small, what stands out may be error, and the gain tends to 1.

    Parameters
    ----------
    values
        (band, rows, columns), standardised.
    error
        (band,): deviation of the coarse error, of that of the change.
    """
    known = np.isfinite(values)
    squares, count = (
        np.pad(a.sum(axis=0), 1) for a in (np.where(known, values, 0) ** 2, known * 1.0)
    )
    rows, columns = values.shape[1:]
    near = [(slice(j, j + rows), slice(i, i + columns)) for j in range(3) for i in range(3)]
    total, number = (sum(a[part] for part in near) for a in (squares, count))
    mean = np.where(number > 0, total / np.maximum(number, 1), 1)
    doubt = float((error**2).mean()) if len(error) else 1.0
    power = 0.5 / (1 + (doubt / SURE) ** 2)
    return (((mean + CALM) / (1 + CALM)) ** power)[None].astype(np.float32)


def spread_gain(gain: Array, steps: Steps) -> Array:
    """Return the gain of cells, of which pixels' gains are interpolated, as these cells see it.

    Pixels take the mean of the cells around, weighted by the shortest covariance of a pixel with a
    cell; cells that of a cell with a cell, which is what the sensor makes of it.

    Parameters
    ----------
    gain
        (1, rows, columns), from `find_gain`.
    steps
        From `find_steps`.
    """
    reach = BLUR
    image = np.pad(gain[0].astype(np.float64), reach, mode="edge")
    away = np.abs(np.arange(-reach, reach + 1))
    for axis, table in enumerate(steps.smooth[0]):
        taps = table[away] / table[away].sum()
        count = image.shape[axis] - 2 * reach
        image = sum(
            weight * np.take(image, np.arange(n, n + count), axis) for n, weight in enumerate(taps)
        )
    return image[None]


def fit(
    values: Array,
    features: Array,
    gain: Array,
    sizes: tuple[int, ...],
    steps: Steps,
    error: Error,
    doubt: float,
) -> Model:
    """Return the model of a date whose standardised change is given.

    Parameters
    ----------
    values
        (band, rows, columns).
    features, sizes, steps, error
        As for `solve`.
    gain
        From `find_gain`.
    doubt
        Variance of the coarse error, of that of the change.
    """
    parts, seen, noise = [], [], []
    for window in windows(values.shape[1:]):
        place, inside = _known(values, window)
        if len(place[0]) == 0:
            continue
        kinds = np.split(features[:, place[0], place[1]], np.cumsum(sizes)[:-1])
        finite, infinite = parts_of(steps, place, kinds)
        own = gain[0, place[0], place[1]].astype(np.float64)
        parts.append([own[:, None] * own * part for part in finite] + infinite)
        seen.append(inside)
        if doubt >= FAINT:
            noise.append(doubt * error_between(steps, place, error.variance))
    variance = find_variances(parts, seen, noise or None)
    number = len(SMOOTH) + len(sizes)
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


def find_effects(
    model: Model, values: Array, features: Array, gain: Array, level: Array
) -> tuple[Array, Array]:
    """Return the mean of each band and the worth of each feature all over the scene.

    By generalised least squares over windows, taken as independent.

    Parameters
    ----------
    model
        From `fit`.
    values, features, gain
        As for `fit`.
    level
        (band,) variance of the coarse error.
    """
    from scipy.linalg import cho_factor, cho_solve

    number = 1 + len(features)
    prior = np.concatenate([[1e-6], *(np.full(n, 1 / v) for n, v in
                                      zip(model.sizes, model.infinite, strict=True))])  # fmt: skip
    system = np.tile(np.diag(prior), (len(values), 1, 1))
    side = np.zeros((len(values), number))
    for window in windows(values.shape[1:]):
        for part, doubt, bands, inside in _parts(model, values, features, gain, level, window):
            own, error = model.covariance(part)
            rows = np.concatenate([np.ones((1, inside.shape[1])), part.features])
            solved = cho_solve(cho_factor(own + doubt * error, lower=True), rows.T)
            system[bands] += rows @ solved
            side[bands] += inside @ solved
    found = np.array([np.linalg.solve(a, b) for a, b in zip(system, side, strict=True)])
    return found[:, 0], found[:, 1:]


def _parts(
    model: Model,
    values: Array,
    features: Array,
    gain: Array,
    level: Array,
    window: tuple[slice, slice],
) -> Iterator[tuple[Part, float, Array, Array]]:
    """Yield parts of a window with their coarse error, bands, and values (band, cell)."""
    for doubt, bands, known in groups(values[(slice(None), *window)], level):
        row, column = np.nonzero(known)
        if len(row):
            row, column = row + window[0].start, column + window[1].start
            own = gain[0, row, column].astype(np.float64)
            part = Part((row, column), features[:, row, column], own)
            yield part, doubt, bands, values[bands][:, row, column]


def _weights(
    model: Model,
    rest: Array,
    features: Array,
    gain: Array,
    level: Array,
    window: tuple[slice, slice],
) -> Array:
    """Return the weights of the cells of a window, (band, rows, columns)."""
    from scipy.linalg import cho_factor, cho_solve

    out = np.zeros((len(rest), *(part.stop - part.start for part in window)))
    for part, doubt, bands, inside in _parts(model, rest, features, gain, level, window):
        own, error = model.covariance(part)
        factor = cho_factor(own + doubt * error, lower=True)
        row, column = part.place[0] - window[0].start, part.place[1] - window[1].start
        for band, values in zip(bands, inside, strict=True):
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
