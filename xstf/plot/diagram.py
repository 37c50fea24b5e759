"""The all-round performance diagram: spectral against spatial accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.plot.canvas import DIVERGING, LIGHT, Theme, dress, new_figure
from xstf.plot.labels import name_points
from xstf.plot.numbers import (
    label_of,
    methods_of,
    over_dates,
    scores_of,
    trivial_of,
    values_of,
)

METRICS = ("rmse", "edge", "bias", "lbp")
_AREA = 80.0, 340.0  # of a marker, points squared, at no and at the largest LBP of the scale
_ROUND = 0.01  # absolute LBP below which a marker has no direction


def apa(scores: xr.Dataset, *, band: Any = None) -> Any:
    """Draw the all-round performance of methods [Zhu et al. 2022, RSE 274, 113002].

    Right is spectral error (RMSE), up and down is spatial error (Edge: below zero too smooth, above
    too sharp); the ideal is where both are zero. The colour is the bias (AD, mean of predicted -
    truth), the marker the texture (LBP): a triangle up has more texture than the truth, down less,
    the larger the more. Each point is the mean over dates, its bars reach from the smallest to the
    largest date. Methods that do nothing (coordinate ``trivial``) are hollow. The layout is ours.

    Parameters
    ----------
    scores
        What `xstf.compare` returned: ``rmse``, ``edge``, ``bias`` and ``lbp``, dims (name, time,
        band); the dimension of the methods may also be called ``method``.
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
        If one of the four metrics or the band is not there, or no method has a value.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from xstf.plot import apa
    >>> numbers = np.array([[[0.02]], [[0.01]]])
    >>> scores = xr.Dataset(
    ...     {name: (("name", "time", "band"), numbers) for name in ("rmse", "edge", "bias", "lbp")},
    ...     {"name": ["add", "fsdaf"], "band": ["red"]})
    >>> sorted(text.get_text() for text in apa(scores).axes[0].texts)
    ['add', 'fsdaf', 'ideal']
    """
    scores = scores_of(scores, *METRICS)
    figure = new_figure(7.2, 5.0)
    draw_apa(figure, scores, band, LIGHT)
    return figure


def draw_apa(figure: Any, scores: xr.Dataset, band: Any, theme: Theme) -> None:
    """Draw the diagram of `apa` on a figure, in the colours of a theme."""
    found = {name: values_of(scores, name, band) for name in METRICS}
    means = {name: over_dates(values) for name, values in found.items()}
    kept = np.flatnonzero(np.isfinite([means[n] for n in METRICS]).all(axis=0))
    if not len(kept):
        raise ValueError("no method has RMSE, Edge, AD and LBP, so there is nothing to draw")
    x, y, bias, lbp = (means[name][kept] for name in METRICS)
    axes = figure.add_subplot()
    bars = _draw_ranges(axes, found, kept, (x, y), theme)
    most = float(np.abs(lbp).max()) or 1.0
    drawn = _draw_markers(axes, (x, y, bias, lbp), trivial_of(scores)[kept], most, theme)
    _draw_ideal(axes, theme)
    axes.set_xlabel(f"{label_of(scores, 'rmse')}: spectral error")
    axes.set_ylabel("Edge: spatial error (too smooth < 0 < too sharp)")
    dress(axes, theme)
    colours = figure.colorbar(drawn, ax=axes, pad=0.02, fraction=0.05, aspect=28)
    colours.outline.set_edgecolor(theme.muted)
    colours.ax.tick_params(color=theme.muted, labelcolor=theme.ink, labelsize=7)
    colours.set_label(label_of(scores, "bias"), color=theme.ink, fontsize=8)
    _draw_legend(figure, most, bool(trivial_of(scores)[kept].any()), theme)
    names = [methods_of(scores)[i] for i in kept]
    ideal = (0.0, 0.0)
    name_points(
        axes,
        np.array([*zip(x, y, strict=True), ideal]),
        [*names, "ideal"],
        np.array([*np.sqrt(_areas(lbp, most)) / 2 + 1.5, 6.0]),
        theme,
        bars,
    )


def _draw_ranges(axes: Any, found: Any, kept: Any, means: Any, theme: Theme) -> np.ndarray:
    """Draw bars from the smallest to the largest date, set the limits, return all lines."""
    spans = []
    for name in ("rmse", "edge"):
        values = found[name][kept]
        seen = np.isfinite(values)
        low = np.where(seen, values, np.inf).min(axis=1)
        spans.append((low, np.where(seen, values, -np.inf).max(axis=1)))
    (left, right), (below, above) = spans
    x, y = means
    axes.hlines(y, left, right, color=theme.muted, lw=0.9, alpha=0.6, zorder=2)
    axes.vlines(x, below, above, color=theme.muted, lw=0.9, alpha=0.6, zorder=2)
    low, high = min(below.min(), 0.0), max(above.max(), 0.0)
    margin = 0.12 * (high - low) or 0.1
    axes.set(xlim=(0, right.max() * 1.12 or 1), ylim=(low - margin, high + margin))
    across = np.stack([left, y, right, y], axis=1)
    level = [[0, 0, axes.get_xlim()[1], 0]]
    return np.concatenate([across, np.stack([x, below, x, above], axis=1), level])


def _draw_markers(
    axes: Any, numbers: tuple[np.ndarray, ...], nothing: np.ndarray, most: float, theme: Theme
) -> Any:
    """Draw one marker for each method, hollow where it does nothing."""
    from matplotlib.patheffects import withStroke

    x, y, bias, lbp = numbers
    top = float(np.abs(bias).max()) or 1.0
    areas = _areas(lbp, most)
    for i in range(len(x)):
        common = {"s": areas[i], "marker": _marker(lbp[i]), "zorder": 4, "clip_on": False}
        scale = {"c": [bias[i]], "cmap": DIVERGING, "vmin": -top, "vmax": top}
        drawn = axes.scatter(x[i], y[i], **common, **scale, edgecolors=theme.ink, linewidths=0.8)
        if nothing[i]:  # a ring in the colour, between two thin lines
            drawn.set(edgecolors=drawn.to_rgba([bias[i]]), facecolors="none", linewidths=2.0)
            drawn.set_path_effects([withStroke(linewidth=3.3, foreground=theme.ink)])
    return drawn


def _areas(lbp: np.ndarray, most: float) -> np.ndarray:
    return _AREA[0] + (_AREA[1] - _AREA[0]) * np.abs(lbp) / most


def _marker(lbp: float) -> str:
    return "o" if abs(lbp) < _ROUND else "^" if lbp > 0 else "v"


def _draw_ideal(axes: Any, theme: Theme) -> None:
    """Mark the point without any error, and the line of the right sharpness."""
    axes.axhline(0, color=theme.muted, lw=0.8, ls="--", zorder=1)
    axes.plot(0, 0, marker="*", ms=13, mfc=theme.accent, mec="none", clip_on=False, zorder=5)


def _draw_legend(figure: Any, most: float, hollow: bool, theme: Theme) -> None:
    """Say below the chart what the markers mean."""
    from matplotlib.lines import Line2D

    def entry(marker: str, area: float, name: str, filled: bool = True) -> Any:
        return Line2D([], [], ls="none", marker=marker, ms=area**0.5, label=name,
                      mfc=theme.faint if filled else "none", mec=theme.ink, mew=0.8)  # fmt: skip

    entries = [
        entry("v", _AREA[1], f"LBP −{most:.2g}: less texture"),
        entry("o", _AREA[0], "LBP 0"),
        entry("^", _AREA[1], f"LBP +{most:.2g}: more texture"),
    ]
    if hollow:
        entries.append(entry("o", 75, "does nothing", filled=False))
    narrow = figure.get_figwidth() < 5
    figure.legend(handles=entries, loc="outside lower center", ncols=2 if narrow else 4,
                  fontsize=8, frameon=False, labelcolor=theme.ink, labelspacing=1.1)  # fmt: skip
