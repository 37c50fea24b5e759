"""FSDAF's spatial prediction: the target made fine without looking at time, by any method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xstf.method import Block, Method, Prepared, Whole
from xstf.methods._shared import on_fine, reach_of
from xstf.sizes import BlockSize

SPLINE = 8  # cells around a pixel that make its spline value
MARK = "spatial "  # before the names of the planes that the spatial prediction prepares


@dataclass(frozen=True, kw_only=True)
class Spline(Method):
    """The thin-plate spline of the target's coarse image, continued past the scene's edge."""

    on_gpu = True

    def prepare(self, scene: Whole) -> Prepared:
        """Continue each target's coarse image past the scene's edge."""
        from xstf.kernels.spline import continuation, extend

        cells = scene.shape[0] // scene.scale, scene.shape[1] // scene.scale
        ring = scene.once(continuation, cells, SPLINE)
        targets = [scene.target(date) for date in range(scene.dates)]
        planes = {"spline": [scene.once(extend, target, ring, SPLINE) for target in targets]}
        return Prepared(planes=planes, margin=SPLINE)

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Count the system of cells that the edge is continued from, and its making."""
        from xstf.kernels.spline import WHOLE

        return 5 * 8.0 * min(cells, WHOLE**2) ** 2

    def memory(self, size: BlockSize) -> float:
        """Count the result, with its halo."""
        return size.dates * size.image

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the spline at the fine pixels."""
        from xstf.kernels.resample import upsample

        return {"fused": upsample(b.made["spline"], "tps", b.scale)}


@dataclass(frozen=True, kw_only=True)
class Cubic(Method):
    """The target's coarse image, upsampled by cubic convolution."""

    on_gpu = True

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of("cubic")

    def prepare(self, scene: Whole) -> Prepared:
        """Prepare nothing."""
        return Prepared()

    def memory(self, size: BlockSize) -> float:
        """Count the result, with its halo."""
        return size.dates * size.image

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the upsampled image."""
        return {"fused": on_fine(b, b.target, "cubic")}


BUILT_IN: Mapping[str, Method] = {"tps": Spline(), "cubic": Cubic()}


@dataclass(frozen=True)
class Both:
    """What blocks are told, for a method and for its spatial prediction."""

    own: Any
    spatial: Any
    margins: tuple[int, int] = (0, 0)  # cells by which the planes of each reach past the scene


def halo_of(spatial: Method, scale: int) -> int:
    """Return the fine pixels that a spatial prediction reads around its block, in whole cells."""
    return -(-spatial.halo(scale) // scale) * scale


def prepare_both(scene: Whole, own: Prepared, spatial: Method) -> Prepared:
    """Return what a method and its spatial prediction prepare, as one.

    Parameters
    ----------
    scene
        The whole scene.
    own
        What the method prepared.
    spatial
        The spatial prediction.
    """
    other = spatial.prepare(scene)
    margin = max(own.margin, other.margin)
    pairs = zip(own.dated, other.dated or [None] * scene.dates, strict=True)
    return Prepared(
        numbers=scene.once(Both, own.numbers, other.numbers, (own.margin, other.margin)),
        dated=[scene.once(Both, *found) for found in pairs],
        planes={
            **_widened(scene, own, margin),
            **{MARK + name: images for name, images in _widened(scene, other, margin).items()},
        },
        margin=margin,
    )


def _widened(scene: Whole, found: Prepared, margin: int) -> Mapping[str, Sequence[Any]]:
    """Return prepared planes that reach `margin` cells past the scene."""
    more = margin - found.margin
    if more == 0:
        return found.planes
    return {
        name: [scene.once(_wide, image, more) for image in images]
        for name, images in found.planes.items()
    }


def _wide(image: np.ndarray, more: int) -> np.ndarray:
    around = [(0, 0)] * (image.ndim - 2) + [(more, more)] * 2
    return np.pad(image, around, constant_values=np.nan)


def part(b: Block, spatial: Method, keep: int = 0) -> tuple[Block, np.ndarray]:
    """Return the block as the method wants it, and its spatial prediction (date, band, y, x).

    Parameters
    ----------
    b
        A block that reaches far enough for both.
    spatial
        The spatial prediction.
    keep
        Coarse cells that the method reads beyond its halo.
    """
    spare = halo_of(spatial, b.scale)
    within = spare // b.scale
    reach = _beyond(b.target, b) - keep
    own = replace(
        b,
        fine=_cut(b.fine, spare),
        coarse=_cut(b.coarse, reach + within),
        target=_cut(b.target, reach + within),
        planes={name: _cut(image, spare) for name, image in b.planes.items()},
        made={
            name: _cut(image, _beyond(image, b) - b.numbers.margins[0] + within)
            for name, image in b.made.items()
            if not name.startswith(MARK)
        },
        numbers=b.numbers.own,
        dated=[found.own for found in b.dated],
        place=(b.place[0] + spare, b.place[1] + spare),
        halo=b.halo - spare,
    )
    other = replace(
        b,
        made={
            name.removeprefix(MARK): _cut(image, _beyond(image, b) - b.numbers.margins[1])
            for name, image in b.made.items()
            if name.startswith(MARK)
        },
        numbers=b.numbers.spatial,
        dated=[found.spatial for found in b.dated],
        halo=spare,
    )
    return own, _checked(spatial.block(other), spatial, own)


def _beyond(image: np.ndarray, b: Block) -> int:
    """Return the cells by which a coarse image reaches further than the block's fine pixels."""
    return (image.shape[-1] - b.fine.shape[-1] // b.scale) // 2


def _cut(image: np.ndarray, spare: int) -> np.ndarray:
    """Return images without `spare` pixels on each side."""
    return image[..., spare:-spare, spare:-spare] if spare else image


def _checked(made: Any, spatial: Method, own: Block) -> np.ndarray:
    shape = (len(own.target), *own.fine.shape[1:])
    found = made["fused"] if isinstance(made, Mapping) and "fused" in made else made
    found = found if hasattr(found, "shape") else np.asarray(found)
    if found.shape != shape:
        raise ValueError(
            f"the spatial prediction {spatial.label} returned shape {found.shape}, not {shape}; "
            "its block returns {'fused': (date, band, y, x)} without the halo"
        )
    return found.astype(np.float32, copy=False)
