"""SFSDAF: FSDAF whose pixels are mixtures, and whose shares of classes may change [Li 2020]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, Prepared, Whole, param, register
from xstf.methods._classes import defer_model, stride_of
from xstf.methods._mixtures import (
    MARGIN,
    Mixtures,
    class_values,
    find_values,
    share_changes,
    survey_shares,
)
from xstf.methods._shared import around
from xstf.methods._spatial import halo_of, part, prepare_both
from xstf.methods._spectra import defer_spectra, sampled
from xstf.methods.fsdaf import Fsdaf
from xstf.sizes import VALUE, BlockSize, listed

EQUAL = 1e-6  # of the deviation: pixels closer than this are equally alike


@register("sfsdaf")
@dataclass(frozen=True, kw_only=True)
class Sfsdaf(Fsdaf):
    """FSDAF for land cover that changes: shares of classes change, not only their values [Li 2020].

    Each pixel is a mixture of classes by its distance from them. The target's coarse image, unmixed
    by the classes' values on that date, says how the shares of each cell have changed; the change
    is brought to the pixels by cubic convolution and the mean of the most alike ones; the new
    mixture of the new values, plus the residual that FSDAF spreads within cells, is the change, of
    which each pixel takes the weighted mean of its most alike neighbours.

    Use it where land cover changes within cells (floods, harvests, growing towns) and there are
    about as many bands as classes. Not for one band, where a change of shares and one of values
    look alike and which is refused; and not where nothing changes: shares are unmixed anew on each
    date, so that even equal coarse images give a change.

    The default follows the authors' released program, with differences: windows end at the scene's
    edge, where the program reads zeros past it, and cubic convolution is not half a pixel off; of
    equally alike pixels exactly `num_similar` are taken; the classes' values before come from a
    sample of the pixels of a large scene; missing pixels are left out. Where there are fewer bands
    than classes less one, of all shares that explain a cell those nearest to the pair's are taken.

    A pixel is missing where its fine value is, or where none of its alike neighbours lies in a cell
    with coarse data on both dates.

    References
    ----------
    Li, X., Foody, G., Boyd, D., Ge, Y., Zhang, Y., Du, Y., Ling, F. (2020). SFSDAF: an enhanced
    FSDAF that incorporates sub-pixel class fraction change information for spatio-temporal image
    fusion. Remote Sensing of Environment 237, 111537.
    """

    unchanged = ""
    window: int | None = param(  # type: ignore[assignment]  # None here, never in FSDAF
        None,
        ge=3,
        le=1023,
        odd=True,
        none=True,
        unit="fine pixels",
        doc="side of the window; None: two cells and a pixel",
        source="program",
    )
    min_classes: int = param(
        4, ge=2, le=255, doc="fewest classes that ISODATA may end with", source="program"
    )
    max_classes: int = param(
        4, ge=2, le=255, doc="most classes that ISODATA may end with", source="program: 4; 4-6"
    )
    spatial: str | Method = param(
        "cubic",
        choices=("tps", "cubic"),
        also=Method,
        doc="spatial prediction: thin-plate spline, cubic convolution, or a method that makes it",
        source="program",
    )
    num_pure: int | None = param(
        None,
        ge=1,
        none=True,
        doc="purest cells used for the value of each class, twice as many for its change; None: "
        "100, but at most 2.8 % of the cells",
        source="program: 100 and 200",
    )

    def halo(self, scale: int) -> int:
        """Half the window in whole cells, whose pixels look half a cell further."""
        return self._near(scale) + scale // 2 + halo_of(self.interpolation, scale)

    @property
    def window_size(self) -> int:
        """Side of the window, where it is given."""
        return self.window or 1

    def prepare(self, scene: Whole) -> Prepared:
        """Find classes, their values and changes on each date, and the change of shares."""
        if scene.bands < 2:
            raise ValueError(
                "sfsdaf cannot work on one band: there a change of class shares and one of class "
                'values look the same; use "fsdaf", or fuse several bands together'
            )
        model = defer_model(scene, self.rules)
        known = scene.once(Mixtures, model, defer_spectra(scene, model))
        found = scene.each(survey_shares, known)
        start = scene.once(class_values, scene.each(sampled, stride_of(scene), model), known)
        dated, planes = [], []
        for date in range(scene.dates):
            target = scene.target(date)
            mixed = scene.once(find_values, found, start, scene.coarse(0), target, self.num_pure)
            dated.append(mixed)
            planes.append(scene.once(share_changes, found, mixed, target))
        own = Prepared(numbers=known, dated=dated, planes={"shares": planes}, margin=MARGIN)
        return prepare_both(scene, own, self.interpolation)

    def memory(self, size: BlockSize) -> float:
        """Count shares of classes, of pair and dates; neighbours, and the change they give."""
        half, near = self._half(size.scale), size.near(self._near(size.scale))
        lists = listed(size, self.num_similar, 2 * half + 1) / size.inner
        shares = self.max_classes * (size.wide + size.dates * (2 * size.wide + near))
        first = VALUE * (shares + 4 * size.wide) + lists * near + size.dates * size.image
        last = 3 * size.dates * size.image + 5.3 * size.layer + lists * size.inner
        return max(first, last, self.interpolation.memory(size))

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many alike neighbours it has."""
        own, spatial = part(b, self.interpolation)
        return self.smoothed(own, self.changed(own, spatial), self._half(b.scale))

    def changed(self, b: Block, spatial: np.ndarray) -> np.ndarray:
        """Return the change of each pixel of the block and near it, (date, band, y, x).

        Parameters
        ----------
        b
            The block.
        spatial
            (date, band, y, x): the spatial prediction.
        """
        from xstf.kernels.classify import homogeneity
        from xstf.kernels.offload import new, packed
        from xstf.kernels.residual import distribute

        near = self._near(b.scale)
        names, soft = b.numbers.model.classify(b), b.numbers.soft(b.fine[0])
        alone = new(names, names.shape)
        homogeneity(names, b.numbers.model.classes, b.scale // 2, alone)
        foretold = self._foretold(b, soft, near)
        names, alone, fine = (
            packed(around(image, b.halo, near)) for image in (names, alone, b.fine[0])
        )
        cells = (b.halo - near) // b.scale
        step = around(b.target - b.coarse[0], cells, 0)
        out = np.empty_like(foretold)
        free = np.full(len(fine), np.inf)
        for date, moved in enumerate(foretold):
            told = packed(around(spatial[date], b.halo, near))
            distribute(
                fine, names, alone, moved, told, step[date], -free, free, b.scale, out[date], 1
            )
        return out

    def _foretold(self, b: Block, soft: np.ndarray, near: int) -> np.ndarray:
        """Return the change that new values and new shares make, (date, band, y, x) near the block.

        Parameters
        ----------
        b
            The block.
        soft
            (class, y, x) shares in the pair.
        near
            How far from the block.
        """
        from xstf.kernels.fractions import change_of_mixture
        from xstf.kernels.nearest import spread
        from xstf.kernels.offload import new, packed
        from xstf.kernels.resample import upsample

        half = b.scale // 2
        inner = tuple(part.stop - part.start + 2 * near for part in b.inner)
        found = self._closest(soft, b.halo - near, half, b.scale, 1.0)
        soft = packed(around(soft, b.halo, near))
        shares = around(upsample(b.made["shares"], "cubic", b.scale), b.halo, near + half)
        channels = shares.reshape(-1, *shares.shape[2:]).transpose(1, 2, 0)
        shift = new(soft, (*inner, channels.shape[2]))
        spread(packed(channels), *found, shift)
        step = shift.transpose(2, 0, 1).reshape(len(b.target), len(soft), *inner)
        out = new(soft, (len(b.target), b.fine.shape[1], *inner))
        for date, mixed in enumerate(b.dated):
            change_of_mixture(soft, step[date], mixed.start, mixed.end, out[date])
        return out

    def search(self, b: Block, half: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the most alike neighbours of each pixel, see `xstf.kernels.closest.closest`.

        Parameters
        ----------
        b
            The block.
        half
            Half the window.
        """
        return self._closest(b.fine[0], b.halo, half, b.scale, b.numbers.model.deviation.sum())

    def _closest(
        self, images: np.ndarray, halo: int, half: int, scale: int, deviation: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return offsets, weights and number of the pixels alike in images (image, y, x)."""
        from xstf.kernels.closest import closest, ties
        from xstf.kernels.offload import new
        from xstf.kernels.window import distances

        tie = ties(half, EQUAL * deviation)
        near = around(images, halo, half, tie.shape[1] - tie.shape[0])
        size = tuple(n - 2 * halo for n in images.shape[1:])
        offset = new(images, (*size, min(self.num_similar, (2 * half + 1) ** 2)), np.int32)
        weight, count = new(images, offset.shape), new(images, size, np.int32)
        closest(near, tie, distances(half, scale / 2), offset, weight, count, 1)
        return offset, weight, count

    def _half(self, scale: int) -> int:
        """Return half the window."""
        return scale if self.window is None else self.window // 2

    def _near(self, scale: int) -> int:
        """Return how far from the block the change must be known: half the window, in cells."""
        return -(-self._half(scale) // scale) * scale
