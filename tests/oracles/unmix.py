"""UBDF, STDFA and STRUM with a class map, cell by cell."""

import numpy as np
from scipy.optimize import lsq_linear


def alike_classes(fine, classes):
    """The other classes of each class by falling cosine of their mean values; by distance in one
    band."""
    count = int(classes.max())
    means = np.array([fine[:, classes == c + 1].mean(axis=1) for c in range(count)], float)
    out = []
    for c in range(count):
        if len(fine) == 1:
            apart = [abs(m - means[c])[0] for m in means]
        else:
            apart = [-(m @ means[c]) / np.linalg.norm(m) / np.linalg.norm(means[c]) for m in means]
        out.append([k for k in np.argsort(apart, kind="stable") if k != c])
    return out


def shares_of(classes, scale, least, alike):
    """Shares (class, rows, columns), small ones merged; all zero with half of a cell unknown."""
    count = int(classes.max())
    rows, columns = classes.shape[0] // scale, classes.shape[1] // scale
    out = np.zeros((count, rows, columns))
    for i in range(rows):
        for j in range(columns):
            cell = classes[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
            if (cell > 0).mean() < 0.5:
                continue
            share = np.array([(cell == c + 1).sum() for c in range(count)]) / (cell > 0).sum()
            while True:
                held = [c for c in range(count) if share[c] > 0]
                small = min(held, key=lambda c: share[c])
                if share[small] >= least or len(held) == 1:
                    break
                heir = next(c for c in alike[small] if share[c] > 0)
                share[heir] += share[small]
                share[small] = 0
            out[:, i, j] = share
    return out


def unmixed(
    values, classes, scale, *, window, low, high, least, alike, absent=0.0, prior=1e-8, purest=False
):
    """What its class says of each pixel: one coarse image (y, x), NaN where a cell is missing."""
    shares = shares_of(classes, scale, least, alike)
    count, rows, columns = shares.shape
    half = window // 2
    out = np.full(classes.shape, np.nan)
    for i in range(rows):
        for j in range(columns):
            part = np.s_[max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
            own = shares[(slice(None), *part)].reshape(count, -1)
            most = own.max(axis=1)
            limit = absent if (most > absent).any() else 0.0
            kept = [c for c in range(count) if most[c] > limit]
            stands = [
                c if c in kept else next(k for k in alike[c] if k in kept) for c in range(count)
            ]
            a = np.array(
                [
                    [own[[s == k for s in stands], n].sum() for k in kept]
                    for n in range(own.shape[1])
                ]
            )
            y = values[part].ravel().astype(float)
            told = ~np.isnan(y) & (a.sum(axis=1) > 0)
            if not told.any():
                continue
            a, y = a[told], y[told]
            if purest:
                best = a.argmax(axis=0)
                weight, centre = prior * a.max(axis=0), y[best]
            else:
                weight, centre = np.full(len(kept), prior * len(y)), np.full(len(kept), y.mean())
            a = np.vstack([a, np.diag(np.sqrt(weight))])
            y = np.append(y, np.sqrt(weight) * centre)
            e = np.full(len(kept), low)
            if high > low:
                e = lsq_linear(a, y, (low, high), method="trf", tol=1e-14, max_iter=500).x
            for c in range(count):
                at = np.s_[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
                out[at][classes[at] == c + 1] = e[kept.index(stands[c])]
    alone = values.repeat(scale, 0).repeat(scale, 1)
    return np.where((classes > 0) & ~np.isnan(out), out, alone)


def fused(method, fine, coarse, target, classes, scale, *, window, rule="code", noise=0.5):
    """Fine (band, y, x), coarse and target (band, rows, columns), valid range 0 to 1."""
    alike = alike_classes(fine, classes)
    least = 0.0 if method == "ubdf" or rule == "paper" else 0.05
    known = {"window": window, "least": least, "alike": alike}
    out = np.empty(fine.shape)
    for b in range(len(fine)):
        if method == "ubdf":
            out[b] = unmixed(target[b], classes, scale, low=0.0, high=np.nanmax(target[b]), **known)
        elif method == "stdfa":
            low, high = (0.0, 1.0) if rule == "code" else (-np.inf, np.inf)
            before, after = (
                unmixed(image[b], classes, scale, low=low, high=high, **known)
                for image in (coarse, target)
            )
            out[b] = fine[b] + after - before
        else:
            step = target[b].astype(float) - coarse[b]
            spread = np.nanstd(step, ddof=1)
            limits = {"low": np.nanmin(step) - spread, "high": np.nanmax(step) + spread}
            if rule == "paper":
                limits = {"low": -np.inf, "high": np.inf}
                known |= {"absent": 0.1, "prior": noise**2, "purest": True}
            out[b] = fine[b] + unmixed(step, classes, scale, **limits, **known)
    return out
