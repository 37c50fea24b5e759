"""The line of each band from coarse to fine values, fitted on what training saw of both."""

from __future__ import annotations

import numpy as np

SLOPES = (0.5, 2.0)  # beyond these the images do not show the same


def line_of(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Return slope and intercept of each band by least squares, (2, band) float32.

    Parameters
    ----------
    coarse, fine
        (date, band, y, x) of one size, NaN where missing.
    """
    found = []
    for x, y in zip(coarse.swapaxes(0, 1), fine.swapaxes(0, 1), strict=True):
        seen = ~np.isnan(x + y)
        x, y = x[seen].astype(np.float64), y[seen].astype(np.float64)
        if len(x) == 0:
            found.append((1.0, 0.0))
            continue
        spread = x - x.mean()
        held = np.sum(spread**2)
        slope = float(np.clip(np.sum(spread * y) / held, *SLOPES)) if held > 0 else 1.0
        found.append((slope, float(y.mean() - slope * x.mean())))
    return np.array(found, np.float32).T


def along(line: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return coarse images (..., band, y, x) as the fine sensor would see their means."""
    return line[0][:, None, None] * cells + line[1][:, None, None]
