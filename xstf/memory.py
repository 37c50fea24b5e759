"""What a run will hold in memory, projected before it runs, and how it is cut to fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xstf.gathering import Feed
from xstf.grid import Grid
from xstf.limits import Room
from xstf.method import Method
from xstf.pairing import Group
from xstf.planning import Plan
from xstf.sizes import VALUE, BlockSize

MEMORY = 512e6  # bytes that a block may take where nobody sets a limit
MOST = 32  # dates of a block: more share nothing that is worth their memory
DECODED = 10  # chunks that zarr decodes at a time
PACKED = 18  # bytes of a value while it is packed into whole numbers
SMALLEST = 32  # side of the smallest tiles that are tried
MARGIN = 8  # cells by which the planes that methods prepare may reach past a block


@dataclass(frozen=True)
class Need:
    """Bytes that one block holds from the first pixel that it reads to the last that it writes."""

    given: float  # the windows of its images
    reading: float  # beside them, while the last ones are decoded
    working: float  # beside them, while the method runs
    result: float
    writing: float  # beside the result

    @property
    def peak(self) -> float:
        """The most that it holds at any time."""
        return max(self.given + max(self.reading, self.working), self.result + self.writing)


@dataclass(frozen=True)
class Asked:
    """What is predicted, as far as memory depends on it."""

    method: Method
    feed: Feed
    groups: Sequence[Group]
    layers: int = 1  # of the method
    filled: bool = False  # observed pixels are kept
    spread: bool = False  # both sides are predicted too
    packed: bool = False  # what is written is whole numbers
    written: bool = True  # from store to store; else blocks are given images, and handed on

    @classmethod
    def of(cls, plan: Plan, feed: Feed, packed: bool = False) -> Asked:
        """Return what a run from store to store was asked for.

        Parameters
        ----------
        plan, feed
            The run.
        packed
            Whether whole numbers are written.
        """
        some = len(plan.layers), plan.observed is not None, plan.sides is not None
        return cls(plan.method, feed, plan.groups, *some, packed)

    @property
    def grid(self) -> Grid:
        """The fine grid."""
        return self.feed.grid

    @property
    def bands(self) -> int:
        """How many there are."""
        return int(self.feed.fine.shape[1])

    @property
    def longest(self) -> int:
        """How many dates share their pairs at most."""
        return max(len(g.targets) for g in self.groups)

    def size(self, side: int, dates: int) -> BlockSize:
        """Return the size of the largest block: a tile of about `side` pixels, so many dates."""
        rows, columns = self.grid.cut(side)
        return BlockSize(
            max(rows),
            max(columns),
            max(len(g.pairs) for g in self.groups),
            self.bands,
            dates,
            self.grid.scale,
            self.grid.round_up(self.method.halo(self.grid.scale)),
            self.method.reach,
            self.layers,
        )

    def need(self, side: int, dates: int) -> Need:
        """Return what a block of this cut holds."""
        size = self.size(side, dates)
        image, wide = VALUE * size.bands * size.inner, VALUE * size.bands * size.wide
        prepared = size.near(MARGIN * size.scale + size.halo) / size.scale**2
        given = size.pairs * wide + VALUE * size.bands * (
            (size.pairs + dates) * size.cells + dates * prepared
        )
        given += VALUE * size.wide * len(self.feed.taken_by(self.method).planes)
        layer = dates * image
        result = (size.layers + self.filled + self.spread) * layer
        working = self.method.memory(size)
        if self.filled:  # the observed images, and the layers put together anew
            working = max(working, (2 * size.layers + 5) * layer) + layer
        if self.spread:  # one after the other, while the first result waits
            working += (size.layers + self.filled + 1) * layer
        reading = size.pairs * wide + self._decoded(size)
        writing = 3 * image + (PACKED * layer / VALUE if self.packed else 0)
        if not self.written:
            reading = writing = 0.0
        return Need(given, reading, working, result, writing)

    def _decoded(self, size: BlockSize) -> float:
        """Return the bytes of the chunks that are decoded at a time, as far as a block has them."""
        chunks = self.feed.fine.chunks
        touched = 1
        for lengths, extent in zip(
            chunks[2:], (size.rows + 2 * size.halo, size.columns + 2 * size.halo), strict=True
        ):
            touched *= min(len(lengths), extent // max(lengths) + 2)
        touched *= size.pairs * len(chunks[1])
        return VALUE * float(np.prod([max(c) for c in chunks])) * min(DECODED, touched)

    def passing(self, side: int, threads: int) -> float:
        """Return the bytes that a process holds while a method looks at the whole scene.

        Each thread has a tile of all pairs, the chunks it lies in, and a copy; beside them are
        coarse images and what cells say, in double precision.
        """
        size = self.size(side, 1)
        rows, columns = (
            max(lengths) + min(max(chunks), extent)
            for lengths, chunks, extent in zip(
                self.grid.cut(side), self.feed.fine.chunks[2:], self.grid.shape, strict=True
            )
        )
        tile = VALUE * self.bands * size.pairs * (2 * size.inner + rows * columns / 4)
        cells = float(np.prod(self.grid.cells))
        images = 2 * VALUE * cells * self.bands * (size.pairs + 2 * threads + 2)
        return self.method.memory_aside(int(cells), size.pairs) + threads * tile + images

    def worker(self, room: Room, side: int, dates: int) -> float:
        """Return the bytes that a worker takes at most, whatever it does."""
        passing = room.taken(0) + self.passing(side, room.threads)
        return max(passing, room.taken(self.need(side, dates).peak))

    @property
    def passed(self) -> float:
        """Bytes that are read beside the blocks' fine windows: once by `prepare`, and the cells."""
        fine = sum(len(g.pairs) for g in self.groups) * float(np.prod(self.grid.shape))
        cells = sum(len(g.pairs) + 2 * len(g.targets) for g in self.groups)
        return VALUE * self.bands * (fine + cells * float(np.prod(self.grid.cells)))

    def dates_within(self, side: int, room: float) -> int:
        """Return how many dates of a tile fit, 0 where not even one does."""
        for dates in range(min(MOST, self.longest), 0, -1):
            if self.need(side, dates).peak <= room:
                return dates
        return 0


