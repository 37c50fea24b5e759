"""A cover that comes over the land between the dates: a flood, snow, ash.

Where it lies the fine image does not change, it is replaced: cells that had little in common are
alike all at once. The covariance of change knows no such thing; it would smear the edge of a flood
over a cell and let the drowned fields show through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.methods._gp_error import FLAT

Array = np.ndarray

ROUNDS = 8  # of finding what most cells do, and which cells do not
HALVES = 4  # of them from the half that does so best, as any less than half may not
RIDGE = 1.0  # cells' worth of prior for the worth of each feature
DEPARTS = 3.5  # squared, beside the number of bands: distance of a cell that does something else
NORMAL = 1.4826  # deviations in the median difference from the median

ALIKE = 0.1  # of the change of cells that depart: how far the same cover differs from itself
CROWD = 1000  # such cells that the cover is looked for among, at most
CLOSE = 0.3  # how near to its middle, 1 at most, a cell belongs to the crowd
UNIFORM = 0.4  # of their deviation before: how alike covered cells must have become

# what a cell tells of its share
TELLS = 2.0  # deviations: a share below is none
GUESS = 0.5  # deviation of a share that is not known; its neighbours tell
VAGUE = 0.1  # deviation of the shares of half the cells: a cover that cells do not tell
SURE = 0.5  # share of a cell that must be covered for a neighbour to be covered in part

FEWEST = 6  # cells side by side that must be covered whole
SOME = 3  # and in any other place, once there are
NEARLY = 0.9  # share of cells that look covered whole
SHOWN = 0.85  # of which so many must show the cover, and not what lies beyond it
FORETOLD = 0.65  # of the variance of shares: what features explain is a class that parts, no cover


@dataclass(frozen=True)
class Cover:
    """What covers the land on a date, as the fine sensor would see it."""

    value: Array  # (band,)
    deviation: Array  # (band,)


def find_cover(
    step: Array, seen: Array, features: Array, error: Array
) -> tuple[Cover | None, Array]:
    """Return the cover of a date, if there is one, and its share of each cell.

    What is expected of a cell is a linear function of its features, found from the cells that do as
    most do. Of those that do not, the largest crowd of like spectra is a cover if its cells were
    less alike before. A cell's share is that of a mixture with what is expected of the rest.

    Parameters
    ----------
    step
        (band, rows, columns): coarse change.
    seen
        (band, rows, columns): fine image of the pair, as cells see it.
    features
        (feature, rows, columns).
    error
        (band,): deviation of the error of coarse change.

    Returns
    -------
    cover : Cover or None
    share : numpy.ndarray
        (rows, columns), 0 to 1; NaN where a cell that is missing, or was alike before, does not
        tell.
    """
    bands = np.isfinite(step).any(axis=(1, 2)) & np.isfinite(seen).any(axis=(1, 2))
    nowhere = np.zeros(step.shape[1:])
    known = np.isfinite(np.concatenate([step[bands], seen[bands], features])).all(axis=0)
    if not bands.any() or known.sum() < len(features) + FEWEST:
        return None, nowhere
    change, before = (image[bands][:, known].astype(np.float64) for image in (step, seen))
    own = np.concatenate([np.ones((1, known.sum())), features[:, known]])
    expected, covariance, departs = _expected(change, own, error[bands])
    after, expected = before + change, before + expected
    crowd = _crowded(after, expected, departs, error[bands])
    if crowd is None:
        return None, nowhere
    value, deviation = np.full((2, len(step)), np.nan)
    value[bands] = np.median(after[:, crowd], axis=1)
    deviation[bands] = after[:, crowd].std(axis=1)
    part, doubt = _mixed(after - expected, value[bands, None] - expected, covariance)
    if np.median(doubt) > VAGUE or _explained(part, own) > FORETOLD:
        return None, nowhere
    share, core, whole = np.full(known.shape, np.nan), ~known, np.zeros(known.shape, bool)
    share[known] = np.where(doubt > GUESS, np.nan, np.where(part < TELLS * doubt, 0, part))
    core[known] = departs | (doubt > GUESS)
    whole[known] = crowd
    core = _large(core & (_filled(share) > SURE), whole)
    nearly = core & (share > NEARLY)
    if not core.any() or whole[nearly].sum() < SHOWN * nearly.sum():
        return None, nowhere
    return Cover(value, deviation), np.where(_reached(core, np.isnan(share)), share, 0)


def _expected(change: Array, rows: Array, error: Array) -> tuple[Array, Array, Array]:
    """Return the change expected of cells, its covariance, and which cells depart from it.

    Parameters
    ----------
    change
        (band, cell).
    rows
        (1 + feature, cell): ones, and features.
    error
        (band,): deviation of the coarse error.
    """
    bands, count = change.shape
    expected = np.median(change, axis=1, keepdims=True)
    usual, free = np.ones(count, bool), 1.0
    for turn in range(ROUNDS):
        if turn:
            expected, free = _fitted(change, rows, usual)
        off = change - expected
        least = 0.5 * error**2 + 1e-6 * (off**2).mean() + 1e-12
        spread = off[:, usual] @ off[:, usual].T / max(usual.sum() - free, 1)
        if turn == 0:  # many cells may depart
            spread = np.diag((NORMAL * np.median(abs(off), axis=1)) ** 2)
        covariance = spread + np.diag(least)
        distance = (off * np.linalg.solve(covariance, off)).sum(axis=0)
        half = np.median(distance)
        if turn < HALVES:
            usual = distance <= half
        else:
            # a fit to the better half is too good for the other: by the median of chi squared
            wide = max(half / (bands - 2 / 3), 1) if turn == HALVES else 1
            usual = distance < wide * (DEPARTS**2 + bands)
    return expected, covariance, ~usual


def _fitted(values: Array, rows: Array, among: Array) -> tuple[Array, float]:
    """Return what rows say of values (..., cell), by least squares among some cells; and freedom.

    The freedom is the number of cells that the rows could fit.
    """
    prior = np.diag(np.append(0.0, np.full(len(rows) - 1, RIDGE)))
    own = rows[:, among]
    told = own @ own.T
    effect = np.linalg.solve(told + prior, own @ values[..., among].T)
    return effect.T @ rows, float(np.trace(np.linalg.solve(told + prior, told)))


def _explained(part: Array, rows: Array) -> float:
    """Return how much of the variance of shares (cell,) features explain."""
    fitted, free = _fitted(part, rows, np.ones(len(part), bool))
    left = ((part - fitted) ** 2).sum() / max(len(part) - free, 1)
    return float(1 - left / max(part.var(), 1e-12))


def _crowded(after: Array, expected: Array, departs: Array, error: Array) -> Array | None:
    """Return which cells show the spectrum that most are near to of those that depart.

    None if they are too few, or were not less alike before.

    Parameters
    ----------
    after, expected
        (band, cell).
    departs
        (cell,): those that depart from what is expected of them.
    error
        (band,): deviation of the coarse error.
    """
    if departs.sum() < FEWEST:
        return None
    spread = ((after - expected)[:, departs] ** 2).mean(axis=1)
    unit = np.sqrt(error**2 + ALIKE**2 * spread)
    tells = unit > FLAT
    unit = unit[tells, None] * tells.sum() ** 0.5
    points = after[tells][:, departs] / unit

    def close(to: Array) -> Array:
        return np.exp(-0.5 * ((points - to) ** 2).sum(axis=0))

    some = points[:, :: -(-points.shape[1] // CROWD)]
    middle = some[:, [int(np.argmax([close(point[:, None]).sum() for point in some.T]))]]
    for _ in range(ROUNDS):
        weight = close(middle)
        middle = (points * weight).sum(axis=1, keepdims=True) / weight.sum()
    near = close(middle) > CLOSE
    were = (expected[tells][:, departs] / unit)[:, near].var(axis=1).sum()
    if points[:, near].var(axis=1).sum() > UNIFORM**2 * were:
        return None
    crowd = departs.copy()
    crowd[departs] = near
    return crowd


def _mixed(off: Array, away: Array, covariance: Array) -> tuple[Array, Array]:
    """Return the covered share of cells, and its deviation.

    Parameters
    ----------
    off
        (band, cell): change beyond what is expected.
    away
        (band, cell): what it would be if the cell were covered.
    covariance
        Of change about what is expected, (band, band).
    """
    solved = np.linalg.solve(covariance, away)
    told = np.maximum((away * solved).sum(axis=0), 1e-12)
    return np.clip((off * solved).sum(axis=0) / told, 0, 1), 1 / np.sqrt(told)


def _large(core: Array, whole: Array) -> Array:
    """Return the parts of the core that hold enough cells that are covered whole."""
    from scipy.ndimage import label

    names, count = label(core)
    held = np.bincount(names[core & whole], minlength=count + 1)
    enough = held >= SOME if (held >= FEWEST).any() else np.zeros_like(held, bool)
    return enough[names] & core


def _reached(core: Array, unknown: Array) -> Array:
    """Return the cells next to the core, and those that do not tell and hang together with it."""
    from scipy.ndimage import binary_propagation

    hanging = binary_propagation(core, np.ones((3, 3)), core | unknown)
    return _around(core).any(axis=0) | hanging


def _filled(share: Array) -> Array:
    """Return shares where cells that do not tell take the mean of neighbours, from outside in."""
    while (told := np.isfinite(share)).any() and not told.all():
        total, count = (_around(a).sum(axis=0) for a in (np.where(told, share, 0), told))
        share = np.where(told, share, total / np.where(count > 0, count, np.nan))
    return share


def _around(image: Array) -> Array:
    """Return each cell and its neighbours, (9, rows, columns), 0 off the scene."""
    padded = np.pad(image, 1)
    rows, columns = image.shape
    return np.stack([padded[j : j + rows, i : i + columns] for j in range(3) for i in range(3)])


def uncovered(step: Array, seen: Array, cover: Cover, share: Array) -> Array:
    """Return the change of what is not covered, NaN in cells that are covered for the most part.

    Parameters
    ----------
    step, seen, cover, share
        As in `find_cover`.
    """
    told = cover.value[:, None, None] - seen
    left = (step - share * told) / np.maximum(1 - share, SURE)
    return np.where(share <= SURE, left, np.nan)
