"""Thin-plate splines on the coarse lattice, as fixed weights of the cells around a pixel.

A spline with its centres on a regular lattice is a sum of one cardinal function per cell, which
falls by five for each cell of distance. So the fine image is a convolution of the coarse one, once
the coarse one is continued past the scene's edge by the spline itself [Zhu 2016, eq 10-13].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from xstf.kernels.solve import one_thread

WHOLE = 48  # cells: up to this side one spline serves the whole scene
SEGMENT = 16  # cells of the border that one local spline continues
MARGIN = 16  # cells that a local spline sees on either side of them
DEPTH = 40  # cells that a local spline sees inwards


@cache
def cardinal(scale: int, reach: int) -> np.ndarray:
    """Return the weights of (2 reach + 1)^2 cells for the scale^2 pixels of the middle cell.

    Returns
    -------
    numpy.ndarray
        (2 reach + 1, 2 reach + 1, scale * scale) float32. They sum to 1 for each pixel.
    """
    from scipy.interpolate import RBFInterpolator

    side = 2 * reach + 13
    lattice = _points(np.arange(side), np.arange(side)) - side // 2
    spike = (lattice == 0).all(axis=1).astype(float)
    spline = RBFInterpolator(lattice, spike, kernel="thin_plate_spline")
    # distances along one axis, in half fine pixels; the function knows neither sign nor axis
    taps = np.arange(-reach, reach + 1)[:, None]
    steps = np.abs(2 * np.arange(scale) + 1 - scale - 2 * scale * taps)
    known, at = np.unique(steps, return_inverse=True)
    at = at.reshape(steps.shape)
    y, x = np.triu_indices(len(known))
    table = np.empty((len(known), len(known)))
    table[y, x] = table[x, y] = spline(np.stack([known[y], known[x]], axis=1) / (2 * scale))
    weights = table[at[:, None, :, None], at[None, :, None, :]]
    weights = weights.reshape(2 * reach + 1, 2 * reach + 1, scale * scale)
    return (weights / weights.sum(axis=(0, 1))).astype(np.float32)


@dataclass(frozen=True)
class Piece:
    """Weights that continue the coarse image into some cells past its edge."""

    rows: np.ndarray  # (ring cell,) where, counted in the extended image
    columns: np.ndarray
    window: tuple[slice, slice]  # the cells that they are made of
    weights: np.ndarray  # (ring cell, window cell) float64


def continuation(shape: tuple[int, int], reach: int) -> list[Piece]:
    """Return how to continue a coarse image of `shape` by `reach` cells on each side.

    Exact for scenes of up to 48 x 48 cells; beyond, each stretch of the border has a spline of the
    cells near it. Fine pixels of the outermost cell are then off by up to 0.003 of the image's
    deviation for smooth images, 0.02 for white noise; cells past the edge by more.
    """
    height, width = shape
    if min(shape) < 2:
        return []
    ring = np.ones((height + 2 * reach, width + 2 * reach), bool)
    ring[reach : reach + height, reach : reach + width] = False
    if max(shape) <= WHOLE:
        return [_piece(shape, (0, 0), np.nonzero(ring), reach, shape)]
    pieces = []
    rows, columns = (np.clip(np.arange(-reach, n + reach), 0, n - 1) for n in shape)
    segment = (rows // SEGMENT)[:, None] * (width // SEGMENT + 1) + (columns // SEGMENT)[None, :]
    for name in np.unique(segment[ring]):
        cells = np.nonzero(ring & (segment == name))
        y, x = (
            rows[cells[0]].min() // SEGMENT * SEGMENT,
            columns[cells[1]].min() // SEGMENT * SEGMENT,
        )
        size = tuple(min(n, max(DEPTH, SEGMENT + 2 * MARGIN)) for n in shape)
        first = tuple(
            int(np.clip(s - MARGIN, 0, n - w)) for s, n, w in zip((y, x), shape, size, strict=True)
        )
        pieces.append(_piece(size, first, cells, reach, shape))
    return pieces


def extend(image: np.ndarray, pieces: list[Piece], reach: int) -> np.ndarray:
    """Return the coarse image continued by `reach` cells on each side, float32.

    Parameters
    ----------
    image
        (band, rows, columns). Missing cells are filled by the nearest one first.
    pieces
        From `continuation`; none for a scene too narrow for a spline, whose edge is repeated.
    reach
        Cells on each side.
    """
    filled = np.stack([nearest_filled(band) for band in image.astype(np.float64)])
    wide = np.pad(filled, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    for piece in pieces:
        cells = filled[(slice(None), *piece.window)].reshape(len(filled), -1)
        for band, values in enumerate(cells):
            # not by BLAS, whose sums depend on its number of threads
            wide[band, piece.rows, piece.columns] = np.einsum("rc,c->r", piece.weights, values)
    return wide.astype(np.float32)


def nearest_filled(image: np.ndarray) -> np.ndarray:
    """Return an image (y, x) whose missing pixels are the nearest ones; none are if all miss."""
    missing = np.isnan(image)
    if not missing.any() or missing.all():
        return image
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return image[tuple(nearest)]


def _piece(
    size: tuple[int, ...],
    first: tuple[int, ...],
    cells: tuple[np.ndarray, ...],
    reach: int,
    shape: tuple[int, int],
) -> Piece:
    rows, columns = cells
    at = np.stack([rows - reach - first[0], columns - reach - first[1]], axis=1)
    window = slice(first[0], first[0] + size[0]), slice(first[1], first[1] + size[1])
    origin = at.min(axis=0)
    relative = tuple(map(tuple, (at - origin).tolist()))
    return Piece(rows, columns, window, _weights(size, tuple(origin.tolist()), relative))


@lru_cache(maxsize=16)
def _weights(
    size: tuple[int, int], origin: tuple[int, int], relative: tuple[tuple[int, int], ...]
) -> np.ndarray:
    """Return the weights of a lattice's cells for a spline's values at points outside of it."""
    lattice = _points(np.arange(size[0]), np.arange(size[1])).astype(float)
    points = np.array(relative, float) + origin
    count = len(lattice)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(lattice, lattice)
    system[:count, count] = 1
    system[:count, count + 1 :] = lattice
    system[count:, :count] = system[:count, count:].T
    sides = np.concatenate([_kernel(points, lattice), np.ones((len(points), 1)), points], axis=1)
    # the system is symmetric: weights = sides @ inverse, without the inverse
    with one_thread():
        return np.linalg.solve(system, sides.T).T[:, :count]


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    square = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    return square * np.log(np.where(square > 0, square, 1))


def _points(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
