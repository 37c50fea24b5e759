"""A method on blocks: the only place that builds a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask._task_spec import Dict as TaskDict
from dask._task_spec import List as TaskList
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xstf.blocks import FILLED, assemble, gather, pick, run_block
from xstf.grid import Grid, Tile
from xstf.method import Method, Prepared
from xstf.pairing import Group, text_of
from xstf.rereading import read_again
from xstf.statistics import announce_empty, combine, squares

MEMORY = 512e6  # bytes that the dates of one block may take; more dates share one search
HELD = 256e6  # bytes of fine images that may be held between the two passes over a scene
WORK = 6  # arrays as large as a date's output that a block holds beside it


@dataclass(frozen=True)
class Feed:
    """What blocks are cut from: the arrays of a scene, on dask, and their geometry."""

    fine: da.Array  # (time, band, y, x)
    coarse: da.Array  # (time, band, y_coarse, x_coarse)
    planes: Mapping[str, da.Array]  # (1, 1, y, x)
    grid: Grid
    times: np.ndarray
    valid_range: tuple[float, float] | None

    @property
    def arrays(self) -> list[da.Array]:
        """All arrays that tasks read."""
        return [self.fine, self.coarse, *self.planes.values()]


def fuse(
    method: Method,
    feed: Feed,
    groups: Sequence[Group],
    blocksize: int,
    device: str = "cpu",
    layers: tuple[str, ...] = ("fused",),
    observed: Sequence[int] | None = None,
) -> dict[str, da.Array]:
    """Return layers of the method as lazy arrays (time, band, y, x) in the order of time.

    Parameters
    ----------
    method
        What to run.
    feed
        Its inputs.
    groups
        The wanted dates, grouped by the pairs that serve them.
    blocksize
        Side of a tile in fine pixels.
    device
        Where blocks run.
    layers
        Which of the method's layers.
    observed
        Positions of dates whose own fine image is kept where it has pixels; the layer ``filled``
        then says which pixels are predicted. None: every date is predicted.
    """
    for_dates = sorted(t for g in groups for t in g.targets)
    token = tokenize(
        method,
        *(a.name for a in feed.arrays),
        feed.grid,
        feed.times,
        feed.valid_range,
        [(g.pairs, g.targets) for g in groups],
        blocksize,
        device,
        layers,
        observed,
    )
    made = layers if observed is None else (*layers, FILLED)
    names = {layer: f"stf-{method.label}-{layer}-{token}" for layer in made}
    feed = replace(feed, planes={n: a for n, a in feed.planes.items() if n in method.takes})
    tasks: dict[Any, Any] = {}
    first = _first_reading(feed, groups, token, tasks)
    for group in groups:
        name = f"stf-prepare-{token}-{group.targets[0]}"
        scene = _Whole(feed, group, blocksize, name, tasks, first)
        checked = scene.checked
        prepared = method.prepare(scene)
        for dates in _batches(method, feed, group, blocksize):
            part = _Part(method, feed, group, dates, prepared, device, checked)
            part.layers, part.observed = layers, observed
            for i, j, tile in feed.grid.tiles(blocksize):
                key = (f"stf-block-{token}-{group.targets[dates[0]]}", i, j)
                tasks[key] = part.task(key, tile)
                for layer, (n, date) in product(made, enumerate(dates)):
                    at = for_dates.index(group.targets[date])
                    out = (names[layer], at, 0, i, j)
                    tasks[out] = Task(out, pick, TaskRef(key), layer, slice(n, n + 1))
    dependencies: list[Any] = feed.arrays
    rows, columns = feed.grid.cut(blocksize)
    chunks = ((1,) * len(for_dates), (feed.fine.shape[1],), rows, columns)
    return {
        layer: da.Array(
            HighLevelGraph.from_collections(name, MaterializedLayer(tasks), dependencies),
            name,
            chunks,
            dtype=np.float32,
        )
        for layer, name in names.items()
    }


def _first_reading(feed: Feed, groups: Sequence[Group], token: str, tasks: dict[Any, Any]) -> str:
    """Return the name under which the pass over the whole scene reads the fine images.

    That pass ends before the first block begins. If both read the same tasks, all that was read
    for the one would be held for the other; so large images are read apart.
    """
    pairs = {p for g in groups for p in g.pairs}
    if len(pairs) * np.prod(feed.fine.shape[1:]) * feed.fine.dtype.itemsize <= HELD:
        return feed.fine.name
    name, again = read_again(feed.fine, pairs, token)
    tasks.update(again)
    return name


def default_blocksize(grid: Grid, fine: da.Array) -> int:
    """Return the side of tiles: the chunks of the input where they suit, else by the scene's size.

    Small scenes are cut in four, so that several cores have work.
    """
    largest = max(max(c) for c in fine.chunks[-2:])
    if max(grid.shape) > largest and 128 <= largest <= 1024:
        return largest
    half = -(-max(grid.shape) // 2)
    return max(grid.unit, min(512, max(128, half)))


def _batches(method: Method, feed: Feed, group: Group, blocksize: int) -> Iterator[tuple[int, ...]]:
    """Yield the positions of the group's dates that one block predicts together."""
    side = min(blocksize, *feed.grid.shape) + 2 * feed.grid.round_up(method.halo(feed.grid.scale))
    one = 4 * feed.fine.shape[1] * side**2 * WORK
    size = int(max(1, min(32, MEMORY // one)))
    dates = range(len(group.targets))
    for start in range(0, len(dates), size):
        yield tuple(dates[start : start + size])


class _Source:
    """An input array as tasks see it: which chunks hold a window, and where."""

    def __init__(self, array: da.Array, name: str = "") -> None:
        self.name = name or array.name
        self.shape = array.shape
        self.dtype = array.dtype
        self.bounds = [np.concatenate([[0], np.cumsum(c)]) for c in array.chunks]

    def window(self, dates: Sequence[int], tile: Tile) -> Task:
        """Return the task fragment that gathers the window of these dates, NaN off the scene."""
        bands, height, width = self.shape[1], tile.y1 - tile.y0, tile.x1 - tile.x0
        places, chunks = [], []
        along_y = list(self._overlaps(2, tile.y0, tile.y1))
        along_x = list(self._overlaps(3, tile.x0, tile.x1))
        along_band = list(self._overlaps(1, 0, bands))
        for n, date in enumerate(dates):
            ((t, t_from, _),) = self._overlaps(0, date, date + 1)
            for (b, b_from, b_to), (i, y_from, y_to), (j, x_from, x_to) in product(
                along_band, along_y, along_x
            ):
                places.append(((n, b_to, y_to, x_to), (t_from.start, b_from, y_from, x_from)))
                chunks.append(TaskRef((self.name, t, b, i, j)))
        shape = (len(dates), bands, height, width)
        return Task(None, gather, shape, self.dtype, places, TaskList(*chunks))

    def _overlaps(self, axis: int, start: int, stop: int) -> Iterator[tuple[int, slice, slice]]:
        """Yield (chunk, where in the chunk, where in the window) along one axis."""
        bounds = self.bounds[axis]
        first = int(np.searchsorted(bounds, max(start, 0), side="right")) - 1
        for n in range(max(first, 0), len(bounds) - 1):
            low, high = int(max(bounds[n], start)), int(min(bounds[n + 1], stop))
            if bounds[n] >= stop:
                return
            if low < high:
                origin = int(bounds[n])
                yield n, slice(low - origin, high - origin), slice(low - start, high - start)


class _Whole:
    """The lazy whole-scene verbs of one pair group (`xstf.method.Whole`)."""

    def __init__(
        self,
        feed: Feed,
        group: Group,
        blocksize: int,
        name: str,
        tasks: dict[Any, Any],
        reading: str,
    ) -> None:
        self._feed, self._group, self._blocksize = feed, group, blocksize
        self._name, self._tasks, self._reading = name, tasks, reading
        self.shape, self.scale, self.unit = feed.grid.shape, feed.grid.scale, feed.grid.unit
        self.pairs, self.dates = len(group.pairs), len(group.targets)
        self.bands = feed.fine.shape[1]
        self.valid_range = feed.valid_range
        self.has = frozenset(feed.planes)

    def each(self, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        part = _Part(None, self._feed, self._group, (), Prepared(), "cpu", None, self._reading)
        base = self._key(function)
        key: tuple[Any, ...]
        tiles: list[list[TaskRef]] = []
        for i, j, tile in self._feed.grid.tiles(self._blocksize):
            key = (*base, i, j)
            self._tasks[key] = part.task(key, tile, function, arguments)
            if j == 0:
                tiles.append([])
            tiles[-1].append(TaskRef(key))
        key = (*base, "whole")
        self._tasks[key] = Task(key, assemble, TaskList(*(TaskList(*row) for row in tiles)))
        return TaskRef(key)

    def once(self, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        key = (*self._key(function), "once")
        self._tasks[key] = Task(key, function, *arguments)
        return TaskRef(key)

    def alone(self, pair: int) -> _Whole:
        only = Group((self._group.pairs[pair],), self._group.targets)
        rest = self._feed, only, self._blocksize, f"{self._name}-{pair}", self._tasks, self._reading
        return _Whole(*rest)

    def coarse(self, pair: int) -> TaskRef:
        return self._image(self._group.pairs[pair])

    def target(self, date: int) -> TaskRef:
        return self._image(self._group.targets[date])

    @cached_property
    def statistics(self) -> TaskRef:
        coarse = TaskList(*(self.coarse(p) for p in range(len(self._group.pairs))))
        days = self._days(self._group.pairs)
        return self.once(combine, self.each(squares, self.unit), coarse, days, self.valid_range)

    @cached_property
    def checked(self) -> Task:
        """What every block waits for: a pair that holds something, and word of empty targets."""
        targets = TaskList(*(self.target(d) for d in range(self.dates)))
        told = self.once(announce_empty, targets, self._days(self._group.targets))
        return TaskList(self.statistics, told)

    def _days(self, dates: Sequence[int]) -> list[str]:
        return [text_of(self._feed.times[d]) for d in dates]

    def _image(self, date: int) -> TaskRef:
        key = (self._name, "coarse", date)
        if key not in self._tasks:
            rows, columns = self._feed.grid.cells
            window = _Source(self._feed.coarse).window([date], Tile(0, rows, 0, columns))
            self._tasks[key] = Task(key, pick, window, 0)
        return TaskRef(key)

    def _key(self, function: Callable[..., Any]) -> tuple[str, str, int]:
        named = getattr(function, "__name__", type(function).__name__)
        return self._name, named, len(self._tasks)


class _Part:
    """Some dates of a pair group: makes the task of each of their blocks."""

    def __init__(
        self,
        method: Method | None,
        feed: Feed,
        group: Group,
        dates: tuple[int, ...],
        prepared: Prepared,
        device: str,
        checked: Any,
        reading: str = "",
    ) -> None:
        self.method, self.feed, self.group, self.device = method, feed, group, device
        self.layers: tuple[str, ...] = ()
        self.observed: Sequence[int] | None = None
        self.checked = checked
        self.targets = [group.targets[d] for d in dates]
        self.halo = feed.grid.round_up(method.halo(feed.grid.scale)) if method else 0
        self.reach = method.reach if method else 0
        self.fine, self.coarse = _Source(feed.fine, reading), _Source(feed.coarse)
        self.planes = {name: _Source(a) for name, a in feed.planes.items()}
        self.margin = prepared.margin
        self.numbers = prepared.numbers
        self.dated = TaskList(*(prepared.dated[d] for d in dates)) if prepared.dated else ()
        self.made = TaskDict(
            {n: TaskList(*(values[d] for d in dates)) for n, values in prepared.planes.items()}
        )

    def task(
        self, key: Any, tile: Tile, function: Callable[..., Any] | None = None, arguments: Any = ()
    ) -> Task:
        """Return the task that gathers one block and calls the method or a `function` on it."""
        wide = tile.grow(self.halo)
        cells = wide.cells(self.feed.grid.scale, self.reach)
        times = self.feed.times
        known = {
            "times": times[list(self.group.pairs)],
            "target_times": times[self.targets],
            "place": (wide.y0, wide.x0),
            "halo": self.halo,
            "scale": self.feed.grid.scale,
            "valid_range": self.feed.valid_range,
            "device": self.device,
            "layers": self.layers,
        }
        return Task(
            key,
            run_block,
            self.method.block if self.method else function,
            known,
            TaskDict(
                {
                    "fine": self.fine.window(self.group.pairs, wide),
                    "coarse": self.coarse.window(self.group.pairs, cells),
                    "target": self.coarse.window(self.targets, cells),
                    "planes": TaskDict({n: s.window([0], wide) for n, s in self.planes.items()}),
                    "made": self.made,
                    "numbers": self.numbers,
                    "dated": self.dated,
                }
            ),
            (wide.cells(self.feed.grid.scale, self.margin), self.margin),
            self._own(tile),
            self.checked,
            TaskList(*arguments),
        )

    def _own(self, tile: Tile) -> TaskDict | None:
        """Return the fine images that are kept where they have pixels, by place among the dates."""
        if self.observed is None:
            return None
        kept = {n: t for n, t in enumerate(self.targets) if t in self.observed}
        return TaskDict({n: self.fine.window([t], tile) for n, t in kept.items()})


def as_dask(data: Any) -> da.Array:
    """Return the data as a dask array; numpy arrays become one chunk a date."""
    if dask.config.get("array.query-planning", False):
        raise RuntimeError(
            "dask's array query planning is on, which xarray does not work with; turn it off: "
            "dask.config.set({'array.query-planning': False})"
        )
    if isinstance(data, da.Array):
        return data
    chunks = (1, *data.shape[1:]) if data.ndim == 4 else data.shape
    return da.from_array(data, chunks=chunks)
