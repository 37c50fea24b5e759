"""What a run is asked for: its input, its output, its cluster; and what is in the way."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from xstf import cluster
from xstf.archive.growing import obstacles
from xstf.archive.manifest import differences, is_beginning, read_fingerprint
from xstf.archive.output import discard
from xstf.places import Place, place_of
from xstf.places.folder import cannot_zip
from xstf.places.place import several
from xstf.places.remote import Address
from xstf.places.repository import Repository
from xstf.store import open_scene, refuse_existing


def source_of(
    scene: Any, fine: str, coarse: str, storage_options: Mapping[str, Any] | None = None
) -> Place:
    """Return where a scene lies, or raise for one that does not lie in Zarr as it is."""
    if not isinstance(scene, xr.Dataset | xr.DataTree | xr.DataArray):
        return place_of(scene, storage_options)
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
    place = place_of(source)
    if not _same(open_scene(place, fine=fine, coarse=coarse), scene):
        raise ValueError(
            f"this scene is not any more what lies at {place.name}, or was opened with chunks of "
            f"its own; give the path, or {cure}"
        )
    return place


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


def checked_out(
    out: Any,
    source: Place,
    resume: bool,
    overwrite: bool,
    append: bool,
    storage_options: Mapping[str, Any] | None = None,
    commit_every: int | None = None,
) -> Place:
    """Return where a run writes, or raise before anything is read."""
    if isinstance(out, str | os.PathLike) and os.fspath(out).lower().endswith(".zip"):
        raise ValueError(cannot_zip(os.fspath(out)))
    place = place_of(out, storage_options)
    place.refuse_writing()
    if commit_every is not None:
        check_count("commit_every", commit_every)
        if not isinstance(place, Repository):
            raise ValueError(
                f"commit_every={commit_every} is for icechunk repositories, and {place.name} is "
                "none; leave it out"
            )
        place = place.with_commits(commit_every)
    if place.meets(source):
        raise ValueError(f"out={place.name!r} is the scene itself, or one lies in the other")
    if append:
        _refuse_append(place, overwrite)
    if place.exists() and not (resume or append):
        if not overwrite and (read_fingerprint(place) is not None or is_beginning(place)):
            raise FileExistsError(
                f"{place.name} exists; give another path, go on with a run that was stopped with "
                f"resume=True, or {_anew(place)}"
            )
        refuse_existing(place, overwrite)
        if not is_beginning(place):
            _replacement(place)
    return place


def _refuse_append(place: Place, overwrite: bool) -> None:
    """Raise where an output cannot be extended, whatever is in it."""
    if overwrite:
        raise ValueError(
            "append keeps what still holds, and overwrite replaces everything; leave one out"
        )
    if place.growth() is None:
        raise ValueError(
            f"append=True is for folders, where a grown output shares the files that stay, and "
            f"{place.name} is none; write a new output, or extend a copy of it in a folder"
        )


def _anew(place: Place) -> str:
    """Say how another output can lie there."""
    return "replace it with overwrite=True" if place.replacement() else "delete it yourself"


def _replacement(place: Place) -> Place:
    """Return where grows what is to replace an output."""
    found = place.replacement()
    if found is None:
        raise FileExistsError(
            f"{place.name} exists, and nothing can be renamed there, so the old output could not "
            "stay until the new one is complete; give another address, or delete it yourself"
        )
    return found


def check_seen(client: Any, places: Sequence[Place]) -> None:
    """Raise where workers of a cluster cannot see a store that lies in the memory of this process.

    Parameters
    ----------
    client
        A client that has workers.
    places
        The scene and the output.
    """
    hidden = [place for place in places if place.private]
    if not hidden:
        return
    here = os.getpid(), socket.gethostname()
    if all(isinstance(place, Address) for place in hidden):
        workers = client.run(lambda: (os.getpid(), socket.gethostname())).values()
        if all(tuple(worker) == here for worker in workers):
            return
    raise ValueError(
        f"{several(hidden)} lies in the memory of this process, where the workers of the cluster "
        "do not see it; write a folder or an address that all of them see, or run it on threads "
        "with workers=..."
    )


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
    return cluster.current() if client is None and workers is None else client


def choose(
    out: Place, resume: bool, overwrite: bool, fingerprint: Mapping[str, Any]
) -> tuple[Place, bool]:
    """Return where the run writes, and whether it goes on with what is there.

    Raises
    ------
    ValueError
        If there is something to go on with, but of another run.
    """
    if not out.exists():
        return out, False
    old, new = read_fingerprint(out), out.replacement()
    if resume:
        for place in (new, out) if overwrite else (out,):
            if place and place.exists() and read_fingerprint(place) == fingerprint:
                return place, True
    if (resume or overwrite) and is_beginning(out):
        out.clear()
        return out, False
    if resume and not overwrite:
        if old is None:
            raise ValueError(
                f"{out.name} was not written by fuse_store, so there is nothing to resume; give "
                f"another path, or {_anew(out)}"
            )
        changed = differences(old, fingerprint)
        grows = out.growth() and not obstacles(old, fingerprint)
        raise ValueError(
            f"{out.name} cannot be resumed, for something has changed since: "
            f"{'; '.join(changed)}; {'extend it with append=True, ' if grows else ''}"
            f"give another path, or {_anew(out)}"
        )
    refuse_existing(out, overwrite)
    target = _replacement(out)
    discard(target)
    return target, False
