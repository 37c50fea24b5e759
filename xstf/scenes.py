"""What a scene is: one Dataset of fine and coarse images; building, checking and cutting it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import georeference as georeference
from xstf.coordinates import mapping_of, meet, same_crs, set_mappings, with_axes
from xstf.grid import Grid, scale_of

FINE = ("time", "band", "y", "x")
COARSE = ("time", "band", "y_coarse", "x_coarse")
REFLECTANCE = (0.0, 1.0)
BEYOND = 2.0  # no reflectance lies beyond +-2; digital numbers do


def scene(
    fine: xr.DataArray | xr.Dataset | xr.DataTree,
    coarse: xr.DataArray | None = None,
    *,
    scale: int | None = None,
    valid_range: tuple[float, float] | None = REFLECTANCE,
    classes: xr.DataArray | np.ndarray | None = None,
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
        Smallest and largest possible value, in the units of the images. None where there is
        none (temperature, indices). Clamps and range repairs use it.
    classes
        (y, x) class map of the fine grid, whole numbers from 1, 0 where unclassified.

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
    >>> dict(xstf.scene(fine, coarse).sizes)
    {'time': 2, 'band': 1, 'y': 4, 'x': 4, 'y_coarse': 2, 'x_coarse': 2}
    """
    if coarse is None:
        fine, coarse = _both(fine)
    if not isinstance(fine, xr.DataArray) or not isinstance(coarse, xr.DataArray):
        raise TypeError(
            f"fine and coarse are {type(fine).__name__} and {type(coarse).__name__}; give two "
            "DataArrays (time, band, y, x), or one Dataset or DataTree that holds both"
        )
    fine, coarse = _named(fine, "fine"), _named(coarse, "coarse")
    if classes is None and "classes" in fine.coords:
        classes = fine["classes"]
    mappings = mapping_of(fine), mapping_of(coarse)
    fine, coarse = _decoded(fine, "fine"), _same_bands(fine, _decoded(coarse, "coarse"))
    for array, name in ((fine, "fine"), (coarse, "coarse")):
        _ordered(array["time"].values, name)
        _refuse_numbers(array, name, valid_range)
    fine = with_axes(fine)
    coarse, factor = _on_cells(fine, coarse, scale)
    times = np.union1d(fine["time"].values, coarse["time"].values)
    ds = xr.Dataset({"fine": _spread(fine, times), "coarse": _spread(coarse, times)})
    for array, name in ((fine, "fine_observed"), (coarse, "coarse_observed")):
        ds[name] = ("time", np.isin(times, array["time"].values[_seen(array)]))
    if classes is not None:
        ds["classes"] = (("y", "x"), getattr(classes, "data", classes))
    ds = set_mappings(ds, *mappings)
    ds.attrs["valid_range"] = None if valid_range is None else [float(v) for v in valid_range]
    ds.attrs["scale"] = factor
    check(ds)
    return ds


@dataclass(frozen=True)
class Parts:
    """A scene that has been checked, taken apart: what the rest of xstf works with."""

    ds: xr.Dataset
    grid: Grid
    valid_range: tuple[float, float] | None

    @property
    def times(self) -> np.ndarray:
        """The time axis, datetime64."""
        return self.ds["time"].values

    def observed(self, kind: str) -> np.ndarray:
        """Return which dates have an observed image, (time,) bool."""
        if f"{kind}_observed" in self.ds:
            flags = self.ds[f"{kind}_observed"].data
            # a few flags, not pixels: read here and now, whatever scheduler waits for the pixels
            flags = flags.compute(scheduler="sync") if hasattr(flags, "dask") else flags
            return np.asarray(flags, bool)
        return np.ones(self.ds.sizes["time"], bool)


def check(data: xr.Dataset | xr.DataTree, fine: str = "fine", coarse: str = "coarse") -> None:
    """Raise where `data` is not a scene. Reads coordinates only, no pixel.

    Parameters
    ----------
    data
        The scene: a Dataset, or a DataTree with nodes ``/fine`` and ``/coarse``.
    fine, coarse
        Names of the two variables.

    Raises
    ------
    ValueError
        For a missing variable or dimension, grids that do not meet, different CRS, bands that
        differ, no date with both images, times that are unsorted or repeated.
    """
    parts = take_apart(data, fine, coarse)
    if not (parts.observed("fine") & parts.observed("coarse")).any():
        days = [
            ", ".join(str(np.datetime64(t, "D")) for t in parts.times[parts.observed(k)][:4])
            for k in ("fine", "coarse")
        ]
        raise ValueError(
            f"no date has both a fine and a coarse image (fine: {days[0] or 'none'}; coarse: "
            f"{days[1] or 'none'}), and times are matched exactly; if the hours differ, round "
            'them first: fine.assign_coords(time=fine.time.dt.floor("D"))'
        )


