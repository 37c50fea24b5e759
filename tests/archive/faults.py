"""Methods that fail as clusters do, found by name in worker processes; and what to compare."""

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from xstf.method import Method, param
from xstf.methods.add import Add

_LOCK = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Counted(Add):
    """Adds the coarse change, and notes the place of each block in a folder."""

    folder: str = param("", doc="where it is noted")

    def block(self, b):
        with _LOCK:
            name = f"{b.place[0]}-{b.place[1]}-{b.target_times[0].astype('M8[D]')}"
            number = len(list(Path(self.folder).glob(f"{name}*")))
            (Path(self.folder) / f"{name}-{number}").touch()
        return super().block(b)


@dataclass(frozen=True, kw_only=True)
class Failing(Counted):
    """Raises at one place for as long as a file is there."""

    def block(self, b):
        if b.place == (32, 64) and (Path(self.folder) / "broken").exists():
            raise RuntimeError("the node has no memory left")
        return super().block(b)


@dataclass(frozen=True, kw_only=True)
class Deadly(Counted):
    """Kills its process at one place, once."""

    def block(self, b):
        fuse = Path(self.folder) / "fuse"
        if b.place == (32, 64) and fuse.exists():
            fuse.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().block(b)


@dataclass(frozen=True)
class Null(Method):
    """Predicts what it is given, without a look."""

    def prepare(self, scene):
        from xstf.method import Prepared

        return Prepared()

    def block(self, b):
        rows, columns = b.inner
        return {"fused": b.fine[:1, :, rows, columns].repeat(len(b.target), 0)}


def calls(folder):
    """Return the blocks that were run, and how often each was."""
    names = sorted(p.name for p in Path(folder).glob("*-*-*"))
    places = [name.rsplit("-", 1)[0] for name in names]
    return {place: places.count(place) for place in dict.fromkeys(places)}


def result(path):
    """Return what lies at a path, in memory."""
    return xr.open_zarr(path, decode_coords="all").load()


def assert_same(path, expected):
    """Raise unless a store holds these layers, bit for bit, with what is said of them."""
    found = result(path)
    if isinstance(expected, xr.DataArray):
        expected = expected.to_dataset(name="fused")
    xr.testing.assert_equal(found, expected.load())
    for name in expected.data_vars:
        np.testing.assert_array_equal(
            found[name].values.view("u4"), expected[name].values.view("u4")
        )
        assert found[name].attrs == expected[name].attrs
