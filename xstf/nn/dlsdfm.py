"""DL-SDFM: two networks that look at the change in time and at the detail in space (Jia 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from xstf.method import Block, param, register
from xstf.nn.alike import pixels_alike
from xstf.nn.inputs import Filled
from xstf.nn.layers import blend, conv, inner, silent, together, trunk
from xstf.nn.method import Network, against, around_cell, weights_of_sides
from xstf.nn.model import PairModel, squared

HALF = 1  # both predictions are weighed over windows of 3 x 3 pixels [eq 13-16]


class Branch(nn.Module):
    """Layers 1-5 of table 1: an image at three widths of view, (n, band, y, x) and 4 px less."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.bands = bands
        self.views = nn.ModuleList(conv(bands, 1, width, dilation=d) for d in (1, 2, 3))
        self.mix = conv(bands, 3 * width, width)

    def forward(self, image: Tensor) -> Tensor:
        """Return (n, band * width, y - 8, x - 8)."""
        seen = [inner(view(image), 2 - n) for n, view in enumerate(self.views)]
        return self.mix(together(self.bands, *seen).relu()).relu()


class Stream(nn.Module):
    """Table 1: two images to one, band by band, (n, band, y, x) to (n, band, y - 24, x - 24)."""

    radius = 12

    def __init__(self, bands: int, width: int, quiet: bool) -> None:
        super().__init__()
        self.bands = bands
        self.first, self.second = Branch(bands, width), Branch(bands, width)
        self.merge = conv(bands, 2 * width, width)
        self.rest = nn.Sequential(
            conv(bands, width, width, dilation=3), nn.ReLU(),
            conv(bands, width, width, dilation=2), nn.ReLU(),
            conv(bands, width, width, dilation=1), nn.ReLU(),
        )  # fmt: skip
        last = conv(bands, width, 1)
        self.last = silent(last) if quiet else last

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the image that both lead to, without a border of 12 pixels."""
        both = together(self.bands, self.first(first), self.second(second))
        return self.last(self.rest(self.merge(both).relu()))


class Model(PairModel):
    """Four streams: of the change and of the detail [eq 6, 8], onward and backward [eq 17, 18]."""

    radius = Stream.radius + HALF

    def __init__(self, bands: int, width: int, skip: bool, balance: float, short: bool) -> None:
        super().__init__(bands)
        self.skip, self.balance, self.short = skip, balance, short
        sides = ("onward", "backward")
        self.change = nn.ModuleDict({s: Stream(bands, width, skip) for s in sides})
        self.detail = nn.ModuleDict({s: Stream(bands, width, skip) for s in sides})

    def streams(self, images: Filled, later: bool) -> tuple[Tensor, Tensor]:
        """Return what the change and what the detail lead to, each without 12 pixels."""
        side = "onward" if later else "backward"
        step, fine_detail = images.target - images.coarse, images.fine - images.coarse
        with trunk(self.short, images.fine.device):
            change = self.change[side](step, images.fine)
            detail = self.detail[side](images.target, fine_detail)
        change, detail = change.float(), detail.float()
        if self.skip:
            plain = inner(images.fine + step, Stream.radius)
            change, detail = plain + self.step * change, plain + self.step * detail
        return change, detail

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return both, the one that is more like the coarse image with more weight [eq 13-16]."""
        both = torch.stack(self.streams(images, later))
        return blend(both, both - inner(images.target, Stream.radius), HALF)

    def misfit(self, images: Filled, later: bool, truth: Tensor, seen: Tensor) -> Tensor:
        """Return the weighted sum of both streams' losses [eq 10]."""
        change, detail = (inner(s, HALF) for s in self.streams(images, later))
        return self.balance * squared(change - truth, seen, self.step) + (
            1 - self.balance
        ) * squared(detail - truth, seen, self.step)


@register("dlsdfm")
@dataclass(frozen=True, kw_only=True)
class Dlsdfm(Network):
    """Two networks, of the change in time and of the detail in space, put together locally.

    One stream sees the coarse change and the fine image, the other the coarse image of the date and
    the detail of the pair; both say the fine image of the date, each band by itself. Where they
    differ, the one that is more like the coarse image nearby has more weight. Pairs before the date
    use the forward streams, pairs after it the backward ones; from one pair it predicts one way.
    The paper weighs the two sides by likeness too; by default they are weighed by how little the
    coarse image has changed since, for a coarse image has no texture to be like.

    Use it where scenes are large or passes many, and the changes to predict are like those between
    the pairs: it sees the fine image too, and learns how kinds of pixels change.

    Jia, D., Song, C., Cheng, C., Shen, S., Ning, L., Hui, C. (2020). A novel deep learning-based
    spatiotemporal fusion method for combining satellite images with different resolutions using a
    two-stream convolutional neural network. Remote Sensing 12(4), 698.
    """

    pairs = range(1, 3)
    shape: ClassVar[tuple[str, ...]] = ("width", "skip", "alike")
    width: int = param(64, ge=1, doc="channels of each layer and band", source="table 1")
    skip: bool = param(
        True, doc="learn what is left of fine image + coarse change; False: the paper's way"
    )
    balance: float = param(
        0.5, ge=0, le=1, doc="share of the stream of change in the loss", source="section 4.1"
    )
    alike: float | None = pixels_alike()
    weigh: str = weights_of_sides()
    batch: int = param(16, ge=1, doc="patches of one step; the paper's are 64")
    patch: int = param(50, ge=8, unit="fine pixels", doc="side of a patch", source="section 3.2")
    rate: float = param(1e-3, gt=0, doc="learning rate; the paper's is 1e-4, for longer passes")
    halve: int | None = param(10, ge=1, none=True, doc="passes after which the rate is halved")

    @property
    def radius(self) -> int:
        """Pixels that a forecast looks at around its own."""
        return Model.radius

    def edge(self, scale: int) -> int:
        """Pixels around its own by which the forecasts from either side are weighed."""
        return HALF if self.weigh == "likeness" else around_cell(scale)

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained."""
        return Model(bands, self.width, self.skip, self.balance, self.precision == "bf16")

    def channels(self) -> int:
        """Numbers of each pixel and band that are held at once."""
        return 10 * self.width

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return the forecasts of all pairs, weighed locally [eq 19-22]."""
        return blend(forecasts, against(self.weigh, forecasts, coarse, target), self.edge(b.scale))
