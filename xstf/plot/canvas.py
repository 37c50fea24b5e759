"""The figure that every picture is drawn on, and how charts are dressed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

from xstf.plot.colours import MISSING

_INSTALL = 'pictures need matplotlib; install it: pip install "xstf[plot]"'
DIVERGING = "RdBu_r"  # of errors and biases: blue below zero, red above


@dataclass(frozen=True)
class Theme:
    """The colours of a chart's own parts, none of which carries a number."""

    ink: str
    muted: str
    faint: str
    accent: str
    paper: str


LIGHT = Theme("#1f2328", "#667080", "#dde1e6", "#2468b4", "#ffffff")
DARK = Theme("#e6e8eb", "#a3acb8", "#3b424b", "#79b8ff", "#16191d")


def new_figure(width: float, height: float) -> Any:
    """Return a figure of its own, in inches, which pyplot does not know.

    Raises
    ------
    ImportError
        If matplotlib is not installed; the message holds the install line.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)  # inches
    figure: Any = Figure(figsize=(width, height), dpi=120, layout=layout)
    figure._repr_png_ = partial(_as_png, figure)  # notebooks ask for it; pyplot would have said so
    return figure


def _as_png(figure: Any) -> bytes:
    """Return a figure as a notebook shows it."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def check_installed() -> None:
    """Raise ImportError, with the install line, where matplotlib is missing."""
    new_figure(1, 1)


def show(panel: Any, picture: Any, title: str = "", **options: Any) -> Any:
    """Draw an image without ticks, each pixel as it is."""
    drawn = panel.imshow(picture, interpolation="nearest", **options)
    panel.set(xticks=[], yticks=[])
    panel.set_title(title, fontsize=9)
    return drawn


def show_error(panel: Any, error: np.ndarray, top: float, title: str = "") -> Any:
    """Draw a map of signed errors (y, x), white at zero, between -top and top."""
    panel.set_facecolor(MISSING)
    masked = np.ma.masked_invalid(error)
    return show(panel, masked, title, cmap=DIVERGING, vmin=-top, vmax=top)


def show_nothing(panel: Any, shape: tuple[int, ...], title: str = "") -> None:
    """Leave the place of an image that does not exist, shaped like the others."""
    panel.set(xticks=[], yticks=[], xlim=(0, shape[1]), ylim=(shape[0], 0), aspect="equal")
    panel.set_title(title, fontsize=9)
    for spine in panel.spines.values():
        spine.set(color=LIGHT.faint)
    panel.text(0.5, 0.5, "no image", transform=panel.transAxes, ha="center", va="center",
               fontsize=7, color=LIGHT.muted)  # fmt: skip


def height_of(shape: tuple[int, ...], width: float) -> float:
    """Return the height of a panel of that width in inches, within a third and three times it."""
    return width * min(3.0, max(1 / 3, shape[0] / shape[1]))


def dress(axes: Any, theme: Theme = LIGHT) -> None:
    """Give a chart's frame, ticks and words their colours, and take the frame's far sides away."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.muted)
    axes.tick_params(color=theme.muted, labelcolor=theme.ink, labelsize=8)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set(color=theme.ink, fontsize=9)


def beside(panel: Any, drawn: Any, name: str, place: tuple[float, ...], theme: Theme) -> Any:
    """Draw a colour bar into a part of a panel, given as left, bottom, width, height of it."""
    bar = panel.inset_axes(place)
    colours = panel.figure.colorbar(drawn, cax=bar)
    colours.outline.set_edgecolor(theme.muted)
    colours.ax.tick_params(color=theme.muted, labelcolor=theme.ink, labelsize=7)
    colours.set_label(name, color=theme.ink, fontsize=8)
    return colours


def in_powers(factor: float) -> str:
    """Return how a label says that numbers were multiplied: " × 10⁴" and the like."""
    power = np.log10(factor)
    if factor == 1:
        return ""
    return rf" $\times\,10^{{{power:.0f}}}$" if power == round(power) else f" × {factor:g}"
