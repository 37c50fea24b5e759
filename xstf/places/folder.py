"""Folders of this machine or a shared file system, which can be renamed; and zip files."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstf.places.place import Place

GROUPS = ("zarr.json", ".zgroup", ".zmetadata")  # what a Zarr group is known by


@dataclass(frozen=True)
class Folder(Place):
    """A folder: keys are files, written whole; it takes its name in one step."""

    name: str

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.name)

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open."""
        return self.name

    @property
    def given(self) -> Path:
        """What a user opens it by."""
        return self.path

    @property
    def address(self) -> str:
        """What it is called where its name is kept for later."""
        return os.path.abspath(self.name)

    @property
    def lock(self) -> Path:
        """The file that keeps runs on one machine apart."""
        return self.path.with_name(f".{self.path.name}.lock")

    def exists(self) -> bool:
        """Return whether anything lies here."""
        return self.path.exists()

    def is_store(self) -> bool:
        """Return whether a Zarr group lies here."""
        return any((self.path / name).exists() for name in GROUPS)

    def meets(self, other: Place) -> bool:
        """Return whether one is the other, or lies in it."""
        if not isinstance(other, Folder):
            return False
        one, two = self.path.resolve(), other.path.resolve()
        return one == two or one in two.parents or two in one.parents

    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes of an output, as they are now."""
        # every block looks at them, and this is 40 times as quick as to open the group
        found: dict[str, Any] = json.loads((self.path / "zarr.json").read_bytes())["attributes"]
        return found

    def replacement(self) -> Folder:
        """Return where what is to replace this grows."""
        return self._named("replacing")

    def growth(self) -> Folder:
        """Return where what this grows into lies."""
        return self._named("growing")

    def become(self, other: Place) -> None:
        """Take the place of another folder, which is deleted then."""
        _sync()
        move(self.path, Path(other.name))

    @contextmanager
    def beside(self) -> Iterator[Folder]:
        """Give a folder beside this one, which is deleted at the end unless it became another."""
        with scratch(self.path) as temporary:
            yield Folder(str(temporary))

    @contextmanager
    def growing(self) -> Iterator[Folder]:
        """Give a folder beside this one, which gets its name when the context ends."""
        with self.beside() as new:
            yield new
            _sync()
            new.path.rename(self.path)  # which fails where another run has just begun

    def share(self, key: str, other: Place, at: str) -> bool:
        """Give a file, or those in a folder, a second name: no pixel is written."""
        source, target = self.path / key, Path(other.name, at)
        if not source.exists():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=os.link)
        else:
            os.link(source, target)
        return True

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path)

    def sweep(self) -> None:
        """Delete pieces of files that killed processes were writing."""
        for piece in self.path.rglob("*.partial"):
            piece.unlink(missing_ok=True)

    def settle(self, key: str) -> None:
        """Bring a file to the disk itself: a mark that says it is there must not outlive it."""
        file = self.path / key
        if file.exists():
            _flush(file)
            _flush(file.parent)

    def _named(self, ending: str) -> Folder:
        path = Path(self.address)  # which has a name, as "." has not
        return Folder(str(path.with_name(f".{path.name}.{ending}")))


@dataclass(frozen=True)
class Zipped(Place):
    """A zip file, which is read."""

    name: str
    inner: str

    @classmethod
    def at(cls, name: str) -> Zipped:
        """Return the place of a zip file, whose group may lie in a folder of it."""
        with zipfile.ZipFile(name) as file:
            names = file.namelist()
        tops = {key.split("/")[0] for key in names}
        if tops & set(GROUPS) or len(tops) != 1:
            return cls(name, "")
        return cls(name, tops.pop())

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open."""
        from zarr.storage import ZipStore

        return ZipStore(self.name, mode="r")

    @property
    def address(self) -> str:
        """What it is called where its name is kept for later."""
        return os.path.abspath(self.name)

    def exists(self) -> bool:
        """Return whether anything lies here."""
        return True

    def refuse_writing(self) -> None:
        """Raise: several blocks cannot be written into a zip file at once, nor one anew."""
        raise ValueError(cannot_zip(self.name))


def is_zip(name: str) -> bool:
    """Return whether a path is that of a zip file that is there."""
    return Path(name).is_file() and zipfile.is_zipfile(name)


def cannot_zip(name: str) -> str:
    """Say that no run writes a zip file, and how to get one."""
    folder = str(Path(name).with_suffix(".zarr"))
    return (
        f"{name} is a zip file, whose parts cannot be written at once nor written anew; write a "
        f"folder, such as {folder!r}, and pack it when it is complete: "
        f"shutil.make_archive({folder!r}, 'zip', {folder!r})"
    )


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Give a name beside `path` for a temporary folder, and delete the folder at the end."""
    above = next(p for p in path.absolute().parents if p.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is a file, so {path} cannot be in it; give another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}.partial")
    try:
        yield temporary
    except BaseException:
        # blocks that run while another fails may still be writing; later ones find no array
        shutil.rmtree(temporary, ignore_errors=True)
        time.sleep(0.2)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move(new: Path, path: Path) -> None:
    """Give a folder its name; what had the name before is deleted once that is done."""
    if not path.exists():
        new.rename(path)
        return
    with scratch(path) as old:
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise


def _sync() -> None:
    """Have the system write all files to the disk itself: planes can be many."""
    if hasattr(os, "sync"):
        os.sync()


def _flush(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk itself."""
    if os.name == "nt":  # which cannot for folders, and not for files that are only read
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
