"""Spatiotemporal fusion of fine and coarse satellite images on xarray and dask."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from xstf import accessor as accessor

__version__ = "0.1.0"

# silent until somebody listens: logging.basicConfig(level=logging.INFO)
logging.getLogger("xstf").addHandler(logging.NullHandler())

_HOMES = {
    "fuse": "api",
    "fuse_store": "archive",
    "fit": "fitting",
    "load": "fitting",
    "BlocksFailed": "archive",
    "estimate": "estimates",
    "warm_up": "warming",
    "list_methods": "api",
    "scene": "scenes",
    "check": "scenes",
    "align": "alignment",
    "estimate_shift": "shifting",
    "mend_shift": "shifting",
    "find_observed": "checks",
    "georeference": "coordinates",
    "open_scene": "store",
    "save": "store",
    "read_images": "images",
    "to_images": "cubes",
    "write_images": "geotiff",
    "score": "scoring",
    "consistency": "degraded",
    "find_suspects": "suspects",
    "compare": "comparison",
    "open_predictions": "comparison",
    "recommend": "advice",
    "simulate": "simulation",
}

# whose functions are called by their names, as in xstf.masks.hide
_MODULES = ("cluster", "datasets", "masks", "sensors")

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public function, or module, where it is first used."""
    if name in _MODULES:
        return import_module(f"xstf.{name}")
    if name in _HOMES:
        return getattr(import_module(f"xstf.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'xstf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