def batches(
    asked: Asked, group: Group, side: int, room: float = MEMORY
) -> Iterator[tuple[int, ...]]:
    """Yield the positions of a group's dates that one block predicts together.

    Parameters
    ----------
    asked
        What is predicted.
    group
        Dates that share their pairs.
    side
        Of a tile, in fine pixels.
    room
        Bytes for one block; a single date may take more.
    """
    alone = replace(asked, groups=[group])
    yield from cut_dates(len(group.targets), max(1, alone.dates_within(side, room)))


def cut_dates(dates: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield the positions of `dates` dates, `most` at a time."""
    for start in range(0, dates, most):
        yield tuple(range(start, min(start + most, dates)))


def cut_to_fit(
    asked: Asked, room: Room, side: int, fixed: bool, most: int | None
) -> tuple[int, int]:
    """Return the side of tiles and the dates of a block that fit the memory there is.

    Parameters
    ----------
    asked
        What is predicted.
    room
        The memory of a worker.
    side
        Of tiles, in fine pixels: the one to use, or the largest.
    fixed
        Whether tiles have that side, and no other.
    most
        Dates of a block, None: as many as fit.

    Returns
    -------
    (int, int)
        Of all cuts that fit the limit that was set, the one that reads least; where none was set,
        the largest tiles.

    Raises
    ------
    ValueError
        If nothing fits a limit that was set. Where none was, it is a warning, and the smallest
        block is taken.
    """
    most = most and min(most, asked.longest)
    space = room.of_block if room.named else min(room.of_block, MEMORY)
    sides = [side] if fixed else list(_sides(asked.grid, side))
    cuts = [(one, most or asked.dates_within(one, space)) for one in sides]
    fitting = [cut for cut in cuts if cut[1] and asked.worker(room, *cut) <= room.limit]
    if fitting:
        return min(fitting, key=lambda cut: decoded(asked, *cut)) if room.named else fitting[0]
    least = min(((one, most or 1) for one in sides), key=lambda cut: asked.worker(room, *cut))
    told = room.lacks(
        asked.method.label, *least, asked.need(*least).peak, asked.worker(room, *least)
    )
    if room.named:
        raise ValueError(told)
    if asked.worker(room, *least) > room.limit:
        warnings.warn(told, UserWarning, stacklevel=2)
    return least


def _sides(grid: Grid, side: int) -> Iterator[int]:
    """Yield the side, half of it, and so on."""
    while True:
        yield side
        half = grid.side(side // 2)
        if half == side or half < SMALLEST:
            return
        side = half


def decoded(asked: Asked, side: int, dates: int) -> float:
    """Return how many bytes of fine images all blocks decode, each time that they do.

    Parameters
    ----------
    asked
        What is predicted.
    side, dates
        Of a block.
    """
    read = np.prod([read for _, read in along_axes(asked.feed, asked.method, side)])
    length = max(asked.feed.fine.chunks[0])
    times = sum(-(-len(g.targets) // dates) * len(g.pairs) for g in asked.groups)
    return VALUE * asked.bands * float(read) * times * length


def along_axes(feed: Feed, method: Method | None, side: int) -> list[tuple[int, int]]:
    """Return how many rows, and how many columns, all tiles need and decode.

    Parameters
    ----------
    feed
        The images, in the chunks that are decoded whole.
    method
        Says how far a block reaches; None: not beyond its tile.
    side
        Of tiles.
    """
    halo = method.halo(feed.grid.scale) if method else 0
    found = []
    for lengths, chunks, extent in zip(
        feed.grid.cut(side), feed.fine.chunks[2:], feed.grid.shape, strict=True
    ):
        edges = np.concatenate([[0], np.cumsum(chunks)])
        stops = np.cumsum(lengths)
        lows = np.maximum(stops - lengths - halo, 0)
        highs = np.minimum(stops + halo, extent)
        first = edges[np.searchsorted(edges, lows, side="right") - 1]
        last = edges[np.searchsorted(edges, highs, side="left")]
        found.append((int((highs - lows).sum()), int((last - first).sum())))
    return found
