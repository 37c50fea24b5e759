"""BiaSTF: the fine change from the coarse change, and the bias between the sensors (Li 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from xstf.method import Block, param, register
from xstf.nn.alike import pixels_alike
from xstf.nn.inputs import Filled
from xstf.nn.layers import blend, conv, inner, silent, trunk
from xstf.nn.method import Network, against, around_cell, weights_of_sides
from xstf.nn.model import PairModel

SIDES = (7, 5, 3, 3)  # of the windows [table 1]


def network(bands: int, width: int) -> nn.Sequential:
    """Return one network of table 1, (n, band, y, x) to (n, band, y - 14, x - 14)."""
    return nn.Sequential(
        conv(bands, 1, width, SIDES[0]), nn.ReLU(),
        conv(bands, width, width, SIDES[1]), nn.ReLU(),
        conv(bands, width, width, SIDES[2]), nn.ReLU(),
        silent(conv(bands, width, 1, SIDES[3])),
    )  # fmt: skip


class Model(PairModel):
    """Two networks side by side: the first learns the change, the second what that leaves."""

    radius = sum(side // 2 for side in SIDES)

    def __init__(self, bands: int, width: int, skip: bool, bias: bool, short: bool) -> None:
        super().__init__(bands)
        self.skip, self.bias, self.short = skip, bias, short
        self.stages = 1 + bias
        self.change, self.rest = network(bands, width), network(bands, width)

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return the fine image plus its change plus the bias [eq 11, 12]."""
        change = images.target - images.coarse
        with trunk(self.short, change.device):
            said = self.change(change / self.step).float()
            if self.bias:
                said = said + self.rest(change / self.step).float()
        base = images.fine + change if self.skip else images.fine
        return inner(base, self.radius) + self.step * said

    def begin(self, stage: int) -> list[nn.Parameter]:
        """Train the change first [eq 16], then the bias with the change frozen [eq 17, 18].

        The bias says nothing before it is trained, so it does not disturb the first stage.
        """
        trained = self.rest if stage else self.change
        for part in (self.change, self.rest):
            part.requires_grad_(part is trained)
        return list(trained.parameters())


@register("biastf")
@dataclass(frozen=True, kw_only=True)
class Biastf(Network):
    """Two networks: the fine change from the coarse change, then the bias that is left.

    Both see the coarse change alone, band by band. The second is trained when the first is done, on
    what that leaves, with the first frozen. Predictions from two sides are weighed over about a
    cell, by a rule that the paper leaves open. The last layers begin at zero: an untrained network
    predicts the pair's fine image, with `skip` plus the coarse change.

    Use it where the two sensors differ by more than a line and several pairs show how.

    Li, Y., Li, J., He, L., Chen, J., Plaza, A. (2020). A new sensor bias-driven spatio-temporal
    fusion model based on convolutional neural networks. Science China Information Sciences 63,
    140302.
    """

    pairs = range(1, 3)
    shape: ClassVar[tuple[str, ...]] = ("width", "skip", "alike")
    width: int = param(128, ge=1, doc="channels of each layer and band", source="table 1")
    skip: bool = param(
        True, doc="learn what the fine change has beyond the coarse one; False: the paper's way"
    )
    bias: bool = param(True, doc="train and add the second network", source="eq 17, 18")
    epochs: int = param(60, ge=1, doc="passes over the scene, of each of the two stages")
    alike: float | None = pixels_alike()
    weigh: str = weights_of_sides()
    patch: int = param(128, ge=8, unit="fine pixels", doc="side of a patch", source="section 4")

    @property
    def radius(self) -> int:
        """Pixels that a forecast looks at around its own."""
        return Model.radius

    def edge(self, scale: int) -> int:
        """Pixels over which forecasts from either side are weighed: a coarse cell to each side."""
        return around_cell(scale)

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained."""
        return Model(bands, self.width, self.skip, self.bias, self.precision == "bf16")

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return the forecasts of all pairs, weighed locally [eq 13]."""
        return blend(forecasts, against(self.weigh, forecasts, coarse, target), self.edge(b.scale))
