"""What makes a Dataset a scene, and the refusal of what does not."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import meet, set_mappings
from xstf.crs import mapping_of
from xstf.grid import Grid, scale_of

FINE = ("time", "band", "y", "x")
COARSE = ("time", "band", "y_coarse", "x_coarse")
KINDS = ("fine", "coarse")
REFLECTANCE = (0.0, 1.0)
BEYOND = 2.0  # no reflectance lies beyond +-2; digital numbers do


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
            return read_flags(self.ds[f"{kind}_observed"])
        return np.ones(self.ds.sizes["time"], bool)


def read_flags(flags: xr.DataArray) -> np.ndarray:
    """Return a few flags, (time,) bool, which are no pixels: here and now."""
    if not hasattr(flags.data, "dask"):
        return np.asarray(flags.data, bool)
    try:  # whatever scheduler waits for the pixels
        return np.asarray(flags.data.compute(scheduler="sync"), bool)
    except ValueError:  # persisted on a cluster, which alone can read them
        return np.asarray(flags.data.compute(), bool)


def check_scene(ds: xr.Dataset) -> None:
    """Raise where a Dataset is not a scene; see `xstf.check`."""
    parts = take_apart(ds)
    if not (parts.observed("fine") & parts.observed("coarse")).any():
        days = [
            ", ".join(str(t.astype("datetime64[D]")) for t in parts.times[parts.observed(k)][:4])
            for k in KINDS
        ]
        raise ValueError(
            f"no date has both a fine and a coarse image (fine: {days[0] or 'none'}; coarse: "
            f"{days[1] or 'none'}), and times are matched exactly; if the hours differ, round "
            'them first: fine.assign_coords(time=fine.time.dt.floor("D"))'
        )


def take_apart(ds: xr.Dataset) -> Parts:
    """Return the checked parts of a scene, its coarse grid cut to the fine one by coordinates."""
    if not isinstance(ds, xr.Dataset):
        raise TypeError(
            f"a scene is an xarray Dataset or DataTree, not {type(ds).__name__}; build one with "
            "xstf.scene(fine, coarse)"
        )
    for name, dims in (("fine", FINE), ("coarse", COARSE)):
        _check_images(ds, name, dims)
    check_times(ds["time"].values, "the scene")
    check_bands(ds["fine"], "the scene")
    if "classes" in ds:
        _check_classes(ds["classes"])
    ds = ds.transpose(*FINE, "y_coarse", "x_coarse", ...)
    scale, cells = _meet(ds)
    mappings = mapping_of(ds["fine"]), mapping_of(ds["coarse"], "spatial_ref_coarse")
    ds = set_mappings(ds.isel(y_coarse=cells[0], x_coarse=cells[1]), *mappings)
    return Parts(
        ds,
        Grid((ds.sizes["y"], ds.sizes["x"]), scale),
        limits_of(ds.attrs.get("valid_range", REFLECTANCE)),
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
        *(ds[k].notnull().mean([d for d in ds[k].dims if d != "time"]) > least for k in KINDS)
    )
    flags = zip(KINDS, found, strict=True)
    return data.assign({f"{k}_observed": ("time", f.values) for k, f in flags})


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
    return replace(parts, ds=find_observed(parts.ds))


def check_times(times: np.ndarray, name: str) -> None:
    """Raise for times that are no dates, missing, unsorted or repeated."""
    if times.dtype.kind != "M":
        raise ValueError(
            f"the times of {name} are {times.dtype}, not dates; give "
            ".assign_coords(time=np.array([...], 'datetime64[ns]'))"
        )
    if np.isnat(times).any():
        raise ValueError(f"the times of {name} hold NaT, which is no date; leave that image out")
    once, count = np.unique(times, return_counts=True)
    if (count > 1).any():
        again = once[count > 1][0].astype("datetime64[D]")
        raise ValueError(
            f"the times of {name} hold {again} twice; keep one: .drop_duplicates('time')"
        )
    if (np.diff(times) < np.timedelta64(0)).any():
        raise ValueError(f"the times of {name} are not in order; sort them: .sortby('time')")


def check_bands(array: xr.DataArray, name: str) -> None:
    """Raise where two bands have one name."""
    names = [str(b) for b in array["band"].values] if "band" in array.coords else []
    again = sorted({n for n in names if names.count(n) > 1})
    if again:
        raise ValueError(
            f"the bands of {name} hold {again[0]!r} twice, so they cannot be told apart; name "
            "them: .assign_coords(band=[...])"
        )


def limits_of(value: Any) -> tuple[float, float] | None:
    """Return a valid range as two numbers, None where there is none."""
    if value is None or (isinstance(value, str) and value == "none"):
        return None
    try:
        low, high = (float(v) for v in value)
        fits = not isinstance(value, str) and low < high
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            f"valid_range={value!r} is no range; give the smallest and the largest possible "
            "value, such as (0, 1), or None"
        )
    return low, high


def beyond_reflectance(low: float, high: float, name: str, limits: Any) -> str | None:
    """Return the message for values that are no reflectance, or None where they can be."""
    if limits is None or max(abs(limits[0]), abs(limits[1])) > BEYOND:
        return None
    if not (low < -BEYOND or high > BEYOND):
        return None
    fill = f"; if {low:g} stands for a missing pixel, read with nodata={low:g}" if low < -1 else ""
    return (
        f"{name} holds values from {low:g} to {high:g}, but its valid range is "
        f"{limits[0]:g}..{limits[1]:g}: these look like digital numbers. Scale them first "
        "(xstf.read_images(..., scale_factor=1e-4), or fine * 1e-4), or say "
        "valid_range=None for temperature and the like; xstf.sensors.recognise says which "
        f"numbers they are{fill}"
    )


def _check_images(ds: xr.Dataset, name: str, dims: tuple[str, ...]) -> None:
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
    check_filled(ds[name], name)
    if ds[name].dtype.kind != "f":
        raise ValueError(
            f"{name} is {ds[name].dtype}, but a scene holds reflectance as floats, NaN where "
            f"missing; decode it first: xstf.scene(...) does where scale_factor is known"
        )


def _check_classes(classes: xr.DataArray) -> None:
    if set(classes.dims) != {"y", "x"} or classes.dtype.kind not in "iufb":
        raise ValueError(
            f"classes is {classes.dtype} with dimensions {classes.dims}; a class map is (y, x) on "
            "the fine grid, whole numbers from 1 to 255, 0 where unclassified"
        )


def check_filled(array: xr.DataArray, name: str) -> None:
    """Raise for images without a date, band or pixel."""
    if 0 in array.shape:
        sizes = {str(k): v for k, v in array.sizes.items()}
        raise ValueError(f"{name} is empty: {sizes}; a selection before has left nothing")


def _meet(ds: xr.Dataset) -> tuple[int, tuple[slice, slice]]:
    """Return the scale of a scene, and its coarse cells below the fine pixels."""
    scale = ds.attrs.get("scale")
    fine = ds.sizes["y"], ds.sizes["x"]
    coarse = ds.sizes["y_coarse"], ds.sizes["x_coarse"]
    if all(a in ds.coords for a in ("y", "x", "y_coarse", "x_coarse")):
        y, x, y_coarse, x_coarse = (ds[a].values for a in ("y", "x", "y_coarse", "x_coarse"))
        return meet((y, x), (y_coarse, x_coarse), scale)
    scale = scale or scale_of(fine, coarse)
    if any(f != c * scale for f, c in zip(fine, coarse, strict=True)):
        raise ValueError(
            f"the grids do not meet: fine {fine} is not {scale} x coarse {coarse}; cut both with "
            "ds.stf.isel before coordinates are dropped"
        )
    return scale, (slice(None), slice(None))
