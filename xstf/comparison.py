"""Comparing methods on a scene: each known fine image held out in turn and predicted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts, take_apart, with_observed
from xstf.rows import Row, rows_of
from xstf.scenes import as_dataset
from xstf.scoring import consistency, measure_rows
from xstf.trials import Predictions, Trial, able, open_prediction, plan, with_cells

Tell = Callable[[int, int, str], None]


def compare(
    data: xr.Dataset | xr.DataTree,
    methods: Any = None,
    *,
    dates: Any = None,
    gap: float = 0,
    pairs: Any = "auto",
    metrics: str | Sequence[str] | None = None,
    regions: Any = None,
    cell: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | Tell = False,
    fine: str = "fine",
    coarse: str = "coarse",
) -> xr.Dataset:
    """Hold out each known fine image in turn, predict it from the others, and score all methods.

    On each date every method is judged on the same pixels: those that the truth and all of them
    have. A method that learns is fitted anew for each date, on a scene without the fine image of
    that date and of those within the gap.

    Parameters
    ----------
    data
        The scene.
    methods
        Names or instances; ``{label: name, instance or (name, parameters)}``; None: every method
        that the scene can serve. Doing nothing is always compared too.
    dates
        Dates to hold out. None: every date with both images that some method can predict.
    gap
        Days that lie at least between a date and the pairs that predict it. From neighbours of a
        few days every method does well.
    pairs
        ``"auto"``, ``"nearest"`` or a number, see `xstf.fuse`.
    metrics, regions
        See `xstf.score`.
    cell
        Side of a coarse cell in fine pixels, for scenes whose coarse images lie on the fine grid.
    folder
        Where predictions are kept, one Zarr each. What is there already, of the same images,
        method, parameters and pairs, is not computed again, so a comparison that was stopped goes
        on. None: a temporary folder.
    progress
        True: a bar on a terminal, lines in a log; or a function that is told the number of
        predictions done, how many there are, and which is next.
    fine, coarse
        Names of the two variables or nodes.

    Returns
    -------
    xarray.Dataset
        In memory: each metric, dims (name, time, band) or (name, time), NaN where a method
        could not predict a date; ``coarse_rmse``, the disagreement with the coarse image
        (`xstf.consistency`), and ``coarse_rmse_truth``, that of the true image; ``valid``, the
        share of the true pixels that a method predicts; ``seconds``, the time of each prediction;
        ``pair_dates``. The coordinate ``trivial`` (name) says which rows do nothing;
        ``attrs["left_out"]`` which methods this scene cannot serve, and why.
        `xstf.open_predictions` opens the predictions in a `folder`.

    Raises
    ------
    ValueError
        If no date can be held out, a date has no fine image, a method or parameter is unknown, or
        the scene cannot serve a method that is named.

    Examples
    --------
    >>> import xstf
    >>> ds, truth = xstf.simulate("parcels", size=64, scale=16, dates=3, pairs=3)
    >>> found = xstf.compare(ds, {"fsdaf 9": ("fsdaf", {"window": 9})}, metrics="plain")
    >>> dict(found.rmse.sizes)
    {'name': 6, 'time': 3, 'band': 3}
    """
    parts = with_observed(take_apart(as_dataset(data, fine, coarse)))
    if not gap >= 0:
        raise ValueError(f"gap={gap!r} is a number of days, 0 or more")
    rows = with_cells(rows_of(methods, pairs), parts, cell)
    trials, left_out = able(plan(rows, parts, dates, gap), parts, strict=methods is not None)
    options = {"metrics": metrics, "regions": regions}
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        Path(place).mkdir(parents=True, exist_ok=True)
        made = Predictions(Path(place), parts, gap)
        for n, trial in enumerate(trials):
            if callable(progress):
                progress(n, len(trials), str(trial))
            made.make(trial, f"{trial} ({n + 1}/{len(trials)})" if progress is True else "")
        days = sorted({t.target for t in trials})
        found = [_scored([t for t in trials if t.target == d], made, options, cell) for d in days]
        if callable(progress):
            progress(len(trials), len(trials), "done")
    joined = _joined(found, rows, parts, left_out, gap)
    if folder is None:
        return joined.drop_vars("kept")
    return joined.assign_attrs(folder=str(Path(folder).absolute()))


def open_predictions(compared: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the predictions that `compare` kept, lazily: {label: (time, band, y, x)}.

    Parameters
    ----------
    compared
        From `compare` with a `folder`.

    Raises
    ------
    ValueError
        If they were not kept.
    """
    if "folder" not in compared.attrs:
        raise ValueError("no prediction was kept; give compare a folder: folder='predictions'")
    folder = Path(compared.attrs["folder"])
    found = {}
    for label in compared["name"].values:
        kept = [n for n in compared["kept"].sel(name=label).values if n]
        found[str(label)] = xr.concat([open_prediction(folder / n) for n in kept], "time")
    return found


