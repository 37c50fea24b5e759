"""STNLFFM: relations between coarse dates, averaged over all that is alike [Cheng 2017]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import UPSAMPLE, around, change, on_fine, reach_of
from xstf.sizes import VALUE, BlockSize


@register("stnlffm")
@dataclass(frozen=True, kw_only=True)
class Stnlffm(Method):
    """A line between coarse dates at each pixel, averaged over all alike pixels [Cheng 2017].

    Alike pixels of the window differ from the pixel by no more than ``tolerance`` times
    2 to the power of its value, in any band, and their coarse change is of about its size. Over
    them the target's coarse values are regressed on the pair's, the slope pulled towards 1
    (closed form of eq 13); the line takes the pixel along. The prediction is the mean of what all
    alike pixels become, weighted by how far the coarse patch around each on the pair's date is
    from that around the pixel on the target's. Of two pairs, that with less coarse change in the
    window counts more.

    Use it where STARFM is used: it is smoother and mostly closer, and it searches all bands
    together. It smooths detail within the tolerance away, and changes that no coarse cell resolves
    are lost. Tolerance, `gamma` and `h` are meant for reflectance from 0 to 1: set them for
    anything else, and for temperatures `doubling` as well.

    Windows are cut at the scene's edge, and so are patches. A neighbour that misses a band or
    coarse data is left out, and so is one that leaves the valid range. A pixel is missing where
    it misses a band in every pair, or where no alike pixel has coarse data on both dates.

    The authors' own program is not readable; ``rule="code"`` is that of the public program
    cuSTNLFFM. It also takes alike pixels whose fine and coarse values differ by not much more
    than the pixel's own, has sqrt(2) times the coarse uncertainty as limit of eq 7, and brings
    each of two pairs to a mean of its own before they are mixed. Not taken over from it: with
    fewer than six alike pixels it fits the line to the whole window.

    References
    ----------
    Cheng, Q., Liu, H., Shen, H., Wu, P., Zhang, L. (2017). A spatial and temporal nonlocal
    filter-based data fusion method. IEEE Transactions on Geoscience and Remote Sensing 55(8),
    4476-4488.
    """

    pairs = range(1, 3)
    layers = ("fused", "similar")
    unchanged = "flat"
    on_gpu = True
    window: int = param(
        51, ge=3, odd=True, unit="fine pixels", doc="side of the search window", source="paper"
    )
    tolerance: float = param(
        0.01,
        gt=0,
        unit="as the scene",
        doc="alike means within this of a pixel of value 0",
        source="d, eq 6",
    )
    doubling: float = param(
        1.0,
        gt=0,
        unit="as the scene",
        doc="value at which the tolerance has doubled",
        source="eq 6; program: 1000 for temperatures",
    )
    rule: str = param(
        "paper",
        choices=("paper", "code"),
        doc="whose choice of neighbours and mean of two pairs",
        source="eq 7, 10; cuSTNLFFM",
    )
    uncertainty_fine: float = param(
        0.005, ge=0, unit="as the scene", doc="of the fine images; code only", source="program"
    )
    uncertainty_coarse: float = param(
        0.005,
        ge=0,
        unit="as the scene",
        doc="how far sizes of coarse change may differ",
        source="eq 7",
    )
    gamma: float = param(
        1.0, ge=0, unit="as the scene, squared", doc="pull of slopes towards 1", source="eq 13"
    )
    h: float = param(
        0.15,
        gt=0,
        unit="as the scene, root of",
        doc="weights fall to 1 / e at a patch distance of its square",
        source="eq 8",
    )
    patch: int = param(
        1, ge=1, odd=True, unit="fine pixels", doc="side of the coarse patches", source="program"
    )
    upsample: str = param("cubic", choices=UPSAMPLE, doc="how coarse images come to fine pixels")

    def halo(self, scale: int) -> int:
        """Half the window, whose pixels look half a window further; and half a patch."""
        return 2 * (self.window // 2) + self.patch // 2

    @property
    def window_size(self) -> int:
        """Side of the search window."""
        return self.window

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of(self.upsample)

    def memory(self, size: BlockSize) -> float:
        """Count coarse images and changes of the pairs; cut and moved ones, and sums."""
        near = VALUE * size.bands * size.near(self.window // 2 + self.patch // 2)
        # of each pair, what they add up to, and what is mixed of them
        sums = 3 + 6 * size.pairs + 3 * (self.rule == "code")
        sides = size.pairs * (size.dates + 1) * size.image
        return sides + (size.dates + 3) * size.image + 3 * size.dates * near + sums * size.layer

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many pixels it is the mean of."""
        sides = [
            _Side(
                b.fine[pair], on_fine(b, b.coarse[pair], self.upsample),
                change(b, pair, self.upsample),
            )
            for pair in range(len(b.fine))
        ]  # fmt: skip
        total: Any = np.float32(0)
        weight = count = total
        each = []
        for side, share in zip(sides, _shares(sides, b.halo, self.window), strict=True):
            moved, own = self._moved(side, b)
            said, mass, some = self._averaged(side, b, moved)
            if self.rule == "code":
                said, mass = _ratio(said, mass), np.sign(mass)
            total, weight, count = total + share * said, weight + share * mass, count + some
            each.append(own)
        alone = np.stack(each)
        known = ~np.isnan(alone)
        mean = _ratio(np.nan_to_num(alone).sum(axis=0), known.sum(axis=0))
        fused = np.where(weight > 0, _ratio(total, weight), mean)
        fused[~known.any(axis=0)] = np.nan
        similar = np.where(np.isnan(fused), np.float32(np.nan), count)
        return {"fused": fused.astype(np.float32), "similar": similar.astype(np.float32)}

    def _moved(self, side: _Side, b: Block) -> tuple[np.ndarray, np.ndarray]:
        """Return what the pixels around the block become [eq 13], and its own in the valid range.

        Both are (date, band, y, x); what leaves the valid range is missing in the first.
        """
        from xstf.kernels.offload import new
        from xstf.kernels.transfer import relate

        half, rim = self.window // 2, self.patch // 2
        cut = side.around(b.halo, half + half + rim, self._padding)
        wide = [n - self._padding * last - 2 * half for last, n in enumerate(cut.fine.shape[1:])]
        moved = new(cut.step, (*cut.step.shape[:2], *wide))
        relate(
            cut.fine, self._tolerance(cut.fine), self.window, cut.coarse, cut.step, cut.gap,
            self._limits(), self.gamma, moved,
        )  # fmt: skip
        own = around(moved, half + rim, 0)
        if b.valid_range is None:
            return moved, own
        inside = np.clip(moved, *b.valid_range)
        return np.where(moved == inside, moved, np.float32(np.nan)), around(inside, half + rim, 0)

    def _averaged(self, side: _Side, b: Block, moved: np.ndarray) -> np.ndarray:
        """Return weighted sum, weight and number of neighbours [eq 5, 8], (3, date, band, y, x)."""
        from xstf.kernels.offload import new
        from xstf.kernels.transfer import average, patch_weights

        half, rim = self.window // 2, self.patch // 2
        cut = side.around(b.halo, half + rim, self._padding)
        size = [n - 2 * (half + rim) for n in moved.shape[2:]]
        sums = new(moved, (3, *moved.shape[:2], *size))
        average(
            cut.fine, self._tolerance(cut.fine), self.window, cut.coarse, cut.step, cut.gap,
            around(moved, 0, 0, self._padding), self._limits(), patch_weights(self.patch),
            np.float32(self.h**2), sums,
        )  # fmt: skip
        return sums

    @property
    def _padding(self) -> int:
        """Columns that fill the registers of loops over a row of the window."""
        from xstf.kernels.window import LANES

        return -self.window % LANES

    def _tolerance(self, fine: np.ndarray) -> np.ndarray:
        """Return how far alike neighbours may differ from each pixel [eq 6]."""
        return (self.tolerance * np.exp2(fine / np.float32(self.doubling))).astype(np.float32)

    def _limits(self) -> np.ndarray:
        """Return by how much gap and coarse change may exceed the pixel's own [eq 7; program]."""
        fine, coarse = self.uncertainty_fine, self.uncertainty_coarse
        paper = -np.inf, coarse
        program = np.hypot(fine, coarse), np.sqrt(2) * coarse
        return np.array(paper if self.rule == "paper" else program, np.float32)


