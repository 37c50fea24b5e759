"""Long series from store to store: a block at a time, on threads or a cluster, resumable."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from xstf.archive.failures import BlocksFailed as BlocksFailed
from xstf.method import Method


def fuse_store(
    scene: Any,
    out: Any,
    method: str | Method,
    *,
    dates: Any = None,
    pairs: Any = "auto",
    combine: str | None = None,
    device: str = "cpu",
    blocksize: int | None = None,
    dates_per_block: int | None = None,
    memory_limit: int | str | None = None,
    quality: bool = False,
    fill: bool = False,
    fine: str = "fine",
    coarse: str = "coarse",
    dtype: str | None = None,
    scale_factor: float | None = None,
    resume: bool = False,
    overwrite: bool = False,
    append: bool = False,
    client: Any = None,
    workers: int | None = None,
    retries: int = 1,
    progress: Any = True,
    storage_options: Mapping[str, Any] | None = None,
    commit_every: int | None = None,
    **parameters: Any,
) -> Any:
    """Predict the fine images of a scene in Zarr and write them as Zarr, block by block.

    For series that are larger than memory and runs that take long. The pixels are those of
    `xstf.fuse`. Each block reads its window, fuses, and writes, and on a cluster quick blocks share
    a task; a run that was stopped, however, goes on with ``resume=True``.

    Parameters
    ----------
    scene
        A scene in Zarr (`xstf.save`), by where it lies or as `xstf.open_scene` returned it: a
        folder, an address that fsspec knows, a zip file, an icechunk repository, or a store of
        `zarr.storage`.
    out
        Where to write: a folder such as ``"fused.zarr"``; an address that fsspec knows, such as
        ``"s3://bucket/fused.zarr"``; an `icechunk.Repository`, or ``"icechunk://"`` and the path
        of one; or a store of `zarr.storage`. Workers of a cluster must see it too.
    method, dates, pairs, combine, device, quality, fill, fine, coarse
        As in `xstf.fuse`.
    blocksize
        Side of a tile in fine pixels, as in `xstf.fuse`; a tile of one date is one file (a shard).
    dates_per_block
        How many dates that share their pairs one block predicts. None: by memory.
    memory_limit
        What one worker may take, all its threads together: bytes, or text such as ``"1GB"``. Tiles
        and dates of a block are chosen so that the projected peak stays below it
        (`xstf.estimate`). None: below 80 % of a worker's own limit, or of the free memory.
    dtype, scale_factor
        How images are stored, as in `xstf.save`.
    resume
        Go on with `out` if it is there: what is done is kept. It is refused if the method, its
        parameters, an input image, or anything else that shows in the pixels has changed.
    overwrite
        Replace the store at `out`. It stays as it is until the new one, which grows beside it, is
        complete, so there must be room for both. With `resume` too, a replacement that was stopped
        goes on. At an address, where nothing can be renamed, it is refused.
    append
        Extend `out` to what the scene has become, if it is there: dates that are new, or for which
        the scene has better pairs or other images now, are computed, and those whose images are the
        same are kept as they are. It stays as it is until the grown one, which shares with it the
        files that stay, is complete; one that was stopped goes on with `append` again. A date that
        has got a fine image leaves `out`, unless `dates` names it. Elsewhere than in folders, where
        files cannot be shared, it is refused.
    client
        A `distributed.Client`. None: the one that is current, if any, else threads of this process.
    workers
        Threads of this process; None: all cores.
    retries
        How often a block that failed is tried again, unless its data or the method are the cause.
    progress
        True: a bar on a terminal, lines in a log. Or a function, called with blocks done, blocks
        in all, and seconds. Blocks are counted by date and tile.
    storage_options
        What fsspec needs for an address, such as ``{"anon": True}``: for `scene`, where that is
        one, and for `out`. Where the two need their own, give one as a store of `zarr.storage`.
    commit_every
        Blocks of one commit to an icechunk repository; None: 64. What was not committed when a run
        was killed is computed again.
    **parameters
        Parameters of the method.

    Returns
    -------
    pathlib.Path or object
        `out`, a folder as a path. Read it with ``xarray.open_zarr(out, decode_coords="all")``, and
        of a repository ``repository.readonly_session("main").store``. What the method found of the
        whole scene, what is done, and what the run was are in its group ``xstf``.

    Raises
    ------
    FileExistsError
        If `out` exists and neither `resume` nor `overwrite` is given, if it is no result, if it
        cannot be replaced, or if another run on this machine writes it.
    OSError
        If nothing can be written any more; what is done is kept.
    ValueError
        For what `xstf.fuse` refuses, for a resume of something else, and for an append with another
        method, grid or parameter, or of fewer dates; the message says what differs. If nothing fits
        into `memory_limit`; it says what the smallest block takes.
    BlocksFailed
        When all else is written, if some blocks failed.

    Warns
    -----
    UserWarning
        If the cluster has no workers yet: the run waits for the first.
        If what a block is projected to take is more than the memory there is, with no limit set.
        If the chunks of the scene make blocks read much more than they need; if a result is
        missing everywhere on some date; if a date leaves an output that is extended.

    Notes
    -----
    A block is marked as done after its data are on disk, and a shard is written whole or not at
    all, so whatever a kill leaves is either marked and right, or computed again. In folders data
    are brought to the disk itself (fsync) before their mark, so this holds for a loss of power too.

    Two runs of one output on one machine are kept apart in folders and repositories. At addresses
    nothing does that: do not begin two runs there at once.

    `append` keeps a date if all that shows in its pixels is the same: its pairs and their images
    (those on either side too, for ``spread``), its own, and what `Method.prepare` found for it. The
    attribute ``history`` of `out` says what was added when. Whoever had `out` open must open it
    anew, for dates may have moved.

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
    from xstf.archive.checking import (
        check_count,
        check_seen,
        checked_out,
        client_of,
        source_of,
    )
    from xstf.archive.running import Run
    from xstf.cluster import await_workers
    from xstf.fitting import unfitted
    from xstf.packing import Packing
    from xstf.places import check_options
    from xstf.planning import plan
    from xstf.store import open_scene

    check_count("dates_per_block", dates_per_block)
    check_count("retries", retries, least=0)
    source = source_of(scene, fine, coarse, storage_options)
    place = checked_out(out, source, resume, overwrite, append, storage_options, commit_every)
    check_options(storage_options, source, place)
    client = client_of(client, workers)
    asked = plan(
        open_scene(source, fine=fine, coarse=coarse),
        method,
        parameters,
        dates=dates,
        pairs=pairs,
        combine=combine,
        quality=quality,
        fill=fill,
        device=device,
        client=client,
    )
    if unfitted(asked.method):
        name = asked.method.label
        raise ValueError(
            f"{name} is not trained; train and keep it first, so that a run can be resumed: "
            f"fitted = xstf.fit(scene, {name!r}), fitted.save(path); then xstf.fuse_store(scene, "
            "out, xstf.load(path))"
        )
    if client is not None:
        await_workers(client)
        check_seen(client, (source, place))
    run = Run(
        source=source,
        kinds=(fine, coarse),
        asked=asked,
        packing=Packing.of(dtype, scale_factor),
        client=client,
        workers=workers,
        tag=uuid.uuid4().hex,
        memory_limit=memory_limit,
        named=not (dates is None or isinstance(dates, slice)),
    )
    run.fuse(place, blocksize, dates_per_block, resume, overwrite, append, retries, progress)
    return place.given
