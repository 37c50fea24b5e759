"""Scenes and results in Zarr: written whole or not at all, opened lazily."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import REFLECTANCE
from xstf.conventions import CONVENTIONS
from xstf.packing import Packing
from xstf.places import Place, check_options, place_of
from xstf.places.folder import Folder, move, scratch
from xstf.scenes import check, scene
from xstf.writing import as_stored, packing_of, warn_missing, write_blocks


def save(
    data: xr.Dataset | xr.DataArray,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    dtype: str | None = None,
    scale_factor: float | None = None,
) -> Path:
    """Compute a scene or a fused result and write it as Zarr, whole or not at all.

    Parameters
    ----------
    data
        The scene, or what `xstf.fuse` returned. Chunks are kept, and made regular where they are
        not; arrays in memory are stored one date per chunk. Chunks that hold nothing but NaN are
        not stored.
    path
        Folder to write, such as ``"fused.zarr"``.
    overwrite
        Replace the Zarr store at `path`. The old one stays until the new one is complete, so
        `data` may come from it.
    dtype
        How images are stored: None as they are; an integer type, with `scale_factor`, takes less
        space.
    scale_factor
        The step of stored integers in the units of the images, such as 1e-4.

    Returns
    -------
    pathlib.Path
        The path. Read a scene with `xstf.open_scene`, a result with
        ``xarray.open_zarr(path, decode_coords="all")``.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is not given, or is no Zarr store. Nothing is computed.
    ValueError
        If a value does not fit the integer type.

    Warns
    -----
    UserWarning
        If a result is missing everywhere on some date.

    Notes
    -----
    A run that is killed leaves nothing at `path`, at most a folder ``.NAME-....partial`` beside it,
    which may be deleted.

    Examples
    --------
    >>> import tempfile, xstf
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = xstf.save(scene, f"{folder}/scene.zarr")
    ...     xstf.open_scene(path).load().equals(scene)
    True
    """
    if not isinstance(data, xr.Dataset | xr.DataArray):
        raise TypeError(f"what is saved is a DataArray or Dataset, not {type(data).__name__}")
    if "://" in os.fspath(path):
        raise ValueError(
            f"{path} is an address, and save writes folders; write there with data.to_zarr(...)"
        )
    path, packing = Path(path), Packing.of(dtype, scale_factor)
    refuse_existing(Folder(str(path)), overwrite)
    refuse_other_content(Folder(str(path)), data)
    if isinstance(data, xr.DataArray):
        ds = data.to_dataset(name=data.name or "fused").assign_attrs(Conventions=CONVENTIONS)
    else:
        ds = data
    import zarr

    ds, encoding = as_stored(ds, packing)
    with scratch(path) as temporary:
        ds.to_zarr(
            temporary, mode="w", zarr_format=3, consolidated=False, compute=False, encoding=encoding
        )
        names = [n for n, v in ds.variables.items() if v.chunks is not None]
        counts = write_blocks(
            [(ds[n].data, temporary / str(n), str(n), packing_of(ds[n], packing)) for n in names]
        )
        if isinstance(data, xr.DataArray) or "pair_dates" in ds.coords:
            for name, count in zip(names, counts, strict=True):
                image = name == "fused" or isinstance(data, xr.DataArray)
                if image and ds[name].dims[0] == "time" and ds[name].dtype.kind == "f":
                    warn_missing(count, ds["time"].values, str(name))
        with warnings.catch_warnings():  # every reader looks for it, though Zarr 3 lacks it
            warnings.simplefilter("ignore", UserWarning)
            zarr.consolidate_metadata(str(temporary))
        move(temporary, path)
    return path


def open_scene(
    path: Any,
    *,
    fine: str = "fine",
    coarse: str = "coarse",
    chunks: Any = {},  # noqa: B006 - never changed; None has a meaning of its own
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open a scene in Zarr, lazily, and check it.

    Parameters
    ----------
    path
        A Zarr group with both images, such as `xstf.save` writes, or with the groups ``/fine`` and
        ``/coarse``: a folder, a zip file of one, an address that fsspec knows such as
        ``"s3://bucket/scene.zarr"``, an `icechunk.Repository` or ``"icechunk://"`` and the path
        of one, or a store of `zarr.storage`.
    fine, coarse
        Names of the two variables or groups in the store. The scene calls them ``fine`` and
        ``coarse``.
    chunks
        Chunks of the dask arrays as `xarray.open_zarr` takes them; by default those of the store.
    storage_options
        What fsspec needs for an address, such as ``{"anon": True}``.

    Returns
    -------
    xarray.Dataset
        The scene with both grid mappings. No pixel is read.

    Raises
    ------
    FileNotFoundError
        If there is no Zarr group at `path`.
    ValueError
        If it is not a scene (`xstf.check`).
    """
    place = place_of(path, storage_options)
    check_options(storage_options, place)
    try:
        groups = set(place.group().group_keys())
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{place.name} {'is not a Zarr group' if place.exists() else 'does not exist'}; check "
            f"the path, or write a scene there first: xstf.save(scene, {place.name!r})"
        ) from error
    if {fine, coarse} <= groups:
        tree = xr.open_datatree(
            place.store(), engine="zarr", chunks=chunks, decode_coords="all", **place.opening()
        )
        nodes = {"/fine": tree[fine].to_dataset(), "/coarse": tree[coarse].to_dataset()}
        limits = tree.attrs.get("valid_range", REFLECTANCE)
        found = scene(xr.DataTree.from_dict(nodes), valid_range=limits)
        found.encoding["source"] = _source(place)
        return found
    ds = place.dataset(chunks=chunks)
    for name, variable in ds.variables.items():
        if variable.dims == ("time",) and name not in ds.indexes:
            ds[name] = ds[name].compute(scheduler="synchronous")
        if variable.dtype.kind == "T":
            ds[name] = ds[name].astype(object)
    check(ds, fine, coarse)
    ds = ds.rename({n: to for n, to in ((fine, "fine"), (coarse, "coarse")) if n != to})
    for name in ("fine", "coarse"):
        if ds[name].dtype != np.float32 and "scale_factor" in ds[name].encoding:
            encoding = ds[name].encoding
            ds[name] = ds[name].astype("float32")
            ds[name].encoding = encoding
    ds.encoding["source"] = _source(place)
    return ds


def _source(place: Place) -> str | Place:
    """Return what `xstf.fuse_store` finds a scene again by: its path, or all that opens it."""
    return place.name if isinstance(place, Folder) else place


def refuse_existing(place: Place, overwrite: bool) -> None:
    """Raise where a place is taken, and must not or cannot be replaced."""
    if not place.exists():
        return
    if not overwrite:
        raise FileExistsError(
            f"{place.name} exists; give another path, or replace it with overwrite=True"
        )
    if not place.is_store():
        raise FileExistsError(
            f"{place.name} exists and is no Zarr store, so overwrite=True leaves it alone; give "
            "another path, or delete it yourself"
        )


def refuse_other_content(place: Place, data: xr.Dataset | xr.DataArray) -> None:
    """Raise where a store that would be replaced holds something else, such as the scene itself."""
    if not place.exists():
        return
    group = place.group()
    new = {str(data.name or "fused")} if isinstance(data, xr.DataArray) else set(data.variables)
    lost = {"fine", "coarse", "fused"} & {*group.array_keys(), *group.group_keys()} - new
    if lost:
        raise FileExistsError(
            f"{place.name} holds {', '.join(sorted(lost))}, which would be lost: overwrite=True "
            "replaces a store by another of its kind; give another path"
        )
