"""The calls behind the accessor: check the scene, pair the dates, run the engine, wrap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from xstf import method as methods_
from xstf.checks import Parts, take_apart, with_observed
from xstf.coordinates import MAPPING
from xstf.grid import Grid
from xstf.method import Method
from xstf.pairing import Group, group, text_of, wanted_dates
from xstf.reduction import reduce_to_cells
from xstf.scenes import as_dataset


def fuse(
    data: xr.Dataset | xr.DataTree,
    method: str | Method,
    *,
    dates: Any = None,
    pairs: Any = "auto",
    device: str = "cpu",
    blocksize: int | None = None,
    quality: bool = False,
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
        nearest), ``"nearest"``, a number (so many nearest), a list of dates, or
        {date: list of dates}.
    device
        ``"cpu"``.
    blocksize
        Side of a tile in fine pixels, rounded to whole cells and to 16 pixels or more. None: by the
        chunks of the input and the size of the scene. The picture does not depend on it.
    quality
        Return a Dataset with the method's other layers too, where it has any.
    fine, coarse
        Names of the two variables or nodes.
    **parameters
        Parameters of the method.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        ``fused`` (time, band, y, x) float32, in the units of the scene, NaN where nothing can be
        said; with `quality` a Dataset. The coordinate ``pair_dates`` (time) names the dates that
        served, as text, such as ``"2001-05-24 2001-08-12"``.

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
    parts = with_observed(take_apart(as_dataset(data, fine, coarse)))
    groups = _groups(found, parts, dates, pairs)
    if quality and len(found.layers) < 2:
        raise ValueError(
            f"quality=True asks for more layers than the prediction, and {found.label} has none; "
            f"methods with more: {', '.join(_with_layers()) or 'none'}"
        )
    layers = _run(found, _on_cells(found, parts), groups, blocksize, device)
    wrapped = {
        name: _wrap(array, name, found, parts, groups)
        for name, array in layers.items()
        if quality or name == "fused"
    }
    return xr.Dataset(wrapped) if quality else wrapped["fused"]


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


def _groups(method: Method, parts: Parts, dates: Any, pairs: Any) -> list[Group]:
    has_fine, has_coarse = parts.observed("fine"), parts.observed("coarse")
    wanted = wanted_dates(parts.times, has_fine, has_coarse, dates)
    return group(parts.times, has_fine & has_coarse, wanted, method.pairs, pairs)


def _on_cells(method: Method, parts: Parts) -> Parts:
    """Return the scene as the method takes it: on coarse cells where it needs them."""
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


def _run(
    method: Method, parts: Parts, groups: list[Group], blocksize: int | None, device: str
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
    return run(method, feed, groups, int(blocksize), device)


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
    fused = xr.DataArray(
        array,
        dims=("time", "band", "y", "x"),
        coords=coords,
        name=name,
        attrs={
            **{k: fine.attrs[k] for k in ("units", "long_name") if k in fine.attrs},
            "method": method.label,
            **{f"parameter_{k}": _plain(v) for k, v in method.parameters.items() if v is not None},
            "xstf_version": xstf.__version__,
        },
    )
    if name == "fused" and parts.valid_range is not None:
        fused.attrs["scene_range"] = list(parts.valid_range)  # CF would mask what is off it
    if name != "fused":
        fused.attrs["counts"] = name  # no reflectance, so never packed like it
    if MAPPING["fine"] in coords:
        fused.encoding["grid_mapping"] = MAPPING["fine"]
    return fused


def _plain(value: Any) -> Any:
    """Return a parameter as files can hold it: a method in the place of a word as text."""
    return repr(value) if isinstance(value, Method) else value


def _with_layers() -> list[str]:
    return [n for n in methods_.names() if len(methods_.find(n).layers) > 1]
