"""Cubes of other tools as series of images: their names, orders, corners and missing values."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.placing import grid_mappings, placed, told_crs, with_crs

ORDER = ("time", "band", "y", "x")
NAMES = {  # what other tools call the dimensions, in lower case
    "time": ("time", "t", "date", "dates", "datetime", "timestamp", "timestamps", "valid_time"),
    "band": ("band", "bands", "b", "channel", "channels", "c", "variable", "wavelength"),
    "y": ("y", "lat", "latitude", "northing", "northings", "row", "rows", "ydim", "nav_lat"),
    "x": ("x", "lon", "long", "longitude", "easting", "eastings", "col", "cols", "column", "xdim"),
}
FILL = ("_FillValue", "missing_value", "nodata")
SCALE = ("scale_factor", "add_offset")
SEVERAL = {"scale_factor": "scales", "add_offset": "offsets"}  # rioxarray, where bands differ


def to_images(
    data: xr.DataArray | xr.Dataset | np.ndarray,
    *,
    bands: Sequence[str] | None = None,
    dims: Sequence[str] | None = None,
    times: Any = None,
    bounds: tuple[float, float, float, float] | None = None,
    crs: Any = None,
    merge_days: bool = False,
) -> xr.DataArray:
    """Return a cube of another tool as the images (time, band, y, x) that `xstf.scene` takes.

    Takes what odc-stac, stackstac, rioxarray, satpy, eo-learn and ``xarray.open_dataset`` give: a
    variable for each band or a dimension of bands, dimensions in any order and under their usual
    names, pixels labelled by centres or, as stackstac does, by corners.

    Parameters
    ----------
    data
        The cube, lazy or not.
    bands
        Which variables of a Dataset, or which labels, to take, in this order. None: every variable
        that has the most dimensions, or every band.
    dims
        Names of the dimensions in their order, where the names are not usual ones or there are none
        (numpy): ``("time", "y", "x", "band")`` for eo-learn.
    times
        Dates, where the data have none; one for a single image.
    bounds
        Left, bottom, right and top edge in the units of `crs`, where there are no coordinates.
    crs
        Coordinate reference system, where the data do not say theirs (``"EPSG:32633"``).
    merge_days
        Make one image of all that were taken on one day, the first that is not missing at each
        pixel, as neighbouring tiles of one overpass want it.

    Returns
    -------
    xarray.DataArray
        (time, band, y, x), sorted by time, y downwards. Numbers that are marked as fill become
        NaN (whole numbers float32); scale and offset that were noted and not applied are applied.
        Only the coordinates of the four dimensions and the CRS are kept.

    Raises
    ------
    TypeError
        For what is no array.
    ValueError
        If a dimension cannot be told, dates are missing or twice, a band is not there, or `crs`
        or `bounds` contradict what the data say.

    Examples
    --------
    >>> import numpy as np, xarray, xstf
    >>> days = np.array(["2020-06-17", "2020-06-01"], "datetime64[ns]")
    >>> cube = xarray.Dataset(
    ...     {name: (("time", "lat", "lon"), np.ones((2, 3, 4))) for name in ("red", "nir")},
    ...     {"time": days, "lat": [48.1, 48.2, 48.3], "lon": [11.1, 11.2, 11.3, 11.4]})
    >>> images = xstf.to_images(cube, crs="EPSG:4326")
    >>> images.dims, images.y.values
    (('time', 'band', 'y', 'x'), array([48.3, 48.2, 48.1]))
    """
    array = _array(data, bands, dims)
    array = _whole(_renamed(array, dims), times, bands)
    array = _decoded(array)
    if array["time"].dtype.kind == "M":
        array = array.assign_coords(time=array["time"].astype("datetime64[ns]"))
    own = told_crs(array)
    array = placed(array, bounds)
    array = _plain(array)
    if merge_days:
        array = _merged(array)
    _check_times(array["time"].values)
    return with_crs(array.sortby("time"), own, crs)


def _array(data: Any, bands: Any, dims: Any) -> xr.DataArray:
    """Return one array of what holds the images."""
    if isinstance(data, xr.Dataset):
        return _stacked(data.set_coords(grid_mappings(data)), bands)
    if isinstance(data, xr.DataArray):
        return data
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        if dims is None or len(dims) != len(data.shape):
            raise ValueError(
                f"an array of shape {tuple(data.shape)} does not say what its axes are; name them: "
                "dims=('time', 'y', 'x', 'band')"
            )
        return xr.DataArray(data, dims=tuple(dims))
    raise TypeError(f"{type(data).__name__} holds no images; give a DataArray, Dataset or an array")


def _stacked(ds: xr.Dataset, bands: Any) -> xr.DataArray:
    """Return the bands of a Dataset, one variable each, as one array."""
    if bands is None:
        most = max((v.ndim for v in ds.data_vars.values()), default=0)
        names = [str(n) for n, v in ds.data_vars.items() if v.ndim == most and most >= 2]
    else:
        names = [bands] if isinstance(bands, str) else list(bands)
    lost = [n for n in names if n not in ds.data_vars]
    if lost or not names:
        held = ", ".join(map(str, ds.data_vars)) or "nothing"
        raise ValueError(f"there is no variable {(lost or ['of images'])[0]!r}, only {held}")
    parts = [ds[n] for n in names]
    for name, part in zip(names, parts, strict=True):
        if part.dims != parts[0].dims:
            raise ValueError(
                f"{names[0]} has dims {parts[0].dims} and {name} {part.dims}; name the bands that "
                "belong together: bands=[...]"
            )
        if any(d.lower() in NAMES["band"] for d in map(str, part.dims)):
            if len(parts) > 1:
                raise ValueError(
                    f"{name} has a dimension of bands itself; take one: data[{name!r}]"
                )
            return part
    one = xr.concat([_decoded(p) for p in parts], "band", coords="minimal", compat="override")
    return one.assign_coords(band=np.array(names, object))


def _renamed(array: xr.DataArray, dims: Any) -> xr.DataArray:
    """Return the array with dimensions under our names."""
    if dims is not None:
        if len(dims) != array.ndim or len(set(dims)) != len(dims):
            raise ValueError(f"dims={tuple(dims)} do not name the {array.ndim} axes of the data")
        swapped = dict(zip(array.dims, dims, strict=True))
        array = array.rename({a: b for a, b in swapped.items() if a != b})
    found: dict[str, Hashable] = {}
    for dim in array.dims:
        ours = next((o for o, known in NAMES.items() if str(dim).lower() in known), None)
        if ours is None or ours in found:
            raise ValueError(
                f"dims {array.dims}: which of time, band, y and x is {dim!r}? Name them in their "
                "order, dims=('time', 'y', 'x'), or take one of what is none: .isel(...)"
            )
        found[ours] = dim
    lost = [d for d in ("y", "x") if d not in found]
    if lost:
        raise ValueError(f"dims {array.dims} hold no {lost[0]}; name them: dims=('time', 'y', 'x')")
    clash = [o for o, dim in found.items() if o != dim and o in array.coords]
    return array.drop_vars(clash).rename({dim: o for o, dim in found.items() if dim != o})


def _whole(array: xr.DataArray, times: Any, bands: Any) -> xr.DataArray:
    """Return the array with all four dimensions, dates and band labels."""
    if "time" not in array.dims:
        known = times if times is not None else _own_time(array)
        dates = _dates(known)
        if len(dates) != 1:
            raise ValueError(f"times={times!r}: the data are one image, so give one date")
        array = array.drop_vars("time", errors="ignore").expand_dims(time=dates)
    elif times is not None:
        dates = _dates(times)
        if len(dates) != array.sizes["time"]:
            raise ValueError(f"{len(dates)} times for {array.sizes['time']} images")
        array = array.assign_coords(time=dates)
    if "band" not in array.dims:
        label = array.coords["band"].item() if "band" in array.coords else array.name or 1
        array = array.drop_vars("band", errors="ignore").expand_dims(band=[label])
    if bands is None:
        return array
    wanted = [bands] if isinstance(bands, str) else list(bands)
    if "band" not in array.coords and len(wanted) == array.sizes["band"]:
        return array.assign_coords(band=np.array(wanted, object))
    held = list(array["band"].values)
    lost = [name for name in wanted if held.count(name) != 1]
    if lost:
        raise ValueError(f"band {lost[0]!r} is not once among {', '.join(map(str, held))}")
    return array.isel(band=[held.index(name) for name in wanted])


def _dates(given: Any) -> np.ndarray:
    """Return dates, datetime64; those with a time zone in UTC."""
    try:
        return np.array([_date(value) for value in np.atleast_1d(np.asarray(given))])
    except (TypeError, ValueError) as error:
        raise ValueError(f"times={given!r} are no dates ({error}); give '2020-06-01'") from error


def _date(value: Any) -> np.datetime64:
    if isinstance(value, str) and "T" in value:
        value = datetime.datetime.fromisoformat(value)
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(value, "ns")


def _own_time(array: xr.DataArray) -> Any:
    """Return when a single image was taken, as it says itself."""
    for name in NAMES["time"]:
        if name in array.coords and array.coords[name].ndim == 0:
            return array.coords[name].values
    for name in ("start_time", "time"):  # satpy
        if name in array.attrs:
            return np.datetime64(array.attrs[name])
    raise ValueError("the data do not say when they were taken; give times='2020-06-01'")


def _decoded(array: xr.DataArray) -> xr.DataArray:
    """Return the values that attributes tell of, with NaN for fill; what is decoded stays."""
    attrs = array.attrs
    fill = [_of_bands(array, n, np.nan) for n in FILL if attrs.get(n) is not None]
    factor, offset = (_of_bands(array, n, v) for n, v in zip(SCALE, (1.0, 0.0), strict=True))
    values = array if array.dtype.kind == "f" else array.astype("float32")
    for value in fill:
        values = values.where(array != value)  # which nothing is where the value is NaN
    if (factor != 1).any() or (offset != 0).any():
        values = (values * factor.astype("f4") + offset.astype("f4")).astype("float32")
    kept = {n: v for n, v in attrs.items() if n not in (*FILL, *SCALE, *SEVERAL.values())}
    values = values.assign_attrs(attrs)
    values.attrs = kept
    return values


def _of_bands(array: xr.DataArray, name: str, default: float) -> xr.DataArray:
    """Return a number that attributes tell, for all bands or one for each."""
    told = array.attrs.get(name, array.attrs.get(SEVERAL.get(name, ""), default))
    try:
        numbers = np.atleast_1d(np.asarray(told, np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the data say {name}={told!r}, which is no number; mend it") from error
    if len(set(numbers.tolist())) == 1 or np.isnan(numbers).all():
        return xr.DataArray(numbers[0])
    if "band" not in array.dims or len(numbers) != array.sizes["band"]:
        raise ValueError(f"the data say {name}={told!r}, which is not one for each band; mend it")
    return xr.DataArray(numbers, dims="band")


def _plain(array: xr.DataArray) -> xr.DataArray:
    """Return the array in our order, with the coordinates of its dimensions and nothing else."""
    array = array.transpose(*ORDER).reset_coords(drop=True)
    labels = [str(v) if isinstance(v, str) else v for v in array["band"].values]
    array = array.assign_coords(
        band=np.array(labels, object if isinstance(labels[0], str) else None)
    )
    kept = {n: array.attrs[n] for n in ("units", "long_name") if n in array.attrs}
    array.attrs, array.encoding = kept, {}
    return array


def _merged(array: xr.DataArray) -> xr.DataArray:
    """Return one image a day: at each pixel the first that is not missing."""
    days = array["time"].values.astype("datetime64[D]")
    merged = []
    for day in np.unique(days):
        images = [array.isel(time=n, drop=True) for n in np.flatnonzero(days == day)]
        one = images[0]
        for other in images[1:]:
            one = one.where(one.notnull(), other)
        merged.append(one)
    return xr.concat(merged, "time").assign_coords(time=np.unique(days).astype("datetime64[ns]"))


def _check_times(times: np.ndarray) -> None:
    """Raise where two images have one date."""
    if times.dtype.kind != "M":
        raise ValueError(f"the times are {times.dtype}, not dates; give times=[...]")
    if np.isnat(times).any():
        raise ValueError("the times hold NaT, which is no date; leave that image out")
    values, counts = np.unique(times, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{counts.max()} images are of {values[counts.argmax()]}; make one image a day of them "
            "with merge_days=True, or keep one: data.isel(time=[...])"
        )
