"""How close a fused image is to the truth: metrics on labelled arrays, lazy on dask.

Every metric takes `predicted` and `truth` with dims `band`, `y`, `x` and any leading ones
(usually `time`), matches them by label, and reduces `y` and `x`. A pixel counts where both sides
are finite. Moments and results are float64; an entry without a valid pixel is NaN. The field's
codes differ in window, moments, units and ratio, so the result's attrs name the variant used.
"""

from xstf.metrics.catalogue import METRICS, Metric
from xstf.metrics.detail import edge, lbp, scc
from xstf.metrics.measuring import measure
from xstf.metrics.multiscale import ms_ssim
from xstf.metrics.pointwise import bias, cc, dd, kge, mae, psnr, r2, rmse
from xstf.metrics.spectral import ergas, sam
from xstf.metrics.windowed import ssim, uiqi

__all__ = [
    "METRICS",
    "Metric",
    "bias",
    "cc",
    "dd",
    "edge",
    "ergas",
    "kge",
    "lbp",
    "mae",
    "measure",
    "ms_ssim",
    "psnr",
    "r2",
    "rmse",
    "sam",
    "scc",
    "ssim",
    "uiqi",
]
