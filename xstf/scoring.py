"""How good predictions are: beside doing nothing, on the same pixels, and without any truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts, take_apart, with_observed
from xstf.metrics import measure
from xstf.pairing import find_dates, text_of
from xstf.reduction import reduce_to_cells
from xstf.rows import doing_nothing
from xstf.scenes import as_dataset

Images = Mapping[str, xr.DataArray]


def score(
    predicted: xr.DataArray | Images,
    truth: xr.DataArray | xr.Dataset | xr.DataTree,
    *,
    scene: xr.Dataset | xr.DataTree | None = None,
    metrics: str | Sequence[str] | None = None,
    scale: float | None = None,
    data_range: float | None = None,
    regions: Any = None,
) -> xr.Dataset:
    """Return the metrics of one prediction or several, beside those of doing nothing.

    Matched by label, never by position: every predicted date must be in the truth, the bands must
    be the same in any order, and the pixels the same to 1e-6 of a pixel. Of several predictions
    all are judged on the same pixels: those that each one has.

    Parameters
    ----------
    predicted
        Images (time, band, y, x), or {label: images}.
    truth
        The true images (time, band, y, x), or a scene, whose observed fine images are the truth.
    scene
        The scene, where the truth lies apart from it. With a scene the do-nothing predictions are
        scored too: the nearest pair unchanged, the coarse image upsampled, both added (``add``),
        and from two sides the mean of the fine images by time and of what ``add`` says.
    metrics
        Names of metrics, ``"plain"`` (those without windows), ``"all"``, or None for the usual
        ones; see `xstf.metrics.measure`.
    scale
        Fine pixels per coarse pixel, for ERGAS. None: as the prediction or the scene says.
    data_range
        The range of SSIM and PSNR. None: as the prediction or the truth says, else 1.
    regions
        A mask (y, x), whole-numbered labels, or {name: mask}: scores of each region.

    Returns
    -------
    xarray.Dataset
        Each metric, lazy where the images are, dims (time, band) or (time); with a leading
        ``name`` where there is a scene or several predictions, and ``region`` where asked for.
        The coordinate ``trivial`` (name) says which rows do nothing. `xstf.report.table` prints
        it.

    Raises
    ------
    TypeError
        If an image is not a DataArray.
    ValueError
        If labels do not match, a metric is unknown, or the scene has no pixel of the truth.

    Examples
    --------
    >>> import xstf
    >>> ds, truth = xstf.simulate("parcels", size=64, scale=16, dates=3, pairs=1)
    >>> found = xstf.score(ds.stf.fuse("fsdaf", window=9), truth, scene=ds, metrics="plain")
    >>> found["name"].values.tolist()
    ['unchanged', 'upsampled', 'add', 'fsdaf']
    """
    if isinstance(truth, xr.Dataset | xr.DataTree):
        scene = truth if scene is None else scene
        truth = truth_of(truth)
    options: dict[str, Any] = {
        "metrics": metrics,
        "scale": scale,
        "data_range": data_range,
        "regions": regions,
    }
    if scene is None and not isinstance(predicted, Mapping):
        return measure(predicted, truth, **options)
    images = dict(predicted) if isinstance(predicted, Mapping) else {_label(predicted): predicted}
    images = {name: _dated(image) for name, image in images.items()}
    nothing: dict[str, xr.DataArray] = {}
    if scene is not None:
        parts = with_observed(take_apart(as_dataset(scene)))
        nothing = {k: v for k, v in _nothing(parts, images).items() if k not in images}
        if scale is None and parts.grid.scale > 1:
            options["scale"] = parts.grid.scale
    found = measure_rows({**nothing, **images}, truth, **options)
    if scene is not None and parts.valid_range is not None:
        found.attrs["scene_range"] = list(parts.valid_range)
    return found.assign_coords(trivial=("name", [n in nothing for n in found["name"].values]))


def measure_rows(images: Images, truth: xr.DataArray, **options: Any) -> xr.Dataset:
    """Return the metrics of several predictions on the pixels that each one has.

    Parameters
    ----------
    images
        {label: (time, band, y, x)}; where one lacks a date, the others do not mind.
    truth
        (time, band, y, x).
    **options
        Of `xstf.metrics.measure`.
    """
    if not images:
        raise ValueError("there is no prediction to score; give {label: images}")
    seen = _seen_by_all(images)
    rows = [
        measure(image.where(seen.sel(time=image["time"])), truth, **options)
        if "time" in image.dims
        else measure(image.where(seen), truth, **options)
        for image in images.values()
    ]
    names = xr.Variable("name", np.array(list(images), object))
    joined = xr.concat(
        rows, names, join="outer", coords="minimal", compat="override", combine_attrs="override"
    )
    for name in joined.data_vars:
        joined[name].attrs = dict(rows[0][name].attrs)
    return joined


def consistency(
    predicted: xr.DataArray,
    scene: xr.Dataset | xr.DataTree,
    *,
    metrics: str | Sequence[str] = ("rmse", "bias", "cc"),
    cell: int | None = None,
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

    Returns
    -------
    xarray.Dataset
        Each metric, dims (time, band) or (time), lazy where the images are.

    Raises
    ------
    ValueError
        If a date has no coarse image, or the grids do not meet.
    """
    parts = take_apart(as_dataset(scene))
    coarse = parts.ds["coarse"].rename(y_coarse="y", x_coarse="x")
    side = parts.grid.scale if parts.grid.scale > 1 else cell
    if side is None:
        side = 1
    degraded = _to_cells(predicted, side)
    at = find_dates(parts.times, predicted["time"].values)
    lost = [i for i in at if not parts.observed("coarse")[i]]
    if lost:
        raise ValueError(
            f"{text_of(parts.times[lost[0]])} has no coarse image to agree with; leave it out: "
            "predicted.sel(time=...)"
        )
    true = coarse.isel(time=at).assign_coords(time=degraded["time"])
    if parts.grid.scale == 1:
        true = _to_cells(true, side)
    return measure(degraded, true, metrics=metrics)


