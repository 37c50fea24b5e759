"""``xstf info --look``: what only the pixels of the pairs tell."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from xstf.cli import inputs, words
from xstf.cli.words import problem, row

_SMALL = 0.5  # fine pixels that are left as they are


def look(ds: Any, parts: Any) -> tuple[float, float] | None:
    """Write what the pairs show; return how far to move the coarse images, None for not at all.

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
        return None
    click.echo(f"reading the {inputs.plural(len(pairs), 'pair')} ...", err=True)
    _missing(parts.ds.isel(time=pairs))
    shift = _shift(ds, parts)
    _suspects(ds if shift is None else xstf.mend_shift(ds, shift))
    return shift


def _missing(pairs: Any) -> None:
    import dask

    shares = dask.compute(*(pairs[kind].isnull().mean() for kind in ("fine", "coarse")))
    text = ", ".join(
        f"{k} {100 * float(s):.3g} %" for k, s in zip(("fine", "coarse"), shares, strict=True)
    )
    row("missing", f"{text} of the pixels of the pairs")


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
        row("shift", f"none ({text}; {gain})")
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
        "suspects", "these pairs disagree (cloud, a wrong date): look, and leave out what is bad"
    )
    for date in bad:
        one = found.sel(time=date)
        cc, rmse = float(one["cc"].min()), float(one["rmse"].max())
        click.echo(f"  {inputs.day(date)}  correlation {cc:.2f}, differ by {rmse:.3g} at worst")
    usual = float(found["rmse"].max("band").median())
    click.echo(f"  {words.span(found['time'].values)}: usually {usual:.3g}")
