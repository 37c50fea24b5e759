"""Parts of an image to score apart: a mask, labels, or masks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xstf.metrics.matching import check_pixels


class Regions(NamedTuple):
    """Which pixels belong to which region.

    Attributes
    ----------
    names
        (region,) labels of the result.
    layers
        (layer, y, x) whole numbers, 0 outside, else 1 + the region's position; regions of one layer
        do not overlap, those of several may.
    """

    names: np.ndarray
    layers: xr.DataArray


def find_regions(given: Any, like: xr.DataArray) -> Regions | None:
    """Return the regions of an image, cut as it is.

    Parameters
    ----------
    given
        None, a bool mask (y, x), whole-numbered labels (y, x) with 0 in no region, or
        {name: mask}. A mask alone is the region "inside". Labels on dask are read once.
    like
        (..., y, x).

    Raises
    ------
    ValueError
        If a mask is neither bool nor whole-numbered, does not cover the image, or marks nothing.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        if not given:
            raise ValueError("regions is empty; give {name: mask}, or leave it out")
        masks = [_plane(mask, like, f"regions[{name!r}]") for name, mask in given.items()]
        for name, mask in zip(given, masks, strict=True):
            _refuse_dtype(mask, f"regions[{name!r}]", "b")
        layers = [mask.astype(np.int32) * (k + 1) for k, mask in enumerate(masks)]
        return Regions(_names(list(given)), _stacked(layers, like))
    plane = _plane(given, like, "regions")
    _refuse_dtype(plane, "regions", "biu")
    if plane.dtype.kind == "b":
        return Regions(_names(["inside"]), _stacked([plane.astype(np.int32)], like))
    names = _labels(plane)
    if not names.size:
        raise ValueError("regions holds only 0, which is in no region; label the pixels to score")
    placed = xr.apply_ufunc(
        _positions, plane, kwargs={"names": names}, dask="parallelized", output_dtypes=[np.int32]
    )
    return Regions(names, _stacked([placed], like))


def _names(given: list[Any]) -> np.ndarray:
    """Return labels of the result; text as objects, which every Zarr reader knows."""
    names = np.array(given)
    return names.astype(object) if names.dtype.kind == "U" else names


def _plane(mask: Any, like: xr.DataArray, what: str) -> xr.DataArray:
    """Return a mask as (y, x) without coordinates, or raise where it does not lie on the image."""
    if not isinstance(mask, xr.DataArray):
        mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
        if mask.ndim != 2:
            raise ValueError(f"{what} has shape {mask.shape}, needs (y, x)")
        mask = xr.DataArray(mask, dims=("y", "x"))
    if set(mask.dims) != {"y", "x"}:
        raise ValueError(f"{what} has dims {mask.dims}, needs y and x; select one image of it")
    for dim in ("y", "x"):
        check_pixels(dim, like, mask, ("predicted", what))
    return mask.transpose("y", "x").drop_vars(list(mask.coords))


def _refuse_dtype(mask: xr.DataArray, what: str, kinds: str) -> None:
    if mask.dtype.kind in kinds:
        return
    needs = "a bool mask" if kinds == "b" else "bool (a mask) or whole numbers (labels)"
    cure = "compare it with something" if kinds == "b" else "fillna(0).astype(int) makes labels"
    raise ValueError(f"{what} is {mask.dtype}, needs {needs}; {cure}")


def _labels(plane: xr.DataArray) -> np.ndarray:
    """Return the labels that occur, sorted, without 0."""
    if plane.chunks is None:
        found = np.unique(plane.values)
    else:
        import dask.array as da

        found = da.unique(plane.data).compute()
    return found[found != 0]


def _positions(plane: np.ndarray, names: np.ndarray) -> np.ndarray:
    return np.where(plane == 0, 0, 1 + np.searchsorted(names, plane)).astype(np.int32)


def _stacked(planes: list[xr.DataArray], like: xr.DataArray) -> xr.DataArray:
    layers = xr.concat(planes, "layer").transpose("layer", "y", "x")
    chunks = {dim: c for dim, c in like.chunksizes.items() if dim in ("y", "x")}
    return layers.chunk(chunks | {"layer": -1}) if chunks else layers.compute()
