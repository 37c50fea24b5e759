"""Slow, plain numpy STNLFFM [Cheng 2017], pixel by pixel, coarse images on the fine grid."""

import numpy as np


def restricted_line(x, y, gamma):
    """Slope and offset of eq 13: gamma (a - 1)^2 is one more squared residual."""
    rows = np.append(np.stack([x, np.ones(len(x))], 1), [[np.sqrt(gamma), 0]], axis=0)
    return np.linalg.lstsq(rows, np.append(y, np.sqrt(gamma)), rcond=None)[0]


def window_of(y, x, half, shape):
    """Rows and columns of the window around a pixel, cut at the edge."""
    return [
        (j, i)
        for j in range(max(0, y - half), min(shape[0], y + half + 1))
        for i in range(max(0, x - half), min(shape[1], x + half + 1))
    ]


def patch_distance(pair, target, at, own, radius):
    """Weighted mean difference of two patches of one band, by nested squares."""
    total = weight = 0.0
    for p in range(-radius, radius + 1):
        for q in range(-radius, radius + 1):
            share = sum(1 / (2 * r + 1) ** 2 for r in range(max(abs(p), abs(q)), radius + 1))
            values = []
            for image, (y, x) in ((pair, at), (target, own)):
                inside = 0 <= y + p < image.shape[0] and 0 <= x + q < image.shape[1]
                values.append(image[y + p, x + q] if inside else np.nan)
            gap = abs(values[0] - values[1])
            if not np.isnan(gap):
                total += share * gap
                weight += share
    return total / weight if weight else np.nan


def counted(fine, step, gap, tolerance, limits, half):
    """For each pixel of one band and pair: what is alike [eq 6] and counts [eq 7, or program].

    Fine is (band, y, x); step and gap, (y, x), are sizes of coarse change and fine difference.
    """
    lists = {}
    for y, x in np.ndindex(step.shape):
        lists[y, x] = []
        for j, i in window_of(y, x, half, step.shape):
            if not (abs(fine[:, j, i] - fine[:, y, x]) <= tolerance[:, y, x]).all():
                continue
            steady = abs(step[j, i] - step[y, x]) < limits[1]
            near = gap[j, i] < gap[y, x] + limits[0]
            if not np.isnan(step[j, i]) and (steady or near):
                lists[y, x].append((j, i))
    return lists


def stnlffm(
    fine, coarse, target, *, window, tolerance=0.01, rule="paper", gamma=1.0, h=0.15, patch=1,
    valid=(0.0, 1.0),
):  # fmt: skip
    """Fine and coarse (pair, band, y, x), target (band, y, x)."""
    fine, coarse, target = (a.astype(float) for a in (fine, coarse, target))
    pairs, bands, height, width = fine.shape
    half = window // 2
    limits = (-np.inf, 0.005) if rule == "paper" else (np.hypot(0.005, 0.005), 0.005 * 2**0.5)
    sums = np.zeros((3, pairs, bands, height, width))
    moved = np.full(fine.shape, np.nan)
    for k, b in np.ndindex(pairs, bands):
        after = target[b] + 0 * coarse[k, b]  # a patch counts where both dates are there
        lists = counted(
            fine[k], abs(after - coarse[k, b]), abs(fine[k, b] - coarse[k, b]),
            tolerance * 2 ** fine[k], limits, half,
        )  # fmt: skip
        for own, near in lists.items():
            if near:
                u, v = (np.array([image[at] for at in near]) for image in (coarse[k, b], after))
                slope, offset = restricted_line(u, v, gamma)
                moved[k, b][own] = slope * fine[k, b][own] + offset
        inside = (moved[k, b] >= valid[0]) & (moved[k, b] <= valid[1])
        usable = np.where(inside, moved[k, b], np.nan)
        for own, near in lists.items():
            for at in near:
                apart = patch_distance(coarse[k, b], after, at, own, patch // 2)
                if not np.isnan(apart + usable[at]):
                    weight = np.exp(-apart / h**2)
                    sums[(slice(None), k, b, *own)] += weight * usable[at], weight, 1
    return mixed(sums, moved, target - coarse, half, rule, valid), sums[2].sum(axis=0)


def mixed(sums, moved, step, half, rule, valid):
    """The pairs together [eq 9, 10]."""
    pairs, bands, height, width = moved.shape
    out = np.full(moved.shape[1:], np.nan)
    for b, y, x in np.ndindex(bands, height, width):
        at = tuple(np.array(window_of(y, x, half, (height, width))).T)
        sizes = np.array([np.nanmean(abs(step[k, b][at])) for k in range(pairs)])
        share = 1 / (sizes + 1e-30)
        total = weight = 0.0
        for k in range(pairs):
            said, mass, _ = sums[:, k, b, y, x]
            if mass > 0:
                total += share[k] * (said / mass if rule == "code" else said)
                weight += share[k] * (1 if rule == "code" else mass)
        own = moved[:, b, y, x]
        if weight > 0:
            out[b, y, x] = total / weight
        elif not np.isnan(own).all():
            out[b, y, x] = np.nanmean(np.clip(own, *valid))
    return out
