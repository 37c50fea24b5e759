"""What a fusion is asked for: the method, the dates and their pairs, checked before any pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from xstf import registry
from xstf.blocks import FILLED
from xstf.checks import Parts, take_apart, with_observed
from xstf.combined import Combined
from xstf.device import chosen
from xstf.grid import Grid
from xstf.method import Method, build
from xstf.pairing import Group, group, sides, wanted_dates
from xstf.reduction import reduce_to_cells


@dataclass(frozen=True)
class Plan:
    """What `fuse` was asked for, checked; no pixel is read yet."""

    method: Method
    scene: Parts  # as it was given
    parts: Parts  # as the method takes it, on coarse cells where it needs them
    groups: list[Group]
    layers: tuple[str, ...]  # of the method
    observed: list[int] | None  # dates whose own fine image is kept where it has pixels
    sides: tuple[list[Group], list[Group]] | None  # pairs before and after, for ``spread``
    device: str = "cpu"  # where blocks run: cpu or cuda

    @property
    def targets(self) -> list[int]:
        """Positions of the wanted dates, in the order of time."""
        return sorted(t for g in self.groups for t in g.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """The layers of the result."""
        more = (FILLED,) * (self.observed is not None) + ("spread",) * (self.sides is not None)
        return (*self.layers, *more)


def plan(
    ds: xr.Dataset,
    method: str | Method,
    parameters: Mapping[str, Any],
    *,
    dates: Any = None,
    pairs: Any = "auto",
    combine: str | None = None,
    quality: bool = False,
    fill: bool = False,
    device: str = "cpu",
    client: Any = None,
) -> Plan:
    """Check what `fuse` is asked for, and pair the dates.

    Parameters
    ----------
    ds
        The scene.
    method, parameters, dates, pairs, combine, quality, fill, device
        As in `fuse`.
    client
        Whose workers will run the blocks; None: this process will.
    """
    found = build(method, parameters)
    if combine is not None:
        found = Combined(found, combine)
    runs_on = chosen(device, found, client)
    parts = with_observed(take_apart(ds))
    bands = [str(b) for b in ds["band"].values] if "band" in ds.coords else None
    found.suit(
        bands or [str(n) for n in range(ds.sizes["band"])], parts.grid.scale, parts.valid_range
    )
    groups = _groups(found, parts, dates, pairs, fill)
    either = None
    if quality and "spread" not in found.layers and 1 in found.pairs:
        usable = parts.observed("fine") & parts.observed("coarse")
        targets = sorted(t for g in groups for t in g.targets)
        before, after = sides(parts.times, usable, targets, pairs)
        either = (before, after) if before else None
    asked = Plan(
        found,
        parts,
        on_cells(found, parts),
        groups,
        found.layers if quality else ("fused",),
        np.flatnonzero(parts.observed("fine")).tolist() if fill else None,
        either,
        runs_on,
    )
    if quality and len(asked.names) < 2:
        alone = 1 in found.pairs
        why = "no date has a pair on each side" if alone else "it cannot work from one side alone"
        raise ValueError(
            f"quality=True asks for more layers than the prediction, and {found.label} has none "
            f"here: {why}; methods with layers of their own: {', '.join(_with_layers()) or 'none'}"
        )
    return asked


def _groups(method: Method, parts: Parts, dates: Any, pairs: Any, fill: bool) -> list[Group]:
    has_fine, has_coarse = parts.observed("fine"), parts.observed("coarse")
    lacks_fine = has_fine & False if fill else has_fine
    wanted = wanted_dates(parts.times, lacks_fine, has_coarse, dates)
    usable = has_fine & has_coarse
    similar = isinstance(pairs, str) and pairs == "similar"
    unlike = differences(parts.ds["coarse"], wanted, usable) if similar else None
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


def _with_layers() -> list[str]:
    return [n for n in registry.names() if len(registry.find(n).layers) > 1]
