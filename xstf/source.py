"""The code that a method runs, so that work of another version of it is never taken for its own."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import types
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from xstf.method import Method

_PLAIN = (bool, int, float, complex, str, bytes, type(None), range, np.generic, np.dtype)


def code_of(method: Method) -> str:
    """Return a short text that changes with the code that a method runs.

    It is found from the compiled functions of its class, of the classes that this extends, and of
    what these call, and the constants that they use, in the files that they are written in. So it
    knows methods of a notebook, and what else is in a script, comments, and the place of a class in
    its file do not matter. Another version of Python compiles differently, and other files are not
    looked into.

    Parameters
    ----------
    method
        A method; those among its parameters count too.
    """
    told: list[str] = []
    seen: set[int] = set()
    for part in _methods(method):
        for kind in type(part).__mro__:
            if kind not in (Method, object):
                _tell(kind.__qualname__, kind, kind.__module__, told, seen)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _methods(method: Any) -> Iterator[Method]:
    """Yield a method and those among its parameters."""
    yield method
    if dataclasses.is_dataclass(method):
        for field in dataclasses.fields(method):
            value = getattr(method, field.name)
            if isinstance(value, Method):
                yield from _methods(value)


def _tell(name: str, value: Any, module: str, told: list[str], seen: set[int]) -> None:
    """Add what is to be told of a value to `told`, and of what it leads to in its module."""
    value = _unwrapped(value)
    if isinstance(value, types.FunctionType | type):
        if value.__module__ != module or id(value) in seen:
            told.append(f"{name}: {value.__module__}.{value.__qualname__}")
            return
        seen.add(id(value))
    if isinstance(value, types.FunctionType):
        told.append(f"{name}: {_said(value.__code__)}")
        for other, held in _around(value):
            _tell(other, held, module, told, seen)
    elif isinstance(value, type):
        told.append(f"{name}:")
        for other, held in sorted(vars(value).items()):
            if not _incidental(other, held):
                _tell(other, held, module, told, seen)
    elif (parts := _parts(value)) is not None:
        told.append(f"{name}: {type(value).__qualname__} of {len(parts)}")
        for part, held in parts:
            _tell(f"{name} {part}", held, module, told, seen)
    else:
        told.append(f"{name}: {_said(value)}")


def _parts(value: Any) -> list[tuple[Any, Any]] | None:
    """Return what may hold functions, part by part; None for what is told as a whole."""
    if isinstance(value, property):
        return [("get", value.fget), ("set", value.fset)]
    if isinstance(value, partial):
        return [("call", value.func), ("with", value.args), ("and", value.keywords)]
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    if isinstance(value, dict | types.MappingProxyType):
        return [(_said(key), held) for key, held in value.items()]
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None


def _unwrapped(value: Any) -> Any:
    """Return the plain function in what a decorator made of it: a kernel, a class method, ..."""
    for _ in range(8):
        inner = next(
            (
                getattr(value, name)
                for name in ("py_func", "__wrapped__", "__func__", "func")
                if not isinstance(value, type | types.FunctionType | partial)
                and hasattr(value, name)
            ),
            None,
        )
        if inner is None:
            break
        value = inner
    return inspect.unwrap(value) if isinstance(value, types.FunctionType) else value


def _around(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what a function finds outside itself by its name: globals, and what encloses it."""
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not set yet
            continue
    yield "defaults", (function.__defaults__, function.__kwdefaults__)


def _names(code: types.CodeType) -> list[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return sorted({*code.co_names, *(name for c in inner for name in _names(c))})


def _said(value: Any) -> str:
    """Return a value as text that is the same in every process, its kind alone where it is more."""
    if isinstance(value, types.CodeType):
        consts = [_said(c) for c in value.co_consts]
        return f"{value.co_code.hex()} {value.co_names} {value.co_varnames} {consts}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(_said, value)))}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_said, value))}]"
    return repr(value) if isinstance(value, _PLAIN) else type(value).__qualname__


def _incidental(name: str, value: Any) -> bool:
    """Say whether an attribute of a class is no code of it: its place, its text, what is added."""
    return name.startswith("__") and not isinstance(value, types.FunctionType)
