"""FSDAF: class changes by unmixing, residuals spread by a spline and homogeneity [Zhu 2016]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Method, Prepared, Whole, param, register
from xstf.methods._classes import FEW, IsodataRules, class_changes, defer_model, survey
from xstf.methods._shared import around

SPLINE = 8  # cells around a pixel that make its spline value


@register("fsdaf")
@dataclass(frozen=True, kw_only=True)
class Fsdaf(Method):
    """Class changes from unmixed coarse change, its residual spread within cells [Zhu 2016].

    The fine image is classified; the change of each class is the bounded least-squares solution
    over the purest cells; what a cell leaves unexplained goes to its pixels by how far the spline
    of the target's coarse image departs from the prediction, and by how mixed their surroundings
    are; last, each pixel takes the weighted change of its most alike neighbours. All statistics
    are of the whole scene. The default follows the authors' released program; differences from
    it: the number of pure cells is bounded by the size of the scene, the spectral difference is
    relative to the absolute value, and missing pixels are left out instead of being numbers.

    A pixel is missing where its fine value is, or where none of its alike neighbours lies in a
    cell with coarse data on both dates.

    References
    ----------
    Zhu, X., Helmer, E., Gao, F., Liu, D., Chen, J., Lefsky, M. (2016). A flexible spatiotemporal
    method for fusing satellite images with different resolutions. Remote Sensing of Environment
    172, 165-177.
    """

    layers = ("fused", "similar")
    unchanged = "texture"
    takes = ("classes",)
    cells = True
    window: int = param(
        41,
        ge=3,
        le=1023,
        odd=True,
        unit="fine pixels",
        doc="side of the window",
        source="program: w = 20",
    )
    num_similar: int = param(
        20, ge=1, doc="alike neighbours, the pixel itself among them", source="eq 21, program"
    )
    min_classes: int = param(
        4, ge=1, le=255, doc="fewest classes that ISODATA may end with", source="program"
    )
    max_classes: int = param(
        6, ge=1, le=255, doc="most classes that ISODATA may end with", source="program"
    )
    num_pure: int | None = param(
        None,
        ge=1,
        none=True,
        doc="purest cells used for each class; None: 100, but at most 2.8 % of the cells",
        source="program: 100",
    )
    split: float | None = param(
        None,
        gt=0,
        none=True,
        unit="as the scene",
        doc="standard deviation that splits a class; None: 5 % of the range",
        source="program: 500 / 10000",
    )
    merge: float | None = param(
        None,
        gt=0,
        none=True,
        unit="as the scene",
        doc="distance that merges classes; None: 5 % of the range",
        source="program: 500 / 10000",
    )
    small: int = param(
        200, ge=1, unit="fine pixels", doc="a class with fewer pixels is dropped", source="program"
    )
    cell: int | None = param(
        None,
        ge=2,
        none=True,
        unit="fine pixels",
        doc="side of a coarse cell; for scenes with coarse images on the fine grid",
    )

    def __post_init__(self) -> None:
        """Check the parameters, also against each other."""
        super().__post_init__()
        if self.min_classes > self.max_classes:
            raise ValueError(
                f"min_classes={self.min_classes} is above max_classes={self.max_classes}; raise "
                "max_classes too"
            )

    def halo(self, scale: int) -> int:
        """Half the window in whole cells, whose pixels look half a window further."""
        half = self.window // 2
        return -(-half // scale) * scale + half

    @property
    def window_size(self) -> int:
        """Side of the window."""
        return self.window

    def prepare(self, scene: Whole) -> Prepared:
        """Find classes, their changes on each date, limits, and the coarse images continued."""
        from xstf.kernels.spline import continuation, extend

        model = defer_model(scene, self.rules)
        found = scene.each(survey, model)
        cells = scene.shape[0] // scene.scale, scene.shape[1] // scene.scale
        ring = scene.once(continuation, cells, SPLINE)
        targets = [scene.target(date) for date in range(scene.dates)]
        return Prepared(
            numbers=model,
            dated=[
                scene.once(self.find_changes, found, scene.coarse(0), target, scene.valid_range)
                for target in targets
            ],
            planes={"spline": [scene.once(extend, target, ring, SPLINE) for target in targets]},
            margin=SPLINE,
        )

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many alike neighbours it has."""
        from xstf.kernels.nearest import most_alike, rings, spread

        change = self._change(b)
        half = self.window // 2
        far = rings(half)
        fine = around(b.fine[0], b.halo, half, far.shape[1] - far.shape[0])
        rows, columns = b.inner
        size = (rows.stop - rows.start, columns.stop - columns.start)
        offset = np.empty((*size, min(self.num_similar, self.window**2)), np.int32)
        weight = np.empty(offset.shape, np.float32)
        count = np.empty(size, np.int32)
        alike = (2 * b.numbers.deviation / b.numbers.classes).astype(np.float32)
        most_alike(fine, alike, FLOOR, far, offset, weight, count)
        dates, bands = change.shape[:2]
        near = around(change, b.halo, half).reshape(dates * bands, *fine.shape[1:2], -1)
        said = np.empty((*size, dates * bands), np.float32)
        spread(np.ascontiguousarray(near.transpose(1, 2, 0)), offset, weight, count, said)
        own = b.fine[0][:, rows, columns]
        fused = own + said.transpose(2, 0, 1).reshape(dates, bands, *size)
        gone = np.isnan(own).any(axis=0)
        similar = np.where(gone, np.float32(np.nan), count.astype(np.float32))
        return {
            "fused": self._repaired(b, own, fused),
            "similar": np.broadcast_to(similar, fused.shape),
        }

    @property
    def rules(self) -> IsodataRules:
        """What ISODATA is told."""
        return IsodataRules(self.min_classes, self.max_classes, self.split, self.merge, self.small)

    def find_changes(
        self, found: dict[str, np.ndarray], pair: np.ndarray, target: np.ndarray, limits: Any
    ) -> Changes:
        """Return what one date needs of the whole scene.

        Parameters
        ----------
        found
            From `survey`.
        pair, target
            (band, y_coarse, x_coarse) coarse images.
        limits
            Valid range, or None.
        """
        shares = found["fractions"].reshape(len(found["fractions"]), -1)
        bound = max(5, round(FEW * shares.shape[1]))
        pure = min(100, bound) if self.num_pure is None else self.num_pure
        step = (target.astype(float) - pair).reshape(len(pair), -1)
        gain = np.array([class_changes(shares, band, pure) for band in step])
        low, high = (
            extreme(found[name], axis=(-1, -2))
            for extreme, name in ((np.min, "low"), (np.max, "high"))
        )
        lows, highs = (
            extreme(extreme.reduce(target, axis=(1, 2)), extreme.reduce(ends.T + gain, axis=1))
            for extreme, ends in ((np.fmin, low), (np.fmax, high))
        )
        if limits is not None:
            lows, highs = np.maximum(lows, limits[0]), np.minimum(highs, limits[1])
        return Changes(gain, lows.astype(float), highs.astype(float))

    def _change(self, b: Block) -> np.ndarray:
        """Return the change of each pixel of the block and halo, (date, band, y, x)."""
        from xstf.kernels.classify import homogeneity
        from xstf.kernels.resample import upsample
        from xstf.kernels.residual import distribute

        fine = b.numbers.ordinary(b.fine[0])
        names = b.numbers.classify(b)
        alone = np.empty(names.shape, np.float32)
        homogeneity(names, b.numbers.classes, self.window // 2, alone)
        step = b.target - b.coarse[0]
        change = np.empty((len(b.target), *fine.shape), np.float32)
        for date, found in enumerate(b.dated):
            spatial = upsample(b.made["spline"][date], "tps", b.scale)
            distribute(
                fine, names, alone, found.gain, spatial, step[date], found.lows, found.highs,
                b.scale, change[date],
            )  # fmt: skip
        return change

    def _repaired(self, b: Block, own: np.ndarray, fused: np.ndarray) -> np.ndarray:
        """Return the prediction with values off the valid range replaced by F + coarse change."""
        if b.valid_range is None:
            return fused
        low, high = b.valid_range
        step = (b.target - b.coarse[0]).repeat(b.scale, axis=-2).repeat(b.scale, axis=-1)
        moved = own + step[(..., *b.inner)]
        moved = np.where(np.isnan(moved), fused, moved)
        off = (fused < low) | (fused > high)
        return np.where(off, np.clip(moved, low, high), fused).astype(np.float32)


FLOOR = np.float32(1e-12)  # keeps the relative difference finite at zero reflectance


@dataclass(frozen=True)
class Changes:
    """What one date needs of the whole scene."""

    gain: np.ndarray  # (band, class) change of each class
    lows: np.ndarray  # (band,) limits of predicted values
    highs: np.ndarray
