"""What several methods share."""

from __future__ import annotations

from typing import Any

import numpy as np

from xstf.method import Block, param

UPSAMPLE = ("cubic", "linear", "nearest")


def side_of_cell() -> Any:
    """Declare the parameter `cell` of methods that work on coarse cells."""
    doc = "side of a coarse cell; for scenes with coarse images on the fine grid"
    return param(None, ge=2, none=True, unit="fine pixels", doc=doc)


def reach_of(how: str) -> int:
    """Return the coarse cells that upsampling reads beyond a pixel's own."""
    from xstf.kernels.resample import REACH

    return REACH[how]


def change(b: Block, pair: int, how: str) -> np.ndarray:
    """Return the coarse change since a pair at the fine pixels, (date, band, y, x)."""
    return on_fine(b, b.target - b.coarse[pair], how)


def added(b: Block, pair: int, how: str) -> np.ndarray:
    """Return the fine image of a pair plus the coarse change since, (date, band, y, x)."""
    return b.fine[pair] + change(b, pair, how)


def on_fine(b: Block, cells: np.ndarray, how: str) -> np.ndarray:
    """Return coarse images of the block at its fine pixels; as they are where the scale is 1."""
    from xstf.kernels.resample import REACH, upsample

    around = (cells.shape[-1] - b.fine.shape[-1] // b.scale) // 2
    spare = around - (REACH[how] if b.scale > 1 else 0)
    if spare:
        cells = cells[..., spare:-spare, spare:-spare]
    return upsample(cells, how, b.scale) if b.scale > 1 else cells


def around(image: np.ndarray, halo: int, half: int, padding: int = 0) -> np.ndarray:
    """Return images with half a window around the block.

    Parameters
    ----------
    image
        (..., y, x) with `halo` pixels around the block.
    halo, half
        Pixels that are there, and that are wanted.
    padding
        Columns of NaN to add on the right, which fill the registers of the loops over a window.
    """
    spare = halo - half
    height, width = image.shape[-2:]
    image = image[..., spare : height - spare, spare : width - spare]
    if padding == 0:
        return image
    return np.pad(image, [(0, 0)] * (image.ndim - 1) + [(0, padding)], constant_values=np.nan)
