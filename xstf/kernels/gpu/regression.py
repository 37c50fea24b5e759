"""Lines between two coarse images on a GPU: a thread for each cell, or pixel and channel."""

from __future__ import annotations

from typing import Any

from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.regression import filled, line_of, on_line


def fit_lines(
    pair: Any, target: Any, radius: int, gamma: float, slope: Any, offset: Any, residual: Any
) -> None:
    """Write least-squares lines of windows; see `xstf.kernels.regression.fit_lines`."""
    images = there(pair, target)
    _fit_lines((*slope.shape[1:], len(slope)), *images, radius, gamma, slope, offset, residual)


def fill_from_neighbours(cells: Any, out: Any) -> None:
    """Write cells, missing ones filled; see `xstf.kernels.regression.fill_from_neighbours`."""
    _fill((*out.shape[1:], len(out)), *there(cells), out)


def on_lines(
    fine: Any, slope: Any, offset: Any, residual: Any, scale: int, spare: int, out: Any
) -> None:
    """Write fine pixels by the lines of their cells; see `xstf.kernels.regression.on_lines`."""
    height, width, channels = out.shape
    images = there(fine, slope, offset, residual)
    _on_lines((height, width * channels), *images, scale, spare, out)


@grid("f4[:,:,::1], f4[:,:,::1], i4, f8, f4[:,:,::1], f4[:,:,::1], f4[:,:,::1]", doubles=159)
def _fit_lines(pair, target, radius, gamma, slope, offset, residual):
    j, i, n = cuda.grid(3)
    if i < slope.shape[1] and j < slope.shape[2]:
        line = line_of(pair, target, n, i, j, radius, gamma)
        slope[n, i, j], offset[n, i, j], residual[n, i, j] = line


@grid("f4[:,:,::1], f4[:,:,::1]", doubles=50)
def _fill(cells, out):
    j, i, n = cuda.grid(3)
    if i < out.shape[1] and j < out.shape[2]:
        out[n, i, j] = filled(cells, n, i, j)


@grid("f4[:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], i4, i4, f4[:,:,::1]")
def _on_lines(fine, slope, offset, residual, scale, spare, out):
    column, y = cuda.grid(2)  # channels lie side by side
    x = column // out.shape[2]
    if y >= out.shape[0] or x >= out.shape[1]:
        return
    channel = column - x * out.shape[2]
    d = channel // fine.shape[0]
    b = channel - d * fine.shape[0]
    i, j = (y + spare) // scale, (x + spare) // scale
    left = residual[d, b, y + spare, x + spare]
    value = fine[b, y + spare, x + spare]
    out[y, x, channel] = on_line(value, slope[d, b, i, j], offset[d, b, i, j], left)