@dataclass(frozen=True)
class _Side:
    """One pair's images on fine pixels, and the coarse change since."""

    fine: np.ndarray  # (band, y, x)
    coarse: np.ndarray  # (band, y, x)
    step: np.ndarray  # (date, band, y, x)

    @property
    def gap(self) -> np.ndarray:
        """How far the fine image is from the coarse one."""
        return np.abs(self.fine - self.coarse)

    def around(self, halo: int, half: int, padding: int) -> _Side:
        """Return the images with `half` pixels around the block, and columns of NaN."""
        from xstf.kernels.offload import packed

        images = (self.fine, self.coarse, self.step)
        return _Side(*(packed(around(i, halo, half, padding)) for i in images))


def _shares(sides: list[_Side], halo: int, window: int) -> list[Any]:
    """Return each pair's share by its mean coarse change in the window [eq 9]."""
    from xstf.kernels.means import window_means

    if len(sides) == 1:
        return [np.float32(1)]
    half = window // 2
    first, second = (window_means(np.abs(around(s.step, halo, half)), half) for s in sides)
    share = np.where(first + second > 0, _ratio(second, first + second), 0.5)
    share = np.where(np.isnan(first), 0, np.where(np.isnan(second), 1, share)).astype(np.float32)
    return [share, 1 - share]


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.where(b > 0, b, 1), 0)
