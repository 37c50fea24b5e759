"""What stands in for CuPy in CUDA's simulator: arrays as strict as CuPy's, in main memory.

An array here mixes with no numpy array and becomes none unasked, so a test without a GPU finds
where a method forgets to move something.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class OutOfMemoryError(MemoryError):
    """Raised as CuPy's error of that name."""


class ndarray(NDArrayOperatorsMixin):  # named as in CuPy
    """An array that stands in for one on a GPU; `get` copies it to main memory."""

    limit: float = np.inf  # bytes that one array may take, for tests

    def __init__(self, host: np.ndarray) -> None:
        if host.nbytes > self.limit:
            raise OutOfMemoryError(f"{host.nbytes} bytes")
        self.host = host

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        raise TypeError("there is no GPU behind this array")

    def get(self) -> np.ndarray:
        """Return a copy in main memory."""
        return self.host.copy()

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("an array on the GPU becomes no numpy array unasked; use .get()")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            return NotImplemented  # CuPy has few of them
        return _on_host(ufunc, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        made = _on_host(func, args, {k: v for k, v in kwargs.items() if k != "like"})
        if func is np.empty_like:  # what is read before it is written must show
            kind = made.host.dtype
            made.host.fill(np.nan if kind.kind == "f" else kind.kind == "b" or np.iinfo(kind).max)
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.host, name)
        if callable(found):
            return lambda *args, **kwargs: _on_host(found, args, kwargs)
        return _wrapped(found)

    def __getitem__(self, key: Any) -> Any:
        return _on_host(self.host.__getitem__, (key,), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        _on_host(self.host.__setitem__, (key, value), {})

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __float__(self) -> float:
        return float(self.host)


def asarray(array: Any, dtype: Any = None) -> ndarray:
    """Return an array as it would be on the GPU."""
    return ndarray(np.array(array.host if isinstance(array, ndarray) else array, dtype))


def asnumpy(array: Any) -> np.ndarray:
    """Return an array in main memory."""
    return array.get() if isinstance(array, ndarray) else np.asarray(array)


def _on_host(function: Any, args: Any, kwargs: Any) -> Any:
    moving = function in (np.asarray, np.array)  # what moves arrays takes any
    return _wrapped(function(*_plain(args, moving), **_plain(kwargs, moving)))


def _plain(value: Any, moving: bool = False) -> Any:
    """Return arguments with their arrays in main memory, or raise where one is there already."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, dict):
        return {k: _plain(v, moving) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(v, moving) for v in value)
    if isinstance(value, np.ndarray) and value.ndim > 0 and not moving:
        raise TypeError(f"a numpy array {value.shape} among arrays on the GPU")
    return value


def _wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, list | tuple):
        return type(value)(_wrapped(v) for v in value)
    return value
