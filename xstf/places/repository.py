"""icechunk repositories: workers write forks of a session, which are merged and committed."""

from __future__ import annotations

import errno
import os
import pickle
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xstf.places.place import Place

BRANCH = "main"
EVERY = 64  # blocks of a commit


class Repository(Place):
    """A branch of a repository: what is written is there once it is committed, all at once.

    Parameters
    ----------
    name
        What it is called in messages.
    repository
        An `icechunk.Repository`, or None where there is none yet, and `path` says where.
    given
        What a user opens it by.
    path
        Folder of the repository, where it lies in one.
    branch
        The branch.
    every
        Blocks of a commit.
    """

    def __init__(
        self,
        name: str,
        repository: Any,
        given: Any,
        path: Path | None = None,
        branch: str = BRANCH,
        every: int = EVERY,
    ) -> None:
        self.name, self._repository, self._given, self._path = name, repository, given, path
        self._branch, self._every, self._session = branch, every, None
        self._blocks = 0

    def __reduce__(self) -> Any:
        known = self.name, self._repository, self.name, self._path, self._branch, self._every
        return Repository, known

    @property
    def given(self) -> Any:
        """What a user opens it by."""
        return self._given

    @property
    def address(self) -> str:
        """What it is called where its name is kept for later."""
        return f"icechunk://{self._path.resolve()}" if self._path else self.name

    @property
    def lock(self) -> Path | None:
        """The file that keeps runs on one machine apart; elsewhere the second commit fails."""
        if self._path is None:
            return None
        return self._path.with_name(f".{self._path.name}.lock")

    def meets(self, other: Place) -> bool:
        """Return whether both are the same repository."""
        if not isinstance(other, Repository):
            return False
        if self._path and other._path:
            return self._path.resolve() == other._path.resolve()
        return self._repository is other._repository

    def refuse_writing(self) -> None:
        """Raise for a repository whose forks are not seen where they are unpickled."""
        if self._repository is None:
            return
        from icechunk import IcechunkError

        try:
            pickle.loads(pickle.dumps(self._repository)).lookup_branch(BRANCH)
        except IcechunkError as error:
            raise ValueError(
                f"{self.name} lies in the memory of this process, where blocks cannot be written "
                "apart and merged; give one in a folder or a bucket"
            ) from error

    def with_commits(self, every: int) -> Repository:
        """Return the place with commits of so many blocks."""
        return Repository(self.name, self._repository, self._given, self._path, self._branch, every)

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open; while something is not committed, that with it."""
        if self._session is None and mode == "r":
            if self._repository is None:
                raise FileNotFoundError(f"there is no icechunk repository at {self.name}")
            return self._repository.readonly_session(self._branch).store
        return self._begun().store

    def exists(self) -> bool:
        """Return whether anything lies here."""
        if self._repository is None or self._branch not in self._repository.list_branches():
            return False
        return super().exists()

    def replacement(self) -> Repository:
        """Return the branch where what is to replace this grows."""
        return self._on(f"{self._branch}-replacing")

    def become(self, other: Place) -> None:
        """Take the place of another branch; what it held stays in the history."""
        assert isinstance(other, Repository)
        repository = self._repository
        self.keep()
        other._session = None
        new, branches = repository.lookup_branch(self._branch), repository.list_branches()
        if other._branch in branches:
            old = repository.lookup_branch(other._branch)
            repository.reset_branch(other._branch, new, from_snapshot_id=old)
        else:
            repository.create_branch(other._branch, new)
        repository.delete_branch(self._branch)

    @contextmanager
    def growing(self) -> Iterator[Place]:
        """Give a new branch, which becomes this one when the context ends."""
        if self._repository is None:
            self._repository = _created(self._path)
        repository = self._repository
        base = self._branch if self._branch in repository.list_branches() else BRANCH
        made = self._on(f"{self._branch}-{uuid.uuid4().hex[:8]}")
        repository.create_branch(made._branch, repository.lookup_branch(base))
        try:
            if made.exists():
                super(Repository, made).clear()  # what lies here; the history keeps it
            yield made
            made.become(self)
        finally:
            if made._branch in repository.list_branches():
                repository.delete_branch(made._branch)

    def clear(self) -> None:
        """Delete the branch."""
        self._session = None
        self._repository.delete_branch(self._branch)

    def told(self) -> Fork:
        """Return what workers are told: the state of the last commit."""
        self.keep()
        fork = self._repository.writable_session(self._branch).fork()
        return Fork(self.name, pickle.dumps(fork))

    def take(self, changes: Any) -> None:
        """Put here what a worker has written."""
        self._begun().merge(pickle.loads(changes))
        self._blocks += 1

    def keep(self) -> None:
        """Commit what was put here."""
        session, blocks = self._session, self._blocks
        if session is not None and session.has_uncommitted_changes:
            from icechunk import ConflictError

            said = f"{blocks} blocks" if blocks else "the output without pixels"
            try:
                with self.writing():
                    session.commit(f"xstf: {said}")
            except ConflictError as error:
                raise FileExistsError(
                    f"another run or program has written {self.name} meanwhile, so the last "
                    f"{blocks} blocks are not committed; wait for it, then resume=True computes "
                    "them again"
                ) from error
        self._session, self._blocks = None, 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say so where nothing can be written."""
        with _writing(self.name):
            yield

    def due(self, blocks: int, seconds: float) -> bool:
        """Return whether the next commit is due."""
        return blocks >= self._every

    def _on(self, branch: str) -> Repository:
        return Repository(self.name, self._repository, self._given, self._path, branch, self._every)

    def _begun(self) -> Any:
        """Return the session that is written."""
        if self._session is None:
            self._session = self._repository.writable_session(self._branch)
        return self._session


@dataclass(frozen=True)
class Fork(Place):
    """A repository as a worker has it: as it was committed, and what this worker writes."""

    name: str
    base: bytes
    session: Any = None

    def store(self, mode: str = "r") -> Any:
        """Return what zarr and xarray open."""
        return (self.session or pickle.loads(self.base)).store

    def fresh(self) -> Fork:
        """Return where a worker writes one block."""
        return Fork(self.name, self.base, pickle.loads(self.base))

    def changes(self) -> bytes:
        """Return what was written."""
        return pickle.dumps(self.session)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say so where nothing can be written."""
        with _writing(self.name):
            yield


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """Turn what icechunk says of the system's errors into such errors."""
    from icechunk import IcechunkError

    try:
        yield
    except IcechunkError as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            said = " ".join(str(error).split())[:200]
            raise OSError(f"{name} cannot be written: {said}") from error
        code = errno.EROFS if int(found[1]) == errno.EACCES else int(found[1])
        raise OSError(code, os.strerror(code), name) from error


def named(name: str, path: str) -> Repository:
    """Return the place of a repository in a folder, which may be there or not.

    Parameters
    ----------
    name
        What it is called.
    path
        The folder.
    """
    icechunk = _installed()
    storage = icechunk.local_filesystem_storage(path)
    there = Path(path).exists() and icechunk.Repository.exists(storage)
    repository = icechunk.Repository.open(storage) if there else None
    return Repository(name, repository, name, Path(path))


def _created(path: Path | None) -> Any:
    icechunk = _installed()
    return icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))


def _installed() -> Any:
    try:
        import icechunk
    except ImportError as error:
        raise ImportError("icechunk repositories need icechunk: pip install icechunk") from error
    return icechunk
