"""What scores are made of: moments over pixels, dates or bands, lazily; and means of maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xstf.metrics.matching import matched
from xstf.metrics.regions import Regions, find_regions

GROUP = 16  # dates that share a task where moments run along time


class Moments(NamedTuple):
    """Population moments of what was reduced, arrays of one shape."""

    number: np.ndarray
    mean_p: np.ndarray
    mean_t: np.ndarray
    var_p: np.ndarray
    var_t: np.ndarray
    cov: np.ndarray
    mse: np.ndarray
    mae: np.ndarray
    diff: np.ndarray


@dataclass(frozen=True, eq=False)
class Sides:
    """Two images that match, (..., y, x), the regions to tell apart, and their moments.

    Attributes
    ----------
    predicted, truth
        With the same order, labels and chunks.
    regions
        None: the whole image.
    """

    predicted: xr.DataArray
    truth: xr.DataArray
    regions: Regions | None = None

    @classmethod
    def of(cls, predicted: xr.DataArray, truth: xr.DataArray, regions: Any = None) -> Sides:
        """Match two images and find the regions."""
        predicted, truth = matched(predicted, truth)
        return cls(predicted, truth, find_regions(regions, predicted))

    @cached_property
    def moments(self) -> xr.DataArray:
        """(..., [region], moment): moments over y and x, found once."""
        return _over_space(self.predicted, self.truth, self.regions)

    def moments_over(self, over: str) -> xr.DataArray:
        """Return moments over "space", "time" or "band", the last dim being `moment`."""
        self.check_over(over)
        if over == "space":
            return self.moments
        return _over_axis(self.predicted, self.truth, over)

    def check_over(self, over: str) -> None:
        """Raise where these images cannot be reduced so."""
        if over == "space":
            return
        if over not in ("time", "band"):
            raise ValueError(f"over={over!r}: metrics reduce 'space' (y and x), 'time' or 'band'")
        if over not in self.predicted.dims:
            raise ValueError(
                f"over={over!r}: the images have dims {self.predicted.dims}, no {over}"
            )
        if self.regions is not None:
            raise ValueError(f"over={over!r} gives a map; cut regions from it, or reduce 'space'")

    def mean(self, image: xr.DataArray) -> xr.DataArray:
        """Return the mean of a map (..., y, x) over its finite pixels, of each region."""
        return average(image, self.regions)


def average(image: xr.DataArray, regions: Regions | None) -> xr.DataArray:
    """Return the mean of a map (..., y, x) over its finite pixels, of each region."""
    return _over_space(image, image, regions).isel(moment=Moments._fields.index("mean_p"))


def pool(parts: np.ndarray, axis: Any, keepdims: bool = False) -> np.ndarray:
    """Return moments (moment, ...) of a whole from those of its parts along one axis or several."""
    m = Moments(*parts)
    axis = tuple(a - 1 for a in np.atleast_1d(axis))
    total = m.number.sum(axis, keepdims=True)
    weight = m.number / np.where(total > 0, total, np.nan)
    some = m.number > 0

    def mean(values: np.ndarray, start: Any = 0.0) -> np.ndarray:
        return (weight * np.where(some, values - start, 0)).sum(axis, keepdims=True) + start

    def least(values: np.ndarray) -> np.ndarray:
        return np.where(some, values, np.inf).min(axis, keepdims=True, initial=np.inf)

    # counted from the least, the mean of equal means is that mean
    lows = (np.where(total > 0, least(a), 0) for a in (m.mean_p, m.mean_t))
    mean_p, mean_t = (mean(a, low) for a, low in zip((m.mean_p, m.mean_t), lows, strict=True))
    p, t = m.mean_p - mean_p, m.mean_t - mean_t
    second = (mean(m.var_p + p * p), mean(m.var_t + t * t), mean(m.cov + p * t))
    errors = (mean(m.mse), mean(m.mae), mean(m.diff))
    whole = np.stack([total, mean_p, mean_t, *second, *errors])
    return whole if keepdims else whole.squeeze(tuple(a + 1 for a in axis))


def tree(parts: Any, combine: Callable[..., np.ndarray], axis: tuple[int, ...]) -> Any:
    """Reduce dask's chunks along axes, a few at a time, so that few parts are held at once."""
    import dask.array as da

    return da.reduction(
        parts,
        chunk=_as_is,
        combine=combine,
        aggregate=combine,
        axis=axis,
        dtype=parts.dtype,
        meta=np.empty((0,) * (parts.ndim - len(axis)), parts.dtype),
    )


