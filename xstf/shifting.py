"""Coarse images that lie some fine pixels off: how far, and how sure that is, and mending it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.api import feed_of
from xstf.checks import Parts, take_apart, with_observed
from xstf.degraded import cell_of
from xstf.reduction import reduce_to_cells
from xstf.scenes import as_dataset

LEAST_CELLS = 25  # that a correlation is worth something for
_TILE = 1024  # fine pixels along the side of a task
_AT_ONCE = 16  # sums that one task adds up


def estimate_shift(
    data: xr.Dataset | xr.DataTree,
    *,
    search: int | None = None,
    cell: int | None = None,
    fine: str = "fine",
    coarse: str = "coarse",
) -> xr.Dataset:
    """Find how many fine pixels the coarse images lie off, from the pairs. Reads each pair once.

    The fine images are averaged over cells that begin at every pixel near the coarse cells, and
    correlated with the coarse images over the whole scene. The peak of the mean correlation of all
    bands and pairs is the shift, between pixels by a paraboloid through its neighbours. Tiles are
    read one by one, so the scene need not fit into memory.

    Parameters
    ----------
    data
        The scene.
    search
        The furthest shift to look for, in fine pixels. None: one and a half cells.
    cell
        Side of a coarse cell in fine pixels, where the scene's scale is 1.
    fine, coarse
        Names of the two variables or nodes.

    Returns
    -------
    xarray.Dataset
        ``dy``, ``dx``: ``coarse(y, x)`` fits ``fine(y + dy, x + dx)``, rows and columns of fine
        pixels. How sure that is: ``dy_of_date``, ``dx_of_date`` (time), the shift of each pair
        alone, NaN where it has no peak within the search; ``before``, ``after`` (time, band), the
        correlation as the images lie and at the shift; and ``correlation`` (shift_y, shift_x), the
        mean of all, whose peak should be one and clear. `xstf.mend_shift` takes it as it is.

    Raises
    ------
    ValueError
        If the scene has no pair, is too small for the search, shows nothing to correlate, or fits
        best at the edge of the search.

    Examples
    --------
    >>> import xstf
    >>> ds, _ = xstf.simulate("parcels", size=256, scale=8, dates=3, pairs=2)
    >>> found = xstf.estimate_shift(ds)
    >>> abs(float(found.dy)) < 0.5, abs(float(found.dx)) < 0.5
    (True, True)
    """
    parts = with_observed(take_apart(as_dataset(data, fine, coarse)))
    side = cell_of(parts, cell)
    at = np.flatnonzero(parts.observed("fine") & parts.observed("coarse"))
    if not len(at):
        raise ValueError(
            "no date has both a fine and a coarse image, so they cannot be compared; add a pair"
        )
    search = _search(search, side, parts.grid.shape)
    found = _correlations(_sums(parts, at, side, search))
    times, bands = parts.times[at], parts.ds["band"].values
    return _summary(found, search, side, {"time": times, "band": bands})


def mend_shift(
    data: xr.Dataset | xr.DataTree, shift: Any, *, fine: str = "fine", coarse: str = "coarse"
) -> xr.Dataset:
    """Move the coarse images by whole fine pixels, by cutting both; nothing is resampled.

    Parameters
    ----------
    data
        The scene.
    shift
        What `estimate_shift` returned, or rows and columns: ``coarse(y, x)`` fits
        ``fine(y + dy, x + dx)``. They are rounded to whole fine pixels.
    fine, coarse
        Names of the two variables or nodes.

    Returns
    -------
    xarray.Dataset
        The scene on the whole cells that are left. The fine images keep their coordinates, and the
        coarse ones get those of the fine pixels they fit; ``coarse.attrs["shift"]`` says how far
        they were moved in all.

    Raises
    ------
    ValueError
        If `shift` is no pair of numbers, or no whole cell is left.
    """
    parts = take_apart(as_dataset(data, fine, coarse))
    moves = tuple(round(number) for number in numbers_of(shift))
    if not any(moves):
        return parts.ds
    ds, scale = parts.ds, parts.grid.scale
    windows: dict[str, slice] = {}
    axes: dict[str, np.ndarray] = {}
    for dim, move, size in zip(("y", "x"), moves, parts.grid.shape, strict=True):
        first = max(0, -(move // scale))  # the first cell whose pixels are all there
        begin = first * scale + move
        count = min(size // scale - first, (size - begin) // scale)
        if count < 1:
            raise ValueError(
                f"a shift of {move} fine pixels along {dim} leaves no cell of {scale} among "
                f"{size} pixels; is it meant in fine pixels?"
            )
        windows |= {dim: slice(begin, begin + count * scale)}
        windows |= {f"{dim}_coarse": slice(first, first + count)}
        if dim in ds.coords:
            pixels = ds[dim].values[windows[dim]].reshape(count, scale)
            axes[f"{dim}_coarse"] = pixels.mean(axis=1)
    ds = ds.isel(windows).assign_coords(axes)
    before = ds["coarse"].attrs.get("shift", (0.0, 0.0))
    ds["coarse"].attrs["shift"] = [float(m + b) for m, b in zip(moves, before, strict=True)]
    return take_apart(ds).ds


def numbers_of(shift: Any) -> tuple[float, float]:
    """Return a shift as two numbers, rows and columns of fine pixels."""
    given = shift
    if isinstance(shift, xr.Dataset) and {"dy", "dx"} <= set(shift):
        given = (shift["dy"].item(), shift["dx"].item())
    try:
        rows, columns = (float(number) for number in given)
    except (TypeError, ValueError):
        rows = columns = np.nan
    if isinstance(given, str) or not (np.isfinite(rows) and np.isfinite(columns)):
        raise ValueError(
            f"shift={shift!r} is no shift; give what xstf.estimate_shift returned, or the rows and "
            "columns of fine pixels, such as (7, 17)"
        )
    return rows, columns


def _search(search: Any, side: int, shape: tuple[int, int]) -> int:
    """Return how far to look, checked."""
    if search is None:
        search = max(4, round(1.5 * side) + 1)
    if isinstance(search, bool) or not (search >= 1 and search % 1 == 0):
        raise ValueError(f"search={search!r} is not a whole number of fine pixels, 1 or more")
    rim = -(-int(search) // side)
    rows, columns = (size // side - 2 * rim for size in shape)
    if min(rows, columns) < 1 or rows * columns < LEAST_CELLS:
        raise ValueError(
            f"the scene of {shape[0]} x {shape[1]} pixels is too small to look for a shift of "
            f"{search}: fewer than {LEAST_CELLS} cells of {side} lie so far inside; give a larger "
            "scene, or a smaller search="
        )
    return int(search)


def _sums(parts: Parts, at: np.ndarray, side: int, search: int) -> np.ndarray:
    """Return the sums of all cells for each pair: (pair, SUMS, band, shift, shift)."""
    import dask

    from xstf.gathering import as_dask
    from xstf.kernels.shifts import sums_by_shift

    feed = feed_of(parts)
    cells = parts.ds["coarse"]
    if side > parts.grid.scale:
        cells = reduce_to_cells(_whole(cells, side), side)
    coarse = as_dask(cells.data)
    rim, step = -(-search // side), max(1, _TILE // side)
    task = dask.delayed(sums_by_shift, pure=True)
    totals = []
    for pair in at:
        tasks = []
        for rows in _cuts(rim, coarse.shape[2] - rim, step):
            for columns in _cuts(rim, coarse.shape[3] - rim, step):
                around = tuple(
                    slice(s.start * side - search, s.stop * side + search) for s in (rows, columns)
                )
                window = feed.fine[(pair, slice(None), *around)]
                tasks.append(task(window, coarse[pair, :, rows, columns], side, search))
        totals.append(_total(tasks))
    return np.stack(dask.compute(*totals))


def _whole(cells: xr.DataArray, side: int) -> xr.DataArray:
    """Return coarse images of scale 1 cut to whole cells."""
    return cells.isel({d: slice(0, cells.sizes[d] // side * side) for d in cells.dims[2:]})


def _cuts(start: int, stop: int, step: int) -> list[slice]:
    return [slice(s, min(s + step, stop)) for s in range(start, stop, step)]


def _total(tasks: list[Any]) -> Any:
    """Return a task for the sum of others, some at a time, so that few are held."""
    import dask

    add = dask.delayed(_add, pure=True)
    while len(tasks) > 1:
        tasks = [add(tasks[n : n + _AT_ONCE]) for n in range(0, len(tasks), _AT_ONCE)]
    return tasks[0]


def _add(parts: list[np.ndarray]) -> np.ndarray:
    return np.sum(parts, axis=0)


def _correlations(sums: np.ndarray) -> np.ndarray:
    """Return correlations (pair, band, shift, shift), NaN where there is nothing to correlate."""
    count, fine, coarse, fine2, coarse2, both = sums.swapaxes(0, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        spreads = (fine2 - fine**2 / count) * (coarse2 - coarse**2 / count)
        found = (both - fine * coarse / count) / np.sqrt(spreads)
    # what rounding leaves of an even image is no spread; shifts share nearly all of their cells
    told = spreads > (1e-10 * fine2) * (1e-10 * coarse2)
    return np.where(told & (count >= LEAST_CELLS), found, np.nan)


def _summary(found: np.ndarray, search: int, side: int, coords: dict[str, Any]) -> xr.Dataset:
    """Return the shift of all pairs together and of each, and the correlations."""
    if not np.isfinite(found).any():
        raise ValueError(
            "the pairs show nothing to correlate: their images are even, or hold fewer than "
            f"{LEAST_CELLS} cells that both have; add a pair"
        )
    mean = _mean(found.reshape(-1, *found.shape[2:]))
    peak = _peak(mean, side)
    if peak is None:
        far = np.subtract(np.unravel_index(np.nanargmax(mean), mean.shape), search)
        raise ValueError(
            f"the images fit best {tuple(map(int, far))} fine pixels off, at the edge of the "
            f"search of {search}, so the shift may be larger; give such as search={2 * search}, "
            "and where coarse images lie on the fine grid the side of their cells, cell="
        )
    each = [_peak(_mean(of_date), side) or (np.nan, np.nan) for of_date in found]
    at = [int(round(p)) + search for p in peak]
    return xr.Dataset(
        {
            "dy": peak[0],
            "dx": peak[1],
            "dy_of_date": ("time", [p[0] for p in each]),
            "dx_of_date": ("time", [p[1] for p in each]),
            "before": (("time", "band"), found[:, :, search, search]),
            "after": (("time", "band"), found[:, :, at[0], at[1]]),
            "correlation": (("shift_y", "shift_x"), mean),
        },
        coords=coords | {d: np.arange(-search, search + 1) for d in ("shift_y", "shift_x")},
        attrs={"cell": side, "unit": "fine pixels"},
    )


def _mean(found: np.ndarray) -> np.ndarray:
    """Return the mean correlation of those that are known at every shift, NaN without any."""
    known = found[np.isfinite(found).all(axis=(1, 2))]
    return known.mean(axis=0) if len(known) else np.full(found.shape[1:], np.nan)


def _peak(mean: np.ndarray, side: int) -> tuple[float, float] | None:
    """Return where the correlation is highest, between pixels; None at the edge of the search."""
    if not np.isfinite(mean).any():
        return None
    row, column = (int(n) for n in np.unravel_index(np.nanargmax(mean), mean.shape))
    near = 2 if side >= 8 else 1  # a peak is as wide as a cell
    if min(row, column) < 1 or row >= mean.shape[0] - 1 or column >= mean.shape[1] - 1:
        return None
    near = min(near, row, column, mean.shape[0] - 1 - row, mean.shape[1] - 1 - column)
    y, x = (a.ravel() for a in np.mgrid[-near : near + 1, -near : near + 1].astype(float))
    part = mean[row - near : row + near + 1, column - near : column + near + 1].ravel()
    terms = np.stack([np.ones_like(y), y, x, y * y, x * x, y * x], axis=1)
    _, gy, gx, yy, xx, yx = np.linalg.lstsq(terms, part, rcond=None)[0]
    off = np.zeros(2)
    if 4 * yy * xx - yx**2 > 0 and yy < 0:  # curved downwards all round
        off = np.linalg.solve([[2 * yy, yx], [yx, 2 * xx]], [-gy, -gx]).clip(-near, near)
    half = mean.shape[0] // 2
    return float(row - half + off[0]), float(column - half + off[1])
