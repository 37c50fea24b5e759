"""``xstf info --look``: what only the pixels of the pairs tell."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from xstf.cli import inputs, words
from xstf.cli.words import problem, row

_EMPTY = 0.1  # of an image that is seen: less is none
_SMALL = 1.0  # fine pixel: less is left as it is


def look(ds: Any, parts: Any) -> dict[str, Any]:
    """Write what the pairs show; return the options that mend it.

    Parameters
    ----------
    ds
        The scene.
    parts
        The same, taken apart.
    """
    import xstf

    pairs = np.flatnonzero(parts.observed("fine") & parts.observed("coarse"))
    if not len(pairs):
        problem("looked", "there is no date with both images, so there is nothing to compare")
        return {}
    click.echo(f"reading the {inputs.plural(len(pairs), 'pair')} ...", err=True)
    options: dict[str, Any] = {}
    empty = _missing(parts.ds.isel(time=pairs))
    if empty.any():
        options["min_seen"] = _EMPTY
        flags = parts.observed("fine").copy()
        flags[pairs[empty]] = False
        ds = ds.assign(fine_observed=("time", flags))
    if empty.all():
        return options
    shift = _shift(ds, parts)
    if shift is not None:
        options["shift"] = shift
    _suspects(ds if shift is None else xstf.mend_shift(ds, shift))
    return options


def _missing(pairs: Any) -> np.ndarray:
    """Say how much of the pairs is missing; return which of them are empty, (pair,) bool."""
    import dask

    lost = [
        pairs[kind].isnull().mean([d for d in pairs[kind].dims if d != "time"])
        for kind in ("fine", "coarse")
    ]
    fine, coarse = (share.values for share in dask.compute(*lost))
    text = f"fine {100 * fine.mean():.3g} %, coarse {100 * coarse.mean():.3g} %"
    row("missing", f"{text} of the pixels of the pairs")
    empty = np.maximum(fine, coarse) > 1 - _EMPTY
    if empty.any():
        problem("empty", f"{empty.sum()} of {len(empty)} pairs hold next to nothing: "
                f"--min-seen {_EMPTY:g}")  # fmt: skip
    return empty


def _shift(ds: Any, parts: Any) -> tuple[float, float] | None:
    """Say how far the coarse images lie off, and whether the pairs agree on it."""
    import xstf
    from xstf.alignment import agreed
    from xstf.shifting import numbers_of

    if parts.grid.scale == 1:
        row("shift", "needs the side of a cell: xstf.estimate_shift(ds, cell=16) in Python")
        return None
    try:
        found = xstf.estimate_shift(ds)
    except ValueError as error:
        problem("shift", error)
        return None
    rows, columns = numbers_of(found)
    gain = f"correlation {found['before'].mean().item():.2f} as they lie"
    text = f"{rows:.1f} rows, {columns:.1f} columns of fine pixels"
    if max(abs(rows), abs(columns)) < _SMALL:
        row("shift", f"less than a fine pixel ({text}; {gain})")
        return None
    try:
        agreed(found, parts.grid.scale)
    except ValueError as error:
        problem("shift", f"{text}, but {error}")
        return None
    problem("shift", f"{text}; {gain}, {found['after'].mean().item():.2f} moved")
    return rows, columns


def _suspects(ds: Any) -> None:
    """Say which pairs have images that disagree."""
    import xstf

    try:
        found = xstf.find_suspects(ds)
    except ValueError as error:
        problem("suspects", error)
        return
    bad = found["time"].values[found["suspect"].values]
    if not len(bad):
        row("suspects", f"none of {inputs.plural(found.sizes['time'], 'pair')}")
        return
    problem(
        "suspects",
        "these pairs disagree (cloud, a wrong date): look, and leave out what is bad, its "
        "file or its fine_observed",
    )
    for date in bad:
        one = found.sel(time=date)
        cc, rmse = float(one["cc"].min()), float(one["rmse"].max())
        click.echo(f"  {inputs.day(date)}  correlation {cc:.2f}, differ by {rmse:.3g} at worst")
    usual = float(found["rmse"].max("band").median())
    click.echo(f"  {words.span(found['time'].values)}: usually {usual:.3g}")
