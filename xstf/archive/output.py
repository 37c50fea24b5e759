"""The store that a run writes: made whole before the first block, given its name when it may be."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xstf.api import wrap
from xstf.archive.manifest import Marks, read_fingerprint
from xstf.archive.prepared import HOME
from xstf.conventions import together
from xstf.packing import Packing
from xstf.places import Place
from xstf.planning import Plan
from xstf.writing import as_stored, packing_of

INNER = (128, 256)  # sides of the chunks inside a shard


def layers_of(asked: Plan) -> xr.Dataset:
    """Return the result of a run without its pixels: layers, coordinates, provenance."""
    import dask.array as da

    grid, targets = asked.scene.grid, asked.targets
    shape = (len(targets), asked.scene.ds.sizes["band"], *grid.shape)
    empty = da.full(shape, np.nan, dtype=np.float32, chunks=shape)
    return together({name: wrap(empty, name, asked) for name in asked.names})


def create(
    out: Place,
    layers: xr.Dataset,
    tiles: tuple[int, int, int],
    packing: Packing,
    attrs: Mapping[str, Any],
) -> None:
    """Write a store with nothing in it: one shard for each date and tile.

    Parameters
    ----------
    out
        Where there is nothing yet.
    layers
        From `layers_of`.
    tiles
        Side of a tile in fine pixels, and rows and columns of tiles.
    packing
        How images are stored.
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
    ds.to_zarr(
        out.store("w"), mode="w", zarr_format=3, compute=False, encoding=encoding, **out.opening()
    )
    store = out.group(mode="a").store
    if store.supports_consolidated_metadata:
        with warnings.catch_warnings():  # every reader looks for it, though Zarr 3 lacks it
            warnings.simplefilter("ignore", UserWarning)
            zarr.consolidate_metadata(store, path=out.inner or None)
    out.group(HOME, "a").attrs["tile"] = side
    Marks.create(out, (ds.sizes["time"], rows, columns))


def packings(layers: xr.Dataset, packing: Packing) -> dict[str, Packing]:
    """Return how each layer is stored."""
    return {str(n): packing_of(v, packing) for n, v in layers.data_vars.items()}


def side_of(out: Place) -> int:
    """Return the side of the tiles that an output was made for."""
    side: Any = out.group(HOME).attrs["tile"]
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


def refuse_other(out: Place, fingerprint: str) -> None:
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
    if out.attributes()["fingerprint"] != fingerprint:
        raise RuntimeError(
            f"{out.name} has been replaced since by another run, so nothing is written"
        )


def discard(place: Place) -> None:
    """Delete what is left of an earlier replacement or growth: a store that our run has made."""
    if place.exists():
        if read_fingerprint(place) is None:
            raise FileExistsError(
                f"{place.name} is in the way and was not made here; delete it yourself"
            )
        place.clear()
