"""Heterogeneity CNN: what the fine change has beyond the coarse change (Li, IGARSS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from xstf.method import Block, Prepared, Whole, param, register
from xstf.nn.alike import pixels_alike
from xstf.nn.inputs import Filled
from xstf.nn.layers import blend, conv, inner, silent, trunk, weighed
from xstf.nn.method import Network, against, around_cell
from xstf.nn.model import PairModel

SIDES = (9, 5, 5)  # of the three windows


class Model(PairModel):
    """Three convolutions from coarse change to heterogeneity, band by band [eq 4, 5].

    The change between two dates is seen both ways round, so the network meets changes of either
    sign, as it does when it predicts from either side.
    """

    radius = sum(side // 2 for side in SIDES)

    def __init__(self, bands: int, width: int, norm: bool, short: bool) -> None:
        super().__init__(bands)
        self.short = short
        half = max(1, width // 2)
        # channels of a band: 1 -> width -> half -> 1; pixels lost: 8, 4 and 4 along each axis
        self.net = nn.Sequential(
            conv(bands, 1, width, SIDES[0]), _normed(bands * width, norm), nn.ReLU(),
            conv(bands, width, half, SIDES[1]), _normed(bands * half, norm), nn.ReLU(),
            silent(conv(bands, half, 1, SIDES[2])),
        )  # fmt: skip

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return the fine image plus the coarse change plus heterogeneity [eq 6-9]."""
        change = images.target - images.coarse
        with trunk(self.short, change.device):
            more = self.net(change / self.step)
        return inner(images.fine + change, self.radius) + self.step * more.float()


def _normed(channels: int, norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if norm else nn.Identity()


@register("hcnn")
@dataclass(frozen=True, kw_only=True)
class Hcnn(Network):
    """A small network that adds to the coarse change what fine changes have beyond it.

    It sees the coarse change alone, so it corrects for the sensors and for what cells blur, and
    cannot place detail that the coarse change does not show, but as far as pixels that are alike
    share it. The paper weighs either side by how little the coarse image of the whole scene has
    changed since, band by band (`weigh="scene"`).
    Sizes of windows and layers are not published; these are those of the same group's networks.
    Before training it predicts the fine image plus the coarse change.

    Use it where many like scenes share a difference between their sensors that is worth learning.

    Li, Y., Liu, Y., Yan, L., Li, J., Plaza, A., Li, B. A spatio-temporal fusion method based on
    heterogeneity learning with a convolutional neural network. IGARSS.
    """

    pairs = range(1, 3)
    shape: ClassVar[tuple[str, ...]] = ("width", "batch_norm", "alike")
    width: int = param(64, ge=1, doc="channels of the first layer and band; the second has half")
    alike: float | None = pixels_alike()
    weigh: str = param(
        "change",
        choices=("change", "scene"),
        doc="what weighs a side: how little the coarse image changed, around a pixel over all "
        "bands, or in the whole scene band by band",
        source="eq 10-12: scene",
    )
    batch_norm: bool = param(True, doc="normalise the channels of the first two layers")

    @property
    def radius(self) -> int:
        """Pixels that a forecast looks at around its own."""
        return Model.radius

    def edge(self, scale: int) -> int:
        """Pixels over which the coarse change is averaged."""
        return around_cell(scale) if self.weigh == "change" else 0

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained."""
        return Model(bands, self.width, self.batch_norm, self.precision == "bf16")

    def prepare(self, scene: Whole) -> Prepared:
        """Send the weights to the blocks, and how much the coarse images changed."""
        if self.weigh == "change":
            return super().prepare(scene)
        sent = super().prepare(scene).numbers
        known = [scene.coarse(pair) for pair in range(scene.pairs)]
        dated = [scene.once(changes, scene.target(d), *known) for d in range(scene.dates)]
        return Prepared(numbers=sent, dated=dated)

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return the mean of all pairs, weighed by the inverse change; mean squared [eq 10-12]."""
        if self.weigh == "change":
            off = against(self.weigh, forecasts, coarse, target)
            return blend(forecasts, off, self.edge(b.scale))
        shares = torch.from_numpy(np.stack([shares_of(d) for d in b.dated], axis=1))
        return weighed(forecasts, shares[..., None, None].to(forecasts.device))


def changes(target: np.ndarray, *known: np.ndarray) -> np.ndarray:
    """Return the mean squared change of the coarse image since each pair, (pair, band) float64."""
    found: list[Any] = []
    for image in known:
        off = (target.astype(np.float64) - image) ** 2
        seen = np.isfinite(off)
        count = seen.sum(axis=(1, 2))
        sums = np.where(seen, off, 0).sum(axis=(1, 2))
        found.append(np.where(count > 0, sums / np.maximum(count, 1), np.inf))
    return np.stack(found)


def shares_of(squares: np.ndarray) -> np.ndarray:
    """Return the share of each pair, (pair, band) float32: the inverse of its change over all.

    Parameters
    ----------
    squares
        (pair, band): mean squared changes. Pairs without any change share the whole.
    """
    least = squares.min(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(least > 0, least / squares, squares == 0)
    ratio = np.where(np.isfinite(least), ratio, 1)
    return (ratio / ratio.sum(axis=0)).astype(np.float32)
