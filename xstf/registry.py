"""Where methods are found: our own files, the networks, plugins, and what a session registers."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from xstf.method import Method

M = TypeVar("M", bound="type[Method]")


_registered: dict[str, type[Method]] = {}


def register(name: str) -> Callable[[M], M]:
    """Make a method known by `name`; the class keeps it as ``name``."""

    def keep(cls: M) -> M:
        cls.name = name
        _registered[name] = cls
        return cls

    return keep


@cache
def _places() -> dict[str, Callable[[], Any]]:
    """Return where each method is imported from: our own files, then plugins."""
    import xstf.methods
    import xstf.nn

    places: dict[str, Callable[[], Any]] = {}
    for plugin in entry_points(group="xstf.methods"):
        places[plugin.name] = plugin.load
    ours = (m for m in pkgutil.iter_modules(xstf.methods.__path__) if not m.name.startswith("_"))
    for module in ours:
        for name in xstf.methods.SHARED.get(module.name, (module.name,)):
            places[name] = partial(importlib.import_module, f"xstf.methods.{module.name}")
    for name in xstf.nn.NETWORKS:
        places[name] = partial(_network, name)
    return places


def _network(name: str) -> None:
    """Import a network, which needs torch."""
    try:
        importlib.import_module(f"xstf.nn.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise ModuleNotFoundError(
            f"{name} is a network and needs {error.name}: pip install 'xstf[deep]'", name=error.name
        ) from error


def names(networks: bool = True) -> list[str]:
    """Return the names of all methods, sorted; on request without those that torch is needed for.

    Parameters
    ----------
    networks
        Whether to name networks too.
    """
    import xstf.nn

    left_out = () if networks else xstf.nn.NETWORKS
    return sorted({*_places(), *_registered}.difference(left_out))


def find(name: str) -> type[Method]:
    """Return the class of the method called `name`.

    Raises
    ------
    ValueError
        If there is none; the message holds the nearest names.
    """
    key = name if name in _registered or name in _places() else str(name).lower()
    if key not in _registered and key in _places():
        loaded = _places()[key]()
        if isinstance(loaded, type) and key not in _registered:
            register(key)(loaded)
    if key not in _registered:
        near = difflib.get_close_matches(key, names(), cutoff=0.4)
        raise ValueError(
            f"there is no method {name!r}; "
            + (f"did you mean {' or '.join(map(repr, near))}? " if near else "")
            + f"there are {', '.join(names())}"
        )
    return _registered[key]
