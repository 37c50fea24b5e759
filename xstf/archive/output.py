"""The store that a run writes: made whole before the first block, given its name when it may be."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import wrap
from xstf.archive.manifest import Marks, read_fingerprint, write_fingerprint
from xstf.archive.prepared import HOME
from xstf.packing import Packing
from xstf.planning import Plan
from xstf.store import as_stored, packing_of

INNER = (128, 256)  # sides of the chunks inside a shard


def layers_of(asked: Plan) -> xr.Dataset:
    """Return the result of a run without its pixels: layers, coordinates, provenance."""
    import dask.array as da

    grid, targets = asked.scene.grid, asked.targets
    shape = (len(targets), asked.scene.ds.sizes["band"], *grid.shape)
    empty = da.full(shape, np.nan, dtype=np.float32, chunks=shape)
    return xr.Dataset({name: wrap(empty, name, asked) for name in asked.names})


def create(
    out: Path,
    layers: xr.Dataset,
    tiles: tuple[int, int, int],
    packing: Packing,
    fingerprint: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> None:
    """Write a store with nothing in it: one shard for each date and tile.

    Parameters
    ----------
    out
        Folder to write.
    layers
        From `layers_of`.
    tiles
        Side of a tile in fine pixels, and rows and columns of tiles.
    packing
        How images are stored.
    fingerprint
        What the run is.
    attrs
        Attributes of the store.
    """
    import zarr

    side, rows, columns = tiles
    ds, encoding = as_stored(layers.assign_attrs(attrs), packing)
    shard = [min(side, ds.sizes[dim]) for dim in ("y", "x")]
    cut = {"chunks": (1, 1, *map(inner_side, shard)), "shards": (1, ds.sizes["band"], *shard)}
    for name in layers.data_vars:
        encoding[name] |= cut
    ds.to_zarr(out, mode="w", zarr_format=3, consolidated=False, compute=False, encoding=encoding)
    with warnings.catch_warnings():  # every reader looks for it, though Zarr 3 lacks it
        warnings.simplefilter("ignore", UserWarning)
        zarr.consolidate_metadata(str(out))
    write_fingerprint(str(out), fingerprint, side)
    Marks.create(str(out), (ds.sizes["time"], rows, columns))


def packings(layers: xr.Dataset, packing: Packing) -> dict[str, Packing]:
    """Return how each layer is stored."""
    return {str(n): packing_of(v, packing) for n, v in layers.data_vars.items()}


def side_of(out: Path) -> int:
    """Return the side of the tiles that an output was made for."""
    import zarr

    side: Any = zarr.open_group(f"{out}/{HOME}", mode="r").attrs["tile"]
    return int(side)


def inner_side(side: int) -> int:
    """Return the side of the chunks inside a shard: whole parts of it, 128 to 256 if they can be.

    Examples
    --------
    >>> [inner_side(side) for side in (64, 240, 512, 510, 1000)]
    [64, 240, 256, 255, 250]
    """
    parts = [side // n for n in range(1, side + 1) if side % n == 0]
    fitting = [part for part in parts if INNER[0] <= part <= INNER[1]]
    return fitting[0] if fitting else min(parts, key=lambda part: abs(part - INNER[1]))


def refuse_other(out: str, fingerprint: str) -> None:
    """Raise where a store has given way to another one, which lies where it lay.

    Workers of a cluster may still be at a block when their client is long dead, and the places of
    dates are others in the new store.

    Parameters
    ----------
    out
        The store.
    fingerprint
        That of the run it was made for, in short.
    """
    attrs = json.loads(Path(out, "zarr.json").read_bytes())["attributes"]
    if attrs["fingerprint"] != fingerprint:
        raise RuntimeError(f"{out} has been replaced since by another run, so nothing is written")


def replacement(out: Path) -> Path:
    """Return where a store grows that is to replace the one at `out`."""
    return out.with_name(f".{out.name}.replacing")


def discard(path: Path) -> None:
    """Delete what is left of an earlier replacement: a store that a run of ours has made."""
    if path.exists():
        if read_fingerprint(path) is None:
            raise FileExistsError(f"{path} is in the way and was not made here; delete it yourself")
        shutil.rmtree(path)


def sweep(out: Path) -> None:
    """Delete pieces of files that killed processes were writing."""
    for piece in out.rglob("*.partial"):
        piece.unlink(missing_ok=True)