def take_apart(data: Any, fine: str = "fine", coarse: str = "coarse") -> Parts:
    """Return the checked parts of a scene, its coarse grid cut to the fine one by coordinates."""
    ds = _dataset(data, fine, coarse)
    for name, dims in (("fine", FINE), ("coarse", COARSE)):
        if name not in ds:
            raise ValueError(
                f"the scene has no variable {name!r}, only {sorted(map(str, ds.data_vars))}; "
                f"build one with xstf.scene(fine, coarse), or say its name: {name}='...'"
            )
        if set(ds[name].dims) != set(dims):
            raise ValueError(
                f"{name} has dimensions {ds[name].dims}, not {dims}; xstf.scene(fine, coarse) "
                "names them so"
            )
        if 0 in ds[name].shape:
            raise ValueError(f"{name} is empty: {dict(ds[name].sizes)}")
        if ds[name].dtype.kind != "f":
            raise ValueError(
                f"{name} is {ds[name].dtype}, but a scene holds reflectance as floats, NaN where "
                f"missing; decode it first: xstf.scene(...) does where scale_factor is known"
            )
    _ordered(ds["time"].values, "the scene")
    same_crs(mapping_of(ds["fine"]), mapping_of(ds["coarse"], "spatial_ref_coarse"))
    ds = ds.transpose(*FINE, "y_coarse", "x_coarse", ...)
    scale, cells = _meet(ds)
    ds = ds.isel(y_coarse=cells[0], x_coarse=cells[1])
    limits = ds.attrs.get("valid_range", REFLECTANCE)
    return Parts(
        ds,
        Grid((ds.sizes["y"], ds.sizes["x"]), scale),
        None if limits is None else (float(limits[0]), float(limits[1])),
    )


def find_observed(data: xr.Dataset, *, least: float = 0.0) -> xr.Dataset:
    """Return the scene with ``fine_observed`` and ``coarse_observed`` found from the pixels.

    Parameters
    ----------
    data
        The scene. Every image is read once.
    least
        An image counts as observed if more than this share of it is not missing, 0..1.
    """
    import dask

    if not 0 <= least < 1:
        raise ValueError(f"least={least} is no share of an image; give 0 <= least < 1")
    ds = take_apart(data).ds
    found = dask.compute(
        *(ds[k].notnull().mean([d for d in ds[k].dims if d != "time"]) > least for k in _KINDS)
    )
    flags = zip(_KINDS, found, strict=True)
    return data.assign({f"{k}_observed": ("time", f.values) for k, f in flags})


_KINDS = ("fine", "coarse")


def with_observed(parts: Parts) -> Parts:
    """Return the parts with ``fine_observed``; where it is missing, one announced pass finds it."""
    if "fine_observed" in parts.ds:
        return parts
    warnings.warn(
        "the scene has no fine_observed, so every image is read once now to find the dates with "
        "a fine one; keep what was found: ds = xstf.find_observed(ds)",
        UserWarning,
        stacklevel=4,
    )
    return Parts(find_observed(parts.ds), parts.grid, parts.valid_range)


