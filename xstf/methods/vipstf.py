"""VIPSTF-SW: a virtual pair made of all pairs by regression, and what it leaves [Wang 2020]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, Prepared, Whole, param, register
from xstf.methods._shared import around, on_fine, reach_of
from xstf.sizes import BlockSize, listed

EQUAL = 1e-9  # of the variance of the fine images: pixels closer than this are equally alike
RIDGE = 1e-9  # share of the variance that draws coefficients to equal ones, where cells cannot tell


@register("vipstf")
@dataclass(frozen=True, kw_only=True)
class Vipstf(Method):
    """A virtual pair, closer to the target than any real one, plus its residual [Wang 2020].

    For each band and date the target's coarse image is regressed on the coarse images of all
    pairs; the same combination of their fine images is the virtual fine image; what the regression
    leaves of each cell is upsampled and averaged over the pixels that are most alike in the virtual
    fine image. Use it with several pairs, of which none need be close: it weighs them by itself,
    ``pairs=5`` takes the five nearest. With one pair it is one line for the whole scene. Where land
    cover changes abruptly, ``fsdaf`` keeps edges better.

    The regression is of the coarse cells that all pairs and the target have, where the authors'
    program first upsamples them: the same line, from fewer numbers. All bands tell which pixels are
    alike, where the program takes red and near infrared. Pairs that the cells cannot tell apart
    share their weight. A window ends at the scene's edge, where the program repeats the edge.

    A pixel that is missing in some pairs is predicted from the others, by their own regression; it
    is missing where it is in all pairs, or where no alike pixel has a residual nearby.

    The search for alike pixels is of one date's virtual image, so each date costs a search.
    ``search="pairs"`` compares the pairs' own images instead, once for all dates.

    References
    ----------
    Wang, Q., Tang, Y., Tong, X., Atkinson, P. (2020). Virtual image pair-based spatio-temporal
    fusion. Remote Sensing of Environment 249, 112009.
    """

    pairs = range(1, 64)
    unchanged = "flat"
    on_gpu = True
    layers = ("fused", "similar")
    window: int = param(
        65,
        ge=3,
        le=1023,
        odd=True,
        unit="fine pixels",
        doc="side of the window",
        source="program: w0 = 32",
    )
    num_similar: int = param(
        30, ge=1, doc="alike neighbours, the pixel itself among them", source="program: N_S"
    )
    distance: float | None = param(
        None,
        gt=0,
        none=True,
        unit="fine pixels",
        doc="distance that halves a weight; None: half the window",
        source="program: A = 32.5",
    )
    search: str = param(
        "virtual",
        choices=("virtual", "pairs"),
        doc="where alike pixels are looked for: each date's virtual image, or all pairs at once",
    )

    def halo(self, scale: int) -> int:
        """Half the window."""
        return self.window // 2

    @property
    def window_size(self) -> int:
        """Side of the window."""
        return self.window

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of("cubic")

    def prepare(self, scene: Whole) -> Prepared:
        """Find the moments that each date's regression is made of."""
        coarse = [scene.coarse(pair) for pair in range(scene.pairs)]
        dated = [
            scene.once(find_moments, scene.target(date), *coarse) for date in range(scene.dates)
        ]
        return Prepared(numbers=scene.statistics, dated=dated)

    def memory(self, size: BlockSize) -> float:
        """Count virtual images and what they leave; neighbours, twice while sought anew."""
        again = size.dates > 1 and self.search == "virtual"
        lists = (1 + again) * listed(size, self.num_similar, self.window)
        compared = (1 if self.search == "virtual" else size.pairs) * size.image
        return 2 * size.dates * size.image + 2 * size.layer + lists + compared + size.image

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many alike neighbours it has."""
        virtual, left = self._virtual(b)
        inner = (..., *b.inner)
        fused, similar = np.empty_like(virtual[inner]), np.empty_like(virtual[inner])
        for date, image in enumerate(virtual):
            if date == 0 or self.search == "virtual":
                looked = image if self.search == "virtual" else b.fine.reshape(-1, *image.shape[1:])
                offset, weight, count = self._search(b, looked)
            fused[date] = image[inner] + self._said(b, left[date], offset, weight, count)
            similar[date] = count
        similar[np.isnan(virtual[inner])] = np.nan
        return {"fused": fused, "similar": similar}

    def _virtual(self, b: Block) -> tuple[np.ndarray, np.ndarray]:
        """Return the virtual fine images, and what they leave, (date, band, y, x) both."""
        shape = len(b.target), *b.fine.shape[1:]
        virtual, left = np.full_like(b.fine, np.nan, shape=(2, *shape))
        for band in range(shape[1]):
            for some, here in regions(b.fine[:, band]):
                for date, moments in enumerate(b.dated):
                    gain, base = moments.line(band, some)
                    fine = combined(b.fine[some, band], gain, base)
                    rest = b.target[date, band] - combined(b.coarse[some, band], gain, base)
                    np.copyto(virtual[date, band], fine, where=here)
                    np.copyto(left[date, band], on_fine(b, rest, "cubic"), where=here)
        return virtual, left

    def _search(self, b: Block, looked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return offsets, weights and number of the pixels alike in images (image, y, x)."""
        from xstf.kernels.closest import closest, ties
        from xstf.kernels.offload import new
        from xstf.kernels.window import distances

        half = self.window // 2
        tie = ties(half, EQUAL * float(np.nansum(b.numbers.deviation[0] ** 2)))
        near = around(looked, b.halo, half, tie.shape[1] - tie.shape[0])
        size = tuple(part.stop - part.start for part in b.inner)
        offset = new(near, (*size, min(self.num_similar, self.window**2)), np.int32)
        weight, count = new(near, offset.shape), new(near, size, np.int32)
        far = distances(half, self.distance or self.window / 2)
        closest(near, tie, far, offset, weight, count)
        return offset, weight, count

    def _said(
        self, b: Block, left: np.ndarray, offset: np.ndarray, weight: np.ndarray, count: np.ndarray
    ) -> np.ndarray:
        """Return what the alike pixels leave on average, (band, y, x)."""
        from xstf.kernels.nearest import spread
        from xstf.kernels.offload import new, packed

        near = around(left, b.halo, self.window // 2)
        said = new(left, (*count.shape, len(left)))
        spread(packed(near.transpose(1, 2, 0)), offset, weight, count, said)
        return said.transpose(2, 0, 1)


@dataclass(frozen=True)
class Moments:
    """What the regression of one date is made of, over the cells that all images have."""

    mean: np.ndarray  # (band, 1 + pair): of the target, then of each pair; NaN without a cell
    products: np.ndarray  # (band, 1 + pair, 1 + pair): mean products of what departs from it

    def line(self, band: int, pairs: list[int]) -> tuple[np.ndarray, float]:
        """Return the weight of each of some pairs, and the constant.

        Parameters
        ----------
        band
            Which band.
        pairs
            Which pairs.
        """
        from xstf.kernels.minimum import bounded_minimum

        at = np.array(pairs) + 1
        system = self.products[band][np.ix_(at, at)]
        side = self.products[band][at, 0]
        if np.isnan(self.mean[band]).any():
            return np.full(len(at), np.nan), np.nan
        # drawn to equal weights, so that alike pairs share and a flat scene keeps its texture
        ridge = RIDGE * np.trace(system) / len(at) or 1.0
        system = system + ridge * np.eye(len(at))
        gain = bounded_minimum(system, side + ridge / len(at), -np.inf, np.inf)
        total = sum(g * m for g, m in zip(gain, self.mean[band, at], strict=True))
        return gain, float(self.mean[band, 0] - total)


def find_moments(target: np.ndarray, *pairs: np.ndarray) -> Moments:
    """Return what the regression of a target on the coarse images of the pairs is made of.

    Parameters
    ----------
    target
        (band, y_coarse, x_coarse).
    *pairs
        Each the same.
    """
    images = np.stack([target, *pairs]).astype(np.float64)
    images = images.reshape(*images.shape[:2], -1).swapaxes(0, 1)
    bands, count, _ = images.shape
    mean = np.full((bands, count), np.nan)
    products = np.zeros((bands, count, count))
    for band, values in enumerate(images):
        values = values[:, ~np.isnan(values).any(axis=0)]
        if values.shape[1]:
            mean[band] = values.mean(axis=1)
            apart = values - mean[band][:, None]
            for n, row in enumerate(apart):
                # not by BLAS, whose sums depend on its number of threads
                products[band, n] = (row * apart).mean(axis=1)
    return Moments(mean, products)


def regions(images: np.ndarray) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield lists of pairs, and the pixels (y, x) that these and no other pairs have.

    Parameters
    ----------
    images
        (pair, y, x).
    """
    seen = ~np.isnan(images)
    names = np.zeros_like(images, dtype=np.uint64, shape=images.shape[1:])
    for pair, part in enumerate(seen):
        names |= part.astype(np.uint64) << np.uint64(pair)
    whole = (1 << len(seen)) - 1
    for name in [whole] if seen.all() else np.unique(names).tolist():
        if name:
            yield [pair for pair in range(len(seen)) if name >> pair & 1], names == name


def combined(images: np.ndarray, gain: np.ndarray, base: float) -> np.ndarray:
    """Return the weighted sum of images (pair, y, x) and a constant.

    Parameters
    ----------
    images
        (pair, y, x).
    gain, base
        From `Moments.line`.
    """
    total = np.full_like(images, base, dtype=np.float32, shape=images.shape[1:])
    for image, weight in zip(images, gain, strict=True):
        total += np.float32(weight) * image
    return total
