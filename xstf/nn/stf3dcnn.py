"""STF3DCNN: a whole series as a cube, one small network for all bands (Peng 2020)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xstf.method import Block, param, register
from xstf.nn.alike import pixels_alike
from xstf.nn.inputs import Filled, filled
from xstf.nn.layers import blend, inner, silent, trunk
from xstf.nn.method import Network, against, around_cell, gaps_in
from xstf.nn.model import Lesson, PairModel, aims

LEAK = 0.2  # slope of the leaky units below zero


class Model(PairModel):
    """Convolutions over time, rows and columns, from coarse residuals to fine ones.

    A residual is the change from one date of a series to the next. Cubes of residuals are
    (n, step, band, y, x); the network sees each band of each series as a sample of its own,
    (n * band, 1, step, y, x), so one set of weights serves all bands. In time the first and last
    steps are repeated; in space nothing is padded.
    """

    apart = False

    def __init__(self, bands: int, width: int, depth: int, skip: bool, short: bool) -> None:
        super().__init__(bands)
        self.radius, self.skip, self.short = depth, skip, short
        sizes = [1, *[width] * (depth - 1), 1]
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        layers = [nn.Conv3d(a, b, 3) for a, b in pairs]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, LEAK)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
        silent(layers[-1])
        self.net = nn.ModuleList(layers)

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return the fine image after each step, (n, step, band, y, x)."""
        steps = images.target - images.coarse
        cube = (steps / self.step).transpose(1, 2)  # (n, band, step, y, x)
        with trunk(self.short, cube.device):
            x = cube.flatten(0, 1)[:, None]
            for n, layer in enumerate(self.net):
                x = functional.pad(x, (0, 0, 0, 0, 1, 1), mode="replicate")
                x = layer(functional.leaky_relu(x, LEAK) if n else x)
        said = x[:, 0].float().unflatten(0, cube.shape[:2]).transpose(1, 2)
        base = images.fine + steps if self.skip else images.fine
        return inner(base, self.radius) + self.step * said

    def lessons(self, fine: Tensor, coarse: Tensor, share: Tensor) -> Iterator[Lesson]:
        """Yield what a series teaches, read forward and backward: all its steps at once."""
        first, then = slice(None, -1), slice(1, None)
        leads, coarse = aims(coarse, fine.shape[1]), coarse[:, : fine.shape[1]]
        for later, lead in zip((True, False), leads, strict=True):
            images = filled(fine[:, first], coarse[:, first], lead)
            truth = inner(fine[:, then], self.radius)
            seen = ~torch.isnan(truth) & ~inner(images.gone, self.radius)
            yield Lesson(images, later, torch.nan_to_num(truth), seen)
            fine, coarse = fine.flip(1), coarse.flip(1)


