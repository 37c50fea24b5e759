"""Where a kernel runs: the compiled loop for arrays in main memory, a CUDA grid for those on a GPU.

Both walk the same pixels around the same scalar formulas. A formula is a function compiled with
``njit(inline="always")`` that takes and returns scalars: both compilers inline its source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np


def on_gpu(array: Any) -> bool:
    """Say whether an array lies on a GPU."""
    return hasattr(type(array), "__cuda_array_interface__")


def also_on_gpu(loop: Callable[..., None]) -> Callable[..., None]:
    """Let a kernel run on a GPU too: by the function of its name in `xstf.kernels.gpu`.

    Parameters
    ----------
    loop
        The kernel for arrays in main memory, which fills arrays it is given.
    """
    name = loop.__name__.lstrip("_")
    home = loop.__module__.replace("xstf.kernels.", "xstf.kernels.gpu.")

    @wraps(loop)
    def run(*arguments: Any) -> None:
        if any(map(on_gpu, arguments)):
            getattr(import_module(home), name)(*arguments)
        else:
            loop(*arguments)

    return run


def in_main_memory(loop: Callable[..., None]) -> Callable[..., None]:
    """Let a kernel run on the CPU wherever its arrays lie; what it writes is copied back.

    For what is worked out for each coarse cell, of which there are few, in small systems of
    equations, for which a GPU has no use.

    Parameters
    ----------
    loop
        The kernel for arrays in main memory.
    """

    @wraps(loop)
    def run(*arguments: Any) -> None:
        there = [n for n, value in enumerate(arguments) if on_gpu(value)]
        if not there:
            return loop(*arguments)
        from xstf.kernels.gpu.launch import to_gpu, to_main

        here = [to_main(v) if n in there else v for n, v in enumerate(arguments)]
        loop(*here)
        for n in there:
            arguments[n][...] = to_gpu(here[n])
        return None

    return run


def new(like: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Return an array that is not filled yet, in the memory where another one lies.

    Parameters
    ----------
    like
        The other array.
    shape, dtype
        Of the new one.
    """
    return np.empty_like(like, dtype=dtype, order="C", shape=shape)


def packed(array: Any, dtype: Any = None) -> Any:
    """Return an array without gaps, itself if it has none, in the memory where it lies.

    Parameters
    ----------
    array
        The array; `numpy.ascontiguousarray` does not ask where it lies.
    dtype
        Of the result; None: as it is.
    """
    return array.astype(dtype or array.dtype, order="C", copy=False)
