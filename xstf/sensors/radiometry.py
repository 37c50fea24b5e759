"""Coarse images brought to the radiometry of the fine ones, by what both saw on the same days."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xstf.checks import take_apart, with_observed
from xstf.reduction import reduce_to_cells
from xstf.scenes import as_dataset

ENOUGH = 10  # cells that a line is drawn through
ROUNDS = 5  # of drawing a line and leaving out what lies far off it
FAR = 3.0  # standard deviations


def fit_normalisation(
    scene: xr.Dataset | xr.DataTree,
    *,
    kind: str = "line",
    cell: int | None = None,
    fine: str = "fine",
    coarse: str = "coarse",
) -> xr.Dataset:
    """Return the line, band by band, that brings coarse images to the fine sensor's radiometry.

    Each fine image of a pair is averaged over the coarse cells, and one line is drawn for all pairs
    and cells: the reduced major axis, whose slope is the ratio of the standard deviations. Unlike
    least squares it does not flatten changes because coarse images are noisy [Roy et al. 2016].
    Cells further than 3 standard deviations off it, clouds and shifted edges, are left out. Every
    image of a pair is read once, now.

    Parameters
    ----------
    scene
        The scene.
    kind
        ``"line"``: gain and offset. ``"offset"``: the mean difference, gain 1. ``"gain"``: the
        ratio of the means, offset 0.
    cell
        Side of a coarse cell in fine pixels, where the scene's scale is 1.
    fine, coarse
        Names of the two variables or nodes.

    Returns
    -------
    xarray.Dataset
        ``gain``, ``offset`` (units of the scene), ``cc`` and ``cells``, dims (band,).

    Raises
    ------
    ValueError
        If no date has both images, fewer than 10 cells have them, the two images of a band do not
        rise together, or for nonsense.

    Examples
    --------
    >>> import xstf
    >>> scene, _ = xstf.simulate("parcels", size=128, dates=5)
    >>> scene["coarse"] = 0.9 * scene.coarse + 0.02
    >>> found = xstf.sensors.fit_normalisation(scene)
    >>> scene = xstf.sensors.normalise(scene, found)
    """
    if kind not in ("line", "offset", "gain"):
        raise ValueError(f"kind={kind!r} is none of line, offset, gain")
    from xstf.degraded import cell_of

    parts = with_observed(take_apart(as_dataset(scene, fine, coarse)))
    pairs = np.flatnonzero(parts.observed("fine") & parts.observed("coarse"))
    if not len(pairs):
        raise ValueError(
            "no date has both a fine and a coarse image, so nothing tells how they lie"
        )
    side = cell_of(parts, cell)
    images = parts.ds["fine"].isel(time=pairs)
    coarser = parts.ds["coarse"].isel(time=pairs).rename(y_coarse="y", x_coarse="x")
    target = reduce_to_cells(images, side).values
    source = reduce_to_cells(coarser, side // parts.grid.scale).values
    lines = [
        _line(source[:, b].ravel(), target[:, b].ravel(), kind, str(name))
        for b, name in enumerate(images["band"].values)
    ]
    names = ("gain", "offset", "cc", "cells")
    return xr.Dataset(
        {n: ("band", list(v)) for n, v in zip(names, zip(*lines, strict=True), strict=True)},
        {"band": images["band"]},
        {"kind": kind},
    )


def normalise(scene: xr.Dataset, fitted: xr.Dataset, *, coarse: str = "coarse") -> xr.Dataset:
    """Return the scene with its coarse images moved along fitted lines, lazily.

    Parameters
    ----------
    scene
        The scene.
    fitted
        From `fit_normalisation`, of this scene or of another one of the same sensors.
    coarse
        Name of the coarse variable.

    Raises
    ------
    ValueError
        If the bands are not those of the lines.
    """
    if not {"gain", "offset"} <= set(fitted):
        raise ValueError("fitted holds no lines; give what xstf.sensors.fit_normalisation returned")
    images = scene[coarse]
    if list(images["band"].values) != list(fitted["band"].values):
        raise ValueError(
            f"the lines are of the bands {list(fitted['band'].values)} and the scene has "
            f"{list(images['band'].values)}; fit them to this scene, or select the bands"
        )
    gain, offset = (fitted[name].astype("float32") for name in ("gain", "offset"))
    moved = (images * gain + offset).transpose(*images.dims).astype(images.dtype)
    return scene.assign({coarse: moved.assign_attrs(images.attrs)})


def _line(source: np.ndarray, target: np.ndarray, kind: str, band: str) -> tuple[float, ...]:
    """Return gain, offset, correlation and number of the cells that one line is drawn through."""
    seen = np.isfinite(source) & np.isfinite(target)
    x, y = source[seen].astype(np.float64), target[seen].astype(np.float64)
    kept = np.ones(len(x), bool)
    gain, offset = 1.0, 0.0
    for _ in range(ROUNDS):
        if kept.sum() < ENOUGH:
            raise ValueError(
                f"band {band}: {kept.sum()} cells have both images, and a line needs {ENOUGH}; "
                "give more pairs, or a larger scene"
            )
        gain, offset = _drawn(x[kept], y[kept], kind, band)
        off = y - gain * x - offset
        spread = 1.4826 * np.median(np.abs(off - np.median(off)))  # a standard deviation, robustly
        now = np.abs(off) <= FAR * max(spread, 1e-12)
        if (now == kept).all():
            break
        kept = now
    cc = float(np.corrcoef(x[kept], y[kept])[0, 1]) if kept.sum() > 1 else np.nan
    return gain, offset, cc, int(kept.sum())


def _drawn(x: np.ndarray, y: np.ndarray, kind: str, band: str) -> tuple[float, float]:
    if kind == "offset":
        return 1.0, float(y.mean() - x.mean())
    if kind == "gain":
        gain = float(y.mean() / x.mean()) if x.mean() else np.nan
    else:
        rising = float(((x - x.mean()) * (y - y.mean())).sum())
        gain = float(y.std() / x.std()) if x.std() and rising > 0 else np.nan
    if not (np.isfinite(gain) and gain > 0):
        raise ValueError(
            f"band {band}: fine and coarse images do not rise together, so no line leads from one "
            "to the other; look at them (xstf.find_suspects), or use kind='offset'"
        )
    return gain, float(y.mean() - gain * x.mean()) if kind == "line" else 0.0
