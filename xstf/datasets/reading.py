"""Benchmarks to scenes."""

from __future__ import annotations

import datetime
import os
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import xarray as xr

from xstf.datasets.benchmarks import BENCHMARKS, Benchmark
from xstf.images import read_images
from xstf.scenes import scene

RAW = (".bil", ".bip", ".bsq", ".int", ".dat", ".img")
BESIDE = (".hdr", ".xml", ".enp", ".ovr", ".tfw", ".txt", ".md", ".json", ".png", ".jpg")
FOLDER = re.compile(r"^(?P<date>\d{4}_\d{3})_")  # 2001_281_08oct


def read(
    name: str,
    folder: str | os.PathLike[str],
    *,
    scale: int = 1,
    size: tuple[int, int] | None = None,
    chunks: int | None = None,
) -> xr.Dataset:
    """Return a published benchmark as a scene, lazily.

    Parameters
    ----------
    name
        One of `BENCHMARKS`: CIA, LGC, AHB, Daxing, Tianjin, Wuhan, IC, BC.
    folder
        Where it lies, in folders of dates as published or all in one; files as published (ENVI with
        their headers) or converted to GeoTIFF under the same names.
    scale
        The coarse images are published on the fine grid. 1 keeps them so, as published results
        have them; methods that work on cells then need ``cell=``. A number, such as the set's own
        ``BENCHMARKS[name].scale``, reduces them to cells of so many pixels.
    size
        Rows and columns to keep, in the middle. None: all, or with a `scale` all whole cells.
    chunks
        As in `xstf.read_images`.

    Returns
    -------
    xarray.Dataset
        The scene, in reflectance; for AHB, Daxing and Tianjin, whose reflectance is not known, in
        255ths. Numbers that are no measurement (negative, or wrapped to large unsigned ones) are
        missing in all bands. ``attrs`` name the benchmark.

    Raises
    ------
    FileNotFoundError
        If the folder holds no fine, or no coarse images of that name.
    ValueError
        If a raw file has no header, two files are of one date, a date is none of the benchmark's,
        or for nonsense.

    Notes
    -----
    The fine files of CIA are named by the day before that of their folder and of their coarse
    image; they get the latter.
    """
    if name not in BENCHMARKS:
        raise ValueError(f"benchmark {name!r} is none of {', '.join(BENCHMARKS)}")
    of = BENCHMARKS[name]
    home = Path(folder).expanduser()
    if not home.is_dir():
        raise FileNotFoundError(f"{home} is no folder; give the one that holds {of.title}")
    files = _listed(home)
    fine = _images(of, _found(files, of.fine, of, of.late, home, "fine"), chunks)
    coarse = _images(of, _found(files, of.coarse, of, 0, home, "coarse"), chunks)
    rows, columns = (
        _middle(axis, fine.sizes[axis], wanted, scale)
        for axis, wanted in zip(("y", "x"), size or (None, None), strict=True)
    )
    fine, coarse = (array.isel(y=rows, x=columns) for array in (fine, coarse))
    made = scene(fine, coarse, scale=scale)
    return made.assign_attrs(benchmark=name, sensors=list(of.sensors))


