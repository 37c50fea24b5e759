"""The output of a run before its first block: made anew, or out of what it was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr

from xstf.archive import output
from xstf.archive.manifest import short, write_fingerprint
from xstf.archive.prepared import packages, prepare
from xstf.archive.taking import Growing
from xstf.gathering import Feed
from xstf.method import Method, Statistics
from xstf.packing import Packing
from xstf.pairing import Group
from xstf.places import Place


@dataclass(frozen=True)
class Maker:
    """What an output is made for."""

    method: Method
    feed: Feed
    groups: Mapping[str, tuple[Group, ...]]  # of each of its runs: the prediction, either side
    layers: xr.Dataset
    side: int  # of tiles, in fine pixels
    packing: Packing
    inputs: str  # address of the scene
    fingerprint: dict[str, Any]
    tag: str  # tells this run from others
    how: Mapping[str, Any]  # the passes over the whole scene are computed, for `dask.compute`

    def begin(self, target: Place) -> Place:
        """Write an output without pixels, and what the method finds of the whole scene."""
        known: dict[int, Statistics] = {}
        with target.growing() as new:
            self._create(new)
            for run, groups in self.groups.items():
                self._prepare(new, known, run, dict(enumerate(groups)))
            write_fingerprint(new, self.fingerprint)  # last: with it there is something to resume
        return target

    def grow(self, out: Place, base: Place) -> Place:
        """Write an output with those pixels of an earlier one that still hold; say where.

        Parameters
        ----------
        out
            Whose name it takes when it is complete.
        base
            The earlier one, `out` or what has grown beside it and was stopped.
        """
        target, known = out.growth(), packages(self.method)
        assert target is not None  # else it was refused
        with out.beside() as new:
            self._create(new)
            grown = Growing(base, new, self.fingerprint, self.groups, known, self.tag)
            grown.take_over(partial(self._prepare, new, {}))
            write_fingerprint(new, self.fingerprint)
            if base != target:
                output.discard(target)
            new.become(target)
        return target

    def _create(self, new: Place) -> None:
        rows, columns = (len(lengths) for lengths in self.feed.grid.cut(self.side))
        attrs = {"inputs": self.inputs, "fingerprint": short(self.fingerprint)}
        output.create(new, self.layers, (self.side, rows, columns), self.packing, attrs)

    def _prepare(
        self, new: Place, known: dict[int, Statistics], run: str, groups: Mapping[int, Group]
    ) -> None:
        prepare(self.method, self.feed, groups, self.side, new, run, known, **self.how)
