"""What a run is: everything that its pixels depend on, so that nothing else is ever resumed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

import xstf
from xstf.crs import mapping_of
from xstf.dates import text_of
from xstf.fingerprint import fingerprints
from xstf.method import Method
from xstf.packing import Packing
from xstf.pairing import Group
from xstf.planning import Plan
from xstf.source import code_of


def identity(asked: Plan, packing: Packing, **how: Any) -> dict[str, Any]:
    """Return what a run is, as JSON keeps it. Reads every image that serves, once.

    Parameters
    ----------
    asked
        The run.
    packing
        How its images are stored.
    **how
        For `dask.compute`.

    Raises
    ------
    OSError
        If an image cannot be read; the message names it.
    """
    times, grid = asked.scene.times, asked.parts.grid
    found = {
        "xstf version": xstf.__version__,
        "method": _name(asked.method),
        "code of the method": code_of(asked.method),
        "parameters": asked.method.parameters,
        "pairs": _served(asked.targets, times, asked.groups),
        "sides": _served(asked.targets, times, *asked.sides or ()),
        "layers": asked.names,
        "device": asked.device,
        "grid": _ground(asked) | {"shape": grid.shape, "scale": grid.scale},
        "packing": {
            "dtype": None if packing.dtype is None else str(packing.dtype),
            "scale_factor": packing.scale_factor,
        },
    }
    found |= _images(asked, **how)
    return dict(json.loads(json.dumps(found, default=repr)))


def _name(method: Method) -> str:
    """Return the name of a method, and where its class is from."""
    kind = type(getattr(method, "inner", method))
    return f"{method.label} ({kind.__module__}.{kind.__qualname__})"


def _served(targets: Sequence[int], times: np.ndarray, *sides: Sequence[Group]) -> dict[str, str]:
    """Return the pairs of each date that all of these serve, as text."""
    served = [{t: g.pairs for g in groups for t in g.targets} for groups in sides]
    return {
        text_of(times[t]): " ".join(text_of(times[p]) for one in served for p in one[t])
        for t in targets
        if served and all(t in one for one in served)
    }


def _ground(asked: Plan) -> dict[str, Any]:
    """Return where the pixels lie and what their values can be."""
    ds = asked.scene.ds
    mapping = mapping_of(ds["fine"]) or {}
    ends = {dim: ds[dim].values[[0, -1]].tolist() for dim in ("y", "x") if dim in ds.coords}
    bands = [str(b) for b in ds["band"].values] if "band" in ds.coords else ds.sizes["band"]
    return {
        "crs": mapping.get("crs_wkt") or mapping.get("spatial_ref"),
        "bands": bands,
        "valid_range": asked.scene.valid_range,
        **ends,
    }


def _images(asked: Plan, **how: Any) -> dict[str, Any]:
    """Return a number for each image that serves, by kind and date."""
    groups = [*asked.groups, *(g for side in asked.sides or () for g in side)]
    pairs = {p for g in groups for p in g.pairs}
    fine = pairs | (set(asked.observed or ()) & set(asked.targets))
    ds = asked.scene.ds
    series = {
        "fine images": ds["fine"].isel(time=sorted(fine)),
        "coarse images": ds["coarse"].isel(time=sorted(pairs | set(asked.targets))),
    }
    if "classes" in asked.method.takes and "classes" in ds:
        one = ds["classes"].expand_dims(time=ds["time"].values[:1], band=1).drop_vars("time")
        series["class map"] = one.transpose("time", "band", "y", "x")
    return {name: _numbers(name, images, **how) for name, images in series.items()}


def _numbers(name: str, images: xr.DataArray, **how: Any) -> Any:
    try:
        found = _hex(images, **how)
    except Exception as error:
        if type(error).__module__.startswith("distributed"):
            raise  # the cluster is at fault
        raise _unreadable(name, images, how) or error from error
    if "time" not in images.coords:
        return found[0]
    days = [text_of(t) for t in images["time"].values]
    return dict(zip(days, found, strict=True))


def _hex(images: xr.DataArray, **how: Any) -> list[str]:
    import dask

    (found,) = dask.compute(fingerprints(images), **how)
    return [f"{int(n):016x}" for n in np.atleast_1d(found.values)]


def _unreadable(name: str, images: xr.DataArray, how: dict[str, Any]) -> OSError | None:
    """Return an error that names the images that cannot be read."""
    lost: list[str] = []
    said = ""
    for n in range(images.sizes["time"]):
        try:
            _hex(images.isel(time=[n]), **how)
        except Exception as error:
            lost.append(text_of(images["time"].values[n]) if "time" in images.coords else name)
            said = said or f"{type(error).__name__}: {error}"
    if not lost:
        return None
    return OSError(
        f"the {name} of {_listed(lost)} cannot be read ({said}); write them anew, or leave the "
        "dates out with dates=... or pairs=..."
    )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
