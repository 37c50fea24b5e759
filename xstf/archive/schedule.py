"""Blocks on threads or on a cluster: a bounded number under way, failures kept for the end."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Protocol

from xstf.archive.bundles import TOGETHER, Asked, Bundles, Told, hopeless, in_turn
from xstf.archive.prepared import pickled
from xstf.archive.work import Done, Job, Work, do
from xstf.cluster import resources

log = logging.getLogger(__name__)
LASTING = (ValueError, TypeError)  # what the data or the method say stays so
AHEAD = 2  # tasks under way for each thread
LOOK = 2.0  # seconds between two looks at how many threads a cluster has
GONE = (
    "the cluster is gone, or has cancelled the blocks; what is done is kept: resume=True goes on, "
    "or append=True where an output was being extended"
)


class Backend(Protocol):
    """Where blocks run."""

    together: int  # blocks that may share a task

    def room(self) -> int:
        """Return how many tasks may be under way."""

    def submit(self, works: Sequence[Work]) -> Any:
        """Return the future of some blocks, done `in_turn`."""

    def finished(self) -> Iterable[Any]:
        """Wait for futures that are finished."""

    def stop(self) -> None:
        """Begin no task any more, and wait for those that run, where they can be waited for."""


class Threads:
    """Threads of this process."""

    together = 1  # a task costs next to nothing

    def __init__(self, job: Job, workers: int | None) -> None:
        self._job, self._workers = job, workers or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers, "stf")
        self._running: set[Future[Any]] = set()

    def room(self) -> int:
        """Return how many tasks may be under way."""
        return AHEAD * self._workers

    def submit(self, works: Sequence[Work]) -> Any:
        """Return the future of some blocks."""
        future = self._pool.submit(in_turn, do, self._job, works)
        self._running.add(future)
        return future

    def finished(self) -> Iterable[Any]:
        """Wait for futures that are finished."""
        done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        return done

    def stop(self) -> None:
        """Begin no task any more, and wait for those that run."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """Workers of a dask cluster."""

    together = TOGETHER

    def __init__(self, job: Job, client: Any) -> None:
        from distributed import as_completed

        self._client, self._job = client, pickled(job)
        self._needs = resources(client, job.device)
        self._finished = as_completed(loop=client.loop)
        self._name, self._count = f"stf-{job.method.label}-{job.tag}", 0
        self._held: set[Any] = set()
        self._room, self._asked = 0, 0.0

    def room(self) -> int:
        """Return how many tasks may be under way: workers come and go."""
        if time.monotonic() - self._asked > LOOK:
            try:
                threads = sum(self._client.nthreads().values())
            except OSError as error:
                raise ConnectionError(GONE) from error
            self._room, self._asked = max(4, AHEAD * threads), time.monotonic()
        return self._room

    def submit(self, works: Sequence[Work]) -> Any:
        """Return the future of some blocks."""
        self._count += 1
        key = f"{self._name}-{self._count}"
        future = self._client.submit(
            in_turn, do, self._job, works, key=key, pure=False, resources=self._needs
        )
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
        """Begin no task any more; those that run end by themselves and write what they would."""
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
    bundles = Bundles(works, backend.together)
    running: dict[Any, list[Asked]] = {}
    try:
        for future in _as_finished(backend, bundles, running):
            asked = running.pop(future)
            try:
                told = future.result()
            except (CancelledError, KeyboardInterrupt):
                raise
            except Exception as error:
                if len(asked) > 1:  # one of them took the others along
                    bundles.single_out(asked)
                    continue
                told = Told((error,))
            bundles.learn(told.seconds)
            bundles.leave(asked[len(told.results) :])
            bundles.single_out(_settle(asked, told, finish, fail, retries))
    except CancelledError as error:
        raise ConnectionError(GONE) from error
    finally:
        backend.stop()
        _take(running, finish)


def _as_finished(
    backend: Backend, bundles: Bundles, running: dict[Any, list[Asked]]
) -> Iterator[Any]:
    """Yield finished futures, while new blocks fill the room that they leave."""
    while True:
        for _ in range(backend.room() - len(running)):
            asked = bundles.next()
            if not asked:
                break
            running[backend.submit([one.work for one in asked])] = asked
        if not running:
            return
        yield from backend.finished()


def _settle(
    asked: list[Asked],
    told: Told,
    finish: Callable[[Work, Done], None],
    fail: Callable[[Work, BaseException], None],
    retries: int,
) -> Iterator[Asked]:
    """Pass on what came of some blocks, and yield those that are worth another try."""
    for one, result in zip(asked, told.results, strict=False):
        if not isinstance(result, BaseException):
            finish(one.work, result)
        elif hopeless(result):
            raise result
        elif one.tried < retries and _may_pass(result):
            log.warning("%s is tried again: %r", one.work, result)
            yield Asked(one.work, one.tried + 1)
        else:
            fail(one.work, result)


def _take(running: dict[Any, list[Asked]], finish: Callable[..., None]) -> None:
    """Mark what had been under way when the run was stopped, and is on disk now."""
    for future, asked in running.items():
        if future.done() and not future.cancelled() and not future.exception():
            for one, result in zip(asked, future.result().results, strict=False):
                if not isinstance(result, BaseException):
                    finish(one.work, result)


def _may_pass(error: BaseException) -> bool:
    return not isinstance(error, LASTING) and type(error).__name__ != "KilledWorker"
