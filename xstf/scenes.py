"""Building a scene: one Dataset of fine and coarse images on two grids that meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.arrays import as_images, class_map, select
from xstf.checks import (
    REFLECTANCE,
    beyond_reflectance,
    check_scene,
    limits_of,
    read_flags,
)
from xstf.coordinates import meet, same_axes, set_mappings, with_axes
from xstf.crs import mapping_of, same_crs
from xstf.grid import scale_of
from xstf.reduction import reduce_to_cells

ASK: Any = object()  # an option that was not given: the data may say it


def scene(
    fine: xr.DataArray | xr.Dataset | xr.DataTree,
    coarse: xr.DataArray | None = None,
    *,
    scale: int | None = None,
    valid_range: tuple[float, float] | None = ASK,
    classes: xr.DataArray | np.ndarray | None = None,
    bands: Sequence[str] | None = None,
    sensors: tuple[str, str] | None = None,
    fine_name: str = "fine",
    coarse_name: str = "coarse",
) -> xr.Dataset:
    """Build the scene that every method takes, from fine and coarse images.

    Parameters
    ----------
    fine
        (time, band, y, x) fine images, NaN where unseen, with their own times. Or a DataTree with
        nodes ``/fine`` and ``/coarse``, or a Dataset with variables of these names.
    coarse
        (time, band, y, x) coarse images with their own times, on their own grid, or on the fine
        grid (then `scale` says how to read that). Their last two dimensions may have any name.
    scale
        Side of a coarse cell in fine pixels. Needed only for coarse images on the fine grid:
        ``scale=16`` reduces them to cells of 16 x 16 pixels by block means, ``scale=1`` keeps them.
    valid_range
        Smallest and largest possible value, in the units of the images; (0, 1) where nothing is
        said. None where there is none (temperature, indices). Clamps and range repairs use it.
    classes
        (y, x) class map of the fine grid, whole numbers from 1, 0 where unclassified.
    bands, sensors
        Bands by name, such as ``["green", "red", "nir"]``, and the two sensors whose images these
        are, such as ``("landsat8", "modis")``: finds the bands that see the same light
        (`xstf.sensors.select_bands`). Without them both images must have the same bands.
    fine_name, coarse_name
        Names of the two nodes or variables, where one object holds both.

    Returns
    -------
    xarray.Dataset
        ``fine`` (time, band, y, x), ``coarse`` (time, band, y_coarse, x_coarse), both float32 on
        the union of the times, ``fine_observed`` and ``coarse_observed`` (time), both grid
        mappings, and ``classes`` (y, x) where given. Arrays that dask holds are not computed.

    Raises
    ------
    ValueError
        If the grids do not meet, bands, CRS or times do not fit, or integers come unscaled.

    Examples
    --------
    >>> import numpy as np, xarray as xr, xstf
    >>> fine = xr.DataArray(np.full((1, 1, 4, 4), 0.2), dims=("time", "band", "y", "x"),
    ...     coords={"time": np.array(["2020-06-01"], "datetime64[ns]")})
    >>> coarse = xr.DataArray(np.full((2, 1, 2, 2), 0.2), dims=("time", "band", "y", "x"),
    ...     coords={"time": np.array(["2020-06-01", "2020-06-02"], "datetime64[ns]")})
    >>> ds = xstf.scene(fine, coarse)
    >>> ds.fine.shape, ds.coarse.shape, ds.fine_observed.values.tolist()
    ((2, 1, 4, 4), (2, 1, 2, 2), [True, False])
    """
    flags: dict[str, Any] = {}
    if coarse is None:
        data: Any = fine
        fine, coarse = _both(data, fine_name, coarse_name)
        valid_range = data.attrs.get("valid_range", ASK) if valid_range is ASK else valid_range
        scale = data.attrs.get("scale") if scale is None else scale
        if isinstance(data, xr.Dataset):
            flags = {n: data[n] for n in ("fine_observed", "coarse_observed") if n in data}
            classes = data.get("classes") if classes is None else classes
    if not isinstance(fine, xr.DataArray) or not isinstance(coarse, xr.DataArray):
        raise TypeError(
            f"fine and coarse are {type(fine).__name__} and {type(coarse).__name__}; give two "
            "DataArrays (time, band, y, x), as xstf.to_images makes of a Dataset of bands, or one "
            "Dataset or DataTree that holds both"
        )
    if bands is not None or sensors is not None:
        fine, coarse = select(fine, coarse, bands, sensors)
    limits = limits_of(REFLECTANCE if valid_range is ASK else valid_range)
    mappings = (mapping_of(fine), mapping_of(coarse) or mapping_of(coarse, "spatial_ref_coarse"))
    fine, coarse = (_images(a, n, limits) for a, n in ((fine, "fine"), (coarse, "coarse")))
    coarse = _same_bands(fine, coarse)
    same_crs(*mappings)  # before the grids, whose numbers mean nothing then
    fine, coarse, factor = _on_cells(fine, coarse, scale)
    times = np.union1d(fine["time"].values, coarse["time"].values)
    ds = xr.Dataset({"fine": _spread(fine, times), "coarse": _spread(coarse, times)})
    for array, name in ((fine, "fine_observed"), (coarse, "coarse_observed")):
        ds[name] = ("time", np.isin(times, array["time"].values))
        if name in flags:
            ds[name] = ds[name] & read_flags(flags[name])
    if classes is not None:
        ds["classes"] = (("y", "x"), class_map(classes, fine))
    ds = set_mappings(ds, *mappings)
    ds.attrs["valid_range"] = None if limits is None else list(limits)
    ds.attrs["scale"] = factor
    check_scene(ds)
    return ds


def check(data: xr.Dataset | xr.DataTree, fine: str = "fine", coarse: str = "coarse") -> None:
    """Raise where `data` is not a scene. Reads coordinates only, no pixel.

    Parameters
    ----------
    data
        The scene: a Dataset, or a DataTree with nodes ``/fine`` and ``/coarse``.
    fine, coarse
        Names of the two variables or nodes.

    Raises
    ------
    ValueError
        For a missing variable or dimension, grids that do not meet, different CRS, bands that
        differ, no date with both images, times that are unsorted or repeated.
    """
    check_scene(as_dataset(data, fine, coarse))


def as_dataset(data: Any, fine: str = "fine", coarse: str = "coarse") -> xr.Dataset:
    """Return a scene, whatever holds it and its variables are called, as a Dataset."""
    if isinstance(data, xr.DataTree):
        return scene(data, fine_name=fine, coarse_name=coarse)
    if not isinstance(data, xr.Dataset):
        return data  # which `take_apart` refuses
    names = {n: to for n, to in ((fine, "fine"), (coarse, "coarse")) if n in data and n != to}
    return data.drop_vars([to for to in names.values() if to in data]).rename(names)


def _images(array: xr.DataArray, name: str, limits: Any) -> xr.DataArray:
    """Return images (time, band, y, x) as float32, checked."""
    array = as_images(array, name)
    if isinstance(array.data, np.ndarray):  # on disk, the first pass over them sees
        finite = array.values[np.isfinite(array.values)]
        if np.isinf(array.values).any():
            raise ValueError(
                f"{name} holds infinite values, as a division by 0 gives; make them missing: "
                f"{name}.where(np.isfinite({name}))"
            )
        if len(finite):
            message = beyond_reflectance(float(finite.min()), float(finite.max()), name, limits)
            if message:
                raise ValueError(message)
    return array


def _both(data: Any, fine: str, coarse: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the two images of a DataTree or Dataset."""
    if isinstance(data, xr.Dataset):
        missing = [n for n in (fine, coarse) if n not in data]
        if missing:
            raise ValueError(f"no variable {missing[0]!r} in {sorted(map(str, data.data_vars))}")
        return data[fine], data[coarse]
    if not isinstance(data, xr.DataTree):
        raise TypeError(f"coarse is missing; {type(data).__name__} does not hold both images")
    found = []
    for name in (fine, coarse):
        if name not in data.children:
            raise ValueError(f"the tree has no node /{name}, only {sorted(data.children)}")
        node = data[name].to_dataset()
        images = [v for v in node.data_vars.values() if v.ndim == 4]
        if name in node:
            images = [node[name]]
        if len(images) != 1:
            raise ValueError(
                f"node /{name} holds {len(images)} variables of four dimensions "
                f"({sorted(map(str, node.data_vars))}); keep one, or name it {name!r}"
            )
        found.append(images[0])
    return found[0], found[1]


