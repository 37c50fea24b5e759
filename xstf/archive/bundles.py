"""Quick blocks go together in one task: what a worker does with them, and how many there are."""

from __future__ import annotations

import pickle
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xstf.archive.failures import HOPELESS

SLICE = 0.3  # seconds that the blocks of one task take together, so that a kill costs no more
TOGETHER = 32  # blocks of one task at most: beyond, a task of dask weighs next to nothing


@dataclass(frozen=True)
class Told:
    """What came of the first blocks of a task, of all of them if there was time."""

    results: tuple[Any, ...]  # what `do` returned, or why it failed
    seconds: float = 0.0  # that one block took, where it is known


@dataclass(frozen=True)
class Asked:
    """A block, and how often it has failed."""

    work: Any
    tried: int = 0


def in_turn(do: Callable[..., Any], job: Any, works: Sequence[Any]) -> Told:
    """Do blocks one after the other, until they are done or their time is up.

    Parameters
    ----------
    do
        Does one block; called with the job and the block.
    job
        What all blocks share.
    works
        The blocks, of which the first one is done in any case.
    """
    results: list[Any] = []
    start = time.perf_counter()
    for work in works:
        try:
            results.append(do(job, work))
        except Exception as error:
            results.append(portable(error))
            if hopeless(error):
                break
        if time.perf_counter() - start >= SLICE:
            break
    return Told(tuple(results), (time.perf_counter() - start) / len(results))


def hopeless(error: BaseException) -> bool:
    """Say whether no other block could be written either."""
    return getattr(error, "errno", None) in HOPELESS


def portable(error: Exception) -> Exception:
    """Return an error as it can travel, and be kept: its traceback, which holds images, as a note.

    Examples
    --------
    >>> class Odd(ValueError):
    ...     pass
    >>> portable(Odd("a class that no other process finds"))
    RuntimeError('Odd: a class that no other process finds')
    """
    said = "".join(traceback.format_exception(error)).rstrip()
    try:
        found = pickle.loads(pickle.dumps(error))
    except Exception:
        found = RuntimeError(f"{type(error).__name__}: {error}")
    found.__cause__ = found.__context__ = found.__traceback__ = None  # some processes pickle them
    found.add_note(said)
    return found


class Bundles:
    """Blocks in the order in which they are handed out, as many together as take a short time.

    Parameters
    ----------
    works
        The blocks, taken as they are needed.
    most
        How many may go together.
    """

    def __init__(self, works: Iterable[Any], most: int) -> None:
        self._works, self._most, self._size = iter(works), most, 1
        self._left: deque[Asked] = deque()
        self._alone: deque[Asked] = deque()

    def next(self) -> list[Asked]:
        """Return the next blocks that go together, none where all are handed out."""
        if self._alone:
            return [self._alone.popleft()]
        taken = [self._left.popleft() for _ in range(min(self._size, len(self._left)))]
        return taken + [Asked(w) for w in islice(self._works, self._size - len(taken))]

    def learn(self, seconds: float) -> None:
        """Fit how many go together to what a block took last: a worker stops in time anyway."""
        if seconds > 0:
            self._size = int(min(max(SLICE / seconds, 1), self._most))

    def leave(self, asked: Iterable[Asked]) -> None:
        """Take back blocks whose time was up before their turn came."""
        self._left.extend(asked)

    def single_out(self, asked: Iterable[Asked]) -> None:
        """Take back blocks that are tried again, each alone."""
        self._alone.extend(asked)
