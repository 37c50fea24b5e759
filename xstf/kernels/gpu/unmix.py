"""What classes say, brought to the pixels on a GPU: a thread for each pixel and channel."""

from __future__ import annotations

from typing import Any

from numba import cuda

from xstf.kernels.gpu.launch import grid, there
from xstf.kernels.unmix import say


def say_by_class(names: Any, said: Any, alone: Any, out: Any) -> None:
    """Write what its class says for each pixel; see `xstf.kernels.unmix.say_by_class`."""
    cell = names.shape[0] // said.shape[2]
    _say((*out.shape[1:], len(out)), *there(names, said, alone), cell, out)


@grid("u1[:,::1], f8[:,:,:,::1], f4[:,:,::1], i4, f4[:,:,::1]", doubles=5)
def _say(names, said, alone, cell, out):
    x, y, n = cuda.grid(3)
    if y < out.shape[1] and x < out.shape[2]:
        out[n, y, x] = say(names[y, x], said, alone, n, y // cell, x // cell)
