"""`ds.stf`: the calls of xstf on a scene."""

from __future__ import annotations

from typing import Any

import xarray as xr

from xstf import api, checks, cutting, scenes
from xstf.method import Method


@xr.register_dataset_accessor("stf")
class SceneAccessor:
    """Spatiotemporal fusion of a scene (`xstf.scene`)."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def fuse(self, method: str | Method, **options: Any) -> xr.DataArray | xr.Dataset:
        """Predict fine images; see `xstf.fuse`."""
        return api.fuse(self._ds, method, **options)

    def check(self, **names: str) -> None:
        """Raise where this is not a scene; see `xstf.check`."""
        scenes.check(self._ds, **names)

    def isel(self, **indexers: Any) -> xr.Dataset:
        """Cut both grids by positions of fine pixels, outwards to whole coarse cells."""
        return cutting.isel(self._ds, indexers)

    def sel(self, **indexers: Any) -> xr.Dataset:
        """Cut both grids by coordinates, outwards to whole coarse cells."""
        return cutting.sel(self._ds, indexers)

    def find_observed(self, **options: Any) -> xr.Dataset:
        """Find from the pixels which dates are observed; see `xstf.find_observed`."""
        return checks.find_observed(self._ds, **options)


@xr.register_datatree_accessor("stf")
class TreeAccessor:
    """Spatiotemporal fusion of a DataTree with nodes ``/fine`` and ``/coarse``."""

    def __init__(self, tree: xr.DataTree) -> None:
        self._tree = tree

    def fuse(self, method: str | Method, **options: Any) -> xr.DataArray | xr.Dataset:
        """Predict fine images; see `xstf.fuse`."""
        return api.fuse(self._tree, method, **options)

    def check(self, **names: str) -> None:
        """Raise where this is not a scene; see `xstf.check`."""
        scenes.check(self._tree, **names)
