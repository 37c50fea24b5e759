"""A run from its first check to its last block."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import feed_of, tile_side
from xstf.archive import output
from xstf.archive.checking import choose
from xstf.archive.failures import BlocksFailed, said, stopped
from xstf.archive.growing import find_base, restore
from xstf.archive.identity import identity
from xstf.archive.making import Maker
from xstf.archive.manifest import Marks, alone, read_fingerprint, short
from xstf.archive.schedule import Backend, Cluster, Threads
from xstf.archive.schedule import run as run_blocks
from xstf.archive.stored import Names, stored_images
from xstf.archive.work import Done, Job, Work
from xstf.dates import text_of
from xstf.gathering import Feed
from xstf.limits import room_of
from xstf.memory import Asked, along_axes, cut_dates, cut_to_fit
from xstf.packing import Packing
from xstf.pairing import Group
from xstf.places import Place
from xstf.planning import Plan
from xstf.progress import meter_of
from xstf.store import refuse_other_content
from xstf.writing import warn_missing

log = logging.getLogger(__name__)
MUCH = 4  # times what a block needs: to decode more than this is worth a warning
HARDLY = 1e9  # bytes that may be decoded in vain before anybody is told


@dataclass(frozen=True)
class Run:
    """What is run, and where."""

    source: Place
    kinds: tuple[str, str]  # names of the fine and the coarse images in the source
    asked: Plan
    packing: Packing
    client: Any
    workers: int | None
    tag: str  # tells this run from others
    memory_limit: Any = None  # of a worker
    named: bool = False  # whether the dates were named one by one

    def fuse(
        self,
        out: Place,
        blocksize: Any,
        most: Any,
        resume: bool,
        overwrite: bool,
        append: bool,
        retries: int,
        progress: Any,
    ) -> None:
        """Make or take up the output, compute what is not done, and give it its name."""
        feed, layers = feed_of(self.asked.parts), output.layers_of(self.asked)
        side = tile_side(blocksize, feed)
        room = room_of(self.memory_limit, self.client, self.workers)
        if overwrite:
            refuse_other_content(out, layers)
        with alone(out):
            if resume or append:
                restore(out)
            fingerprint = identity(self.asked, self.packing, **self._how)
            base = find_base(out, fingerprint, self._leaving) if append else None
            target, going_on = base or choose(out, resume, overwrite, fingerprint)
            if base or going_on:
                side = _same_side(output.side_of(target), side if blocksize else None, feed)
            known = Asked.of(self.asked, feed, self.packing.scale_factor is not None)
            fixed = bool(base or going_on or blocksize)
            side, most = cut_to_fit(known, room, side, fixed, most)
            if going_on:
                target.sweep()
            else:
                maker = self._maker(feed, layers, side, fingerprint)
                target = maker.grow(out, target) if base else maker.begin(target)
            job = self._job(target, layers, fingerprint)
            self._warn_of_chunks(job, feed, side)
            marks = Marks(target)
            works = list_works(self.asked, feed, side, most, marks.done)
            again = _again(append, overwrite and target is not out)
            self._blocks(job, target, works, marks, retries, progress, again)
            if target is not out:
                target.become(out)
            if append or overwrite:
                _discard_growth(out)
        warn_missing(marks.full, layers["time"].values, "fused")

    @property
    def _how(self) -> dict[str, Any]:
        """How the passes over the whole scene are computed."""
        if self.client is not None:
            return {"scheduler": self.client}
        return {"scheduler": "threads"} | ({"num_workers": self.workers} if self.workers else {})

    @property
    def _leaving(self) -> set[str]:
        """Dates that are no longer predicted as there is a fine image now, and nobody named any."""
        scene = self.asked.scene
        seen = scene.times[scene.observed("fine")] if not self.named else ()
        return {text_of(t) for t in seen}

    def _maker(
        self, feed: Feed, layers: xr.Dataset, side: int, fingerprint: dict[str, Any]
    ) -> Maker:
        return Maker(
            self.asked.method,
            feed,
            self._groups,
            layers,
            side,
            self.packing,
            self.source.address,
            fingerprint,
            self.tag,
            self._how,
        )

    @property
    def _groups(self) -> dict[str, tuple[Group, ...]]:
        asked = self.asked
        found = {"fused": asked.groups}
        if asked.sides:
            found |= {"before": asked.sides[0], "after": asked.sides[1]}
        return {name: tuple(groups) for name, groups in found.items()}

    def _job(self, target: Place, layers: xr.Dataset, fingerprint: dict[str, Any]) -> Job:
        asked, grid = self.asked, self.asked.parts.grid
        cell = grid.scale if asked.scene.grid.scale == 1 else 1
        names = Names.of(self.source, *self.kinds)
        return Job(
            target.told(),
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
            short(fingerprint),
            asked.device,
        )

    def _blocks(
        self,
        job: Job,
        out: Place,
        works: Iterator[Work],
        marks: Marks,
        retries: int,
        progress: Any,
        again: str,
    ) -> None:
        """Run the blocks, mark those that are on disk, and raise at the end if some failed."""
        failures: list[tuple[str, BaseException]] = []
        count = 0
        missing = int((~marks.done).sum())
        place = {t: n for n, t in enumerate(job.targets)}

        def finish(work: Work, done: Done) -> None:
            nonlocal count
            count += 1
            if done.changes is not None:
                out.take(done.changes)
            marks.set([place[d] for d in work.dates], work.row, work.column, done.full)
            meter.add([(d, work.row, work.column) for d in work.dates])

        def fail(work: Work, error: BaseException) -> None:
            failures.append((self._where(work), error))
            meter.note(f"failed: {failures[-1][0]}: {said(error)}")
            log.error("failed: %s: %s", failures[-1][0], said(error))

        left = f"{missing} of {marks.done.size} blocks to do"
        log.info("%s: %s, %s", out.name, job.method.label, left)

        with meter_of(missing, job.method.label, progress) as meter:
            if self.client is not None and missing:
                meter.note(f"dashboard: {self.client.dashboard_link}")
            try:
                try:
                    run_blocks(self._backend(job), works, finish, fail, retries)
                finally:
                    marks.write()
            except OSError as error:
                raise stopped(error, out.name, again) from error
        log.info("%s: %s blocks done, %s failed", out.name, meter.done, len(failures))
        if failures:
            raise BlocksFailed(failures, count + len(failures), again)

    def _backend(self, job: Job) -> Backend:
        return Threads(job, self.workers) if self.client is None else Cluster(job, self.client)

    def _where(self, work: Work) -> str:
        days = [text_of(self.asked.scene.times[d]) for d in work.dates]
        tile = work.tile
        span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        return f"rows {tile.y0}-{tile.y1 - 1}, columns {tile.x0}-{tile.x1 - 1}, {span}"

    def _warn_of_chunks(self, job: Job, feed: Feed, side: int) -> None:
        """Warn where blocks decode much more than they need."""
        needed, read = np.prod(along_axes(feed, job.method, side), axis=0, dtype=float)
        chunks = [max(lengths) for lengths in feed.fine.chunks]
        share = chunks[0] * read / needed
        pairs = sum(len(group.pairs) for group in job.groups["fused"])
        whole = 4.0 * pairs * feed.fine.shape[1] * np.prod(feed.grid.shape)
        if share > MUCH and (share - 1) * whole > HARDLY:
            warnings.warn(
                f"each block decodes {share:.0f} times the fine pixels that it needs: the scene "
                f"lies in chunks of {' x '.join(map(str, chunks))} (time, band, y, x) and tiles "
                f"are {side} wide; write it anew in chunks of one date and about a tile: xstf.save("
                f"xstf.open_scene({self.source.name!r}).chunk(time=1, y={side}, x={side}), ...), "
                "or give a larger blocksize",
                UserWarning,
                stacklevel=4,
            )


def list_works(asked: Plan, feed: Feed, side: int, most: int, done: np.ndarray) -> Iterator[Work]:
    """Yield the blocks that are not done: a tile, and dates that share their pairs.

    Parameters
    ----------
    asked, feed
        The run.
    side
        Of tiles, in fine pixels.
    most
        Dates of a block.
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
            for batch in cut_dates(len(dates), most):
                together = [dates[n] for n in batch]
                for row, column, tile in feed.grid.tiles(side):
                    left = tuple(d for d in together if not done[place[d], row, column])
                    if left:
                        yield Work(row, column, tile, left, number, *around)


def _same_side(side: int, asked: int | None, feed: Feed) -> int:
    """Return the side of the tiles that are on disk; raise where another one is asked for."""
    if asked is not None and feed.grid.cut(asked) != feed.grid.cut(side):
        raise ValueError(
            f"blocksize={asked}, but the output that is there has tiles of {side} fine pixels; "
            "leave blocksize out"
        )
    return side


def _again(append: bool, replaces: bool) -> str:
    """Return with what a run that was stopped goes on."""
    if append:
        return "append=True"
    return "resume=True, overwrite=True" if replaces else "resume=True"


def _discard_growth(out: Place) -> None:
    """Delete what has grown beside an output that was stopped, now that another one is complete."""
    growth = out.growth()
    if growth is not None and read_fingerprint(growth) is not None:
        growth.clear()
