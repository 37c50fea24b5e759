"""Fine images whose cell means are brought to given ones, without printing the cells."""

from __future__ import annotations

import numpy as np

from xstf.kernels.boxes import cell_means


def restore(images: np.ndarray, cells: np.ndarray, scale: int) -> np.ndarray:
    """Return images with the means of `cells`: their low frequencies replaced, their detail kept.

    To replace the approximation of a Haar transform of level log2(scale) adds one constant to each
    cell, ``cells`` less the mean, and so prints the cells [Zheng 2023, eq 10 and 15]. Here the same
    difference is added as a surface without steps that has it as its mean over each cell, so the
    approximation is the same at any scale, a power of two or not: between the corners of cells,
    which have the mean difference of the cells around them, it is bilinear; a bell that ends flat
    at the cell's border adds what the mean lacks.

    Parameters
    ----------
    images
        (..., y, x) with one cell more on each side. Missing pixels do not count.
    cells
        (..., y / scale, x / scale) wanted means. Missing ones change nothing.
    scale
        Fine pixels along the side of a cell.

    Returns
    -------
    numpy.ndarray
        (..., y - 2 scale, x - 2 scale) float32.
    """
    off = cells.astype(np.float64) - cell_means(images, scale)
    seen = ~np.isnan(off)
    off = np.where(seen, off, 0)
    rows, columns = (size - 2 for size in off.shape[-2:])
    corners = _of_four(off) / np.maximum(_of_four(seen.astype(np.float64)), 1)
    up = (np.arange(scale) + 0.5) / scale  # from a cell's first corner to its second
    line = {0: np.tile(1 - up, rows), 1: np.tile(up, rows)}
    across = {0: np.tile(1 - up, columns), 1: np.tile(up, columns)}
    inner = (..., slice(scale, -scale), slice(scale, -scale))
    made = images[inner].astype(np.float64)
    mean = np.zeros((*off.shape[:-2], rows, columns))
    for y in (0, 1):
        for x in (0, 1):
            corner = corners[..., y : y + rows, x : x + columns]
            made += _on_pixels(corner, scale) * (line[y][:, None] * across[x])
            mean += corner / 4
    bell = 1 - np.cos(2 * np.pi * up)
    bump = bell / bell.mean()
    lacking = np.where(seen[..., 1:-1, 1:-1], off[..., 1:-1, 1:-1] - mean, 0)
    made += _on_pixels(lacking, scale) * np.tile(bump, rows)[:, None] * np.tile(bump, columns)
    return made.astype(np.float32)


def _of_four(cells: np.ndarray) -> np.ndarray:
    """Return the sum of the four cells around each inner corner."""
    upper, lower = cells[..., :-1, :], cells[..., 1:, :]
    return (upper + lower)[..., :-1] + (upper + lower)[..., 1:]


def _on_pixels(cells: np.ndarray, scale: int) -> np.ndarray:
    return cells.repeat(scale, axis=-2).repeat(scale, axis=-1)
