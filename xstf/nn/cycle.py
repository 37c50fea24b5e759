"""How generators between two dates learn: from critics, from the way there and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import dask
import numpy as np
import torch
from torch import Tensor, nn

from xstf.checks import Parts
from xstf.nn.fit import feed_of
from xstf.nn.generators import critic
from xstf.nn.lines import line_of
from xstf.nn.patches import Source
from xstf.nn.pool import Pool, batches
from xstf.reduction import reduce_to_cells

if TYPE_CHECKING:
    from xstf.nn.cyclegan import Cyclegan

BETAS = (0.5, 0.999)  # of Adam
LEAST = 24  # fine pixels along a side, of which five strided layers leave one


class Teaching:
    """How generators and critics learn from each other; see `xstf.nn.passes.School`."""

    def __init__(
        self, method: Cyclegan, parts: Parts, dates: list[int], where: torch.device
    ) -> None:
        self.method, self.where = method, where
        drawing = "nearest", method.patch, 0, method.seed, False
        source = Source.of(feed_of(parts), dates, *drawing)
        if source.side < LEAST:
            raise ValueError(
                f"critics look at patches of {LEAST} fine pixels or more, and the scene is "
                f"{source.side} pixels wide; train on a larger one"
            )
        self.source = replace(source, out=[])  # critics judge; nothing is held out
        self.normal = source.normaliser()
        bands = parts.ds.sizes["band"]
        self.makers = method.build(bands)
        self.makers.normalise(self.normal, torch.from_numpy(line_between(parts, dates)))
        self.critics = [critic(bands, method.width) for _ in (0, 1)]  # of the later date, earlier
        critics = nn.ModuleList(self.critics)
        self.model = nn.ModuleDict({"makers": self.makers, "critics": critics}).to(where)
        self.optimisers = [
            torch.optim.Adam(part.parameters(), method.rate, BETAS)
            for part in (self.makers.now, critics)
        ]

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin with other generators, whose normalisation and line stay."""
        self.makers.load_state_dict(tensors)

    def share(self, done: float) -> float:
        """Return the share of the learning rate: falling to zero over the second half."""
        return min(1.0, 2 * (1 - done))

    def judge(self) -> dict[str, np.ndarray]:
        """Return nothing: no image of a date between the two is known."""
        return {}

    def kept(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the generators, without the critics."""
        start = "makers."
        return {n.removeprefix(start): t for n, t in state.items() if n.startswith(start)}

    def train(self, epoch: int) -> float:
        """Train once over the scene, and return the mean loss of the generators."""
        losses = []
        with Pool() as pool:
            for crops in batches(self.source.epoch(epoch, pool), self.method.batch):
                images = torch.from_numpy(self.normal(crops.fine).astype(np.float32))
                losses.append(self._step(images.to(self.where)))
        if not losses:
            raise ValueError(
                "no patch of the scene is seen on two dates (at least 60 % of its pixels); give a "
                "smaller patch, or pairs with fewer clouds"
            )
        last = len(self.makers.stages) - 1
        for stage in range(last):
            if epoch + 1 == max(1, round((stage + 1) * self.method.epochs / (last + 1))):
                self.makers.keep(stage)
        return float(np.mean(losses))

    def _step(self, images: Tensor) -> float:
        """Train generators, then critics, on patches (n, 2, band, y, x)."""
        seen = [~torch.isnan(images[:, n]) for n in (0, 1)]
        real = [torch.nan_to_num(images[:, n]) for n in (0, 1)]
        loss, fakes = self._makers_loss(real, seen)
        self._learn(0, loss)
        judged = torch.zeros((), device=self.where)
        for judge, fake, truth in zip(self.critics, fakes, (real[1], real[0]), strict=True):
            judged = judged + (judge(truth) - 1).square().mean() / 2
            judged = judged + judge(fake.detach()).square().mean() / 2
        self._learn(1, judged)
        return float(loss.detach())

    def _makers_loss(self, real: list[Tensor], seen: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the loss of the generators, and what they make of either date."""
        step = self.makers.step
        later, earlier = self.makers.now.later.padded, self.makers.now.earlier.padded
        fakes = [later(real[0], step), earlier(real[1], step)]
        back = [earlier(fakes[0], step), later(fakes[1], step)]
        same = [earlier(real[0], step), later(real[1], step)]
        loss = torch.zeros((), device=self.where)
        for judge, fake in zip(self.critics, fakes, strict=True):
            loss = loss + (judge(fake) - 1).square().mean()
        for weight, images in ((self.method.cycle, back), (self.method.identity, same)):
            for image, truth, there in zip(images, real, seen, strict=True):
                off = torch.where(there, (image - truth) / step, 0).abs().sum()
                loss = loss + weight * off / there.sum().clamp(min=1)
        return loss, fakes

    def _learn(self, which: int, loss: Tensor) -> None:
        optimiser = self.optimisers[which]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def line_between(parts: Parts, dates: list[int]) -> np.ndarray:
    """Return the line of each band from coarse to fine values over the whole scene, (2, band)."""
    images = {kind: parts.ds[kind][dates].astype("float32") for kind in ("fine", "coarse")}
    means = reduce_to_cells(images["fine"], parts.grid.scale)
    return line_of(*dask.compute(images["coarse"].data, means.data))
