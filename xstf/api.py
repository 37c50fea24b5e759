"""The calls behind the accessor: check the scene, pair the dates, run the engine, wrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xstf import cluster, registry
from xstf.blocks import FILLED, of_predicted
from xstf.checks import REFLECTANCE, Parts
from xstf.conventions import together, with_axes_said
from xstf.coordinates import MAPPING
from xstf.crs import mapping_of
from xstf.dates import text_of
from xstf.fitting import fitted_for, unfitted
from xstf.method import Method, parameters_of
from xstf.pairing import Group
from xstf.planning import Plan, plan
from xstf.scenes import as_dataset

if TYPE_CHECKING:
    from xstf.gathering import Feed


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
        Name of a method (`xstf.list_methods`), or an instance of one. A network that was not fitted
        (`xstf.fit`) is trained at once, without the fine images of the wanted dates.
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
        ``"cpu"``; ``"cuda"``, a GPU; or ``"auto"``, a GPU where there is one and the method can use
        it, without a word if not. The attribute ``device`` of the result says which. Pixels from a
        GPU differ by rounding.
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
    options: dict[str, Any] = {"dates": dates, "pairs": pairs, "combine": combine}
    client = None if device == "cpu" else cluster.current()
    options |= {"quality": quality, "fill": fill, "device": device, "client": client}
    asked = plan(as_dataset(data, fine, coarse), method, parameters, **options)
    if unfitted(asked.method):
        unseen = [] if fill else asked.targets
        asked = replace(asked, method=fitted_for(asked.method, asked.scene, unseen, asked.device))
    feed, needs = feed_of(asked.parts), cluster.resources(client, asked.device)
    _check_placing(needs)
    run = partial(_run, asked.method, feed, tile_side(blocksize, feed), asked.device, needs)
    made = run(asked.groups, asked.layers, asked.observed)
    if asked.sides:
        made |= _spread(asked, run)
        if FILLED in made:
            made["spread"] = made["spread"].map_blocks(of_predicted, made[FILLED], dtype="float32")
    layers = {name: wrap(array, name, asked) for name, array in made.items()}
    return together(layers) if quality or fill else layers["fused"]


def list_methods() -> xr.Dataset:
    """Return a table of all methods: how many pairs they use, what they are, their parameters.

    Examples
    --------
    >>> import xstf
    >>> "fsdaf" in xstf.list_methods().name.values
    True
    """
    names = registry.names()
    rows = [_row(name) for name in names]
    columns = dict(zip(("pairs", "summary", "parameters"), zip(*rows, strict=True), strict=True))
    data = {k: ("name", np.array(v, object)) for k, v in columns.items()}
    return xr.Dataset(data, coords={"name": np.array(names, object)})


def _row(name: str) -> tuple[str, str, str]:
    """Return what the table of methods says of one."""
    try:
        known = registry.find(name)
    except ImportError as error:  # a network where torch is missing
        return "", str(error), ""
    pairs = f"{known.pairs[0]}" + (f"-{known.pairs[-1]}" * (len(known.pairs) > 1))
    parameters = (f"{f.name}={f.default!r}" for f in parameters_of(known))
    return pairs, (known.__doc__ or "").strip().splitlines()[0], ", ".join(parameters)


def half_apart(before: Any, after: Any) -> Any:
    """Return half the difference between two predictions, the layer ``spread``."""
    return abs(before - after) / 2


def _spread(asked: Plan, run: Callable[..., Any]) -> dict[str, Any]:
    """Return the spread of the predictions from either side, NaN where one lacks."""
    import dask.array as da

    before, after = asked.sides or ([], [])
    half = half_apart(*(run(groups, ("fused",), None, True)["fused"] for groups in (before, after)))
    both = sorted(t for g in before for t in g.targets)
    empty = da.full_like(half[:1], np.nan)
    dates = [half[both.index(t)][None] if t in both else empty for t in asked.targets]
    return {"spread": da.concatenate(dates)}


def feed_of(parts: Parts) -> Feed:
    """Return the arrays of a scene on dask, as the engine takes them."""
    from xstf.gathering import Feed, as_dask

    ds = parts.ds
    return Feed(
        fine=as_dask(ds["fine"].astype("float32", copy=False).data),
        coarse=as_dask(ds["coarse"].astype("float32", copy=False).data),
        planes={"classes": as_dask(ds["classes"].data)[None, None]} if "classes" in ds else {},
        grid=parts.grid,
        times=parts.times,
        valid_range=parts.valid_range,
    )


def tile_side(blocksize: Any, feed: Feed) -> int:
    """Return the side of tiles that was asked for, checked, or what suits the scene."""
    from xstf.engine import default_blocksize

    if blocksize is None:
        return feed.grid.side(default_blocksize(feed.grid, feed.fine))
    whole = isinstance(blocksize, int | np.integer) and not isinstance(blocksize, bool)
    if not whole or blocksize < 1:
        raise ValueError(f"blocksize={blocksize!r} is not a whole number of fine pixels, 1 or more")
    return feed.grid.side(int(blocksize))


def _run(
    method: Method,
    feed: Feed,
    blocksize: int,
    device: str,
    needs: dict[str, float] | None,
    groups: list[Group],
    layers: tuple[str, ...],
    observed: list[int] | None,
    aside: bool = False,
) -> dict[str, Any]:
    from xstf.engine import fuse as run

    return run(method, feed, groups, blocksize, device, layers, observed, aside, needs)


def _check_placing(needs: dict[str, float] | None) -> None:
    """Raise where dask would fuse blocks with other tasks and forget which workers can run them."""
    from dask import config

    if needs is not None and config.get("optimization.fuse.active", None) is not False:
        raise ValueError(
            "some workers of the cluster have a GPU and some have none, and dask forgets which "
            "tasks need one when it fuses tasks; switch that off around fuse and all that computes "
            'its result, with dask.config.set({"optimization.fuse.active": False}), or use '
            "fuse_store, or a cluster whose workers all have a GPU"
        )


def wrap(array: Any, name: str, asked: Plan) -> xr.DataArray:
    """Return a layer with its coordinates, the dates that served, and where it came from."""
    import xstf

    method, parts = asked.method, asked.scene
    served = {target: g.pairs for g in asked.groups for target in g.targets}
    targets = asked.targets
    dates = [" ".join(text_of(t) for t in parts.times[list(served[i])]) for i in targets]
    fine = parts.ds["fine"]
    coords = {n: c for n, c in fine.coords.items() if "time" not in c.dims}
    coords = {n: c for n, c in coords.items() if set(c.dims) <= {"band", "y", "x"}}
    coords |= {"time": parts.times[targets], "pair_dates": ("time", np.array(dates, object))}
    coords.pop(MAPPING["coarse"], None)
    counts = name not in ("fused", "spread")
    fused = xr.DataArray(
        array,
        dims=("time", "band", "y", "x"),
        coords=coords,
        name=name,
        attrs={
            **_said(name, fine.attrs, parts.valid_range),
            "method": method.label,
            **({"scale": parts.grid.scale} if parts.grid.scale > 1 else {}),
            **{f"parameter_{k}": _plain(v) for k, v in method.parameters.items() if v is not None},
            "device": asked.device,
            "xstf_version": xstf.__version__,
        },
    )
    if name == "fused" and parts.valid_range is not None:
        fused.attrs["scene_range"] = list(parts.valid_range)  # CF would mask what is off it
    if name == "fused" and asked.observed is not None:
        fused.attrs["keeps_observed"] = 1  # else scores would compare it with itself
    if counts:
        fused.attrs["counts"] = name  # no reflectance, so never packed like it
    if MAPPING["fine"] in coords:
        fused.encoding["grid_mapping"] = MAPPING["fine"]
    return with_axes_said(fused, mapping_of(fine))


_LONG_NAMES = {
    "fused": "fine image, predicted",
    "spread": "half the difference between the predictions from either side",
    "similar": "number of similar pixels that had a say",
    FILLED: "1 where a pixel is predicted, 0 where it was observed",
}


def _said(name: str, fine: dict[str, Any], limits: Any) -> dict[str, str]:
    """Return what a layer is, and its units: those of the fine images, which may say more."""
    said = {"long_name": _LONG_NAMES.get(name, name)}
    if name not in ("fused", "spread") or limits == REFLECTANCE:
        said["units"] = "1"
    if name in ("fused", "spread") and "units" in fine:
        said["units"] = fine["units"]
    if name == "fused":
        said |= {k: fine[k] for k in ("long_name", "standard_name") if k in fine}
    return said


def _plain(value: Any) -> Any:
    """Return a parameter as files can hold it: a method in the place of a word as text."""
    return repr(value) if isinstance(value, Method) else value
