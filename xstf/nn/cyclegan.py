"""CycleGAN-STF: FSDAF whose spatial prediction is made of images between two dates (Chen 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from xstf.checks import Parts
from xstf.combined import Combined
from xstf.method import Block, Method, Prepared, Whole, param, register
from xstf.methods._spatial import part, prepare_both
from xstf.methods.fsdaf import ClassChange
from xstf.nn.generators import Model, radius_of
from xstf.nn.lines import along
from xstf.nn.passes import Pupil, School
from xstf.nn.predict import network_of, one_thread
from xstf.sizes import VALUE, BlockSize

SHARES = (0.25, 0.5, 0.75, 1.0)  # of what a generator makes of an image, the rest as it was
SHARP = 0.05  # of the spread of changes: a candidate as much worse counts 1 / e
RING = 2  # cells around those whose prediction is wanted: for means, and for weights between them


@register("cyclegan")
@dataclass(frozen=True, kw_only=True)
class Cyclegan(Pupil):
    """FSDAF on a mosaic of what generators make of two dates, chosen by the coarse image.

    Two generators learn to make the fine image of the later date of the earlier one, and back, from
    critics and from the way there and back; no image of a date between is needed. What they make
    of the pairs along the training, all mixtures of it with the pairs, and the pairs themselves
    are candidates: each cell takes that whose mean is most like the coarse image of the target, and
    the means of the cells are brought to the coarse image, which keeps the detail. That is FSDAF's
    spatial prediction, from either pair; the two results are put together, weighed by how little
    the coarse image changed since.

    No code was published, and the paper leaves sizes open. A cell's choice is soft (candidates
    nearly as good have a say) and passes gradually to its neighbours', so that neither cells nor
    the least difference of rounding show.

    Chen, J., Wang, L., Feng, R., Liu, P., Han, W., Chen, X. (2021). CycleGAN-STF: spatiotemporal
    fusion via CycleGAN-based image generation. IEEE Transactions on Geoscience and Remote Sensing
    59(7), 5851-5865.
    """

    pairs = range(2, 3)
    unchanged = "flat"  # two equal results have a mean that rounding may tell from them
    shape: ClassVar[tuple[str, ...]] = ("width", "blocks", "snapshots")
    precision: ClassVar[str] = "32"
    width: int = param(16, ge=1, doc="channels of generators, and of the critics' first layer")
    blocks: int = param(6, ge=1, doc="residual blocks of a generator", source="CycleGAN: 6 or 9")
    snapshots: int = param(4, ge=1, doc="stages of the training whose images are candidates")
    cycle: float = param(10.0, ge=0, doc="weight of the way there and back", source="CycleGAN")
    identity: float = param(5.0, ge=0, doc="weight of leaving a date as it is", source="CycleGAN")
    rate: float = param(2e-4, gt=0, doc="learning rate", source="CycleGAN")
    patch: int = param(64, ge=24, unit="fine pixels", doc="side of a patch")

    @property
    def interpolation(self) -> Method:
        """The mosaic."""
        return Mosaic(network=self)

    @property
    def reach(self) -> int:
        """Coarse cells beyond, for how much has changed since either pair."""
        return self.sides(None).reach

    def sides(self, spatial: np.ndarray | None) -> Combined:
        """Return FSDAF from either pair, put together, with a spatial prediction that is there."""
        return Combined(Side(whole=self, spatial=spatial))

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the generators, untrained."""
        return Model(bands, self.width, self.blocks, self.snapshots)

    def school(self, parts: Parts, dates: list[int], where: torch.device) -> School:
        """Return how the generators learn from some dates of a scene."""
        from xstf.nn.cycle import Teaching

        return Teaching(self, parts, dates, where)

    def prepare(self, scene: Whole) -> Prepared:
        """Find what classes do in either pair, and prepare the mosaic."""
        return prepare_both(scene, self.sides(None).prepare(scene), self.interpolation)

    def memory(self, size: BlockSize) -> float:
        """Count what one pair takes, and what it takes to put both together."""
        return max(self.sides(None).memory(size), self.interpolation.memory(size))

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the layers, from both pairs."""
        own, spatial = part(b, self.interpolation, self.reach)
        return self.sides(spatial).block(own)


@dataclass(frozen=True, kw_only=True)
class Side(Method):
    """FSDAF from one of the pairs, its spatial prediction given."""

    whole: Cyclegan
    spatial: np.ndarray | None  # (date, band, y, x)

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]  # those of the whole
        """Those of FSDAF."""
        return self.whole.layers

    def prepare(self, scene: Whole) -> Prepared:
        """Find what classes do in this pair."""
        return self.whole.find(scene)

    def memory(self, size: BlockSize) -> float:
        """Count what FSDAF holds for one pair."""
        return ClassChange.memory(self.whole, size)

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the layers from this pair."""
        if self.spatial is None:
            raise ValueError("a block needs its spatial prediction")
        return self.whole.predicted(b, self.spatial)


