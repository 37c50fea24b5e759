"""Where Zarr groups lie: folders, addresses, zip files, store objects, icechunk repositories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from xstf.places.place import Place as Place
from xstf.places.place import several

ICECHUNK = "icechunk://"
LOCAL = ("file://", "local://")  # addresses of folders, which are written as folders


def place_of(where: Any, storage_options: Mapping[str, Any] | None = None) -> Place:
    """Return the place that is meant. Nothing is opened but zip files.

    Parameters
    ----------
    where
        A path; an address that fsspec knows, such as ``"s3://bucket/scene.zarr"``; a zip file; an
        `icechunk.Repository`, or ``"icechunk://"`` and the path of one; or a store of Zarr.
    storage_options
        What fsspec needs, where it is an address; `check_options` says whether one is.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(where, Place):
        return where
    if isinstance(where, str | os.PathLike):
        return _named(os.fspath(where), storage_options)
    if type(where).__module__.split(".")[0] == "icechunk" and hasattr(where, "writable_session"):
        from xstf.places.repository import Repository

        return Repository("the icechunk repository", where, where)
    from zarr.abc.store import Store
    from zarr.storage import LocalStore

    if isinstance(where, LocalStore):
        return _named(os.fspath(where.root), None)
    if isinstance(where, Store):
        from xstf.places.remote import Given

        return Given(str(where), where)
    raise TypeError(
        f"a Zarr store is given by its path, its address, an icechunk.Repository, or as a store of "
        f"zarr.storage, not as {type(where).__name__}"
    )


def check_options(storage_options: Mapping[str, Any] | None, *places: Place) -> None:
    """Raise for storage options where no place is an address.

    Parameters
    ----------
    storage_options
        As they were given.
    *places
        What they may be for.
    """
    if storage_options is not None and all(place.options is None for place in places):
        raise ValueError(
            "storage_options are for addresses such as 's3://bucket/scene.zarr', and there is none "
            f"in {several(places)}; leave them out"
        )


def _named(name: str, storage_options: Mapping[str, Any] | None) -> Place:
    from xstf.places.folder import Folder, Zipped, is_zip

    if name.startswith(LOCAL):
        from fsspec.implementations.local import LocalFileSystem

        name = str(LocalFileSystem._strip_protocol(name))
    if name.startswith(ICECHUNK):
        from xstf.places.repository import named

        return named(name, name.removeprefix(ICECHUNK))
    if "://" in name or "::" in name:
        from xstf.places.remote import Address

        return Address(name.rstrip("/"), storage_options or {})
    return Zipped.at(name) if is_zip(name) else Folder(name)
