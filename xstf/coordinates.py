"""Where pixels lie: axes, grid mappings, and how the coarse grid sits on the fine one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.crs import ALIGN, crs_of, same_crs
from xstf.grid import scale_of

MAPPING = {"fine": "spatial_ref", "coarse": "spatial_ref_coarse"}
CLOSE = 0.05  # fine pixels: corners that lie nearer than this are the same corner


def georeference(array: xr.DataArray, crs: Any, *, y: str = "y", x: str = "x") -> xr.DataArray:
    """Return the images with a coordinate reference system.

    Parameters
    ----------
    array
        Images with 1-D coordinates of pixel centres along `y` and `x`.
    crs
        Anything that pyproj.CRS takes: ``"EPSG:32633"``, a WKT text.
    y, x
        Names of the two spatial dimensions.

    Returns
    -------
    xarray.DataArray
        With the CF grid mapping ``spatial_ref``: the CRS, and the GeoTransform read off the axes.

    Raises
    ------
    ValueError
        If there are no coordinates, or `crs` is none.

    Examples
    --------
    >>> import numpy as np, xarray as xr, xstf
    >>> image = xr.DataArray(np.zeros((2, 2)), dims=("y", "x"),
    ...     coords={"y": [45.0, 15.0], "x": [15.0, 45.0]})
    >>> xstf.georeference(image, "EPSG:32633").spatial_ref.attrs["GeoTransform"]
    '0.0 30.0 0.0 60.0 0.0 -30.0'
    """
    lacking = [dim for dim in (y, x) if dim not in array.coords]
    if lacking:
        raise ValueError(
            f"the images have no coordinate along {lacking[0]}, so where they lie is not known; "
            f"give the pixel centres: .assign_coords({lacking[0]}=...)"
        )
    mapping = dict(crs_of(crs).to_cf())
    if max(array.sizes[y], array.sizes[x]) > 1:  # of one pixel alone the size is not known
        mapping["GeoTransform"] = transform_of(array[y].values, array[x].values)
    array = array.assign_coords(spatial_ref=_scalar(mapping))
    array.encoding["grid_mapping"] = "spatial_ref"
    return array


def set_mappings(
    ds: xr.Dataset, fine: dict[str, Any] | None, coarse: dict[str, Any] | None
) -> xr.Dataset:
    """Return the scene with one CF grid mapping for each of its two grids."""
    same_crs(fine, coarse)
    for kind, mapping, y, x in (
        ("fine", fine, "y", "x"),
        ("coarse", coarse, "y_coarse", "x_coarse"),
    ):
        if mapping is None:
            continue
        attrs = dict(mapping)
        if y in ds.coords and x in ds.coords:
            steps = [_step_of_cells(ds, fine, own) for fine, own in (("y", y), ("x", x))]
            attrs["GeoTransform"] = transform_of(ds[y].values, ds[x].values, steps)
        ds = ds.assign_coords({MAPPING[kind]: _scalar(attrs)})
        ds[kind].encoding["grid_mapping"] = MAPPING[kind]
        ds[kind].attrs.pop("grid_mapping", None)
    return ds


def with_axes(array: xr.DataArray, like: xr.DataArray | None = None) -> xr.DataArray:
    """Return the images with coordinates along y and x: their own, or pixels counted from 0.

    Images without coordinates are taken to cover the same ground as `like`, where it has some.
    """
    axes = {}
    for dim in ("y", "x"):
        if dim in array.coords:
            continue
        size = array.sizes[dim]
        start, end = 0.0, float(size)
        if like is not None and dim in like.coords:
            first, last = like[dim].values[[0, -1]]
            half = (last - first) / max(1, like.sizes[dim] - 1) / 2 or 0.5
            start, end = first - half, last + half
        axes[dim] = start + (np.arange(size) + 0.5) * ((end - start) / size)
    return array.assign_coords(axes) if axes else array


def same_axes(fine: xr.DataArray, coarse: xr.DataArray) -> bool:
    """Say whether images of equal shape have pixels of equal size, as far as they tell."""
    for dim in ("y", "x"):
        if dim in fine.coords and dim in coarse.coords:
            ratio = _ratio(fine[dim].values, coarse[dim].values, dim)
            if ratio is not None and abs(ratio - 1) > CLOSE:
                return False
    return True


def meet(
    fine: tuple[np.ndarray, np.ndarray], coarse: tuple[np.ndarray, np.ndarray], scale: int | None
) -> tuple[int, tuple[slice, slice]]:
    """Return the scale, and the rows and columns of the coarse grid that lie below the fine one.

    Parameters
    ----------
    fine, coarse
        Coordinates of the pixel centres along y and along x.
    scale
        Side of a coarse cell in fine pixels where it is known.

    Raises
    ------
    ValueError
        If the grids do not share corners and whole cells, or the coarse one does not cover the
        fine one.
    """
    shapes = (len(fine[0]), len(fine[1])), (len(coarse[0]), len(coarse[1]))
    ratios = [_ratio(*axes) for axes in zip(fine, coarse, "yx", strict=True)]
    known = [r for r in ratios if r is not None]
    factor = scale or (round(known[0]) if known else scale_of(*shapes))
    for ratio in known:
        if ratio < 0.75:
            raise ValueError(
                f"a coarse pixel is {ratio:.4g} fine pixels wide; are fine and coarse swapped? "
                f"(fine {shapes[0]}, coarse {shapes[1]})"
            )
        if not abs(ratio - factor) * max(map(max, shapes)) <= CLOSE * factor:
            raise ValueError(
                f"the grids do not meet: a coarse pixel is {ratio:.4g} fine pixels wide, not "
                f"{factor}, (fine {shapes[0]}, coarse {shapes[1]}); resample the coarse images to "
                f"a whole multiple of the fine pixel, from the same corner: {ALIGN}"
            )
    windows = [_below(*axes, factor, shapes) for axes in zip(fine, coarse, "yx", strict=True)]
    return factor, (windows[0], windows[1])


def _below(
    fine: np.ndarray, coarse: np.ndarray, dim: str, factor: int, shapes: tuple[Any, Any]
) -> slice:
    """Return the coarse cells below the fine pixels along one axis."""
    if len(fine) % factor:
        raise ValueError(
            f"the grids do not meet: {len(fine)} fine pixels along {dim} are not whole cells of "
            f"{factor} (fine {shapes[0]}, coarse {shapes[1]}); cut them to "
            f"{len(fine) // factor * factor} first, .isel({dim}=slice(...)); or {ALIGN}"
        )
    cells = len(fine) // factor
    step = step_of(fine) or (step_of(coarse) or factor) / factor
    start = (fine[0] - step / 2 - (coarse[0] - step * factor / 2)) / step
    first = round(start / factor) if np.isfinite(start) else 0
    if not abs(start - first * factor) <= CLOSE:
        raise ValueError(
            f"the grids do not meet: along {dim} the fine corner lies {start % factor:.4g} fine "
            f"pixels inside a coarse cell (fine {shapes[0]}, coarse {shapes[1]}); cut the fine "
            "images to begin on a cell, or resample the coarse ones to the fine corner: "
            f"{ALIGN}{_half_pixel(start % factor, factor)}"
        )
    if first < 0 or first + cells > len(coarse):
        raise ValueError(
            f"the grids do not meet: along {dim} the fine images cover coarse cells {first} to "
            f"{first + cells - 1}, but there are {len(coarse)} (fine {shapes[0]}, coarse "
            f"{shapes[1]}); cut the fine images to the ground that both cover: {ALIGN}"
        )
    return slice(first, first + cells)


def _half_pixel(inside: float, factor: int) -> str:
    """Return what to do where coordinates may name corners of pixels instead of centres."""
    found = []
    for off, which, option in (
        (factor / 2, "the coarse images", 'coarse_anchor="upper-left"'),
        (0.5, "the fine images", 'fine_anchor="upper-left"'),
        ((factor - 1) / 2, "both", 'fine_anchor="upper-left", coarse_anchor="upper-left"'),
    ):
        # either way: an upper left corner lies behind on an axis that runs up
        apart = min(abs((inside - o + factor / 2) % factor - factor / 2) for o in (off, -off))
        if apart <= CLOSE and off % factor:
            found.append((which, option))
    if not found:
        return ""
    return (
        f". That is half a pixel: if the coordinates of {' or '.join(w for w, _ in found)} name "
        f"corners of pixels and not centres, say which: xstf.align(fine, coarse, {found[0][1]}), "
        'or "lower-left"'
    )


def _ratio(fine: np.ndarray, coarse: np.ndarray, dim: str) -> float | None:
    ours, theirs = step_of(fine), step_of(coarse)
    if ours is None or theirs is None:
        return None
    ratio = theirs / ours
    if ratio < 0:
        raise ValueError(
            f"the grids do not meet: {dim} runs {_way(ours)} in fine and {_way(theirs)} in "
            f"coarse, so one of them is flipped; turn it: coarse.isel({dim}=slice(None, None, -1)),"
            f" or {ALIGN}"
        )
    return float(ratio)


def _way(step: float) -> str:
    return "up" if step > 0 else "down"


def step_of(axis: np.ndarray) -> float | None:
    """Return the distance of pixel centres along an even axis, None for a single pixel."""
    if len(axis) < 2:
        return None
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    if step == 0 or not np.abs(np.diff(axis) - step).max() <= CLOSE * abs(step):
        raise ValueError(
            f"the coordinates {axis[0]:g}, {axis[1]:g}, ... {axis[-1]:g} are not evenly spaced; "
            "images lie on a regular grid"
        )
    return float(step)


def _step_of_cells(ds: xr.Dataset, fine: str, own: str) -> float | None:
    """Return the distance of cells along an axis, of a single one by the fine pixels in it."""
    step = step_of(ds[fine].values) if fine in ds.coords else None
    return None if step is None else step * ds.sizes[fine] / ds.sizes[own]


def inside_pixel(first: float, edge: float, width: float) -> float | None:
    """Return where in a pixel coordinates lie: 0 at its first edge, 0.5 in its middle, else None.

    Parameters
    ----------
    first
        Coordinate of any pixel.
    edge, width
        First edge of any pixel of the grid, and the distance to the next, with its sign.
    """
    inside = (first - edge) / width % 1
    for place, found in ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0)):
        if abs(inside - place) <= CLOSE:
            return found
    return None


def transform_of(y: np.ndarray, x: np.ndarray, known: Sequence[float | None] = (None, None)) -> str:
    """Return the GeoTransform of two axes of pixel centres, as CF writes it."""
    steps = [step_of(axis) or step for axis, step in zip((y, x), known, strict=True)]
    dy = steps[0] if steps[0] is not None else -abs(steps[1] or 1.0)
    dx = steps[1] if steps[1] is not None else abs(dy)
    return f"{float(x[0] - dx / 2)!r} {dx!r} 0.0 {float(y[0] - dy / 2)!r} 0.0 {dy!r}"


def _scalar(attrs: dict[str, Any]) -> xr.DataArray:
    return xr.DataArray(np.int64(0), attrs=attrs)