def recognise(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names of the benchmarks whose files a folder can hold.

    By the names of the files and, where other files may well be named so, by their size.

    Parameters
    ----------
    folder
        Where they may lie.

    Returns
    -------
    list of str
        Of `BENCHMARKS`, empty where it is none; several where their files are named alike.
    """
    files = _listed(Path(folder).expanduser())
    named = [
        (name, next(path for path in files if re.match(of.fine, path.name)))
        for name, of in BENCHMARKS.items()
        if all(any(re.match(kind, p.name) for p in files) for kind in (of.fine, of.coarse))
    ]
    exact = [name for name, path in named if _shape(path) == BENCHMARKS[name].shape]
    return exact or [name for name, _ in named if BENCHMARKS[name].dates]


def _shape(path: Path) -> tuple[int, int] | None:
    """Return rows and columns of a file, None where it cannot be opened."""
    try:
        image = read_images([path], dates=["2000-01-01"])
    except ValueError:
        return None
    return image.sizes["y"], image.sizes["x"]


def _listed(home: Path) -> list[Path]:
    return [p for p in sorted(home.rglob("*")) if p.is_file() and p.suffix.lower() not in BESIDE]


def _found(
    files: list[Path], pattern: str, of: Benchmark, late: int, home: Path, kind: str
) -> dict[datetime.date, Path]:
    """Return the files of one kind by their dates."""
    by_date: dict[datetime.date, list[Path]] = defaultdict(list)
    for path in files:
        match = re.match(pattern, path.name)
        if match is not None:
            by_date[_date(path, match["date"], late)].append(path)
    if not by_date:
        raise FileNotFoundError(
            f"{home} holds no {kind} images of this benchmark, whose names match {pattern}; give "
            "the folder that holds both, with files named as published"
        )
    for date, paths in by_date.items():
        if len(paths) > 1:
            raise ValueError(f"{paths[0]} and {paths[1]} are both of {date}; keep one of them")
        if of.dates and str(date) not in of.dates:
            raise ValueError(
                f"{paths[0]} is of {date}, which is none of the {len(of.dates)} days of {of.title}"
            )
        _check_header(paths[0], of)
    return {date: by_date[date][0] for date in sorted(by_date)}


def _date(path: Path, text: str, late: int) -> datetime.date:
    """Return when an image was taken: as its folder says, else as its name does."""
    inside = FOLDER.match(path.parent.name)
    if inside is not None:
        return datetime.datetime.strptime(inside["date"], "%Y_%j").date()
    if "-" in text:
        return datetime.date(*map(int, text.split("-")))
    form = "%Y%j" if len(text) == 7 else "%Y%m%d"
    return datetime.datetime.strptime(text, form).date() + datetime.timedelta(days=late)


def _check_header(path: Path, of: Benchmark) -> None:
    """Raise where nothing says how the bands of a raw file lie."""
    if path.suffix.lower() not in RAW:
        return
    if any(p.is_file() for p in (path.with_suffix(".hdr"), Path(f"{path}.hdr"))):
        return
    rows, columns = of.shape
    raise ValueError(
        f"{path} has no header that says how its bands lie; put {path.name}.hdr beside it with the "
        f"lines: ENVI, samples = {columns}, lines = {rows}, bands = {len(of.bands)}, data type "
        "= 2, byte order = 0, interleave = bil (or bsq, bip: what its documentation says)"
    )


def _images(of: Benchmark, found: dict[datetime.date, Path], chunks: int | None) -> xr.DataArray:
    """Return images in reflectance with NaN where a number is no measurement."""
    images = read_images(
        list(found.values()),
        dates=[str(date) for date in found],
        bands=of.bands,
        scale_factor=1.0,
        offset=0.0,
        chunks=chunks,
    )
    valid = ((images >= of.low) & (images <= of.high)).all("band")
    images = images.where(valid).transpose("time", "band", "y", "x")
    return (images * np.float32(of.factor)).astype("float32")


def _middle(axis: str, length: int, wanted: int | None, scale: int) -> slice:
    """Return the middle of an axis: so many pixels, or as many whole cells as there are."""
    whole = isinstance(scale, int | np.integer) and not isinstance(scale, bool) and scale >= 1
    if not whole:
        raise ValueError(f"scale={scale!r} is no side of a cell in fine pixels, 1 or more")
    keep = length // scale * scale if wanted is None else wanted
    if not 0 < keep <= length or keep % scale:
        raise ValueError(
            f"size: {wanted} of {length} pixels along {axis} with scale={scale}; give a multiple "
            f"of {scale}, at most {length}"
        )
    start = (length - keep) // 2 if wanted is not None else 0
    return slice(start, start + keep)