def _scored(
    trials: list[Trial], made: Predictions, options: dict[str, Any], cell: int | None
) -> xr.Dataset:
    """Return all that is known of the predictions of one date, in memory."""
    import dask

    ds, grid = made.parts.ds, made.parts.grid
    opened = {t.row.label: made.open(t) for t in trials}
    images = {label: image for label, (image, _) in opened.items()}
    truth = ds["fine"].isel(time=[trials[0].target])
    truth = truth.assign_attrs(valid_range=made.parts.valid_range)
    seen = np.isfinite(truth)
    shares = dask.compute(
        *((np.isfinite(i) & seen).sum() / seen.sum() for i in images.values())  # by position
    )
    valid = {label: float(share) for label, share in zip(images, shares, strict=True)}
    some = {label: image for label, image in images.items() if valid[label] > 0}
    scale = grid.scale if grid.scale > 1 else cell
    found = measure_rows(some, truth, scale=scale, **options)
    agree = [consistency(i, ds, metrics=["rmse"], cell=cell)["rmse"] for i in some.values()]
    found["coarse_rmse"] = xr.concat(agree, found["name"])
    own = consistency(truth, ds, metrics=["rmse"], cell=cell)["rmse"]
    found["coarse_rmse_truth"] = own
    found = found.compute().reindex(name=np.array(list(images), object))
    notes = [note for _, note in opened.values()]
    known = {
        "valid": [valid[label] for label in images],
        "seconds": [note.seconds for note in notes],
        "pair_dates": np.array([" ".join(note.pairs) for note in notes], object),
        "kept": np.array([made.path(trial).name for trial in trials], object),
    }
    return found.assign({k: (("name", "time"), np.array(v)[:, None]) for k, v in known.items()})


_LABELS = {
    "coarse_rmse": {"long_name": "RMSE against the coarse image", "best": "small"},
    "coarse_rmse_truth": {"long_name": "RMSE of the true image against the coarse one"},
    "valid": {"long_name": "share of the true pixels predicted", "units": "1", "best": "large"},
    "seconds": {"long_name": "time to predict", "units": "s", "best": "small"},
    "pair_dates": {"long_name": "dates that served"},
    "kept": {"long_name": "name of the prediction in the folder"},
}


def _joined(
    found: list[xr.Dataset], rows: list[Row], parts: Parts, left_out: dict[str, str], gap: float
) -> xr.Dataset:
    """Return the scores of all dates in one, methods in the order they were asked for."""
    served = {label for one in found for label in one["name"].values}
    labels = [row.label for row in rows if row.label in served]
    attrs = {name: dict(found[0][name].attrs) for name in found[0].data_vars}
    each = [one.reindex(name=np.array(labels, object)) for one in found]
    for one in each:
        for text in ("pair_dates", "kept"):
            one[text] = one[text].where(one[text].notnull(), "")
    joined = xr.concat(each, "time", join="exact", coords="minimal", compat="override")
    for name in joined.data_vars:
        joined[name].attrs = attrs[name] | _LABELS.get(str(name), {})
    trivial = {row.label: row.method.trivial for row in rows}
    unserved = {row.label: "it needs more pairs" for row in rows if row.label not in served}
    joined.attrs = {"gap": gap, "left_out": unserved | left_out}
    if parts.grid.scale > 1:
        joined.attrs["scale"] = parts.grid.scale
    if parts.valid_range is not None:
        joined.attrs["scene_range"] = list(parts.valid_range)
    return joined.assign_coords(trivial=("name", [trivial[label] for label in labels]))
