"""A place where a Zarr group lies: what opens it, and what can be done there."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

PAUSE = 0.2  # seconds between two writings of marks, so that quick blocks cost little


class Place:
    """Where a Zarr group lies. It travels to workers, and is opened where it is used.

    What is here holds where there are no more than reading, writing and deleting of keys, as in
    object stores; places that can do more say so.
    """

    name: str  # what it is called in messages; without passwords
    inner: str = ""  # where the group lies in the store
    options: Mapping[str, Any] | None = None  # of fsspec

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open."""
        raise NotImplementedError  # each kind of place opens its own

    @property
    def given(self) -> Any:
        """What a user opens it by."""
        return self.name

    @property
    def address(self) -> str:
        """What it is called where its name is kept for later."""
        return self.name

    @property
    def lock(self) -> Path | None:
        """The file that keeps runs on one machine apart; None where there can be none."""
        return None

    @property
    def private(self) -> bool:
        """Whether it lies in the memory of this process."""
        return False

    def __deepcopy__(self, memo: Any) -> Place:
        return self

    def group(self, path: str = "", mode: Any = "r") -> Any:
        """Open a Zarr group at a path in here."""
        import zarr

        return zarr.open_group(
            self.store(mode), path=self._in(path), mode=mode, storage_options=self._options
        )

    def array(self, path: str, mode: Any = "r") -> Any:
        """Open a Zarr array at a path in here."""
        import zarr

        return zarr.open_array(
            self.store(mode), path=self._in(path), mode=mode, storage_options=self._options
        )

    def create_array(self, path: str, **given: Any) -> Any:
        """Create a Zarr array at a path in here, as `zarr.create_array` takes it."""
        import zarr

        return zarr.create_array(
            self.store("a"), name=self._in(path), storage_options=self._options, **given
        )

    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes of an output, as they are now."""
        return dict(self.group().attrs)

    def dataset(self, group: str | None = None, **given: Any) -> Any:
        """Open a group in here lazily with xarray."""
        import xarray as xr

        return xr.open_dataset(
            self.store(), engine="zarr", **self.opening(group), decode_coords="all", **given
        )

    def opening(self, group: str | None = None) -> dict[str, Any]:
        """Return how xarray opens or writes a group in the store."""
        path = self._in(group or "") or None
        return {"group": path, "storage_options": self._options, "consolidated": False}

    def exists(self) -> bool:
        """Return whether anything lies here."""
        from zarr.core.sync import sync

        async def look() -> bool:
            async for _ in self._opened().list_dir(self.inner):
                return True
            return False

        return bool(sync(look()))

    def is_store(self) -> bool:
        """Return whether a Zarr group lies here."""
        try:
            self.group()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def meets(self, other: Place) -> bool:
        """Return whether one is the other, or lies in it."""
        one, two = self.name + "/", other.name + "/"
        return type(self) is type(other) and (one.startswith(two) or two.startswith(one))

    def refuse_writing(self) -> None:
        """Raise where nothing can be written at all."""

    def replacement(self) -> Place | None:
        """Return where what is to replace this grows; None where nothing can change its place."""
        return None

    def become(self, other: Place) -> None:
        """Take the place of another, which is gone then; in one step."""
        raise NotImplementedError  # asked only of what `replacement` or `growth` gives

    def growth(self) -> Place | None:
        """Return where what this grows into lies; None where the two cannot share what stays."""
        return None

    def beside(self) -> AbstractContextManager[Place]:
        """Give a place to make a store in that can `become` another, else it is gone at the end."""
        raise NotImplementedError  # asked only where `growth` gives a place

    def share(self, key: str, other: Place, at: str) -> bool:
        """Let what lies at a key lie in another place too; say whether there is anything."""
        raise NotImplementedError  # asked only where `growth` gives a place

    @contextmanager
    def growing(self) -> Iterator[Place]:
        """Give a place to make a store in; it is here when the context ends, or nothing is."""
        if self.exists():
            raise FileExistsError(f"another run has just begun {self.name}; wait for it")
        try:
            yield self
        except BaseException:
            self.clear()
            time.sleep(0.2)  # tasks that ran while another failed may have gone on writing
            self.clear()
            raise

    def clear(self) -> None:
        """Delete all that lies here."""
        from zarr.core.sync import sync

        sync(self._opened("a").delete_dir(self.inner))

    def sweep(self) -> None:
        """Delete pieces of files that killed processes were writing."""

    def settle(self, key: str) -> None:
        """Bring what was written at a key to where a loss of power leaves it."""

    def told(self) -> Place:
        """Return what workers are told, to write blocks to and to read what was prepared from."""
        return self

    def fresh(self) -> Place:
        """Return where a worker writes one block."""
        return self

    def changes(self) -> Any:
        """Return what a worker has written, where it does not lie here already."""
        return None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say so where nothing can be written: what one block may not, none may."""
        try:
            yield
        except PermissionError as error:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), self.name) from error

    def take(self, changes: Any) -> None:
        """Put here what a worker has written."""

    def keep(self) -> None:
        """Make what was put here last."""

    def due(self, blocks: int, seconds: float) -> bool:
        """Return whether marks are to be written, so many blocks and seconds after the last."""
        return seconds >= PAUSE

    @property
    def _options(self) -> dict[str, Any] | None:
        return dict(self.options) if self.options else None

    def _opened(self, mode: str = "r") -> Any:
        """Return the store as an object."""
        return self.store(mode)

    def _in(self, path: str) -> str:
        return "/".join(part for part in (self.inner, path) if part)


def several(places: Sequence[Place]) -> str:
    """Return the names of places in words."""
    return " and ".join(dict.fromkeys(place.name for place in places))
