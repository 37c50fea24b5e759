"""What the networks are made of: convolutions without padding, band by band, and local weights.

A map is (n, band * channel, y, x): each band has channels of its own, and grouped convolutions
keep them apart, which is the same as one small network for each band.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

L = TypeVar("L", nn.Conv2d, nn.Conv3d)
FLOOR = 1e-6  # of normalised errors: keeps the weight of a perfect prediction finite


def conv(bands: int, ins: int, outs: int, side: int = 3, dilation: int = 1) -> nn.Conv2d:
    """Return a convolution without padding of each band's channels, (n, band * ins, y, x).

    Parameters
    ----------
    bands
        Bands, which are kept apart.
    ins, outs
        Channels of each band.
    side, dilation
        Of the window; the map shrinks by ``dilation * (side // 2)`` on each side.
    """
    layer = nn.Conv2d(bands * ins, bands * outs, side, dilation=dilation, groups=bands)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
    return layer


def doubled(bands: int, ins: int, outs: int) -> nn.ConvTranspose2d:
    """Return a layer that doubles the pixels of a map, each new one from the two next to it.

    Pixel 2 i comes from pixel i alone, 2 i + 1 from i and i + 1: the last row and column of the
    result lack what lies beyond the map.
    """
    layer = nn.ConvTranspose2d(
        bands * ins, bands * outs, 3, stride=2, padding=1, output_padding=1, groups=bands
    )
    nn.init.normal_(layer.weight, std=(2 * 4 / (9 * ins)) ** 0.5)  # a quarter of 9 taps for each
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
    return layer


def silent(layer: L) -> L:
    """Return a last layer that says nothing before it is trained."""
    nn.init.zeros_(layer.weight)
    return layer


def together(bands: int, *maps: Tensor) -> Tensor:
    """Return maps with the channels of each band side by side."""
    apart = [m.unflatten(1, (bands, -1)) for m in maps]
    return torch.cat(apart, dim=2).flatten(1, 2)


def inner(image: Tensor, pixels: int) -> Tensor:
    """Return images without so many pixels on each side."""
    height, width = image.shape[-2:]
    return image[..., pixels : height - pixels, pixels : width - pixels]


def near(image: Tensor, half: int) -> Tensor:
    """Return the mean over a window of ``2 half + 1`` pixels, each summed afresh, no padding."""
    flat = image.flatten(0, -3)[:, None] if image.ndim != 4 else image
    side = 2 * half + 1
    means = functional.avg_pool2d(functional.avg_pool2d(flat, (side, 1), 1), (1, side), 1)
    return means.reshape(*image.shape[:-2], *means.shape[-2:])


def blend(images: Tensor, off: Tensor, half: int) -> Tensor:
    """Return images put together, each weighted by how little is off nearby.

    The weight of an image is the inverse of the mean of ``|off|`` over a window, over the sum of
    all; equal where all agree. What is missing in an image has no weight.

    Parameters
    ----------
    images
        (image, n, band, y, x), NaN where missing.
    off
        The same shape: what speaks against each image, such as its difference from the coarse one.
    half
        The window reaches so many pixels from its centre.

    Returns
    -------
    torch.Tensor
        (n, band, y - 2 half, x - 2 half), NaN where all are missing.
    """
    off = off.abs()
    there = ~torch.isnan(off)
    sums = near(torch.where(there, off, 0), half)
    share = near(there.to(off.dtype), half)
    weight = share / (sums + FLOOR * share).clamp(min=1e-30)
    values = inner(images, half)
    seen = ~torch.isnan(values)
    weight = torch.where(seen, weight, 0)
    total = weight.sum(0)
    mean = (weight * torch.where(seen, values, 0)).sum(0) / total
    return torch.where(total > 0, mean, torch.nan)


def weighed(images: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of images, weighted, those left out that are missing.

    Parameters
    ----------
    images
        (image, ...), NaN where missing.
    weight
        The same shape, or one that is spread over it. Where no image that is seen has a weight,
        all that are seen count alike.
    """
    seen = ~torch.isnan(images)
    weight = torch.where(seen, weight, 0)
    weight = torch.where(seen & (weight.sum(0) == 0), torch.ones_like(weight), weight)
    total = weight.sum(0)
    mean = (weight * torch.where(seen, images, 0)).sum(0) / total
    return torch.where(total > 0, mean, torch.nan)


def calm(change: Tensor, half: int) -> Tensor:
    """Return how little each of some images changed nearby: weights, not yet shares.

    The inverse of the mean squared change over a window plus that of all images, so that no image
    has more than three times the weight of another of two.

    Parameters
    ----------
    change
        (image, n, band, y, x), NaN where missing.
    half
        The window reaches so many pixels from its centre.

    Returns
    -------
    torch.Tensor
        (image, n, band, y - 2 half, x - 2 half); of no use where an image is missing in all of the
        window.
    """
    there = ~torch.isnan(change)
    share = near(there.to(change.dtype), half)
    size = near(torch.where(there, change, 0).square(), half) / share.clamp(min=FLOOR)
    known = share > 0
    mean = torch.where(known, size, 0).sum(0) / known.sum(0).clamp(min=1)
    return 1 / (size + mean + FLOOR**2)


def enlarged(cells: Tensor, there: Tensor, factor: int) -> Tensor:
    """Return cells on a finer grid, interpolated bilinearly, missing ones left out.

    Parameters
    ----------
    cells
        (n, band, rows, columns).
    there
        (n, band, rows, columns) bool: which cells count. Where none around does, all do.
    factor
        Pixels along the side of a cell.

    Returns
    -------
    torch.Tensor
        (n, band, factor (rows - 2), factor (columns - 2)): without the outermost cells, which lack
        neighbours.
    """
    share = there.to(cells.dtype)
    sums, shares, plain = (
        inner(functional.interpolate(i, scale_factor=factor, mode="bilinear"), factor)
        for i in (cells * share, share, cells)
    )
    return torch.where(shares > 0, sums / shares.clamp(min=FLOOR), plain)


def trunk(short: bool, device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which convolutions run in bfloat16, or as they are."""
    return torch.autocast(device.type, torch.bfloat16) if short else nullcontext()
