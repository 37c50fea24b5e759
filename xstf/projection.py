"""Where the cells of one grid lie among the pixels of another, whatever the CRS of both."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from xstf.coordinates import inside_pixel, step_of
from xstf.crs import name_of

ANCHORS = ("center", "upper-left", "lower-left")
_LINES = 1000  # of a grid that are looked at to find what another covers


@dataclass(frozen=True)
class Lattice:
    """A regular grid: outer corner of its first pixel, steps (with sign), rows, columns, CRS."""

    y0: float
    dy: float
    x0: float
    dx: float
    shape: tuple[int, int]
    crs: str | None = None

    def cut(self, rows: slice, columns: slice) -> Lattice:
        """Return a part of the grid."""
        return replace(
            self,
            y0=self.y0 + rows.start * self.dy,
            x0=self.x0 + columns.start * self.dx,
            shape=(rows.stop - rows.start, columns.stop - columns.start),
        )

    def coarsened(self, scale: int) -> Lattice:
        """Return the grid of whole cells of `scale` pixels, from the same corner."""
        rows, columns = (size // scale for size in self.shape)
        return replace(self, dy=self.dy * scale, dx=self.dx * scale, shape=(rows, columns))

    def moved(self, rows: float, columns: float) -> Lattice:
        """Return the grid moved by so many of its own rows and columns."""
        return replace(self, y0=self.y0 + rows * self.dy, x0=self.x0 + columns * self.dx)

    @property
    def centres(self) -> dict[str, np.ndarray]:
        """Coordinates of the pixel centres along y and x."""
        return {
            "y": self.y0 + (np.arange(self.shape[0]) + 0.5) * self.dy,
            "x": self.x0 + (np.arange(self.shape[1]) + 0.5) * self.dx,
        }

    def __str__(self) -> str:
        y, x = self.y0 + self.shape[0] * self.dy, self.x0 + self.shape[1] * self.dx
        crs = name_of(self.crs) if self.crs else "no CRS"
        return f"x {self.x0:g} to {x:g}, y {self.y0:g} to {y:g} ({crs})"


def lattice_of(array: xr.DataArray, mapping: Any, anchor: str | None, name: str) -> Lattice:
    """Return where the pixels of images lie.

    Parameters
    ----------
    array
        Images with 1-D coordinates along ``y`` and ``x``.
    mapping
        Attributes of their CF grid mapping, or None.
    anchor
        What the coordinates name of a pixel, one of `ANCHORS`. None: what the GeoTransform of the
        mapping says, else centres.
    name
        Of the images, for messages.
    """
    if anchor is not None and anchor not in ANCHORS:
        raise ValueError(
            f"anchor={anchor!r} of {name} is no place in a pixel; give one of {', '.join(ANCHORS)}"
        )
    crs = None if mapping is None else str(mapping.get("crs_wkt") or mapping["spatial_ref"])
    said = [float(v) for v in str((mapping or {}).get("GeoTransform", "")).split()]
    axes: dict[str, tuple[float, float]] = {}
    for dim, at in (("y", 3), ("x", 0)):
        values = np.asarray(array[dim].values, np.float64)
        edge, width = (said[at], said[5 if dim == "y" else 1]) if said else (None, None)
        step = step_of(values) or width
        if step is None:
            raise ValueError(
                f"{name} has one pixel along {dim} and no GeoTransform, so its size is not known; "
                "give more pixels, or rio.write_transform(...)"
            )
        half = 0.5
        if anchor is None and edge is not None and width is not None:
            half = _offset(values[0], step, edge, width, dim, name)
        elif anchor not in (None, "center"):
            first = (step > 0) != (dim == "y" and anchor == "upper-left")
            half = 0.0 if first else 1.0  # the edge that is named is the first one, or the last
        axes[dim] = (float(values[0] - half * step), float(step))
    return Lattice(*axes["y"], *axes["x"], (array.sizes["y"], array.sizes["x"]), crs)


def _offset(first: float, step: float, edge: float, width: float, dim: str, name: str) -> float:
    """Return how far inside the first pixel its coordinate lies, 0..1, by the GeoTransform."""
    if abs(abs(step / width) - 1) > 1e-3:
        return 0.5  # of another resolution: left from before these images were coarsened
    half = inside_pixel(first, edge, width)
    if half is not None:
        return half if half or step * width > 0 else 1.0
    inside = (first - edge) / width % 1
    raise ValueError(
        f"along {dim} the coordinates of {name} lie {inside:.3g} pixels inside the pixels of its "
        "own GeoTransform, neither at centres nor at edges, so one of both is wrong; say what the "
        f'coordinates name: {name}_anchor="center" or "upper-left"'
    )


def locate(
    source: Lattice, target: Lattice, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where points of one grid lie in another.

    Parameters
    ----------
    source
        The grid to look in.
    target
        The grid of the points.
    rows, columns
        Numbers of lines between its pixels, 0 at its corner; every crossing is a point.

    Returns
    -------
    tuple of numpy.ndarray
        (rows, columns) each: row and column in pixels of `source` from its corner; NaN where
        a point has no place in its CRS.
    """
    y, x = np.meshgrid(target.y0 + rows * target.dy, target.x0 + columns * target.dx, indexing="ij")
    if source.crs and target.crs and source.crs != target.crs:
        change, turn = _change(target.crs, source.crs, threading.get_ident())
        x, y = change.transform(x, y)
        if turn is not None:  # longitudes may run 0..360, or -180..180
            middle = source.x0 + source.shape[1] * source.dx / 2
            x = middle + (x - middle + turn / 2) % turn - turn / 2
    v, u = (y - source.y0) / source.dy, (x - source.x0) / source.dx
    lost = ~(np.isfinite(v) & np.isfinite(u))
    return np.where(lost, np.nan, v), np.where(lost, np.nan, u)


