"""The scenes that the papers of STARFM and FSDAF simulated, whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

PIXEL = 30.0  # metres
_GAO = 153, 17  # side of the scene and of a coarse cell, fine pixels
_ZHU = 480, 16
_VEGETATION = 0.1, 0.2, 0.4


def gao_a() -> tuple[xr.Dataset, xr.DataArray]:
    """Return changing reflectance: a dark lake among vegetation that brightens.

    153 x 153 pixels, cells of 17 x 17, one band, no noise. The lake is a disc in the middle, 1000
    m in radius, 0.05; the land is 0.1, 0.2 and 0.4 on the three dates. The first and the last
    date are pairs.

    Returns
    -------
    scene : xarray.Dataset
        ``fine`` (time, band, y, x) and ``coarse`` (time, band, y_coarse, x_coarse) reflectance;
        coarse images are exact block means.
    truth : xarray.DataArray
        ``fine`` (time, band, y, x) on all three dates.

    Notes
    -----
    Gao et al. (2006), IEEE TGRS 44(8), 2207-2218. The radius and the disc's place are ours.

    Examples
    --------
    >>> scene, truth = gao_a()
    >>> [round(float(value), 2) for value in truth[:, 0, 0, 0]]
    [0.1, 0.2, 0.4]
    """
    return gao_c(radius=1000.0)


def gao_b(
    radii: tuple[float, float, float] = (500.0, 1000.0, 2000.0),
) -> tuple[xr.Dataset, xr.DataArray]:
    """Return changing shape: a disc of 0.1 on land of 0.4 that grows between the dates.

    153 x 153 pixels, cells of 17 x 17, one band, no noise. The first and the last date are pairs.

    Parameters
    ----------
    radii
        Radius on each of the three dates, metres; each above 0 and at most 2295, the scene's edge.

    Returns
    -------
    scene : xarray.Dataset
        ``fine`` (time, band, y, x) and ``coarse`` (time, band, y_coarse, x_coarse) reflectance;
        coarse images are exact block means.
    truth : xarray.DataArray
        ``fine`` (time, band, y, x) on all three dates.

    Raises
    ------
    ValueError
        If there are not three radii, or one does not fit into the scene.

    Notes
    -----
    Gao et al. (2006), IEEE TGRS 44(8), 2207-2218. The disc's place is ours.

    Examples
    --------
    >>> scene, truth = gao_b()
    >>> (truth < 0.2).sum(["band", "y", "x"]).values.tolist()
    [877, 3505, 13965]
    """
    if len(radii) != 3:
        raise ValueError(f"radii={radii!r} must be three, one per date, such as (500, 1000, 2000)")
    truth = np.stack([np.where(_lake(radius), 0.1, 0.4) for radius in radii])
    return _exact(truth, _GAO[1], pairs=(0, 2))


def gao_c(radius: float = 240.0) -> tuple[xr.Dataset, xr.DataArray]:
    """Return small objects: a dark pond among vegetation that brightens.

    As `gao_a`, with a disc of any size. A cell of 510 m in its middle is pure from a radius of
    about 353 m on, which is where the paper's errors vanish.

    Parameters
    ----------
    radius
        Radius of the pond, metres; above 0 and at most 2295. The paper takes 90 to 480.

    Returns
    -------
    scene : xarray.Dataset
        ``fine`` (time, band, y, x) and ``coarse`` (time, band, y_coarse, x_coarse) reflectance;
        coarse images are exact block means.
    truth : xarray.DataArray
        ``fine`` (time, band, y, x) on all three dates.

    Raises
    ------
    ValueError
        If the pond does not fit into the scene.

    Notes
    -----
    Gao et al. (2006), IEEE TGRS 44(8), 2207-2218. The pond's place is ours.

    Examples
    --------
    >>> scene, truth = gao_c(radius=90.0)
    >>> int((truth[0] < 0.06).sum())
    29
    """
    pond = _lake(radius)
    return _exact(np.stack([np.where(pond, 0.05, land) for land in _VEGETATION]), _GAO[1], (0, 2))


def zhu(seed: int = 0) -> tuple[xr.Dataset, xr.DataArray]:
    """Return three kinds of change at once: figure 2 of the FSDAF paper, drawn anew.

    480 x 480 pixels, cells of 16 x 16, one band. On a background of 0.5 a circle grows from 56 to
    72 pixels in radius and brightens from 0.01 to 0.05; a rectangle and a diagonal line 4 pixels
    wide darken from 0.3 to 0.2. Each image has its own noise, uniform within +-0.001, which is
    part of the truth. The first date is the pair, the second is to be predicted.

    Parameters
    ----------
    seed
        Of the noise.

    Returns
    -------
    scene : xarray.Dataset
        ``fine`` (time, band, y, x) and ``coarse`` (time, band, y_coarse, x_coarse) reflectance;
        coarse images are exact block means. ``classes`` (y, x) uint8 of the first date: 1
        circle, 2 background, 3 rectangle and line.
    truth : xarray.DataArray
        ``fine`` (time, band, y, x) on both dates.

    Notes
    -----
    Zhu et al. (2016), RSE 172, 165-177. The paper states radii, reflectances and noise; the
    places of the shapes are ours.

    Examples
    --------
    >>> scene, truth = zhu()
    >>> change = truth[1, 0] - truth[0, 0]
    >>> [round(float(change.where(scene.classes == k).median()), 2) for k in (1, 3)]
    [0.04, -0.1]
    """
    side, scale = _ZHU
    row, column = np.ogrid[:side, :side]
    distance = np.hypot(row - 150, column - 330)
    shapes = (row >= 320) & (row < 410) & (column >= 60) & (column < 220)
    shapes = shapes | ((column - row >= 0) & (column - row < 4))
    truth = np.stack(
        [
            np.where(distance <= radius, circle, np.where(shapes, other, 0.5))
            for radius, circle, other in ((56, 0.01, 0.3), (72, 0.05, 0.2))
        ]
    )
    truth += np.random.default_rng(seed).uniform(-0.001, 0.001, truth.shape)
    classes = np.where(distance <= 56, 1, np.where(shapes, 3, 2)).astype("uint8")
    return _exact(truth, scale, pairs=(0,), classes=classes)


def assemble(
    fine: Any,
    coarse: Any,
    truth: Any,
    *,
    scale: int,
    pairs: Sequence[int],
    bands: Sequence[str],
    classes: np.ndarray | None = None,
) -> tuple[xr.Dataset, xr.DataArray]:
    """Give observed fine, coarse and true images (time, band, y, x) their axes: (scene, truth).

    Dates are 16 days apart from 2020-04-01, pixels 30 m in EPSG:32633; `pairs` are the positions
    of the dates of `fine`.
    """
    from xstf.coordinates import georeference
    from xstf.scenes import scene

    start, step = np.datetime64("2020-04-01", "ns"), np.timedelta64(16, "D")
    times = start + step * np.arange(truth.shape[0])

    def named(data: Any, when: np.ndarray, pixel: float) -> xr.DataArray:
        coords = {
            "time": when,
            "band": np.array(bands, dtype=object),
            "y": 5_700_000 - pixel * (np.arange(data.shape[2]) + 0.5),
            "x": 399_960 + pixel * (np.arange(data.shape[3]) + 0.5),
        }
        attrs = {"valid_range": (0.0, 1.0), "long_name": "surface reflectance", "units": "1"}
        array = xr.DataArray(data, coords, ("time", "band", "y", "x"), name="fine", attrs=attrs)
        return georeference(array, "EPSG:32633")

    observed, cells = named(fine, times[list(pairs)], PIXEL), named(coarse, times, PIXEL * scale)
    built = scene(observed, cells, scale=scale)
    if classes is not None:
        built["classes"] = (("y", "x"), classes)
    return built, named(truth, times, PIXEL)


def _exact(
    truth: np.ndarray, scale: int, pairs: tuple[int, ...], classes: np.ndarray | None = None
) -> tuple[xr.Dataset, xr.DataArray]:
    """Return the scene of perfect sensors over true images (time, y, x)."""
    from xstf.kernels.boxes import cell_means

    truth = truth[:, None].astype("float32")
    coarse = cell_means(truth, scale)
    return assemble(
        truth[list(pairs)], coarse, truth, scale=scale, pairs=pairs, bands=("nir",), classes=classes
    )


def _lake(radius: float) -> np.ndarray:
    """Return where a disc of so many metres in the middle of Gao's scene lies, (y, x) bool."""
    side = _GAO[0]
    if not 0 < radius <= side * PIXEL / 2:
        raise ValueError(
            f"a radius of {radius!r} m does not fit; give more than 0 and at most "
            f"{side * PIXEL / 2:g}, half the scene"
        )
    at = PIXEL * (np.arange(side) - side // 2)
    return at[:, None] ** 2 + at**2 <= radius**2
