"""What a run has done, and what it was: the marks, the fingerprint, and one run at a time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from xstf.archive.prepared import HOME
from xstf.places import place_of

DONE = f"{HOME}/done"  # the marks
DATES = 64  # dates of a chunk of marks
EMPTY, FULL = 1, 2  # a block that is done: nothing in it, or something


class Marks:
    """Which dates and tiles are on disk, (date, tile row, tile column).

    One process writes them, each after its block is on disk: a kill between the two costs that
    block again, and never leaves a mark without data.
    """

    def __init__(self, out: Any) -> None:
        self._place = place_of(out)
        self.values: np.ndarray = _read(self._place.array(DONE))
        self._changed: set[int] = set()
        self._blocks, self._written = 0, 0.0

    @staticmethod
    def create(out: Any, shape: tuple[int, int, int]) -> None:
        """Write the marks of a new output: nothing is done."""
        chunks = (DATES, *shape[1:])
        place_of(out).create_array(DONE, shape=shape, dtype="uint8", chunks=chunks, fill_value=0)

    def set(self, dates: Sequence[int], row: int, column: int, full: Sequence[bool]) -> None:
        """Mark dates of a tile as done, on disk at once or shortly after."""
        self.values[list(dates), row, column] = np.where(full, FULL, EMPTY)
        self._changed.update(d // DATES for d in dates)
        self._blocks += 1
        if self._place.due(self._blocks, time.monotonic() - self._written):
            self.write()

    def put(self, values: np.ndarray) -> None:
        """Set all marks, on disk at once."""
        self.values[...] = values
        self._changed.update(range(-(-len(values) // DATES)))
        self.write()

    def write(self) -> None:
        """Bring all marks to disk."""
        array: Any = self._place.array(DONE, "r+") if self._changed else None
        for chunk in sorted(self._changed):
            part = slice(chunk * DATES, (chunk + 1) * DATES)
            array[part] = self.values[part]
        self._place.keep()
        self._changed.clear()
        self._blocks, self._written = 0, time.monotonic()

    @property
    def done(self) -> np.ndarray:
        """Which dates and tiles are done, bool."""
        return self.values > 0

    @property
    def full(self) -> np.ndarray:
        """How many tiles of each date hold something, (date,)."""
        return (self.values == FULL).sum(axis=(1, 2))


def _read(array: Any) -> np.ndarray:
    """Return all marks; those that were cut short while they were written count as not set."""
    try:
        return np.asarray(array[...])
    except (ValueError, RuntimeError):
        found = np.zeros(array.shape, array.dtype)
        for start in range(0, len(found), DATES):
            with suppress(ValueError, RuntimeError):
                found[start : start + DATES] = array[start : start + DATES]
        return found


def share_done(out: Any) -> np.ndarray | None:
    """Return how much of each date of an output is done, (date,) 0..1; None where nobody noted it.

    Parameters
    ----------
    out
        The output store.
    """
    try:
        marks = place_of(out).array(DONE)
    except FileNotFoundError:
        return None
    return np.asarray((_read(marks) > 0).mean(axis=(1, 2)))


def write_fingerprint(out: Any, fingerprint: Mapping[str, Any]) -> None:
    """Keep what a run is with its output, which has begun with that."""
    place_of(out).group(HOME, "a").attrs.update({"fingerprint": dict(fingerprint)})


def read_fingerprint(out: Any) -> dict[str, Any] | None:
    """Return what the run was that made an output, None where it was made otherwise."""
    found = _home(out).get("fingerprint")
    return found if isinstance(found, dict) else None


def is_beginning(out: Any) -> bool:
    """Return whether an output is what a run has left that was stopped before its first block."""
    home = _home(out)
    return "tile" in home and "fingerprint" not in home


def _home(out: Any) -> dict[str, Any]:
    """Return what a run has noted of itself in its output, nothing where it has not."""
    try:
        return dict(place_of(out).group(HOME).attrs)
    except FileNotFoundError:
        return {}


def short(fingerprint: Mapping[str, Any]) -> str:
    """Return a fingerprint as a short text."""
    text = json.dumps(fingerprint, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def listed(words: Sequence[str]) -> str:
    """Return the first few words as text, and how many more there are."""
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between two runs."""
    found = []
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _within(name, before, after)
        else:
            found.append(f"{name}: {before!r} then, {after!r} now")
    return found


def _within(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    keys = [k for k in dict.fromkeys((*before, *after)) if before.get(k) != after.get(k)]
    if not name.endswith("images"):
        return [f"{name} {k}: {before.get(k)!r} then, {after.get(k)!r} now" for k in keys]
    changed = [k for k in keys if k in before and k in after]
    found = [f"the {name} of {listed(changed)} have changed"] if changed else []
    for here, there, word in ((before, after, "no longer"), (after, before, "only now")):
        alone = [k for k in keys if k in here and k not in there]
        found += [f"the {name} of {listed(alone)} serve {word}"] if alone else []
    return found


@contextmanager
def alone(out: Any) -> Iterator[None]:
    """Keep other runs on this machine from writing to `out`, as long as the context lasts.

    The system gives the lock back when a process dies, however it dies. Runs on other machines
    are not kept away, and at addresses none: two runs of one output, begun at once, may each
    delete what the other begins; two that resume it write the same blocks twice.
    """
    place = place_of(out)
    path, lock = place.name, place.lock
    try:
        import fcntl
    except ImportError:
        lock = None
    if lock is None:
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _Busy(path) from error
        if not (lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat())):
            raise _Busy(path)  # the run before has just ended, and yet another has begun
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


class _Busy(FileExistsError):
    def __init__(self, path: str) -> None:
        super().__init__(f"another run is writing {path}; wait for it, or give another path")
