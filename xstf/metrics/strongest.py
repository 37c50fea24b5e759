"""The mean of a map where another is strongest: exact over the whole image, in one reading."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xstf.metrics.moments import chunk_parts, labelled_regions, tree
from xstf.metrics.regions import Regions


class Ranking(NamedTuple):
    """The strongest pixels of a part of the image, those of one strength together.

    Attributes
    ----------
    pixels
        How many pixels the part has, with those that are too weak to be listed.
    strengths, counts, sums
        Falling strengths, how many pixels have each, and the sum of their values.
    """

    pixels: int
    strengths: np.ndarray
    counts: np.ndarray
    sums: np.ndarray


def mean_of_strongest(
    values: xr.DataArray, strength: xr.DataArray, share: float, regions: Regions | None
) -> xr.DataArray:
    """Return the mean of `values` over the share of pixels (y, x) where `strength` is largest.

    Pixels that tie with the last count too. No more than the share of the whole image can be
    chosen, so what is weaker than so many pixels of any part is forgotten.
    """
    dims = values.dims[:-2]
    most = int(np.ceil(share * values.sizes["y"] * values.sizes["x"]))
    count = 1 if regions is None else len(regions.names)
    rank = partial(_rank, most=most, regions=count)
    if values.chunks is None:
        layers = None if regions is None else regions.layers.values
        found: Any = rank(values.values, strength.values, layers)[..., 0, 0, :]
    else:
        parts = chunk_parts(rank, [values, strength], regions, 0)
        found = tree(parts, partial(_joined, most=most), (values.ndim - 2, values.ndim - 1))
    ranked = labelled_regions(dims, found, values, regions)
    return xr.apply_ufunc(
        partial(_mean, share=share),
        ranked,
        vectorize=True,
        dask="parallelized",
        output_dtypes=[np.float64],
    )


def _rank(
    values: np.ndarray, strength: np.ndarray, layers: np.ndarray | None, most: int, regions: int
) -> np.ndarray:
    """(..., y, x) -> (..., 1, 1, region) of rankings."""
    out = np.empty((*values.shape[:-2], 1, 1, regions), object)
    for at in np.ndindex(*values.shape[:-2], regions):
        seen = np.isfinite(values[at[:-1]]) & np.isfinite(strength[at[:-1]])
        if layers is not None:
            seen &= (layers == at[-1] + 1).any(axis=0)
        ones = np.ones(np.count_nonzero(seen), np.int64)
        found = Ranking(len(ones), strength[at[:-1]][seen], ones, values[at[:-1]][seen])
        out[*at[:-1], 0, 0, at[-1]] = _merged([found], most)
    return out


def _joined(parts: np.ndarray, axis: Any, keepdims: bool, most: int) -> np.ndarray:
    """Join rankings along axes."""
    axis = tuple(a % parts.ndim for a in np.atleast_1d(axis))
    rest = tuple(a for a in range(parts.ndim) if a not in axis)
    lined = parts.transpose(*rest, *axis).reshape(*(parts.shape[a] for a in rest), -1)
    out = np.empty(lined.shape[:-1], object)
    for at in np.ndindex(*out.shape):
        out[at] = _merged(list(lined[at]), most)
    return np.expand_dims(out, axis) if keepdims else out


def _merged(parts: list[Ranking], most: int) -> Ranking:
    """Join rankings, as far down as the strongest `most` pixels and those that tie."""
    strengths, counts, sums = (np.concatenate([p[k] for p in parts]) for k in (1, 2, 3))
    falling, at = np.unique(-strengths, return_inverse=True)
    number = np.bincount(at, counts, len(falling)).astype(np.int64)
    total = np.bincount(at, sums, len(falling))
    keep = int(np.searchsorted(np.cumsum(number), most)) + 1
    pixels = sum(p.pixels for p in parts)
    return Ranking(pixels, -falling[:keep], number[:keep], total[:keep])


def _mean(ranking: Ranking, share: float) -> float:
    if not ranking.pixels:
        return np.nan
    wanted = int(np.ceil(share * ranking.pixels))
    keep = int(np.searchsorted(np.cumsum(ranking.counts), wanted)) + 1
    return float(ranking.sums[:keep].sum() / ranking.counts[:keep].sum())
