"""Mappings of bands applied on a GPU: a thread for each pixel and band."""

from __future__ import annotations

from typing import Any

from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.mapping import changed


def mapped(fine: Any, shares: Any, out: Any) -> None:
    """Write fine pixels with their change; see `xstf.kernels.mapping.mapped`."""
    _mapped((*out.shape[1:], len(out)), *there(fine, shares), out)


@grid("f4[:,:,::1], f4[:,:,:,::1], f4[:,:,::1]")
def _mapped(fine, shares, out):
    x, y, b = cuda.grid(3)
    if y >= out.shape[1] or x >= out.shape[2]:
        return
    bands = fine.shape[0]
    change = shares[bands, b, y, x]
    for c in range(bands):
        change = changed(change, shares[c, b, y, x], fine[c, y, x])
    out[b, y, x] = fine[b, y, x] + change
