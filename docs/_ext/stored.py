"""Scores of comparisons, kept as small files from which tables and pages are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.metrics import METRICS

FOLDER = Path(__file__).parents[1] / "_results"
KEPT = ("rmse", "bias", "cc", "ssim", "uiqi", "edge", "sam", "ergas")
DIGITS = 6  # significant ones


def names() -> list[str]:
    """Return the names of the comparisons that are kept."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def keep(found: xr.Dataset, path: Path, **about: str) -> None:
    """Write what `xstf.compare` found: a line for each method, and what is said about it all.

    Methods that the file has already, and `found` has not, stay where their dates and bands are
    the same.
    """
    rows = {str(name): _row(found.sel(name=name)) for name in found["name"].values}
    days = [str(day) for day in np.datetime_as_string(found["time"].values, "D")]
    bands = [str(band) for band in found["band"].values]
    head = {**about, "dates": days, "bands": bands}
    if path.exists():
        old = json.loads(path.read_text())
        if (old["dates"], old["bands"]) == (days, bands):
            rows = {**old["rows"], **rows}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    table = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    path.write_text("\n".join(["{", *lines, '"rows": {', table, "}}", ""]))


def about(name: str) -> dict[str, Any]:
    """Return what is said of a comparison beside its scores."""
    known = json.loads((FOLDER / f"{name}.json").read_text())
    return {key: value for key, value in known.items() if key != "rows"}


def read(name: str, folder: Path = FOLDER) -> xr.Dataset:
    """Return a comparison as `xstf.report.table` and `xstf.recommend` take it."""
    known = json.loads((folder / f"{name}.json").read_text())
    rows = known["rows"]
    nothing = [name for name in rows if rows[name]["trivial"]]
    order = nothing + sorted(set(rows).difference(nothing))
    coords = {
        "name": np.array(order, object),
        "time": np.array(known["dates"], "datetime64[ns]"),
        "band": np.array(known["bands"], object),
        "trivial": ("name", [rows[n]["trivial"] for n in order]),
    }
    scores = {}
    for metric in [m for m in KEPT if all(m in row for row in rows.values())]:
        values = np.array([rows[n][metric] for n in order], np.float64)
        dims = ("name", "time", "band")[: values.ndim]
        attrs = {"best": METRICS[metric].best, "long_name": METRICS[metric].long_name}
        scores[metric] = (dims, values, attrs)
    return xr.Dataset(scores, coords, {"scene_range": [0.0, 1.0]})


def _row(found: xr.Dataset) -> dict[str, Any]:
    """Return the scores of one method, by metric, then date, then band."""
    row: dict[str, Any] = {"trivial": bool(found["trivial"])}
    for metric in [m for m in KEPT if m in found]:
        dims = [d for d in ("time", "band") if d in found[metric].dims]
        row[metric] = _rounded(found[metric].transpose(*dims).values.tolist())
    return row


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
