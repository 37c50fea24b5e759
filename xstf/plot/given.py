"""What a caller gave: predictions by name, the image of a date, the scene's own images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts, take_apart
from xstf.dates import find_dates, text_of
from xstf.scenes import as_dataset

Predicted = xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray]


def parts_of(scene: Any) -> Parts:
    """Return a checked scene, its coarse cells cut to the fine pixels."""
    return take_apart(as_dataset(scene))


def by_name(predicted: Predicted, shape: tuple[int, ...]) -> dict[str, xr.DataArray]:
    """Return predictions by the name of their method, all of the scene's size in pixels.

    Raises
    ------
    TypeError, ValueError
        If something is no DataArray with band, y and x, there is none, or its size differs.
    """
    if isinstance(predicted, xr.Dataset) and "fused" in predicted:
        predicted = predicted["fused"]
    if isinstance(predicted, xr.DataArray):
        name = predicted.attrs.get("method") or predicted.name or "predicted"
        predicted = {str(name): predicted}
    if not isinstance(predicted, Mapping) or isinstance(predicted, xr.Dataset) or not predicted:
        raise TypeError(
            f"predicted is a {type(predicted).__name__} without images; give what fuse returned, "
            "or several by name: {'starfm': ..., 'fsdaf': ...}"
        )
    for name, images in predicted.items():
        dims = getattr(images, "dims", type(images).__name__)
        if not isinstance(images, xr.DataArray) or not {"band", "y", "x"} <= set(dims):
            raise TypeError(f"{name!r} is {dims}, not (time, band, y, x); give what fuse returned")
        if (images.sizes["y"], images.sizes["x"]) != tuple(shape):
            raise ValueError(
                f"{name!r} is {images.sizes['y']} x {images.sizes['x']} pixels, the scene "
                f"{shape[0]} x {shape[1]}; cut both to one place: ds.stf.sel(...), fused.sel(...)"
            )
    return dict(predicted)


def times_of(images: xr.DataArray) -> np.ndarray:
    """Return the dates of images, none where they have no time."""
    if "time" not in images.coords:
        return np.array([], "datetime64[ns]")
    return np.atleast_1d(images["time"].values)


def image_at(images: xr.DataArray, date: np.datetime64) -> xr.DataArray | None:
    """Return the image (band, y, x) of a date; None where there is none."""
    hits = np.flatnonzero(times_of(images) == date)
    if "time" in images.dims:
        if not len(hits):
            return None
        images = images.isel(time=int(hits[0]))
    elif "time" in images.coords and not len(hits):
        return None
    return images.transpose("band", ...)


def date_of(parts: Parts, predicted: Mapping[str, xr.DataArray], date: Any) -> np.datetime64:
    """Return the one date to draw: the named, else the first predicted one with a fine image.

    Raises
    ------
    ValueError
        If it is not one of the scene's dates, is not predicted, or there are several.
    """
    have = np.unique(np.concatenate([times_of(images) for images in predicted.values()]))
    if date is None:
        if not len(have):
            raise ValueError("the prediction has no time; say which date it is of: date='...'")
        observed = have[np.isin(have, parts.times[parts.observed("fine")])]
        return observed[0] if len(observed) else have[0]
    found = parts.times[find_dates(parts.times, date)]
    if len(found) != 1:
        raise ValueError(f"date={date!r} are {len(found)} dates; give one")
    if len(have) and not (have == found[0]).any():
        days = ", ".join(text_of(t) for t in have[:5]) + ", ..." * (len(have) > 5)
        raise ValueError(f"{text_of(found[0])} is not predicted; there are {days}")
    return found[0]


def sides_of(
    parts: Parts, predicted: Mapping[str, xr.DataArray], date: np.datetime64
) -> list[xr.DataArray]:
    """Return the fine images that served a date: those named by a prediction, else the nearest."""
    times, observed = parts.times, np.flatnonzero(parts.observed("fine"))
    named: set[int] = set()
    for images in predicted.values():
        image = image_at(images, date)
        if image is not None and "pair_dates" in image.coords:
            for day in str(image["pair_dates"].values).split():
                named |= {int(i) for i in observed if text_of(times[i]) == day}
    before, after = observed[times[observed] < date], observed[times[observed] > date]
    chosen = sorted(named) or [*before[-1:], *after[:1]]
    return [parts.ds["fine"].isel(time=int(i)) for i in chosen]
