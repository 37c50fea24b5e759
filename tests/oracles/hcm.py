"""Slow, plain numpy HCM [Kwan 2018], cell by cell."""

import numpy as np


def mapping(pair, target, i, j, radius, *, white, pull):
    """Least squares of one cell's window: (band + 1, band) with the constant last; NaN if empty."""
    bands = len(pair)
    at = np.s_[
        :, max(0, i - radius) : max(0, i + radius + 1), max(0, j - radius) : max(0, j + radius + 1)
    ]
    x, y = (a[at].reshape(bands, -1).T for a in (pair, target))
    seen = ~np.isnan(x + y).any(axis=1)
    x, y = x[seen], y[seen]
    if len(x) == 0:
        return np.full((bands + 1, bands), np.nan)
    spread = x - x.mean(axis=0) if white else x
    weight = np.sqrt(pull * (spread**2).sum())
    # shares of the change, each pulled to 0 by an equation of its own; the constant is not
    rows = np.concatenate([x, weight * np.eye(bands)])
    if white:
        rows = np.column_stack([rows, [1.0] * len(x) + [0.0] * bands])
    values = np.concatenate([y - x, np.zeros((bands, bands))])
    share = np.linalg.lstsq(rows, values, rcond=None)[0]
    return share if white else np.append(share, np.zeros((1, bands)), axis=0)


def hcm(fine, coarse, target, scale, *, window, white=False, pull=1e-3):
    """All bands together: fine (band, y, x), coarse and target (band, rows, columns)."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    bands, rows, columns = coarse.shape
    shares = np.empty((rows + 2, columns + 2, bands + 1, bands))
    for i, j in np.ndindex(rows + 2, columns + 2):
        options = {"white": white, "pull": pull}
        shares[i, j] = mapping(coarse, target, i - 1, j - 1, window // 2, **options)
    out = np.empty_like(fine)
    for y, x in np.ndindex(*fine.shape[1:]):
        at_y, at_x = (y + 0.5) / scale + 0.5, (x + 0.5) / scale + 0.5
        i, j = int(at_y), int(at_x)
        p, q = at_y - i, at_x - j
        share = (
            (1 - p) * (1 - q) * shares[i, j]
            + (1 - p) * q * shares[i, j + 1]
            + p * (1 - q) * shares[i + 1, j]
            + p * q * shares[i + 1, j + 1]
        )
        out[:, y, x] = fine[:, y, x] + np.append(fine[:, y, x], 1) @ share
    return out
