"""Addresses that fsspec knows, and stores of Zarr: keys alone, without names that change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xstf.places.place import Place


@dataclass(frozen=True)
class Address(Place):
    """An address that fsspec knows."""

    url: str
    options: Mapping[str, Any] | None = field(default=None, hash=False, repr=False)

    @property
    def name(self) -> str:  # type: ignore[override]  # made of the address, not given
        """The address, without a password that may be in it."""
        scheme, sign, rest = self.url.partition("://")
        user, at, host = rest.split("/")[0].rpartition("@")
        hidden = rest.replace(user + at, user.split(":")[0] + at, 1) if ":" in user else rest
        return f"{scheme}{sign}{hidden}"

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open."""
        return self.url

    @property
    def given(self) -> str:
        """What a user opens it by."""
        return self.url

    @property
    def private(self) -> bool:
        """Whether it lies in the memory of this process."""
        return self.url.startswith("memory:")

    def _opened(self, mode: str = "r") -> Any:
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(self.url, storage_options=self._options)


@dataclass(frozen=True)
class Given(Place):
    """A store of Zarr, as it was given."""

    name: str
    object: Any = field(hash=False, repr=False)

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.name  # not what it holds

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open."""
        return self.object

    @property
    def given(self) -> Any:
        """What a user opens it by."""
        return self.object

    @property
    def private(self) -> bool:
        """Whether it lies in the memory of this process."""
        from zarr.storage import MemoryStore

        return isinstance(self.object, MemoryStore)

    def refuse_writing(self) -> None:
        """Raise for a store that is only read, and one whose blocks would never be committed."""
        from xstf.places.folder import cannot_zip

        kind = type(self.object).__name__
        if kind == "ZipStore":
            raise ValueError(cannot_zip(str(self.object.path)))
        if kind == "IcechunkStore":
            raise ValueError(
                f"{self.name} is the store of one session, which nobody would commit; give the "
                "icechunk.Repository"
            )
        if self.object.read_only or not self.object.supports_deletes:
            raise ValueError(f"{self.name} is only read; give a store that can be written")
