"""Patches of a scene for training, drawn from whole chunks that are read once a pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import dask
import numpy as np

from xstf.blocks import cut
from xstf.grid import Grid, Tile
from xstf.nn.holdout import clear, squares
from xstf.nn.inputs import Normaliser, normaliser
from xstf.nn.window import AROUND, Share, Window, with_mixture, within

POOL = 1e9  # bytes of images that are held to draw patches from; as much is read ahead
SMALL = 256e6  # bytes of coarse images that are read whole, once
VALID = 0.6  # share of a patch that must be there on both dates
TRIES = 30  # places that are drawn for a patch before it is given up
SAMPLED = 200_000  # pixels of each date that the normalisation is found from
JUDGED = 32  # patches that a network is judged by


@dataclass(frozen=True)
class Crops:
    """Patches with the border that a network looks at, in the units of the scene."""

    fine: np.ndarray  # (n, date, band, y, x), two dates or the series, in order, NaN where missing
    coarse: np.ndarray  # the same, on the fine grid; then what the steps lead to, if so asked
    share: np.ndarray  # (n,) float32: how far from one date to the other the target lies, 1: there


class Reader(Protocol):
    """Hands out parts of the scene; see `xstf.nn.pool.Pool`."""

    def take(
        self, source: Any, tiles: list[Tile], then: list[Tile] | None, alone: bool
    ) -> list[Window]:
        """Return parts of the scene, and begin to read those that come next."""


@dataclass(frozen=True)
class Source:
    """Where patches come from: the images of the dates that have both, and how they are drawn."""

    fine: Any  # (date, band, y, x) dask array
    coarse: Any  # (date, band, y_coarse, x_coarse) dask or numpy array
    grid: Grid
    how: str  # the coarse images are brought to the fine grid
    side: int  # of a patch
    radius: int  # pixels that a network looks at around it
    seed: int
    mix: bool = False  # whether half of the patches aim at a mixture of both dates
    series: bool = False  # whether a patch has all dates
    dates: int = 2  # of a patch else, where there are as many
    unit: int = 1  # patches begin on whole multiples of so many pixels
    aside: int = 0  # pixels around those that share their coarse change with them
    share: Share | None = None  # moves coarse images by the change that pixels share
    out: list[Tile] = field(default_factory=list)  # what is held out

    @staticmethod
    def of(
        feed: Any,
        dates: Sequence[int],
        how: str,
        side: int,
        radius: int,
        seed: int,
        mix: bool,
        series: bool = False,
        dates_of_patch: int = 2,
        unit: int = 1,
        aside: int = 0,
    ) -> Source:
        """Return the source of some dates of a scene.

        Parameters
        ----------
        feed
            The scene, `xstf.gathering.Feed`.
        dates
            Positions of the dates that have both images.
        how, side, radius, seed, mix, series, dates_of_patch, unit, aside
            As the class has them; the side shrinks to that of the scene, and to whole units.
        """
        side = max(1, min(side, *feed.grid.shape) // unit) * unit
        fine, coarse = feed.fine[list(dates)], feed.coarse[list(dates)]
        if coarse.nbytes <= SMALL:
            (coarse,) = dask.compute(coarse)
        out = squares(feed.grid.shape, side, radius + feed.grid.scale, seed)
        drawn = how, side, radius, seed, mix, series, dates_of_patch, unit, aside
        return Source(fine, coarse, feed.grid, *drawn, out=out)

    @property
    def many(self) -> int:
        """Dates of each patch."""
        count: int = self.fine.shape[0]
        return count if self.series else min(self.dates, count)

    @property
    def guard(self) -> int:
        """Pixels around what is held out that training does not aim at."""
        return self.radius + self.grid.scale

    @property
    def count(self) -> int:
        """Patches of one pass over the scene: each part once in each of four rotations."""
        height, width = self.grid.shape
        return max(1, 4 * height * width // self.side**2)

    def windows(self) -> list[Tile]:
        """Return the scene in parts of whole chunks, each large enough for a patch."""
        least = self.side + 2 * (self.radius + self.aside) + 2 * self.grid.scale
        rows, columns = (_joined(sizes, least) for sizes in self.fine.chunks[-2:])
        return [Tile(*y, *x) for y in rows for x in columns]

    def pools(self, order: np.random.Generator | None) -> list[list[Tile]]:
        """Return the windows in pools that fit into memory, in a random order if one is given."""
        found = self.windows()
        if order is not None and len(found) > 1:
            found = [found[n] for n in order.permutation(len(found))]
        pools: list[list[Tile]] = []
        held = np.inf
        for tile in found:
            size = self._held * (tile.y1 - tile.y0) * (tile.x1 - tile.x0)
            if held + size > POOL:
                pools, held = [*pools, []], 0.0
            pools[-1].append(tile)
            held += size
        return [sorted(pool, key=lambda t: (t.y0, t.x0)) for pool in pools]

    @property
    def _held(self) -> float:
        """Bytes of a pixel of all images, and of what they are moved to."""
        dates, bands = self.fine.shape[:2]
        steps = 2 * (dates - 1) if self.series else dates * (dates - 1)
        return 4.0 * bands * (dates + (steps if self.aside else 0))

    def read(self, tiles: Sequence[Tile]) -> list[Window]:
        """Read parts of the scene, each chunk once; only whole cells are kept."""
        scale = self.grid.scale
        whole = [_on_cells(tile, scale) for tile in tiles]
        lazy = []
        for tile, inside in zip(tiles, whole, strict=True):
            cells = inside.cells(scale)
            lazy.append(
                (
                    self.fine[..., tile.y0 : tile.y1, tile.x0 : tile.x1],
                    self.coarse[..., cells.y0 : cells.y1, cells.x0 : cells.x1],
                )
            )
        found = []
        for tile, inside, (fine, coarse) in zip(tiles, whole, dask.compute(*lazy), strict=True):
            y, x = inside.y0 - tile.y0, inside.x0 - tile.x0
            height, width = inside.y1 - inside.y0, inside.x1 - inside.x0
            kept = fine[..., y : y + height, x : x + width]
            found.append(Window(inside, np.asarray(kept, np.float32), np.asarray(coarse)))
        return found

    def normaliser(self) -> Normaliser:
        """Return what normalises the images, from pixels of some parts of the scene."""
        return normaliser(*self.sample())

    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels of some parts of the scene, and their changes, (band, pixel) each."""
        rng = np.random.default_rng([self.seed, 2])
        fine, changes = [], []
        for window in self.read(self.pools(rng)[0]):
            step = max(1, int(np.sqrt(window.fine[0, 0].size / SAMPLED)))
            values = window.fine[..., ::step, ::step].reshape(*window.fine.shape[:2], -1)
            fine.append(values.swapaxes(0, 1).reshape(values.shape[1], -1))
            apart = np.diff(values, axis=0)
            changes.append(apart.swapaxes(0, 1).reshape(values.shape[1], -1))
        return np.concatenate(fine, 1), np.concatenate(changes, 1)

    def judged(self) -> Crops | None:
        """Return the patches that are held out; None where the scene is too small for any."""
        count = self.fine.shape[0]
        many = self.many
        pairs = [range(i, i + many) for i in range(count - many + 1)]
        places = [(t, p) for t in self.out for p in pairs]
        if len(places) > JUDGED:
            at = np.linspace(0, len(places) - 1, JUDGED).round().astype(int)
            places = [places[n] for n in at]
        areas = [tile.grow(self.radius) for tile, _ in places]
        windows = self.read([self._around(area.grow(self.aside)) for area in areas])
        found = [
            self._crop(window, dates, area)
            for window, area, (_, dates) in zip(windows, areas, places, strict=True)
        ]
        return stacked([(*images, np.float32(1)) for images in found]) if found else None

    def _around(self, area: Tile) -> Tile:
        """Return whole cells of the scene around an area, with those that upsampling reads."""
        scale, (height, width) = self.grid.scale, self.grid.shape
        y0, x0 = (max(0, (v // scale - AROUND) * scale) for v in (area.y0, area.x0))
        y1 = min(height, (-(-area.y1 // scale) + AROUND) * scale)
        x1 = min(width, (-(-area.x1 // scale) + AROUND) * scale)
        return Tile(y0, y1, x0, x1)

    def epoch(self, number: int, pool: Reader) -> Iterator[Crops]:
        """Yield the patches of one pass over the scene, one at a time, in a random order.

        Parameters
        ----------
        number
            Of the pass; it and the seed alone decide what is drawn.
        pool
            Reads ahead.
        """
        rng = np.random.default_rng([self.seed, 3, number])
        pools = self.pools(rng)
        for n, tiles in enumerate(pools):
            then = pools[n + 1] if n + 1 < len(pools) else None
            windows = pool.take(self, tiles, then, len(pools) == 1)
            area = sum(w.fine[0, 0].size for w in windows)
            share = self.count * area / np.prod(self.grid.shape)
            sizes = np.array([w.fine[0, 0].size for w in windows]) / area
            for which in rng.choice(len(windows), max(1, round(share)), p=sizes):
                drawn = self._drawn(windows[which], rng)
                if drawn is not None:
                    yield drawn

    def _drawn(self, window: Window, rng: np.random.Generator) -> Crops | None:
        """Return a patch at a random place, of random dates, turned; None if none is found."""
        count = len(window.fine)
        dates = sorted(rng.choice(count, self.many, replace=False).tolist())
        turns, flip, between = int(rng.integers(4)), bool(rng.integers(2)), float(rng.uniform())
        gap, mixed = int(rng.integers(1, count)), self.mix and bool(self.series or rng.integers(2))
        place = self._place(window, dates, rng)
        if place is None:
            return None
        images = self._crop(window, dates, place.grow(self.radius))
        if mixed and self.series:
            images = with_mixture(*images, gap, np.float32(between))
        fine, coarse = (_turned(image[None], turns, flip) for image in images)
        share = between if mixed and not self.series else 1
        return Crops(fine, coarse, np.array([share], np.float32))

    def _crop(
        self, window: Window, dates: Sequence[int], area: Tile
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the images of these dates, and, where so asked, what their steps lead to."""
        fine, coarse = window.crop(dates, area, self.grid.scale, self.how, common=not self.series)
        if self.share is None:
            return fine, coarse
        steps = list(pairwise(dates))
        steps += [(later, sooner) for sooner, later in reversed(steps)]
        leads = [window.moved(s, self.grid.scale, self.how, self.share) for s in steps]
        local = within(area, window.tile)
        return fine, np.concatenate([coarse, [cut(lead, local, 0) for lead in leads]])

    def _place(self, window: Window, dates: list[int], rng: np.random.Generator) -> Tile | None:
        """Return a random place for a patch: off what is held out, and not under clouds."""
        tile, side = window.tile, self.side
        starts: list[np.ndarray] = []
        for low, high, end in zip(
            (tile.y0, tile.x0), (tile.y1, tile.x1), self.grid.shape, strict=True
        ):
            rim = self.radius + self.aside
            first = low if low == 0 else low + rim
            last = (high if high == end else high - rim) - side
            steps = rng.integers(0, max(0, last - first) // self.unit + 1, TRIES)
            starts.append(first + steps * self.unit)
        for n in np.flatnonzero(clear(self.out, self.guard, starts[0], starts[1], side)):
            y, x = (int(start[n]) for start in starts)
            at = slice(y - tile.y0, y - tile.y0 + side), slice(x - tile.x0, x - tile.x0 + side)
            missing = np.isnan(window.fine[(dates, slice(None), *at)])
            if (missing if self.series else missing.any(axis=0)).mean() <= 1 - VALID:
                return Tile(y, y + side, x, x + side)
        return None


def stacked(found: Sequence[tuple[Any, ...]]) -> Crops:
    """Return patches one after the other in one array each."""
    return Crops(*(np.stack(values) for values in zip(*found, strict=True)))


def _turned(image: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    image = np.rot90(image, turns, axes=(-2, -1))
    return np.ascontiguousarray(image[..., ::-1] if flip else image)


def _joined(sizes: Sequence[int], least: int) -> list[tuple[int, int]]:
    """Return the ends of parts of an axis, each of whole chunks and not below a size."""
    ends = [0]
    total = 0
    for size in sizes:
        total += size
        if total - ends[-1] >= least:
            ends.append(total)
    if ends[-1] != total:  # what is left goes to the last part
        ends = [*ends[:-1], total] if len(ends) > 1 else [0, total]
    return list(zip(ends[:-1], ends[1:], strict=True))


def _on_cells(tile: Tile, scale: int) -> Tile:
    """Return the whole cells inside a rectangle."""
    y0, x0 = -(-tile.y0 // scale) * scale, -(-tile.x0 // scale) * scale
    return Tile(y0, tile.y1 // scale * scale, x0, tile.x1 // scale * scale)
