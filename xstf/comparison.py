"""Comparing methods on a scene: each known fine image held out in turn and predicted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts, take_apart, with_observed
from xstf.degraded import cell_of, consistency
from xstf.holdout import Trial, able, plan, with_cells
from xstf.rows import Row, rows_of
from xstf.scenes import as_dataset
from xstf.scoring import measure_rows, metrics_for
from xstf.trials import Predictions, open_prediction

Tell = Callable[[int, int, str], None]


def compare(
    data: xr.Dataset | xr.DataTree,
    methods: Any = None,
    *,
    dates: Any = None,
    gap: float = 0,
    pairs: Any = "auto",
    metrics: str | Sequence[str] | None = None,
    data_range: float | None = None,
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
        that the scene can serve and that needs no training. Doing nothing is always compared too.
    dates
        Dates to hold out, or a slice. None: every date with both images that some method can
        predict.
    gap
        Days that lie at least between a date and the pairs that predict it. From neighbours of a
        few days every method does well.
    pairs
        ``"auto"``, ``"nearest"`` or a number, see `xstf.fuse`.
    metrics, data_range, regions
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
        share of the true pixels that a method predicts, and ``judged`` (time), the share that all
        of them do, on which they are judged; ``seconds``, the time of each prediction;
        ``pair_dates``. The coordinate ``trivial`` (name) says which rows do nothing;
        ``attrs["left_out"]`` which methods this scene cannot serve, and why, a line each.
        `xstf.open_predictions` opens the predictions in a `folder`.

    Raises
    ------
    ValueError
        If no date can be held out, a date has no fine image, a method or parameter is unknown, or
        the scene cannot serve a method that is named.

    Examples
    --------
    >>> import xstf
    >>> ds, truth = xstf.simulate("parcels", size=64, scale=16, dates=4, pairs=3)
    >>> found = xstf.compare(ds, {"fsdaf 9": ("fsdaf", {"window": 9})}, metrics="plain")
    >>> dict(found.rmse.sizes)
    {'name': 6, 'time': 3, 'band': 6}
    """
    parts = with_observed(take_apart(as_dataset(data, fine, coarse)))
    number = isinstance(gap, int | float) and not isinstance(gap, bool)
    if not (number and gap >= 0):
        raise ValueError(f"gap={gap!r} is a number of days, 0 or more")
    strict = methods is not None
    rows = with_cells(rows_of(methods, pairs), parts, cell)
    trials, left_out = plan(rows, parts, dates, gap, strict)
    trials, refused = able(trials, parts, strict)
    judge = Judge(parts, cell, metrics_for(parts, metrics, data_range), data_range, regions)
    judge.check(trials[0].target)
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        Path(place).mkdir(parents=True, exist_ok=True)
        made = Predictions(Path(place), parts, gap, kept=folder is not None)
        found, done = [], 0
        for target in sorted({t.target for t in trials}):
            here = [t for t in trials if t.target == target]
            for trial in here:
                if callable(progress):
                    progress(done, len(trials), str(trial))
                done += 1
                made.make(trial, f"{trial} ({done}/{len(trials)})" if progress is True else "")
            found.append(judge.score(here, made))
        if callable(progress):
            progress(len(trials), len(trials), "done")
    joined = _joined(found, rows, parts, left_out | refused, gap)
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


@dataclass(frozen=True)
class Judge:
    """How predictions of held-out dates are scored."""

    parts: Parts
    cell: int | None
    metrics: Any
    data_range: float | None
    regions: Any

    def check(self, target: int) -> None:
        """Raise for metrics, regions or cells that do not fit, before anything is predicted."""
        truth = self._truth(target).chunk()
        self._measured({"truth": truth}, truth)
        self._agreement(truth)

    def score(self, trials: list[Trial], made: Predictions) -> xr.Dataset:
        """Return all that is known of the predictions of one date, in memory."""
        opened = {t.row.label: made.open(t) for t in trials}
        images = {label: image for label, (image, _) in opened.items()}
        truth = self._truth(trials[0].target)
        valid = self._shares(images, truth, trials[0].day)
        some = {label: image for label, image in images.items() if valid[label] > 0}
        if not some:
            raise ValueError(
                f"no method predicts any pixel of {trials[0].day}; leave it out: dates="
            )
        found = self._measured(some, truth)
        agree = [self._agreement(image) for image in some.values()]
        found["coarse_rmse"] = xr.concat(agree, found["name"])
        found["coarse_rmse_truth"] = self._agreement(truth)
        found = found.compute().reindex(name=np.array(list(images), object))
        notes = [note for _, note in opened.values()]
        known = {
            "valid": [valid[label] for label in images],
            "seconds": [note.seconds for note in notes],
            "pair_dates": np.array([" ".join(note.pairs) for note in notes], object),
            "kept": np.array([made.path(trial).name for trial in trials], object),
        }
        found["judged"] = ("time", [valid[""]])
        return found.assign({k: (("name", "time"), np.array(v)[:, None]) for k, v in known.items()})

    def _truth(self, target: int) -> xr.DataArray:
        fine = self.parts.ds["fine"].isel(time=[target])
        return fine.assign_attrs(valid_range=self.parts.valid_range)

    def _measured(self, images: dict[str, xr.DataArray], truth: xr.DataArray) -> xr.Dataset:
        side = cell_of(self.parts, self.cell)
        return measure_rows(
            images,
            truth,
            metrics=self.metrics,
            data_range=self.data_range,
            regions=self.regions,
            scale=side if side > 1 else None,
        )

    def _agreement(self, image: xr.DataArray) -> xr.DataArray:
        return consistency(image, self.parts.ds, metrics=["rmse"], cell=self.cell)["rmse"]

    def _shares(
        self, images: dict[str, xr.DataArray], truth: xr.DataArray, day: str
    ) -> dict[str, float]:
        """Return the share of the true pixels that each predicts, and, as "", all that predict."""
        import dask

        seen = xr.DataArray(np.isfinite(truth.data), dims=truth.dims)  # the grids are the same
        each = {k: xr.DataArray(np.isfinite(i.data), dims=i.dims) & seen for k, i in images.items()}
        counts = dask.compute(seen.sum(), *(e.sum() for e in each.values()))
        total, *single = (float(c) for c in counts)
        if not total:
            raise ValueError(
                f"{day} counts as observed, but its fine image holds nothing; find those that do: "
                "ds = xstf.find_observed(ds)"
            )
        shares = {k: c / total for k, c in zip(each, single, strict=True)}
        both = seen
        for label, one in each.items():
            both = both & one if shares[label] else both
        return shares | {"": float(dask.compute(both.sum())[0]) / total}


_LABELS = {
    "coarse_rmse": {"long_name": "RMSE against the coarse image", "best": "small"},
    "coarse_rmse_truth": {"long_name": "RMSE of the true image against the coarse one"},
    "valid": {"long_name": "share of the true pixels predicted", "units": "1", "best": "large"},
    "judged": {"long_name": "share of the true pixels that all are judged on", "units": "1"},
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
    joined.attrs = {"gap": gap, "left_out": "\n".join(f"{k}: {w}" for k, w in left_out.items())}
    if parts.grid.scale > 1:
        joined.attrs["scale"] = parts.grid.scale
    if parts.valid_range is not None:
        joined.attrs["scene_range"] = list(parts.valid_range)
    return joined.assign_coords(trivial=("name", [trivial[label] for label in labels]))
