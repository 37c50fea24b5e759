"""The arrays of a scene as tasks see them, and the task that gathers a block and runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask._task_spec import Dict as TaskDict
from dask._task_spec import List as TaskList
from dask._task_spec import Task, TaskRef

from xstf.blocks import gather, run_block
from xstf.grid import Grid, Tile
from xstf.method import Method
from xstf.portion import Portion, Sources


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

    def sources(self, reading: str = "") -> Sources:
        """Return the arrays as tasks see them, the fine one read under another name if given."""
        return Sources(
            TaskSource(self.fine, reading),
            TaskSource(self.coarse),
            {name: TaskSource(a) for name, a in self.planes.items()},
            self.grid,
            self.times,
            self.valid_range,
        )

    def taken_by(self, method: Method) -> Feed:
        """Return the feed with those planes only that the method takes."""
        return replace(self, planes={n: a for n, a in self.planes.items() if n in method.takes})


class TaskSource:
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


def block_task(
    portion: Portion,
    key: Any,
    tile: Tile,
    run: Callable[..., Any],
    waited: Any = None,
    arguments: Sequence[Any] = (),
) -> Task:
    """Return the task that gathers one block and calls a method's block or a function on it."""
    found, own = portion.read(tile), portion.own(tile)
    found["planes"] = TaskDict(found["planes"])
    return Task(
        key,
        run_block,
        run,
        portion.told(tile),
        TaskDict(found),
        portion.where(tile),
        own if own is None else TaskDict(own),
        waited,
        TaskList(*arguments),
    )


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
