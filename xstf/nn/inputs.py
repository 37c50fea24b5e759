"""Images as networks take them: on one grid, in steps of their band's spread, without gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xstf.blocks import cut
from xstf.grid import Tile
from xstf.methods._shared import reach_of

ENDS = (2, 98)  # percentiles between which a band's values count as its spread
WIDE = 4.1  # standard deviations between them, where values are normal
LEAST = 1e-6  # smallest step, in the units of the images


@dataclass(frozen=True)
class Normaliser:
    """What brings the values of each band near 0 and 1, the same for fine and coarse images."""

    centre: np.ndarray  # (band,) float32
    scale: np.ndarray  # (band,): the spread of values around the centre
    step: np.ndarray  # (band,): the spread of their changes around 0, over `scale`

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return images (..., band, y, x) normalised."""
        return (images - self.centre[:, None, None]) / self.scale[:, None, None]


def normaliser(fine: np.ndarray, changes: np.ndarray) -> Normaliser:
    """Return what suits some pixels.

    Parameters
    ----------
    fine
        (band, pixel) values, NaN where missing.
    changes
        (band, pixel): differences between two dates.
    """
    low, high = np.nanpercentile(fine, ENDS, axis=1)
    scale = np.maximum((high - low) / WIDE, LEAST)
    before, after = np.nanpercentile(changes, ENDS, axis=1)
    step = np.maximum(np.maximum(-before, after) * 2 / WIDE, LEAST) / scale
    return Normaliser(*(v.astype(np.float32) for v in ((low + high) / 2, scale, step)))


def on_fine(
    coarse: np.ndarray, origin: tuple[int, int], area: Tile, scale: int, how: str
) -> np.ndarray:
    """Return coarse images at some fine pixels, NaN where no cell is near.

    Parameters
    ----------
    coarse
        (..., rows, columns) cells.
    origin
        Fine coordinates of the first cell's corner.
    area
        The fine pixels, in the same coordinates; they may lie off the cells.
    scale
        Side of a cell in fine pixels; 1: they are as they should be.
    how
        See `xstf.kernels.resample.upsample`.
    """
    from xstf.kernels.resample import upsample

    y0, x0 = area.y0 - origin[0], area.x0 - origin[1]
    y1, x1 = area.y1 - origin[0], area.x1 - origin[1]
    if scale == 1:
        return cut(coarse, Tile(y0, y1, x0, x1), 0)
    wide = Tile(y0 // scale, -(-y1 // scale), x0 // scale, -(-x1 // scale))
    image = upsample(cut(coarse, wide.grow(reach_of(how)), 0), how, scale)
    y0, x0 = y0 - wide.y0 * scale, x0 - wide.x0 * scale
    return image[..., y0 : y0 + area.y1 - area.y0, x0 : x0 + area.x1 - area.x0]


@dataclass(frozen=True)
class Filled:
    """A pair and a target as a network takes them, normalised, every gap filled."""

    fine: Tensor  # (n, band, y, x)
    coarse: Tensor
    target: Tensor
    gone: Tensor  # (n, band, y, x) bool: where any of them is missing, so nothing can be said


def filled(fine: Tensor, coarse: Tensor, target: Tensor) -> Filled:
    """Return images without gaps, as training and prediction both see them.

    A missing coarse image is taken as that of the other date: no change. A missing fine value is
    taken as the coarse one: no detail. Where all are missing, and off the scene, it is the centre
    of the band. Such values are seen by the network next to them, and never come out: `gone`.

    Parameters
    ----------
    fine, coarse, target
        (n, band, y, x), normalised, NaN where missing.
    """
    lost = torch.isnan(fine), torch.isnan(coarse), torch.isnan(target)
    known = torch.where(lost[1], target, coarse)
    known = torch.where(torch.isnan(known), fine, known)
    known = torch.nan_to_num(known, nan=0.0)
    change_lost = lost[1] | lost[2]
    coarse = torch.where(change_lost, known, coarse)
    target = torch.where(change_lost, known, target)
    fine = torch.where(lost[0], coarse, fine)
    return Filled(fine, coarse, target, lost[0] | change_lost)


def tensors(normal: Normaliser, *images: np.ndarray) -> list[Tensor]:
    """Return images (n, band, y, x) normalised, as float32 tensors."""
    return [torch.from_numpy(np.ascontiguousarray(normal(i), np.float32)) for i in images]
