"""Many dates: a film strip, and the course of one pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts
from xstf.dates import find_dates, text_of
from xstf.plot.canvas import (
    LIGHT,
    check_installed,
    dress,
    height_of,
    new_figure,
    show,
    show_nothing,
)
from xstf.plot.colours import bands_of, choose_bands, coloured, pick, stretch_of
from xstf.plot.given import Predicted, by_name, image_at, parts_of, times_of

MOST = 8  # dates beside each other
_WIDTH = 13.0  # of a full strip, inches
_CHART = 2.1  # height of a chart, inches
_ABREAST = 3  # charts beside each other


def series(
    scene: xr.Dataset | xr.DataTree,
    predicted: Predicted,
    *,
    dates: Any = None,
    bands: str | Sequence[Any] | None = None,
    point: tuple[float, float] | None = None,
) -> Any:
    """Draw a film strip: the coarse, the predicted and the observed fine images of many dates.

    All images share one stretch, 2 to 98 % of the observed fine images drawn, or without any of the
    predictions. Of images larger than 1500 pixels every n-th pixel is drawn.

    Parameters
    ----------
    scene
        The scene (`xstf.scene`).
    predicted
        What `fuse` returned, (time, band, y, x), or several by the name to print, one row each.
    dates
        Dates or a slice of dates; of more than 8, the first, the last and evenly chosen ones
        between are drawn. None: those that are predicted or have a fine image.
    bands
        ``"true"``, ``"false"``, one name or three, as in `triptych`.
    point
        Place (y, x) of a pixel, in coordinates of the scene, in numbers of pixels where it has
        none: its values on all dates are drawn too, one chart for each band.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; a notebook shows it, ``.savefig("a.png")`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        For a date or band that does not exist, or a point outside the scene.

    Examples
    --------
    >>> import xstf
    >>> from xstf.plot import series
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=5)
    >>> figure = series(scene, scene.stf.fuse("add"))
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()][:2]
    ['2020-04-01', '2020-04-17']
    """
    check_installed()
    parts = parts_of(scene)
    given = by_name(predicted, parts.grid.shape)
    chosen = choose_bands(parts.ds["fine"], bands)
    days = _days(parts, given, dates)
    pixel = None if point is None else _pixel(parts, point)
    height = height_of(parts.grid.shape, _WIDTH / MOST - 0.1) + 0.06
    strip_height = (len(given) + 2) * height + 0.3
    names = bands_of(parts.ds["fine"])
    deep = 0.0 if pixel is None else -(-len(names) // _ABREAST) * _CHART + 0.4
    width = max(_WIDTH * len(days) / MOST + 0.3, 0.0 if pixel is None else 7.0)
    figure = new_figure(width, strip_height + deep)
    strip, charts = figure, None
    if pixel is not None:
        strip, charts = figure.subfigures(2, 1, height_ratios=(strip_height, deep))
    panels = _draw_strip(strip, _rows(parts, given, days, chosen), days, parts.grid.shape)
    if charts is not None:
        for panel in panels.flat:
            _mark(panel, pixel, parts)
        _draw_charts(charts, parts, given, pixel, names)
    return figure


def _days(parts: Parts, given: Mapping[str, xr.DataArray], dates: Any) -> np.ndarray:
    """Return the dates to draw, at most MOST, evenly chosen by their number."""
    if dates is None:
        known = parts.times[parts.observed("fine")]
        have = np.unique(np.concatenate([known, *map(times_of, given.values())]))
        times = parts.times[np.isin(parts.times, have)]
    elif isinstance(dates, slice):
        times = parts.ds["time"].sel(time=dates).values
    else:
        times = parts.times[find_dates(parts.times, dates)]
    if not len(times):
        raise ValueError(f"dates={dates!r} hold no date of the scene; give one or more")
    return times[
        np.unique(np.linspace(0, len(times) - 1, min(MOST, len(times))).round().astype(int))
    ]


def _rows(
    parts: Parts, given: Mapping[str, xr.DataArray], days: np.ndarray, bands: Sequence[Any]
) -> dict[str, list[Any]]:
    """Return the bands of each image by row and date, None where there is none."""
    observed = parts.times[parts.observed("fine")]
    seen = parts.times[parts.observed("coarse")]
    fine = [parts.ds["fine"].sel(time=d) if d in observed else None for d in days]
    coarse = [parts.ds["coarse"].sel(time=d) if d in seen else None for d in days]
    rows: dict[str, list[Any]] = {"coarse": coarse}
    rows |= {name: [image_at(images, d) for d in days] for name, images in given.items()}
    rows["fine"] = fine
    return {
        name: [None if image is None else pick(image, bands, name) for image in row]
        for name, row in rows.items()
    }


def _draw_strip(
    figure: Any, rows: dict[str, list[Any]], days: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Draw the images, (row, date), and return their axes."""
    like = [i for i in rows["fine"] if i is not None and np.isfinite(i).any()]
    middle = [i for name in list(rows)[1:-1] for i in rows[name] if i is not None]
    low, high = stretch_of(like or middle or [i for i in rows["coarse"] if i is not None])
    panels = figure.subplots(len(rows), len(days), squeeze=False)
    for (name, row), line in zip(rows.items(), panels, strict=True):
        for image, panel in zip(row, line, strict=True):
            if image is None:
                show_nothing(panel, shape)
            else:
                show(panel, coloured(image, low, high))
        line[0].set_ylabel(name, fontsize=9)
    for panel, day in zip(panels[0], days, strict=True):
        panel.set_title(text_of(day), fontsize=8)
    return panels


def _pixel(parts: Parts, point: tuple[float, float]) -> tuple[int, int]:
    """Return the row and column of the pixel that holds a place."""
    found = []
    for dim, value in zip(("y", "x"), point, strict=True):
        size = parts.ds.sizes[dim]
        axis = parts.ds[dim].values if dim in parts.ds.coords else np.arange(size)
        half = abs(axis[-1] - axis[0]) / max(1, size - 1) / 2 or 0.5
        i = int(np.argmin(np.abs(axis - value)))
        if not abs(axis[i] - value) <= half:
            low, high = sorted((axis[0], axis[-1]))
            raise ValueError(
                f"point={point!r} lies outside the scene: {dim} goes from {low:g} to {high:g}; "
                "give (y, x) within"
            )
        found.append(i)
    return found[0], found[1]


def _mark(panel: Any, pixel: Any, parts: Parts) -> None:
    """Mark the pixel on an image, in whichever pixels that was drawn."""
    if not panel.images:
        return
    rows, columns = panel.images[0].get_array().shape[:2]
    shape = parts.grid.shape
    place = [(p + 0.5) * n / s - 0.5 for p, n, s in zip(pixel, (rows, columns), shape, strict=True)]
    panel.plot(place[1], place[0], "o", ms=7, mfc="none", mec="white", mew=2.2)
    panel.plot(place[1], place[0], "o", ms=7, mfc="none", mec=LIGHT.ink, mew=1.0)


def _draw_charts(
    figure: Any, parts: Parts, given: Mapping[str, xr.DataArray], pixel: Any, names: list[Any]
) -> None:
    """Draw the pixel's values over all dates: coarse cell, predictions, observed dots."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    row, column = pixel
    scale = parts.grid.scale
    cell = parts.ds["coarse"].isel(y_coarse=row // scale, x_coarse=column // scale)
    lines = {"coarse cell": cell, **{n: a.isel(y=row, x=column) for n, a in given.items()}}
    values = {name: (times_of(a), _by_date(a)) for name, a in lines.items()}
    fine = parts.ds["fine"].isel(y=row, x=column)
    seen = parts.observed("fine")
    values["fine"] = parts.times[seen], _by_date(fine.isel(time=np.flatnonzero(seen)))
    columns = min(_ABREAST, len(names))
    charts = figure.subplots(-(-len(names) // columns), columns, squeeze=False, sharex=True)
    for panel in charts.flat[len(names) :]:
        panel.set_visible(False)
    for i, (panel, band) in enumerate(zip(charts.flat, names, strict=False)):
        for j, (name, (times, courses)) in enumerate(values.items()):
            panel.plot(times, courses[:, i], label=name, **_style(j, len(values)))
        panel.set_title(str(band))
        panel.grid(color=LIGHT.faint, lw=0.6)
        panel.xaxis.set_major_locator(ticks := AutoDateLocator(maxticks=7))
        panel.xaxis.set_major_formatter(ConciseDateFormatter(ticks))
        dress(panel)
        panel.xaxis.get_offset_text().set(fontsize=8, color=LIGHT.muted)
    handles, labels = charts[0, 0].get_legend_handles_labels()
    where = f"pixel ({row}, {column}), counted from 0"
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8,
                  frameon=False, title=where, title_fontsize=8)  # fmt: skip


def _by_date(values: xr.DataArray) -> np.ndarray:
    """Return (time, band) numbers."""
    if "time" not in values.dims:
        values = values.expand_dims("time")
    return np.asarray(values.transpose("time", "band").values)


def _style(i: int, number: int) -> dict[str, Any]:
    """Return how the i-th line is drawn: the coarse cell first, the observed dots last."""
    if i == 0:
        return {"color": LIGHT.muted, "marker": "s", "ms": 3, "lw": 1, "ls": ":"}
    if i == number - 1:
        return {"color": LIGHT.ink, "marker": "o", "ms": 5, "ls": "none", "zorder": 5}
    return {"color": f"C{i - 1}", "marker": ".", "ms": 5, "lw": 1.3}