@dataclass(frozen=True, kw_only=True)
class Mosaic(Method):
    """Candidates between two dates, put together by what is most like the coarse image."""

    network: Cyclegan

    pairs = range(2, 3)

    def halo(self, scale: int) -> int:
        """Count what a generator looks at, and cells whose means and weights are needed."""
        return RING * scale + radius_of(self.network.blocks)

    def prepare(self, scene: Whole) -> Prepared:
        """Send the weights to the blocks."""
        return Prepared(numbers=self.network.sent(scene))

    def memory(self, size: BlockSize) -> float:
        """Count candidates, a generator's features, and the mosaic in double precision."""
        images = 4 * (self.network.snapshots + 1) + size.dates + 8
        return images * size.image + 4.0 * VALUE * self.network.width * size.wide

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the mosaic of each date, its cells' means those of the coarse image."""
        from xstf.kernels.boxes import cell_means
        from xstf.kernels.resample import upsample
        from xstf.kernels.restore import restore

        network: Any = self.network
        model: Any = network_of(network, network.trained, b)
        images = made_of(model, b, RING * b.scale)
        spare = (b.target.shape[-1] - images.shape[-1] // b.scale) // 2
        wanted = along(model.line.cpu().numpy(), _inner(b.target, spare))
        spread = (model.scale * model.step)[:, 0, 0].cpu().numpy()
        means = cell_means(images, b.scale)
        inner = _inner(images, b.scale)
        out = []
        for target in wanted:
            weights = upsample(chosen(means, target, spread), "linear", b.scale)
            mosaic = sum(w * image for w, image in zip(weights, inner, strict=True))
            out.append(restore(mosaic, _inner(target, 1), b.scale))
        return {"fused": np.stack(out)}


def made_of(model: Model, b: Block, around: int) -> np.ndarray:
    """Return both pairs and what the generators make of them, in the units of the scene.

    A pixel that one pair lacks is the other's; one that both lack is the middle of its band.

    Parameters
    ----------
    model
        The generators.
    b
        The block.
    around
        Fine pixels around it that are wanted.

    Returns
    -------
    numpy.ndarray
        (2 + 2 stages, band, y, x).
    """
    spare = b.halo - around - model.now.later.radius
    first, last = (_inner(b.fine[n], spare) for n in np.argsort(b.times, kind="stable"))
    both = np.where(np.isnan(first), last, first), np.where(np.isnan(last), first, last)
    normal = [torch.from_numpy(image).to(model.step) for image in both]
    known = [torch.nan_to_num((i - model.centre) / model.scale) for i in normal]
    with torch.inference_mode(), one_thread():
        made: Tensor = model.images(*known) * model.scale + model.centre
        return made.cpu().numpy()


def chosen(means: np.ndarray, target: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return how much each image counts in each cell, (image, y, x) float32; the sum is 1.

    Candidates are the two pairs, and mixtures of each with what was made of it. That which is most
    like the coarse image counts most; an image counts as the candidates do that it is part of.

    Parameters
    ----------
    means
        (image, band, y, x) of the cells, the images as `Model.images` has them.
    target
        (band, y, x) coarse image, as the fine sensor would see it.
    spread
        (band,) of changes, in which differences count.
    """
    parts = shares(len(means))
    candidates = np.einsum("ci,ibyx->cbyx", parts, means.astype(np.float64))
    off = (np.abs(candidates - target) / spread[:, None, None]).mean(axis=1)
    off = np.where(np.isnan(off), 0, off)  # all count alike where nothing is known
    weight = np.exp((off.min(axis=0) - off) / SHARP)
    weight /= weight.sum(axis=0)
    return np.einsum("ci,cyx->iyx", parts, weight).astype(np.float32)


def shares(images: int) -> np.ndarray:
    """Return what each candidate is made of, (candidate, image); the pairs themselves first."""
    rows = [np.eye(images)[n] for n in (0, 1)]
    for made in range(2, images):
        own = np.eye(images)[made % 2]
        rows += [share * np.eye(images)[made] + (1 - share) * own for share in SHARES]
    return np.array(rows)


def _inner(image: np.ndarray, spare: int) -> np.ndarray:
    """Return images without so many pixels on each side."""
    return image[..., spare:-spare, spare:-spare] if spare else image
