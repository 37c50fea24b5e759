"""What all networks share as methods: parameters, training, weights, and prediction on blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from xstf.method import Block, Prepared, Whole, param
from xstf.methods._shared import UPSAMPLE, reach_of
from xstf.nn import predict
from xstf.nn.learned import Learned
from xstf.nn.model import PairModel

if TYPE_CHECKING:
    import xarray as xr

N = TypeVar("N", bound="Network")


@dataclass(frozen=True, kw_only=True)
class Network(Learned):
    """Base of the networks: a method that is trained on the pairs of a scene before it predicts.

    Subclasses declare their parameters, build the network, and put the forecasts of the pairs
    together. `fit` returns a new method with weights; the method itself never changes.
    """

    on_gpu: ClassVar[bool] = True
    moves: ClassVar[bool] = True  # torch takes arrays to the GPU and back
    series: ClassVar[bool] = False  # whether it learns from all dates at once
    dates: ClassVar[int] = 2  # that it learns from at once else, where there are as many

    width: int = param(16, ge=1, doc="channels of each layer and band")
    epochs: int = param(60, ge=1, doc="passes over the scene")
    batch: int = param(16, ge=1, doc="patches of one step")
    patch: int = param(64, ge=8, unit="fine pixels", doc="side of a patch")
    rate: float = param(1e-3, gt=0, doc="learning rate")
    halve: int | None = param(20, ge=1, none=True, doc="passes after which the rate is halved")
    upsample: str = param("cubic", choices=UPSAMPLE, doc="how coarse images come to fine pixels")
    mix: bool = param(
        True, doc="half of the patches aim at a mixture of both dates, for changes of every size"
    )
    patience: int | None = param(
        15, ge=1, none=True, doc="passes without a better hold-out error before training ends"
    )
    precision: str = param(
        "tf32", choices=("32", "tf32", "bf16"), doc="of the convolutions; tf32 on a GPU alone"
    )

    @staticmethod
    def lacking() -> str | None:
        """Return what keeps torch from using a GPU, and the cure; None if nothing does."""
        import torch

        if torch.cuda.is_available():
            return None
        return "torch sees no NVIDIA GPU; install its build for CUDA, and see what nvidia-smi says"

    @property
    def bound(self) -> tuple[str, ...]:
        """Names of all parameters that the weights are bound to."""
        return (*self.shape, "upsample")

    @property
    def radius(self) -> int:
        """Pixels that a forecast looks at around its own."""
        raise NotImplementedError

    def edge(self, scale: int) -> int:
        """Pixels around its own by which forecasts are put together."""
        return 0

    def channels(self) -> int:
        """Numbers of each pixel and band that the network holds at once, about."""
        return 3 * self.width

    def build(self, bands: int, scale: int = 1) -> PairModel:
        """Return the network for scenes of so many bands and of a scale, untrained."""
        raise NotImplementedError

    def forecasts(
        self, ask: Callable[..., Tensor], b: Block, fine: Tensor, coarse: Tensor, target: Tensor
    ) -> Tensor:
        """Return what each pair says of each date, (pair, date, band, y, x), NaN where nothing.

        Parameters
        ----------
        ask
            ``ask(fine, coarse, target, later)`` asks the network, (1, band, y, x) each.
        b
            The block.
        fine, coarse, target
            (pair, band, y, x) and (pair, date, band, y, x): the pairs, and the coarse images of
            the dates as they are beside each; normalised, with `halo` pixels around.
        """
        rows = []
        for pair, later in enumerate((b.target_times >= b.times[:, None]).tolist()):
            one = fine[pair, None], coarse[pair, None]
            rows.append([ask(*one, target[pair, n, None], time) for n, time in enumerate(later)])
        return torch.stack([torch.cat(row) for row in rows])

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return one image for each date from the forecasts of all pairs.

        Parameters
        ----------
        b
            The block.
        forecasts
            (pair, date, band, y, x), normalised, NaN where missing, with `edge` pixels around.
        coarse, target
            (pair, band, y, x) and (pair, date, band, y, x): the coarse images, alike.
        """
        raise NotImplementedError

    def halo(self, scale: int) -> int:
        """Pixels that the network and the weights of its forecasts look at."""
        return self.radius + self.edge(scale)

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of(self.upsample)

    def prepare(self, scene: Whole) -> Prepared:
        """Send the weights to the blocks."""
        return Prepared(numbers=self.sent(scene))

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date."""
        return {"fused": predict.block(self, self.trained, b)}

    def fit(self: N, scene: xr.Dataset, **options: Any) -> N:
        """Return the method trained on the known pairs of a scene; see `xstf.fit`."""
        from xstf.nn.fit import fit

        return fit(self, scene, **options)


def weights_of_sides() -> Any:
    """Declare the parameter `weigh` of networks that weigh the predictions from either side."""
    doc = "what weighs a side: how little the coarse image changed since, or likeness to it"
    return param("change", choices=("change", "likeness"), doc=doc)


def nearness(times: np.ndarray, wanted: np.ndarray) -> Tensor:
    """Return the inverse of the time between pairs and dates, (pair, date, 1, 1, 1)."""
    gaps = np.abs(wanted - times[:, None]) / np.timedelta64(1, "s") + 1.0
    return torch.from_numpy((1 / gaps).astype(np.float32))[..., None, None, None]


def around_cell(scale: int) -> int:
    """Return half the side of a window of about a coarse cell."""
    return max(1, scale // 2)
