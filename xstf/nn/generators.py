"""Generators between two dates, and the critics that they learn from (Zhu 2017: CycleGAN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xstf.nn.inputs import Normaliser
from xstf.nn.layers import conv, inner, silent

ENDS = 7  # side of the windows of the first and the last layer
SLOPE = 0.2  # of the critics' leaky units below zero


class Block(nn.Module):
    """Two convolutions beside a straight way; the map shrinks by two pixels on each side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(conv(1, width, width), nn.ReLU(), conv(1, width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features without a border."""
        return inner(x, 2) + self.net(x)


class Generator(nn.Module):
    """A ResNet that adds to an image what another date's has, (n, band, y, x) and a border less.

    No layer is normalised by the image, which would make each tile's picture its own, and none has
    a stride, which would tie it to places. Its last layer begins at zero: it says the image.
    """

    def __init__(self, bands: int, width: int, blocks: int) -> None:
        super().__init__()
        self.radius = radius_of(blocks)
        self.net = nn.Sequential(
            conv(1, bands, width, ENDS),
            nn.ReLU(),
            *(Block(width) for _ in range(blocks)),
            silent(conv(1, width, bands, ENDS)),
        )

    def forward(self, image: Tensor, step: Tensor) -> Tensor:
        """Return the image as of the other date; `step` (band, 1, 1) is the spread of changes."""
        return inner(image, self.radius) + step * self.net(image)

    def padded(self, image: Tensor, step: Tensor) -> Tensor:
        """Return the same with a mirrored border, as large as the image."""
        r = self.radius
        return self(nn.functional.pad(image, (r, r, r, r), mode="reflect"), step)


def radius_of(blocks: int) -> int:
    """Return the pixels that a generator looks at around its own."""
    return 2 * (ENDS // 2) + 2 * blocks


def critic(bands: int, width: int) -> nn.Sequential:
    """Return a network that says of overlapping patches of 70 x 70 pixels if they are real."""
    sizes = (bands, width, 2 * width, 4 * width, 8 * width)
    layers: list[nn.Module] = []
    for ins, outs, stride in zip(sizes[:-1], sizes[1:], (2, 2, 2, 1), strict=True):
        layers += [nn.Conv2d(ins, outs, 4, stride, 1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], 1, 4, 1, 1))


class Both(nn.Module):
    """Generators of both directions."""

    def __init__(self, bands: int, width: int, blocks: int) -> None:
        super().__init__()
        self.later = Generator(bands, width, blocks)  # makes the later date of the earlier
        self.earlier = Generator(bands, width, blocks)


class Model(nn.Module):
    """Generators of both directions as they were along the training, the last as they are."""

    line: Tensor
    centre: Tensor
    scale: Tensor
    step: Tensor

    def __init__(self, bands: int, width: int, blocks: int, snapshots: int) -> None:
        super().__init__()
        self.held = nn.ModuleList(Both(bands, width, blocks) for _ in range(snapshots))
        self.register_buffer("line", torch.ones(2, bands))
        for name in ("centre", "scale", "step"):
            self.register_buffer(name, torch.ones(bands, 1, 1))

    @property
    def stages(self) -> list[Both]:
        """The generators along the training."""
        return [stage for stage in self.held if isinstance(stage, Both)]

    @property
    def now(self) -> Both:
        """The generators that learn."""
        return self.stages[-1]

    def keep(self, stage: int) -> None:
        """Keep the generators as they are now as an earlier stage."""
        self.stages[stage].load_state_dict(self.now.state_dict())

    def normalise(self, normal: Normaliser, line: Tensor) -> None:
        """Keep the normalisation and the line from coarse to fine values among the weights."""
        self.line.copy_(line)
        for name in ("centre", "scale", "step"):
            getattr(self, name).copy_(torch.from_numpy(getattr(normal, name))[:, None, None])

    def images(self, first: Tensor, last: Tensor) -> Tensor:
        """Return both images and what all stages make of them, (2 + 2 stages, band, y, x).

        Parameters
        ----------
        first, last
            (band, y, x) of the earlier and the later date, normalised, without gaps.
        """
        found = [inner(image, self.now.later.radius) for image in (first, last)]
        for stage in self.stages:
            found.append(stage.later(first[None], self.step)[0])
            found.append(stage.earlier(last[None], self.step)[0])
        return torch.stack(found)
