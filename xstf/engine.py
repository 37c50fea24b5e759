"""A method on blocks: the only place that builds a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Dict as TaskDict
from dask._task_spec import List as TaskList
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xstf.blocks import FILLED, pick
from xstf.gathering import Feed, block_task
from xstf.grid import Grid
from xstf.memory import Asked, batches
from xstf.method import Method, Prepared, Statistics
from xstf.pairing import Group
from xstf.portion import Portion
from xstf.rereading import read_again
from xstf.whole import LazyWhole

HELD = 256e6  # bytes of fine images that may be held between the two passes over a scene


def fuse(
    method: Method,
    feed: Feed,
    groups: Sequence[Group],
    blocksize: int,
    device: str = "cpu",
    layers: tuple[str, ...] = ("fused",),
    observed: Sequence[int] | None = None,
    aside: bool = False,
    needs: Mapping[str, float] | None = None,
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
    aside
        Whether these are no blocks of the result, so that `xstf.progress` does not count them.
    needs
        Resources that a worker must have to run a block.
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
    token = f"aside-{token}" if aside else token
    made = layers if observed is None else (*layers, FILLED)
    names = {layer: f"stf-{method.label}-{layer}-{token}" for layer in made}
    feed = feed.taken_by(method)
    tasks: dict[Any, Any] = {}
    run = method.light.block
    first = _first_reading(feed, groups, token, tasks)
    asked = Asked(method, feed, groups, len(layers), observed is not None, written=False)
    for group in groups:
        name = f"stf-prepare-{token}-{group.targets[0]}"
        scene = LazyWhole(feed, group, blocksize, name, tasks, first, f"stf-prepare-{token}")
        checked = scene.checked
        prepared = method.prepare(scene)
        served = group.pairs, group.targets
        whole = Portion(method, feed.sources(), *served, layers, observed, device)
        for dates in batches(asked, group, blocksize):
            part = _portion(whole, dates, prepared)
            for i, j, tile in feed.grid.tiles(blocksize):
                key = (f"stf-block-{token}-{group.targets[dates[0]]}", i, j)
                tasks[key] = block_task(part, key, tile, run, checked)
                for layer, (n, date) in product(made, enumerate(dates)):
                    at = for_dates.index(group.targets[date])
                    out = (names[layer], at, 0, i, j)
                    tasks[out] = Task(out, pick, TaskRef(key), layer, slice(n, n + 1))
    dependencies: list[Any] = feed.arrays
    annotations = None if needs is None else {"resources": partial(_needed, needs)}
    rows, columns = feed.grid.cut(blocksize)
    chunks = ((1,) * len(for_dates), (feed.fine.shape[1],), rows, columns)
    return {
        layer: da.Array(
            HighLevelGraph.from_collections(
                name, MaterializedLayer(tasks, annotations), dependencies
            ),
            name,
            chunks,
            dtype=np.float32,
        )
        for layer, name in names.items()
    }


def _needed(needs: Mapping[str, float], key: Any) -> Mapping[str, float]:
    """Return the resources that a task needs: blocks do, reading and taking apart does not."""
    return needs if isinstance(key, tuple) and str(key[0]).startswith("stf-block-") else {}


def prepare(
    method: Method,
    feed: Feed,
    group: Group,
    blocksize: int,
    keep: Callable[[str, int, np.ndarray], Any],
    known: Mapping[int, Statistics],
) -> tuple[Delayed, int]:
    """Return what a method prepares for a group, deferred, and the margin of its planes.

    Parameters
    ----------
    method, feed, blocksize
        As in `fuse`.
    group
        Dates that share their pairs.
    keep
        Called with the name, the date and the image of each plane, where it is made.
    known
        Statistics of images that were found for other groups, by date.

    Returns
    -------
    (Delayed, int)
        The delayed value is the numbers, what was found for each date, what `keep` returned, and
        the statistics of the pairs.
    """
    feed = feed.taken_by(method)
    place = feed.grid, feed.times, feed.valid_range
    served = group.pairs, group.targets, sorted(known)
    token = tokenize(method, *(a.name for a in feed.arrays), *place, *served, blocksize, keep)
    name = f"stf-prepare-{token}"
    tasks: dict[Any, Any] = {}
    scene = LazyWhole(feed, group, blocksize, name, tasks, feed.fine.name, name, known)
    made = method.prepare(scene)
    kept = []
    for plane, images in made.planes.items():
        # one image for all dates is kept as that of the first
        for date, image in zip(group.targets[: len(images)], images, strict=True):
            key = (name, "keep", plane, date)
            tasks[key] = Task(key, keep, plane, date, image)
            kept.append(TaskRef(key))
    end = f"{name}-end"
    dated = TaskList(*made.dated)
    tasks[end] = Task(end, _found, made.numbers, dated, TaskList(*kept), scene.checked)
    dependencies: list[Any] = feed.arrays
    graph = HighLevelGraph.from_collections(end, MaterializedLayer(tasks), dependencies)
    return Delayed(end, graph), made.margin


def _found(numbers: Any, dated: Any, kept: Any, checked: Any) -> tuple[Any, Any, Any, Any]:
    return numbers, dated, kept, checked[0]


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


def _portion(whole: Portion, dates: Sequence[int], prepared: Prepared) -> Portion:
    """Return the portion of a group that predicts some of its dates, with what was prepared."""
    made = {
        n: TaskList(*(values[d] for d in dates) if len(values) > 1 else values)
        for n, values in prepared.planes.items()
    }
    return replace(
        whole,
        targets=tuple(whole.targets[d] for d in dates),
        numbers=prepared.numbers,
        dated=TaskList(*(prepared.dated[d] for d in dates)) if prepared.dated else (),
        made=TaskDict(made),
        margin=prepared.margin,
    )