def _same_bands(fine: xr.DataArray, coarse: xr.DataArray) -> xr.DataArray:
    """Return the coarse images with the bands of the fine ones, matched by name."""
    if "band" in fine.coords and "band" in coarse.coords:
        ours, theirs = list(fine["band"].values), list(coarse["band"].values)
        if sorted(map(str, ours)) != sorted(map(str, theirs)):
            raise ValueError(
                f"the bands differ: fine has {ours}, coarse {theirs}; keep the same ones with "
                ".sel(band=[...]), or name them alike: xstf.read_images(..., bands=[...])"
            )
        order = [[str(t) for t in theirs].index(str(o)) for o in ours]
        coarse = coarse.isel(band=order) if order != list(range(len(ours))) else coarse
        return coarse.assign_coords(band=fine["band"].values)
    if fine.sizes["band"] != coarse.sizes["band"]:
        raise ValueError(
            f"the bands differ: fine has {fine.sizes['band']}, coarse {coarse.sizes['band']}; "
            "keep the same ones with .isel(band=[...])"
        )
    named = fine if "band" in fine.coords else coarse
    return coarse.assign_coords(band=named["band"].values) if "band" in named.coords else coarse


def _on_cells(
    fine: xr.DataArray, coarse: xr.DataArray, scale: Any
) -> tuple[xr.DataArray, xr.DataArray, int]:
    """Return both images, the coarse one on its own cells below the fine one, and the scale."""
    known = whole_scale(scale)
    alike = fine.shape[2:] == coarse.shape[2:] and same_axes(fine, coarse)
    if alike and known is None:
        scale_of(*((a.sizes["y"], a.sizes["x"]) for a in (fine, coarse)))  # raises
    if alike and known is not None and known > 1:
        coarse = reduce_to_cells(with_axes(coarse, fine), known)
    fine = with_axes(fine, coarse)
    coarse = with_axes(coarse, fine)
    fine_axes, coarse_axes = ((a["y"].values, a["x"].values) for a in (fine, coarse))
    factor, (rows, columns) = meet(fine_axes, coarse_axes, known)
    coarse = coarse.isel(y=rows, x=columns)
    return fine, coarse.rename({"y": "y_coarse", "x": "x_coarse"}), factor


