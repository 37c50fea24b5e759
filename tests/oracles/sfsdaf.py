"""SFSDAF with a class map, pixel by pixel, for scenes without gaps."""

from itertools import combinations

import numpy as np
from scipy.optimize import lsq_linear

from tests.oracles import upsampled


def soft_classes(fine, classes):
    """Share of each class in each pixel, by squared Mahalanobis distance."""
    out = []
    for c in range(1, classes.max() + 1):
        inside = fine[:, classes == c]
        gap = fine - inside.mean(axis=1)[:, None, None]
        inverse = np.linalg.inv(np.atleast_2d(np.cov(inside)))
        out.append(1 / np.einsum("byx,bd,dyx->yx", gap, inverse, gap))
    return np.array(out) / np.sum(out, axis=0)


def purest(shares, most):
    """Places of the largest shares of each class."""
    return [
        [i for i in sorted(range(len(s)), key=lambda i: (-s[i], i))[:most] if s[i] > 0.01]
        for s in shares
    ]


def steady(shares, step, most):
    """Cells of middling change among the purest."""
    cells = set()
    for order in purest(shares, most):
        ranked = sorted(abs(step[order]))
        low, high = (ranked[int(np.ceil(q * len(order))) - 1] for q in (0.25, 0.75))
        cells |= {i for i in order if low <= abs(step[i]) <= high}
    return sorted(cells)


def solved(rows, values, low, high):
    return lsq_linear(rows, values, (low, high), method="trf", tol=1e-14, max_iter=1000).x


def new_shares(ends, cell, before):
    """The best of all choices of the classes that take part, one cell."""
    count = len(before)
    best, least = before, np.inf
    ridge = 1e-8 * (ends**2).sum()
    for n in range(1, count + 1):
        for some in map(list, combinations(range(count), n)):
            system = np.zeros((n + 1, n + 1))
            system[:n, :n] = ends[:, some].T @ ends[:, some] + ridge * np.eye(n)
            system[n, :n] = system[:n, n] = 1
            side = np.append(ends[:, some].T @ cell + ridge * before[some], 1)
            share = np.zeros(count)
            share[some] = np.linalg.solve(system, side)[:n]
            cost = ((ends @ share - cell) ** 2).sum() + ridge * ((share - before) ** 2).sum()
            if share.min() >= 0 and cost < least:
                best, least = share, cost
    return best


def alike(images, values, half, similar, scale):
    """Mean of values (channel, y, x) over the pixels most alike in images (image, y, x)."""
    height, width = images.shape[1:]
    out = np.empty(values.shape)
    for y in range(height):
        for x in range(width):
            rows, columns = (
                np.arange(max(0, at - half), min(size, at + half + 1))
                for at, size in ((y, height), (x, width))
            )
            part = (slice(None), rows[:, None], columns)
            gap = abs(images[part] - images[:, y, x][:, None, None]).sum(axis=0).ravel()
            far = np.hypot(rows[:, None] - y, columns - x).ravel()
            best = np.lexsort([far, gap])[:similar]
            weight = 1 / (1 + far[best] / (scale / 2))
            said = values[part].reshape(len(values), -1)[:, best]
            out[:, y, x] = (said * weight).sum(axis=1) / weight.sum()
    return out


def sfsdaf(fine, coarse, target, classes, scale, *, similar, pure):
    """Li 2020: fine (band, y, x), coarse and target (band, rows, columns); NaN near the edge."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    bands, height, width = fine.shape
    rows, columns = coarse.shape[1:]
    count = int(classes.max())
    soft = soft_classes(fine, classes)
    before = soft.reshape(count, rows, scale, columns, scale).mean(axis=(2, 4))
    flat = before.reshape(count, -1)
    start, gain, ends = np.empty((3, bands, count))
    chosen = sorted(set(sum(purest(soft.reshape(count, -1), 300), [])))
    for b in range(bands):
        values, old, new = fine[b].ravel(), coarse[b].ravel(), target[b].ravel()
        step = new - old
        start[b] = solved(
            soft.reshape(count, -1)[:, chosen].T, values[chosen], values.min(), values.max()
        )
        spread = step.std(ddof=1)
        some = steady(flat, step, 2 * pure)
        gain[b] = solved(flat[:, some].T, step[some], step.min() - spread, step.max() + spread)
        some = steady(flat, step, pure)
        ends[b] = solved(flat[:, some].T, new[some], new.min(), new.max())
    after = np.array(
        [
            [new_shares(ends, target[:, i, j], before[:, i, j]) for j in range(columns)]
            for i in range(rows)
        ]
    ).transpose(2, 0, 1)
    moved = np.array([upsampled(c, scale) for c in after - before])
    moved = alike(soft, moved, scale // 2, similar, scale)
    mixed = np.clip(soft + moved, 0, 1)
    mixed /= mixed.sum(axis=0)
    temporal = np.einsum("bc,cyx->byx", start + gain, mixed) - np.einsum("bc,cyx->byx", start, soft)
    half = scale // 2
    alone = np.array(
        [
            [
                (
                    classes[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
                    == classes[y, x]
                ).mean()
                for x in range(width)
            ]
            for y in range(height)
        ]
    )
    change = np.empty(fine.shape)
    for b in range(bands):
        spatial = upsampled(target[b], scale)
        for i in range(rows):
            for j in range(columns):
                at = np.s_[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
                left = target[b, i, j] - coarse[b, i, j] - temporal[b][at].mean()
                apart = abs(spatial[at] - fine[b][at] - temporal[b][at])
                weight = apart * alone[at] + abs(left) * (1 - alone[at]) + 1e-10
                change[b][at] = temporal[b][at] + left * weight / weight.mean()
    out = fine + alike(fine, change, scale, similar, scale)
    step = (target - coarse).repeat(scale, 1).repeat(scale, 2)
    return np.where((out < 0) | (out > 1), np.clip(fine + step, 0, 1), out)
