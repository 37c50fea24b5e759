"""Slow, plain numpy: what each method says, pixel by pixel, straight from the equations."""

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.optimize import lsq_linear


def cubic_weight(d):
    d = abs(d)
    if d < 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def upsampled(cells, scale, weight=cubic_weight):
    """Coarse (y, x) at fine pixels, only where the whole kernel lies in the scene; else NaN."""
    rows, columns = cells.shape
    out = np.full((rows * scale, columns * scale), np.nan)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            at_y, at_x = (y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5
            total = 0.0
            for i in range(int(np.floor(at_y)) - 1, int(np.floor(at_y)) + 3):
                for j in range(int(np.floor(at_x)) - 1, int(np.floor(at_x)) + 3):
                    w = weight(at_y - i) * weight(at_x - j)
                    inside = 0 <= i < rows and 0 <= j < columns
                    if w:
                        total += w * cells[i, j] if inside else np.nan
            out[y, x] = total
    return out


def starfm(
    fine, coarse, target, *, window, classes, rule="code", temporal=None, logistic=False,
    distance=25.0, uncertainty_fine=0.005, uncertainty_coarse=0.005, step=1e-4,
):  # fmt: skip
    """Gao 2006, one band: fine and coarse (pair, y, x), target (y, x), all on the fine grid."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    if temporal is None:
        temporal = rule == "paper" or len(fine) > 1
    half = window // 2
    pairs, height, width = fine.shape
    gap, move = abs(fine - coarse), abs(target - coarse)
    moved = fine + target - coarse
    sigma_spectral = np.hypot(uncertainty_fine, uncertainty_coarse)
    sigma_temporal = np.sqrt(2) * uncertainty_coarse
    tolerance = 2 * np.array([np.nanstd(f) for f in fine]) / classes
    full = np.hypot(sigma_spectral, sigma_temporal) / step

    def cost(difference):
        if logistic:
            return np.log(difference / step + 2) / np.log(2)
        return difference / step + 1

    choose = np.fmax if rule == "paper" else np.fmin
    out = np.full((height, width), np.nan)
    for y in range(height):
        for x in range(width):
            limit_gap = choose.reduce(gap[:, y, x]) + sigma_spectral
            limit_move = choose.reduce(move[:, y, x]) + sigma_temporal
            total = weight = 0.0
            for k in range(pairs):
                for j in range(max(0, y - half), min(height, y + half + 1)):
                    for i in range(max(0, x - half), min(width, x + half + 1)):
                        if not abs(fine[k, j, i] - fine[k, y, x]) <= tolerance[k]:
                            continue
                        if np.isnan(moved[k, j, i]):
                            continue
                        far_gap = gap[k, j, i] > limit_gap
                        far_move = move[k, j, i] > limit_move
                        if (far_gap and far_move) or (rule == "paper" and (far_gap or far_move)):
                            continue
                        q = cost(gap[k, j, i]) * (cost(move[k, j, i]) if temporal else 1)
                        if rule == "code" and not logistic and q < full:
                            w = 1.0
                        else:
                            w = 1 / (q * (1 + np.hypot(j - y, i - x) / distance))
                        total += w * moved[k, j, i]
                        weight += w
            if weight > 0:
                out[y, x] = total / weight
            elif not np.isnan(moved[:, y, x]).all():
                out[y, x] = np.nanmean(moved[:, y, x])
    return out


def spline(cells, scale):
    """Thin-plate spline of the cell centres at the fine pixels, one global solve."""
    rows, columns = cells.shape
    centres = np.array([(i, j) for i in range(rows) for j in range(columns)], float)
    pixels = np.array(
        [
            ((y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5)
            for y in range(rows * scale)
            for x in range(columns * scale)
        ]
    )
    solved = RBFInterpolator(centres, cells.ravel().astype(float), kernel="thin_plate_spline")
    return solved(pixels).reshape(rows * scale, columns * scale)


def class_changes(fractions, change, pure):
    """Zhu 2016 eq 2-4, one band: fractions (class, cell), change (cell,)."""
    rows, values = [], []
    for share in fractions:
        n = min(pure, sum(share > 0.01))
        order = sorted(range(len(share)), key=lambda i: (-share[i], -i))[:n]
        ranked = sorted(change[i] for i in order)
        low, high = ranked[int(0.1 * n)], ranked[min(int(0.9 * n), n - 1)]
        for i in order:
            if low <= change[i] <= high:
                rows.append(fractions[:, i])
                values.append(change[i])
    spread = np.std(change, ddof=1)
    bounds = change.min() - spread, change.max() + spread
    return lsq_linear(np.array(rows), np.array(values), bounds, method="trf", tol=1e-14).x


def fsdaf(fine, coarse, target, classes, scale, *, window, num_similar, pure, valid=(0.0, 1.0)):
    """Zhu 2016 with a class map: fine (band, y, x), coarse and target (band, rows, columns)."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    bands, height, width = fine.shape
    rows, columns = coarse.shape[1:]
    half, count = window // 2, int(classes.max())
    clipped = np.empty_like(fine)
    for b in range(bands):
        ranked = np.sort(fine[b].ravel())
        n = len(ranked)
        low, high = ranked[int(1e-4 * n)], ranked[min(int((1 - 1e-4) * n), n - 1)]
        inner = ranked[(ranked > low) & (ranked < high)]
        clipped[b] = np.clip(fine[b], inner[0], inner[-1])
    fractions = np.zeros((count, rows * columns))
    for i in range(rows):
        for j in range(columns):
            cell = classes[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
            for c in range(count):
                fractions[c, i * columns + j] = (cell == c + 1).mean()
    alone = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            part = classes[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
            alone[y, x] = (part == classes[y, x]).mean()
    change = np.zeros_like(fine)
    for b in range(bands):
        gain = class_changes(fractions, (target[b] - coarse[b]).ravel(), pure)
        temporal = clipped[b] + gain[classes - 1]
        spatial = spline(target[b], scale)
        lowest = max(valid[0], min(target[b].min(), temporal.min()))
        highest = min(valid[1], max(target[b].max(), temporal.max()))
        for i in range(rows):
            for j in range(columns):
                at = np.s_[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
                left = target[b, i, j] - coarse[b, i, j] - gain[classes[at] - 1].mean()
                apart = spatial[at] - temporal[at]
                apart[apart > 0 if left <= 0 else apart < 0] = 0
                weight = abs(apart) * alone[at] + abs(left) * (1 - alone[at]) + 1e-10
                weight /= weight.mean()
                weight[weight > 10] = 1
                weight /= weight.mean()
                change[b][at] = np.clip(temporal[at] + weight * left, lowest, highest)
                change[b][at] -= clipped[b][at]
    tolerance = 2 * fine.std(axis=(1, 2), ddof=1) / count
    out = np.empty_like(fine)
    for y in range(height):
        for x in range(width):
            found = []
            for j in range(max(0, y - half), min(height, y + half + 1)):
                for i in range(max(0, x - half), min(width, x + half + 1)):
                    gap = abs(fine[:, j, i] - fine[:, y, x])
                    if (gap > tolerance).any():
                        continue
                    differ = (gap / (abs(fine[:, y, x]) + 1e-12)).sum()
                    far = np.hypot(j - y, i - x) / half
                    found.append(((differ + 1e-5) * (10 + far), differ, far, j, i))
            best = sorted(found, key=lambda f: f[0])[:num_similar]
            weights = np.array([1 / ((1 + f[2]) * (1 + f[1])) for f in best])
            told = np.array([change[:, f[3], f[4]] for f in best])
            value = fine[:, y, x] + (weights[:, None] * told).sum(axis=0) / weights.sum()
            cell = (slice(None), y // scale, x // scale)
            moved = np.clip(fine[:, y, x] + target[cell] - coarse[cell], *valid)
            out[:, y, x] = np.where((value < valid[0]) | (value > valid[1]), moved, value)
    return out