def _as_is(part: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    return part


def chunk_parts(
    function: Callable[..., np.ndarray],
    images: list[xr.DataArray],
    regions: Regions | None,
    new: int,
) -> Any:
    """Return function(*images, layers) of every chunk: ([new], ..., 1, 1, region) on dask."""
    import dask.array as da

    ndim = images[0].ndim
    axes = tuple(range(ndim))
    region, fresh, layer = ndim, ndim + 1, ndim + 2
    given: list[Any] = [part for image in images for part in (image.data, axes)]
    given += [None, None] if regions is None else [regions.layers.data, (layer, *axes[-2:])]
    count = 1 if regions is None else len(regions.names)
    first = (fresh,) if new else ()
    return da.blockwise(
        function,
        (*first, *axes, region),
        *given,
        new_axes={region: count} | ({fresh: new} if new else {}),
        adjust_chunks={ndim - 2: 1, ndim - 1: 1},
        concatenate=True,
        dtype=np.float64 if new else object,
        meta=np.empty((0,) * (ndim + 1 + len(first)), np.float64 if new else object),
    )


def _over_space(p: xr.DataArray, t: xr.DataArray, regions: Regions | None) -> xr.DataArray:
    count = 1 if regions is None else len(regions.names)
    function = partial(_region_moments, regions=count)
    if p.chunks is None:
        layers = None if regions is None else regions.layers.values
        found = function(p.values, t.values, layers)[..., 0, 0, :]
    else:
        parts = chunk_parts(function, [p, t], regions, len(Moments._fields))
        found = tree(parts, pool, (p.ndim - 1, p.ndim))
    return labelled_regions(("moment", *p.dims[:-2]), found, p, regions).transpose(..., "moment")


def labelled_regions(
    dims: tuple[Any, ...], values: Any, like: xr.DataArray, regions: Regions | None
) -> xr.DataArray:
    """Return values (*dims, region) with the labels of `like`; without regions, without region."""
    coords = {dim: like.coords[dim] for dim in dims if dim in like.coords}
    if regions is None:
        return xr.DataArray(values[..., 0], coords, dims)
    return xr.DataArray(values, coords | {"region": regions.names}, (*dims, "region"))


def _region_moments(
    p: np.ndarray, t: np.ndarray, layers: np.ndarray | None, regions: int
) -> np.ndarray:
    """(..., y, x) -> (moment, ..., 1, 1, region)."""
    from xstf.kernels.agreement import moments_of_regions

    found = moments_of_regions(p, t, layers, regions)
    return found[..., None, None, :]


def _over_axis(p: xr.DataArray, t: xr.DataArray, dim: str) -> xr.DataArray:
    dims = ("moment", *(d for d in p.dims if d != dim))
    axis = p.get_axis_num(dim)
    if p.chunks is None:
        found: Any = _moments_along(p.values, t.values, axis).squeeze(axis + 1)
    else:
        import dask.array as da

        cut = {axis: _grouped(p.chunks[axis])}
        axes = tuple(range(p.ndim))
        parts = da.blockwise(
            partial(_moments_along, axis=axis),
            (p.ndim, *axes),
            p.data.rechunk(cut),
            axes,
            t.data.rechunk(cut),
            axes,
            new_axes={p.ndim: len(Moments._fields)},
            adjust_chunks={axis: 1},
            dtype=np.float64,
            meta=np.empty((0,) * (p.ndim + 1)),
        )
        found = tree(parts, pool, (axis + 1,))
    coords = {d: p.coords[d] for d in dims if d in p.coords}
    return xr.DataArray(found, coords, dims).transpose(..., "moment")


def _moments_along(p: np.ndarray, t: np.ndarray, axis: int) -> np.ndarray:
    """(..., n, ...) -> (moment, ..., 1, ...)."""
    from xstf.kernels.agreement import moments_along

    found = moments_along(np.moveaxis(p, axis, 0), np.moveaxis(t, axis, 0))
    return np.expand_dims(found, axis + 1)


def _grouped(chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Join neighbouring chunks up to a group each."""
    joined: list[int] = []
    for size in chunks:
        if joined and joined[-1] + size <= GROUP:
            joined[-1] += size
        else:
            joined.append(size)
    return tuple(joined)
