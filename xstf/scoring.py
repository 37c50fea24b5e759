"""How good predictions are: beside doing nothing, on the same pixels, and without any truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts, take_apart, with_observed
from xstf.dates import find_dates
from xstf.degraded import images_of
from xstf.metrics import METRICS, measure
from xstf.metrics.formulas import spans_of
from xstf.metrics.matching import matched
from xstf.metrics.measuring import USUAL
from xstf.rows import doing_nothing
from xstf.scenes import as_dataset
from xstf.statistics import refuse_numbers

Images = Mapping[str, xr.DataArray]


def score(
    predicted: xr.DataArray | xr.Dataset | Images,
    truth: xr.DataArray | xr.Dataset | xr.DataTree,
    *,
    scene: xr.Dataset | xr.DataTree | None = None,
    metrics: str | Sequence[str] | None = None,
    scale: float | None = None,
    data_range: float | None = None,
    regions: Any = None,
    fine: str = "fine",
    coarse: str = "coarse",
) -> xr.Dataset:
    """Return the metrics of one prediction or several, beside those of doing nothing.

    Matched by label, never by position: every predicted date must be in the truth, the bands must
    be the same in any order, and the pixels the same to 1e-6 of a pixel. Of several predictions
    all are judged on the same pixels: those that each one has.

    Parameters
    ----------
    predicted
        Images (time, band, y, x), what `xstf.fuse` returns, or {label: images}. Of a result of
        ``fill=True``, which keeps observed pixels, pass the Dataset: only what it predicts counts.
    truth
        The true images (time, band, y, x), or a scene, whose observed fine images are the truth.
    scene
        The scene, where the truth lies apart from it. With a scene the do-nothing predictions are
        scored too: the nearest pair unchanged, the coarse image upsampled, both added (``add``),
        and from two sides the mean of the fine images by time and of what ``add`` says. They are
        made of the pairs that served the predictions (``pair_dates``), where these say them.
    metrics
        Names of metrics, ``"plain"`` (those without windows), ``"all"``, or None for the usual
        ones; see `xstf.metrics.measure`.
    scale
        Fine pixels per coarse pixel, for ERGAS. None: as the scene or the predictions say.
    data_range
        The range of SSIM, PSNR and the edges. None: as the images say, else 1. Where a scene has no
        valid range it must be given, or these are left out.
    regions
        A mask (y, x), whole-numbered labels, or {name: mask}: scores of each region.
    fine, coarse
        Names of the two variables or nodes of a scene.

    Returns
    -------
    xarray.Dataset
        Each metric, lazy where the images are, dims (time, band) or (time); with a leading
        ``name`` where there is a scene or several predictions, and ``region`` where asked for.
        The coordinate ``trivial`` (name) says which rows do nothing. `xstf.report.table` prints it.

    Raises
    ------
    TypeError
        If an image is not a DataArray.
    ValueError
        If labels do not match, a metric is unknown, or images differ in range or scale.

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
        truth = truth_of(truth, fine, coarse)
    several = isinstance(predicted, Mapping) and not isinstance(predicted, xr.Dataset)
    given = dict(predicted) if several else {_label(predicted): predicted}
    images = {str(name): images_of(image) for name, image in given.items()}
    options: dict[str, Any] = {"metrics": metrics, "scale": scale, "data_range": data_range}
    options["regions"] = regions
    if scene is None:
        if not several:
            return measure(next(iter(images.values())), truth, **options)
        return measure_rows(images, truth, **options)
    parts = with_observed(take_apart(as_dataset(scene, fine, coarse)))
    options["metrics"] = metrics_for(parts, metrics, data_range)
    if scale is None and parts.grid.scale > 1:
        options["scale"] = parts.grid.scale
    images = {n: _in_units(image, parts.valid_range) for n, image in images.items()}
    nothing = _nothing(parts, images)
    images = {f"{n} (given)" if n in nothing else n: image for n, image in images.items()}
    found = measure_rows({**nothing, **images}, truth, **options)
    if parts.valid_range is not None:
        found.attrs["scene_range"] = list(parts.valid_range)
    return found.assign_coords(trivial=("name", [n in nothing for n in found["name"].values]))


def measure_rows(
    images: Images,
    truth: xr.DataArray,
    *,
    scale: float | None = None,
    data_range: float | None = None,
    **options: Any,
) -> xr.Dataset:
    """Return the metrics of several predictions on the pixels that each one has.

    Parameters
    ----------
    images
        {label: (time, band, y, x)}; where one lacks a date, the others do not mind.
    truth
        (time, band, y, x).
    scale, data_range
        Of all rows alike. None: what the images say, which must be the same.
    **options
        Of `xstf.metrics.measure`.
    """
    if not images:
        raise ValueError("there is no prediction to score; give {label: images}")
    if data_range is None:
        data_range = spans_of(*images.values(), truth)
    said = {float(i.attrs["scale"]) for i in images.values() if "scale" in i.attrs}
    if scale is None and len(said) > 1:
        raise ValueError(f"the predictions are of scales {sorted(said)}; state scale= for ERGAS")
    options |= {"data_range": data_range, "scale": scale or next(iter(said), None)}
    rows = {name: _on_the_grid_of(truth, image) for name, image in images.items()}
    seen = _seen_by_all(rows)
    found = [
        measure(image.where(seen.sel(time=image["time"]) if "time" in image.dims else seen), truth,
                **options)
        for image in rows.values()
    ]  # fmt: skip
    names = xr.Variable("name", np.array(list(rows), object))
    joined = xr.concat(
        found, names, join="outer", coords="minimal", compat="override", combine_attrs="override"
    )
    for name in joined.data_vars:
        joined[name].attrs = dict(found[0][name].attrs)
    return joined


