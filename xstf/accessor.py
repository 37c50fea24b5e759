"""`ds.stf`: the calls of xstf on a scene."""

from __future__ import annotations

from typing import Any

import xarray as xr

from xstf import api, checks, cutting, fitting, scenes
from xstf.method import Method


@xr.register_dataset_accessor("stf")
class SceneAccessor:
    """Spatiotemporal fusion of a scene (`xstf.scene`)."""

    def __init__(self, data: xr.Dataset | xr.DataTree) -> None:
        self._ds = data

    def __repr__(self) -> str:
        """Return grids, dates and the methods that can run. Reads no pixel."""
        from xstf import portrait

        return portrait.portrait_of(self._ds).text()

    def _repr_html_(self) -> str:
        """Return the same for notebooks."""
        from xstf import portrait

        return portrait.portrait_of(self._ds).html()

    def fuse(self, method: str | Method, **options: Any) -> xr.DataArray | xr.Dataset:
        """Predict fine images; see `xstf.fuse`."""
        return api.fuse(self._ds, method, **options)

    def fit(self, method: str | Method, **options: Any) -> Any:
        """Train a method that learns on the known pairs; see `xstf.fit`."""
        return fitting.fit(self._ds, method, **options)

    def fuse_store(self, out: Any, method: str | Method, **options: Any) -> Any:
        """Predict fine images of a scene in Zarr into Zarr; see `xstf.fuse_store`."""
        from xstf import archive

        return archive.fuse_store(self._ds, out, method, **options)

    def estimate(self, method: str | Method, **options: Any) -> Any:
        """Say what a run from store to store would hold; see `xstf.estimate`."""
        from xstf import estimates

        return estimates.estimate(self._ds, method, **options)

    def check(self, **names: str) -> None:
        """Raise where this is not a scene; see `xstf.check`."""
        scenes.check(self._ds, **names)

    def score(self, predicted: Any, **options: Any) -> xr.Dataset:
        """Score predictions of observed dates beside doing nothing; see `xstf.score`."""
        from xstf import scoring

        return scoring.score(predicted, self._ds, **options)

    def consistency(self, predicted: xr.DataArray, **options: Any) -> xr.Dataset:
        """Say how well predictions agree with the coarse images; see `xstf.consistency`."""
        from xstf import degraded

        return degraded.consistency(predicted, self._ds, **options)

    def find_suspects(self, **options: Any) -> xr.Dataset:
        """Say which pairs have images that disagree; see `xstf.find_suspects`."""
        from xstf import suspects

        return suspects.find_suspects(self._ds, **options)

    def compare(self, methods: Any = None, **options: Any) -> xr.Dataset:
        """Hold out each known fine image and score all methods; see `xstf.compare`."""
        from xstf import comparison

        return comparison.compare(self._ds, methods, **options)

    def report(self, compared: xr.Dataset, path: Any, **options: Any) -> Any:
        """Write a comparison that kept its predictions as a page; see `xstf.report.write_page`."""
        from xstf import comparison, report

        parts = checks.take_apart(scenes.as_dataset(self._ds)).ds.sel(time=compared["time"])
        options = {"truth": parts["fine"], "coarse": parts["coarse"], **options}
        options.setdefault("predicted", comparison.open_predictions(compared))
        return report.write_page(compared, path, **options)

    def recommend(self, methods: Any = None, **options: Any) -> Any:
        """Compare methods and say which suits the scene; see `xstf.recommend`."""
        from xstf import advice, comparison

        return advice.recommend(comparison.compare(self._ds, methods, **options))

    @property
    def plot(self) -> PicturesAccessor:
        """Pictures of the scene, of predictions and of scores, with matplotlib."""
        return PicturesAccessor(self._ds)

    def isel(self, **indexers: Any) -> xr.Dataset:
        """Cut both grids by positions of fine pixels, outwards to whole coarse cells."""
        return cutting.isel(scenes.as_dataset(self._ds), indexers)

    def sel(self, **indexers: Any) -> xr.Dataset:
        """Cut both grids by coordinates, outwards to whole coarse cells."""
        return cutting.sel(scenes.as_dataset(self._ds), indexers)

    def estimate_shift(self, **options: Any) -> xr.Dataset:
        """Find how far the coarse images lie off; see `xstf.estimate_shift`."""
        from xstf import shifting

        return shifting.estimate_shift(self._ds, **options)

    def mend_shift(self, shift: Any) -> xr.Dataset:
        """Move the coarse images by whole fine pixels; see `xstf.mend_shift`."""
        from xstf import shifting

        return shifting.mend_shift(self._ds, shift)

    def find_observed(self, **options: Any) -> xr.Dataset:
        """Find from the pixels which dates are observed; see `xstf.find_observed`."""
        return checks.find_observed(scenes.as_dataset(self._ds), **options)


class PicturesAccessor:
    """Pictures, each a matplotlib figure: ``ds.stf.plot.triptych(fused).savefig("a.png")``."""

    def __init__(self, data: xr.Dataset | xr.DataTree) -> None:
        self._ds = data

    def triptych(self, predicted: Any, **options: Any) -> Any:
        """Show coarse, predicted and true images and errors; see `xstf.plot.triptych`."""
        from xstf import plot

        return plot.triptych(self._ds, predicted, **options)

    def series(self, predicted: Any, **options: Any) -> Any:
        """Show a film strip of dates, and one pixel's course; see `xstf.plot.series`."""
        from xstf import plot

        return plot.series(self._ds, predicted, **options)

    def scatter(self, predicted: xr.DataArray, truth: Any = None, **options: Any) -> Any:
        """Show predicted against true values, those of the scene; see `xstf.plot.scatter`."""
        from xstf import plot, scoring

        truth = scoring.truth_of(self._ds) if truth is None else truth
        return plot.scatter(predicted, truth, **options)

    def errors(self, scores: xr.Dataset, *arguments: Any, **options: Any) -> Any:
        """Show the error of each method on each date; see `xstf.plot.errors`."""
        from xstf import plot

        return plot.errors(scores, *arguments, **options)

    def apa(self, scores: xr.Dataset, **options: Any) -> Any:
        """Show the all-round diagram of scores; see `xstf.plot.apa`."""
        from xstf import plot

        return plot.apa(scores, **options)


@xr.register_datatree_accessor("stf")
class TreeAccessor(SceneAccessor):
    """Spatiotemporal fusion of a DataTree with nodes ``/fine`` and ``/coarse``."""
