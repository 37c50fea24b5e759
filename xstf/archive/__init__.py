"""Long series from store to store: a block at a time, on threads or a cluster, resumable."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import xarray as xr

from xstf.archive.failures import BlocksFailed as BlocksFailed
from xstf.method import Method


def fuse_store(
    scene: str | os.PathLike[str] | xr.Dataset,
    out: str | os.PathLike[str],
    method: str | Method,
    *,
    dates: Any = None,
    pairs: Any = "auto",
    combine: str | None = None,
    blocksize: int | None = None,
    dates_per_block: int | None = None,
    quality: bool = False,
    fill: bool = False,
    fine: str = "fine",
    coarse: str = "coarse",
    dtype: str | None = None,
    scale_factor: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    client: Any = None,
    workers: int | None = None,
    retries: int = 1,
    progress: Any = True,
    **parameters: Any,
) -> Path:
    """Predict the fine images of a scene in Zarr and write them as Zarr, block by block.

    For series that are larger than memory and runs that take long. The pixels are those of
    `xstf.fuse`. One task reads the window of a block, fuses, and writes; a run that was stopped,
    however, goes on with ``resume=True``.

    Parameters
    ----------
    scene
        A scene in Zarr (`xstf.save`), by its path or as `xstf.open_scene` returned it.
    out
        Folder to write, such as ``"fused.zarr"``. Workers of a cluster must see it too.
    method, dates, pairs, combine, quality, fill, fine, coarse
        As in `xstf.fuse`.
    blocksize
        Side of a tile in fine pixels, as in `xstf.fuse`; a tile of one date is one file (a shard).
    dates_per_block
        How many dates that share their pairs one block predicts. None: by memory.
    dtype, scale_factor
        How images are stored, as in `xstf.save`.
    resume
        Go on with `out` if it is there: what is done is kept. It is refused if the method, its
        parameters, an input image, or anything else that shows in the pixels has changed.
    overwrite
        Replace the store at `out`. It stays as it is until the new one, which grows beside it, is
        complete, so there must be room for both. With `resume` too, a replacement that was stopped
        goes on.
    client
        A `distributed.Client`. None: the one that is current, if any, else threads of this process.
    workers
        Threads of this process; None: all cores.
    retries
        How often a block that failed is tried again, unless its data or the method are the cause.
    progress
        True: a bar on a terminal, lines in a log. Or a function, called with blocks done, blocks
        in all, and seconds. Blocks are counted by date and tile.
    **parameters
        Parameters of the method.

    Returns
    -------
    pathlib.Path
        `out`. Read it with ``xarray.open_zarr(out, decode_coords="all")``. What the method found of
        the whole scene, what is done, and what the run was are in its group ``xstf``.

    Raises
    ------
    FileExistsError
        If `out` exists and neither `resume` nor `overwrite` is given, if it is no result, or if
        another run on this machine writes it.
    ValueError
        For what `xstf.fuse` refuses, and for a resume of something else; the message says what
        differs.
    BlocksFailed
        When all else is written, if some blocks failed.

    Warns
    -----
    UserWarning
        If the chunks of the scene make blocks read much more than they need; if a result is
        missing everywhere on some date.

    Notes
    -----
    A block is marked as done after its data are on disk, and a shard is written whole or not at
    all, so whatever a kill leaves is either marked and right, or computed again.

    Examples
    --------
    >>> import tempfile, xarray, xstf
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = xstf.save(scene, f"{folder}/scene.zarr")
    ...     out = xstf.fuse_store(path, f"{folder}/fused.zarr", "add")
    ...     xarray.open_zarr(out).fused.load().equals(scene.stf.fuse("add").compute())
    True
    """
    from xstf.archive.checking import check_count, checked_out, client_of, source_of
    from xstf.archive.running import Run
    from xstf.fitting import unfitted
    from xstf.packing import Packing
    from xstf.planning import plan
    from xstf.store import open_scene

    check_count("dates_per_block", dates_per_block)
    check_count("retries", retries, least=0)
    source = source_of(scene, fine, coarse)
    out = checked_out(out, source, resume, overwrite)
    asked = plan(
        open_scene(source, fine=fine, coarse=coarse),
        method,
        parameters,
        dates=dates,
        pairs=pairs,
        combine=combine,
        quality=quality,
        fill=fill,
    )
    if unfitted(asked.method):
        name = asked.method.label
        raise ValueError(
            f"{name} is not trained; train and keep it first, so that a run can be resumed: "
            f"fitted = xstf.fit(scene, {name!r}), fitted.save(path); then xstf.fuse_store(scene, "
            "out, xstf.load(path))"
        )
    run = Run(
        source=source,
        kinds=(fine, coarse),
        asked=asked,
        packing=Packing.of(dtype, scale_factor),
        client=client_of(client, workers),
        workers=workers,
        tag=uuid.uuid4().hex,
    )
    run.fuse(out, blocksize, dates_per_block, resume, overwrite, retries, progress)
    return out