def _to_cells(images: xr.DataArray, side: int) -> xr.DataArray:
    """Return means over cells, labelled by their centres."""
    images = images.transpose("time", "band", "y", "x").astype("float32", copy=False)
    return images if side == 1 else reduce_to_cells(images, int(side))


def truth_of(scene: xr.Dataset | xr.DataTree) -> xr.DataArray:
    """Return the observed fine images of a scene, which know its valid range."""
    parts = with_observed(take_apart(as_dataset(scene)))
    fine = parts.ds["fine"].isel(time=np.flatnonzero(parts.observed("fine")))
    return fine.assign_attrs(valid_range=parts.valid_range)


def _label(predicted: Any) -> str:
    return str(getattr(predicted, "attrs", {}).get("method") or "predicted")


def _dated(image: Any) -> Any:
    """Return an image of one date as a series of one."""
    one = isinstance(image, xr.DataArray) and "time" in image.coords and "time" not in image.dims
    return image.expand_dims("time") if one else image


def _nothing(parts: Parts, images: Images) -> dict[str, xr.DataArray]:
    """Return what doing nothing says on the predicted dates, by label."""
    from xstf.api import fuse

    usable = parts.observed("fine") & parts.observed("coarse")
    wanted = np.unique(np.concatenate([np.atleast_1d(i["time"].values) for i in images.values()]))
    targets = find_dates(parts.times, wanted)
    found: dict[str, Any] = {}
    for row in doing_nothing():
        served = {t: row.pairs_of(parts.times, usable, t) for t in targets}
        named = {parts.times[t]: parts.times[list(p)] for t, p in served.items() if p}
        if named:
            found[row.label] = fuse(parts.ds, row.method, dates=list(named), pairs=named)
    return found


def _seen_by_all(images: Images) -> xr.DataArray:
    """Return which pixels every prediction has, of those that have the date at all."""
    if len({"time" in image.dims for image in images.values()}) > 1:
        raise ValueError("some predictions have dates and some have none; expand_dims('time')")
    seen = [xr.DataArray(np.isfinite(i)).reset_coords(drop=True) for i in images.values()]
    if "time" in seen[0].dims:
        times = np.unique(np.concatenate([s["time"].values for s in seen]))
        seen = [s.reindex(time=times, fill_value=True) for s in seen]
    both = seen[0]
    for one in seen[1:]:
        both = both & one
    return both
