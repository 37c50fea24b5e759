"""What all networks share as methods: parameters, training, weights, and prediction on blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from xstf.method import Block, Prepared, Whole, param
from xstf.methods._shared import UPSAMPLE, on_fine, reach_of
from xstf.nn import predict
from xstf.nn.alike import Alike, border_of, half_of, maps_of
from xstf.nn.layers import inner
from xstf.nn.learned import Learned
from xstf.nn.model import PairModel
from xstf.sizes import VALUE, BlockSize

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
        """Pixels that the network looks at around its own."""
        raise NotImplementedError  # each network knows its layers

    def edge(self, scale: int) -> int:
        """Pixels around its own by which forecasts are put together."""
        return 0

    def channels(self) -> int:
        """Numbers of each pixel and band that the network holds at once, about."""
        return 3 * self.width

    def shown(self, pairs: int) -> int:
        """Return how many images of a band the network sees at once."""
        return 1

    def build(self, bands: int, scale: int = 1) -> PairModel:
        """Return the network for scenes of so many bands and of a scale, untrained."""
        raise NotImplementedError  # each network is another

    def made(self, bands: int, scale: int) -> PairModel:
        """Return the network with what comes before it, untrained."""
        model, half = self.build(bands, scale), self._half(scale)
        if half is not None:
            model.share(Alike(bands, half))
        return model

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

    def change(self, b: Block, cells: np.ndarray, coarse: Tensor) -> Tensor:
        """Return a coarse change at fine pixels, from cells that are seen on both dates alone.

        Around a gap in one of two images, they would differ by more where each comes to fine pixels
        by itself.

        Parameters
        ----------
        b
            The block.
        cells
            (n, band, rows, columns): the change, NaN where it is not known.
        coarse
            (n, band, y, x): images as large as it shall be, and on their device.
        """
        wide = on_fine(b, cells, self.upsample)
        spare = (wide.shape[-1] - coarse.shape[-1]) // 2
        unit = predict.network_of(self, self.trained, b).scale
        return inner(torch.from_numpy(wide).to(unit.device), spare) / unit

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
        raise NotImplementedError  # each network weighs its pairs in its own way

    def halo(self, scale: int) -> int:
        """Pixels that the network and the weights of its forecasts look at."""
        return self.looks(scale) + self.edge(scale)

    def _half(self, scale: int) -> int | None:
        return half_of(getattr(self, "alike", None), scale)

    def aside(self, scale: int) -> int:
        """Pixels beyond the radius by which those that are alike share the coarse change."""
        return border_of(self._half(scale))

    def looks(self, scale: int) -> int:
        """Pixels around its own that a forecast depends on."""
        return self.radius + self.aside(scale)

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of(self.upsample)

    def memory(self, size: BlockSize) -> float:
        """Count the images and their copies, then the network at work or forecasts together."""
        said = size.pairs * size.dates * size.image
        images = 3 * (size.pairs * size.image + said)
        looks, edge = self.looks(size.scale), self.edge(size.scale)
        bare = looks - self.aside(size.scale)
        shown = size.bands * self.shown(size.pairs)
        side = predict.tile_side(self, shown, "cpu", looks)
        inside = min((side + 2 * bare) ** 2, size.near(bare + edge))
        network = VALUE * shown * self.channels() * inside
        around = min((side + 2 * looks) ** 2, size.wide)
        shared = VALUE * maps_of(self._half(size.scale), size.bands) * around
        return images + max(said + 8 * size.image + max(network, shared), 9 * said)

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
    doc = (
        "what weighs a side: how little the coarse image changed since, over all bands or in each, "
        "or likeness to it"
    )
    return param("change", choices=("change", "band", "likeness"), doc=doc)


def against(weigh: str, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
    """Return what speaks against each forecast, as `xstf.nn.layers.blend` takes it.

    Parameters
    ----------
    weigh
        ``"change"``: the coarse change since, its mean over the bands, for a band in which one side
        has changed little by chance is no better known from there; ``"band"``: each band's own;
        ``"likeness"``: the difference from the coarse image.
    forecasts
        (pair, date, band, y, x), NaN where missing.
    coarse, target
        (pair, band, y, x) and (date, band, y, x): the coarse images, alike.
    """
    if weigh == "likeness":
        return forecasts - target
    change = target - coarse[:, None]
    if weigh == "band":
        return change
    return change.abs().nanmean(-3, keepdim=True).expand_as(forecasts)


def nearness(times: np.ndarray, wanted: np.ndarray) -> Tensor:
    """Return the inverse of the time between pairs and dates, (pair, date, 1, 1, 1)."""
    gaps = np.abs(wanted - times[:, None]) / np.timedelta64(1, "s") + 1.0
    return torch.from_numpy((1 / gaps).astype(np.float32))[..., None, None, None]


def around_cell(scale: int) -> int:
    """Return half the side of a window that reaches a coarse cell to each side."""
    return scale
