"""gpfuse: the fine change is a Gaussian process, and the coarse sensor has seen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Method, Prepared, Statistics, Whole, param, register
from xstf.methods._gp_features import RADIUS, SAMPLE, Look, cells, find_look, kept_detail, survey
from xstf.methods._gp_model import find_steps
from xstf.methods._gp_predict import APART, MARGIN, Member, Numbers, Prediction, blend
from xstf.methods._gp_sensor import Sensor, find_sensor, reach_of
from xstf.methods._gp_solve import STEPS, Found, find_error, solve
from xstf.methods._shared import side_of_cell
from xstf.sizes import VALUE, BlockSize

DETAIL = 0.5  # of one pair's detail that is kept
TRUST = {1: 0.5, 2: 0.4}  # of the variance of the coarse error, by the number of pairs
MEMBERS = {
    1: (Member("one", (0,), 1.0),),
    2: (Member("both", (0, 1), 0.5), Member("first", (0,), 0.25), Member("last", (1,), 0.25)),
}


@register("gpfuse")
@dataclass(frozen=True, kw_only=True)
class Gpfuse(Method):
    """The fine change as a Gaussian process, and its most probable course given the cells.

    The change since a pair is the sum of a mean, of smooth change, of change in proportion to the
    pixel's denoised spectrum, and of change in proportion to the classes that it belongs to; what a
    spectrum or class is worth differs from place to place. How much of each there is, the scene
    decides by maximum likelihood. The sensor has a point spread and a shift, which are found, and
    an error that neighbouring cells share. Detail that denoising removes is kept by the share that
    lasts. With two pairs three such processes are averaged: from the mean of both pairs, which
    counts half, and from each alone. ``docs/gpfuse.md`` has the equations.

    Use it where one or two pairs are at hand and accuracy matters; with ``quality=True`` it says
    how far each pixel may be off. Not for scenes of fewer than about a hundred cells, which cannot
    tell so much apart, nor for texture that must stay as it is: with one pair, half of the finest
    detail is taken for noise.

    A pixel is missing where its fine value is missing in every pair. A missing cell leaves no hole:
    those around it say what changed. With two pairs, a pixel that one of them lacks comes from the
    other. Values are not clipped to the valid range.
    """

    pairs = range(1, 3)
    unchanged = "flat"
    layers = ("fused", "sd")
    cells = True
    classes: int = param(36, ge=1, le=128, doc="soft classes of the fine image")
    cell: int | None = side_of_cell()

    def halo(self, scale: int) -> int:
        """Half the window that spectra are denoised in."""
        return RADIUS

    def memory(self, size: BlockSize) -> float:
        """Count the shares of classes and the spectra of each member, and results of the dates."""
        spectra = (5 + 11 * (size.layers > 1)) * size.bands
        members = len(MEMBERS[size.pairs]) * VALUE * (1.5 * self.classes + spectra) * size.inner
        return members + 1.5 * size.layers * size.layer

    def memory_aside(self, cells: int) -> float:
        """Count what is known of each cell, and the equations of tiles and windows."""
        return 16.0 * (self.classes + 8) * cells + 64e6

    def prepare(self, scene: Whole) -> Prepared:
        """Find the sensor, the classes, and the weights of the cells on each date."""
        members = MEMBERS[scene.pairs]
        stride = max(1, int(np.ceil(np.sqrt(scene.shape[0] * scene.shape[1] / SAMPLE))))
        coarse = [scene.coarse(pair) for pair in range(scene.pairs)]
        found = scene.each(survey, stride, halo=RADIUS)
        sensor = scene.once(_sensor, found, scene.scale, *coarse)
        looks = scene.once(_looks, found, scene.statistics, members, self.classes)
        seen = scene.each(cells, looks, sensor, halo=reach_of(scene.scale) + RADIUS)
        numbers = scene.once(_numbers, sensor, looks, seen, members, *coarse)
        solved = [
            [scene.once(_solved, m, numbers, seen, scene.target(date), *coarse) for m in members]
            for date in range(scene.dates)
        ]
        planes = {f"seen {m.name}": [scene.once(_padded, seen, m.name)] for m in members}
        for n, m in enumerate(members):
            planes[f"weights {m.name}"] = [scene.once(_padded, s[n], "weights") for s in solved]
            planes[f"gain {m.name}"] = [scene.once(_padded, s[n], "gain", "edge") for s in solved]
        dated = [scene.once(_founds, *s) for s in solved]
        return Prepared(numbers=numbers, dated=dated, planes=planes, margin=MARGIN)

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and, if it is asked for, its standard deviation."""
        members = [Prediction(b, m, n) for n, m in enumerate(MEMBERS[len(b.fine)])]
        made: dict[str, list[np.ndarray]] = {name: [] for name in b.layers}
        for date in range(len(b.target)):
            changes = [member.change(date) for member in members]
            images = [m.base + change for m, change in zip(members, changes, strict=True)]
            made["fused"].append(blend(members, images))
            if "sd" in made:
                made["sd"].append(_deviation(members, date, changes, images, made["fused"][-1]))
        return {name: np.stack(layers) for name, layers in made.items()}


