"""One block from store to store: what a worker is told, reads, and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from xstf.api import half_apart
from xstf.archive.output import refuse_other
from xstf.archive.prepared import load, packages
from xstf.archive.stored import Stored
from xstf.blocks import FILLED, of_predicted, run_block
from xstf.grid import Grid, Tile
from xstf.method import Method
from xstf.packing import Packing
from xstf.pairing import Group
from xstf.places import Place
from xstf.portion import Portion, Sources

JOBS = 4  # runs that a worker keeps in mind


@dataclass(frozen=True)
class Job:
    """What all blocks of a run share."""

    out: Place  # the store that is written
    tag: str  # tells this run from others
    method: Method
    images: dict[str, Stored]
    grid: Grid
    times: np.ndarray
    valid_range: tuple[float, float] | None
    layers: tuple[str, ...]
    observed: tuple[int, ...] | None
    packings: dict[str, Packing]  # of each layer that is written
    targets: tuple[int, ...]  # positions in the scene of the dates that are written
    groups: dict[str, tuple[Group, ...]]  # of the prediction, and of either side for ``spread``
    made: str  # the output's fingerprint
    device: str = "cpu"  # where blocks run

    @property
    def sources(self) -> Sources:
        """The images, as windows are cut from them."""
        planes = {n: s for n, s in self.images.items() if n in self.method.takes}
        return Sources(
            self.images["fine"],
            self.images["coarse"],
            planes,
            self.grid,
            self.times,
            self.valid_range,
        )


@dataclass(frozen=True)
class Work:
    """One block: a tile, and dates that share their pairs."""

    row: int
    column: int
    tile: Tile
    dates: tuple[int, ...]  # positions in the scene
    group: int  # which pairs serve them,
    before: int = -1  # and which on either side, where `spread` is wanted and can be had
    after: int = -1


@dataclass(frozen=True)
class Done:
    """What comes of a block."""

    full: list[bool]  # for each date whether it holds anything
    changes: Any  # what was written, where it does not lie in the output already


def do(job: Job | bytes, work: Work) -> Done:
    """Read, fuse and write one block.

    Parameters
    ----------
    job
        What all blocks share; pickled where it has travelled.
    work
        The block.
    """
    known = _unpickled(job) if isinstance(job, bytes) else job
    made = predict(known, work)
    changes = write(known, work, made)
    return Done([bool(np.isfinite(image).any()) for image in made["fused"]], changes)


def predict(job: Job, work: Work) -> dict[str, np.ndarray]:
    """Return the layers of one block, (date, band, y, x) each."""
    made = _run(job, "fused", work.group, work, job.layers, job.observed)
    if "spread" in job.packings and "spread" not in made:
        made["spread"] = np.full_like(made["fused"], np.nan)
        if work.before >= 0:
            before, after = (
                _run(job, side, group, work, ("fused",), None)["fused"]
                for side, group in (("before", work.before), ("after", work.after))
            )
            made["spread"] = half_apart(before, after)
        if FILLED in made:
            made["spread"] = of_predicted(made["spread"], made[FILLED])
    return made


def write(job: Job, work: Work, made: dict[str, np.ndarray]) -> Any:
    """Write each date of a block: whole shards, none where all is missing.

    Returns
    -------
    object
        What was written, where it does not lie in the output already (`Place.changes`).

    Raises
    ------
    OSError
        If the output cannot be written.
    """
    with job.out.writing():
        return _write(job, work, made)


def _write(job: Job, work: Work, made: dict[str, np.ndarray]) -> Any:
    tile, out = work.tile, job.out.fresh()
    refuse_other(out, job.made)
    where = slice(None), slice(tile.y0, tile.y1), slice(tile.x0, tile.x1)
    for name, values in made.items():
        packed = job.packings[name].pack(values, name)
        array = _array(out, job.tag, name) if out is job.out else out.array(name, "r+")
        for date, image in zip(work.dates, packed, strict=True):
            at = job.targets.index(date)
            try:
                array[(at, *where)] = image
            except (ValueError, RuntimeError):
                # at the scene's edge what is there is read first, and it may be damaged
                _delete(array, (at, 0, work.row, work.column))
                array[(at, *where)] = image
            out.settle(f"{name}/{array.metadata.encode_chunk_key((at, 0, work.row, work.column))}")
    return out.changes()


def _run(
    job: Job,
    run: str,
    number: int,
    work: Work,
    layers: tuple[str, ...],
    observed: Sequence[int] | None,
) -> dict[str, np.ndarray]:
    """Return layers of the dates of a block from one group of pairs."""
    group = job.groups[run][number]
    found = _prepared(job.out, job.tag, run, number, packages(job.method))
    portion = Portion(
        job.method,
        job.sources,
        group.pairs,
        work.dates,
        layers,
        observed,
        job.device,
        numbers=found.numbers,
        dated=[found.dated[d] for d in work.dates] if found.dated else (),
        made={n: found.plane(n, work.dates) for n in found.planes},
        margin=found.margin,
    )
    tile = work.tile
    return run_block(
        job.method.block,
        portion.told(tile),
        portion.read(tile),
        portion.where(tile),
        portion.own(tile),
        None,
        (),
    )


def _delete(array: Any, shard: tuple[int, ...]) -> None:
    """Delete a shard, by its place among all of them."""
    from zarr.core.sync import sync

    sync((array.store_path / array.metadata.encode_chunk_key(shard)).delete())


@lru_cache(JOBS)
def _unpickled(job: bytes) -> Job:
    import pickle

    return pickle.loads(job)


@lru_cache(64)
def _prepared(out: Place, tag: str, run: str, number: int, known: tuple[str, ...]) -> Any:
    return load(out, tag, run, number, known)


@lru_cache(64)
def _array(out: Place, tag: str, name: str) -> Any:
    return out.array(name, "r+")
