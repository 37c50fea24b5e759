"""Fitting a network to a scene: what it is trained on, what is kept, what it is judged by."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import xarray as xr

from xstf.checks import Parts, take_apart, with_observed
from xstf.gathering import Feed, as_dask
from xstf.nn import checkpoint
from xstf.nn.checkpoint import Weights, differences, pack, read, unpack
from xstf.nn.inputs import Normaliser
from xstf.nn.method import device_of
from xstf.nn.patches import Source
from xstf.nn.predict import rounding
from xstf.nn.train import Course, Schedule, judge, train
from xstf.pairing import text_of
from xstf.progress import meter_of

if TYPE_CHECKING:
    from xstf.nn.method import Network

N = TypeVar("N", bound="Network")
FINE_TUNE = 0.1  # of the learning rate, where training goes on from other weights


def fit(
    method: N,
    scene: xr.Dataset,
    *,
    init: str | os.PathLike[str] | Network | None = None,
    device: str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Any = False,
) -> N:
    """Return the method trained on the known pairs of a scene; see `xstf.fit`."""
    where = device_of(device)
    method = replace(method, weights=None)
    parts = with_observed(take_apart(scene))
    known = _known(method, parts)
    dates = np.flatnonzero(parts.observed("fine") & parts.observed("coarse")).tolist()
    side = method.patch
    source = Source.of(
        _feed(parts), dates, method.upsample, side, method.radius, method.seed, method.mix
    )
    file = Kept.of(checkpoint, resume, method, known, parts, dates, init)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed)
        model = method.build(len(known["scene"]["bands"]))
    rate = method.rate
    if init is None:
        model.normalise(source.normaliser())
    else:
        model.load_state_dict(_tensors_of(init, method, known["scene"]))
        rate *= FINE_TUNE
    model.to(where)
    judged = source.judged()
    if judged is None:
        warnings.warn(
            f"the scene of {parts.grid.shape[0]} x {parts.grid.shape[1]} pixels is too small to "
            f"hold a patch of {source.side} out, so nothing tells how well {method.label} does and "
            "when to stop; give a smaller patch",
            UserWarning,
            stacklevel=4,
        )
    course = file.course()
    how = Schedule(method.epochs, method.batch, rate, method.halve, method.patience, method.seed)
    total, done = model.stages * method.epochs, course.stage * method.epochs + course.epoch
    with meter_of(total, f"training {method.label}", progress, "passes") as meter:
        meter.add(list(range(done)))

        def after(course: Course) -> None:
            meter.add([course.stage * method.epochs + course.epoch - 1])
            file.keep(course)

        with rounding(method.precision, where):
            course = train(model, source, judged, how, where, course, after)
            scores = {} if judged is None else judge(model, judged, method.batch, where)
    file.keep(course)
    known |= {"history": course.history, "scores": {n: s.tolist() for n, s in scores.items()}}
    _warn_of(method, scores, model.normal)
    return replace(method, weights=pack(model.state_dict(), known))


def history(known: Mapping[str, Any]) -> xr.Dataset:
    """Return how a training went."""
    rows = known["history"]
    bands = np.array(known["scene"]["bands"], object)
    found = {n: ("epoch", [row[n] for row in rows]) for n in ("stage", "loss", "rate")}
    coords: dict[str, Any] = {"epoch": np.arange(1, len(rows) + 1), "band": bands}
    data = xr.Dataset(found, coords)
    scores = {n: s for n, s in known["scores"].items() if n != "network"}
    if not scores:
        return data
    data["held_out_rmse"] = ("epoch", "band"), [row["held_out_rmse"] for row in rows]
    names = xr.DataArray(np.array(list(scores), object), dims="name")
    data["held_out_trivial"] = ("name", "band"), list(scores.values())
    data["held_out_best"] = "band", known["scores"]["network"]
    return data.assign_coords(name=names)


class Kept:
    """The file that a training is kept in while it goes on; or none."""

    def __init__(self, path: Path | None, known: dict[str, Any], found: Weights | None) -> None:
        self._path, self._known, self._found = path, known, found

    @staticmethod
    def of(
        path: str | os.PathLike[str] | None,
        resume: bool,
        method: Network,
        known: dict[str, Any],
        parts: Parts,
        dates: list[int],
        init: Any,
    ) -> Kept:
        """Return the file, checked against what is there.

        Raises
        ------
        FileExistsError
            If it is there and `resume` is not given.
        ValueError
            If it is there, but of another training; the message says what differs.
        """
        if path is None:
            if resume:
                raise ValueError("resume=True needs the file of the training: checkpoint=...")
            return Kept(None, {}, None)
        path = Path(path)
        what = {"scene": known["scene"], "training": _identity(method, known, parts, dates, init)}
        if not path.exists():
            return Kept(path, what, None)
        if not resume:
            raise FileExistsError(
                f"{path} exists; go on with the training that was stopped with resume=True, or "
                "give another checkpoint"
            )
        found = read(path)
        if "course" not in found.known:
            raise ValueError(
                f"{path} holds a network that is trained, not a training; xstf.load reads it, and "
                "init= goes on from it"
            )
        wrong = [text for part in what for text in differences(found.known[part], what[part])]
        if wrong:
            raise ValueError(
                f"{path} holds another training ({'; '.join(wrong)}); give another checkpoint, or "
                "the same scene and parameters"
            )
        return Kept(path, what, found)

    def course(self) -> Course:
        """Return where the training stands."""
        if self._found is None or self._found.data is None:
            return Course()
        return Course.of(self._found.known["course"], unpack(self._found.data))

    def keep(self, course: Course) -> None:
        """Write where the training stands."""
        if self._path is not None:
            known = {**self._known, "course": course.numbers}
            checkpoint.write(self._path, pack(course.tensors, known))


def _known(method: Network, parts: Parts) -> dict[str, Any]:
    """Return what tells these weights from others: method, scene, dates, versions."""
    import xstf

    ds = parts.ds
    usable = parts.observed("fine") & parts.observed("coarse")
    if usable.sum() < 2:
        days = ", ".join(text_of(t) for t in parts.times[usable]) or "none"
        raise ValueError(
            f"{method.label} learns from two or more dates with both images, and the scene has "
            f"{days}; add pairs, or take a method that learns nothing"
        )
    declared = asdict(method)
    declared.pop("weights")
    return {
        "method": method.name,
        "parameters": declared,
        "scene": {
            "bands": bands_of(ds),
            "scale": parts.grid.scale,
            "valid_range": parts.valid_range,
        },
        "units": ds["fine"].attrs.get("units"),
        "halo": method.halo(parts.grid.scale),
        "dates": [text_of(t) for t in parts.times[usable]],
        "versions": {"xstf": xstf.__version__, "torch": torch.__version__},
    }


def _identity(
    method: Network, known: Mapping[str, Any], parts: Parts, dates: list[int], init: Any
) -> dict[str, Any]:
    """Return what a training depends on, its images by a number for each."""
    import dask

    from xstf.fingerprint import fingerprints

    images = [parts.ds[kind].isel(time=dates) for kind in ("fine", "coarse")]
    numbers = dask.compute(*(fingerprints(i) for i in images))
    found = {f"{k} images": [f"{int(v):016x}" for v in n.values] for k, n in
             zip(("fine", "coarse"), numbers, strict=True)}  # fmt: skip
    start = None if init is None else _weights_of(init).digest
    rest = {n: known[n] for n in ("method", "dates", "versions")}
    return {**known["parameters"], **rest, **found, "init": start}


def bands_of(ds: xr.Dataset) -> list[str]:
    """Return the names of the bands, or their numbers."""
    if "band" in ds.coords:
        return [str(b) for b in ds["band"].values]
    return [str(n) for n in range(ds.sizes["band"])]


def _weights_of(init: Any) -> Weights:
    held: Weights | None = getattr(init, "weights", None)
    return held or read(init)


def _tensors_of(init: Any, method: Network, scene: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights that training begins with, or raise where they do not fit."""
    weights = _weights_of(init)
    if weights.data is None or "parameters" not in weights.known:
        raise ValueError("init is no trained network; give a file that fitted.save(path) wrote")
    bound = {n: getattr(method, n) for n in (*method.shape, "upsample")}
    wrong = differences({"method": weights.known["method"]}, {"method": method.name})
    wrong += differences(weights.known["parameters"], bound)
    wrong += differences(weights.known["scene"], scene)
    if wrong:
        raise ValueError(
            f"{method.label} cannot go on from these weights ({'; '.join(wrong)}); train it anew"
        )
    return unpack(weights.data)


def _feed(parts: Parts) -> Feed:
    return Feed(
        as_dask(parts.ds["fine"].astype("float32", copy=False).data),
        as_dask(parts.ds["coarse"].astype("float32", copy=False).data),
        {},
        parts.grid,
        parts.times,
        parts.valid_range,
    )


def _warn_of(method: Network, scores: Mapping[str, np.ndarray], normal: Normaliser) -> None:
    """Warn where a trivial prediction of what was held out is as good."""
    if not scores:
        return
    unit = normal.scale * normal.step
    means = {n: float(np.mean(s / unit)) for n, s in scores.items()}
    best = min((n for n in means if n != "network"), key=means.__getitem__)
    if means["network"] >= means[best]:
        of = "/".join(f"{1e4 * v:.0f}" for v in scores["network"])
        than = "/".join(f"{1e4 * v:.0f}" for v in scores[best])
        warnings.warn(
            f"{method.label} does not beat the trivial prediction {best!r} on what was held out "
            f"(RMSE x 10^4 {of} against {than}): train longer, on more pairs or a larger scene, or "
            "take a method that learns nothing",
            UserWarning,
            stacklevel=5,
        )
