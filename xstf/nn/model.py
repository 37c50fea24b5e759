"""What the training loop and the blocks ask of every network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from xstf.nn.alike import Alike
from xstf.nn.inputs import Filled, Normaliser, filled
from xstf.nn.layers import inner


class Lesson(NamedTuple):
    """One thing to learn, (n, ..., band, y, x) each."""

    images: Filled  # the pair and the coarse target
    later: bool  # whether that is later
    truth: Tensor  # the fine target, without the border that the network looks at
    seen: Tensor  # where it is seen and can be said


class PairModel(nn.Module):
    """A network that says the fine image of a date from one pair and that date's coarse image.

    Images are normalised, without gaps, (n, band, y, x); forecasts are `radius` pixels smaller on
    each side.
    """

    radius = 0
    unit = 1  # forecasts begin on whole multiples of so many pixels, as the radius is one
    stages = 1  # trained one after the other
    apart = True  # whether bands are networks of their own, side by side along each first axis

    alike: Alike | None  # gives the coarse change to pixels that are alike
    centre: Tensor
    scale: Tensor
    step: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.alike = None
        for name in ("centre", "scale", "step"):  # (band, 1, 1), the normalisation
            self.register_buffer(name, torch.ones(bands, 1, 1))

    def share(self, alike: Alike) -> None:
        """Let pixels that are alike share the coarse change before the network sees it."""
        self.alike = alike

    @property
    def looks(self) -> int:
        """Pixels around its own that a forecast depends on."""
        return self.radius + (self.alike.border if self.alike is not None else 0)

    def shared(self, images: Filled) -> Filled:
        """Return images as the network sees them: the coarse change is shared, if so asked."""
        return images if self.alike is None else self.alike(images)

    def normalise(self, normal: Normaliser) -> None:
        """Keep the normalisation among the weights."""
        for name in ("centre", "scale", "step"):
            values = torch.from_numpy(getattr(normal, name))
            getattr(self, name).copy_(values[:, None, None])

    @property
    def normal(self) -> Normaliser:
        """The normalisation that is kept."""
        values = (getattr(self, n)[:, 0, 0].cpu().numpy() for n in ("centre", "scale", "step"))
        return Normaliser(*values)

    def forecast(self, images: Filled, later: bool) -> Tensor:
        """Return what one pair says of the target date.

        Parameters
        ----------
        images
            The pair and the coarse image of the target.
        later
            Whether the target comes after the pair.
        """
        raise NotImplementedError  # each network has its own layers

    def misfit(self, images: Filled, later: bool, truth: Tensor, seen: Tensor) -> Tensor:
        """Return the loss: the mean squared error in steps of the band's change, where seen."""
        return squared(self.forecast(images, later) - truth, seen, self.step)

    def lessons(self, fine: Tensor, coarse: Tensor, share: Tensor) -> Iterator[Lesson]:
        """Yield what patches teach: from either date to the other; see `directions`."""
        return directions(fine, coarse, share, self.radius)

    def begin(self, stage: int) -> list[nn.Parameter]:
        """Return the parameters that a stage trains."""
        return list(self.parameters())

    def shows(self, stage: int) -> bool:
        """Return whether forecasts show what a stage trains; else its last weights are kept."""
        return True


def squared(off: Tensor, seen: Tensor, step: Tensor) -> Tensor:
    """Return the mean of squares in units of `step` over what is seen."""
    off = torch.where(seen, off / step, 0)
    return off.square().sum() / seen.sum().clamp(min=1)


def directions(fine: Tensor, coarse: Tensor, share: Tensor, radius: int) -> Iterator[Lesson]:
    """Yield what two known dates teach, from the earlier to the later and back.

    Parameters
    ----------
    fine, coarse
        (n, 2, band, y, x), normalised, NaN where missing; after the coarse images may come what
        they lead to, see `aims`.
    share
        (n,): how far from the pair to the other date the target lies; 1: it is the other date.
    radius
        Of the network.
    """
    part, (forth, back) = share[:, None, None, None], aims(coarse, 2)
    for pair, other, lead in ((0, 1, forth), (1, 0, back)):
        aim = torch.lerp(coarse[:, pair], lead[:, 0], part)
        truth = torch.lerp(fine[:, pair], fine[:, other], part)
        yield lesson(fine[:, pair], coarse[:, pair], aim, truth, other > pair, radius)


def lesson(
    fine: Tensor, coarse: Tensor, target: Tensor, truth: Tensor, later: bool, radius: int
) -> Lesson:
    """Return what a pair and a target date teach.

    Parameters
    ----------
    fine, coarse, target, truth
        (n, ..., band, y, x), normalised, NaN where missing: the pair, the coarse and the fine image
        of the target.
    later
        Whether the target comes after the pair.
    radius
        Of the network.
    """
    images = filled(fine, coarse, target)
    truth = inner(truth, radius)
    seen = ~torch.isnan(truth) & ~inner(images.gone, radius)
    return Lesson(images, later, torch.nan_to_num(truth), seen)


def aims(coarse: Tensor, dates: int) -> tuple[Tensor, Tensor]:
    """Return the coarse images that the steps of a series lead to, forward and backward.

    Parameters
    ----------
    coarse
        (n, date, band, y, x): the coarse images of the dates, and after them, where pixels that are
        alike share the change, what the steps lead to by that, forward and backward.
    dates
        How many there are.
    """
    if coarse.shape[1] == dates:
        return coarse[:, 1:], coarse[:, :-1].flip(1)
    return coarse[:, dates : 2 * dates - 1], coarse[:, 2 * dates - 1 :]