def isel(data: xr.Dataset, indexers: dict[str, Any]) -> xr.Dataset:
    """Cut both grids by positions on the fine one, outwards to whole coarse cells.

    Parameters
    ----------
    data
        The scene.
    indexers
        ``y`` and ``x`` as slices of fine pixels with step 1; others as xarray takes them.
    """
    parts = take_apart(data)
    ds, scale = parts.ds, parts.grid.scale
    both: dict[str, slice] = {}
    for dim in ("y", "x"):
        if dim not in indexers:
            continue
        window = indexers.pop(dim)
        if not isinstance(window, slice) or window.step not in (None, 1):
            raise ValueError(
                f"{dim}={window!r} does not cut both grids; give a slice with step 1, such as "
                f"slice(0, {4 * scale})"
            )
        start, stop, _ = window.indices(ds.sizes[dim])
        cells = slice(start // scale, -(-stop // scale))
        both |= {dim: slice(cells.start * scale, cells.stop * scale), f"{dim}_coarse": cells}
    return ds.isel({**indexers, **both})


def sel(data: xr.Dataset, indexers: dict[str, Any]) -> xr.Dataset:
    """Cut both grids by coordinates, outwards to whole coarse cells.

    Parameters
    ----------
    data
        The scene.
    indexers
        ``y`` and ``x`` as slices of coordinates in either order; others as xarray takes them.
    """
    windows: dict[str, Any] = {}
    for dim in ("y", "x"):
        if dim not in indexers:
            continue
        window = indexers.pop(dim)
        if not isinstance(window, slice):
            raise ValueError(f"{dim}={window!r} does not cut both grids; give a slice")
        values = data[dim].values
        ends = [e for e in (window.start, window.stop) if e is not None]
        low = min(ends) if len(ends) == 2 else -np.inf
        high = max(ends) if len(ends) == 2 else np.inf
        if len(ends) == 1:
            down = values[0] > values[-1]
            low, high = (-np.inf, ends[0]) if (window.start is None) != down else (ends[0], np.inf)
        inside = np.flatnonzero((values >= low) & (values <= high))
        if len(inside) == 0:
            raise ValueError(
                f"{dim}={window!r} holds no pixel: the scene reaches from {values.min()} to "
                f"{values.max()}"
            )
        windows[dim] = slice(int(inside[0]), int(inside[-1]) + 1)
    return isel(data.sel(indexers), windows)


def beyond_reflectance(low: float, high: float, name: str, limits: Any) -> str | None:
    """Return the message for values that are no reflectance, or None where they can be."""
    if limits is None or max(abs(limits[0]), abs(limits[1])) > BEYOND:
        return None
    if not (low < -BEYOND or high > BEYOND):
        return None
    return (
        f"{name} holds values from {low:g} to {high:g}, but its valid range is "
        f"{limits[0]:g}..{limits[1]:g}: these look like digital numbers. Scale them first "
        "(xstf.read_images(..., scale_factor=1e-4), or fine * 1e-4), or say "
        "valid_range=None for temperature and the like"
    )


def _meet(ds: xr.Dataset) -> tuple[int, tuple[slice, slice]]:
    """Return the scale of a scene, and its coarse cells below the fine pixels."""
    scale = ds.attrs.get("scale")
    fine = ds.sizes["y"], ds.sizes["x"]
    coarse = ds.sizes["y_coarse"], ds.sizes["x_coarse"]
    axes = ("y", "x", "y_coarse", "x_coarse")
    if all(a in ds.coords for a in axes):
        y, x, y_coarse, x_coarse = (ds[a].values for a in axes)
        return meet((y, x), (y_coarse, x_coarse), scale)
    scale = scale or scale_of(fine, coarse)
    if any(f != c * scale for f, c in zip(fine, coarse, strict=True)):
        raise ValueError(
            f"the grids do not meet: fine {fine} is not {scale} x coarse {coarse}; cut both with "
            "ds.stf.isel before coordinates are dropped"
        )
    return scale, (slice(None), slice(None))


def _dataset(data: Any, fine: str, coarse: str) -> xr.Dataset:
    if isinstance(data, xr.DataTree):
        return scene(*_both(data, fine, coarse), valid_range=data.attrs.get("valid_range", (0, 1)))
    if not isinstance(data, xr.Dataset):
        raise TypeError(
            f"a scene is an xarray Dataset or DataTree, not {type(data).__name__}; build one with "
            "xstf.scene(fine, coarse)"
        )
    names = {n: to for n, to in ((fine, "fine"), (coarse, "coarse")) if n in data and n != to}
    return data.rename(names)


def _both(
    data: Any, fine: str = "fine", coarse: str = "coarse"
) -> tuple[xr.DataArray, xr.DataArray]:
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


def _named(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return the array with dimensions (time, band, y, x), whatever the last two are called."""
    needed = ("time", "band")
    missing = [d for d in needed if d not in array.dims]
    if missing or array.ndim != 4:
        raise ValueError(
            f"{name} has dimensions {array.dims}, not (time, band, y, x); add what is missing "
            f"with .expand_dims({missing[0] if missing else 'time'}=[...])"
        )
    y, x = (d for d in array.dims if d not in needed)
    if str(y).startswith("x") or str(x).startswith("y"):
        y, x = x, y
    return array.transpose("time", "band", y, x).rename({y: "y", x: "x"} if y != "y" else {})


def _decoded(array: xr.DataArray, name: str) -> xr.DataArray:
    """Return float32 values, integers decoded by their scale, offset and fill attributes."""
    attrs = {**array.encoding, **array.attrs}
    if array.dtype.kind in "iu":
        if "scale_factor" not in array.attrs:
            raise ValueError(
                f"{name} is {array.dtype} without a scale_factor, so its units are not known; "
                "read it with xstf.read_images(..., scale_factor=1e-4) or multiply it to "
                "reflectance 0..1 first"
            )
        fill = attrs.get("_FillValue", attrs.get("missing_value"))
        values = array.astype("float32")
        if fill is not None:
            values = values.where(array != fill)
        array = values * np.float32(attrs["scale_factor"]) + np.float32(attrs.get("add_offset", 0))
    elif array.dtype.kind != "f":
        raise ValueError(f"{name} is {array.dtype}; images are numbers, NaN where missing")
    return array.astype("float32")


def _refuse_numbers(array: xr.DataArray, name: str, limits: Any) -> None:
    """Raise where images in memory are no reflectance; on disk, the first pass over them sees."""
    if not isinstance(array.data, np.ndarray):
        return
    finite = array.values[np.isfinite(array.values)]
    if len(finite):
        message = beyond_reflectance(float(finite.min()), float(finite.max()), name, limits)
        if message:
            raise ValueError(message)


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


def _ordered(times: np.ndarray, name: str) -> None:
    if times.dtype.kind != "M":
        raise ValueError(
            f"the times of {name} are {times.dtype}, not dates; give "
            ".assign_coords(time=np.array([...], 'datetime64[ns]'))"
        )
    steps = np.diff(times)
    if (steps < np.timedelta64(0)).any():
        raise ValueError(f"the times of {name} are not in order; sort them: .sortby('time')")
    if (steps == np.timedelta64(0)).any():
        again = times[1:][steps == np.timedelta64(0)][0]
        raise ValueError(
            f"the times of {name} hold {np.datetime64(again, 'D')} twice; keep one: "
            ".drop_duplicates('time')"
        )


def _on_cells(
    fine: xr.DataArray, coarse: xr.DataArray, scale: int | None
) -> tuple[xr.DataArray, int]:
    """Return the coarse images on their own cells, cut to the fine ones, and the scale."""
    if scale is not None and (isinstance(scale, bool) or scale != int(scale) or scale < 1):
        raise ValueError(f"scale={scale!r} is not a whole number of fine pixels, 1 or more")
    if fine.shape[2:] == coarse.shape[2:] and scale != 1:
        if scale is None:
            scale_of(*((a.sizes["y"], a.sizes["x"]) for a in (fine, coarse)))  # raises
        coarse = reduce_to_cells(with_axes(coarse, fine), int(scale or 1))
    coarse = with_axes(coarse, fine)
    fine_axes, coarse_axes = ((a["y"].values, a["x"].values) for a in (fine, coarse))
    factor, (rows, columns) = meet(fine_axes, coarse_axes, scale)
    coarse = coarse.isel(y=rows, x=columns)
    return coarse.rename({"y": "y_coarse", "x": "x_coarse"}), factor


def reduce_to_cells(array: xr.DataArray, cell: int) -> xr.DataArray:
    """Return block means over cells of `cell` x `cell` pixels, lazily.

    A cell is missing where more than half of its pixels are.
    """
    y, x = array.dims[-2:]
    for dim in (y, x):
        if array.sizes[dim] % cell:
            keep = array.sizes[dim] // cell * cell
            raise ValueError(
                f"scale {cell} does not divide the {array.sizes[dim]} pixels along {dim}; cut "
                f"both images first: .isel({dim}=slice(0, {keep}))"
            )
    from xstf.kernels.boxes import cell_means

    data = array.data
    if hasattr(data, "dask"):
        whole = [
            tuple(size * cell for size in _even(sum(c) // cell, max(1, max(c) // cell)))
            for c in data.chunks[-2:]
        ]
        data = data.rechunk({data.ndim - 2: whole[0], data.ndim - 1: whole[1]})
        small = (*data.chunks[:-2], *(tuple(s // cell for s in c) for c in whole))
        means = data.map_blocks(
            cell_means, cell, chunks=small, dtype="float32", meta=np.empty((0,) * 4, "f4")
        )
    else:
        means = cell_means(np.asarray(data), cell)
    coords = {n: c for n, c in array.coords.items() if y not in c.dims and x not in c.dims}
    for dim in (y, x):
        coords[dim] = (dim, array[dim].values.reshape(-1, cell).mean(axis=1))
    return xr.DataArray(means, dims=array.dims, coords=coords, attrs=array.attrs, name=array.name)


def _even(total: int, size: int) -> tuple[int, ...]:
    return (size,) * (total // size) + ((total % size,) if total % size else ())


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


def _seen(array: xr.DataArray) -> np.ndarray:
    """Return which dates hold anything, for images in memory; images on disk are believed."""
    if not isinstance(array.data, np.ndarray):
        return np.ones(array.sizes["time"], bool)
    return np.array([bool(np.isfinite(image).any()) for image in array.data])
