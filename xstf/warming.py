"""Compiling methods before the first block, on every worker."""

from __future__ import annotations

import platform
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from xstf.method import Method, build
from xstf.registry import names

BANDS = (("red",), ("red", "nir"), ("green", "red", "nir"))
DATES = (1, 2)  # one image lies in memory unlike several, and numba compiles that apart
PACKAGES = ("xstf", "numpy", "numba", "llvmlite", "dask", "zarr")


@dataclass(frozen=True)
class Warm:
    """What one worker has compiled; see `warm_up`."""

    worker: str  # its address, or "this process"
    host: str
    seconds: dict[str, float]  # of each method: compiling, or reading what was compiled before
    compiled: int  # functions that were compiled now
    loaded: int  # functions that were read from the cache
    cache: str  # folder where numba keeps them
    kept: bool  # whether what was compiled is there for the next process
    versions: dict[str, str]


@dataclass(frozen=True, repr=False)
class WarmUp:
    """What all workers have compiled; see `warm_up`."""

    workers: tuple[Warm, ...]

    @property
    def agree(self) -> bool:
        """Whether all workers, and this process, have the same versions."""
        return not self.differences

    @property
    def differences(self) -> dict[str, list[str]]:
        """The packages whose versions differ, and which there are."""
        known = [w.versions for w in self.workers] + [_versions()]
        found = {name: sorted({v.get(name, "none") for v in known}) for name in known[0]}
        return {name: values for name, values in found.items() if len(values) > 1}

    def __repr__(self) -> str:
        """Return a line for each worker."""
        lines = []
        for w in self.workers:
            slow = max(w.seconds, key=lambda name: w.seconds[name])
            kept = "kept in" if w.kept else "NOT kept in"
            lines.append(
                f"{w.worker} on {w.host}: {len(w.seconds)} methods in "
                f"{sum(w.seconds.values()):.1f} s (most {slow}, {w.seconds[slow]:.1f} s), "
                f"{w.compiled} functions compiled, {w.loaded} read; {kept} {w.cache}"
            )
        if not all(w.kept for w in self.workers):
            lines.append(
                "Every new process compiles again where they are not kept: set NUMBA_CACHE_DIR to "
                "a folder that workers can write, before they start."
            )
        told = "; ".join(f"{name} {', '.join(found)}" for name, found in self.differences.items())
        lines.append("versions agree" if self.agree else f"versions DIFFER: {told}")
        return "\n".join(lines)


def warm_up(
    client: Any = None, methods: Sequence[str | Method] | str | Method | None = None
) -> WarmUp:
    """Compile methods on every worker, so that the first blocks do not wait for it.

    Each method runs on tiny scenes from store to store, with one and several bands, dates and
    pairs. Of the workers on one host the first compiles, and the others read what it kept.

    Parameters
    ----------
    client
        A `distributed.Client`. None: the one that is current, if any, else this process.
    methods
        Names or instances, one or several. None: all but networks, which are not compiled.

    Returns
    -------
    WarmUp
        Its ``workers`` say what was compiled, in how many seconds, and where it is kept; it
        prints as a table.

    Raises
    ------
    ValueError
        For an unknown method.

    Notes
    -----
    numba keeps compiled code beside the sources of xstf if it can, else in the user's home; the
    environment variable NUMBA_CACHE_DIR names another folder. Workers that join later compile, or
    read, when they run their first block.

    Examples
    --------
    >>> import xstf
    >>> xstf.warm_up(methods="add").agree
    True
    """
    from xstf.archive.checking import client_of

    asked: Any = names(networks=False) if methods is None else methods
    asked = [asked] if isinstance(asked, str | Method) else asked
    known = tuple(build(method, {}) for method in asked)
    found = client_of(client, None)
    if found is None:
        return WarmUp((_compile("this process", known),))
    workers = found.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise ValueError("the cluster has no workers yet; client.wait_for_workers(1) waits for one")
    first = {worker["host"]: address for address, worker in workers.items()}
    told = _on(found, list(first.values()), known)
    told |= _on(found, [address for address in workers if address not in told], known)
    return WarmUp(tuple(told[address] for address in workers))


