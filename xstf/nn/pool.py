"""Parts of a scene in memory while patches are drawn from them, the next ones read ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from xstf.grid import Tile
from xstf.nn.patches import Crops, Source, Window, stacked


class Pool:
    """Parts of a scene in memory, and the next ones on their way, read by a thread."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "stf-patches")
        self._next: tuple[list[Tile], Future[list[Window]]] | None = None
        self._kept: list[Window] = []

    def take(
        self, source: Source, tiles: list[Tile], then: list[Tile] | None, alone: bool
    ) -> list[Window]:
        """Return parts of the scene, and begin to read those that come next.

        Parameters
        ----------
        source
            Reads them.
        tiles, then
            The parts, and the next ones.
        alone
            Whether these are all that there are, so that they stay for the next pass.
        """
        if self._kept:
            return self._kept
        waiting, self._next = self._next, None
        if waiting is not None and waiting[0] == tiles:
            windows = waiting[1].result()
        else:
            windows = source.read(tiles)
        if then is not None:
            self._next = then, self._threads.submit(source.read, then)
        elif alone:
            self._kept = windows
        return windows

    def close(self) -> None:
        """Stop reading."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def batches(crops: Iterator[Crops], size: int) -> Iterator[Crops]:
    """Yield patches so many at a time; the last batch may be smaller."""
    held: list[tuple[Any, ...]] = []
    for crop in crops:
        held.append((crop.fine[0], crop.coarse[0], crop.share[0]))
        if len(held) == size:
            yield stacked(held)
            held = []
    if held:
        yield stacked(held)