def metrics_for(parts: Parts, metrics: Any, data_range: float | None) -> Any:
    """Return which metrics a scene allows: none that needs a range where it has none.

    Parameters
    ----------
    parts
        The scene.
    metrics, data_range
        As in `score`.
    """
    if parts.valid_range is not None or data_range is not None:
        return metrics
    ranged = ("ssim", "ms_ssim", "psnr", "edge")
    if metrics in (None, "plain", "all"):
        usual: Any = USUAL if metrics is None else METRICS
        plain = [n for n in usual if metrics != "plain" or not METRICS[n].window]
        scaled = parts.grid.scale > 1
        return [n for n in plain if n not in ranged and (scaled or n != "ergas")]
    wrong = [n for n in ([metrics] if isinstance(metrics, str) else metrics) if n in ranged]
    if wrong:
        raise ValueError(
            f"{wrong[0]} needs the range of the values, and the scene has no valid range; state "
            "data_range=, such as 50 for kelvin"
        )
    return metrics


def truth_of(
    scene: xr.Dataset | xr.DataTree, fine: str = "fine", coarse: str = "coarse"
) -> xr.DataArray:
    """Return the observed fine images of a scene, which know its valid range."""
    parts = with_observed(take_apart(as_dataset(scene, fine, coarse)))
    images = parts.ds["fine"].isel(time=np.flatnonzero(parts.observed("fine")))
    return images.assign_attrs(valid_range=parts.valid_range)


def _label(predicted: Any) -> str:
    image = predicted["fused"] if isinstance(predicted, xr.Dataset) and "fused" in predicted else (
        predicted
    )  # fmt: skip
    return str(getattr(image, "attrs", {}).get("method") or "predicted")


def _on_the_grid_of(truth: xr.DataArray, image: xr.DataArray) -> xr.DataArray:
    """Return an image with the truth's own coordinates, so that images of other files meet it."""
    image = matched(image, truth)[0]
    return image.assign_coords({d: truth[d].values for d in ("y", "x") if d in truth.coords})


def _in_units(image: xr.DataArray, limits: Any) -> xr.DataArray:
    """Return an image that refuses, once its pixels are read, to be digital numbers."""

    def read(values: np.ndarray) -> np.ndarray:
        if values.size:
            refuse_numbers(values, "predicted", limits)
        return values

    options: dict[str, Any] = {"dask": "parallelized", "output_dtypes": [image.dtype]}
    return xr.apply_ufunc(read, image, keep_attrs=True, **options)


def _nothing(parts: Parts, images: Images) -> dict[str, xr.DataArray]:
    """Return what doing nothing says on the predicted dates, by label."""
    from xstf.api import fuse

    undated = [name for name, image in images.items() if "time" not in image.dims]
    if undated:
        raise ValueError(
            f"{undated[0]!r} has no date, so nothing can be predicted beside it: "
            "assign_coords(time=...) and expand_dims('time')"
        )
    usable = parts.observed("fine") & parts.observed("coarse")
    served_by = _pairs_of(parts, images)
    wanted = np.unique(np.concatenate([image["time"].values for image in images.values()]))
    targets = find_dates(parts.times, wanted)
    found: dict[str, Any] = {}
    for row in doing_nothing():
        served = {t: row.pairs_of(parts.times, served_by.get(t, usable), t) for t in targets}
        named = {parts.times[t]: parts.times[list(p)] for t, p in served.items() if p}
        if named:
            found[row.label] = fuse(parts.ds, row.method, dates=list(named), pairs=named)
    return found


def _pairs_of(parts: Parts, images: Images) -> dict[int, np.ndarray]:
    """Return which dates served the predictions of each date, (time,) bool, where they say it."""
    found: dict[int, np.ndarray] = {}
    for image in images.values():
        if "pair_dates" not in image.coords:
            continue
        texts = np.broadcast_to(image["pair_dates"].values, image["time"].shape)
        for date, text in zip(image["time"].values, texts, strict=True):
            (target,) = find_dates(parts.times, date)
            found.setdefault(target, np.zeros(len(parts.times), bool))
            found[target][find_dates(parts.times, str(text).split())] = True
    return found


def _seen_by_all(images: Images) -> xr.DataArray:
    """Return which pixels every prediction has, of those that have the date at all."""
    seen = [xr.DataArray(np.isfinite(i)).reset_coords(drop=True) for i in images.values()]
    if "time" in seen[0].dims:
        times = np.unique(np.concatenate([s["time"].values for s in seen]))
        seen = [s.reindex(time=times, fill_value=True) for s in seen]
    both = seen[0]
    for one in seen[1:]:
        both = both & one
    return both
