"""How far a computation is: finished output blocks, on a terminal or in a log."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from dask.callbacks import Callback

_OUTPUT = re.compile(r"stf-.+-fused-[0-9a-f]{32}")  # see the names that xstf.engine.fuse gives
QUICK = 2.0  # seconds; a log hears nothing of a job that takes less
PAUSE = 0.2  # seconds between two looks of the bar
_BAR = 24  # characters


@contextmanager
def progress(total: int, what: str, file: TextIO | None = None) -> Iterator[None]:
    """Show how many output blocks are finished while dask computes on this machine.

    On a terminal one line is rewritten and wiped at the end. Elsewhere a line is written at each
    10 %, not more than one a second, and none if all is over within two seconds.

    Parameters
    ----------
    total
        Output blocks to come, over all computations inside the context.
    what
        What is computed, one word or two.
    file
        Where to write; None: standard error.

    Examples
    --------
    >>> import io, xstf
    >>> from xstf.progress import progress
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=3)
    >>> fused, log = xstf.fuse(scene, "add"), io.StringIO()
    >>> with progress(fused.data.npartitions, "add", log):
    ...     values = fused.compute()
    """
    with meter_of(total, what, file or True) as meter, _Blocks(meter):
        yield


@contextmanager
def meter_of(total: int, what: str, to: Any = True, unit: str = "blocks") -> Iterator[Meter]:
    """Give something that is told of finished output blocks, and shows them.

    Parameters
    ----------
    total, what
        As in `progress`.
    to
        A file; True: standard error; False or None: nowhere; a function: called with how many
        blocks are done, how many there are, and seconds.
    unit
        What is counted.
    """
    file: Any = sys.stderr if to is True else to
    if not to:
        meter = Meter(total, what, sys.stderr)
    elif callable(to):
        meter = _Told(total, what, to)
    elif file.isatty() and os.environ.get("TERM") != "dumb":
        meter = _Bar(total, what, file)
    else:
        meter = _Log(total, what, file)
    meter.unit = unit
    try:
        meter.begin()
        yield meter
    finally:
        meter.end()


def blocks_of(task: Any) -> list[Any]:
    """Return the keys of the output blocks that a dask task makes, whatever it is fused with.

    Parameters
    ----------
    task
        A node of an optimised dask graph.
    """
    key = getattr(task, "key", None)
    if not getattr(task, "func", None):
        return []  # an alias or a piece of data makes nothing
    if _is_output(key):
        return [key]
    inside = next((a for a in getattr(task, "args", ()) if isinstance(a, Mapping)), {})
    return [k for k in inside if _is_output(k)]


def _is_output(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) == 5 and bool(_OUTPUT.fullmatch(str(key[0])))


class Meter:
    """Which output blocks are done; what is shown of it is up to `show`."""

    unit = "blocks"

    def __init__(self, total: int, what: str, file: TextIO) -> None:
        self.total, self.what, self.file = max(1, total), what, file
        self.finished: set[Any] = set()
        self.start = time.monotonic()

    @property
    def done(self) -> int:
        """Blocks that are finished."""
        return min(len(self.finished), self.total)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.start

    @property
    def left(self) -> str:
        """About how long the rest takes."""
        return _duration(self.seconds * (self.total - self.done) / self.done)

    def add(self, keys: list[Any]) -> None:
        """Count output blocks, each once."""
        before = self.done
        self.finished.update(keys)
        if self.done > before:
            self.show()

    def note(self, text: str) -> None:
        """Say something that is worth a line of its own."""

    def begin(self) -> None:
        """Begin to show."""

    def show(self) -> None:
        """Show how far it is."""

    def end(self) -> None:
        """Show nothing any more."""


class _Told(Meter):
    """A function that is called."""

    def __init__(self, total: int, what: str, tell: Callable[[int, int, float], Any]) -> None:
        super().__init__(total, what, sys.stderr)
        self.tell = tell

    def show(self) -> None:
        self.tell(self.done, self.total, self.seconds)


class _Bar(Meter):
    """One line of a terminal, rewritten."""

    shown = -PAUSE

    def begin(self) -> None:
        self._write()

    def show(self) -> None:
        if self.seconds - self.shown >= PAUSE:
            self._write()

    def end(self) -> None:
        self.file.write("\r" + " " * (self._width() - 1) + "\r")
        self.file.flush()

    def note(self, text: str) -> None:
        """Leave a line above the bar."""
        self.end()
        self.file.write(f"{text}\n")
        self._write()

    def _write(self) -> None:
        self.shown = self.seconds
        full = _BAR * self.done // self.total
        text = (
            f"{self.what} [{'#' * full}{'.' * (_BAR - full)}] {self.done}/{self.total} {self.unit}"
        )
        if self.done:
            text += f", {_duration(self.seconds)}, about {self.left} left"
        width = self._width() - 1
        self.file.write("\r" + text[:width].ljust(width))
        self.file.flush()

    def _width(self) -> int:
        return shutil.get_terminal_size().columns


class _Log(Meter):
    """Lines of a log, one at each 10 %, at least a second apart."""

    tenths = 0
    next = QUICK

    def show(self) -> None:
        tenths = 10 * self.done // self.total
        if tenths > self.tenths and self.seconds >= self.next:
            self.tenths, self.next = tenths, self.seconds + 1
            text = f"{self.what}: {10 * tenths} %, {self.done} of {self.total} {self.unit}"
            left = f", about {self.left} left" if self.done < self.total else ""
            self.file.write(f"{text}, {_duration(self.seconds)}{left}\n")
            self.file.flush()

    def note(self, text: str) -> None:
        """Write a line, however quick the job is."""
        self.file.write(f"{text}\n")
        self.file.flush()


class _Blocks(Callback):
    """Tells a meter of every finished task that holds output blocks."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self.meter = meter

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        keys = blocks_of(dsk.get(key))
        if keys:
            self.meter.add(keys)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
