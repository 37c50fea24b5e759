"""Where blocks run: whether a GPU can be used, and a block taken there and back."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xstf import cluster
from xstf.method import Block, Method

DEVICES = ("auto", "cpu", "cuda")
_turn = threading.Lock()  # one block at a time has the GPU; other threads read theirs meanwhile
_too_large: set[tuple[Any, ...]] = set()  # blocks that a GPU's memory did not hold


class NoDevice(OSError):
    """Raised where a GPU is asked for and cannot be used."""


def chosen(device: str, method: Method, client: Any = None) -> str:
    """Return ``"cpu"`` or ``"cuda"``.

    Parameters
    ----------
    device
        ``"auto"``: a GPU if there is one and the method can use it.
    method
        What is to run.
    client
        The `distributed.Client` whose workers will run it. None: this process will.

    Raises
    ------
    ValueError
        If there is no such device, or the method cannot use it.
    NoDevice
        If a GPU is asked for and something is missing; the message says what, and the cure.
    """
    if device not in DEVICES:
        raise ValueError(f"device={device!r} must be one of {', '.join(map(repr, DEVICES))}")
    if device == "cpu" or (device == "auto" and not method.on_gpu):
        return "cpu"
    if not method.on_gpu:
        raise ValueError(
            f'{method.label} cannot run on a GPU; leave device out, or say device="auto", which '
            "takes a GPU for the methods that can"
        )
    own: Callable[[], str | None] = getattr(method, "lacking", lacking)  # torch's, of networks
    why = own() if client is None else cluster.lacking(client)
    if why is not None and device == "auto":
        return "cpu"
    if why is not None:
        raise NoDevice(f'device="cuda" cannot be used: {why}, or use device="cpu"')
    return "cuda"


def lacking() -> str | None:
    """Return what keeps this process from using a GPU, and the cure; None if nothing does."""
    if simulated():
        return None
    for package, name in (("numba_cuda", "numba-cuda"), ("cupy", "CuPy")):
        if not _installed(package):
            return f'{name} is not installed; run pip install "xstf[cuda]"'
    from numba import cuda

    if not cuda.is_available():
        return (
            "no NVIDIA GPU with a driver is visible to this process; see what nvidia-smi and "
            "CUDA_VISIBLE_DEVICES say, install the driver"
        )
    return None


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def simulated() -> bool:
    """Say whether CUDA is simulated, which is slow and meant for tests."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def run(function: Callable[[Block], Any], b: Block) -> Any:
    """Run a method's block where it is to run, and return the layers in main memory.

    A block that is larger than the GPU's memory is halved: its dates, or its rows or columns of
    cells, each half with the same halo. No pixel depends on it.

    Parameters
    ----------
    function
        A method's `block`.
    b
        The block, in main memory.
    """
    method = getattr(function, "__self__", None)
    if b.device == "cpu" or getattr(method, "moves", False):
        return function(b)
    with _turn:
        return _whole_or_halves(function, b)


def _whole_or_halves(function: Callable[[Block], Any], b: Block) -> Any:
    size = (getattr(function, "__self__", function), b.fine.shape, b.target.shape, b.layers)
    if size not in _too_large:
        try:
            return _there_and_back(function, b)
        except MemoryError:  # CuPy's is one
            _too_large.add(size)
        _give_back()
    halves, axis = _halved(b)
    made = [_whole_or_halves(function, half) for half in halves]
    return {n: np.concatenate([layers[n] for layers in made], axis) for n in made[0]}


def _there_and_back(function: Callable[[Block], Any], b: Block) -> Any:
    return brought_back(function(taken_there(b)), b.layers)


def taken_there(b: Block) -> Block:
    """Return a block whose images lie on the GPU."""
    from xstf.kernels.gpu.launch import to_gpu

    images = {name: to_gpu(getattr(b, name)) for name in ("fine", "coarse", "target")}
    planes = {name: to_gpu(image) for name, image in b.planes.items()}
    cells = {name: to_gpu(image) for name, image in b.made.items()}
    return replace(b, **images, planes=planes, made=cells)


def brought_back(layers: Any, wanted: Sequence[str]) -> Any:
    """Return the layers that are wanted in main memory.

    Parameters
    ----------
    layers
        What a method's block returned; what is no mapping is refused where layers are checked.
    wanted
        Their names.
    """
    from xstf.kernels.gpu.launch import to_main

    if not isinstance(layers, Mapping):
        return layers
    return {name: to_main(layers[name]) for name in layers if name in wanted}


def _give_back() -> None:
    from xstf.kernels.gpu.launch import give_back

    give_back()


def _halved(b: Block) -> tuple[list[Block], int]:
    """Return two blocks, and the axis along which their layers are put together.

    Halves of a tile read its halo twice, so dates are parted first where the halo is wide.
    """
    cells = [(part.stop - part.start) // b.scale for part in b.inner]
    wide = max(cells) * b.scale <= 2 * b.halo
    if len(b.target) > 1 and (wide or max(cells) < 2):
        middle = len(b.target) // 2
        return [_of_dates(b, slice(0, middle)), _of_dates(b, slice(middle, None))], 0
    if max(cells) < 2:
        raise MemoryError(
            f"a block of one cell and its halo of {b.halo} pixels is too large for the GPU's "
            'memory; use a smaller window, or device="cpu"'
        )
    axis = int(cells[1] > cells[0])
    middle = cells[axis] // 2
    parts = [_of_cells(b, axis, 0, middle), _of_cells(b, axis, middle, cells[axis])]
    return parts, axis - 2


def _of_dates(b: Block, dates: slice) -> Block:
    """Return the part of a block that predicts some dates."""
    return replace(
        b,
        target=b.target[dates],
        target_times=b.target_times[dates],
        dated=b.dated[dates] if len(b.dated) else b.dated,
        made={name: image[dates] for name, image in b.made.items()},
    )


def _of_cells(b: Block, axis: int, start: int, stop: int) -> Block:
    """Return the part of a block between two rows (0) or columns (1) of its cells."""
    first, last = start * b.scale, stop * b.scale + 2 * b.halo
    whole = b.fine.shape[axis - 2] // b.scale

    def pixels(image: np.ndarray) -> np.ndarray:
        return _cut(image, axis, first, last)

    def cells(image: np.ndarray) -> np.ndarray:
        more = image.shape[axis - 2] - whole  # cells beyond the halo, on both sides together
        return _cut(image, axis, start, last // b.scale + more)

    place = tuple(at + first * (n == axis) for n, at in enumerate(b.place))
    return replace(
        b,
        fine=pixels(b.fine),
        coarse=cells(b.coarse),
        target=cells(b.target),
        planes={name: pixels(image) for name, image in b.planes.items()},
        made={name: cells(image) for name, image in b.made.items()},
        place=(place[0], place[1]),
    )


def _cut(image: np.ndarray, axis: int, start: int, stop: int) -> np.ndarray:
    return image[..., start:stop, :] if axis == 0 else image[..., start:stop]