@register("stf3dcnn")
@dataclass(frozen=True, kw_only=True)
class Stf3dcnn(Network):
    """A three-dimensional network from the coarse to the fine changes of a series, all bands alike.

    The known dates are a cube whose steps teach how coarse changes become fine ones, in time and in
    space. A wanted date is put into the cube at its place, and reached by the step from the known
    date before it, and by that from the one after it, in the cube read backward. Give it more pairs
    than two (``pairs=6``) to let it see what was before and after; it looks three steps away. Sizes
    are not published, and fewer layers were found to do better. The last layer begins at zero: an
    untrained network predicts the fine images of the pairs, with `skip` plus the coarse change.

    Peng, M., Zhang, L., Sun, X., Cen, Y., Zhao, X. (2020). A fast three-dimensional convolutional
    neural network-based spatiotemporal fusion method (STF3DCNN) using a spatial-temporal-spectral
    dataset. Remote Sensing 12(23), 3888.
    """

    pairs = range(1, 100)
    series: ClassVar[bool] = True
    shape: ClassVar[tuple[str, ...]] = ("width", "depth", "skip", "alike")
    width: int = param(32, ge=1, doc="channels of each layer")
    depth: int = param(3, ge=2, doc="layers; each sees a pixel and a step further")
    skip: bool = param(
        True, doc="learn what fine changes have beyond coarse ones; False: the paper's way"
    )
    alike: float | None = pixels_alike()
    weigh: str = param(
        "change",
        choices=("change", "time", "mean"),
        doc="what weighs a side: how little the coarse image changed since, how near it is in time",
        source="section 5: time",
    )
    epochs: int = param(100, ge=1, doc="passes over the scene")
    batch: int = param(8, ge=1, doc="patches of one step, each of all dates and bands")

    @property
    def radius(self) -> int:
        """Pixels that a forecast looks at around its own."""
        return self.depth

    def edge(self, scale: int) -> int:
        """Pixels over which the coarse change is averaged."""
        return around_cell(scale) if self.weigh == "change" else 0

    def build(self, bands: int) -> Model:
        """Return the network, untrained."""
        return Model(bands, self.width, self.depth, self.skip, self.precision == "bf16")

    def channels(self) -> int:
        """Numbers of each pixel, step and band that are held at once: windows are laid out."""
        return 7 * self.width

    def shown(self, pairs: int) -> int:
        """Return how many steps lead to a wanted date and away from it, as far as it looks."""
        return min(pairs, 2 * self.depth + 1)

    def forecasts(
        self, ask: Callable[..., Tensor], b: Block, fine: Tensor, coarse: Tensor, target: Tensor
    ) -> Tensor:
        """Return what the pair before and the pair after each date say; NaN for the others."""
        height, width = (size - 2 * self.looks(b.scale) for size in fine.shape[-2:])
        shape = len(fine), len(target), fine.shape[1], height, width
        said = fine.new_full(shape, torch.nan)
        gaps = gaps_in(b)
        for date in range(len(target)):
            for chain, count, later in chains(b.times, b.target_times[date]):
                wanted = target[date, None]
                before, after = chain[:count], chain[count:]
                cells = torch.cat([coarse[before], wanted, coarse[after]])
                known = torch.cat([fine[before], torch.full_like(wanted, torch.nan), fine[after]])
                last = count - 1  # the step that leads to the wanted date, and those it depends on
                near = slice(max(0, last - self.depth), last + self.depth + 1)
                then = cells[1:]
                if gaps:
                    seen = np.concatenate([b.coarse[before], b.target[date, None], b.coarse[after]])
                    then = cells[:-1] + self.change(b, np.diff(seen, axis=0), coarse)
                steps = known[:-1][near], cells[:-1][near], then[near]
                found = ask(*(images[None] for images in steps), later)
                said[chain[last], date] = found[0, min(last, self.depth)]
        return said

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return both sides, weighed by time, by change, or not at all."""
        if self.weigh == "change":
            off = against(self.weigh, forecasts, coarse, target)
            return blend(forecasts, off, self.edge(b.scale))
        gaps = np.abs(b.target_times - b.times[:, None]) / np.timedelta64(1, "s") + 1.0
        near = 1 / gaps if self.weigh == "time" else np.ones_like(gaps)
        weight = torch.from_numpy(near.astype(np.float32))[..., None, None, None]
        seen = ~torch.isnan(forecasts)
        weight = torch.where(seen, weight.to(forecasts.device), 0)
        total = weight.sum(0)
        mean = (weight * torch.where(seen, forecasts, 0)).sum(0) / total
        return torch.where(total > 0, mean, torch.nan)


def chains(times: np.ndarray, wanted: np.datetime64) -> list[tuple[list[int], int, bool]]:
    """Return the series that lead to a date: forward in time, and backward.

    Parameters
    ----------
    times
        (pair,) of the pairs.
    wanted
        The date.

    Returns
    -------
    list of tuple
        Positions of the pairs in the order that they are read, how many of them come before the
        date, and whether time runs forward. A side without a pair is left out.
    """
    order = np.argsort(times, kind="stable").tolist()
    before = int((times <= wanted).sum())
    found = (order, before, True), (order[::-1], len(order) - before, False)
    return [chain for chain in found if chain[1]]
