"""One metric of many methods: a dot for each date, a bar for their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.plot.canvas import LIGHT, Theme, dress, new_figure
from xstf.plot.numbers import (
    label_of,
    methods_of,
    over_dates,
    rule_of,
    scores_of,
    trivial_of,
    values_of,
)


def errors(scores: xr.Dataset, metric: str = "rmse", *, band: Any = None) -> Any:
    """Draw a metric of each method: one dot for each date, a bar at the mean, the best on top.

    Methods that do nothing (coordinate ``trivial``) are grey. Methods without a value are left out.

    Parameters
    ----------
    scores
        What `xstf.compare` returned: metrics (name, time, band) or (name, time); the dimension of
        the methods may also be called ``method``. ``attrs["best"]`` of the metric
        says what is best: "small" (if nothing is said), "large" or "zero". With
        ``attrs["scene_range"]`` of reflectance, RMSE and its kin are drawn times 10^4.
    metric
        Name of the variable.
    band
        The band to draw. None: the mean over bands.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; a notebook shows it, ``.savefig("a.png")`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no such metric or band, no dimension ``name``, or no value at all.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from xstf.plot import errors
    >>> values = np.array([[0.02, 0.04], [0.01, 0.02]])
    >>> scores = xr.Dataset({"rmse": (("name", "time"), values)}, {"name": ["add", "fsdaf"]})
    >>> [label.get_text() for label in errors(scores).axes[0].get_yticklabels()]
    ['fsdaf', 'add']
    """
    scores = scores_of(scores, metric)
    figure = new_figure(6.4, 1.05 + 0.34 * scores.sizes["name"])
    draw_errors(figure, scores, metric, band, LIGHT)
    return figure


def draw_errors(figure: Any, scores: xr.Dataset, metric: str, band: Any, theme: Theme) -> None:
    """Draw the chart of `errors` on a figure, in the colours of a theme."""
    values = values_of(scores, metric, band)
    means, rule = over_dates(values), rule_of(scores, metric) or "small"
    order = order_of(means, rule)
    if not len(order):
        raise ValueError(f"{metric!r} has no value of any method, so there is nothing to draw")
    names, nothing = methods_of(scores), trivial_of(scores)
    axes = figure.add_subplot()
    for place, i in enumerate(order):
        colour = theme.muted if nothing[i] else theme.accent
        dots = values[i][np.isfinite(values[i])]
        axes.plot(dots, np.full(len(dots), place), "o", ms=5.5, mfc=colour, mec="none", alpha=0.5)
        axes.plot([means[i]] * 2, [place - 0.32, place + 0.32], color=colour, lw=2.4,
                  solid_capstyle="butt")  # fmt: skip
    axes.set_yticks(range(len(order)), [names[i] for i in order])
    axes.set(ylim=(len(order) - 0.4, -0.6))
    name = f"{label_of(scores, metric)}{_of(scores, metric, band)}"
    axes.set_xlabel(f"{name}\ndots: dates, bar: their mean")
    _set_limits(axes, values[order], rule, theme)
    axes.grid(axis="x", color=theme.faint, lw=0.7)
    axes.set_axisbelow(True)
    dress(axes, theme)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for label, i in zip(axes.get_yticklabels(), order, strict=True):
        label.set_color(theme.muted if nothing[i] else theme.ink)


def order_of(means: np.ndarray, rule: str) -> np.ndarray:
    """Return the places of the methods that have a value, the best first."""
    badness = {"small": means, "large": -means, "zero": np.abs(means)}[rule]
    order = np.argsort(badness, kind="stable")
    return order[np.isfinite(badness[order])]


def _of(scores: xr.Dataset, metric: str, band: Any) -> str:
    if "band" not in scores[metric].dims:
        return ""
    return f", {band}" if band is not None else ", mean over bands"


def _set_limits(axes: Any, values: np.ndarray, rule: str, theme: Theme) -> None:
    """Errors begin at zero; what is best at zero has a line there; the rest spans its values."""
    seen = values[np.isfinite(values)]
    low, high = seen.min(), seen.max()
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    if rule == "zero":
        axes.axvline(0, color=theme.ink, lw=0.9)
        axes.set_xlim(min(low, 0) - margin, max(high, 0) + margin)
    elif rule == "small" and low >= 0:
        axes.set_xlim(0, high * 1.06 or 1)
    else:
        axes.set_xlim(low - margin, high + margin)
