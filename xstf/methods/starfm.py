"""STARFM: a weighted mean of alike neighbours, each moved by its coarse change [Gao 2006]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import UPSAMPLE, around, change, on_fine, reach_of
from xstf.sizes import VALUE, BlockSize


@register("starfm")
@dataclass(frozen=True, kw_only=True)
class Starfm(Method):
    """Weighted mean of alike neighbours, each moved by its coarse change [Gao 2006, eq 5].

    Neighbours whose fine value is within ``2 sigma / classes`` of the pixel's own predict it
    together. Those whose fine and coarse values differ much more than the pixel's own, or whose
    coarse value changes much more, are rejected. A missing neighbour is left out; a pixel is
    missing where its own fine value is, in every pair, or where no alike neighbour has coarse data.

    Use it where scenes are small, bands few or cells unknown (scale 1), and where a result is to be
    compared with what others have published. Fields that look alike on the pair's date and change
    differently are mixed.

    The default rule is that of the authors' released program; ``rule="paper"`` is the paper's.
    They disagree in two places: the program rejects a neighbour only if it fails both tests, and
    weighs by coarse change only with several pairs; the paper rejects on either, and always weighs.

    References
    ----------
    Gao, F., Masek, J., Schwaller, M., Hall, F. (2006). On the blending of the Landsat and MODIS
    surface reflectance. IEEE Transactions on Geoscience and Remote Sensing 44(8), 2207-2218.
    """

    pairs = range(1, 3)
    unchanged = "flat"
    layers = ("fused", "similar")
    on_gpu = True
    window: int = param(
        51, ge=3, odd=True, unit="fine pixels", doc="side of the search window", source="1500 m"
    )
    classes: float = param(
        40, gt=0, doc="alike means within 2 sigma / classes", source="released program; paper: 4"
    )
    rule: str = param(
        "code",
        choices=("code", "paper"),
        doc="whose rejection and weights",
        source="program v1.2.1; paper eq 12, 15-16",
    )
    temporal: bool | None = param(
        None,
        choices=(None, True, False),
        doc="weigh by coarse change; None: as the rule says",
        source="eq 7, 10; program: with several pairs",
    )
    logistic: bool = param(False, doc="logarithmic weights", source="eq 11")
    distance: float = param(
        25.0, gt=0, unit="fine pixels", doc="distance that halves a weight", source="750 m, eq 9"
    )
    uncertainty_fine: float = param(
        0.005, ge=0, unit="as the scene", doc="of the fine images", source="50 / 10000"
    )
    uncertainty_coarse: float = param(
        0.005, ge=0, unit="as the scene", doc="of the coarse images", source="50 / 10000"
    )
    step: float = param(
        1e-4, gt=0, unit="as the scene", doc="smallest difference that counts", source="1 / 10000"
    )
    upsample: str = param("cubic", choices=UPSAMPLE, doc="how coarse images come to fine pixels")

    def halo(self, scale: int) -> int:
        """Half the window."""
        return self.window // 2

    @property
    def window_size(self) -> int:
        """Side of the search window."""
        return self.window

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of(self.upsample)

    def memory(self, size: BlockSize) -> float:
        """Count coarse images and changes of all bands, and what one band makes of them.

        Of one band these are, for each date: changes and moved values of each pair; weights around
        the block, their copies, and limits, sums and weights inside it.
        """
        dated = size.pairs * size.dates
        near = size.near(self.window // 2)
        counted = size.layers > 1
        of_band = 2 * dated * size.wide + 3 * size.pairs * size.wide
        of_band += size.dates * (4 * near + (5 + counted) * size.inner)
        bands = (dated + size.pairs) * size.image + (1 + 2 * counted) * size.layer
        return bands + VALUE * of_band

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date, one band at a time."""
        from xstf.kernels.offload import new

        coarse = [on_fine(b, image, self.upsample) for image in b.coarse]
        steps = [change(b, pair, self.upsample) for pair in range(len(b.fine))]
        rows, columns = b.inner
        shape = (
            len(b.target),
            b.fine.shape[1],
            rows.stop - rows.start,
            columns.stop - columns.start,
        )
        fused = new(b.fine, shape)
        similar = np.zeros_like(fused) if "similar" in b.layers else None
        for band in range(shape[1]):
            fused[:, band] = self._band(
                b,
                b.fine[:, band],
                np.stack([image[band] for image in coarse]),
                np.stack([image[:, band] for image in steps]),
                b.numbers.deviation[:, band],
                None if similar is None else similar[:, band],
            )
        if similar is None:
            return {"fused": fused}
        return {"fused": fused, "similar": np.where(np.isnan(fused), np.float32(np.nan), similar)}

    def _band(
        self,
        b: Block,
        fine: np.ndarray,
        coarse: np.ndarray,
        steps: np.ndarray,
        sigma: np.ndarray,
        count: np.ndarray | None,
    ) -> np.ndarray:
        """Return one band of each date.

        Parameters
        ----------
        b
            The block.
        fine, coarse
            (pair, y, x), with the halo.
        steps
            (pair, date, y, x): coarse change.
        sigma
            (pair,): of the fine images of the whole scene.
        count
            (date, y, x): grows by the neighbours that had a say; or None.
        """
        from xstf.kernels.window import TAKE, alike_means, distances

        half = self.window // 2
        far = distances(half, self.distance, TAKE)
        padding = far.shape[1] - far.shape[0]
        cut = partial(around, halo=b.halo, half=half, padding=padding)
        flat = (far > 0).astype(np.float32)
        rows, columns = b.inner
        gap_limit, step_limit = self._limits(np.abs(fine - coarse), np.abs(steps), b.inner)
        near_limit, soon_limit = self._weight(gap_limit), self._weight(step_limit)
        moved = fine[:, None] + steps
        total = np.zeros_like(soon_limit)
        weight = np.zeros_like(soon_limit)
        temporal = self.temporal
        if temporal is None:
            temporal = self.rule == "paper" or len(fine) > 1
        for pair in range(len(fine)):
            alike_means(
                cut(fine[pair]),
                _zero(cut(self._weight(np.abs(fine[pair] - coarse[pair])))),
                cut(self._weight(np.abs(steps[pair]))),
                _zero(cut(moved[pair])),
                _zero(near_limit),
                _zero(soon_limit),
                far,
                flat,
                np.float32(2 * sigma[pair] / self.classes),
                self._full(),
                1 if temporal else None,
                1 if self.rule == "paper" else None,
                total,
                weight,
                count,
            )
        own = moved[..., rows, columns]
        seen = ~np.isnan(own)
        alone = np.where(seen, own, 0).sum(axis=0) / np.where(seen.any(axis=0), seen.sum(axis=0), 1)
        alone[~seen.any(axis=0)] = np.nan
        held = weight > 0
        return np.where(held, total / np.where(held, weight, 1), alone).astype(np.float32)

    def _limits(self, gap: np.ndarray, steps: np.ndarray, inner: Any) -> tuple[Any, Any]:
        """Return the largest gap (y, x) and coarse change (date, y, x) that pass [eq 15-16]."""
        choose = np.fmax if self.rule == "paper" else np.fmin
        rows, columns = inner
        fine, coarse = self.uncertainty_fine, self.uncertainty_coarse
        near = reduce(choose, gap[:, rows, columns]) + np.float32(np.hypot(fine, coarse))
        soon = reduce(choose, steps[..., rows, columns]) + np.float32(np.sqrt(2) * coarse)
        return near, soon

    def _weight(self, difference: np.ndarray) -> np.ndarray:
        """Return the weight of a spectral or temporal difference, falling from 1 [eq 10, 11]."""
        steps = difference / np.float32(self.step)
        if self.logistic:
            return (np.float32(np.log(2)) / np.log(steps + 2)).astype(np.float32)
        return (1 / (steps + 1)).astype(np.float32)

    def _full(self) -> np.float32:
        """Return the weight beyond which the released program counts all neighbours alike."""
        if self.rule == "paper" or self.logistic:
            return np.float32(3e38)
        fine, coarse = self.uncertainty_fine, self.uncertainty_coarse
        total = np.sqrt(fine**2 + coarse**2 + 2 * coarse**2) / self.step
        return np.float32(1 / total) if total > 0 else np.float32(3e38)


def _zero(image: np.ndarray) -> np.ndarray:
    return np.nan_to_num(image, nan=0.0)
