"""A run from its first check to its last block."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import feed_of, tile_side
from xstf.archive import output
from xstf.archive.checking import choose
from xstf.archive.failures import BlocksFailed, said
from xstf.archive.identity import identity
from xstf.archive.manifest import Marks, alone, short
from xstf.archive.prepared import prepare
from xstf.archive.schedule import Backend, Cluster, Threads
from xstf.archive.schedule import run as run_blocks
from xstf.archive.stored import Names, decoded_shares, stored_images
from xstf.archive.work import Job, Work
from xstf.engine import batches
from xstf.gathering import Feed
from xstf.packing import Packing
from xstf.pairing import Group, text_of
from xstf.planning import Plan
from xstf.progress import meter_of
from xstf.store import move, refuse_other_content, scratch, warn_missing

MUCH = 4  # times what a block needs: to decode more than this is worth a warning
HARDLY = 1e9  # bytes that may be decoded in vain before anybody is told


@dataclass(frozen=True)
class Run:
    """What is run, and where."""

    source: str
    kinds: tuple[str, str]  # names of the fine and the coarse images in the source
    asked: Plan
    packing: Packing
    client: Any
    workers: int | None
    tag: str  # tells this run from others

    def fuse(
        self,
        out: Path,
        blocksize: Any,
        most: Any,
        resume: bool,
        overwrite: bool,
        retries: int,
        progress: Any,
    ) -> None:
        """Make or take up the output, compute what is not done, and give it its name."""
        feed, layers = feed_of(self.asked.parts), output.layers_of(self.asked)
        side = tile_side(blocksize, feed)
        if overwrite:
            refuse_other_content(out, layers)
        out.parent.mkdir(parents=True, exist_ok=True)
        with alone(out):
            fingerprint = identity(self.asked, self.packing, **self._how)
            target, going_on = choose(out, resume, overwrite, fingerprint)
            if going_on:
                side = _same_side(output.side_of(target), side if blocksize else None, feed)
                output.sweep(target)
            else:
                self._begin(target, layers, feed, side, fingerprint)
            job = self._job(target, layers)
            self._warn_of_chunks(job, side)
            marks = Marks(str(target))
            works = list_works(self.asked, feed, side, most, marks.done)
            self._blocks(job, works, marks, retries, progress, target != out)
            if target != out:
                move(target, out)
        warn_missing(marks.full, layers["time"].values, "fused")

    @property
    def _how(self) -> dict[str, Any]:
        """How the passes over the whole scene are computed."""
        if self.client is not None:
            return {"scheduler": self.client}
        return {"scheduler": "threads"} | ({"num_workers": self.workers} if self.workers else {})

    def _begin(
        self, target: Path, layers: xr.Dataset, feed: Feed, side: int, fingerprint: dict[str, Any]
    ) -> None:
        """Write an output without pixels, and what the method finds of the whole scene."""
        asked = self.asked
        rows, columns = (len(lengths) for lengths in feed.grid.cut(side))
        attrs = {"inputs": os.path.abspath(self.source), "fingerprint": short(fingerprint)}
        with scratch(target) as temporary:
            sizes = side, rows, columns
            output.create(temporary, layers, sizes, self.packing, fingerprint, attrs)
            for name, groups in self._groups.items():
                prepare(asked.method, feed, groups, side, str(temporary), name, **self._how)
            temporary.rename(target)

    @property
    def _groups(self) -> dict[str, tuple[Group, ...]]:
        asked = self.asked
        found = {"fused": asked.groups}
        if asked.sides:
            found |= {"before": asked.sides[0], "after": asked.sides[1]}
        return {name: tuple(groups) for name, groups in found.items()}

    def _job(self, target: Path, layers: xr.Dataset) -> Job:
        asked, grid = self.asked, self.asked.parts.grid
        cell = grid.scale if asked.scene.grid.scale == 1 else 1
        names = Names.of(self.source, *self.kinds)
        return Job(
            str(target),
            self.tag,
            asked.method.light,
            stored_images(self.source, self.tag, names, asked.scene.ds, grid.cells, cell),
            grid,
            asked.parts.times,
            asked.parts.valid_range,
            asked.layers,
            None if asked.observed is None else tuple(asked.observed),
            output.packings(layers, self.packing),
            tuple(asked.targets),
            self._groups,
        )

    def _blocks(
        self, job: Job, works: Iterator[Work], marks: Marks, retries: int, progress: Any, new: bool
    ) -> None:
        """Run the blocks, mark those that are on disk, and raise at the end if some failed."""
        failures: list[tuple[str, BaseException]] = []
        count = 0
        missing = int((~marks.done).sum())
        place = {t: n for n, t in enumerate(job.targets)}

        def finish(work: Work, full: list[bool]) -> None:
            nonlocal count
            count += 1
            marks.set([place[d] for d in work.dates], work.row, work.column, full)
            meter.add([(d, work.row, work.column) for d in work.dates])

        def fail(work: Work, error: BaseException) -> None:
            failures.append((self._where(work), error))
            meter.note(f"failed: {failures[-1][0]}: {said(error)}")

        with meter_of(missing, job.method.label, progress) as meter:
            if self.client is not None and missing:
                meter.note(f"dashboard: {self.client.dashboard_link}")
            try:
                run_blocks(self._backend(job), works, finish, fail, retries)
            finally:
                marks.write()
        if failures:
            how = "resume=True, overwrite=True" if new else "resume=True"
            raise BlocksFailed(failures, count + len(failures), how)

    def _backend(self, job: Job) -> Backend:
        return Threads(job, self.workers) if self.client is None else Cluster(job, self.client)

    def _where(self, work: Work) -> str:
        days = [text_of(self.asked.scene.times[d]) for d in work.dates]
        tile = work.tile
        span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        return f"rows {tile.y0}-{tile.y1 - 1}, columns {tile.x0}-{tile.x1 - 1}, {span}"

    def _warn_of_chunks(self, job: Job, side: int) -> None:
        fine, grid = job.images["fine"], self.asked.parts.grid
        share, chunks = decoded_shares(fine, job.method, grid.scale, side)
        pairs = sum(len(group.pairs) for group in job.groups["fused"])
        needed = 4.0 * pairs * len(fine.bands) * np.prod(grid.shape)
        if share > MUCH and (share - 1) * needed > HARDLY:
            warnings.warn(
                f"each block decodes {share:.0f} times the fine pixels that it needs: the scene "
                f"lies in chunks of {' x '.join(map(str, chunks))} (time, band, y, x) and tiles "
                f"are {side} wide; write it anew in chunks of one date and about a tile: xstf.save("
                f"xstf.open_scene({self.source!r}).chunk(time=1, y={side}, x={side}), ...), or "
                "give a larger blocksize",
                UserWarning,
                stacklevel=4,
            )


def list_works(
    asked: Plan, feed: Feed, side: int, most: int | None, done: np.ndarray
) -> Iterator[Work]:
    """Yield the blocks that are not done: a tile, and dates that share their pairs.

    Parameters
    ----------
    asked, feed
        The run.
    side
        Of tiles, in fine pixels.
    most
        Dates of a block, None: by memory.
    done
        (date, tile row, tile column) bool.
    """
    either = [{t: n for n, g in enumerate(one) for t in g.targets} for one in asked.sides or ()]
    place = {t: n for n, t in enumerate(asked.targets)}
    for number, group in enumerate(asked.groups):
        parts: dict[tuple[int, ...], list[int]] = {}
        for date in group.targets:
            parts.setdefault(tuple(known.get(date, -1) for known in either), []).append(date)
        for around, dates in parts.items():
            for batch in batches(asked.method, feed, len(dates), side, most):
                together = [dates[n] for n in batch]
                for row, column, tile in feed.grid.tiles(side):
                    left = tuple(d for d in together if not done[place[d], row, column])
                    if left:
                        yield Work(row, column, tile, left, number, *around)


def _same_side(side: int, asked: int | None, feed: Feed) -> int:
    """Return the side of the tiles that are on disk; raise where another one is asked for."""
    if asked is not None and feed.grid.cut(asked) != feed.grid.cut(side):
        raise ValueError(
            f"blocksize={asked}, but the output that is resumed has tiles of {side} fine pixels; "
            "leave blocksize out"
        )
    return side
