"""gpfuse: the fine change is a Gaussian process, and the coarse sensor has seen it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xstf.method import Block, Method, Prepared, Statistics, Whole, param, register
from xstf.methods._gp_cover import Cover, find_cover, uncovered
from xstf.methods._gp_error import FLAT, find_error, standard
from xstf.methods._gp_extent import lay, place_cover
from xstf.methods._gp_features import RADIUS, SAMPLE, Look, cells, find_look, kept_detail, survey
from xstf.methods._gp_members import Member, members_of
from xstf.methods._gp_model import find_steps
from xstf.methods._gp_predict import APART, MARGIN, Numbers, Prediction, blend, describe
from xstf.methods._gp_sensor import Sensor, find_sensor, reach_of
from xstf.methods._gp_solve import STEPS, Found, solve
from xstf.methods._shared import side_of_cell
from xstf.sizes import VALUE, BlockSize

DETAIL = 0.5  # of one pair's detail that is kept
TRUST = {1: 0.5, 2: 0.4}  # of the variance of the coarse error, with one pair and with several
SMOOTHEST = 0.7  # share of error in coarse change, beyond which smooth change counts no more
LEAST = 0.01  # a share of smooth change that is not worth while
NOTHING: dict[str, Any] = {"cover": None}  # lies over the scene


@register("gpfuse")
@dataclass(frozen=True, kw_only=True)
class Gpfuse(Method):
    """The fine change as a Gaussian process, and its most probable course given the cells.

    The change since a pair is the sum of a mean, of smooth change, of change in proportion to the
    pixel's denoised spectrum, and of change in proportion to the classes that it belongs to; what a
    spectrum or class is worth differs from place to place. How much of each there is, the scene
    decides by maximum likelihood. The sensor has a point spread and a shift, which are found, and
    an error that neighbouring cells share. Detail that denoising removes is kept by the share that
    lasts. With one pair, what covers whole cells alike and did not before (a flood, snow) is laid
    over the land with a sharp edge. With two pairs such processes are averaged: from the mean of
    both pairs, and from each alone, the more the less has changed since. ``pairs=4`` adds what
    further pairs show: fields that look alike on two dates part on a third. ``docs/gpfuse.md`` has
    the equations.

    Use it where accuracy matters; with ``quality=True`` it says how far each pixel may be off. Not
    for scenes of fewer than about a hundred cells, which cannot tell so much apart, nor for texture
    that must stay as it is: with one pair, half of the finest detail is taken for noise.

    A pixel is missing where its fine value is missing in every pair. A missing cell leaves no hole:
    those around it say what changed. A pixel that one of several pairs lacks comes from the others.
    Values are not clipped to the valid range.
    """

    pairs = range(1, 16)
    unchanged = "flat"
    layers = ("fused", "sd")
    cells = True
    classes: int = param(48, ge=1, le=128, doc="soft classes of the fine image")
    cell: int | None = side_of_cell()

    def halo(self, scale: int) -> int:
        """Half the window that spectra are denoised in."""
        return RADIUS

    def memory(self, size: BlockSize) -> float:
        """Count classes and spectra of each look, images of the members, results of the dates."""
        alone = size.pairs == 1
        looks = _looks_at(size.pairs)
        members = 1 if alone else size.pairs + 2 + (size.pairs > 2)
        spectra = looks * (self.classes + 2 * size.bands * min(size.pairs, 4))
        images = (5 + 11 * (size.layers > 1)) * size.bands * members
        sides = (length // size.scale + 2 * MARGIN for length in (size.rows, size.columns))
        around = 2 * (self.classes + size.bands) * math.prod(sides)  # features of cells
        made = (spectra + images) * size.inner + around
        return VALUE * made + 1.5 * size.layers * size.layer

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Count what is known of each cell, and the equations of tiles and windows."""
        features = (22.0 + 10.0 * _looks_at(pairs)) * (self.classes + 8) * cells
        covers = 1100.0 * cells if pairs == 1 else 0.0  # parts of cells that one is placed in
        return features + covers + 64e6

    def prepare(self, scene: Whole) -> Prepared:
        """Find the sensor, the classes, and the weights of the cells on each date."""
        dated = [members_of(scene.times, target) for target in scene.target_times]
        members = list({m.aspect: m for own in dated for m in own}.values())
        stride = max(1, int(np.ceil(np.sqrt(scene.shape[0] * scene.shape[1] / SAMPLE))))
        coarse = [scene.coarse(pair) for pair in range(scene.pairs)]
        found = scene.each(survey, stride, halo=RADIUS)
        sensor = scene.once(_sensor, found, scene.scale, *coarse)
        looks = scene.once(_looks, found, scene.statistics, members, self.classes)
        seen = scene.each(cells, looks, members, sensor, halo=reach_of(scene.scale) + RADIUS)
        numbers = scene.once(_numbers, sensor, looks, seen, members, *coarse)
        targets = [scene.target(date) for date in range(scene.dates)]
        # where several pairs are, those to come tell better where it lay
        covers = [
            scene.once(_covering, members[0], numbers, seen, target, *coarse)
            if scene.pairs == 1 else NOTHING
            for target in targets
        ]  # fmt: skip
        solved = [
            [scene.once(_solved, m, own[0], numbers, seen, cover, target, *coarse) for m in own]
            for own, cover, target in zip(dated, covers, targets, strict=True)
        ]
        names = sorted({m.look for m in members if m.looks})
        planes = {f"seen {look}": [scene.once(_padded, seen, look)] for look in names}
        for n, m in enumerate(dated[0]):
            planes[f"weights {m.name}"] = [scene.once(_padded, s[n], "weights") for s in solved]
            planes[f"gain {m.name}"] = [scene.once(_padded, s[n], "gain", "edge") for s in solved]
        if scene.pairs == 1:
            planes["cover"] = [scene.once(_padded, c, "field", "edge") for c in covers]
        founds = [
            scene.once(_founds, [m.name for m in own], c, *s)
            for own, c, s in zip(dated, covers, solved, strict=True)
        ]
        return Prepared(numbers=numbers, dated=founds, planes=planes, margin=MARGIN)

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and, if it is asked for, its standard deviation."""
        dated = [members_of(b.times, target) for target in b.target_times]
        features = describe(b, (m for members in dated for m in members))
        none = np.empty((0, *b.fine[0, 0, *b.inner].shape), np.float32)
        made: dict[str, list[np.ndarray]] = {name: [] for name in b.layers}
        for date, members in enumerate(dated):
            found = [
                Prediction(b, date, m, features.get(m.look, none))
                for m in members
                if b.dated[date][m.name].share > 0
            ]
            changes = [member.change() for member in found]
            weights = [member.weight() for member in found]
            images = [m.base + change for m, change in zip(found, changes, strict=True)]
            fused, variance = blend(weights, images), None
            if "sd" in made:
                variance = _variance(found, weights, images, fused)
            if b.dated[date]["cover"] is not None:
                fused, variance = lay(b, date, fused, variance)
            made["fused"].append(fused)
            if variance is not None:
                made["sd"].append(np.sqrt(variance))
        return {name: np.stack(layers) for name, layers in made.items()}


def _looks_at(pairs: int) -> int:
    """Return how often pixels are described: from each pair, from those around a date, from all."""
    # dates between other pairs have other pairs around them
    return 1 if pairs == 1 else 3 if pairs == 2 else 2 * pairs


def _variance(
    members: list[Prediction],
    weights: list[np.ndarray],
    images: list[np.ndarray],
    fused: np.ndarray,
) -> np.ndarray:
    """Return the variance of the error, (band, y, x)."""

    def of(pairs: int) -> np.ndarray:
        doubts = [m.doubt(pairs) for m in members]
        doubts = [np.where(np.isnan(i), np.nan, d) for i, d in zip(images, doubts, strict=True)]
        return blend(weights, doubts)

    apart = blend(weights, [(image - fused) ** 2 for image in images])
    variance = of(1) if len(members) == 1 else of(2) + np.float32(APART) * apart
    alone = np.isnan(images[0])  # what one of the pairs around the date lacks
    if len(members) > 1 and alone.any():
        variance = np.where(alone, of(1), variance)
    return variance


def _sensor(found: dict[str, np.ndarray], scale: int, *coarse: np.ndarray) -> Sensor:
    return find_sensor(found["parts"], list(coarse), scale)


def _looks(
    found: dict[str, np.ndarray], statistics: Statistics, members: list[Member], classes: int
) -> dict[str, Look]:
    looks = {m.look: m.looks for m in members if m.looks}
    return {
        name: find_look(found["windows"], statistics, pairs, classes)
        for name, pairs in looks.items()
    }


def _numbers(
    sensor: Sensor,
    looks: dict[str, Look],
    seen: dict[str, np.ndarray],
    members: list[Member],
    *coarse: np.ndarray,
) -> Numbers:
    beyond = np.stack(coarse) - seen["seen"].reshape(len(coarse), -1, *coarse[0].shape[1:])
    differences = np.diff(beyond, axis=0) if len(coarse) > 1 else beyond
    error = find_error(differences, find_steps(sensor, STEPS))
    kept = {m.aspect: kept_detail(seen[m.aspect]) for m in members if m.aspect in seen}
    return Numbers(sensor, looks, error, kept)


def _covering(
    member: Member,
    numbers: Numbers,
    seen: dict[str, np.ndarray],
    target: np.ndarray,
    coarse: np.ndarray,
) -> dict[str, Any]:
    """Return what covers the scene on a date, its share of the cells, and where it lies in them."""
    from xstf.kernels.solve import one_thread

    with one_thread():
        cover, share = find_cover(
            target - coarse, seen["seen"], seen[member.look], numbers.error.deviation
        )
    return {"cover": cover, "share": share, "field": place_cover(share, numbers.sensor)[None]}


def _solved(
    member: Member,
    both: Member,
    numbers: Numbers,
    seen: dict[str, np.ndarray],
    covering: dict[str, Any],
    target: np.ndarray,
    *coarse: np.ndarray,
) -> dict[str, Any]:
    """Return what one member finds on one date, and its weights of the cells.

    Parameters
    ----------
    member
        Which member.
    both
        The first of that date.
    numbers, seen
        What is known of the scene, and of its cells.
    covering
        What covers the scene, from `_covering`.
    target, *coarse
        Coarse images of the date and of the pairs.
    """
    step = target - np.mean([coarse[p] for p in member.pairs], axis=0, dtype=np.float64)
    if covering["cover"] is not None:
        step = uncovered(step, seen["seen"], covering["cover"], covering["share"])
    # half the error of a pair cancels in the mean of two
    trust = TRUST[min(len(coarse), 2)] * (2 if len(member.pairs) < len(both.pairs) else 1)
    share, features = member.share, np.empty((0, *step.shape[1:]))
    sizes: tuple[int, ...] = ()
    if member.looks:
        features, sizes = seen[member.look], numbers.looks[member.look].sizes
    else:
        share = _share_of_smooth(step, trust * numbers.error.deviation**2)
        step = step if share > 0 else np.full_like(step, np.nan)  # nothing to be solved
    found, weights, gain = solve(
        step, features, sizes, find_steps(numbers.sensor, STEPS), numbers.error, trust
    )
    found = replace(found, share=share, kept=_kept(member, both, numbers))
    return {"found": found, "weights": weights, "gain": gain}


def _share_of_smooth(step: np.ndarray, error: np.ndarray) -> float:
    """Return how much smooth change counts: the square of the share of error in coarse change."""
    variance = standard(step)[2] ** 2
    changes = variance > FLAT**2
    if not changes.any():
        return 0.0
    doubt = float((error[changes] / variance[changes]).mean())
    share = min(doubt, SMOOTHEST) ** 2
    return share if share >= LEAST else 0.0


def _kept(member: Member, both: Member, numbers: Numbers) -> np.ndarray:
    """Return the share of its detail that a member keeps, (band,)."""
    if len(both.pairs) == 1:
        return np.full(len(numbers.error.deviation), DETAIL)
    if len(member.pairs) == 2:
        return numbers.kept.get(member.aspect, numbers.kept[both.aspect])[0]
    alone = numbers.kept[both.aspect][1:]
    place = {"first": 0, "last": 1}.get(member.name)
    return alone.mean(axis=0) if place is None else alone[place]


def _padded(found: dict[str, Any], name: str, how: Any = "constant") -> np.ndarray:
    """Return a plane that reaches `MARGIN` cells past the scene, 0 where nothing is known."""
    around = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)]
    return np.pad(np.nan_to_num(found[name]).astype(np.float32), around, how)


def _founds(
    names: list[str], covering: dict[str, Any], *solved: dict[str, Any]
) -> dict[str, Found | Cover | None]:
    members = {name: s["found"] for name, s in zip(names, solved, strict=True)}
    return {**members, "cover": covering["cover"]}
