"""Slopes that convert coarse change to fine change, found from two pairs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

FEW = 5  # no more similar pixels than this say nothing together [released ESTARFM program]
SIGNIFICANT = 0.05  # probability that a slope of the regression is chance
BELIEVED = (0.5, 2.0)  # bounds of the slope of changes
MOMENTS = 6  # of each band


def slope_of_changes(fine: np.ndarray, coarse: np.ndarray, doubt: float) -> np.ndarray:
    """Return the ratio of fine to coarse change, drawn towards 1 where the coarse one is small.

    It is the slope of a line through the origin with a prior of 1, as sure as one observation of a
    coarse change of `doubt`.

    Parameters
    ----------
    fine, coarse
        Mean changes from pair to pair; NaN gives 1.
    doubt
        Coarse change at which the ratio's departure from 1 is halved.
    """
    slope = 1 + coarse * (fine - coarse) / (coarse**2 + np.float32(doubt) ** 2)
    return np.where(np.isnan(slope), 1, slope.clip(*BELIEVED)).astype(np.float32)


def moments(fine: np.ndarray, coarse: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return what the regression sums up of each pixel, (1 + 6 band, y, x) float32.

    First 1, then for each band sums over both dates: coarse, change of coarse, fine, coarse
    squared, fine squared, product. All 0 where any value is missing.

    Parameters
    ----------
    fine, coarse
        (pair, band, y, x), two pairs.
    centre
        (band,): taken from all values before they are squared, to lose no digits.
    """
    middle = np.asarray(centre.astype(np.float32)[:, None, None], like=fine)
    f, c = (a - middle for a in (fine, coarse))
    known: Any = ~(np.isnan(f) | np.isnan(c)).any(axis=(0, 1))
    parts = [c[0] + c[1], c[0] - c[1], f[0] + f[1], (c * c).sum(0), (f * f).sum(0), (c * f).sum(0)]
    bands = np.where(known, np.stack(parts, axis=1), 0)
    return np.concatenate([known[None], bands.reshape(-1, *known.shape)]).astype(np.float32)


def regression(
    sums: np.ndarray, most: int, least: float, bounds: tuple[float, float]
) -> np.ndarray:
    """Return the slope of fine on coarse values of both dates, 1 where it is not to be trusted.

    Parameters
    ----------
    sums
        (1 + 6 band, y, x): sums of `moments` over the similar pixels.
    most
        Largest number of similar pixels.
    least
        Smallest mean change of the coarse values.
    bounds
        The slope lies above the first and not above the second.

    Returns
    -------
    numpy.ndarray
        (band, y, x) float32.
    """
    number = sums[0]
    c, change, f, cc, ff, cf = sums[1:].reshape(-1, MOMENTS, *number.shape).swapaxes(0, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = 2 * number
        spread_c, spread_f = cc - c * c / total, ff - f * f / total
        common = cf - c * f / total
        slope = common / spread_c
        least_share = np.asarray(_least_share(most), like=sums)
        trusted = common**2 > least_share[number.astype(int)] * spread_c * spread_f
        trusted &= (np.abs(change) >= least * number) & (slope > bounds[0]) & (slope <= bounds[1])
    return np.where(trusted & (number > FEW), slope, 1).astype(np.float32)


@cache
def _least_share(most: int) -> np.ndarray:
    """Return the share of variance that a significant regression explains, by number of pixels."""
    from scipy.stats import f

    free = np.maximum(2 * np.arange(most + 1) - 2, 1)
    least = f.isf(SIGNIFICANT, 1, free)
    return least / (least + free)
