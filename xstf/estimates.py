"""What a run from store to store will take, said before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import feed_of, tile_side
from xstf.limits import room_of, text_of_bytes
from xstf.memory import Asked, along_axes, cut_to_fit, decoded
from xstf.method import Method
from xstf.packing import Packing
from xstf.planning import plan
from xstf.scenes import as_dataset

WASTE = 2  # times what blocks need: to decode more than this is pointed out


@dataclass(frozen=True, repr=False)
class Estimate:
    """How a run is cut, and what it will hold, read and write; see `estimate`."""

    method: str
    blocksize: int  # fine pixels along a tile
    dates_per_block: int
    tiles: tuple[int, int]  # rows and columns of them
    dates: int
    blocks: int
    threads: int  # of a worker
    limit: int  # bytes that a worker may take
    block_bytes: int  # that a block takes at most
    worker_bytes: int  # that a worker takes at most, all its threads busy
    read_bytes: int  # decoded from the scene, each time that it is
    written_bytes: int  # before they are compressed
    decoded_share: float  # fine pixels that blocks decode over those that they need
    chunks: tuple[int, ...]  # of the fine images, (time, band, y, x)

    @property
    def fits(self) -> bool:
        """Whether a worker stays below its limit."""
        return self.worker_bytes <= self.limit

    def __repr__(self) -> str:
        """Return all of it as a table."""
        rows, columns = self.tiles
        sure = "" if self.fits else ", which is too much"
        rest = "" if self.decoded_share <= WASTE else self._waste
        lines = {
            "tiles": f"{rows} x {columns}, {self.blocksize} fine pixels wide",
            "blocks": f"{self.blocks}, of {self.dates_per_block} of {self.dates} dates at most",
            "one block": text_of_bytes(self.block_bytes),
            "one worker": f"{text_of_bytes(self.worker_bytes)} on {self.threads} threads, of "
            f"{text_of_bytes(self.limit)}{sure}",
            "read": f"{text_of_bytes(self.read_bytes)} (uncompressed){rest}",
            "written": f"{text_of_bytes(self.written_bytes)} (uncompressed)",
        }
        return "\n".join([self.method, *(f"  {name:<12}{text}" for name, text in lines.items())])

    @property
    def _waste(self) -> str:
        chunks = " x ".join(map(str, self.chunks))
        return (
            f"; blocks decode {self.decoded_share:.1f} times the fine pixels that they need, for "
            f"these lie in\n{'':14}chunks of {chunks} (time, band, y, x): one date and a tile is "
            "best"
        )


def estimate(
    scene: Any,
    method: str | Method,
    *,
    dates: Any = None,
    pairs: Any = "auto",
    combine: str | None = None,
    blocksize: int | None = None,
    dates_per_block: int | None = None,
    memory_limit: int | str | None = None,
    quality: bool = False,
    fill: bool = False,
    fine: str = "fine",
    coarse: str = "coarse",
    dtype: str | None = None,
    scale_factor: float | None = None,
    client: Any = None,
    workers: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **parameters: Any,
) -> Estimate:
    """Say how `xstf.fuse_store` would cut a run, and what it would hold, read and write.

    No pixel is read. The projected peak of a block is that of its windows, of the chunks they are
    decoded from, of what the method says that it holds (`xstf.method.Method.memory`), and of what
    is written. A worker has one block for each of its threads, beside Python and its libraries.

    Parameters
    ----------
    scene
        A scene, or where one lies in Zarr: all that `xstf.open_scene` takes.
    method, dates, pairs, combine, blocksize, dates_per_block, memory_limit
        As in `xstf.fuse_store`.
    quality, fill, fine, coarse, dtype, scale_factor, client, workers
        As in `xstf.fuse_store`.
    storage_options
        What fsspec needs, where `scene` is an address.
    **parameters
        Parameters of the method.

    Returns
    -------
    Estimate
        It prints as a table; its numbers are attributes.

    Raises
    ------
    ValueError
        For what `xstf.fuse_store` refuses before it runs, and if nothing fits into `memory_limit`.

    Examples
    --------
    >>> import xstf
    >>> scene, truth = xstf.simulate("parcels", size=512, dates=10)
    >>> xstf.estimate(scene, "starfm", memory_limit="8GB", workers=2)
    starfm
      tiles       2 x 2, 256 fine pixels wide
      blocks      4, of 8 of 8 dates at most
      ...
    """
    from xstf.archive.checking import check_count, client_of

    check_count("dates_per_block", dates_per_block)
    opened = _opened(scene, fine, coarse, storage_options)
    named = {"dates": dates, "pairs": pairs, "combine": combine, "quality": quality, "fill": fill}
    found = plan(opened, method, parameters, **named)
    feed, packing = feed_of(found.parts), Packing.of(dtype, scale_factor)
    asked = Asked.of(found, feed, packing.scale_factor is not None)
    room = room_of(memory_limit, client_of(client, workers), workers)
    side = tile_side(blocksize, feed)
    side, most = cut_to_fit(asked, room, side, blocksize is not None, dates_per_block)
    rows, columns = (len(lengths) for lengths in feed.grid.cut(side))
    batches = sum(-(-len(group.targets) // most) for group in found.groups)
    needed, read = np.prod(along_axes(feed, asked.method, side), axis=0, dtype=float)
    pixels = len(found.targets) * asked.bands * np.prod(feed.grid.shape)
    peak = asked.need(side, min(most, asked.longest)).peak
    return Estimate(
        found.method.label,
        side,
        min(most, asked.longest),
        (rows, columns),
        len(found.targets),
        rows * columns * batches,
        room.threads,
        round(room.limit),
        round(peak),
        round(asked.worker(room, side, min(most, asked.longest))),
        round(decoded(asked, side, most) + asked.passed),
        round(len(found.names) * pixels * np.dtype(packing.dtype or "float32").itemsize),
        float(max(feed.fine.chunks[0]) * read / needed),
        tuple(max(lengths) for lengths in feed.fine.chunks),
    )


def _opened(
    scene: Any, fine: str, coarse: str, storage_options: Mapping[str, Any] | None
) -> xr.Dataset:
    """Return a scene that was given, or that lies where was said."""
    from xstf.store import open_scene

    if isinstance(scene, xr.Dataset | xr.DataTree | xr.DataArray):
        if storage_options is not None:
            raise ValueError(
                "storage_options are for a scene that is given by its address; leave them out"
            )
        return as_dataset(scene, fine, coarse)
    return open_scene(scene, fine=fine, coarse=coarse, storage_options=storage_options)
