"""How much memory a worker has, and what of it a block may take."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = 350e6  # bytes of Python, its libraries and compiled methods in one process
BUFFERS = 32e6  # bytes that a thread's allocator, readers and writers keep beside its block
SHARE = 0.8  # of the memory that may be used; dask pauses workers that hold more
CGROUPS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@dataclass(frozen=True)
class Room:
    """The memory of one worker, and who shares it."""

    limit: float  # bytes
    threads: int
    base: float = BASE  # bytes that are taken before the first block
    named: bool = False  # whether the user set the limit

    @property
    def of_block(self) -> float:
        """Bytes that one block may take."""
        return max(0.0, (self.limit - self.base) / self.threads - BUFFERS)

    def taken(self, peak: float) -> float:
        """Return the bytes that a worker takes whose threads all have a block.

        Parameters
        ----------
        peak
            Bytes of a block.
        """
        return self.base + self.threads * (peak + BUFFERS)

    def lacks(self, label: str, side: int, dates: int, peak: float, worker: float) -> str:
        """Return in words what the smallest block would take.

        Parameters
        ----------
        label
            Of the method.
        side, dates, peak
            The block: fine pixels, dates, and bytes.
        worker
            Bytes of a worker.
        """
        limit = text_of_bytes(self.limit)
        what = f"memory_limit={limit!r}" if self.named else f"a worker's memory of {limit}"
        cure = f'memory_limit="{int(-(-worker // 1e6))}MB"' if self.named else "workers more memory"
        whole = "1 date" if dates == 1 else f"{dates} dates"
        threads = "1 thread" if self.threads == 1 else f"each of {self.threads} threads"
        return (
            f"{what} is too little for {label}: a block of {side} x {side} pixels and {whole} "
            f"takes {text_of_bytes(peak)} on {threads}, and the worker {text_of_bytes(worker)} "
            f"with Python, its libraries and the pass over the whole scene; give {cure}, fewer "
            "threads, or where they are given a smaller blocksize or dates_per_block"
        )


def text_of_bytes(count: float) -> str:
    """Return a number of bytes as text.

    Parameters
    ----------
    count
        How many.

    Examples
    --------
    >>> text_of_bytes(5.2e7), text_of_bytes(1.25e9), text_of_bytes(3.1e12)
    ('52 MB', '1.2 GB', '3.1 TB')
    """
    for size, unit in ((1e12, "TB"), (1e9, "GB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{max(1, round(count / 1e6)) if count else 0} MB"


def parse_limit(memory_limit: Any) -> float | None:
    """Return a limit in bytes: a number, or text such as ``"1GB"``.

    Parameters
    ----------
    memory_limit
        What was given; None stays None.
    """
    if memory_limit is None:
        return None
    from dask.utils import parse_bytes

    try:
        found = float(parse_bytes(memory_limit))
    except (ValueError, TypeError, AttributeError):
        found = 0.0
    if found <= 0 or isinstance(memory_limit, bool):
        raise ValueError(
            f"memory_limit={memory_limit!r} is no amount of memory; give bytes of one worker, or "
            'text such as "1GB"'
        )
    return found


def room_of(memory_limit: Any, client: Any = None, workers: int | None = None) -> Room:
    """Return the memory that a worker has.

    Parameters
    ----------
    memory_limit
        Of a worker, as `parse_limit` takes it. None: what there is.
    client
        Whose workers run the blocks. None: threads of this process.
    workers
        How many threads these are; None: all cores.
    """
    limit = parse_limit(memory_limit)
    if client is not None:
        return _of_cluster(limit, client)
    threads = workers or os.cpu_count() or 1
    held = _held()
    if limit is not None:
        return Room(limit, threads, max(BASE, held), True)
    return Room(SHARE * available() + held, threads, max(BASE, held))


def _of_cluster(limit: float | None, client: Any) -> Room:
    """Return the memory of the worker that has least for each thread."""
    found = client.scheduler_info(n_workers=-1)["workers"].values()
    rooms = []
    for worker in found:
        own = SHARE * worker["memory_limit"] if worker["memory_limit"] else None
        known = [size for size in (limit, own) if size is not None] or [SHARE * available()]
        held = worker.get("metrics", {}).get("memory", 0)
        rooms.append(Room(min(known), worker["nthreads"], max(BASE, held), limit is not None))
    if not rooms:
        return Room(limit or SHARE * available(), 1, named=limit is not None)
    return min(rooms, key=lambda room: room.of_block)


def available() -> float:
    """Return the bytes that this process could still take: free memory, or what its cgroup has."""
    import psutil

    free = float(psutil.virtual_memory().available)
    for path in CGROUPS:
        with suppress(OSError, ValueError):
            free = min(free, float(Path(path).read_text()) - _held())
    return max(0.0, free)


def _held() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss)
