"""How alike two spectra are, on a GPU: a thread for each pixel."""

from __future__ import annotations

from typing import Any

from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.likeness import unlike


def dissimilarity(fine: Any, coarse: Any, out: Any) -> None:
    """Write 1 - R of each pixel; see `xstf.kernels.likeness.dissimilarity`."""
    _dissimilarity(out.shape, *there(fine, coarse), out)


@grid("f4[:,:,:,::1], f4[:,:,:,::1], f4[:,::1]", doubles=139)
def _dissimilarity(fine, coarse, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        out[y, x] = unlike(fine, coarse, y, x)
