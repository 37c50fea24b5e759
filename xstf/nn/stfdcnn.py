"""STFDCNN: from coarse to intermediate images, and from those to fine ones (Song 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from xstf.method import param, register
from xstf.nn.inputs import Filled
from xstf.nn.jointly import Jointly, JointModel
from xstf.nn.layers import blend, conv, enlarged, inner, silent, trunk
from xstf.nn.model import squared

SIDES = (9, 5, 5)  # of the windows of each network
LOOKS = sum(side // 2 for side in SIDES)  # pixels of its own grid that each looks around one
DARK = 0.01  # in the units of the scene: below, no ratio is taken


class Enhancer(nn.Module):
    """One network: an image and what it lacks, band by band, 8 pixels smaller on each side."""

    def __init__(self, bands: int, width: int, short: bool) -> None:
        super().__init__()
        self.short = short
        half = max(1, width // 2)
        self.net = nn.Sequential(
            conv(bands, 1, width, SIDES[0]), nn.ReLU(),
            conv(bands, width, half, SIDES[1]), nn.ReLU(),
            silent(conv(bands, half, 1, SIDES[2])),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        """Return the image with what it lacked, (n, ..., band, y, x)."""
        flat = image.flatten(0, -4)
        with trunk(self.short, image.device):
            more = self.net(flat).float()
        return (inner(flat, LOOKS) + more).unflatten(0, image.shape[:-3])


class Model(JointModel):
    """Both networks, and how details of the pairs are moved to the date on either grid."""

    stages = 2

    def __init__(
        self, bands: int, width: int, factor: int, window: int, ratio: bool, short: bool
    ) -> None:
        super().__init__(bands)
        self.unit, self.rim, self.ratio = factor, window // 2, ratio
        self.around = LOOKS + self.rim  # pixels of either grid
        self.radius = sight(factor, self.rim)
        self.spare = self.radius - factor * (self.around + 1) - self.around  # fine pixels
        self.mapping = Enhancer(bands, width, short)  # coarse to intermediate
        self.detail = Enhancer(bands, width, short)  # intermediate to fine
        self.stage = 1

    def together(self, images: Filled) -> Tensor:
        """Return fine images moved by the change that was first found on the intermediate grid."""
        known = reduced(images.fine, self.unit)
        seen = reduced((~images.gone).to(known.dtype), self.unit) > 0
        before, after = (
            self.mapping(reduced(image, self.unit)) for image in (images.coarse, images.target)
        )
        middle = self.moved(inner(known, LOOKS), before, after, inner(seen, LOOKS))
        return self.sharpened(images, known, middle, seen)[:, None]

    def sharpened(self, images: Filled, known: Tensor, middle: Tensor, seen: Tensor) -> Tensor:
        """Return fine images moved by the difference that enhanced intermediate images have.

        Parameters
        ----------
        images
            The pairs.
        known, seen
            (n, pair, band, rows, columns) intermediate images of the pairs, and where they are.
        middle
            (n, band, ...) that of the date, without what the first network looked at.
        """
        known, seen = inner(known, self.around), inner(seen, self.around)
        before = self.detail(self._on_fine(known, seen))
        after = self.detail(self._on_fine(middle[:, None], seen.any(1, keepdim=True)))
        spare = self.radius - self.rim
        fine, there = inner(images.fine, spare), inner(~images.gone, spare)
        return self.moved(fine, before, after, there)

    def _on_fine(self, image: Tensor, there: Tensor) -> Tensor:
        """Return intermediate images at the fine pixels that the second network looks at."""
        flat = enlarged(image.flatten(0, 1), there.flatten(0, 1), self.unit)
        return inner(flat, self.spare).unflatten(0, image.shape[:2])

    def moved(self, image: Tensor, before: Tensor, after: Tensor, there: Tensor) -> Tensor:
        """Return images of the pairs, modulated, and weighed by how little changed nearby.

        Parameters
        ----------
        image
            (n, pair, band, y, x).
        before, after
            What the networks make of each pair and of the date.
        there
            Where the pairs have all it takes.

        Returns
        -------
        torch.Tensor
            (n, band, y, x), half a window smaller on each side.
        """
        made = self.modulated(image, before, after)
        if made.shape[1] == 1:
            return inner(made[:, 0], self.rim)
        known = torch.where(there, made, torch.nan).transpose(0, 1)
        mean = blend(known, (after - before).transpose(0, 1), self.rim)
        return torch.where(torch.isnan(mean), inner(made.mean(1), self.rim), mean)

    def modulated(self, image: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return images with the change added, or, for `ratio`, multiplied where none is dark."""
        added = image + after - before
        if not self.ratio:
            return added
        real, first, then = (i * self.scale + self.centre for i in (image, before, after))
        product = real * then / first.clamp(min=DARK)
        return torch.where(first > DARK, (product - self.centre) / self.scale, added)

    def misfit(self, images: Filled, later: bool, truth: Tensor, seen: Tensor) -> Tensor:
        """Return the error of the network that is being trained, each on images of one date."""
        if self.stage == 0:
            made = self.mapping(reduced(images.target, self.unit))
            off = inner(made, self.radius // self.unit - LOOKS) - reduced(truth, self.unit)
            return squared(off, reduced(seen.to(off.dtype), self.unit) == 1, self.step)
        known = inner(reduced(images.fine, self.unit), self.around)[:, None]
        made = self.detail(self._on_fine(known, torch.ones_like(known, dtype=torch.bool)))[:, 0]
        spare = self.radius - self.rim
        return squared(made - inner(images.fine, spare), ~inner(images.gone, spare), self.step)

    def begin(self, stage: int) -> list[nn.Parameter]:
        """Train the way to the intermediate grid first, then the way to the fine one."""
        self.stage = stage
        trained = self.detail if stage else self.mapping
        for part in (self.mapping, self.detail):
            part.requires_grad_(part is trained)
        return list(trained.parameters())


def sight(factor: int, half: int) -> int:
    """Return the fine pixels that both networks and weights look at around one, in whole units.

    On the intermediate grid that is what the first network, its weights and the interpolation look
    at, and whole units around what the second network and its weights do.
    """
    around = LOOKS + half
    return factor * (around + 1 + -(-around // factor))


def reduced(image: Tensor, factor: int) -> Tensor:
    """Return means over squares of pixels, (..., band, y / factor, x / factor)."""
    shape = image.shape[:-3]
    return functional.avg_pool2d(image.flatten(0, -4), factor).unflatten(0, shape)


@register("stfdcnn")
@dataclass(frozen=True, kw_only=True)
class Stfdcnn(Jointly):
    """Two networks, from coarse images to intermediate ones and from those to fine ones.

    The first learns what coarse images lack of fine ones that were reduced to intermediate pixels,
    the second what these lack of fine ones, band by band and date by date. What they make of the
    two dates says the change on either grid, which is added to the image of the pair (high-pass
    modulation), and the pairs are weighed by how little changed nearby. Each network adds to its
    input, and its last layer begins at zero: an untrained one predicts the fine image plus the
    coarse change, smooth at intermediate pixels.

    Song, H., Liu, Q., Wang, G., Hang, R., Huang, B. (2018). Spatiotemporal satellite image fusion
    using deep convolutional neural networks. IEEE JSTARS 11(3), 821-829. The authors published no
    code; sizes, the additive modulation and the weights follow public re-implementations.
    """

    shape: ClassVar[tuple[str, ...]] = ("width", "lsr_factor")
    width: int = param(64, ge=1, doc="channels of the first layer and band; the second has half")
    lsr_factor: int | None = param(
        None, ge=2, none=True, unit="fine pixels",
        doc="side of an intermediate pixel, which must divide the scale; None: the largest divisor "
        "of the scale up to half of it, or where it has none the scale itself",
    )  # fmt: skip
    hpm: str = param(
        "add", choices=("add", "ratio"), doc="how change comes to an image: added, or multiplied"
    )
    window: int = param(
        3, ge=1, odd=True, unit="pixels", doc="side of the window that weighs pairs, on both grids"
    )

    def factor(self, scale: int) -> int:
        """Return the side of an intermediate pixel in fine pixels, or raise where there is none."""
        divisors = [n for n in range(2, scale + 1) if scale % n == 0]
        if self.lsr_factor is None:
            return max([n for n in divisors if 2 * n <= scale], default=scale)
        if self.lsr_factor not in divisors:
            raise ValueError(
                f"lsr_factor={self.lsr_factor} does not divide the scale {scale}: blocks begin on "
                "whole coarse cells, which must be whole intermediate pixels; give one of "
                f"{', '.join(map(str, divisors))}"
            )
        return self.lsr_factor

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where no intermediate pixel fits, or the weights are for another kind of scene."""
        if scale == 1:
            raise ValueError(
                f"{self.label} goes from coarse cells over intermediate to fine pixels, and this "
                "scene's scale is 1 (coarse images on the fine grid); reduce them to their cells: "
                "xstf.scene(fine, coarse, scale=16)"
            )
        self.factor(scale)
        super().suit(bands, scale, limits)

    def looks(self, scale: int) -> int:
        """Pixels that a prediction looks at around its own."""
        return sight(self.factor(scale), self.window // 2)

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained."""
        factor, ratio = self.factor(scale), self.hpm == "ratio"
        return Model(bands, self.width, factor, self.window, ratio, self.precision == "bf16")
