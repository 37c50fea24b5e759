"""FSDAF: class changes by unmixing, residuals spread by a spline and homogeneity [Zhu 2016]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Method, Prepared, Whole, param, register
from xstf.methods._classes import FEW, Classified, class_changes, defer_model, survey
from xstf.methods._shared import around
from xstf.methods._spatial import BUILT_IN, halo_of, part, prepare_both
from xstf.sizes import BlockSize, listed


@dataclass(frozen=True, kw_only=True)
class ClassChange(Classified):
    """All of FSDAF but its spatial prediction, which a subclass names: `interpolation`."""

    layers = ("fused", "similar")
    unchanged = "texture"
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
    num_pure: int | None = param(
        None,
        ge=1,
        none=True,
        doc="purest cells used for each class; None: 100, but at most 2.8 % of the cells",
        source="program: 100",
    )

    @property
    def interpolation(self) -> Method:
        """The method that makes the spatial prediction."""
        raise NotImplementedError  # each method of class changes has its own

    @property
    def on_gpu(self) -> bool:  # type: ignore[override]  # a spatial prediction may not
        """Whether the spatial prediction can run on a GPU too."""
        return self.interpolation.on_gpu

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Count what is prepared for classes and for the spatial prediction."""
        return super().memory_aside(cells, pairs) + self.interpolation.memory_aside(cells, pairs)

    def halo(self, scale: int) -> int:
        """Half the window in whole cells, whose pixels look half a window further."""
        half = self.window // 2
        return -(-half // scale) * scale + half + halo_of(self.interpolation, scale)

    @property
    def reach(self) -> int:
        """Coarse cells that the spatial prediction reads beyond."""
        return self.interpolation.reach

    @property
    def window_size(self) -> int:
        """Side of the window."""
        return self.window

    def prepare(self, scene: Whole) -> Prepared:
        """Find what classes do, and prepare the spatial prediction."""
        return prepare_both(scene, self.find(scene), self.interpolation)

    def find(self, scene: Whole) -> Prepared:
        """Find classes, their changes on each date, and limits."""
        model = defer_model(scene, self.rules)
        found = scene.each(survey, model)
        dated = [
            scene.once(
                self.find_changes, found, scene.coarse(0), scene.target(date), scene.valid_range
            )
            for date in range(scene.dates)
        ]
        return Prepared(numbers=model, dated=dated)

    def memory(self, size: BlockSize) -> float:
        """Count spatial prediction and change, with halo; neighbours, and what they say."""
        lists = listed(size, self.num_similar, self.window)
        own = 3 * size.dates * size.image + 5.3 * size.layer + lists
        return max(own, self.interpolation.memory(size))

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many alike neighbours it has."""
        return self.predicted(*part(b, self.interpolation))

    def predicted(self, b: Block, spatial: np.ndarray) -> dict[str, np.ndarray]:
        """Return the layers from a block and its spatial prediction (date, band, y, x)."""
        return self.smoothed(b, self.changed(b, spatial), self.window // 2)

    def smoothed(self, b: Block, change: np.ndarray, half: int) -> dict[str, np.ndarray]:
        """Return the layers: each pixel takes the weighted change of its most alike neighbours.

        Parameters
        ----------
        b
            The block.
        change
            (date, band, y, x), with at least half a window around the block.
        half
            Half the window.
        """
        from xstf.kernels.nearest import spread
        from xstf.kernels.offload import new, packed

        rows, columns = b.inner
        size = (rows.stop - rows.start, columns.stop - columns.start)
        offset, weight, count = self.search(b, half)
        dates, bands = change.shape[:2]
        halo = (change.shape[-1] - size[1]) // 2
        near = around(change, halo, half).reshape(dates * bands, size[0] + 2 * half, -1)
        said = new(change, (*size, dates * bands))
        spread(packed(near.transpose(1, 2, 0)), offset, weight, count, said)
        own = b.fine[0][:, rows, columns]
        fused = own + said.transpose(2, 0, 1).reshape(dates, bands, *size)
        gone = np.isnan(own).any(axis=0)
        similar = np.where(gone, np.float32(np.nan), count.astype(np.float32))
        return {
            "fused": self._repaired(b, own, fused),
            "similar": np.broadcast_to(similar, fused.shape),
        }

    def search(self, b: Block, half: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the most alike neighbours of each pixel, see `xstf.kernels.nearest.most_alike`.

        Parameters
        ----------
        b
            The block.
        half
            Half the window.
        """
        from xstf.kernels.nearest import most_alike, rings
        from xstf.kernels.offload import new

        far = rings(half)
        fine = around(b.fine[0], b.halo, half, far.shape[1] - far.shape[0])
        alike = (2 * b.numbers.deviation / b.numbers.classes).astype(np.float32)
        size = tuple(part.stop - part.start for part in b.inner)
        offset = new(fine, (*size, min(self.num_similar, self.window**2)), np.int32)
        weight, count = new(fine, offset.shape), new(fine, size, np.int32)
        most_alike(fine, alike, FLOOR, far, offset, weight, count)
        return offset, weight, count

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

    def changed(self, b: Block, spatial: np.ndarray) -> np.ndarray:
        """Return the change of each pixel of the block and halo, (date, band, y, x).

        Parameters
        ----------
        b
            The block.
        spatial
            (date, band, y, x): the spatial prediction.
        """
        from xstf.kernels.classify import homogeneity
        from xstf.kernels.offload import new
        from xstf.kernels.residual import distribute

        fine = b.numbers.ordinary(b.fine[0])
        names = b.numbers.classify(b)
        alone = new(names, names.shape)
        homogeneity(names, b.numbers.classes, self.window // 2, alone)
        step = b.target - b.coarse[0]
        change = new(fine, (len(b.target), *fine.shape))
        for date, found in enumerate(b.dated):
            gain = found.gain[..., None]
            distribute(
                fine, names, alone, gain, spatial[date], step[date], found.lows, found.highs,
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


@register("fsdaf")
@dataclass(frozen=True, kw_only=True)
class Fsdaf(ClassChange):
    """Class changes from unmixed coarse change, its residual spread within cells [Zhu 2016].

    The fine image is classified; the change of each class is the bounded least-squares solution
    over the purest cells; what a cell leaves unexplained goes to its pixels by how far the spline
    of the target's coarse image departs from the prediction, and by how mixed their surroundings
    are; last, each pixel takes the weighted change of its most alike neighbours. All statistics
    are of the whole scene. The default follows the authors' released program; differences from
    it: the number of pure cells is bounded by the size of the scene, the spectral difference is
    relative to the absolute value, and missing pixels are left out instead of being numbers.

    Use it where one pair is at hand, classes change differently, and edges and texture must stay:
    it is steady on most scenes. `sfsdaf` is closer where land cover changes within cells.

    A pixel is missing where its fine value is, or where none of its alike neighbours lies in a
    cell with coarse data on both dates.

    The spatial prediction (`spatial`) only decides which pixels of a cell take more of its
    residual. It is a slot: any `xstf.method.Method` whose block returns the target made fine,
    ``{"fused": (date, band, y, x)}``, fits there, such as a network that super-resolves the
    coarse image. It declares its own `halo` and `reach`, prepares its own numbers and coarse
    planes, and is given a block that is cut accordingly; its ``b.inner`` is what FSDAF wants to
    know. Like any method it is a frozen dataclass, so that it pickles, hashes and tokenises.

    References
    ----------
    Zhu, X., Helmer, E., Gao, F., Liu, D., Chen, J., Lefsky, M. (2016). A flexible spatiotemporal
    method for fusing satellite images with different resolutions. Remote Sensing of Environment
    172, 165-177.
    """

    spatial: str | Method = param(
        "tps",
        choices=("tps", "cubic"),
        also=Method,
        doc="spatial prediction: thin-plate spline, cubic convolution, or a method that makes it",
        source="eq 10-13",
    )

    def __post_init__(self) -> None:
        """Check the parameters, also against each other."""
        super().__post_init__()
        if 1 not in self.interpolation.pairs:
            raise ValueError(
                f"spatial={self.spatial!r} is no spatial prediction for {self.label}: it needs "
                f"{self.interpolation.pairs[0]} pairs, and there is one"
            )

    @property
    def interpolation(self) -> Method:
        """The method that makes the spatial prediction."""
        return BUILT_IN[self.spatial] if isinstance(self.spatial, str) else self.spatial


FLOOR = np.float32(1e-12)  # keeps the relative difference finite at zero reflectance


@dataclass(frozen=True)
class Changes:
    """What one date needs of the whole scene."""

    gain: np.ndarray  # (band, class) change of each class
    lows: np.ndarray  # (band,) limits of predicted values
    highs: np.ndarray
