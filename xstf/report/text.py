"""Scores as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from xstf.plot.numbers import factor_of, methods_of, scores_of, trivial_of
from xstf.report.columns import columns_of, dates_of, nothing_first

_ABOUT = (("bias", "AD", "is the mean error"), ("edge", "Edge", "the relative change of edges"))
_OF_METHODS = ("rmse", "bias", "cc", "ssim", "uiqi", "edge", "sam", "ergas")


def table(rows: Mapping[str, xr.Dataset] | xr.Dataset, *, factor: float | None = None) -> str:
    """Lay scores out as aligned text, one line per row.

    Parameters
    ----------
    rows
        What `score` gave, computed, under the name to print. Or one Dataset of many methods, dims
        (name, time, band) or (name, time), as `compare` returns it: methods that do nothing
        (coordinate ``trivial``) come first, and ``*`` marks the best of a column by the ``best``
        of its attrs ("small", "large", "zero"), among the methods that have the most dates.
    factor
        RMSE is multiplied by it: 1e4 for reflectance, 1 for kelvin or an index. None: 1e4, or of
        one Dataset what its ``scene_range`` says.

    Returns
    -------
        RMSE per band, then the other metrics averaged over bands; all averaged over the dates.
        "-" stands for a number that is not there.

    Raises
    ------
    ValueError
        If there are no rows, a row lacks RMSE, its bands differ from the first row's, the factor
        is not positive, or a Dataset has no dimension ``name``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> errors = np.array([[[0.021, 0.04]], [[0.011, 0.02]]])
    >>> scores = xr.Dataset({"rmse": (("name", "time", "band"), errors, {"best": "small"})},
    ...     {"name": ["add", "fsdaf"], "band": ["red", "nir"]}, {"scene_range": [0, 1]})
    >>> print(table(scores))
           RMSE x 10^4
             red     nir    mean   dates
    add    210.0   400.0   305.0       1
    fsdaf  110.0*  200.0*  155.0*      1
    * best
    """
    if isinstance(rows, xr.Dataset):
        rows = scores_of(rows, "rmse").compute()
        factor = factor_of(rows) if factor is None else factor
        return _laid_out(*_of_methods(rows, _checked(factor)), factor)
    factor = 1e4 if factor is None else factor
    return _laid_out(*_of_rows(rows, factor), factor)


def _checked(factor: float) -> float:
    if not 0 < factor < np.inf:
        raise ValueError(f"factor={factor!r} must be positive: 1e4 for reflectance, 1 for kelvin")
    return factor


def _of_rows(
    rows: Mapping[str, xr.Dataset], factor: float
) -> tuple[list[str], list[list[str]], list[str]]:
    """Return heads, lines and remarks of scores by name."""
    if not rows:
        raise ValueError("no rows: table needs one score or more, as in {'fsdaf': score(...)}")
    digits = max(1, 4 - round(np.log10(_checked(factor))))
    bands: list[str] = []
    lines: list[list[str]] = []
    for name, found in rows.items():
        if "rmse" not in found:
            raise ValueError(f"row {name!r} has {list(found)}, not rmse; pass what score() returns")
        own = [str(band) for band in found["rmse"]["band"].values]
        bands = bands or own
        if own != bands:
            raise ValueError(f"row {name!r} has bands {own}, the first {bands}; select the same")
        errors = found["rmse"].mean([d for d in found["rmse"].dims if d != "band"]) * factor
        cells = [_cell(value, digits) for value in errors.values]
        for metric in ("cc", "ssim", "sam", "ergas", "uiqi"):
            value = float(found[metric].mean()) if metric in found else np.nan
            cells.append(_cell(value, 2 if metric == "sam" else 4))
        lines.append([str(name), *cells])
    return ["", *bands, "CC", "SSIM", "SAM deg", "ERGAS", "UIQI"], lines, []


def _of_methods(scores: xr.Dataset, factor: float) -> tuple[list[str], list[list[str]], list[str]]:
    """Return heads, lines and remarks of many methods, the best of each column starred."""
    columns = columns_of(scores, [m for m in _OF_METHODS if m in scores], factor)
    names, nothing, dates = methods_of(scores), trivial_of(scores), dates_of(scores)
    means, best = [c.on(None) for c in columns], [c.best(None) for c in columns]
    lines = []
    for i in nothing_first(scores):
        cells = [
            column.text(mean[i]) + (" *"[int(star[i])])
            for column, mean, star in zip(columns, means, best, strict=True)
        ]
        lines.append([names[i], *cells, str(dates[i])])
    remarks = []
    if nothing.any():
        remarks.append(f"the first {nothing.sum()} do nothing" if nothing.sum() > 1 else
                       "the first does nothing")  # fmt: skip
    said = [f"{h} {w}" for m, h, w in _ABOUT if m in scores]
    if any(star.any() for star in best):
        remarks.append("* best" + "".join(f"; {text}, best at 0" for text in said))
    if dates.min() < dates.max():
        remarks.append(f"means over different dates: * only where all {dates.max()} are there")
    return ["", *(c.head + " " for c in columns), "dates"], lines, remarks


def _laid_out(
    heads: Sequence[str], lines: Sequence[Sequence[str]], remarks: Sequence[str], factor: float
) -> str:
    """Return aligned text below the unit of the RMSE."""
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    power = np.log10(factor)
    unit = f" x 10^{power:.0f}" if power == round(power) else f" x {factor:g}"
    title = " " * (widths[0] + 2) + "RMSE" + (unit if factor != 1 else "")
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in (heads, *lines)]  # fmt: skip
    return "\n".join([title, *text, *remarks])


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"