def whole_scale(scale: Any) -> int | None:
    """Return a stated scale, checked; None where none is."""
    if scale is None:
        return None
    number = isinstance(scale, int | float | np.integer | np.floating)
    if not number or isinstance(scale, bool) or not (scale >= 1 and scale % 1 == 0):
        raise ValueError(f"scale={scale!r} is not a whole number of fine pixels, 1 or more")
    return int(scale)


def _spread(array: xr.DataArray, times: np.ndarray) -> xr.DataArray:
    """Return the array on `times`, NaN on the dates that it lacks, which hold no memory."""
    own = array["time"].values
    array = array.reset_coords(drop=True)
    if np.array_equal(own, times):
        return array
    import dask.array as da

    shape, data = array.shape[1:], da.asarray(array.data)
    if isinstance(array.data, np.ndarray):
        data = data.rechunk((1, -1, -1, -1))
    missing = da.full((1, *shape), np.nan, dtype="float32", chunks=((1,), *data.chunks[1:]))
    where = {t: i for i, t in enumerate(own)}
    parts = [data[where[t] : where[t] + 1] if t in where else missing for t in times]
    coords = {n: c for n, c in array.coords.items() if n != "time"}
    return xr.DataArray(
        da.concatenate(parts), dims=array.dims, coords={**coords, "time": times}, attrs=array.attrs
    )
