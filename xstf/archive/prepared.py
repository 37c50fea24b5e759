"""What methods prepare of the whole scene: found once, kept beside the output, read by blocks."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from xstf.archive.codec import decode, encode
from xstf.method import Method
from xstf.pairing import Group

HOME = "xstf"  # the group of the output that holds how it was made
PIECE = 256  # rows and columns of the chunks of a plane


@dataclass(frozen=True)
class Kept:
    """What was prepared for a pair group, planes left where they are."""

    home: str
    tag: str
    numbers: Any
    dated: dict[int, Any]
    planes: dict[str, tuple[int, ...]]  # the dates of each; one where it serves all
    margin: int

    def plane(self, name: str, dates: Sequence[int]) -> list[Any]:
        """Return the planes of some dates, which are read where they are sliced."""
        kept = self.planes[name]
        at = dates if len(kept) > 1 else kept
        return [_open(f"{self.home}/{name}/{date}", self.tag) for date in at]


@dataclass(frozen=True)
class Keeper:
    """Writes the planes of a pair group where they are made."""

    home: str

    def __call__(self, name: str, date: int, image: np.ndarray) -> tuple[str, int]:
        """Write one plane, (band, rows, columns), and return its name and date."""
        import zarr

        chunks = (image.shape[0], *(min(PIECE, size) for size in image.shape[1:]))
        array = zarr.create_array(
            f"{self.home}/{name}/{date}",
            shape=image.shape,
            dtype=image.dtype,
            chunks=chunks,
            fill_value=np.nan if image.dtype.kind == "f" else 0,
            overwrite=True,
        )
        array[...] = image
        return name, date


def prepare(
    method: Method, feed: Any, groups: Sequence[Group], side: int, out: str, run: str, **how: Any
) -> None:
    """Compute what a method prepares for each group, one after the other, and keep it.

    Parameters
    ----------
    method, feed
        As `xstf.engine.fuse` takes them.
    groups
        The wanted dates by their pairs.
    side
        Of tiles.
    out
        The output store.
    run
        Which of its runs this is for: the prediction, or that of one side.
    **how
        For `dask.compute`.
    """
    import dask

    from xstf.engine import prepare as deferred

    for number, group in enumerate(groups):
        home = _home(out, run, number)
        later, margin = deferred(method, feed, group, side, Keeper(home))
        ((numbers, dated, planes),) = dask.compute(later, **how)
        found = {
            "numbers": numbers,
            "dated": dict(zip(group.targets, dated, strict=True)) if len(dated) else {},
            "planes": {n: tuple(d for m, d in planes if m == n) for n, _ in sorted(planes)},
            "margin": margin,
        }
        _write(home, encode(found))


def load(out: str, tag: str, run: str, number: int, known: Sequence[str]) -> Kept:
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
    import zarr

    home = _home(out, run, number)
    data = np.asarray(zarr.open_array(f"{home}/values", mode="r")[:])
    found = decode(data.tobytes(), known)
    rest = found["numbers"], found["dated"], found["planes"], found["margin"]
    return Kept(home, tag, *rest)


def packages(method: Method) -> tuple[str, ...]:
    """Return the packages whose classes a method may have found."""
    kinds = {type(method), type(getattr(method, "inner", method))}
    return tuple(sorted({"xstf", *(kind.__module__.split(".")[0] for kind in kinds)}))


def pickled(job: Any) -> bytes:
    """Return a job as it travels to workers; methods of a notebook travel with their code."""
    import cloudpickle

    return cloudpickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)


def _home(out: str, run: str, number: int) -> str:
    return f"{out}/{HOME}/prepared/{run}/{number}"


def _write(home: str, data: bytes) -> None:
    import zarr

    array = zarr.create_array(
        f"{home}/values", shape=(len(data),), dtype="uint8", chunks=(len(data),), overwrite=True
    )
    array[:] = np.frombuffer(data, np.uint8)


@lru_cache(2048)
def _open(path: str, tag: str) -> Any:
    import zarr

    return zarr.open_array(path, mode="r")
