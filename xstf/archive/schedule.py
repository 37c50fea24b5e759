"""Blocks on threads or on a cluster: a bounded number under way, failures kept for the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Protocol

from xstf.archive.failures import HOPELESS
from xstf.archive.prepared import pickled
from xstf.archive.work import Done, Job, Work, do

LASTING = (ValueError, TypeError)  # what the data or the method say stays so
AHEAD = 2  # blocks under way for each thread
LOOK = 2.0  # seconds between two looks at how many threads a cluster has
GONE = "the cluster is gone, or has cancelled the blocks; what is done is kept: resume=True goes on"


class Backend(Protocol):
    """Where blocks run."""

    def room(self) -> int:
        """Return how many blocks may be under way."""

    def submit(self, work: Work) -> Any:
        """Return the future of a block."""

    def finished(self) -> Iterable[Any]:
        """Wait for futures that are finished."""

    def stop(self) -> None:
        """Begin no block any more, and wait for those that run, where they can be waited for."""


class Threads:
    """Threads of this process."""

    def __init__(self, job: Job, workers: int | None) -> None:
        self._job, self._workers = job, workers or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers, "stf")
        self._running: set[Future[Any]] = set()

    def room(self) -> int:
        """Return how many blocks may be under way."""
        return AHEAD * self._workers

    def submit(self, work: Work) -> Any:
        """Return the future of a block."""
        future = self._pool.submit(do, self._job, work)
        self._running.add(future)
        return future

    def finished(self) -> Iterable[Any]:
        """Wait for futures that are finished."""
        done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        return done

    def stop(self) -> None:
        """Begin no block any more, and wait for those that run."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """Workers of a dask cluster."""

    def __init__(self, job: Job, client: Any) -> None:
        from distributed import as_completed

        self._client, self._job = client, pickled(job)
        self._finished = as_completed()
        self._name, self._count = f"stf-{job.method.label}-{job.tag}", 0
        self._held: set[Any] = set()
        self._room, self._asked = 0, 0.0

    def room(self) -> int:
        """Return how many blocks may be under way: workers come and go."""
        if time.monotonic() - self._asked > LOOK:
            try:
                threads = sum(self._client.nthreads().values())
            except OSError as error:
                raise ConnectionError(GONE) from error
            self._room, self._asked = max(4, AHEAD * threads), time.monotonic()
        return self._room

    def submit(self, work: Work) -> Any:
        """Return the future of a block."""
        self._count += 1
        key = f"{self._name}-{self._count}"
        future = self._client.submit(do, self._job, work, key=key, pure=False)
        self._held.add(future)
        self._finished.add(future)
        return future

    def finished(self) -> Iterable[Any]:
        """Wait for futures that are finished."""
        first = next(self._finished)
        rest = [] if self._finished.is_empty() else self._finished.next_batch(block=False)
        done = [first, *rest]
        self._held.difference_update(done)
        return done

    def stop(self) -> None:
        """Begin no block any more; those that run end by themselves and write what they would."""
        if self._client.status == "running":
            with suppress(OSError):
                self._client.cancel(list(self._held))


def run(
    backend: Backend,
    works: Iterable[Work],
    finish: Callable[[Work, Done], None],
    fail: Callable[[Work, BaseException], None],
    retries: int,
) -> None:
    """Run blocks until all are finished or have failed.

    Parameters
    ----------
    backend
        Where.
    works
        The blocks, taken one at a time as there is room.
    finish
        Told of each block that is on disk.
    fail
        Told of each block that has failed for the last time.
    retries
        How often a block is tried again.

    Raises
    ------
    OSError
        If nothing can be written any more.
    ConnectionError
        If the cluster is gone.
    """
    running: dict[Any, tuple[Work, int]] = {}
    try:
        for future in _as_finished(backend, iter(works), running):
            work, tried = running.pop(future)
            try:
                done = future.result()
            except (CancelledError, KeyboardInterrupt):
                raise
            except Exception as error:
                if getattr(error, "errno", None) in HOPELESS:
                    raise
                if tried < retries and _may_pass(error):
                    running[backend.submit(work)] = work, tried + 1
                else:
                    fail(work, error)
            else:
                finish(work, done)
    except CancelledError as error:
        raise ConnectionError(GONE) from error
    finally:
        backend.stop()
        _take(running, finish)


def _as_finished(
    backend: Backend, works: Iterator[Work], running: dict[Any, tuple[Work, int]]
) -> Iterator[Any]:
    """Yield finished futures, while new blocks fill the room that they leave."""
    while True:
        for _ in range(backend.room() - len(running)):
            work = next(works, None)
            if work is None:
                break
            running[backend.submit(work)] = work, 0
        if not running:
            return
        yield from backend.finished()


def _take(running: dict[Any, tuple[Work, int]], finish: Callable[..., None]) -> None:
    """Mark what had been under way when the run was stopped, and is on disk now."""
    for future, (work, _) in running.items():
        if future.done() and not future.cancelled() and not future.exception():
            finish(work, future.result())


def _may_pass(error: BaseException) -> bool:
    return not isinstance(error, LASTING) and type(error).__name__ != "KilledWorker"
