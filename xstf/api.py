"""The calls behind the accessor: check the scene, pair the dates, run the engine, wrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from xstf import method as methods_
from xstf.checks import Parts, take_apart, with_observed
from xstf.combined import Combined
from xstf.coordinates import MAPPING
from xstf.grid import Grid
from xstf.method import Method
from xstf.pairing import Group, group, sides, text_of, wanted_dates
from xstf.reduction import reduce_to_cells
from xstf.scenes import as_dataset


def fuse(
    data: xr.Dataset | xr.DataTree,
    method: str | Method,
    *,
    dates: Any = None,
    pairs: Any = "auto",
    combine: str | None = None,
    device: str = "cpu",
    blocksize: int | None = None,
    quality: bool = False,
    fill: bool = False,
    fine: str = "fine",
    coarse: str = "coarse",
    **parameters: Any,
) -> xr.DataArray | xr.Dataset:
    """Predict the fine images of the wanted dates, lazily.

    Parameters
    ----------
    data
        The scene (`xstf.scene`), or a DataTree with nodes ``/fine`` and ``/coarse``.
    method
        Name of a method (`xstf.list_methods`), or an instance of one.
    dates
        Date, dates or slice of dates to predict. None: all coarse dates without a fine image. An
        observed date that is named is predicted without its own fine image.
    pairs
        Which dates serve: ``"auto"`` (one on each side where the method can use two, else the
        nearest), ``"nearest"``, a number (so many nearest), ``"similar"`` (those whose coarse
        images are most like that of the date: two where the method can use two; the coarse images
        are read for it at once), a list of dates, or {date: list of dates}.
    combine
        For methods that work from one pair: predict from each of several and put the predictions
        together, weighted by how little the coarse images changed since (``"temporal"``), or take
        the nearest and where it is missing the next (``"nearest"``).
    device
        ``"cpu"``.
    blocksize
        Side of a tile in fine pixels, rounded to whole cells and to 16 pixels or more. None: by the
        chunks of the input and the size of the scene. The picture does not depend on it.
    quality
        Return a Dataset with the layers of the method that say how sure it is, such as ``similar``,
        the number of similar pixels that had a say; and, where a date has a pair on each side and
        the method can work from one, ``spread``: half the difference between what the two sides
        say, each alone. It costs two more predictions where it is computed.
    fill
        Keep what an observed fine image shows, and predict only what clouds hide in it: `dates`
        None then means every date with a coarse image, and the Dataset has a layer ``filled``, 1
        where a pixel is predicted, 0 where it was observed. The prediction is made without the
        date's own image; blocks with nothing to fill cost no prediction.
    fine, coarse
        Names of the two variables or nodes.
    **parameters
        Parameters of the method.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        ``fused`` (time, band, y, x) float32, in the units of the scene, NaN where nothing can be
        said; with `quality` or `fill` a Dataset. The coordinate ``pair_dates`` (time) names the
        dates that served, as text, such as ``"2001-05-24 2001-08-12"``.

    Raises
    ------
    ValueError
        For anything that is not a scene, an unknown method, date or parameter. Each message names
        the value, the rule and the cure. What only pixels can tell (an empty pair, digital
        numbers) is raised when the result is computed.

    Examples
    --------
    >>> import xstf
    >>> scene, truth = xstf.simulate("parcels", size=64, scale=16, dates=3, pairs=1)
    >>> fused = xstf.fuse(scene, "add")
    >>> fused.dims, fused.sizes["time"]
    (('time', 'band', 'y', 'x'), 2)
    """
    if device != "cpu":
        raise ValueError(f'device={device!r} is not served; every method runs on device="cpu"')
    found = methods_.build(method, parameters)
    if combine is not None:
        found = Combined(found, combine)
    parts = with_observed(take_apart(as_dataset(data, fine, coarse)))
    groups = _groups(found, parts, dates, pairs, fill)
    run = partial(_run, found, on_cells(found, parts), blocksize=blocksize, device=device)
    if not (quality or fill):
        return _wrap(run(groups)["fused"], "fused", found, parts, groups)
    layers = found.layers if quality else ("fused",)
    observed = np.flatnonzero(parts.observed("fine")).tolist() if fill else None
    made = run(groups, layers=layers, observed=observed)
    if quality and "spread" not in made:
        made |= _spread(found, parts, groups, pairs, run)
    if "spread" in made and fill:
        made["spread"] = made["spread"].map_blocks(_of_predicted, made["filled"], dtype="float32")
    if len(made) < 2:
        alone = 1 in found.pairs
        why = "no date has a pair on each side" if alone else "it cannot work from one side alone"
        raise ValueError(
            f"quality=True asks for more layers than the prediction, and {found.label} has none "
            f"here: {why}; methods with layers of their own: {', '.join(_with_layers()) or 'none'}"
        )
    wrapped = {n: _wrap(a, n, found, parts, groups) for n, a in made.items()}
    if fill:
        wrapped["fused"].attrs["keeps_observed"] = 1  # else scores would compare it with itself
    return xr.Dataset(wrapped)


def list_methods() -> xr.Dataset:
    """Return a table of all methods: how many pairs they use, what they are, their parameters.

    Examples
    --------
    >>> import xstf
    >>> "fsdaf" in xstf.list_methods().name.values
    True
    """
    names = methods_.names()
    classes = [methods_.find(n) for n in names]
    rows = {
        "pairs": [f"{c.pairs[0]}" + (f"-{c.pairs[-1]}" * (len(c.pairs) > 1)) for c in classes],
        "summary": [(c.__doc__ or "").strip().splitlines()[0] for c in classes],
        "parameters": [
            ", ".join(f"{f.name}={f.default!r}" for f in methods_.parameters_of(c)) for c in classes
        ],
    }
    data = {k: ("name", np.array(v, object)) for k, v in rows.items()}
    return xr.Dataset(data, coords={"name": np.array(names, object)})


def _groups(method: Method, parts: Parts, dates: Any, pairs: Any, fill: bool) -> list[Group]:
    has_fine, has_coarse = parts.observed("fine"), parts.observed("coarse")
    lacks_fine = has_fine & False if fill else has_fine
    wanted = wanted_dates(parts.times, lacks_fine, has_coarse, dates)
    usable = has_fine & has_coarse
    unlike = (
        differences(parts.ds["coarse"], wanted, usable)
        if isinstance(pairs, str) and pairs == "similar"
        else None
    )
    return group(parts.times, usable, wanted, method.pairs, pairs, unlike)


def differences(coarse: xr.DataArray, wanted: list[int], usable: np.ndarray) -> np.ndarray:
    """Return how much coarse images differ, (wanted, time); infinite where they share few cells.

    The root mean squared difference of each band over its deviation, averaged over the bands that
    vary. Two images must share half of the cells that the date has.
    """
    dates = np.flatnonzero(usable)
    images = coarse.isel(time=np.union1d(dates, wanted)).load()  # small: the coarse grid
    where = {int(t): n for n, t in enumerate(np.union1d(dates, wanted))}
    unlike = np.full((len(wanted), len(usable)), np.inf)
    for n, target in enumerate(wanted):
        image = images.values[where[target]].astype(np.float64)
        deviation = np.array([np.nanstd(b) if np.isfinite(b).any() else 0.0 for b in image])
        for date in dates:
            step = images.values[where[int(date)]] - image
            seen = np.isfinite(step)
            if 2 * seen.sum() < np.isfinite(image).sum() or not seen.any():
                continue
            squares = np.where(seen, step, 0) ** 2
            error = np.sqrt(squares.sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1))
            varies = deviation > 0
            scaled = error[varies] / deviation[varies] if varies.any() else error
            unlike[n, date] = scaled.mean()
    return unlike


def on_cells(method: Method, parts: Parts) -> Parts:
    """Return the scene as the method takes it, on coarse cells where it needs them, or raise."""
    cell = getattr(method, "cell", None)
    if parts.grid.scale == 1 and method.cells:
        if cell is None:
            raise ValueError(
                f"{method.label} works on coarse cells, and this scene's scale is 1 (coarse images "
                "on the fine grid); say the cell's side in fine pixels: cell=16"
            )
        reduced = reduce_to_cells(parts.ds["coarse"], int(cell))
        parts = replace(
            parts,
            ds=parts.ds.drop_dims(["y_coarse", "x_coarse"]).assign(coarse=reduced),
            grid=Grid(parts.grid.shape, int(cell)),
        )
    elif cell not in (None, parts.grid.scale):
        raise ValueError(
            f"cell={cell}, but the cells of this scene are {parts.grid.scale} fine pixels wide; "
            "leave cell out"
        )
    if method.window_size > min(parts.grid.shape):
        side = min(parts.grid.shape)
        fits = side - 1 + side % 2
        raise ValueError(
            f"the window of {method.window_size} fine pixels is larger than the scene of "
            f"{parts.grid.shape[0]} x {parts.grid.shape[1]}; give a smaller window"
            + (f", such as window={fits}" if fits >= 3 else ", or a larger scene")
        )
    return parts


def _spread(
    method: Method, parts: Parts, groups: list[Group], pairs: Any, run: Callable[..., Any]
) -> dict[str, Any]:
    """Return half the difference between the predictions from either side, NaN where one lacks."""
    import dask.array as da

    targets = sorted(t for g in groups for t in g.targets)
    usable = parts.observed("fine") & parts.observed("coarse")
    before, after = sides(parts.times, usable, targets, pairs)
    if not before or 1 not in method.pairs:
        return {}
    half = abs(run(before)["fused"] - run(after)["fused"]) / 2
    both = sorted(t for g in before for t in g.targets)
    empty = da.full_like(half[:1], np.nan)
    dates = [half[both.index(t)][None] if t in both else empty for t in targets]
    return {"spread": da.concatenate(dates)}


def _of_predicted(values: np.ndarray, filled: np.ndarray) -> np.ndarray:
    return np.where(filled == 0, np.float32(np.nan), values)


def _run(
    method: Method,
    parts: Parts,
    groups: list[Group],
    *,
    blocksize: int | None,
    device: str,
    layers: tuple[str, ...] = ("fused",),
    observed: list[int] | None = None,
) -> dict[str, Any]:
    from xstf.engine import Feed, as_dask, default_blocksize
    from xstf.engine import fuse as run

    ds = parts.ds
    feed = Feed(
        fine=as_dask(ds["fine"].astype("float32", copy=False).data),
        coarse=as_dask(ds["coarse"].astype("float32", copy=False).data),
        planes={"classes": as_dask(ds["classes"].data)[None, None]} if "classes" in ds else {},
        grid=parts.grid,
        times=parts.times,
        valid_range=parts.valid_range,
    )
    if blocksize is None:
        blocksize = default_blocksize(feed.grid, feed.fine)
    elif (
        isinstance(blocksize, bool) or not isinstance(blocksize, int | np.integer) or blocksize < 1
    ):
        raise ValueError(f"blocksize={blocksize!r} is not a whole number of fine pixels, 1 or more")
    return run(method, feed, groups, int(blocksize), device, layers, observed)


def _wrap(array: Any, name: str, method: Method, parts: Parts, groups: list[Group]) -> xr.DataArray:
    """Return a layer with its coordinates, the dates that served, and where it came from."""
    import xstf

    served = {target: g.pairs for g in groups for target in g.targets}
    targets = sorted(served)
    dates = [" ".join(text_of(t) for t in parts.times[list(served[i])]) for i in targets]
    fine = parts.ds["fine"]
    coords = {n: c for n, c in fine.coords.items() if "time" not in c.dims}
    coords = {n: c for n, c in coords.items() if set(c.dims) <= {"band", "y", "x"}}
    coords |= {"time": parts.times[targets], "pair_dates": ("time", np.array(dates, object))}
    coords.pop(MAPPING["coarse"], None)
    counts, known = name not in ("fused", "spread"), ("units", "long_name")
    fused = xr.DataArray(
        array,
        dims=("time", "band", "y", "x"),
        coords=coords,
        name=name,
        attrs={
            **({} if counts else {k: fine.attrs[k] for k in known if k in fine.attrs}),
            "method": method.label,
            **({"scale": parts.grid.scale} if parts.grid.scale > 1 else {}),
            **{f"parameter_{k}": _plain(v) for k, v in method.parameters.items() if v is not None},
            "xstf_version": xstf.__version__,
        },
    )
    if name == "fused" and parts.valid_range is not None:
        fused.attrs["scene_range"] = list(parts.valid_range)  # CF would mask what is off it
    if name == "spread":
        fused.attrs["long_name"] = "half the difference between the predictions from either side"
    if counts:
        fused.attrs["counts"] = name  # no reflectance, so never packed like it
    if MAPPING["fine"] in coords:
        fused.encoding["grid_mapping"] = MAPPING["fine"]
    return fused


def _plain(value: Any) -> Any:
    """Return a parameter as files can hold it: a method in the place of a word as text."""
    return repr(value) if isinstance(value, Method) else value


def _with_layers() -> list[str]:
    return [n for n in methods_.names() if len(methods_.find(n).layers) > 1]
