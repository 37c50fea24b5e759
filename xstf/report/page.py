"""A comparison of methods as one HTML page that needs nothing from outside."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.dates import text_of
from xstf.plot.canvas import check_installed
from xstf.plot.colours import choose_bands
from xstf.plot.given import by_name
from xstf.plot.numbers import (
    factor_of,
    methods_of,
    metrics_of,
    over_dates,
    scores_of,
    trivial_of,
    values_of,
)
from xstf.report.columns import Column, columns_of, dates_of, nothing_first
from xstf.report.pictures import Shown, charts_of, every, ramp, shown_of, side_of

_INSTALL = "the page needs jinja2; install it: pip install jinja2"
_ALL = "all"
_GOALS = {"small": "smaller is better", "large": "larger is better", "zero": "best at zero"}


def write_page(
    compared: xr.Dataset,
    path: str | Path,
    *,
    truth: xr.DataArray,
    predicted: Mapping[str, xr.DataArray],
    coarse: xr.DataArray | None = None,
    title: str = "Comparison of fusion methods",
    notes: str | Sequence[str] = (),
    bands: str | Sequence[Any] | None = None,
) -> Path:
    """Write a comparison of methods as one HTML page: numbers, charts, pictures.

    The page loads nothing from outside and may be sent or archived as it is. Its table can be
    sorted and shows the mean over dates or one date; its pictures can be compared behind a divider.
    All pictures of a date share one stretch, 2 to 98 % of the truth, and their errors (predicted -
    truth, the mean over the drawn bands) one scale. They have at most 900 pixels a side, and fewer
    where there are very many: every n-th pixel. Lazy images are computed one after the other.

    Parameters
    ----------
    compared
        What `xstf.compare` returned: metrics (name, time, band) or (name, time), at least ``rmse``,
        NaN where a method could not serve a date; the first dimension may also be called
        ``method``. Each has ``long_name``, ``units``, ``variant`` and ``best`` ("small", "large",
        "zero") among its attrs. The coordinate ``trivial`` (name) marks those that do nothing,
        ``pair_dates`` (name, time) names the dates that served, ``attrs["left_out"]`` the methods
        that the scene could not serve.
    path
        File to write; it appears whole or not at all. Its folder is made.
    truth
        (time, band, y, x) true fine images.
    predicted
        (time, band, y, x) predictions by method, some or all of its dates. Others are not drawn.
    coarse
        (time, band, y_coarse, x_coarse) coarse images of the same place.
    title
        Heading of the page.
    notes
        Paragraphs that follow it, such as a recommendation.
    bands
        ``"true"``, ``"false"``, one name or three, as in `xstf.plot.triptych`.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ImportError
        If matplotlib or jinja2 is not installed.
    ValueError
        If `compared` lacks ``name`` or ``rmse``, a band does not exist, or sizes differ.
    """
    check_installed()
    environment = _environment()
    compared = scores_of(compared, "rmse")
    compared = compared if "time" in compared.dims else compared.expand_dims("time")
    shape = truth.sizes["y"], truth.sizes["x"]
    images = by_name(predicted, shape) if predicted else {}
    chosen = choose_bands(truth, bands)
    days = _days(compared)
    side = side_of(len(days), len(images))
    shown = {
        key: found
        for key, day in days.items()
        if images and (found := shown_of(day, truth, images, coarse, chosen, side)) is not None
    }
    text = environment.get_template("page.html.j2").render(
        title=title,
        notes=[notes] if isinstance(notes, str) else list(notes),
        facts=_facts(compared, truth, coarse, days),
        table=_Table(compared, days),
        left_out=str(compared.attrs.get("left_out", "")).splitlines(),
        charts=list(charts_of(compared)),
        dates=_with_captions(compared, days, shown),
        methods=_offered(compared, shown),
        bands=", ".join(dict.fromkeys(map(str, chosen))),
        grey=len(chosen) == 1,
        drawn=every(shape, side),
        ramp=ramp(),
        style=_read("page.css"),
        script=_read("page.js"),
        version=_version(),
    )
    return _write_whole(Path(path), text)


def _environment() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    return Environment(
        loader=PackageLoader("xstf.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read(name: str) -> Any:
    """Return a file of ours as it is: it holds no text of others, so nothing is escaped."""
    from markupsafe import Markup

    return Markup(files("xstf.report").joinpath(name).read_text(encoding="utf-8"))


def _version() -> str:
    import xstf

    return xstf.__version__


def _write_whole(path: Path, text: str) -> Path:
    """Write beside the path first, so that a page appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _days(compared: xr.Dataset) -> dict[str, Any]:
    """Return the dates by how they are written; a Dataset without dates has one, unnamed."""
    if "time" not in compared.coords:
        return {f"date {i + 1}": None for i in range(compared.sizes["time"])}
    return {text_of(t): t for t in compared["time"].values}


