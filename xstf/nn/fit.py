"""Fitting a network to a scene: what it is trained on, what is kept, what it is judged by."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import xarray as xr

from xstf.checks import Parts, take_apart, with_observed
from xstf.dates import text_of
from xstf.gathering import Feed, as_dask
from xstf.nn.checkpoint import differences, pack, unpack
from xstf.nn.course import Course, Schedule
from xstf.nn.inputs import Normaliser, normaliser
from xstf.nn.kept import Kept, weights_of
from xstf.nn.learned import Learned
from xstf.nn.model import PairModel
from xstf.nn.patches import Source
from xstf.nn.predict import device_of, rounding
from xstf.nn.train import judge, train
from xstf.progress import meter_of

if TYPE_CHECKING:
    from xstf.nn.method import Network

N = TypeVar("N", bound="Network")
COUNTS = {1: "one", 2: "two"}
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
    method.suit(bands_of(parts.ds), parts.grid.scale, parts.valid_range)
    known = known_of(method, parts)
    dates = np.flatnonzero(parts.observed("fine") & parts.observed("coarse")).tolist()
    file = Kept.of(checkpoint, resume, known, parts, dates, init)
    model = _built(method, known["scene"])
    drawing = method.upsample, method.patch, model.radius, method.seed, method.mix
    patches = method.series, method.dates, model.unit, method.aside(parts.grid.scale)
    source = Source.of(feed_of(parts), dates, *drawing, *patches)
    _begin(model, method, source, init, known["scene"])
    model.to(where)
    if model.alike is not None:
        source = replace(source, share=partial(model.alike.moved, model.normal))
    judged = source.judged()
    if judged is None:
        _warn_of_size(method, source)
    rate = method.rate * (1 if init is None else FINE_TUNE)
    how = Schedule(method.epochs, method.batch, rate, method.halve, method.patience)
    course = file.course()
    with _shown(method, model, course, progress) as tell, rounding(method.precision, where):

        def after(course: Course) -> None:
            tell(course)
            file.keep(course)

        course = train(model, source, judged, how, where, course, after)
        scores = {} if judged is None else judge(model, judged, method.batch, where)
    file.keep(course)
    known |= {"history": course.history, "scores": {n: s.tolist() for n, s in scores.items()}}
    warn_of_scores(method, scores, model.normal)
    return replace(method, weights=pack(model.state_dict(), known))


def _built(method: Network, scene: Mapping[str, Any]) -> PairModel:
    """Return the network as the seed draws it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed)
        return method.made(len(scene["bands"]), scene["scale"])


def _begin(
    model: PairModel, method: Network, source: Source, init: Any, scene: Mapping[str, Any]
) -> None:
    """Prepare a network for the first pass: normalise it, or give it other weights."""
    if init is None:
        fine, changes = source.sample()
        normal = normaliser(fine, changes)
        model.normalise(normal)
        if model.alike is not None:
            model.alike.learn(normal(fine[..., None])[..., 0], method.seed)
    else:
        model.load_state_dict(tensors_of(init, method, scene))


@contextmanager
def _shown(
    method: Network, model: PairModel, course: Course, progress: Any
) -> Iterator[Callable[[Course], None]]:
    """Give a function that shows how far a training is."""
    total = model.stages * method.epochs
    with meter_of(total, f"training {method.label}", progress, "passes") as meter:
        meter.add(list(range(course.stage * method.epochs + course.epoch)))
        yield lambda now: meter.add([now.stage * method.epochs + now.epoch - 1])


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


def known_of(method: Learned, parts: Parts) -> dict[str, Any]:
    """Return what tells these weights from others: method, scene, dates, versions."""
    import xstf

    ds = parts.ds
    usable = parts.observed("fine") & parts.observed("coarse")
    if usable.sum() < method.lessons:
        days = ", ".join(text_of(t) for t in parts.times[usable]) or "none"
        raise ValueError(
            f"{method.label} learns from {COUNTS[method.lessons]} or more dates with both images, "
            f"and the scene has {days}; add pairs, or take a method that learns nothing"
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


def bands_of(ds: xr.Dataset) -> list[str]:
    """Return the names of the bands, or their numbers."""
    if "band" in ds.coords:
        return [str(b) for b in ds["band"].values]
    return [str(n) for n in range(ds.sizes["band"])]


def tensors_of(init: Any, method: Learned, scene: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights that training begins with, or raise where they do not fit."""
    weights = weights_of(init)
    if weights.data is None or "parameters" not in weights.known:
        raise ValueError("init is no trained network; give a file that fitted.save(path) wrote")
    bound = {n: getattr(method, n) for n in method.bound}
    wrong = differences({"method": weights.known["method"]}, {"method": method.name})
    wrong += differences(weights.known["parameters"], bound)
    wrong += differences(weights.known["scene"], scene)
    if wrong:
        raise ValueError(
            f"{method.label} cannot go on from these weights ({'; '.join(wrong)}); train it anew"
        )
    return unpack(weights.data)


def feed_of(parts: Parts) -> Feed:
    """Return the images of a scene on dask, as patches are drawn from them."""
    return Feed(
        as_dask(parts.ds["fine"].astype("float32", copy=False).data),
        as_dask(parts.ds["coarse"].astype("float32", copy=False).data),
        {},
        parts.grid,
        parts.times,
        parts.valid_range,
    )


def _warn_of_size(method: Network, source: Source) -> None:
    """Warn where nothing is held out."""
    height, width = source.grid.shape
    warnings.warn(
        f"the scene of {height} x {width} pixels is too small to hold a patch of {source.side} "
        f"out, so nothing tells how well {method.label} does and when to stop; give a smaller "
        "patch",
        UserWarning,
        stacklevel=5,
    )


def warn_of_scores(method: Learned, scores: Mapping[str, np.ndarray], normal: Normaliser) -> None:
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
