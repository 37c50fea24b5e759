"""The whole scene as `Method.prepare` sees it: verbs that add tasks to a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from dask._task_spec import DataNode, Task, TaskRef
from dask._task_spec import Dict as TaskDict
from dask._task_spec import List as TaskList

from xstf.blocks import assemble, pick
from xstf.dates import text_of
from xstf.gathering import Feed, TaskSource, block_task
from xstf.grid import Tile
from xstf.method import Statistics
from xstf.pairing import Group
from xstf.portion import Portion
from xstf.statistics import announce_empty, combine, is_empty, squares, together


class LazyWhole:
    """The lazy whole-scene verbs of one pair group (`xstf.method.Whole`)."""

    def __init__(
        self,
        feed: Feed,
        group: Group,
        blocksize: int,
        name: str,
        tasks: dict[Any, Any],
        reading: str,
        shared: str,
        known: Mapping[int, Statistics] | None = None,
    ) -> None:
        """Begin the graph of a pair group.

        Parameters
        ----------
        feed, group, blocksize
            What is looked at.
        name
            Of the tasks of this group.
        tasks
            Where they are put.
        reading
            Name under which the fine images are read.
        shared
            Of tasks that concern one image, whatever the group.
        known
            Statistics of images by date, where they have been found before.
        """
        self._feed, self._group, self._blocksize = feed, group, blocksize
        self._shared, self._known = shared, known or {}
        self._name, self._tasks, self._reading = name, tasks, reading
        self.shape, self.scale, self.unit = feed.grid.shape, feed.grid.scale, feed.grid.unit
        self.pairs, self.dates = len(group.pairs), len(group.targets)
        self.times, self.target_times = (
            feed.times[list(dates)] for dates in (group.pairs, group.targets)
        )
        self.bands = feed.fine.shape[1]
        self.valid_range = feed.valid_range
        self.has = frozenset(feed.planes)

    def each(self, function: Callable[..., Any], *arguments: Any, halo: int = 0) -> TaskRef:
        """Call a function on every tile."""
        sources = self._feed.sources(self._reading)
        part = Portion(None, sources, self._group.pairs, (), made=TaskDict({}), around=halo)
        base = self._key(function)
        key: tuple[Any, ...]
        tiles: list[list[TaskRef]] = []
        for i, j, tile in self._feed.grid.tiles(self._blocksize):
            key = (*base, i, j)
            self._tasks[key] = block_task(part, key, tile, function, None, arguments)
            if j == 0:
                tiles.append([])
            tiles[-1].append(TaskRef(key))
        key = (*base, "whole")
        self._tasks[key] = Task(key, assemble, TaskList(*(TaskList(*row) for row in tiles)))
        return TaskRef(key)

    def once(self, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        """Call a function once."""
        key = (*self._key(function), "once")
        self._tasks[key] = Task(key, function, *arguments)
        return TaskRef(key)

    def constant(self, value: Any, token: str) -> TaskRef:
        """Return a value that travels once under its token."""
        key = f"stf-constant-{token}"
        self._tasks[key] = DataNode(key, value)
        return TaskRef(key)

    def alone(self, pair: int) -> LazyWhole:
        """Return the scene as if this were its only pair."""
        only = Group((self._group.pairs[pair],), self._group.targets)
        return self._of(only, f"{self._name}-{pair}")

    def _of(self, group: Group, name: str) -> LazyWhole:
        rest = self._tasks, self._reading, self._shared, self._known
        return LazyWhole(self._feed, group, self._blocksize, name, *rest)

    def coarse(self, pair: int) -> TaskRef:
        """Return the coarse image of a pair."""
        return self._image(self._group.pairs[pair])

    def target(self, date: int) -> TaskRef:
        """Return the coarse image of a wanted date."""
        return self._image(self._group.targets[date])

    @cached_property
    def statistics(self) -> TaskRef:
        """Statistics of the pairs, of each image once, however many groups it serves."""
        return self.once(together, TaskList(*(self._statistics(d) for d in self._group.pairs)))

    def _statistics(self, date: int) -> TaskRef:
        key = (self._shared, "statistics", date)
        if date in self._known:
            self._tasks[key] = DataNode(key, self._known[date])
        elif key not in self._tasks:
            alone = self._of(Group((date,), ()), f"{self._shared}-image-{date}")
            coarse, days = TaskList(alone.coarse(0)), self._days([date])
            made = alone.each(squares, self.unit)
            self._tasks[key] = Task(key, combine, made, coarse, days, self.valid_range)
        return TaskRef(key)

    @cached_property
    def checked(self) -> Task:
        """What every block waits for: a pair that holds something, and word of empty targets."""
        # one at a time: years of coarse images are not held together
        empty = TaskList(*(self.once(is_empty, self.target(d)) for d in range(self.dates)))
        told = self.once(announce_empty, empty, self._days(self._group.targets))
        return TaskList(self.statistics, told)

    def _days(self, dates: Sequence[int]) -> list[str]:
        return [text_of(self._feed.times[d]) for d in dates]

    def _image(self, date: int) -> TaskRef:
        key = (self._shared, "coarse", date)
        if key not in self._tasks:
            rows, columns = self._feed.grid.cells
            window = TaskSource(self._feed.coarse).window([date], Tile(0, rows, 0, columns))
            self._tasks[key] = Task(key, pick, window, 0)
        return TaskRef(key)

    def _key(self, function: Callable[..., Any]) -> tuple[str, str, int]:
        named = getattr(function, "__name__", type(function).__name__)
        return self._name, named, len(self._tasks)
