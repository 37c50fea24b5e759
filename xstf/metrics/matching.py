"""Matching two images of one place by dates, bands and coordinates, never by position."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr


def matched(predicted: xr.DataArray, truth: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Both as (..., y, x) with the order, dates, bands, coordinates and chunks of `predicted`."""
    for name, image in (("predicted", predicted), ("truth", truth)):
        if not isinstance(image, xr.DataArray):
            kind = type(image).__name__
            raise TypeError(f"{name} is a {kind}, not a DataArray: pass ds['fused'], ds['fine']")
        if not {"band", "y", "x"} <= set(image.dims):
            cure = "rename them, or expand_dims('band')"
            raise ValueError(f"{name} has dims {image.dims}, needs band, y and x: {cure}")
    if set(predicted.dims) != set(truth.dims):
        cure = "they must be the same: select one date of both, or expand_dims"
        raise ValueError(f"predicted has dims {predicted.dims}, truth {truth.dims}; {cure}")
    predicted = predicted.transpose(..., "y", "x").reset_coords(drop=True)
    truth = truth.transpose(*predicted.dims).reset_coords(drop=True)
    for dim in predicted.dims:
        ours, theirs = predicted.indexes.get(dim), truth.indexes.get(dim)
        if (ours is None) != (theirs is None) and dim not in ("y", "x"):
            cure = "give it to both with assign_coords, or drop_vars it from the other"
            raise ValueError(f"only one of the images has the coordinate {dim!r}; {cure}")
        if ours is None or theirs is None or dim in ("y", "x"):
            check_pixels(dim, predicted, truth)
        elif not ours.equals(theirs):
            truth = truth.isel({dim: _find(dim, ours, theirs)})
    if chunks := predicted.chunksizes or truth.chunksizes:
        predicted, truth = predicted.chunk(chunks), truth.chunk(chunks)
    return predicted, truth.assign_coords(predicted.coords)


def _find(dim: Hashable, ours: Any, theirs: Any) -> np.ndarray:
    """Where in the labels of the truth those of the prediction are."""
    if not theirs.is_unique:
        twice = _some(theirs[theirs.duplicated()])
        raise ValueError(f"truth has {dim} {twice} more than once; drop_duplicates({dim!r}) first")
    order = theirs.get_indexer(ours)
    if (order < 0).any():
        cure = f"keep what both have with predicted.sel({dim}=[...])"
        lost = f"predicted has {dim} {_some(ours[order < 0])}"
        raise ValueError(f"{lost}, which truth lacks (it has {_some(theirs)}); {cure}")
    if dim == "band" and len(ours) != len(theirs):
        cure = "they must be the same: truth.sel(band=predicted.band)"
        raise ValueError(f"predicted has bands {_some(ours)}, truth {_some(theirs)}; {cure}")
    return order


def _some(labels: Any) -> str:
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return ", ".join(map(str, labels[:5])) + more


def check_pixels(
    dim: Hashable,
    predicted: xr.DataArray,
    truth: xr.DataArray,
    names: tuple[str, str] = ("predicted", "truth"),
) -> None:
    """Sizes must be equal along `dim`, and coordinates, if any, the same to 1e-6 of a pixel."""
    cure = "crop both with ds.stf.sel, or resample one to the grid of the other"
    if predicted.sizes[dim] != truth.sizes[dim]:
        shapes = f"{names[0]} is {dict(predicted.sizes)}, {names[1]} {dict(truth.sizes)}"
        raise ValueError(f"{shapes}; {dim} must be the same: {cure}")
    if dim not in predicted.coords or dim not in truth.coords:
        return  # a file without georeference counts no pixels; a scene made from it does
    ours, theirs = (np.asarray(i[dim].values, np.float64) for i in (predicted, truth))
    step = np.abs(np.diff(ours)).min() if ours.size > 1 else 0.0
    if not np.allclose(ours, theirs, rtol=0, atol=1e-6 * step):
        if mistake := _mistake(dim, ours, theirs, names):
            raise ValueError(mistake)
        spans = (f"{i[0]} .. {i[-1]} in {n}" for i, n in zip((ours, theirs), names, strict=True))
        raise ValueError(f"{dim} is {', '.join(spans)}; they must agree to 1e-6 of a pixel: {cure}")


def _mistake(
    dim: Hashable, ours: np.ndarray, theirs: np.ndarray, names: tuple[str, str]
) -> str | None:
    """Return what is wrong with an axis that is flipped, or half a pixel off, and its cure."""
    step = np.diff(ours).mean() if ours.size > 1 else 0.0
    close = {"rtol": 0, "atol": 0.01 * abs(step)}
    if step and np.allclose(ours, theirs[::-1], **close):
        ways = ("up", "down") if step > 0 else ("down", "up")
        return (
            f"{dim} runs {ways[0]} in {names[0]} and {ways[1]} in {names[1]}, so one of them is "
            f"flipped; turn it: {names[1]}.isel({dim}=slice(None, None, -1))"
        )
    apart = theirs[0] - ours[0]
    half = step and abs(abs(apart / step) - 0.5) <= 0.01
    if half and np.allclose(theirs - ours, apart, **close):
        return (
            f"the {dim} of {names[1]} lie half a pixel ({apart:g}) from those of {names[0]}: one "
            "names the centres of pixels, the other their edges; if it is the same grid, say so: "
            f"{names[1]}.assign_coords({dim}={names[0]}.{dim}.values)"
        )
    return None
