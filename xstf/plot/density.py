"""Predicted against true values, pixel by pixel."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import xarray as xr

from xstf.metrics.matching import matched
from xstf.plot.canvas import LIGHT, beside, check_installed, dress, new_figure
from xstf.plot.colours import bands_of, thinned

MOST = 2_000_000  # pixels of a band
_SIDE = 3.3  # of a panel, inches
_BINS = 128
_WITHIN = (0.05, 99.95)  # percent of the values that the axes span


def scatter(predicted: xr.DataArray, truth: xr.DataArray, *, band: Any = None) -> Any:
    """Draw how many pixels have which predicted and which true value, one panel for each band.

    The colour counts pixels on a logarithmic scale. Each panel has the 1:1 line, Pearson's r, the
    RMSE and the bias (mean of predicted - truth), over all pixels that both sides have and that
    are drawn: of more than 2 million in a band every n-th along y and x, as the caption then says.
    The axes are equal; they span 99.9 % of the values, the numbers count all.

    Parameters
    ----------
    predicted, truth
        Images (..., band, y, x) of the same dates, in the same unit, matched by their labels.
    band
        The one band to draw. None: all.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; a notebook shows it, ``.savefig("a.png")`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the labels do not match, there is no such band, or no pixel in common.

    Examples
    --------
    >>> import xstf
    >>> from xstf.plot import scatter
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=3, bands=("red", "nir"))
    >>> figure = scatter(scene.stf.fuse("add"), truth)
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['red', 'nir']
    """
    check_installed()
    ours, theirs = matched(predicted, truth)
    names = bands_of(ours)
    if band is not None:
        if str(band) not in map(str, names):
            raise ValueError(f"there is no band {band!r}; there are {', '.join(map(str, names))}")
        names = [name for name in names if str(name) == str(band)]
    where = [i for i, name in enumerate(bands_of(ours)) if name in names]
    step = _step(ours.size // ours.sizes["band"], ours.sizes["y"], ours.sizes["x"])
    parts = [thinned(a, step).isel(band=where).transpose("band", ...) for a in (ours, theirs)]
    values = [np.asarray(a).reshape(len(names), -1) for a in dask.compute(*(p.data for p in parts))]
    units = str(truth.attrs.get("units", ""))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(columns * (_SIDE + 0.6), rows * (_SIDE - 0.05) + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    drawn = zip(panels.flat, names, values[0], values[1], strict=False)
    counts = [_draw(panel, name, p, t, units) for panel, name, p, t in drawn]
    every = f"every {_ordinal(step)} pixel along y and x: " if step > 1 else ""
    figure.supxlabel(f"{every}{max(counts):,} pixels a band", fontsize=8, color=LIGHT.muted)
    return figure


def _step(number: int, rows: int, columns: int) -> int:
    """Return the smallest n so that every n-th pixel along y and x makes at most MOST."""
    images, step = number // (rows * columns), 1
    while images * -(-rows // step) * -(-columns // step) > MOST and step < max(rows, columns):
        step += 1
    return step


def _draw(panel: Any, name: Any, predicted: np.ndarray, truth: np.ndarray, units: str) -> int:
    """Draw one band and return how many pixels it has."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    both = np.isfinite(predicted) & np.isfinite(truth)
    p, t = (a[both].astype(np.float64) for a in (predicted, truth))
    if not p.size:
        raise ValueError(f"band {name!r} has no pixel that both predicted and truth have")
    low, high = np.percentile(np.concatenate([p, t]), _WITHIN)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    edges = np.linspace(low, high, _BINS + 1)
    count, _, _ = np.histogram2d(p, t, bins=(edges, edges))  # rows: predicted
    drawn = panel.pcolormesh(
        edges, edges, np.ma.masked_equal(count, 0), cmap="viridis",
        norm=LogNorm(1, max(2, count.max())), rasterized=True,
    )  # fmt: skip
    panel.plot([low, high], [low, high], color=LIGHT.ink, lw=0.9, ls="--")
    panel.set(xlim=(low, high), ylim=(low, high), aspect="equal", title=str(name))
    panel.set(xlabel=_with("true", units), ylabel=_with("predicted", units))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    dress(panel)
    panel.text(0.04, 0.96, _said(p, t), transform=panel.transAxes, va="top", fontsize=8,
               color=LIGHT.ink, linespacing=1.4,
               bbox={"fc": LIGHT.paper, "ec": "none", "alpha": 0.85, "pad": 2})  # fmt: skip
    beside(panel, drawn, "pixels", (1.03, 0.0, 0.04, 1.0), LIGHT).ax.set_label("pixels")
    return int(p.size)


def _said(p: np.ndarray, t: np.ndarray) -> str:
    """Return r, RMSE and bias as lines of text."""
    apart = p - t
    spread = p.std() * t.std()
    r = ((p - p.mean()) * (t - t.mean())).mean() / spread if spread > 0 else np.nan
    rmse = np.sqrt((apart**2).mean())
    return f"r = {r:.3f}\nRMSE = {rmse:.4f}\nbias = {apart.mean():+.4f}".replace("-", "−")


def _with(name: str, units: str) -> str:
    return f"{name} ({units})" if units not in ("", "1") else name


def _ordinal(n: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{n}{'th' if 10 <= n % 100 <= 20 else ends.get(n % 10, 'th')}"
