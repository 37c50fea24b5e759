"""DCSTFN: features of native coarse images, enlarged, and of the fine image (Tan 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from xstf.method import Block, param, register
from xstf.nn.inputs import Filled
from xstf.nn.layers import conv, doubled, enlarged, inner, silent, trunk, weighed
from xstf.nn.method import Network, nearness
from xstf.nn.model import PairModel

CELLS = 4  # that a forecast looks at around its own: two by the first layers, two while enlarging
FINE = 8  # fine pixels that it looks at


class Enlarger(nn.Module):
    """From cells to features at every second fine pixel, (n, band, rows, columns), band by band."""

    def __init__(self, bands: int, width: int, scale: int) -> None:
        super().__init__()
        self.side = scale // 2  # of a cell at the end
        steps: list[nn.Module] = []
        for _ in range(self.side.bit_length() - 1):
            steps += [doubled(bands, 2 * width, 2 * width), nn.ReLU()]
        self.cells = nn.Sequential(
            conv(bands, 1, width), nn.ReLU(), conv(bands, width, 2 * width), nn.ReLU()
        )
        self.steps = nn.Sequential(*steps)
        self.last = conv(bands, 2 * width, 4 * width)

    def forward(self, cells: Tensor) -> Tensor:
        """Return features of all but the four outermost cells on each side, and a pixel more."""
        large = self.steps(self.cells(cells))
        return self.last(inner(large, (CELLS - 2) * self.side - 2)).relu()


class Model(PairModel):
    """Three networks after the authors' code, whose pooling begins on whole cells."""

    def __init__(self, bands: int, width: int, scale: int, skip: bool, short: bool) -> None:
        super().__init__(bands)
        self.unit, self.radius = scale, CELLS * scale
        self.skip, self.short = skip, short
        self.coarse = Enlarger(bands, width, scale)
        self.fine = nn.Sequential(
            conv(bands, 1, width), nn.ReLU(),
            conv(bands, width, 2 * width), nn.ReLU(),
            nn.MaxPool2d(2),
            conv(bands, 2 * width, 2 * width), nn.ReLU(),
            conv(bands, 2 * width, 4 * width), nn.ReLU(),
        )  # fmt: skip
        last = conv(bands, width, 1, 1)
        self.merge = nn.Sequential(
            doubled(bands, 4 * width, 2 * width), nn.ReLU(),
            conv(bands, 2 * width, width, 1), nn.ReLU(),
            silent(last) if skip else last,
        )  # fmt: skip

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return the image made of the pair's fine features and the change of the coarse ones."""
        cells = [functional.avg_pool2d(i, self.unit) for i in (images.coarse, images.target)]
        with trunk(self.short, images.fine.device):
            before, after = (self.coarse(image) for image in cells)
            fine = self.fine(inner(images.fine, self.radius - FINE))
            said = inner(self.merge(fine - before + after), 2).float()
        if not self.skip:
            return said
        return self.plain(images, cells[1] - cells[0]) + self.step * said

    def plain(self, images: Filled, change: Tensor) -> Tensor:
        """Return the fine image plus the change of the cells, interpolated."""
        there = functional.avg_pool2d((~images.gone).to(change.dtype), self.unit) > 0
        smooth = enlarged(change, there, self.unit)
        return inner(images.fine, self.radius) + inner(smooth, self.radius - self.unit)


@register("dcstfn")
@dataclass(frozen=True, kw_only=True)
class Dcstfn(Network):
    """Features of the fine image, and of native coarse images enlarged step by step, band by band.

    The features of the coarse image of the date take the place of those of the pair's, at every
    second fine pixel, and a last network makes the image of them. Two pairs are weighed by how near
    they are in time. Each step of the enlargement doubles the pixels, so the scale must be a power
    of two; the paper's is 16.

    Tan, Z., Yue, P., Di, L., Tang, J. (2018). Deriving high spatiotemporal remote sensing images
    using deep convolutional network. Remote Sensing 10(7), 1066; sizes after the authors' code.
    """

    pairs = range(1, 3)
    shape: ClassVar[tuple[str, ...]] = ("width", "skip")
    width: int = param(32, ge=1, doc="channels of the first layers and band; others have 2 and 4")
    skip: bool = param(
        True, doc="learn what is left of fine image + coarse change; False: the paper's way"
    )
    upsample: str = param(
        "nearest", choices=("nearest",), doc="cells reach the network as they are"
    )

    @staticmethod
    def refuse(scale: int) -> None:
        """Raise where cells cannot be doubled into pixels."""
        if scale < 2 or scale & (scale - 1):
            raise ValueError(
                f"dcstfn doubles the pixels of coarse images step by step, so it serves scales 2, "
                f"4, 8, 16, 32 ..., and this scene's scale is {scale}; bring it to one of them "
                "with xstf.align, or take edcstfn, which serves every scale"
            )

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where the scale is not served, or the weights are for another kind of scene."""
        self.refuse(scale)
        super().suit(bands, scale, limits)

    def looks(self, scale: int) -> int:
        """Pixels that a prediction looks at around its own."""
        return CELLS * scale

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained."""
        self.refuse(scale)
        return Model(bands, self.width, scale, self.skip, self.precision == "bf16")

    def channels(self) -> int:
        """Numbers of each pixel and band that are held at once."""
        return 5 * self.width

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return the forecasts of all pairs, weighed by the inverse of the time between."""
        return weighed(forecasts, nearness(b.times, b.target_times).to(forecasts.device))
