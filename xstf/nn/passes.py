"""Training of what is no forecast from a pair: passes, what is kept, what it is judged by."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from xstf.checks import Parts, take_apart, with_observed
from xstf.method import param
from xstf.methods.fsdaf import ClassChange
from xstf.nn.checkpoint import pack
from xstf.nn.course import Course, copied, moments_of, remember
from xstf.nn.fit import FINE_TUNE, bands_of, known_of, tensors_of, warn_of_scores
from xstf.nn.inputs import Normaliser
from xstf.nn.kept import Kept
from xstf.nn.learned import Learned
from xstf.nn.predict import device_of
from xstf.planning import on_cells
from xstf.progress import meter_of

S = TypeVar("S", bound="Pupil")


class School(Protocol):
    """What is trained, and how; the loop knows no more of it."""

    optimisers: list[torch.optim.Adam]
    normal: Normaliser

    @property
    def model(self) -> nn.Module:
        """All that is trained."""

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin with the weights that another training kept."""

    def share(self, done: float) -> float:
        """Return the share of the learning rate when a share of the passes is done."""

    def train(self, epoch: int) -> float:
        """Train once over the scene and return the mean loss; `epoch` decides what is drawn."""

    def judge(self) -> dict[str, np.ndarray]:
        """Return the RMSE on what is held out, (band,), of ``network`` and of trivial predictions.

        Empty where nothing is held out: then the last weights are kept.
        """

    def kept(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return those tensors of the model that predictions need."""


@dataclass(frozen=True, kw_only=True)
class Pupil(ClassChange, Learned):
    """FSDAF whose spatial prediction is learned: what the methods of that kind share."""

    on_gpu = False  # training is, on request; of predictions no part has been tried there

    epochs: int = param(100, ge=1, doc="passes over the scene")
    batch: int = param(4, ge=1, doc="patches of one step")
    rate: float = param(1e-4, gt=0, doc="learning rate")

    def school(self, parts: Parts, dates: list[int], where: torch.device) -> School:
        """Return what is trained on some dates of a scene, drawn by the seed."""
        raise NotImplementedError  # what is trained, each method says

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where the weights were trained for another kind of scene, saying what differs."""
        if scale == 1:  # coarse images on the fine grid, which come to cells
            scale = self.cell or 1
        if scale > 1:  # else it is said that a cell is needed
            super().suit(bands, scale, limits)

    def fit(self: S, scene: xr.Dataset, **options: Any) -> S:
        """Return the method trained on the known pairs of a scene; see `xstf.fit`."""
        return fit(self, scene, **options)


def fit(
    method: S,
    scene: xr.Dataset,
    *,
    init: str | os.PathLike[str] | Learned | None = None,
    device: str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Any = False,
) -> S:
    """Return the method trained on the known pairs of a scene; see `xstf.fit`."""
    where = device_of(device)
    method = replace(method, weights=None)
    parts = on_cells(method, with_observed(take_apart(scene)))
    method.suit(bands_of(parts.ds), parts.grid.scale, parts.valid_range)
    known = known_of(method, parts)
    dates = np.flatnonzero(parts.observed("fine") & parts.observed("coarse")).tolist()
    file = Kept.of(checkpoint, resume, known, parts, dates, init)
    tensors = None if init is None else tensors_of(init, method, known["scene"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(method.seed)
        school = method.school(parts, dates, where)
    if tensors is not None:
        school.begin(tensors)
    course = file.course()
    rate = method.rate * (1 if init is None else FINE_TUNE)
    with meter_of(method.epochs, f"training {method.label}", progress, "passes") as meter:
        meter.add(list(range(course.epoch)))

        def after(course: Course) -> None:
            meter.add([course.epoch - 1])
            file.keep(course)

        _train(method, school, course, rate, after)
    school.model.load_state_dict(course.best)
    scores = school.judge()
    known |= {"history": course.history, "scores": {n: s.tolist() for n, s in scores.items()}}
    warn_of_scores(method, scores, school.normal)
    return replace(method, weights=pack(school.kept(course.best), known))


def _train(
    method: Pupil, school: School, course: Course, rate: float, after: Callable[[Course], Any]
) -> None:
    """Train, from where the course stands, until the passes are over or nothing gets better."""
    patience = getattr(method, "patience", None)
    if course.best:
        school.model.load_state_dict(course.model)
        for n, optimiser in enumerate(school.optimisers):
            held = {k.split("/", 1)[1]: t for k, t in course.moments.items() if k[0] == str(n)}
            remember(optimiser, _parameters(optimiser), held)
    else:
        _note(school, course)  # what it says untrained is there to be beaten too
    for epoch in range(course.epoch, method.epochs):
        if patience is not None and course.since >= patience:
            return
        now = rate * school.share(epoch / method.epochs)
        for optimiser in school.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = now
        school.model.train()
        loss = school.train(epoch)
        if not np.isfinite(loss):
            raise ValueError(
                "the training has lost its way: the loss is not finite; give a lower rate"
            )
        held_out = _note(school, course)
        course.history.append(
            {"stage": 1, "loss": loss, "rate": now, "held_out_rmse": held_out or None}
        )
        course.epoch = epoch + 1
        course.model = copied(school.model.state_dict())
        course.moments = {
            f"{n}/{name}": tensor
            for n, optimiser in enumerate(school.optimisers)
            for name, tensor in moments_of(optimiser, _parameters(optimiser)).items()
        }
        after(course)


def _note(school: School, course: Course) -> list[float]:
    """Judge the weights, keep them if they are the best so far, and return their errors."""
    school.model.eval()
    errors: list[float] = school.judge().get("network", np.array([])).tolist()
    unit = school.normal.scale * school.normal.step
    better = not errors or not course.best
    better = better or float(np.sum(errors / unit)) < float(np.sum(course.least / unit))
    if better:
        course.best, course.least = copied(school.model.state_dict()), errors
    course.since = 0 if better else course.since + 1
    return errors


def _parameters(optimiser: torch.optim.Adam) -> list[nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"]]