def _deviation(
    members: list[Prediction],
    date: int,
    changes: list[np.ndarray],
    images: list[np.ndarray],
    fused: np.ndarray,
) -> np.ndarray:
    """Return the standard deviation of the error, (band, y, x)."""

    def of(pairs: int) -> np.ndarray:
        doubts = [m.doubt(date, c, pairs) for m, c in zip(members, changes, strict=True)]
        doubts = [np.where(np.isnan(i), np.nan, d) for i, d in zip(images, doubts, strict=True)]
        return blend(members, doubts)

    apart = blend(members, [(image - fused) ** 2 for image in images])
    variance = of(1) if len(members) == 1 else of(2) + np.float32(APART) * apart
    alone = np.isnan(images[0])  # what only one of two pairs shows
    if len(members) > 1 and alone.any():
        variance = np.where(alone, of(1), variance)
    return np.sqrt(variance)


def _sensor(found: dict[str, np.ndarray], scale: int, *coarse: np.ndarray) -> Sensor:
    return find_sensor(found["parts"], list(coarse), scale)


def _looks(
    found: dict[str, np.ndarray], statistics: Statistics, members: tuple[Member, ...], classes: int
) -> dict[str, Look]:
    return {m.name: find_look(found["windows"], statistics, m.pairs, classes) for m in members}


def _numbers(
    sensor: Sensor,
    looks: dict[str, Look],
    seen: dict[str, np.ndarray],
    members: tuple[Member, ...],
    *coarse: np.ndarray,
) -> Numbers:
    beyond = np.stack(coarse) - seen["seen"].reshape(len(coarse), -1, *coarse[0].shape[1:])
    difference = beyond[-1] - beyond[0] if len(coarse) > 1 else beyond[0]
    error = find_error(difference, find_steps(sensor, STEPS))
    kept = {members[0].name: np.full(len(difference), DETAIL)}
    if len(coarse) > 1:
        mean, alone = kept_detail(seen["detail"])
        kept = dict(zip((m.name for m in members), (mean, *alone), strict=True))
    return Numbers(sensor, looks, error, kept)


def _solved(
    member: Member,
    numbers: Numbers,
    seen: dict[str, np.ndarray],
    target: np.ndarray,
    *coarse: np.ndarray,
) -> dict[str, Any]:
    """Return what one member finds on one date, and its weights of the cells."""
    step = target - np.mean([coarse[p] for p in member.pairs], axis=0, dtype=np.float64)
    # half the error of a pair cancels in the mean of two
    trust = TRUST[len(coarse)] * (2 if len(member.pairs) < len(coarse) else 1)
    found, weights, gain = solve(
        step, seen[member.name], numbers.looks[member.name].sizes,
        find_steps(numbers.sensor, STEPS), numbers.error, trust,
    )  # fmt: skip
    return {"found": found, "weights": weights, "gain": gain}


def _padded(found: dict[str, Any], name: str, how: Any = "constant") -> np.ndarray:
    """Return a plane that reaches `MARGIN` cells past the scene, 0 where nothing is known."""
    around = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)]
    return np.pad(np.nan_to_num(found[name]).astype(np.float32), around, how)


def _founds(*solved: dict[str, Any]) -> list[Found]:
    return [s["found"] for s in solved]
