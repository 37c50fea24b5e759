"""Slow, plain numpy ESTARFM [Zhu 2010], pixel by pixel, with the coarse images on the fine grid."""

import numpy as np
from scipy import stats


def dissimilarity(fine, coarse):
    """1 - R of one pixel, fine and coarse (pair, band): eq 14 as the program has it."""
    f, c = fine.ravel(), coarse.ravel()
    if len(f) < 3:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = abs((f - c) / (f + c)).mean()
        return 0.5 if np.isnan(value) else value
    if np.isnan(f + c).any() or np.ptp(f) == 0 or np.ptp(c) == 0:
        return 0.5
    return 1 - np.corrcoef(f, c)[0, 1]


def slope_of(rule, fine, coarse, weights, doubt, least):
    """Slope of one band; fine and coarse (pair, similar pixel)."""
    if rule == "one" or len(fine) == 1:
        return 1.0
    if rule == "change":
        known = ~np.isnan(coarse[0] - coarse[1])
        if not known.any():
            return 1.0
        step = np.average((coarse[0] - coarse[1])[known], weights=weights[known])
        change = np.average(fine[0] - fine[1], weights=weights)
        return np.clip((change * step + doubt**2) / (step**2 + doubt**2), 0.5, 2)
    known = ~np.isnan(coarse).any(axis=0)
    fine, coarse = fine[:, known], coarse[:, known]
    if known.sum() <= 5 or np.ptp(coarse) == 0:
        return 1.0
    line = stats.linregress(coarse.ravel(), fine.ravel())
    if line.pvalue > 0.05:
        return 1.0
    if rule == "paper":
        return line.slope
    enough = abs(coarse[0].mean() - coarse[1].mean()) >= least
    return line.slope if enough and 0 < line.slope <= 5 else 1.0


def similar(fine, y, x, half, limits, most):
    """Rows and columns of similar pixels, fine (pair, band, y, x), the most similar ones only."""
    height, width = fine.shape[2:]
    found = []
    for j in range(max(0, y - half), min(height, y + half + 1)):
        for i in range(max(0, x - half), min(width, x + half + 1)):
            gap = abs(fine[:, :, j, i] - fine[:, :, y, x])
            if (gap <= limits).all():
                score = np.divide(gap, limits, out=np.zeros_like(gap), where=limits > 0).sum()
                found.append((score, j, i))
    if most is not None:
        found = sorted(found, key=lambda f: f[0])[:most]
    return np.array([f[1] for f in found], int), np.array([f[2] for f in found], int)


def combine(values, changes):
    """Eq 18-19; a missing pair leaves the other alone."""
    if len(values) == 1 or np.isnan(values[1]):
        return values[0]
    if np.isnan(values[0]):
        return values[1]
    near = 1 / (abs(changes) + 1e-14)
    return (near * values).sum() / near.sum()


def predict(fine, coarse, target, y, x, half, limits, *, most, slope, doubt, least, valid):
    """One pixel from the pairs that have it: values of all bands, number of similar pixels."""
    bands = fine.shape[1]
    window = np.s_[..., max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
    js, is_ = similar(fine, y, x, half, limits, most)
    far = 1 + np.hypot(js - y, is_ - x) / half
    unlike = [
        dissimilarity(fine[:, :, j, i], coarse[:, :, j, i]) for j, i in zip(js, is_, strict=True)
    ]
    weights = 1 / (np.array(unlike) * far + 1e-7)
    out = np.empty(bands)
    for b in range(bands):
        f, c, t = fine[:, b, js, is_], coarse[:, b, js, is_], target[b, js, is_]
        v = slope_of(slope, f, c, weights, doubt, least) if len(js) else 1.0
        step = target[b] - coarse[:, b]
        plain = np.array([np.nanmean(s) if (~np.isnan(s)).any() else np.nan for s in step[window]])
        values = fine[:, b, y, x] + plain
        for k in range(len(fine)):
            known = ~np.isnan(t - c[k])
            if len(js) > 5 and known.any():
                mean = np.average((t - c[k])[known], weights=weights[known])
                values[k] = fine[k, b, y, x] + v * mean
        out[b] = combine(values, plain)
        if not np.isnan(out[b]) and not valid[0] <= out[b] <= valid[1]:
            out[b] = combine(
                np.array([np.average(f[k], weights=weights) for k in range(len(f))]), plain
            )
    return out, len(js)


def estarfm(
    fine, coarse, target, *, window, classes=4, num_similar=None, slope="change", doubt=0.05,
    least_change=0.02, valid=(-np.inf, np.inf),
):  # fmt: skip
    """Fine and coarse (pair, band, y, x), target (band, y, x): the image, and numbers (y, x)."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    deviation = np.nanstd(fine, axis=(2, 3))
    out = np.full(target.shape, np.nan)
    count = np.full(target.shape[1:], np.nan)
    for y, x in np.ndindex(count.shape):
        pairs = [k for k in range(2) if not np.isnan(fine[k, :, y, x]).any()]
        if pairs:
            out[:, y, x], count[y, x] = predict(
                fine[pairs], coarse[pairs], target, y, x, window // 2,
                2 * deviation[pairs] / classes, most=num_similar, slope=slope, doubt=doubt,
                least=least_change, valid=valid,
            )  # fmt: skip
    return out, count
