"""Networks that take all pairs of a date at once, not one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xstf.method import Block
from xstf.nn.inputs import Filled
from xstf.nn.method import Network
from xstf.nn.model import PairModel


class JointModel(PairModel):
    """A network that says the fine image of a date from any number of pairs.

    Images are (n, pair, band, y, x), or (n, band, y, x) where there is one pair, and what is said
    has the same axes: the same for all pairs, or for each what it says beside the others.
    """

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return what the pairs say of the target date."""
        if images.fine.ndim == 5:
            return self.together(images)
        parts = images.fine, images.coarse, images.target, images.gone
        return self.together(Filled(*(part[:, None] for part in parts)))[:, 0]

    def together(self, images: Filled) -> Tensor:
        """Return what pairs say together.

        Parameters
        ----------
        images
            (n, pair, band, y, x); what is `gone` in one pair comes from the others.

        Returns
        -------
        torch.Tensor
            (n, pair or 1, band, y, x), `radius` pixels smaller on each side.
        """
        raise NotImplementedError  # each network that takes its pairs together has its own


@dataclass(frozen=True, kw_only=True)
class Jointly(Network):
    """Base of methods whose network is a `JointModel`."""

    pairs = range(1, 3)

    def forecasts(
        self, ask: Callable[..., Tensor], b: Block, fine: Tensor, coarse: Tensor, target: Tensor
    ) -> Tensor:
        """Return what all pairs say together, NaN in those that lack something there."""
        dates = target.transpose(0, 1)
        rows = [ask(fine[None], coarse[None], date[None], True) for date in dates]
        return torch.cat(rows).transpose(0, 1)

    def combine(self, b: Block, forecasts: Tensor, coarse: Tensor, target: Tensor) -> Tensor:
        """Return what was said, where any pair has all it takes."""
        said = forecasts[0]
        for other in forecasts[1:]:
            said = torch.where(torch.isnan(said), other, said)
        return said
