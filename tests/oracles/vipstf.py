"""VIPSTF-SW pixel by pixel, for scenes without gaps."""

import numpy as np

from tests.oracles import upsampled


def vipstf(fine, coarse, target, scale, *, window, similar):
    """Fine (pair, band, y, x), coarse (pair, band, rows, columns), target (band, rows, columns).

    NaN near the edge, where the cubic kernel is cut.
    """
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    virtual, left = np.empty((2, *fine.shape[1:]))
    for b in range(len(target)):
        cells = np.stack([c[b].ravel() for c in coarse] + [np.ones(target[b].size)], axis=1)
        line = np.linalg.lstsq(cells, target[b].ravel(), rcond=None)[0]
        virtual[b] = np.tensordot(line[:-1], fine[:, b], 1) + line[-1]
        left[b] = upsampled(target[b] - (cells @ line).reshape(target[b].shape), scale)
    half = window // 2
    height, width = virtual.shape[1:]
    out = np.empty(virtual.shape)
    for y in range(height):
        for x in range(width):
            rows, columns = (
                np.arange(max(0, at - half), min(size, at + half + 1))
                for at, size in ((y, height), (x, width))
            )
            part = (slice(None), rows[:, None], columns)
            gap = ((virtual[part] - virtual[:, y, x][:, None, None]) ** 2).sum(axis=0).ravel()
            far = np.hypot(rows[:, None] - y, columns - x).ravel()
            best = np.lexsort([far, gap])[:similar]
            weight = 1 / (1 + far[best] / (window / 2))
            said = left[part].reshape(len(out), -1)[:, best]
            out[:, y, x] = virtual[:, y, x] + (said * weight).sum(axis=1) / weight.sum()
    return out