@lru_cache(maxsize=64)
def _change(ours: str, theirs: str, thread: int) -> tuple[Any, float | None]:
    """Return what takes points to another CRS, and a full turn of its longitudes if it has any.

    Costly to make, and not to be shared by threads.
    """
    from pyproj import CRS, Transformer

    into = CRS.from_wkt(theirs)
    change = Transformer.from_crs(CRS.from_wkt(ours), into, always_xy=True)
    degree = into.axis_info[0].unit_conversion_factor if into.is_geographic else None
    return change, degree and 2 * np.pi / degree


def corners(
    source: Lattice, target: Lattice, rows: slice, columns: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the corners of cells lie in another grid, NaN where cells are torn apart."""
    v, u = locate(
        source,
        target,
        np.arange(rows.start, rows.stop + 1),
        np.arange(columns.start, columns.stop + 1),
    )
    torn = np.abs(np.diff(u, axis=1)) > max(2, source.shape[1] / 2)  # over the seam of the globe
    u[:, 1:][torn] = np.nan
    return v, u


def side_of_cell(source: Lattice, target: Lattice) -> float:
    """Return the side of a target pixel in source pixels, in the middle: the root of its area."""
    row, column = (size // 2 for size in target.shape)
    v, u = locate(source, target, np.array([row, row + 1.0]), np.array([column, column + 1.0]))
    down = v[1, 0] - v[0, 0], u[1, 0] - u[0, 0]
    across = v[0, 1] - v[0, 0], u[0, 1] - u[0, 0]
    return float(np.sqrt(abs(down[0] * across[1] - down[1] * across[0])))


def covered(source: Lattice, target: Lattice) -> tuple[slice, slice] | None:
    """Return the rows and columns of `target` that hold all pixels whose centre is on `source`.

    Of a grid of more than a thousand lines some are looked at first, then those between the last
    one outside and the first one inside. None where the grids lie apart.
    """

    def inside(rows: np.ndarray, columns: np.ndarray) -> Any:
        v, u = locate(source, target, rows + 0.5, columns + 0.5)
        slack = 1e-6  # rounding puts no pixel off the edge
        low, (high, wide) = -slack, (size + slack for size in source.shape)
        return (v >= low) & (v <= high) & (u >= low) & (u <= wide)

    rows, columns = (_some(size) for size in target.shape)
    seen = inside(rows, columns)
    if not seen.any():
        return None
    return (
        _span(rows, seen.any(axis=1), lambda lines: inside(lines, columns).any(axis=1)),
        _span(columns, seen.any(axis=0), lambda lines: inside(rows, lines).any(axis=0)),
    )


def _some(size: int) -> np.ndarray:
    return np.unique(np.append(np.arange(0, size, -(-size // _LINES)), size - 1))


def _span(lines: np.ndarray, seen: np.ndarray, look: Callable[[np.ndarray], Any]) -> slice:
    """Return the first and last line that is seen, looking between those that were looked at."""
    first, last = np.flatnonzero(seen)[[0, -1]]
    before = np.arange(lines[max(first - 1, 0)], lines[first] + 1)
    after = np.arange(lines[last], lines[min(last + 1, len(lines) - 1)] + 1)
    return slice(int(before[look(before)][0]), int(after[look(after)][-1]) + 1)
