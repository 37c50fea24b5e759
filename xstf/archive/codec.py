"""What was prepared, as bytes that say what they are: exact, and without running code to read."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np


def encode(value: Any) -> bytes:
    """Return a nest of numbers, texts, arrays, tuples, lists, dicts and dataclasses as bytes.

    Raises
    ------
    TypeError
        If something else is in it, or a class that cannot be found again by its name.
    """
    return json.dumps(_plain(value)).encode()


def decode(data: bytes, modules: Iterable[str]) -> Any:
    """Return what `encode` was given.

    Parameters
    ----------
    data
        From `encode`.
    modules
        Packages whose dataclasses may be in it.
    """
    return _back(json.loads(data), tuple(modules))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: lists of a word for the kind, and what is in it."""
    if value is None or isinstance(value, bool | int | str) and not isinstance(value, np.generic):
        return value
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject or value.dtype.names:
            raise TypeError(f"prepare found an array of {value.dtype}, which cannot be stored")
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return [kind, value.dtype.str, list(value.shape), data]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, tuple | list):
        return ["tuple" if isinstance(value, tuple) else "list", *map(_plain, value)]
    if isinstance(value, dict):
        return ["dict", *([_plain(k), _plain(v)] for k, v in value.items())]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    raise TypeError(
        f"prepare found a {type(value).__name__}, which cannot be stored beside the output; "
        "return numbers, texts, arrays, tuples, lists, dicts or dataclasses"
    )


def _fields(value: Any) -> Any:
    kind = type(value)
    name = [kind.__module__, kind.__qualname__]
    if "<locals>" in name[1] or name[0] == "__main__":
        raise TypeError(
            f"prepare found a {kind.__name__}, which is defined where it cannot be found again; "
            "define the class in a module"
        )
    fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return ["class", *name, fields]


def _back(value: Any, modules: tuple[str, ...]) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind in ("array", "scalar"):
        dtype, shape, data = rest
        array = np.frombuffer(base64.b64decode(data), np.uint8).view(dtype).reshape(shape).copy()
        return array if kind == "array" else array[()]
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "class":
        module, name, fields = rest
        return _made(module, name, fields, modules)
    if kind == "dict":
        return {_back(k, modules): _back(v, modules) for k, v in rest}
    found = [_back(v, modules) for v in rest]
    return tuple(found) if kind == "tuple" else found


def _made(module: str, name: str, fields: dict[str, Any], modules: tuple[str, ...]) -> Any:
    """Return an object of a dataclass, without its checks: it has passed them."""
    if not any(module == m or module.startswith(m + ".") for m in modules):
        raise ValueError(f"{module}.{name} is no class of this method; compute the output anew")
    known: Any = importlib.import_module(module)
    for part in name.split("."):
        known = getattr(known, part)
    if not (isinstance(known, type) and dataclasses.is_dataclass(known)):
        raise ValueError(f"{module}.{name} is no dataclass any more; compute the output anew")
    made = object.__new__(known)
    for field, value in fields.items():
        object.__setattr__(made, field, _back(value, modules))
    return made
