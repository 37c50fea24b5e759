"""What methods prepare of the whole scene: found once, kept beside the output, read by blocks."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from xstf.archive.codec import decode, encode
from xstf.method import Method, Statistics
from xstf.pairing import Group
from xstf.places import Place
from xstf.statistics import apart

HOME = "xstf"  # the group of the output that holds how it was made
PIECE = 256  # rows and columns of the chunks of a plane


@dataclass(frozen=True)
class Kept:
    """What was prepared for a pair group, planes left where they are."""

    out: Place
    home: str
    tag: str
    numbers: Any
    dated: Mapping[int, Any]
    planes: Mapping[str, tuple[int, ...]]  # the dates of each; one where it serves all
    margin: int
    targets: tuple[int, ...]

    def plane(self, name: str, dates: Sequence[int]) -> list[Any]:
        """Return the planes of some dates, which are read where they are sliced."""
        kept = self.planes[name]
        at = dates if len(kept) > 1 else kept
        return [_open(self.out, f"{self.home}/{name}/{date}", self.tag) for date in at]


@dataclass(frozen=True)
class Keeper:
    """Writes the planes of a pair group where they are made."""

    out: Place
    home: str
    tag: str  # tells this writing from others in the names of tasks

    def __call__(self, name: str, date: int, image: np.ndarray) -> tuple[str, int, Any]:
        """Write one plane, (band, rows, columns); return its name, its date, what was written."""
        out = self.out.fresh()
        chunks = (image.shape[0], *(min(PIECE, size) for size in image.shape[1:]))
        array = out.create_array(
            f"{self.home}/{name}/{date}",
            shape=image.shape,
            dtype=image.dtype,
            chunks=chunks,
            fill_value=np.nan if image.dtype.kind == "f" else 0,
            overwrite=True,
        )
        array[...] = image
        return name, date, out.changes()


def prepare(
    method: Method,
    feed: Any,
    groups: Mapping[int, Group],
    side: int,
    out: Place,
    run: str,
    known: dict[int, Statistics],
    **how: Any,
) -> None:
    """Compute what a method prepares for each group, one after the other, and keep it.

    Parameters
    ----------
    method, feed
        As `xstf.engine.fuse` takes them.
    groups
        The wanted dates by their pairs, by the numbers under which they are kept.
    side
        Of tiles.
    out
        The output store.
    run
        Which of its runs this is for: the prediction, or that of one side.
    known
        Statistics of images by date; those that are found are added.
    **how
        For `dask.compute`.
    """
    import dask

    from xstf.engine import prepare as deferred

    for number, group in groups.items():
        home = home_of(run, number)
        keeper = Keeper(out.told(), home, uuid.uuid4().hex)
        later, margin = deferred(method, feed, group, side, keeper, known)
        ((numbers, dated, planes, found),) = dask.compute(later, **how)
        for *_, changes in planes:
            if changes is not None:
                out.take(changes)
        known |= zip(group.pairs, apart(found), strict=True)
        by_date = dict(zip(group.targets, dated, strict=True)) if len(dated) else {}
        names = sorted({name for name, *_ in planes})
        dates = {n: tuple(sorted(date for name, date, _ in planes if name == n)) for n in names}
        keep(Kept(out, home, "", numbers, by_date, dates, margin, group.targets))


def keep(found: Kept) -> None:
    """Write what was prepared for a pair group, but for the planes, which are there.

    Parameters
    ----------
    found
        All of it, with the output where it is kept.
    """
    names = ("numbers", "dated", "planes", "margin", "targets")
    data = encode({name: getattr(found, name) for name in names})
    array = found.out.create_array(
        f"{found.home}/values",
        shape=(len(data),),
        dtype="uint8",
        chunks=(len(data),),
        overwrite=True,
    )
    array[:] = np.frombuffer(data, np.uint8)


def load(out: Place, tag: str, run: str, number: int, known: Sequence[str]) -> Kept:
    """Return what was kept for a pair group.

    Parameters
    ----------
    out, run, number
        As it was kept.
    tag
        Tells this run from others.
    known
        Packages whose classes may be in it.
    """
    home = home_of(run, number)
    data = np.asarray(out.array(f"{home}/values")[:])
    found = decode(data.tobytes(), known)
    rest = found["numbers"], found["dated"], found["planes"], found["margin"]
    return Kept(out, home, tag, *rest, found["targets"])


def packages(method: Method) -> tuple[str, ...]:
    """Return the packages whose classes a method may have found."""
    kinds = {type(method), type(getattr(method, "inner", method))}
    return tuple(sorted({"xstf", *(kind.__module__.split(".")[0] for kind in kinds)}))


def pickled(job: Any) -> bytes:
    """Return a job as it travels to workers; methods of a notebook travel with their code."""
    import cloudpickle

    return cloudpickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)


def home_of(run: str, number: int) -> str:
    """Return where in an output lies what was prepared for a pair group.

    Parameters
    ----------
    run, number
        As in `load`.
    """
    return f"{HOME}/prepared/{run}/{number}"


@lru_cache(2048)
def _open(out: Place, path: str, tag: str) -> Any:
    return out.array(path)
