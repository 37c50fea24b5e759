"""Cloud-optimised GeoTIFF files: one for each date, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import transform_of
from xstf.crs import mapping_of
from xstf.packing import Packing
from xstf.places.folder import scratch
from xstf.raster import IDENTITY, opened
from xstf.writing import regular, warn_missing, write_blocks

ROWS = 512  # of an image written at a time
TILE = 256


def write_images(
    fused: xr.DataArray,
    folder: str | os.PathLike[str],
    *,
    dtype: str = "float32",
    scale_factor: float | None = None,
    prefix: str = "fused",
    overwrite: bool = False,
) -> list[Path]:
    """Compute images and write one cloud-optimised GeoTIFF per date, ``PREFIX_YYYY-MM-DD.tif``.

    All dates are computed together, block by block, into a temporary folder inside `folder`,
    which takes up to twice the room of the images uncompressed. The files appear when all are
    complete. They are tiled, compressed, and hold smaller copies (overviews) of large images. A
    GDAL without the driver ``COG`` leaves out the copies.

    Parameters
    ----------
    fused
        (time, band, y, x) images, such as `xstf.fuse` returns.
    folder
        Where to write; it is made where it is missing.
    dtype
        ``"float32"``, ``"float64"``, or an integer type such as ``"int16"`` with `scale_factor`.
    scale_factor
        The step of stored integers in the units of the images, such as 1e-4. It is written into
        the file, with the value that means missing.
    prefix
        Begin of the file names. Dates of the same day get their time of day too.
    overwrite
        Replace files that exist.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of time.

    Raises
    ------
    FileExistsError
        If a file exists and `overwrite` is not given. Nothing is computed.
    ValueError
        If a value does not fit the integer type.

    Warns
    -----
    UserWarning
        If nothing is known on some date.
    """
    import dask

    packing = Packing.of(dtype, scale_factor)
    if not isinstance(fused, xr.DataArray) or set(fused.dims) != {"time", "band", "y", "x"}:
        found = fused.dims if isinstance(fused, xr.DataArray) else type(fused).__name__
        raise ValueError(
            f"images are a DataArray (time, band, y, x), not {found}; take one layer of a "
            "Dataset by its name, and add a missing dimension: .expand_dims('time')"
        )
    if Path(prefix).name != prefix:
        raise ValueError(f"prefix={prefix!r} is no begin of a file name; folders go into folder=")
    fused, folder = fused.transpose("time", "band", "y", "x"), Path(folder)
    paths = [folder / name for name in _file_names(fused["time"].values, prefix)]
    for path in paths:
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"{path} exists; give another folder or prefix, or replace it with overwrite=True"
            )
    with scratch(folder / prefix) as temporary:
        temporary.mkdir()
        count = _compute(fused, temporary / "blocks", packing)
        profile, about = _profile(fused, packing), _about(fused, packing)
        layout = _layout(fused, profile["dtype"])
        drafts = [temporary / path.name for path in paths]
        write = dask.delayed(_write_image, pure=False)
        dask.compute(
            *(
                write(temporary / "blocks", n, draft, profile, layout, about, _tags(fused[n]))
                for n, draft in enumerate(drafts)
            )
        )
        for draft, path in zip(drafts, paths, strict=True):
            draft.replace(path)
    warn_missing(count, fused["time"].values, str(fused.name or "the image"))
    return paths


def _file_names(times: np.ndarray, prefix: str) -> list[str]:
    days = [str(np.datetime64(t, "D")) for t in times]
    clock = [str(np.datetime64(t, "s"))[10:].replace(":", "") for t in times]
    names = [d + c if days.count(d) > 1 else d for d, c in zip(days, clock, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"two images are of {name}, and would have one name; keep one: "
                ".drop_duplicates('time')"
            )
    return [f"{prefix}_{name}.tif" for name in names]


def _compute(fused: xr.DataArray, path: Path, packing: Packing) -> np.ndarray:
    """Compute all dates together into a Zarr array; return how many values each date has."""
    import zarr

    data = regular(fused.variable).data
    zarr.create_array(
        store=str(path),
        shape=data.shape,
        chunks=data.chunksize,
        dtype=packing.dtype or data.dtype,
        fill_value=packing.fill,
        compressors=None,
    )
    return write_blocks([(data, path, str(fused.name or "the image"), packing)])[0]


def _profile(fused: xr.DataArray, packing: Packing) -> dict[str, Any]:
    """Return what the files hold and where they lie."""
    _, bands, height, width = fused.shape
    mapping, transform = mapping_of(fused), _placed(fused)
    dtype = packing.dtype or np.dtype("float32")
    place: dict[str, Any] = (
        {"crs": mapping.get("crs_wkt") or mapping["spatial_ref"]} if mapping else {}
    )
    if transform:
        place["transform"] = transform
    return place | {
        "driver": "GTiff",
        "dtype": dtype.name,
        "count": bands,
        "height": height,
        "width": width,
        "nodata": packing.fill,
        "BIGTIFF": "IF_SAFER",
    }


def _layout(fused: xr.DataArray, dtype: str) -> dict[str, Any]:
    """Return how the files are laid out, in the words of GDAL's driver for them."""
    import rasterio

    side = min(TILE, -(-max(fused.shape[2:]) // 16) * 16)
    with rasterio.Env() as env:
        optimised = "COG" in env.drivers()
    plain = {"compress": "deflate", "BIGTIFF": "IF_SAFER"}
    if not optimised:
        predictor = 3 if np.dtype(dtype).kind == "f" else 2
        tiles = {"tiled": True, "blockxsize": side, "blockysize": side, "interleave": "band"}
        return plain | tiles | {"driver": "GTiff", "predictor": predictor}
    # numbers that count or flag are never averaged
    means = "NEAREST" if fused.attrs.get("counts") else "AVERAGE"
    return plain | {
        "driver": "COG",
        "predictor": "yes",
        "blocksize": side,
        "overview_resampling": means,
    }


def _placed(fused: xr.DataArray) -> list[float] | None:
    """Return the transform in GDAL's order: the one read where it still holds, else the axes'."""
    mapping = mapping_of(fused) or {}
    said = [float(v) for v in str(mapping.get("GeoTransform", "")).split()]
    if "y" not in fused.coords or "x" not in fused.coords:
        return said or None
    y, x = fused["y"].values, fused["x"].values
    if said:
        rows, columns = (np.array([0, len(a) - 1]) + 0.5 for a in (y, x))
        aside = np.abs(said[0] + columns * said[1] - x[[0, -1]]).max() / abs(said[1])
        along = np.abs(said[3] + rows * said[5] - y[[0, -1]]).max() / abs(said[5])
        if max(aside, along) < 1e-6:
            return said
    read = [float(v) for v in transform_of(y, x).split()]
    return None if tuple(read) == IDENTITY else read


def _about(fused: xr.DataArray, packing: Packing) -> dict[str, Any]:
    """Return the scale of the stored numbers and the names of the bands."""
    names = fused["band"].values.tolist() if "band" in fused.coords else []
    return {
        "scale": packing.scale_factor,
        "names": [n for n in names if isinstance(n, str)],
    }


def _tags(image: xr.DataArray) -> dict[str, str]:
    """Return where an image comes from, as text."""
    kept = {k: v for k, v in image.attrs.items() if isinstance(v, str | int | float)}
    taken = image["time"].values.astype("datetime64[s]")
    kept["TIFFTAG_DATETIME"] = str(taken).replace("-", ":").replace("T", " ")
    kept["time"] = str(taken)
    if "pair_dates" in image.coords:
        kept["pair_dates"] = image["pair_dates"].values.item()  # lazy where it comes from Zarr
    return {str(k): str(v) for k, v in kept.items()}


def _write_image(
    blocks: Path,
    n: int,
    draft: Path,
    profile: dict[str, Any],
    layout: dict[str, Any],
    about: dict[str, Any],
    tags: dict[str, str],
) -> None:
    """Write one date: its pixels, some rows at a time, and from these the file as it is kept."""
    import zarr
    from affine import Affine
    from rasterio.shutil import copy
    from rasterio.windows import Window

    source = zarr.open_array(str(blocks), mode="r")
    _, bands, height, width = source.shape
    if "transform" in profile:
        profile = {**profile, "transform": Affine.from_gdal(*profile["transform"])}
    plain = draft.with_suffix(".plain.tif")
    with opened(str(plain), "w", quiet="crs" not in profile, **profile) as image:
        image.update_tags(**tags)
        if about["scale"] is not None:
            image.scales, image.offsets = (about["scale"],) * bands, (0.0,) * bands
        for band, name in enumerate(about["names"], 1):
            image.set_band_description(band, name)
        for top in range(0, height, ROWS):
            rows = np.asarray(source[n, :, top : top + ROWS])
            image.write(rows, window=Window(0, top, width, rows.shape[1]))
    copy(str(plain), str(draft), **layout)
    plain.unlink()
