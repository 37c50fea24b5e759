"""The file in which a training is kept while it goes on, and what it must be to be taken up."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask

from xstf.checks import Parts
from xstf.fingerprint import fingerprints
from xstf.nn.checkpoint import Weights, differences, pack, read, unpack, write
from xstf.nn.course import Course


class Kept:
    """The file that a training is kept in while it goes on; or none."""

    def __init__(self, path: Path | None, known: dict[str, Any], found: Weights | None) -> None:
        self._path, self._known, self._found = path, known, found

    @staticmethod
    def of(
        path: str | os.PathLike[str] | None,
        resume: bool,
        known: dict[str, Any],
        parts: Parts,
        dates: list[int],
        init: Any,
    ) -> Kept:
        """Return the file, checked against what is there.

        Raises
        ------
        FileExistsError
            If it is there and `resume` is not given.
        ValueError
            If it is there, but of another training; the message says what differs.
        """
        if path is None:
            if resume:
                raise ValueError("resume=True needs the file of the training: checkpoint=...")
            return Kept(None, {}, None)
        path = Path(path)
        what = {"scene": known["scene"], "training": _identity(known, parts, dates, init)}
        if not path.exists():
            return Kept(path, what, None)
        if not resume:
            raise FileExistsError(
                f"{path} exists; go on with the training that was stopped with resume=True, or "
                "give another checkpoint"
            )
        found = read(path)
        if "course" not in found.known:
            raise ValueError(
                f"{path} holds a network that is trained, not a training; xstf.load reads it, and "
                "init= goes on from it"
            )
        wrong = [text for part in what for text in differences(found.known[part], what[part])]
        if wrong:
            raise ValueError(
                f"{path} holds another training ({'; '.join(wrong)}); give another checkpoint, or "
                "the same scene and parameters"
            )
        return Kept(path, what, found)

    def course(self) -> Course:
        """Return where the training stands."""
        if self._found is None or self._found.data is None:
            return Course()
        return Course.of(self._found.known["course"], unpack(self._found.data))

    def keep(self, course: Course) -> None:
        """Write where the training stands."""
        if self._path is not None:
            known = {**self._known, "course": course.numbers}
            write(self._path, pack(course.tensors, known))


def _identity(
    known: Mapping[str, Any], parts: Parts, dates: list[int], init: Any
) -> dict[str, Any]:
    """Return what a training depends on, its images by a number for each."""
    images = [parts.ds[kind].isel(time=dates) for kind in ("fine", "coarse")]
    numbers = dask.compute(*(fingerprints(i) for i in images))
    found = {f"{k} images": [f"{int(v):016x}" for v in n.values] for k, n in
             zip(("fine", "coarse"), numbers, strict=True)}  # fmt: skip
    start = None if init is None else weights_of(init).digest
    rest = {n: known[n] for n in ("method", "dates", "versions")}
    return {**known["parameters"], **rest, **found, "init": start}


def weights_of(init: Any) -> Weights:
    """Return the weights of a trained method, or of its file."""
    held: Weights | None = getattr(init, "weights", None)
    return held or read(init)