def _on(client: Any, addresses: Sequence[str], methods: tuple[Method, ...]) -> dict[str, Warm]:
    """Compile on some workers at a time."""
    futures = {
        address: client.submit(
            _compile, address, methods, workers=[address], allow_other_workers=False, pure=False
        )
        for address in addresses
    }
    return {address: future.result() for address, future in futures.items()}


def _compile(worker: str, methods: Sequence[Method]) -> Warm:
    """Compile methods in this process."""
    import xstf.kernels  # sees that there is a place to keep them

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in methods:
            start = time.perf_counter()
            _run(method, Path(folder))
            seconds[method.label] = time.perf_counter() - start
    hits, misses, places = _counts()
    place = places[0] if places else str(Path(xstf.kernels.__file__).parent / "__pycache__")
    kept = xstf.kernels.LASTING and all(any(Path(p).glob("*.nbi")) for p in places)
    return Warm(worker, socket.gethostname(), seconds, misses, hits, place, kept, _versions())


def _run(method: Method, folder: Path) -> None:
    """Fuse tiny scenes, from store to store as blocks do it, and lazily."""
    counts = sorted({method.pairs[0], min(2, method.pairs[-1])})
    for bands, dates, pairs in product(BANDS, DATES, counts):
        try:
            _fuse(method, folder, bands, dates, pairs)
        except ValueError:
            if bands == BANDS[-1]:
                raise  # with fewer some methods cannot work


def _fuse(method: Method, folder: Path, bands: tuple[str, ...], dates: int, pairs: int) -> None:
    from xstf.api import fuse
    from xstf.archive import fuse_store
    from xstf.store import open_scene

    path = _scene(folder, bands, dates, pairs, max(64, method.window_size + 15))
    times = open_scene(path).time.values[: dates + pairs]
    served = {"dates": times[:dates], "pairs": list(times[dates:])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of scenes this small
        out = folder / "out.zarr"
        fuse_store(path, out, method, **served, workers=1, progress=False, overwrite=True)
        fuse(open_scene(path), method, **served, blocksize=1024).compute(scheduler="sync")


def _scene(folder: Path, bands: tuple[str, ...], dates: int, pairs: int, size: int) -> Path:
    """Return the path of a simulated scene whose last dates are pairs."""
    from xstf.simulation import simulate
    from xstf.store import save

    size = -(-size // 16) * 16
    path = folder / f"{len(bands)}-{dates}-{pairs}-{size}.zarr"
    if not path.exists():
        ds, truth = simulate("parcels", size=size, dates=dates + pairs, bands=bands, pairs=1)
        seen = np.arange(dates + pairs) >= dates
        fine = truth.where(np.reshape(seen, (-1, 1, 1, 1)))
        save(ds.assign(fine=fine.astype("float32"), fine_observed=("time", seen)), path)
    return path


def _counts() -> tuple[int, int, list[str]]:
    """Return how many functions were read and how many compiled, and where they are kept."""
    hits, misses = 0, 0
    places: dict[str, None] = {}
    for stats in [kernel.stats for kernel in kernels() if kernel.signatures]:
        hits += sum(stats.cache_hits.values())
        misses += sum(stats.cache_misses.values())
        if stats.cache_path:
            places[str(stats.cache_path)] = None
    return hits, misses, list(places)


def kernels() -> list[Any]:
    """Return the compiled functions of the modules of xstf that this process has imported."""
    modules = [(n, m) for n, m in list(sys.modules.items()) if n.startswith("xstf.")]
    return [
        value
        for name, module in modules
        for value in vars(module).values()
        if hasattr(value, "signatures") and getattr(value, "__module__", None) == name
    ]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = getattr(sys.modules.get(name), "__version__", "not installed")
    return found
