"""Metrics of pixels alone: errors, and how values go together. One pass over both images."""

from __future__ import annotations

from typing import Any, Literal

import xarray as xr

from xstf.metrics.catalogue import Bands
from xstf.metrics.formulas import of_moments
from xstf.metrics.moments import Sides

Over = Literal["space", "time", "band"]


def rmse(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Root of the mean squared error.

    Parameters
    ----------
    predicted, truth
        Images, dims (..., band, y, x), in the same unit. A pixel counts where both are finite.
    bands
        ``"each"``: a value for each band. ``"mean"``: the mean of these, NaN where one is.
        ``"pooled"``: the pixels of all bands as one sample, which for most metrics is another
        number; papers print both under one name.
    over
        What is reduced. ``"space"``: y and x. ``"time"``: a map (band, y, x) over the dates.
        ``"band"``: a map (time, y, x) over the bands.
    regions
        Parts to score apart: a bool mask (y, x), whole-numbered labels (y, x) with 0 in no region,
        or {name: mask}. The result then has a dim ``region``.

    Returns
    -------
        Dims (..., band, [region]), float64, in the unit of the images. NaN without a valid pixel.

    Raises
    ------
    ValueError
        Where the labels of the two images do not match, or an option is unknown.

    Examples
    --------
    >>> truth = xr.DataArray([[[0.1, 0.2], [0.3, 0.4]]], dims=("band", "y", "x"))
    >>> rmse(truth + 0.05, truth).round(6).values
    array([0.05])
    """
    return of_moments("rmse", Sides.of(predicted, truth, regions), bands=bands, over=over)


def mae(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Mean absolute error; the average absolute difference (AAD) of older papers.

    Parameters
    ----------
    predicted, truth, bands, over, regions
        As for `rmse`; over ``"band"`` gives the map of AAD.

    Returns
    -------
        Dims (..., band, [region]), float64, in the unit of the images.

    Raises
    ------
    ValueError
        As `rmse`.
    """
    return of_moments("mae", Sides.of(predicted, truth, regions), bands=bands, over=over)


def bias(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Mean of predicted - truth; the average difference (AD). Above 0: predicted too high.

    Parameters
    ----------
    predicted, truth, bands, over, regions
        As for `rmse`.

    Returns
    -------
        Dims (..., band, [region]), float64, in the unit of the images.

    Raises
    ------
    ValueError
        As `rmse`.

    Notes
    -----
    The sign is that of the FSDAF paper [Zhu et al. 2016]; STRUM's prints truth - predicted.
    """
    sides = Sides.of(predicted, truth, regions)
    return of_moments("bias", sides, bands=bands, over=over)


def cc(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Pearson's correlation coefficient; NaN where one side is constant.

    Parameters
    ----------
    predicted, truth, bands, over, regions
        As for `rmse`; over ``"time"`` gives how well each pixel's course is followed.

    Returns
    -------
        Dims (..., band, [region]), float64, -1 to 1.

    Raises
    ------
    ValueError
        As `rmse`.
    """
    return of_moments("cc", Sides.of(predicted, truth, regions), bands=bands, over=over)


def r2(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    kind: Literal["correlation", "determination"] = "correlation",
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """R squared: of the scatter plot's line, or of the prediction itself.

    Parameters
    ----------
    predicted, truth, bands, over, regions
        As for `rmse`.
    kind
        ``"correlation"``: the square of `cc`, which papers on fusion print; blind to bias and gain.
        ``"determination"``: 1 - sum of squared errors / sum of squares of the truth about its
        mean; below 0 where the truth's mean would do better.

    Returns
    -------
        Dims (..., band, [region]), float64, at most 1; NaN where a side that divides is constant.

    Raises
    ------
    ValueError
        For another kind, and as `rmse`.
    """
    sides = Sides.of(predicted, truth, regions)
    return of_moments("r2", sides, kind=kind, bands=bands, over=over)


def psnr(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    data_range: float | None = None,
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Peak signal-to-noise ratio, 10 log10(L^2 / mean squared error), in decibels.

    Parameters
    ----------
    predicted, truth, bands, over, regions
        As for `rmse`.
    data_range
        L, in the unit of the images. None: what ``attrs["valid_range"]`` of the images spans,
        else 1. Codes put 1, 10000 or the largest value here; never compare without it.

    Returns
    -------
        Dims (..., band, [region]), float64; infinite where there is no error.

    Raises
    ------
    ValueError
        For a data range that is not positive, and as `rmse`.
    """
    sides = Sides.of(predicted, truth, regions)
    return of_moments("psnr", sides, data_range=data_range, bands=bands, over=over)


def kge(
    predicted: xr.DataArray,
    truth: xr.DataArray,
    *,
    version: Literal[2009, 2012] = 2009,
    bands: Bands = "each",
    over: Over = "space",
    regions: Any = None,
) -> xr.DataArray:
    """Kling-Gupta efficiency: correlation, spread and mean in one number; 1 is ideal.

    1 - sqrt((r - 1)^2 + (alpha - 1)^2 + (beta - 1)^2), beta being the ratio of the means.

    Parameters
    ----------
    predicted, truth, bands, over, regions
        As for `rmse`, in a unit with a true zero.
    version
        2009: alpha is the ratio of the standard deviations [Gupta et al. 2009, J. Hydrol. 377].
        2012: of the coefficients of variation [Kling et al. 2012, J. Hydrol. 424].

    Returns
    -------
        Dims (..., band, [region]), float64; NaN where a side is constant or a mean is 0 that
        divides.

    Raises
    ------
    ValueError
        For another version, and as `rmse`.
    """
    sides = Sides.of(predicted, truth, regions)
    return of_moments("kge", sides, version=version, bands=bands, over=over)


def dd(
    predicted: xr.DataArray, truth: xr.DataArray, *, over: Over = "space", regions: Any = None
) -> xr.DataArray:
    """Degree of distortion: the mean absolute error of all bands' pixels together.

    Parameters
    ----------
    predicted, truth, over, regions
        As for `rmse`.

    Returns
    -------
        Dims (..., [region]), float64, in the unit of the images: `mae` with bands pooled.

    Raises
    ------
    ValueError
        As `rmse`.
    """
    return of_moments("dd", Sides.of(predicted, truth, regions), bands="pooled", over=over)
