"""Pairs of images to score, with holes, and what slow, obvious numpy makes of them."""

from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from xstf.metrics import (
    bias,
    cc,
    dd,
    edge,
    ergas,
    kge,
    lbp,
    mae,
    ms_ssim,
    psnr,
    r2,
    rmse,
    sam,
    scc,
    ssim,
    uiqi,
)

TIMES = pd.to_datetime(["2020-01-01", "2020-01-17", "2020-02-02"])
BANDS = ["blue", "red", "nir"]
POINTWISE = {
    "rmse": rmse,
    "mae": mae,
    "bias": bias,
    "cc": cc,
    "r2": r2,
    "r2 determination": partial(r2, kind="determination"),
    "psnr": psnr,
    "kge": kge,
    "kge 2012": partial(kge, version=2012),
}
JOINT = {
    "dd": dd,
    "sam": sam,
    "sam cos": partial(sam, unit="cos"),
    "ergas": partial(ergas, scale=8),
}
WINDOWED = {
    "ssim": ssim,
    "ssim 7": partial(ssim, window=7),
    "ssim global": partial(ssim, window="global"),
    "uiqi": uiqi,
    "uiqi 5": partial(uiqi, window=5),
    "uiqi blocks": partial(uiqi, window=4, step="window"),
    "uiqi 6 by 4": partial(uiqi, window=6, step=4),
    "uiqi global": partial(uiqi, window="global"),
    "scc": scc,
    "scc 8": partial(scc, window=8),
    "edge": edge,
    "edge top": partial(edge, top=0.1),
    "lbp": lbp,
    "lbp tolerant": partial(lbp, tolerance=0.05),
}
EVERY = POINTWISE | JOINT | WINDOWED
LARGE = {"ms_ssim": ms_ssim}


def image(values, times=TIMES, bands=None):
    sizes = values.shape[-2:]
    bands = BANDS[: values.shape[-3]] if bands is None else bands
    coords = {"band": bands, "y": 4e6 - 30.0 * np.arange(sizes[0]), "x": 30.0 * np.arange(sizes[1])}
    if values.ndim == 4:
        coords["time"] = times[: len(values)]
    dims = ("time", "band", "y", "x")[-values.ndim :]
    return xr.DataArray(values, coords, dims, attrs={"valid_range": (0.0, 1.0)})


def scene(seed=0, shape=(3, 3, 26, 31), holes=True):
    rng = np.random.default_rng(seed)
    truth = rng.random(shape).astype(np.float32)
    predicted = (0.7 * truth + 0.2 * rng.random(shape)).astype(np.float32)
    if holes:  # few, so that windows without a hole are left
        for array in (truth, predicted):
            array[..., rng.integers(shape[-2]), rng.integers(shape[-1])] = np.nan
        predicted[0, 1, 3, 4] = np.inf
        predicted[2, 0, :, :8] = np.nan  # whole chunks of some tests
        truth[1, 2] = np.nan
    return image(predicted), image(truth)


def each(predicted, truth, one):
    """`one(p, t)` of every band, as nested arrays of float64 with NaN where either is missing."""
    p, t = predicted.values.astype(float), truth.values.astype(float)
    seen = np.isfinite(p) & np.isfinite(t)
    p, t = np.where(seen, p, np.nan), np.where(seen, t, np.nan)
    return np.reshape([one(p[k], t[k]) for k in np.ndindex(p.shape[:-2])], p.shape[:-2])


def flat(one):
    """Give `one` the joint pixels alone."""

    def pixels(p, t):
        seen = np.isfinite(p) & np.isfinite(t)
        return one(p[seen], t[seen]) if seen.any() else np.nan

    return pixels


def windows(one, size, step=1):
    """Mean of `one` over whole windows, or those that it can tell."""

    def slide(p, t):
        found = []
        for i in range(0, p.shape[0] - size + 1, step):
            for j in range(0, p.shape[1] - size + 1, step):
                a, b = p[i : i + size, j : j + size], t[i : i + size, j : j + size]
                if np.isfinite(a).all() and np.isfinite(b).all():
                    found.append(one(a, b))
        found = np.array(found)
        found = found[np.isfinite(found)]
        return found.mean() if found.size else np.nan

    return slide


def pearson(p, t):
    return np.corrcoef(np.ravel(p), np.ravel(t))[0, 1]


def klinggupta(p, t, version=2009):
    beta, alpha = p.mean() / t.mean(), p.std() / t.std()
    alpha = alpha / beta if version == 2012 else alpha
    return 1 - np.sqrt((pearson(p, t) - 1) ** 2 + (alpha - 1) ** 2 + (beta - 1) ** 2)


FORMULAS = {
    "rmse": lambda p, t: np.sqrt(np.mean((p - t) ** 2)),
    "mae": lambda p, t: np.mean(np.abs(p - t)),
    "bias": lambda p, t: np.mean(p - t),
    "cc": pearson,
    "r2": lambda p, t: pearson(p, t) ** 2,
    "r2 determination": lambda p, t: 1 - ((p - t) ** 2).sum() / ((t - t.mean()) ** 2).sum(),
    "psnr": lambda p, t: -10 * np.log10(np.mean((p - t) ** 2)),
    "kge": klinggupta,
    "kge 2012": partial(klinggupta, version=2012),
}
