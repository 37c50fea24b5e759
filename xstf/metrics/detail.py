"""Metrics of spatial detail: filtered images, edges and texture."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from xstf.metrics.catalogue import named, per_chunk, take_bands
from xstf.metrics.formulas import pearson, range_of
from xstf.metrics.moments import Moments, Sides
from xstf.metrics.sliding import Kernel, slide, window_means, window_moments
from xstf.metrics.strongest import mean_of_strongest
from xstf.metrics.windowed import Own

STILL = 1e-5  # share of the data range that keeps an edge index of flat images at 0


def scc(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    window: Literal["global", 8] = "global",
    bands: Own = "each",
    regions: Any = None,
) -> xr.DataArray:
    """Spatial correlation: that of the images after a 3 x 3 Laplacian with 8 in its centre.

    [Zhou et al. 1998, IJRS 19(4)].

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    window
        "global": one correlation over all pixels. 8: the mean of those in sliding windows of 8 x 8
        filtered pixels; a window where one side is constant is left out.
    bands
        ``"each"`` band, or the ``"mean"`` of these.
    regions
        As for `rmse`; a window belongs to the region of its centre.

    Returns
    -------
        Dims (..., band, [region]), float64, -1 to 1. Filters and windows that leave the image or
        hold a missing pixel are left out.

    Raises
    ------
    ValueError
        For another window, or labels that do not match.

    Notes
    -----
    The function of this name in torchmetrics (1.9), after sewar's, is that of windows, but filters
    beyond the edge by reflection, fills windows beyond it with 0, and counts constant ones as 0.
    """
    return filtered_of(Sides.of(predicted, truth, regions), window, bands)


def edge(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    top: float | None = None,
    data_range: float | None = None,
    bands: Own = "each",
    regions: Any = None,
) -> xr.DataArray:
    """Relative change of edges by the Roberts cross [APA, Zhu et al. 2022, RSE 274, 113002].

    The mean of (E_p - E_t) / (E_p + E_t + 1e-5 L), E being ``|z(i,j) - z(i+1,j+1)| +
    |z(i,j+1) - z(i+1,j)|``. Below 0 the prediction is smoother than the truth, above 0 sharper.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    top
        None: every pixel. 0.1: only where the truth's edges are among the strongest tenth of each
        band and date (of each region, where there are regions), with those that tie. The choice is
        exact over the whole image; it holds that share of the image's pixels in memory.
    data_range
        L, the range of the values, in their unit. None: what ``attrs["valid_range"]`` of the images
        spans, else 1.
    bands
        ``"each"`` band, or the ``"mean"`` of these.
    regions
        As for `rmse`; an edge lies at the last of its four pixels.

    Returns
    -------
        Dims (..., band, [region]), float64, -1 to 1.

    Raises
    ------
    ValueError
        For a share that is not above 0 and at most 1, a data range that is not positive, or labels
        that do not match.

    Notes
    -----
    The formula is that of scripts that follow the paper; they differ in whether they keep to the
    strongest edges.
    """
    return edge_of(Sides.of(predicted, truth, regions), top, data_range, bands)


def lbp(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    tolerance: float = 0.0,
    bands: Own = "each",
    regions: Any = None,
) -> xr.DataArray:
    """Relative change of local binary patterns [APA, Zhu et al. 2022, RSE 274, 113002].

    The mean of (B_p - B_t) / (B_p + B_t + 1e-5), B being the pattern of a pixel: bits 1 to 128 for
    its eight neighbours, clockwise from the one above, set where they exceed it; over 255.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x).
    tolerance
        By how much a neighbour must exceed the pixel, in the unit of the images. Scripts that
        follow the paper put 5e-5 of reflectance.
    bands
        ``"each"`` band, or the ``"mean"`` of these.
    regions
        As for `rmse`.

    Returns
    -------
        Dims (..., band, [region]), float64, -1 to 1. Pixels at the edge of the image and beside a
        missing pixel are left out.

    Raises
    ------
    ValueError
        For a tolerance below 0, or labels that do not match.
    """
    return texture_of(Sides.of(predicted, truth, regions), tolerance, bands)


def filtered_of(sides: Sides, window: Any = "global", bands: str = "each") -> xr.DataArray:
    """Return the spatial correlation of two images; see `scc`."""
    if window not in ("global", 8):
        raise ValueError(f"window={window!r}: spatial correlation takes 'global' or 8")
    images = sides.predicted, sides.truth
    if window == "global":
        filtered = window_moments(Kernel("laplacians", 3, {}), *images, regions=sides.regions)
        result = per_chunk(_correlation, filtered, "moment")
        variant = "3 x 3 Laplacian, global"
    else:
        kernel = Kernel("detail_map", 8 + 2, {"weights": np.full(8, 1 / 8)})
        result = window_means(kernel, *images, regions=sides.regions)
        variant = "3 x 3 Laplacian, 8-px sliding window, stride 1"
    result = take_bands(result, bands)
    return named("scc", result, sides.predicted, variant=variant, bands=bands)


def edge_of(
    sides: Sides,
    top: float | None = None,
    data_range: float | None = None,
    bands: str = "each",
) -> xr.DataArray:
    """Return the relative change of edges; see `edge`."""
    if top is not None and not 0 < top <= 1:
        raise ValueError(f"top={top!r} must be above 0 and at most 1: 0.1 is the strongest tenth")
    span = range_of(sides, data_range)
    images = sides.predicted, sides.truth
    kernel = Kernel("edge_change", 2, {"still": STILL * span})
    if top is None:
        result = window_means(kernel, *images, regions=sides.regions)
    else:
        strength = slide(Kernel("roberts", 2, {}), sides.truth)
        result = mean_of_strongest(slide(kernel, *images), strength, top, sides.regions)
    attrs: dict[str, Any] = {
        "variant": "Roberts cross" + ("" if top is None else f", strongest {top:.3%} of the truth"),
        "data_range": span,
        "bands": bands,
    }
    return named("edge", take_bands(result, bands), sides.predicted, **attrs)


def texture_of(sides: Sides, tolerance: float = 0.0, bands: str = "each") -> xr.DataArray:
    """Return the relative change of local binary patterns; see `lbp`."""
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"tolerance={tolerance!r} must be 0 or more, in the unit of the images")
    images = sides.predicted, sides.truth
    kernel = Kernel("texture_change", 3, {"tolerance": float(tolerance)})
    attrs = {"variant": "3 x 3, clockwise from above", "tolerance": float(tolerance)}
    result = window_means(kernel, *images, regions=sides.regions)
    return named("lbp", take_bands(result, bands), sides.predicted, **attrs, bands=bands)


def _correlation(values: np.ndarray) -> np.ndarray:
    return pearson(Moments(*np.moveaxis(values, -1, 0)))
