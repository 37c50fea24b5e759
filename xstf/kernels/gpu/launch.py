"""How a CUDA grid is declared, compiled and launched: one thread for each pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from numba import cuda, types
from numba.core import config, sigutils
from numba.core.dispatcher import Dispatcher

from xstf.kernels.offload import on_gpu, packed

SIMULATED = bool(config.ENABLE_CUDASIM)
# columns and rows of threads: a warp reads neighbours along x; simulated threads cost even if idle
BLOCK = (4, 4) if SIMULATED else (32, 8)
SHARE = 0.8  # of a GPU's memory that arrays may take; the rest is for others and compiled code
GRIDS: dict[str, Grid] = {}  # all that are declared, for the tests


class Grid:
    """A kernel that is compiled for its declared types when it is first launched.

    Parameters
    ----------
    source
        The kernel, or with `variants` a function that returns it.
    signature
        Types of its arguments. Arrays are contiguous, and numbers are cast to what it says, so
        that nothing becomes float64 unasked.
    doubles
        Lines of its PTX that may work on float64; a test counts them.
    variants
        Keywords for `source`: what is fixed when the kernel is compiled.
    block
        Columns and rows of threads in a block.
    """

    def __init__(
        self,
        source: Callable[..., Any],
        signature: str,
        doubles: int,
        variants: Sequence[Mapping[str, Any]],
        block: tuple[int, int],
    ) -> None:
        self.name = f"{source.__module__.rpartition('.')[2]}.{source.__name__.strip('_')}"
        self.source, self.doubles, self.variants, self.block = source, doubles, variants, block
        self.types, _ = sigutils.normalize_signature(f"void({signature})")
        self._compiled = cache(self._compile)

    def function(self, **variant: Any) -> Callable[..., None]:
        """Return the kernel as it is before it is compiled."""
        return self.source(**variant) if self.variants else self.source

    def _compile(self, **variant: Any) -> Any:
        function = self.function(**variant)
        if SIMULATED:
            return cuda.jit(_plain(function))
        return cuda.jit([self.types], cache=True)(function)

    def __call__(self, shape: tuple[int, ...], *arguments: Any, **variant: Any) -> None:
        """Launch one thread for each pixel.

        Parameters
        ----------
        shape
            Rows and columns of pixels; a third number repeats all of them.
        *arguments
            Of the kernel. Arrays in main memory are copied; what is filled must lie on the GPU.
        **variant
            One of `variants`.
        """
        if min(shape) == 0:
            return
        given = zip(arguments, self.types, strict=True)
        fitted = [self._fitted(n, *pair) for n, pair in enumerate(given)]
        columns, rows = self.block
        grid = -(-shape[1] // columns), -(-shape[0] // rows), *shape[2:]
        block = (columns, rows, *(1 for _ in shape[2:]))
        self._compiled(**variant)[grid, block](*fitted)

    def _fitted(self, place: int, value: Any, kind: Any) -> Any:
        """Return an argument as the kernel takes it, or raise."""
        if not isinstance(kind, types.Array):
            return np.dtype(str(kind)).type(value)
        if isinstance(value, np.ndarray):
            value = to_gpu(value)
        fits = value.ndim == kind.ndim and value.dtype == np.dtype(str(kind.dtype))
        if not (fits and value.flags.c_contiguous):
            raise TypeError(
                f"argument {place} of {self.name} is a {value.ndim}-d array of {value.dtype}, "
                f"contiguous: {value.flags.c_contiguous}; the kernel takes {kind}"
            )
        if SIMULATED:  # which writes to all arrays
            return np.require(value.host, requirements="W")
        return cuda.as_cuda_array(value, sync=False)


def grid(
    signature: str,
    *,
    doubles: int = 0,
    variants: Sequence[Mapping[str, Any]] = (),
    block: tuple[int, int] = BLOCK,
) -> Callable[[Callable[..., Any]], Grid]:
    """Declare a CUDA grid; see `Grid`."""

    def declare(source: Callable[..., Any]) -> Grid:
        made = Grid(source, signature, doubles, variants, block)
        GRIDS[made.name] = made
        return made

    return declare


def _plain(function: Any) -> Any:
    """Return a function that calls the formulas' source, which the simulator runs as it is."""
    code, known = function.__code__, dict(function.__globals__)
    for name in code.co_names:
        if isinstance(known.get(name), Dispatcher):
            known[name] = _plain(known[name].py_func)
    return FunctionType(code, known, code.co_name, function.__defaults__, function.__closure__)


@cache
def module() -> Any:
    """Return the module whose arrays lie on the GPU: CuPy, or what stands in for it."""
    if SIMULATED:
        from xstf.kernels.gpu import stand_in

        return stand_in
    import cupy

    pool = cupy.get_default_memory_pool()
    if not pool.get_limit():  # nor has the user set one
        pool.set_limit(fraction=SHARE)
    return cupy


def give_back() -> None:
    """Free the memory that is kept for the next arrays."""
    if not SIMULATED:
        module().get_default_memory_pool().free_all_blocks()


def to_gpu(array: np.ndarray) -> Any:
    """Return a contiguous copy of an array on the GPU."""
    return module().asarray(np.ascontiguousarray(array))


def to_main(array: Any) -> np.ndarray:
    """Return an array in main memory."""
    made: np.ndarray = module().asnumpy(array)
    return made


def there(*arrays: Any) -> list[Any]:
    """Return arrays on the GPU, without gaps."""
    return [packed(a) if on_gpu(a) else to_gpu(a) for a in arrays]
