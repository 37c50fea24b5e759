"""What one block is given, whoever reads it: its dates, its windows, what its method is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from xstf.grid import Grid, Tile
from xstf.method import Method


class Source(Protocol):
    """Images that windows are cut from: tasks that read them, or the images themselves."""

    def window(self, dates: Sequence[int], tile: Tile) -> Any:
        """Return the window of these dates, (date, band, y, x), NaN (or 0) off the scene."""


@dataclass(frozen=True)
class Sources:
    """All that blocks are cut from, and its geometry."""

    fine: Source
    coarse: Source
    planes: Mapping[str, Source]  # one date, one band
    grid: Grid
    times: np.ndarray
    valid_range: tuple[float, float] | None


@dataclass(frozen=True)
class Portion:
    """Some dates of a pair group: says what each of their blocks reads."""

    method: Method | None  # None: a pass over the whole scene
    sources: Sources
    pairs: tuple[int, ...]
    targets: tuple[int, ...]
    layers: tuple[str, ...] = ()
    observed: Sequence[int] | None = None  # dates whose own fine image is kept where it has pixels
    device: str = "cpu"
    numbers: Any = None  # these four as `Prepared` has them, for the targets
    dated: Any = ()
    made: Any = field(default_factory=dict)
    margin: int = 0
    around: int = 0  # the halo of a pass, fine pixels

    @cached_property
    def halo(self) -> int:
        """Fine pixels in whole cells that the method reads past a tile."""
        grid = self.sources.grid
        return grid.round_up(self.method.halo(grid.scale) if self.method else self.around)

    def told(self, tile: Tile) -> dict[str, Any]:
        """Return what the method is told besides images."""
        wide, times = tile.grow(self.halo), self.sources.times
        return {
            "times": times[list(self.pairs)],
            "target_times": times[list(self.targets)],
            "place": (wide.y0, wide.x0),
            "halo": self.halo,
            "scale": self.sources.grid.scale,
            "valid_range": self.sources.valid_range,
            "device": self.device,
            "layers": self.layers,
        }

    def read(self, tile: Tile) -> dict[str, Any]:
        """Return the images of a block and what was prepared for it, as `run_block` takes them."""
        wide, sources = tile.grow(self.halo), self.sources
        cells = wide.cells(sources.grid.scale, self.method.reach if self.method else 0)
        return {
            "fine": sources.fine.window(self.pairs, wide),
            "coarse": sources.coarse.window(self.pairs, cells),
            "target": sources.coarse.window(self.targets, cells),
            "planes": {n: s.window([0], wide) for n, s in sources.planes.items()},
            "made": self.made,
            "numbers": self.numbers,
            "dated": self.dated,
        }

    def where(self, tile: Tile) -> tuple[Tile, int]:
        """Return the cells of a block's prepared planes, and how far these reach off the scene."""
        return tile.grow(self.halo).cells(self.sources.grid.scale, self.margin), self.margin

    def own(self, tile: Tile) -> dict[int, Any] | None:
        """Return the fine images that are kept where they have pixels, by place among the dates."""
        if self.observed is None:
            return None
        kept = {n: t for n, t in enumerate(self.targets) if t in self.observed}
        return {n: self.sources.fine.window([t], tile) for n, t in kept.items()}