def _facts(
    compared: xr.Dataset, truth: xr.DataArray, coarse: xr.DataArray | None, days: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return what the scene is, as terms and their values."""
    nothing = int(trivial_of(compared).sum())
    number = compared.sizes["name"] - nothing
    facts = [
        ("Fine image", f"{truth.sizes['y']} × {truth.sizes['x']} pixels"),
        ("Bands", ", ".join(map(str, np.atleast_1d(compared["rmse"]["band"].values))))
        if "band" in compared["rmse"].coords
        else ("Bands", str(truth.sizes["band"])),
        ("Dates", next(iter(days)) if len(days) == 1 else
         f"{len(days)}, {next(iter(days))} to {list(days)[-1]}"),
        ("Methods", f"{number}" + (f", beside {nothing} that do nothing" if nothing else "")),
    ]  # fmt: skip
    if "scale" in compared.attrs:
        cells = "" if coarse is None else f" ({coarse.shape[-2]} × {coarse.shape[-1]} cells)"
        facts.insert(1, ("Scale", f"{compared.attrs['scale']} fine pixels a coarse cell{cells}"))
    limits = compared.attrs.get("scene_range")
    if limits is not None and not isinstance(limits, str):
        facts.append(("Valid range", " to ".join(f"{v:g}" for v in limits)))
    return facts


class _Table:
    """What the template prints of the numbers: columns, and rows for all dates and for each."""

    def __init__(self, compared: xr.Dataset, days: Mapping[str, Any]) -> None:
        self.columns = columns_of(compared, metrics_of(compared))
        self.goals = _GOALS
        self.bands = sum(column.metric == "rmse" for column in self.columns)
        power = np.log10(factor_of(compared))
        units = str(compared["rmse"].attrs.get("units", "1"))
        self.power = f"{power:.0f}" if power else ""
        self.unit = "" if power or units in ("1", "") else units
        count = dates_of(compared)
        self.uneven = bool(count.min() < count.max())
        self.most = int(count.max())
        self.nothing = int(trivial_of(compared).sum())
        views: dict[str, int | None] = {_ALL: None, **{key: i for i, key in enumerate(days)}}
        self.views = {key: self._rows(compared, date) for key, date in views.items()}
        self.days = list(days)

    def _rows(self, compared: xr.Dataset, date: int | None) -> list[dict[str, Any]]:
        """Return the rows, those of methods that do nothing first."""
        names, nothing = methods_of(compared), trivial_of(compared)
        seen = np.isfinite(values_of(compared, "rmse"))
        count = seen.sum(axis=1) if date is None else seen[:, date].astype(int)
        cells = [_cells(column, date) for column in self.columns]
        return [
            {
                "name": names[i],
                "nothing": bool(nothing[i]),
                "cells": [column[i] for column in cells],
                "dates": int(count[i]),
            }
            for i in nothing_first(compared)
        ]


def _cells(column: Column, date: int | None) -> list[tuple[str, str, bool]]:
    """Return of each method the text, the number to sort by ("" for none), and if it is best."""
    values, best = column.on(date), column.best(date)
    return [
        (column.text(v), repr(float(v)) if np.isfinite(v) else "", bool(b))
        for v, b in zip(values, best, strict=True)
    ]


def _with_captions(
    compared: xr.Dataset, days: Mapping[str, Any], shown: Mapping[str, Shown]
) -> list[dict[str, Any]]:
    """Return the pictures by date, each with what is said below it."""
    columns = columns_of(compared, [m for m in ("rmse", "cc", "ssim") if m in compared])
    columns = columns[sum(c.metric == "rmse" for c in columns) - 1 :]  # of RMSE the mean
    unit = " × 10⁻⁴" if factor_of(compared) == 1e4 else ""
    dates = []
    for key, found in shown.items():
        at = list(days).index(key)
        captions = {}
        for i, name in enumerate(methods_of(compared)):
            said = [
                f"{c.metric.upper()} {c.text(c.on(at)[i])}{unit if c.metric == 'rmse' else ''}"
                for c in columns
            ]
            captions[name] = _pairs(compared, i, at) + ", ".join(said)
        dates.append({"key": key, "shown": found, "captions": captions, "top": f"{found.top:.2g}"})
    return dates


def _pairs(compared: xr.Dataset, name: int, time: int) -> str:
    """Return in words which dates served, as the beginning of a sentence."""
    if "pair_dates" not in compared:
        return ""
    dates = str(compared["pair_dates"].isel(name=name, time=time).values).split()
    return f"from {', '.join(dates)}; " if dates else ""


def _offered(compared: xr.Dataset, shown: Mapping[str, Shown]) -> list[str]:
    """Return the methods with a picture, the best first, those that do nothing last."""
    drawn = {p.method for found in shown.values() for p in found.pictures if p.role == "image"}
    names, nothing = methods_of(compared), trivial_of(compared)
    means = over_dates(values_of(compared, "rmse"))
    order = sorted(range(len(names)), key=lambda i: (nothing[i], np.isnan(means[i]), means[i]))
    return [names[i] for i in order if names[i] in drawn] + sorted(drawn - set(names))
