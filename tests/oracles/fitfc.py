"""Slow, plain numpy Fit-FC [Wang 2018], pixel by pixel."""

import numpy as np

from tests.oracles import cubic_weight


def lines(pair, target, radius, gamma=0.0):
    """Slope, offset and residual of each cell of one band, by a least-squares solver."""
    out = np.full((3, *pair.shape), np.nan)
    for i, j in np.ndindex(pair.shape):
        at = np.s_[max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1]
        x, y = pair[at].ravel(), target[at].ravel()
        seen = ~np.isnan(x + y)
        x, y = x[seen], y[seen]
        if len(x) == 0:
            continue
        if len(x) < 3 or np.ptp(x) == 0:
            a = 1.0
        else:  # (a - 1) sqrt(gamma) = 0 is one more equation
            rows = np.append(np.stack([x, np.ones(len(x))], 1), [[np.sqrt(gamma), 0]], axis=0)
            a = np.linalg.lstsq(rows, np.append(y, np.sqrt(gamma)), rcond=None)[0][0]
        b = np.mean(y) - a * np.mean(x)
        out[:, i, j] = a, b, target[i, j] - (a * pair[i, j] + b)
    return out


def continued(cells, by):
    """Cells with missing ones, and those of a ring around, from their neighbours, ring by ring."""
    wide = np.pad(cells, 2 * by, constant_values=np.nan)
    for _ in range(by):
        before = wide.copy()
        for i, j in np.ndindex(wide.shape):
            near = before[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
            if np.isnan(before[i, j]) and not np.isnan(near).all():
                wide[i, j] = np.nanmean(near)
    return np.nan_to_num(wide[by:-by, by:-by])


def cubic(cells, scale, rim):
    """Coarse cells with a rim at the fine pixels inside it."""
    rows, columns = (n - 2 * rim for n in cells.shape)
    taps = [np.zeros((n * scale, n + 2 * rim)) for n in (rows, columns)]
    for line in taps:
        for y, i in np.ndindex(line.shape):
            line[y, i] = cubic_weight((y + 0.5) / scale - 0.5 - (i - rim))
    return taps[0] @ cells @ taps[1].T


def fitfc(fine, coarse, target, scale, *, window, num_similar, cell_window=3, gamma=0.0):
    """Fine (band, y, x), coarse and target (band, rows, columns)."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    bands, height, width = fine.shape
    half = window // 2
    moved = np.empty_like(fine)
    for b in range(bands):
        a, c, left = lines(coarse[b], target[b], cell_window // 2, gamma)
        a, c = (m.repeat(scale, 0).repeat(scale, 1) for m in (a, c))
        moved[b] = a * fine[b] + c + cubic(continued(left, 2), scale, 2)
    tie = 1e-6 * np.nanvar(fine, axis=(1, 2)).sum() / half
    out = np.full_like(fine, np.nan)
    count = np.full((height, width), np.nan)
    for y, x in np.ndindex(height, width):
        found = []
        for j in range(max(0, y - half), min(height, y + half + 1)):
            for i in range(max(0, x - half), min(width, x + half + 1)):
                apart = ((fine[:, j, i] - fine[:, y, x]) ** 2).sum()
                far = np.hypot(j - y, i - x)
                if not np.isnan(apart):
                    found.append((apart + tie * far, 1 / (1 + far / (window / 2)), j, i))
        best = sorted(found, key=lambda f: f[0])[:num_similar]
        if best:
            count[y, x] = len(best)
        for b in range(bands):
            told = np.array([(w, moved[b, j, i]) for _, w, j, i in best]).reshape(-1, 2)
            told = told[~np.isnan(told[:, 1])]
            if len(told):
                out[b, y, x] = (told[:, 0] * told[:, 1]).sum() / told[:, 0].sum()
    return out, count
