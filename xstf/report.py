"""Scores as text."""

from collections.abc import Mapping

import numpy as np
import xarray as xr


def table(rows: Mapping[str, xr.Dataset], *, factor: float = 1e4) -> str:
    """Lay scores out as aligned text, one line per row.

    Parameters
    ----------
    rows
        What `score` gave, computed, under the name to print.
    factor
        RMSE is multiplied by it: 1e4 for reflectance, 1 for kelvin or an index.

    Returns
    -------
        RMSE per band, then the other metrics averaged over bands; all averaged over the dates.
        "-" stands for a number that is not there.

    Raises
    ------
    ValueError
        If there are no rows, a row lacks RMSE, its bands differ from the first row's, or the
        factor is not positive.
    """
    if not rows:
        raise ValueError("no rows: table needs one score or more, as in {'fsdaf': score(...)}")
    if not 0 < factor < np.inf:
        raise ValueError(f"factor={factor!r} must be positive: 1e4 for reflectance, 1 for kelvin")
    bands: list[str] = []
    lines: list[list[str]] = []
    digits = max(1, 4 - round(np.log10(factor)))
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
    heads = ["", *bands, "CC", "SSIM", "SAM deg", "ERGAS", "UIQI"]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    power = np.log10(factor)
    unit = f" x 10^{power:.0f}" if power == round(power) else f" x {factor:g}"
    title = " " * (widths[0] + 2) + "RMSE" + (unit if factor != 1 else "")
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in (heads, *lines)]  # fmt: skip
    return "\n".join([title, *text])


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"
