"""What the windows of two images give, lazily, each chunk with a halo of its neighbours."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xstf.metrics.moments import Moments, labelled_regions, pool, tree
from xstf.metrics.regions import Regions

HALO = 5  # pixels, of most kernels; smaller ones take it too, so that all share the same chunks


class Kernel(NamedTuple):
    """A function of `xstf.kernels.similarity` that maps (..., y, x) arrays, and what it is given.

    Attributes
    ----------
    name
        Of the function; it returns a map, or a map of each side.
    side
        Of its window, in pixels.
    numbers
        For the function.
    step
        Pixels from one window that counts to the next; the first lies in the image's corner.
    """

    name: str
    side: int
    numbers: dict[str, Any]
    step: int = 1

    def run(self, *images: np.ndarray) -> Any:
        """Return the map of (..., y, x) arrays."""
        from xstf.kernels import similarity

        return getattr(similarity, self.name)(*images, **self.numbers)


def slide(kernel: Kernel, *images: xr.DataArray) -> xr.DataArray:
    """Return the map of a kernel's windows, (..., y, x) float64.

    Each window's value lies at its centre (even sides: the pixel after it), NaN where it leaves the
    image or holds a missing pixel. The images are cut alike.
    """
    first = images[0]
    if first.chunks is None:
        return first.copy(data=kernel.run(*(i.values for i in images)))
    import dask.array as da

    # map_overlap joins chunks smaller than the halo; images smaller than it come whole
    depth = {axis: _depth(kernel, first.shape[axis]) for axis in (first.ndim - 2, first.ndim - 1)}
    rules = {"depth": depth, "boundary": "none", "meta": np.empty((0,) * first.ndim)}
    return first.copy(data=da.map_overlap(kernel.run, *(i.data for i in images), **rules))


def window_means(
    kernel: Kernel, *images: xr.DataArray, regions: Regions | None = None
) -> xr.DataArray:
    """Return the means of the map that `slide` gives, each window counted where its centre lies."""
    found = window_moments(kernel, *images, regions=regions)
    return found.isel(moment=Moments._fields.index("mean_p"))


def window_moments(
    kernel: Kernel, *images: xr.DataArray, regions: Regions | None = None
) -> xr.DataArray:
    """Return moments over y and x of the map or maps that a kernel gives, (..., [region], moment).

    No map is held: a plane at a time is mapped and summed.
    """
    first = images[0]
    count = 1 if regions is None else len(regions.names)
    if first.chunks is None:
        places: list[Any] = [np.array([[0, 0, size]]) for size in first.shape[-2:]]
        layers = None if regions is None else regions.layers.values
        arrays = [i.values for i in images]
        parts = _chunk(places[0], places[1], layers, *arrays, kernel=kernel, regions=count)
        found = parts[..., 0, 0, :]
    else:
        found = _lazy(kernel, images, regions, count)
    dims = ("moment", *first.dims[:-2])
    return labelled_regions(dims, found, first, regions).transpose(..., "moment")


def _lazy(
    kernel: Kernel, images: tuple[xr.DataArray, ...], regions: Regions | None, count: int
) -> Any:
    import dask.array as da

    ndim = images[0].ndim
    axes = tuple(range(ndim))
    region, moment, layer, place = range(ndim, ndim + 4)
    depth, cut, given = {}, {}, []
    for axis in axes[-2:]:
        depth[axis] = _depth(kernel, images[0].shape[axis])
        chunks = images[0].data.chunks[axis]
        cut[axis] = da.overlap.ensure_minimum_chunksize(depth[axis], chunks)
        given += [_places(cut[axis], depth[axis]), (axis, place)]
    if regions is None:
        given += [None, None]
    else:
        layers = {axis - ndim + 3: sizes for axis, sizes in cut.items()}
        given += [regions.layers.data.rechunk(layers), (layer, *axes[-2:])]
    for image in images:
        given += [da.overlap.overlap(image.data.rechunk(cut), depth, "none"), axes]
    parts = da.blockwise(
        partial(_chunk, kernel=kernel, regions=count),
        (moment, *axes, region),
        *given,
        new_axes={region: count, moment: len(Moments._fields)},
        adjust_chunks={ndim - 2: 1, ndim - 1: 1},
        align_arrays=False,
        concatenate=True,
        dtype=np.float64,
        meta=np.empty((0,) * (ndim + 2)),
    )
    return tree(parts, pool, (ndim - 1, ndim))


def _chunk(
    rows: np.ndarray,
    columns: np.ndarray,
    layers: Any,
    *images: np.ndarray,
    kernel: Kernel,
    regions: int,
) -> np.ndarray:
    """Return moments (moment, ..., 1, 1, region) of the windows whose centres lie in a chunk."""
    from xstf.kernels.agreement import FIELDS, moments_of_regions

    lead = images[0].shape[:-2]
    out = np.empty((FIELDS, *lead, 1, 1, regions))
    inner = _inner(rows, kernel), _inner(columns, kernel)
    if layers is not None:
        late = (i.start - int(p[0, 1]) for i, p in zip(inner, (rows, columns), strict=True))
        layers = layers[(slice(None), *(slice(n, None, kernel.step) for n in late))]
    for at in np.ndindex(*lead):
        found = kernel.run(*(i[at] for i in images))
        p, t = found if isinstance(found, tuple) else (found, found)
        out[(slice(None), *at, 0, 0)] = moments_of_regions(p[inner], t[inner], layers, regions)
    return out


def _inner(place: np.ndarray, kernel: Kernel) -> slice:
    """Return which pixels of a chunk with its halo are centres of windows that count."""
    start, before, size = (int(n) for n in place[0])
    late = (kernel.side // 2 - start) % kernel.step
    return slice(before + late, before + size, kernel.step)


def _places(sizes: tuple[int, ...], depth: int) -> Any:
    """Return each chunk's first pixel, halo before it, and size: (chunk, 3) on dask."""
    import dask.array as da

    starts = np.cumsum([0, *sizes[:-1]])
    before = np.where(starts > 0, depth, 0)
    return da.from_array(np.stack([starts, before, sizes], axis=1), chunks=(1, 3))


def _depth(kernel: Kernel, size: int) -> int:
    return min(max(kernel.side // 2, HALO), size)
