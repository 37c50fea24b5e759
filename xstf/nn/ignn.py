"""IGNN: super-resolution by four that finds sharper likes of each patch in the image itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from xstf.nn.graph import Graph, same
from xstf.nn.layers import silent

FACTOR = 4
LEAST = 10  # pixels along a side that the graph works on
DAMPED = 0.1  # share of a block's residual


class Block(nn.Module):
    """Two convolutions beside a straight way, without normalisation (EDSR)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(same(width, width), nn.ReLU(), same(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same size."""
        return x + DAMPED * self.net(x)


class Ignn(nn.Module):
    """EDSR with a cross-scale graph in its middle [Zhou 2020; Zheng 2023, fig 3].

    Images (n, band, y, x) become (n, band, 4 y, 4 x). The last layer begins at zero: what it says
    is meant to be added to a smooth interpolation.
    """

    def __init__(self, bands: int, width: int, blocks: int, neighbours: int) -> None:
        super().__init__()
        self.head = same(bands, width)
        self.before = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.graph = Graph(bands, width, neighbours)
        self.join = nn.Sequential(same(2 * width, width), nn.ReLU(), same(width, width))
        self.after = nn.Sequential(*(Block(width) for _ in range(blocks)), same(width, width))
        self.enlarge = nn.Sequential(same(width, 4 * width), nn.PixelShuffle(2))
        self.sharpen = nn.Sequential(
            same(2 * width, width), nn.ReLU(), same(width, width), nn.ReLU()
        )
        last = same(width, bands)
        self.tail = nn.Sequential(same(width, 4 * width), nn.PixelShuffle(2), last)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
        silent(last)

    def forward(self, image: Tensor) -> Tensor:
        """Return the image four times as fine."""
        height, width = image.shape[2:]
        more = [max(LEAST, size + size % 2) - size for size in (width, height)]
        image = functional.pad(image, (0, more[0], 0, more[1]), mode="replicate")
        head = self.head(image)
        x = self.before(head)
        high, low = self.graph(image, x)
        x = self.after(self.join(torch.cat([x, low], 1))) + head
        x = self.sharpen(torch.cat([self.enlarge(x), high], 1))
        return self.tail(x)[..., : FACTOR * height, : FACTOR * width]
