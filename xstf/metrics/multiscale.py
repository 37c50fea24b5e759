"""Structural similarity at five scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xstf.metrics.catalogue import named, take_bands
from xstf.metrics.formulas import range_of
from xstf.metrics.moments import Sides
from xstf.metrics.regions import Regions
from xstf.metrics.sliding import Kernel, window_means
from xstf.metrics.windowed import Own, constants, gaussian

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LAST = 2 ** (len(WEIGHTS) - 1)  # pixels along one of the last scale
LEAST = 11 * LAST


def ms_ssim(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    data_range: float | None = None,
    bands: Own = "each",
    regions: Any = None,
) -> xr.DataArray:
    """Structural similarity at five scales [Wang, Simoncelli and Bovik 2003, eq 7].

    The product of the mean contrast and structure at four scales and of the mean `ssim` at the
    fifth, to the powers 0.0448, 0.2856, 0.3001, 0.2363 and 0.1333. Each scale holds the means of 2
    x 2 pixels of the one before; a mean below 0 counts as 0.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x), of at least 176 x 176 pixels: 11 of the fifth scale.
    data_range
        The range L of the values, in their unit. None: what ``attrs["valid_range"]`` of the images
        spans, else 1.
    bands
        ``"each"`` band, or the ``"mean"`` of these.
    regions
        As for `rmse`; at each scale a window belongs to the region of its centre.

    Returns
    -------
        Dims (..., band, [region]), float64, 0 to 1. NaN where a scale has no whole window: a
        missing pixel is missing at every scale, so a few of them leave nothing of the fifth.

    Raises
    ------
    ValueError
        For images below 176 x 176 pixels, a data range that is not positive, or labels that do not
        match.

    Notes
    -----
    torchmetrics (1.9) fills windows beyond the edge by reflection at the fifth scale, though not at
    the others, so its value differs.
    """
    return scales_of(Sides.of(predicted, truth, regions), data_range, bands)


def scales_of(sides: Sides, data_range: float | None = None, bands: str = "each") -> xr.DataArray:
    """Return the structural similarity at five scales; see `ms_ssim`."""
    p, t = sides.predicted, sides.truth
    if not fits(sides):
        sizes = f"{p.sizes['y']} x {p.sizes['x']}"
        raise ValueError(
            f"the images have {sizes} pixels; five scales of 11-px windows need {LEAST} x {LEAST} "
            "or more; use ssim"
        )
    span = range_of(sides, data_range)
    numbers = constants(span) | {"weights": gaussian()}
    p, t = (_aligned(i) for i in (p, t))
    result: Any = 1.0
    for level, power in enumerate(WEIGHTS):
        if level:
            p, t = _halved(p), _halved(t)
        formula = "similarity" if level == len(WEIGHTS) - 1 else "contrast"
        kernel = Kernel("window_map", 11, numbers | {"formula": formula})
        mean = window_means(kernel, p, t, regions=_at(sides.regions, level, p))
        result = result * mean.clip(0) ** power
    attrs = {"variant": "5 scales, 11-px Gaussian", "data_range": span, "bands": bands}
    return named("ms_ssim", take_bands(result, bands), sides.predicted, **attrs)


def fits(sides: Sides) -> bool:
    """Return whether the images have a window at the last scale."""
    return bool(min(sides.predicted.sizes["y"], sides.predicted.sizes["x"]) >= LEAST)


def _aligned(image: xr.DataArray) -> xr.DataArray:
    """Cut an image so that no pixel of any scale lies in two chunks; drop coordinates of pixels."""
    image = image.drop_vars(["y", "x"], errors="ignore")
    if image.chunks is None:
        return image
    return image.chunk({d: _multiples(image.chunksizes[d]) for d in ("y", "x")})


def _multiples(chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Move the ends of chunks back to multiples of the last scale's pixel; the last has one."""
    total = sum(chunks)
    ends = {int(e) // LAST * LAST for e in np.cumsum(chunks)[:-1]}
    edges = [0, *sorted(e for e in ends if 0 < e <= total - LAST), total]
    return tuple(b - a for a, b in zip(edges, edges[1:], strict=False))


def _halved(image: xr.DataArray) -> xr.DataArray:
    """Return means of 2 x 2 pixels; an odd last row or column is dropped."""
    data = image.data
    if image.chunks is None:
        return xr.DataArray(_means(data), dims=image.dims, coords=image.coords)
    small = (*data.chunks[:-2], *(tuple(size // 2 for size in c) for c in data.chunks[-2:]))
    means = data.map_blocks(_means, chunks=small, meta=np.empty((0,) * data.ndim))
    return xr.DataArray(means, dims=image.dims, coords=image.coords)


def _means(image: np.ndarray) -> np.ndarray:
    rows, columns = (size // 2 * 2 for size in image.shape[-2:])
    a = image[..., :rows, :columns].astype(np.float64)
    above, below = a[..., ::2, :], a[..., 1::2, :]
    found: np.ndarray = (
        (above[..., ::2] + above[..., 1::2]) + (below[..., ::2] + below[..., 1::2])
    ) / 4
    return found


def _at(regions: Regions | None, level: int, image: xr.DataArray) -> Regions | None:
    """Return the regions at the centres (the pixels after them) of a scale's pixels."""
    if regions is None:
        return None
    step = 2**level
    picked = {dim: slice(step // 2, None, step) for dim in ("y", "x")}
    layers = regions.layers.isel(picked)
    layers = layers.isel({dim: slice(image.sizes[dim]) for dim in ("y", "x")})
    chunks = {dim: c for dim, c in image.chunksizes.items() if dim in ("y", "x")}
    return Regions(regions.names, layers.chunk(chunks) if chunks else layers)
