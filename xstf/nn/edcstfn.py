"""EDCSTFN: features of the fine image plus those of its change, all bands together (Tan 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from xstf.method import Block, param, register
from xstf.nn.alike import pixels_alike
from xstf.nn.critic import Critic, unlike
from xstf.nn.inputs import Filled, filled
from xstf.nn.jointly import Jointly, JointModel
from xstf.nn.layers import calm, conv, inner, silent, trunk, weighed
from xstf.nn.method import around_cell, nearness
from xstf.nn.model import Lesson, aims, directions, lesson, squared

SAME = 8  # two of so many patches teach that without a change nothing changes, one of each date
FLOOR = 1e-6  # of features: keeps the weight of a pair without change finite


class Model(JointModel):
    """Two encoders and a decoder, as the authors' code has them; bands are channels of one net."""

    radius = 5
    apart = False

    def __init__(
        self,
        bands: int,
        width: int,
        skip: bool,
        losses: tuple[float, float],
        same: bool,
        short: bool,
    ) -> None:
        super().__init__(bands)
        self.skip, self.same, self.short = skip, same, short
        self.features, self.texture = losses
        self.fine = nn.Sequential(encoder(bands, width), nn.ReLU())
        self.change = encoder(3 * bands, width)
        last = conv(1, width, bands, 1)
        self.decoder = nn.Sequential(
            conv(1, 4 * width, 2 * width), nn.ReLU(),
            conv(1, 2 * width, width), nn.ReLU(),
            silent(last) if skip else last,
        )  # fmt: skip
        self.critic = Critic(bands, width) if self.features else None
        self.stages = 1 if self.critic is None else 2

    def together(self, images: Filled) -> Tensor:
        """Return what the decoder makes of the features of all pairs.

        With `skip` that is what the fine image of each pair plus the coarse change since it lacks.
        """
        with trunk(self.short, images.fine.device):
            said = self.decoder(self.blended(images)).float()[:, None]
        if not self.skip:
            return said
        plain = images.fine + images.target - images.coarse
        return inner(plain, self.radius) + self.step * said

    def blended(self, images: Filled) -> Tensor:
        """Return features of the fine images and their change, the pairs weighed for each pixel.

        The weight of a pair is the inverse of the size of its features of change.
        """
        parts = images.coarse, images.fine, images.target
        shape = images.fine.shape[:2]
        change = self.change(torch.cat(parts, 2).flatten(0, 1))
        found = (self.fine(images.fine.flatten(0, 1)) + change).unflatten(0, shape)
        if shape[1] == 1:
            return found[:, 0]
        lost = inner(images.gone.any(2, keepdim=True), 3)
        lost = lost & ~lost.all(1, keepdim=True)
        weight = torch.where(lost, 0, 1 / (change.unflatten(0, shape).float().abs() + FLOOR))
        return (weight * found).sum(1) / weight.sum(1)

    def lessons(self, fine: Tensor, coarse: Tensor, share: Tensor) -> Iterator[Lesson]:
        """Yield what two dates teach, and in training that without a change nothing changes."""
        forth, back = aims(coarse, fine.shape[1])
        two = torch.cat([coarse[:, :2], forth[:, :1], back[:, -1:]], 1)
        yield from directions(fine[:, :2], two, share, self.radius)
        if fine.shape[1] > 2:
            yield between(fine, coarse, self.radius)
        if self.training and self.same:
            which = [(n, n % SAME // (SAME // 2)) for n in range(0, len(fine), SAME // 2)]
            at = tuple(torch.tensor(which, device=fine.device).T)
            yield lesson(fine[at], coarse[at], coarse[at], fine[at], True, self.radius)

    def misfit(self, images: Filled, later: bool, truth: Tensor, seen: Tensor) -> Tensor:
        """Return the compound loss, or in the first stage that of the auto-encoder."""
        if self.critic is not None and self.critic.learning:
            return self.critic.misfit(truth, seen)
        said = self.forecast(images, later)
        if said.ndim > truth.ndim:  # each pair by itself
            pairs = said.shape[1]
            said = said.flatten(0, 1)
            truth, seen = (i.repeat_interleave(pairs, 0) for i in (truth, seen))
        loss = squared(said - truth, seen, self.step)
        said, truth = (torch.where(seen, image, 0) for image in (said, truth))
        if self.critic is not None:
            loss = loss + self.features * self.critic.difference(said, truth)
        if self.texture:
            loss = loss + self.texture * unlike(said, truth)
        return loss

    def begin(self, stage: int) -> list[nn.Parameter]:
        """Train the auto-encoder first; then the rest, with it frozen."""
        if self.critic is None:
            return list(self.parameters())
        self.critic.learning = stage == 0
        self.critic.requires_grad_(stage == 0)
        return [p for n, p in self.named_parameters() if n.startswith("critic.") == (stage == 0)]

    def shows(self, stage: int) -> bool:
        """Return whether forecasts show what a stage trains: not while it is the auto-encoder."""
        return self.critic is None or stage > 0


def between(fine: Tensor, coarse: Tensor, radius: int) -> Lesson:
    """Return what three known dates teach: the one between from those on either side."""
    forth, back = aims(coarse, 3)
    images = filled(fine[:, [0, 2]], coarse[:, [0, 2]], torch.stack([forth[:, 0], back[:, 0]], 1))
    truth = inner(fine[:, 1], radius)
    seen = ~torch.isnan(truth) & ~inner(images.gone, radius).any(1)
    return Lesson(images, True, torch.nan_to_num(truth), seen)


def encoder(ins: int, width: int) -> nn.Sequential:
    """Return three layers from images to features, (n, ins, y, x) to (n, 4 width, y - 6, x - 6)."""
    return nn.Sequential(
        conv(1, ins, width), nn.ReLU(),
        conv(1, width, 2 * width), nn.ReLU(),
        conv(1, 2 * width, 4 * width),
    )  # fmt: skip


@register("edcstfn")
@dataclass(frozen=True, kw_only=True)
class Edcstfn(Jointly):
    """One network for all bands: features of the fine image plus features of its change, decoded.

    Two encoders see the fine image, and the pair's coarse and fine image beside the coarse image of
    the date; a decoder makes the fine image of the date from the sum of what they find. With two
    pairs the sums are weighed, for each feature and pixel, by how small the features of change are.
    It learns from any two known dates at a time, so the more dates train it, the better it knows
    changes that it has not met; one pair is enough to predict from.

    The loss is the squared error, the difference of the features that an auto-encoder, trained
    before and then frozen, finds in prediction and truth, and 1 - MS-SSIM.

    Tan, Z., Di, L., Zhang, M., Guo, L., Gao, M. (2019). An enhanced deep convolutional model for
    spatiotemporal image fusion. Remote Sensing 11(24), 2898; sizes after the authors' code.
    """

    dates: ClassVar[int] = 3
    shape: ClassVar[tuple[str, ...]] = ("width", "skip", "features", "alike")
    width: int = param(32, ge=1, doc="channels of the first layers; the others have 2 and 4 times")
    skip: bool = param(
        True,
        doc="learn what is left of fine image + coarse change; False: the paper's way",
    )
    alike: float | None = pixels_alike()
    features: float = param(
        1.0, ge=0, doc="weight of the auto-encoder's features in the loss; 0: train none"
    )
    texture: float = param(0.8, ge=0, doc="weight of 1 - MS-SSIM in the loss")
    weigh: str = param(
        "time",
        choices=("time", "change"),
        doc="what weighs the plain predictions of pairs: nearness in time, or that and how little "
        "the coarse image changed since",
    )
    same: bool = param(True, doc="teach that without a coarse change nothing changes")

    @property
    def radius(self) -> int:
        """Pixels that a forecast looks at around its own."""
        return Model.radius

    def edge(self, scale: int) -> int:
        """Pixels over which coarse changes weigh the pairs: about a cell."""
        return around_cell(scale) if self.weigh == "change" else 0

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained."""
        losses, short = (self.features, self.texture), self.precision == "bf16"
        return Model(bands, self.width, self.skip, losses, self.same, short)

    def channels(self) -> int:
        """Numbers of each pixel that are held at once; those of all bands, for there may be one."""
        return 14 * self.width

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return what the pairs say, weighed by how near they are, or how little changed nearby."""
        weight = nearness(b.times, b.target_times).to(forecasts.device)
        edge = self.edge(b.scale)
        if self.weigh == "change":
            weight = weight * calm(target - coarse[:, None], edge)
        return weighed(inner(forecasts, edge), weight)
