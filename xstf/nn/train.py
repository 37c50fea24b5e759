"""The training loop, the same for every network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xstf.nn.course import Course, Schedule, copied, moments_of, remember
from xstf.nn.inputs import tensors
from xstf.nn.layers import inner
from xstf.nn.model import PairModel
from xstf.nn.patches import Crops, Source
from xstf.nn.pool import Pool, batches

log = logging.getLogger(__name__)


def train(
    model: PairModel,
    source: Source,
    judged: Crops | None,
    how: Schedule,
    device: torch.device,
    course: Course,
    after: Callable[[Course], Any],
) -> Course:
    """Train a network on patches of a scene and leave its best weights in it.

    Parameters
    ----------
    model
        On the device, normalised.
    source
        Draws the patches: by the seed and the number of the pass alone.
    judged
        Patches that are held out; the weights that do best on them are kept, for each band where
        bands are networks of their own. None: the last ones.
    how
        How long, how fast.
    device
        Where.
    course
        A new one, or one to go on with.
    after
        Called at the end of each pass.
    """
    if not course.best:  # what it says untrained is there to be beaten too
        errors = None if judged is None else judge(model, judged, how.batch, device)["network"]
        _keep_best(model, errors, course)
    with Pool() as pool:
        for stage in range(course.stage, model.stages):
            _stage(model, source, judged, how, device, course, after, pool)
            model.load_state_dict(course.best)
            course.model, course.moments, course.since = dict(course.best), {}, 0
            course.stage, course.epoch = stage + 1, 0
    model.load_state_dict(course.best)
    return course


def _stage(
    model: PairModel,
    source: Source,
    judged: Crops | None,
    how: Schedule,
    device: torch.device,
    course: Course,
    after: Callable[[Course], Any],
    pool: Pool,
) -> None:
    parameters = model.begin(course.stage)
    optimiser = torch.optim.Adam(parameters, how.rate)
    if course.model:
        model.load_state_dict(course.model)
        remember(optimiser, parameters, course.moments)
    for epoch in range(course.epoch, how.epochs):
        if how.patience is not None and course.since >= how.patience:
            return
        rate = how.rate * 0.5 ** (epoch // how.halve if how.halve else 0)
        for group in optimiser.param_groups:
            group["lr"] = rate
        crops = source.epoch(course.stage * how.epochs + epoch, pool)
        loss = _pass(model, batches(crops, how.batch), optimiser, device)
        _note(model, judged, how, device, course, loss, rate)
        course.epoch = epoch + 1
        log.info("stage %s, epoch %s: loss %.4g", course.stage + 1, course.epoch, loss)
        course.model = copied(model.state_dict())
        course.moments = moments_of(optimiser, parameters)
        after(course)


def _pass(model: PairModel, crops: Any, optimiser: torch.optim.Adam, device: torch.device) -> float:
    """Train once over some patches and return the mean loss."""
    model.train()
    losses = [_step(model, batch, optimiser, device) for batch in crops]
    if not losses:
        raise ValueError(
            "no patch of the scene is seen on two dates (at least 60 % of its pixels); give a "
            "smaller patch, or pairs with fewer clouds"
        )
    mean = float(torch.stack(losses).mean())
    if not np.isfinite(mean):
        raise ValueError("the training has lost its way: the loss is not finite; give a lower rate")
    return mean


def _step(
    model: PairModel, batch: Crops, optimiser: torch.optim.Adam, device: torch.device
) -> Tensor:
    """Train on some patches and return the loss."""
    loss = torch.zeros((), device=device)
    for images, later, truth, seen in model.lessons(*_on(device, model, batch)):
        loss = loss + model.misfit(images, later, truth, seen) / 2
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.detach()


def _note(
    model: PairModel,
    judged: Crops | None,
    how: Schedule,
    device: torch.device,
    course: Course,
    loss: float,
    rate: float,
) -> None:
    """Judge the weights, and keep those of each band that are its best so far."""
    errors = None
    if not model.shows(course.stage):
        course.best, better = copied(model.state_dict()), True
    else:
        errors = None if judged is None else judge(model, judged, how.batch, device)["network"]
        better = _keep_best(model, errors, course)
    course.since = 0 if better else course.since + 1
    held = None if judged is None else course.least if errors is None else errors.tolist()
    course.history.append(
        {"stage": course.stage + 1, "loss": loss, "rate": rate, "held_out_rmse": held}
    )


def _keep_best(model: PairModel, errors: np.ndarray | None, course: Course) -> bool:
    """Keep the weights of the bands that are better than ever; return whether any is."""
    now = copied(model.state_dict())
    if errors is None or not course.best:
        course.best, course.least = now, [] if errors is None else errors.tolist()
        return True
    least = np.array(course.least)
    better = errors < least
    if not model.apart:  # all bands or none
        unit = model.normal.scale * model.normal.step
        better[:] = (errors / unit).sum() < (least / unit).sum()
    if not better.any():
        return False
    course.least = np.where(better, errors, least).tolist()
    course.best = {name: _of_bands(course.best[name], now[name], better) for name in now}
    return True


def _of_bands(old: Tensor, new: Tensor, better: np.ndarray) -> Tensor:
    """Return a tensor of weights whose first axis is band by band, some bands from another."""
    if better.all() or not new.ndim or torch.equal(old, new):
        return new
    parts = zip(old.chunk(len(better)), new.chunk(len(better)), better, strict=True)
    return torch.cat([after if take else before for before, after, take in parts])


def judge(model: PairModel, crops: Crops, size: int, device: torch.device) -> dict[str, np.ndarray]:
    """Return the RMSE of a network and of trivial predictions, each (band,), in scene units.

    Parameters
    ----------
    model
        The network.
    crops
        Two dates, each predicted from the other.
    size
        Patches that are predicted together.
    device
        Where.
    """
    model.eval()
    sums: dict[str, Tensor] = {}
    count = torch.zeros_like(model.step[:, 0, 0], dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, len(crops.fine), size):
            some = slice(start, start + size)
            part = Crops(crops.fine[some], crops.coarse[some], crops.share[some])
            on = _on(device, model, part)
            for images, later, truth, seen in model.lessons(*on):
                fine, coarse, target = (
                    mean_of_pairs(inner(i, model.radius), truth)
                    for i in (images.fine, images.coarse, images.target)
                )
                said = {
                    "network": mean_of_pairs(model.forecast(images, later), truth),
                    "unchanged": fine,
                    "upsampled": target,
                    "add" if model.alike is None else "add, shared": fine + target - coarse,
                }
                for name, image in said.items():
                    off = torch.where(seen, (image - truth) * model.scale, 0).double()
                    sums[name] = sums.get(name, 0) + _by_band(off.square())
                count += _by_band(seen)
    return {n: (s / count.clamp(min=1)).sqrt().cpu().numpy() for n, s in sums.items()}


def _on(device: torch.device, model: PairModel, crops: Crops) -> tuple[Tensor, Tensor, Tensor]:
    fine, coarse = tensors(model.normal, crops.fine, crops.coarse)
    return fine.to(device), coarse.to(device), torch.from_numpy(crops.share).to(device)


def mean_of_pairs(image: Tensor, like: Tensor) -> Tensor:
    """Return the mean over pairs where there is an axis of them, (n, pair, band, y, x)."""
    return image.mean(1) if image.ndim > like.ndim else image


def _by_band(image: Tensor) -> Tensor:
    """Return the sum over all but the bands, (band,)."""
    return image.movedim(-3, 0).flatten(1).sum(1)
