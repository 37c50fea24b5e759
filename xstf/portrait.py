"""What `ds.stf` shows of itself: grids, dates, and which methods can run, as text or as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import Any

import numpy as np

from xstf.checks import Parts, take_apart
from xstf.registry import find, names
from xstf.scenes import as_dataset
from xstf.wording import LEGEND, day, gaps, grid, marks_of, plural, span, strip

SCENE = "xstf scene"
UNKNOWN = "not known; ds = xstf.find_observed(ds) reads every image once and finds them"
_INDENT = 12
_MANY = 8  # pairs; a method that can use more can use any number
_WIDE, _ROW = 640, 18  # pixels of the strip of dates, and of one of its two rows
_STYLE = """
.xstf {font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; line-height: 1.5}
.xstf table {border-collapse: collapse; margin: 4px 0; font-size: inherit; color: inherit}
.xstf th, .xstf td {text-align: left; vertical-align: top; padding: 1px 12px 1px 0;
  background: none; border: 0; white-space: normal}
.xstf th {font-weight: normal; opacity: 0.65; white-space: nowrap}
.xstf svg {display: block; margin: 6px 0; max-width: 100%}
.xstf text {font-size: 11px; fill: currentColor; opacity: 0.75}
.xstf code {font-size: 12px}
"""


@dataclass(frozen=True)
class Portrait:
    """What is said of a scene. It is made of coordinates and flags; no pixel is read."""

    title: str
    rows: tuple[tuple[str, str], ...]
    methods: tuple[tuple[str, str], ...] = ()  # how many pairs, and the names of who takes them
    times: Any = None  # (time,) datetime64
    fine: Any = None  # (time,) bool, which dates have such an image; None where that is not known
    coarse: Any = None

    def text(self) -> str:
        """Return it as lines."""
        lines = [f"<{self.title}>", *(f"{name:{_INDENT}}{value}" for name, value in self.rows)]
        if self.fine is not None:
            drawn = strip(self.times, marks_of(self.fine, self.coarse))
            lines += [f"  {line}" for line in (*drawn, LEGEND)]
        for number, (pairs, able) in enumerate(self.methods):
            lines.append(f"{'' if number else 'can run':{_INDENT}}{pairs}: {able}")
        return "\n".join(lines)

    def html(self) -> str:
        """Return it as one element of a page, with its own style, light or dark like the page."""
        drawn = "" if self.fine is None else _strip(self.times, self.fine, self.coarse)
        able = _table(self.methods)
        can = f"<b>Can run</b>, by the pairs that they use{able}" if able else ""
        said = f"<b>{self.title}</b>{_table(self.rows)}{drawn}{can}"
        return f'<div class="xstf"><style>{_STYLE}</style>{said}</div>'


def portrait_of(data: Any) -> Portrait:
    """Return what can be said of a scene without reading a pixel, or why it is none.

    Parameters
    ----------
    data
        What should be a scene.
    """
    try:
        parts = take_apart(as_dataset(data))
    except (ValueError, TypeError) as error:
        return Portrait("not an xstf scene", (("because", str(error)),))
    rows = _grids(parts)
    if "fine_observed" not in parts.ds:
        return Portrait(SCENE, (*rows, ("dates", span(parts.times)), ("pairs", UNKNOWN)))
    fine, coarse = parts.observed("fine"), parts.observed("coarse")
    pairs = int((fine & coarse).sum())
    rows += (
        ("dates", span(parts.times)),
        ("pairs", f"{plural(pairs, 'date')} with both images"),
        ("gaps", gaps(parts.times, fine, coarse)),
    )
    return Portrait(SCENE, rows, _methods(pairs), parts.times, fine, coarse)


def _grids(parts: Parts) -> tuple[tuple[str, str], ...]:
    ds, limits = parts.ds, parts.valid_range
    cells = f"{ds.sizes['y_coarse']} x {ds.sizes['x_coarse']} cells, scale {parts.grid.scale}"
    others = [name for name in ("classes",) if name in ds]
    return (
        ("fine", grid(ds["fine"])),
        ("coarse", cells),
        ("valid range", "none" if limits is None else "{:g} to {:g}".format(*limits)),
        *(("also", name) for name in others),
    )


def _methods(pairs: int) -> tuple[tuple[str, str], ...]:
    """Return the methods that so many pairs are enough for, by how many each of them uses."""
    able: dict[tuple[int, int], list[str]] = {}
    for name in names(networks=False):
        try:
            known = find(name).pairs
        except ImportError:  # of a plugin; `xstf.list_methods` says what it misses
            continue
        if known[0] <= pairs:
            able.setdefault((known[0], min(known[-1], _MANY)), []).append(name)
    rows = [(_counted(*ends), ", ".join(who)) for ends, who in sorted(able.items())]
    if pairs > 1 and find_spec("torch"):  # named without importing torch
        rows.append(("trained first", ", ".join(n for n in names() if n not in names(False))))
    return tuple(rows)


def _counted(least: int, most: int) -> str:
    if most == _MANY:
        return f"{plural(least, 'pair')} or more"
    return plural(least, "pair") if least == most else f"{least} or {most} pairs"


def _table(rows: tuple[tuple[str, str], ...]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>" if rows else ""


def _strip(times: Any, fine: Any, coarse: Any) -> str:
    """Return the dates as ticks on a line of time: fine images above, coarse ones below."""
    days = (times - times[0]) / np.timedelta64(1, "D")
    left, right = 46, _WIDE - 10
    place = left + (right - left) * days / max(float(days[-1]), 1.0)
    nearest = float(np.diff(place).min()) if len(place) > 1 else _ROW
    width = min(max(nearest - 1, 1), 6)
    drawn = []
    for row, (name, seen, colour) in enumerate(
        (("fine", fine, "#d9822b"), ("coarse", coarse, "#4a86c5"))
    ):
        y = row * _ROW
        ticks = "".join(f"M{x:.1f} {y + 2}v{_ROW - 4}" for x in place[seen])
        drawn.append(
            f'<text x="0" y="{y + 13}">{name}</text><path d="{ticks}" stroke="{colour}" '
            f'stroke-width="{width:.1f}"/>'
        )
    y = 2 * _ROW + 13
    ends = f'<text x="{left}" y="{y}">{day(times[0])}</text>'
    if len(times) > 1:
        ends += f'<text x="{right}" y="{y}" text-anchor="end">{day(times[-1])}</text>'
    said = f"{int(fine.sum())} fine and {int(coarse.sum())} coarse images on {len(times)} dates"
    return (
        f'<svg width="{_WIDE}" height="{y + 4}" viewBox="0 0 {_WIDE} {y + 4}" role="img" '
        f'aria-label="{said}">{"".join(drawn)}{ends}</svg>'
    )
