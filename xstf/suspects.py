"""Pairs whose fine and coarse image disagree: undetected cloud, a wrong date, a shifted grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import take_apart, with_observed
from xstf.degraded import consistency
from xstf.scenes import as_dataset

ENOUGH = 3  # pairs of which one can be told to be unlike the others


def find_suspects(
    scene: xr.Dataset | xr.DataTree,
    *,
    times: float = 3.0,
    least: float = 0.5,
    cell: int | None = None,
    fine: str = "fine",
    coarse: str = "coarse",
) -> xr.Dataset:
    """Return which pairs of a scene have a fine and a coarse image that disagree.

    Each fine image is averaged over the coarse cells and compared with the coarse image of its
    date. Every image of a pair is read once, now. A suspect is a reason to look, not a proof: over
    even ground correlations are low where nothing is wrong.

    Parameters
    ----------
    scene
        The scene.
    times
        A pair is suspect if its difference in some band (root mean square) is more than this many
        times the median of all pairs; asked only where there are at least 3 pairs.
    least
        A pair is suspect if its images correlate less than this in some band.
    cell
        Side of a coarse cell in fine pixels, where the scene's scale is 1.
    fine, coarse
        Names of the two variables or nodes.

    Returns
    -------
    xarray.Dataset
        ``rmse``, ``bias`` (degraded fine less coarse) and ``cc``, dims (time, band), in the units
        of the scene, and ``suspect`` (time), bool, of the dates that have both images.

    Raises
    ------
    ValueError
        If no date has both images, or for nonsense.

    Examples
    --------
    Leave suspects out of everything that follows:

    >>> import xstf
    >>> scene, _ = xstf.simulate("parcels", size=64, dates=5)
    >>> scene["fine"][0] = scene.fine.values[0, :, ::-1, ::-1]  # not what it claims to be
    >>> found = xstf.find_suspects(scene)
    >>> bad = found.time[found.suspect]
    >>> scene["fine_observed"] = scene.fine_observed & ~scene.time.isin(bad)
    """
    _check("times", times, "more than 1", lambda number: number > 1)
    _check("least", least, "a correlation, -1 to 1", lambda number: -1 <= number <= 1)
    parts = with_observed(take_apart(as_dataset(scene, fine, coarse)))
    both = parts.observed("fine") & parts.observed("coarse")
    if not both.any():
        raise ValueError("no date has both a fine and a coarse image, so there is no pair to judge")
    images = parts.ds["fine"].isel(time=np.flatnonzero(both))
    found = consistency(images, parts.ds, cell=cell).compute()
    return found.assign(suspect=_suspect(found, times, least))


def _check(name: str, value: Any, rule: str, fits: Callable[[Any], bool]) -> None:
    number = isinstance(value, int | float | np.integer | np.floating)
    if not number or isinstance(value, bool) or not fits(value):
        raise ValueError(f"{name}={value!r} must be {rule}")


def _suspect(found: xr.Dataset, times: float, least: float) -> Any:
    """Return which dates differ in some band; a date without anything to compare does too."""
    bad = ~(found["cc"] >= least)
    if found.sizes["time"] >= ENOUGH:
        bad = bad | ~(found["rmse"] <= times * found["rmse"].median("time"))
    return bad.any("band").assign_attrs(
        long_name="fine and coarse image disagree", times=times, least=least
    )
