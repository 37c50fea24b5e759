"""What a run has done, and what it was: the marks, the fingerprint, and one run at a time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from xstf.archive.prepared import HOME

DATES = 64  # dates of a chunk of marks
PAUSE = 0.2  # seconds between two writings of marks, so that quick blocks cost little
EMPTY, FULL = 1, 2  # a block that is done: nothing in it, or something


class Marks:
    """Which dates and tiles are on disk, (date, tile row, tile column).

    One process writes them, each after its block is on disk: a kill between the two costs that
    block again, and never leaves a mark without data.
    """

    def __init__(self, out: str) -> None:
        import zarr

        self._array = zarr.open_array(f"{out}/{HOME}/done", mode="r+")
        self.values: np.ndarray = np.asarray(self._array[...])
        self._changed: set[int] = set()
        self._written = 0.0

    @staticmethod
    def create(out: str, shape: tuple[int, int, int]) -> None:
        """Write the marks of a new output: nothing is done."""
        import zarr

        chunks = (DATES, *shape[1:])
        zarr.create_array(
            f"{out}/{HOME}/done", shape=shape, dtype="uint8", chunks=chunks, fill_value=0
        )

    def set(self, dates: Sequence[int], row: int, column: int, full: Sequence[bool]) -> None:
        """Mark dates of a tile as done, on disk at once or shortly after."""
        self.values[list(dates), row, column] = np.where(full, FULL, EMPTY)
        self._changed.update(d // DATES for d in dates)
        if time.monotonic() - self._written >= PAUSE:
            self.write()

    def put(self, values: np.ndarray) -> None:
        """Set all marks, on disk at once."""
        self.values[...] = values
        self._changed.update(range(-(-len(values) // DATES)))
        self.write()

    def write(self) -> None:
        """Bring all marks to disk."""
        for chunk in sorted(self._changed):
            part = slice(chunk * DATES, (chunk + 1) * DATES)
            self._array[part] = self.values[part]
        self._changed.clear()
        self._written = time.monotonic()

    @property
    def done(self) -> np.ndarray:
        """Which dates and tiles are done, bool."""
        return self.values > 0

    @property
    def full(self) -> np.ndarray:
        """How many tiles of each date hold something, (date,)."""
        return (self.values == FULL).sum(axis=(1, 2))


def share_done(out: str) -> np.ndarray | None:
    """Return how much of each date of an output is done, (date,) 0..1; None where nobody noted it.

    Parameters
    ----------
    out
        The output store.
    """
    import zarr

    try:
        marks = zarr.open_array(f"{out}/{HOME}/done", mode="r")
    except FileNotFoundError:
        return None
    return np.asarray((np.asarray(marks[...]) > 0).mean(axis=(1, 2)))


def write_fingerprint(out: str, fingerprint: Mapping[str, Any], tile: int) -> None:
    """Keep what a run was and the side of its tiles, with its output."""
    import zarr

    attrs: dict[str, Any] = {"fingerprint": dict(fingerprint), "tile": tile}
    zarr.open_group(f"{out}/{HOME}", mode="a").attrs.update(attrs)


def read_fingerprint(out: str | Path) -> dict[str, Any] | None:
    """Return what the run was that made an output, None where it was made otherwise."""
    import zarr

    try:
        found = zarr.open_group(f"{out}/{HOME}", mode="r").attrs.get("fingerprint")
    except FileNotFoundError:
        return None
    return found if isinstance(found, dict) else None


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
def alone(path: Path) -> Iterator[None]:
    """Keep other runs on this machine from writing to `path`, as long as the context lasts.

    The system gives the lock back when a process dies, however it dies.
    """
    try:
        import fcntl
    except ImportError:  # where there is none, two runs write the same blocks twice
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
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
    def __init__(self, path: Path) -> None:
        super().__init__(f"another run is writing {path}; wait for it, or give another path")
