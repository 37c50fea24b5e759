"""ESTARFM: similar pixels of two pairs, each moved by its converted coarse change [Zhu 2010]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import UPSAMPLE, around, change, on_fine, reach_of
from xstf.methods._slopes import FEW, moments, regression, slope_of_changes
from xstf.sizes import VALUE, BlockSize

TINY = np.float32(1e-14)  # keeps temporal weights finite [released program: 1e-10 of 10000]
STEEPEST = 5.0  # a regression's slope beyond is taken for chance [released program]


@register("estarfm")
@dataclass(frozen=True, kw_only=True)
class Estarfm(Method):
    """Two pairs, moved by the converted coarse change of their similar pixels [Zhu 2010, eq 19].

    Neighbours that are similar to the pixel in all bands on both pair dates tell how much the
    coarse images changed since either pair; those near by, whose coarse spectrum resembles the
    fine one, count most. A slope, found from the pairs, converts coarse change to fine change.
    The two predictions are weighted by how little the coarse images changed since. The layer
    ``similar`` counts the similar pixels; with five or fewer the pixel moves by the mean coarse
    change of the window.

    Use it where fine images before and after the date exist and fields or objects are smaller
    than a coarse cell: it keeps their edges. Do not use it where land cover changed between the
    pairs, and trust it less outside of the time between them.

    A pixel that misses a band on the date of one pair is predicted from the other pair alone, by
    neighbours similar on that date and with slope 1; it is missing where both pairs miss it. A
    neighbour must have all fine values that are compared; where it lacks the coarse change of a
    date, it is left out on that date. A pair without coarse change in the whole window leaves the
    prediction to the other; a pixel is missing too where both do.

    The defaults are those of the authors' released program, except for the slope. Theirs
    (``slope="code"``) is a regression of the fine on the coarse values of all similar pixels and
    both dates; it takes contrast in space for change in time, and reaches 5 where the data
    say little. Ours (``"change"``) is the ratio of their mean fine and coarse change from pair to
    pair, drawn towards 1 the smaller that change is, between 1/2 and 2. ``"paper"`` takes any
    significant regression, though of the window instead of each coarse cell; it is here to compare.

    Other differences from the program: statistics are of the whole scene and windows reach past
    blocks; a neighbour whose difference equals the limit is similar; 0 is a value like any other,
    and only predictions beyond the valid range become the mean of the similar pixels, few or not.

    References
    ----------
    Zhu, X., Chen, J., Gao, F., Chen, X., Masek, J. (2010). An enhanced spatial and temporal
    adaptive reflectance fusion model for complex heterogeneous regions. Remote Sensing of
    Environment 114(11), 2610-2623.
    """

    pairs = range(2, 3)
    unchanged = "texture"
    layers = ("fused", "similar")
    on_gpu = True
    window: int = param(
        51,
        ge=3,
        le=1023,
        odd=True,
        unit="fine pixels",
        doc="side of the search window",
        source="program: w = 25",
    )
    classes: float = param(
        4, gt=0, doc="similar means within 2 sigma / classes", source="eq 13, program"
    )
    num_similar: int | None = param(
        None,
        ge=FEW + 1,
        none=True,
        doc="most similar pixels that are used; None: all",
        source="program's fast variant: 20",
    )
    slope: str = param(
        "change",
        choices=("change", "code", "paper", "one"),
        doc="what converts coarse change to fine change",
        source="own; released program; paper; one: nothing does",
    )
    doubt: float = param(
        0.05,
        gt=0,
        unit="as the scene",
        doc="coarse change from pair to pair at which a slope of changes is half believed",
    )
    least_change: float = param(
        0.02,
        ge=0,
        unit="as the scene",
        doc="coarse change from pair to pair below which the program's slope is 1",
        source="program: 2 % of the range",
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
        """Count coarse images and changes, their copies to be compared and told, and means."""
        near, images = size.near(self.window // 2), size.pairs * size.bands
        compared = images * (size.wide + 6 * near + 2 * size.inner) + 2 * size.bands * near
        told = size.dates * images * (size.wide + 2 * near + size.inner) + 8 * near
        sums = 13 * size.bands * (near + size.inner) if self.slope in ("code", "paper") else 0
        return VALUE * (compared + told + sums) + 2 * size.layer

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and the number of similar pixels."""
        from xstf.kernels.means import window_means

        half = self.window // 2
        coarse = np.stack([on_fine(b, image, self.upsample) for image in b.coarse])
        steps = np.stack([change(b, pair, self.upsample) for pair in range(2)])
        fine, coarse, steps = (around(a, b.halo, half) for a in (b.fine, coarse, steps))
        own = b.fine[(..., *b.inner)]
        seen = ~np.isnan(own).any(axis=1)
        fused = np.full_like(own, np.nan, shape=(*steps.shape[1:3], *own.shape[2:]))
        similar = np.full_like(own, np.nan, shape=own.shape[2:])
        for pairs, there in (
            ([0, 1], seen[0] & seen[1]),
            ([0], seen[0] & ~seen[1]),
            ([1], seen[1] & ~seen[0]),
        ):
            if there.any():
                limits = 2 * b.numbers.deviation[pairs] / self.classes
                centre = b.numbers.mean.mean(axis=0)
                said = self._ask(fine[pairs], coarse[pairs], steps[pairs], limits, centre, there)
                slope = self._slope(said)
                for date in range(len(fused)):
                    plain = window_means(np.stack([steps[p, date] for p in pairs]), half)
                    found = _predict(own[pairs], plain, slope, said, date, b.valid_range)
                    np.copyto(fused[date], found, where=there)
                np.copyto(similar, said.count, where=there)
        return {"fused": fused, "similar": np.broadcast_to(similar, fused.shape)}

    def _ask(
        self,
        fine: np.ndarray,
        coarse: np.ndarray,
        steps: np.ndarray,
        limits: np.ndarray,
        centre: np.ndarray,
        there: np.ndarray,
    ) -> Said:
        """Return what the similar pixels of some pixels say together.

        Parameters
        ----------
        fine, coarse
            (pair, band, y, x), with half a window around.
        steps
            (pair, date, band, y, x) alike: coarse change since the pair.
        limits
            (pair, band): largest difference of similar pixels.
        centre
            (band,): a value near those of the images, for sums of squares.
        there
            (y, x): which pixels.
        """
        from xstf.kernels.likeness import dissimilarity
        from xstf.kernels.offload import new
        from xstf.kernels.similar import couples, rises, similar_means

        far = rises(self.window // 2)
        images = fine.reshape(-1, *fine.shape[2:])
        order, slots = couples(len(images))
        padding = ((0, 0), (0, 0), (0, far.shape[1] - far.shape[0]))
        ordered = np.stack([images[n] for n in order])
        wide = np.pad(ordered, padding, constant_values=np.nan)
        limit = limits.ravel().astype(np.float32)
        share = np.divide(1, limit, out=np.zeros_like(limit), where=limit > 0)
        unlike = new(fine, fine.shape[2:])
        dissimilarity(fine, coarse, unlike)
        added = sums = None
        if self.slope in ("code", "paper") and len(fine) == 2:
            parts = moments(fine, coarse, centre)
            added = _by_pixel([parts])
            sums = np.zeros_like(fine, dtype=np.float64, shape=(len(parts), *there.shape))
        apart = coarse[0] - coarse[-1]
        said = _by_pixel([unlike, images, apart, steps])
        count = np.zeros_like(there, dtype=np.int32)
        ends = np.cumsum([len(images), len(apart), steps[..., 0, 0].size])
        means = np.zeros_like(fine, shape=(ends[2], *there.shape))
        similar_means(
            wide, limit[order], share, 1 if slots > 1 else None, 1 if slots > 2 else None,
            self.num_similar, there, far, said, added, count, means, sums,
        )  # fmt: skip
        return Said(
            count,
            means[: ends[0]].reshape(*fine.shape[:2], *there.shape),
            means[ends[0] : ends[1]],
            means[ends[1] :].reshape(*steps.shape[:3], *there.shape),
            sums,
        )

    def _slope(self, said: Said) -> np.ndarray | np.float32:
        """Return what converts coarse to fine change, (band, y, x)."""
        if said.sums is not None:
            program = self.slope == "code"
            bounds = (0.0, STEEPEST) if program else (-np.inf, np.inf)
            return regression(
                said.sums, self.window**2, self.least_change if program else 0.0, bounds
            )
        if len(said.fine) == 1 or self.slope == "one":
            return np.float32(1)
        return slope_of_changes(said.fine[0] - said.fine[1], said.apart, self.doubt)


@dataclass(frozen=True)
class Said:
    """What similar pixels say together: weighted means of each pixel."""

    count: np.ndarray  # (y, x) how many they are
    fine: np.ndarray  # (pair, band, y, x)
    apart: np.ndarray  # (band, y, x) coarse change from the second pair to the first
    steps: np.ndarray  # (pair, date, band, y, x) coarse change since the pair
    sums: np.ndarray | None  # (moment, y, x)


def _predict(
    own: np.ndarray,
    plain: np.ndarray,
    slope: np.ndarray | np.float32,
    said: Said,
    date: int,
    valid_range: tuple[float, float] | None,
) -> np.ndarray:
    """Return one date, (band, y, x).

    Parameters
    ----------
    own
        (pair, band, y, x): fine values of the pixels themselves.
    plain
        (pair, band, y, x): mean coarse change of the window since the pair.
    slope
        (band, y, x): fine change for coarse change.
    said
        What the similar pixels say.
    date
        Which of its dates.
    valid_range
        Of the scene, or None.
    """
    moved = own + slope * said.steps[:, date]
    moved = np.where((said.count <= FEW) | np.isnan(moved), own + plain, moved)
    fused = _weighted(moved, plain)
    if valid_range is not None:
        off = (fused < valid_range[0]) | (fused > valid_range[1])
        if off.any():
            kept = np.where(np.isnan(moved), moved, said.fine)
            fused = np.where(off, _weighted(kept, plain), fused)
    return fused


def _weighted(images: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the mean of pairs, heavier where the coarse change since is small [eq 18-19].

    Parameters
    ----------
    images
        (pair, band, y, x); a missing pair leaves the other alone.
    steps
        (pair, band, y, x): mean coarse change of the window.
    """
    if len(images) == 1:
        return images[0]
    far = np.abs(steps) + TINY
    first = far[1] / (far[0] + far[1])
    both = first * images[0] + (1 - first) * images[1]
    missing = np.isnan(images)
    return np.where(missing[0], images[1], np.where(missing[1], images[0], both))


def _by_pixel(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return images (..., y, x) as (y, x, image), filled up with zeros to whole registers."""
    size = parts[0].shape[-2:]
    total = sum(part[..., 0, 0].size for part in parts)
    out = np.zeros_like(parts[0], dtype=np.float32, shape=(*size, -(-total // 8) * 8))
    at = 0
    for part in parts:
        images = part.reshape(-1, *size)
        out[..., at : at + len(images)] = images.transpose(1, 2, 0)
        at += len(images)
    return out
