"""Predictions degraded to the coarse grid: how well they agree with the coarse images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts, take_apart
from xstf.dates import find_dates, text_of
from xstf.metrics import measure
from xstf.reduction import reduce_to_cells
from xstf.scenes import as_dataset


def consistency(
    predicted: xr.DataArray | xr.Dataset,
    scene: xr.Dataset | xr.DataTree,
    *,
    metrics: str | Sequence[str] = ("rmse", "bias", "cc"),
    cell: int | None = None,
    fine: str = "fine",
    coarse: str = "coarse",
) -> xr.Dataset:
    """Return how well predictions agree with the coarse images, which needs no true fine image.

    Each prediction is averaged over the coarse cells and compared with the coarse image of its
    date. Good agreement is no proof: detail inside cells goes unseen, and two sensors differ even
    where all is right; what the scene's own fine images score tells how far. Bad agreement on a
    date that others meet is a reason to look.

    Parameters
    ----------
    predicted
        Images (time, band, y, x) that cover the scene, or fine images of the scene itself.
    scene
        The scene.
    metrics
        As in `score`.
    cell
        Side of a coarse cell in fine pixels, where the scene's scale is 1.
    fine, coarse
        Names of the two variables or nodes of the scene.

    Returns
    -------
    xarray.Dataset
        Each metric, dims (time, band) or (time), lazy where the images are.

    Raises
    ------
    ValueError
        If a date has no coarse image, the grids do not meet, or `cell` is not the scene's.
    """
    parts = take_apart(as_dataset(scene, fine, coarse))
    side = cell_of(parts, cell)
    images = images_of(predicted)
    degraded = _to_cells(images, side)
    at = find_dates(parts.times, images["time"].values)
    lost = [i for i in at if not parts.observed("coarse")[i]]
    if lost:
        raise ValueError(
            f"{text_of(parts.times[lost[0]])} has no coarse image to agree with; leave it out: "
            "predicted.sel(time=...)"
        )
    true = parts.ds["coarse"].rename(y_coarse="y", x_coarse="x").isel(time=at)
    true = true.assign_coords(time=degraded["time"])
    return measure(degraded, _to_cells(true, side // parts.grid.scale), metrics=metrics)


def cell_of(parts: Parts, cell: int | None) -> int:
    """Return the side of a coarse cell in fine pixels; 1 where nothing tells."""
    if cell is None:
        return parts.grid.scale
    whole = isinstance(cell, int | np.integer) and not isinstance(cell, bool)
    if not whole or cell < 1 or (parts.grid.scale > 1 and cell != parts.grid.scale):
        known = f"; the scene's are {parts.grid.scale}" if parts.grid.scale > 1 else ""
        raise ValueError(f"cell={cell!r} is no side of a coarse cell in fine pixels{known}")
    return int(cell)


def images_of(predicted: Any) -> xr.DataArray:
    """Return the images to be judged, with dates: of a filled result only what is predicted."""
    if isinstance(predicted, xr.Dataset):
        if "fused" not in predicted:
            held = ", ".join(map(str, predicted.data_vars)) or "nothing"
            raise ValueError(f"the Dataset has no variable fused, only {held}; pass its images")
        fused = predicted["fused"]
        if "filled" in predicted:
            fused = fused.where(predicted["filled"] == 1).assign_attrs(keeps_observed=0)
        predicted = fused
    if not isinstance(predicted, xr.DataArray):
        kind = type(predicted).__name__
        raise TypeError(f"predicted is a {kind}, not a DataArray: pass ds['fused'], ds['fine']")
    if predicted.attrs.get("keeps_observed"):
        raise ValueError(
            "these images keep what was observed (fill=True), which would be compared with itself; "
            "pass the whole Dataset, whose layer filled tells it apart"
        )
    one = "time" in predicted.coords and "time" not in predicted.dims
    return predicted.expand_dims("time") if one else predicted


def _to_cells(images: xr.DataArray, side: int) -> xr.DataArray:
    """Return means over cells, labelled by their centres."""
    images = images.transpose("time", "band", "y", "x").astype("float32", copy=False)
    return images if side <= 1 else reduce_to_cells(images, side)
