"""Reading an array apart for one purpose, so that what was read is not held for another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import Alias, DataNode, GraphNode, convert_legacy_graph, cull
from dask.base import clone_key


def read_again(
    array: da.Array, dates: Iterable[int], seed: str
) -> tuple[str, dict[Any, GraphNode]]:
    """Return another name for the array's chunks, and the tasks that make them under it.

    Parameters
    ----------
    array
        (time, ...) on dask.
    dates
        Positions along time whose chunks are wanted; the others are not made.
    seed
        Equal seeds give equal names.

    Notes
    -----
    Data that lie in the graph itself, in memory or on a cluster, keep their names and are shared.
    (`dask.graph_manipulation.clone` leaves an alias of such data under its old name, on which the
    fusion of tasks then fails.)
    """
    ends = np.cumsum(array.chunks[0])
    wanted = {int(np.searchsorted(ends, date, side="right")) for date in dates}
    keys = [(array.name, n, *at) for n in sorted(wanted) for at in np.ndindex(*array.numblocks[1:])]
    graph = cull(convert_legacy_graph(dict(array.__dask_graph__())), keys)
    # data on a cluster are no node of the converted graph
    made = {k: node for k, node in graph.items() if not isinstance(node, DataNode)}
    names: dict[Any, Any] = {k: clone_key(k, seed) for k in (*made, *keys)}
    tasks: dict[Any, GraphNode] = {}
    for key, name in names.items():
        node = made.get(key)
        if node is None:
            tasks[name] = Alias(name, key)
        elif isinstance(node, Alias):
            tasks[name] = Alias(name, names.get(node.target, node.target))
        else:
            known = {d: names[d] for d in node.dependencies if d in names}
            tasks[name] = node.substitute(known, key=name)
    return clone_key(array.name, seed), tasks
