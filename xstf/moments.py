"""What scores are made of: moments of whole images and of sliding windows, lazily."""

from typing import Any

import numpy as np
import xarray as xr

from xstf.matching import matched

MOMENTS = ("count", "mean_p", "mean_t", "var_p", "var_t", "cov", "mse")


def moments(predicted: xr.DataArray, truth: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return population moments over y and x, in one pass: by chunk, then of all chunks."""
    p, t = matched(predicted, truth)
    if p.chunks is None:
        parts = _chunk_moments(p.values, t.values)
    else:
        ones = [(1,) * len(c) for c in p.chunks[-2:]]
        parts = p.data.map_blocks(
            _chunk_moments,
            t.data,
            chunks=(*p.chunks[:-2], *ones, (len(MOMENTS),)),
            new_axis=p.ndim,
            meta=np.empty((0,) * (p.ndim + 1)),
        )
    coords = {dim: p.coords[dim] for dim in p.dims[:-2] if dim in p.coords}
    found = xr.apply_ufunc(
        lambda rows: _pool(*rows[rows[..., 0] > 0].T),
        xr.DataArray(parts, coords, (*p.dims, "moment")),
        input_core_dims=[["y", "x", "moment"]],
        output_core_dims=[["moment"]],
        vectorize=True,
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": {"moment": len(MOMENTS)}},
        output_dtypes=[np.float64],
    )
    return {name: found.isel(moment=i) for i, name in enumerate(MOMENTS)}


def _chunk_moments(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(..., y, x) -> (..., 1, 1, moment)."""

    def one(p: np.ndarray, t: np.ndarray) -> np.ndarray:
        seen = np.isfinite(p) & np.isfinite(t)
        p, t = p[seen].astype(np.float64), t[seen].astype(np.float64)
        return _pool(1, p, t, 0, 0, 0, (p - t) ** 2)[None, None]

    return np.vectorize(one, signature="(y,x),(y,x)->(i,j,k)", otypes=[np.float64])(p, t)


def _pool(count: Any, p: np.ndarray, t: np.ndarray, *second: Any) -> np.ndarray:
    """Moments of a whole from those of its parts; a pixel is a part of count 1, variance 0."""
    if not p.size:
        return np.array([0.0] + [np.nan] * (len(MOMENTS) - 1))
    total = np.broadcast_to(count, p.shape).sum()
    # Counted from the minimum, a constant side has a variance of exactly 0.
    mean_p, mean_t = (a.min() + (count * (a - a.min())).sum() / total for a in (p, t))
    p, t = p - mean_p, t - mean_t
    both = zip(second, (p * p, t * t, p * t, 0), strict=True)
    return np.array([total, mean_p, mean_t, *((count * (a + b)).sum() / total for a, b in both)])


def windows(
    formula: Any, predicted: xr.DataArray, truth: xr.DataArray, *numbers: Any
) -> xr.DataArray:
    """Value of each window at its centre (the pixel after it for even sides), or NaN."""
    p, t = matched(predicted, truth)
    if p.chunks is None:
        return p.copy(data=_slide(p.values, t.values, formula, numbers))
    import dask.array as da

    # map_overlap joins chunks smaller than the halo; images smaller than it come whole.
    depth = {axis: min(numbers[0] // 2, p.shape[axis]) for axis in (p.ndim - 2, p.ndim - 1)}
    meta = np.empty((0,) * p.ndim)
    rules = {"depth": depth, "boundary": "none", "meta": meta}
    given = {"formula": formula, "numbers": numbers}
    return p.copy(data=da.map_overlap(_slide, p.data, t.data, **rules, **given))


def _slide(p: np.ndarray, t: np.ndarray, formula: Any, numbers: tuple) -> np.ndarray:
    def one(p: np.ndarray, t: np.ndarray) -> np.ndarray:
        seen = np.isfinite(p) & np.isfinite(t)
        p, t = (np.where(seen, a, 0).astype(np.float64) for a in (p, t))
        whole = extreme("minimum", seen.astype(np.uint8), numbers[0]) == 1
        return np.where(whole, formula(p, t, *numbers), np.nan)

    return np.vectorize(one, signature="(y,x),(y,x)->(y,x)", otypes=[np.float64])(p, t)


def window_moments(p: np.ndarray, t: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Return mean_p, mean_t, var_p, var_t and cov of the weighted window around each pixel."""
    from scipy import ndimage

    def mean(a: np.ndarray) -> np.ndarray:  # each window summed afresh: the same on any chunk
        for axis in (0, 1):
            a = ndimage.correlate1d(a, weights, axis, mode="constant")
        return a

    mean_p, mean_t = mean(p), mean(t)
    var_p, var_t = mean(p * p) - mean_p**2, mean(t * t) - mean_t**2
    cov = mean(p * t) - mean_p * mean_t
    return [mean_p, mean_t, np.maximum(var_p, 0), np.maximum(var_t, 0), cov]


def extreme(which: str, a: np.ndarray, window: int) -> np.ndarray:
    """Minimum or maximum in each window, 0 counting off the image."""
    from scipy import ndimage

    return getattr(ndimage, f"{which}_filter")(a, size=window, mode="constant", cval=0)
