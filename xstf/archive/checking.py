"""What a run is asked for: its input, its output, its cluster; and what is in the way."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from xstf.archive.growing import obstacles
from xstf.archive.manifest import differences, read_fingerprint
from xstf.archive.output import discard, replacement
from xstf.store import open_scene, refuse_existing


def source_of(scene: Any, fine: str, coarse: str) -> str:
    """Return the path of a scene, or raise for one that does not lie in Zarr as it is."""
    if isinstance(scene, str | os.PathLike):
        return os.fspath(scene)
    cure = (
        "save it first: fuse_store(xstf.save(scene, 'scene.zarr'), ...), or fuse it lazily: "
        "xstf.save(ds.stf.fuse(...), ...)"
    )
    if not isinstance(scene, xr.Dataset):
        raise TypeError(
            f"a scene in Zarr is given by its path, or as xstf.open_scene returned it, not as "
            f"{type(scene).__name__}; {cure}"
        )
    source = scene.encoding.get("source")
    if source is None:
        raise ValueError(f"this scene does not lie in a Zarr store that is known; {cure}")
    stored = open_scene(source, fine=fine, coarse=coarse)
    if not _same(stored, scene):
        raise ValueError(
            f"this scene is not any more what lies at {source}, or was opened with chunks of its "
            f"own; give the path, or {cure}"
        )
    return os.fspath(source)


def _same(stored: xr.Dataset, scene: xr.Dataset) -> bool:
    """Say whether a scene is what lies in its store; arrays on dask are known by their names."""
    if set(stored.variables) != set(scene.variables) or stored.attrs != scene.attrs:
        return False
    for name, variable in stored.variables.items():
        other = scene.variables[name]
        if variable.chunks is None or other.chunks is None:
            if variable.chunks is not other.chunks or not variable.equals(other):
                return False
        elif variable.data.name != other.data.name:
            return False
    return True


def checked_out(out: str | os.PathLike[str], source: str, resume: bool, overwrite: bool) -> Path:
    """Return where a run writes, or raise before anything is read."""
    if "://" in os.fspath(out):
        raise ValueError(f"{out} is an address, and fuse_store writes folders; give a path")
    path = Path(out)
    whole, scene = path.resolve(), Path(source).resolve()
    if whole == scene or scene in whole.parents or whole in scene.parents:
        raise ValueError(f"out={str(out)!r} is the scene itself, or one lies in the other")
    if path.exists() and not resume:
        if not overwrite and read_fingerprint(path) is not None:
            raise FileExistsError(
                f"{path} exists; give another path, go on with a run that was stopped with "
                "resume=True, or replace it with overwrite=True"
            )
        refuse_existing(path, overwrite)
    return path


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Raise for what is no whole number, and not None."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and value >= least):
        raise ValueError(f"{name}={value!r} is not a whole number, {least} or more")


def client_of(client: Any, workers: Any) -> Any:
    """Return the client whose cluster runs the blocks: the one given, or the current one."""
    check_count("workers", workers)
    if client is not None and workers is not None:
        raise ValueError(
            f"workers={workers} are threads of this process, and client has workers of its own; "
            "leave one out"
        )
    if client is not None or workers is not None or "distributed" not in sys.modules:
        return client
    from distributed import default_client

    try:
        current = default_client()
    except ValueError:
        return None
    return current if current.status == "running" else None


def choose(
    out: Path, resume: bool, overwrite: bool, fingerprint: Mapping[str, Any]
) -> tuple[Path, bool]:
    """Return where the run writes, and whether it goes on with what is there.

    Raises
    ------
    ValueError
        If there is something to go on with, but of another run.
    """
    new = replacement(out)
    if not out.exists():
        return out, False
    old = read_fingerprint(out)
    if resume:
        for place in (new, out) if overwrite else (out,):
            if place.exists() and read_fingerprint(place) == fingerprint:
                return place, True
        if not overwrite and old is None:
            raise ValueError(
                f"{out} was not written by fuse_store, so there is nothing to resume; give another "
                "path, or replace it with overwrite=True"
            )
        if not overwrite:
            changed = differences(old or {}, fingerprint)
            grows = "" if obstacles(old or {}, fingerprint) else "extend it with append=True, "
            raise ValueError(
                f"{out} cannot be resumed, for something has changed since: {'; '.join(changed)}; "
                f"{grows}give another path, or replace it with overwrite=True"
            )
    refuse_existing(out, overwrite)
    discard(new)
    return new, False
