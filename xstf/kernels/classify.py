"""Classes of a fine image: ISODATA on a sample, the nearest centre anywhere, homogeneity."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu


def isodata(
    pixels: np.ndarray,
    least: int,
    most: int,
    *,
    split: float,
    merge: float,
    small: int,
    rounds: int = 20,
    still: float = 0.05,
) -> np.ndarray:
    """Return class centres by ISODATA [Ball & Hall 1965].

    Parameters
    ----------
    pixels
        (pixel, band) without missing values.
    least, most
        Number of classes.
    split
        A class with a larger standard deviation in some band is split, room permitting.
    merge
        Classes with centres nearer than this are merged, at most two pairs a round.
    small
        A class with fewer pixels is dropped.
    rounds, still
        Stop after so many rounds, or when a smaller share of pixels changes class.

    Returns
    -------
    numpy.ndarray
        (class, band) float64, in the order of their mean.
    """
    pixels = np.ascontiguousarray(pixels, np.float32)
    mean, deviation = pixels.mean(axis=0, dtype=float), pixels.std(axis=0, dtype=float)
    along = np.linspace(-1, 1, most)[:, None] if most > 1 else np.zeros((1, 1))
    centres = mean + along * deviation
    before = np.zeros(len(pixels), np.uint8)
    for turn in range(rounds):
        names = np.empty(len(pixels), np.uint8)
        _nearest(pixels, centres, names)
        changed = np.count_nonzero(names != before)
        before = names
        centres, spread, sizes = _centres(pixels, names, centres, least, small)
        if changed < still * len(pixels):
            break
        if turn < rounds - 1:
            centres = _split(centres, spread, sizes, most, split, small)
            centres = _merge(centres, least, merge)
    return centres[np.argsort(centres.mean(axis=1), kind="stable")]


def _centres(
    pixels: np.ndarray, names: np.ndarray, centres: np.ndarray, least: int, small: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation and size of the classes that are kept."""
    sizes = np.bincount(names, minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")
    keep = [c for n, c in enumerate(order) if sizes[c] > 0 and (sizes[c] >= small or n < least)]
    means, spread = np.empty((2, len(keep), pixels.shape[1]))
    for n, c in enumerate(sorted(keep)):
        inside = pixels[names == c]
        means[n], spread[n] = inside.mean(axis=0, dtype=float), inside.std(axis=0, dtype=float)
    return means, spread, sizes[sorted(keep)]


def _split(
    centres: np.ndarray, spread: np.ndarray, sizes: np.ndarray, most: int, split: float, small: int
) -> np.ndarray:
    """Return the centres, the widest classes first split in two while there is room."""
    out = list(centres)
    for c in np.argsort(-spread.max(axis=1), kind="stable"):
        band = int(np.argmax(spread[c]))
        if len(out) >= most or spread[c, band] <= split:
            break
        if sizes[c] < 2 * (small + 1):
            continue
        step = np.zeros(centres.shape[1])
        step[band] = spread[c, band]
        out[c] = centres[c] - step
        out.append(centres[c] + step)
    return np.array(out)


def _merge(centres: np.ndarray, least: int, merge: float) -> np.ndarray:
    """Return the centres, at most two of the nearest pairs merged."""
    for _ in range(2):
        if len(centres) <= least:
            break
        gap = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        gap[np.tril_indices(len(centres))] = np.inf
        a, b = np.unravel_index(np.argmin(gap), gap.shape)
        if gap[a, b] >= merge:
            break
        centres = np.concatenate(
            [np.delete(centres, [a, b], axis=0), [(centres[a] + centres[b]) / 2]]
        )
    return centres


@njit(nogil=True, cache=True)
def _nearest(pixels, centres, names):
    for n in range(pixels.shape[0]):
        best = np.inf
        for c in range(centres.shape[0]):
            gap = 0.0
            for b in range(pixels.shape[1]):
                gap += (np.float64(pixels[n, b]) - centres[c, b]) ** 2
            if gap < best:
                best = gap
                names[n] = c


@also_on_gpu
@njit(nogil=True, cache=True)
def classify(image, centres, names):
    """Write the class of each pixel, 1 and up, 0 where a band is missing.

    Parameters
    ----------
    image
        (band, y, x).
    centres
        (class, band).
    names
        (y, x) uint8: filled.
    """
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            names[y, x] = nearest(image, centres, y, x)


@njit(inline="always")
def nearest(image, centres, y, x):
    """Return the class of a pixel, 1 and up, 0 where a band is missing."""
    best = math.inf
    name = 0
    for c in range(centres.shape[0]):
        gap = 0.0
        for b in range(image.shape[0]):
            gap += (np.float64(image[b, y, x]) - centres[c, b]) ** 2
        if gap < best:
            best = gap
            name = c + 1
    return name


@also_on_gpu
@njit(nogil=True, cache=True)
def fractions(names, cell, tenths, out):
    """Write the share of each class in each cell.

    Parameters
    ----------
    names
        (y, x) classes, whole cells.
    cell
        Side of a cell in pixels.
    tenths
        How many tenths of a cell must be classified; else it keeps zeros, and tells of no class.
    out
        (class, rows, columns) float64, zeros: filled. Shares are of the classified pixels.
    """
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            share_out(names, cell, tenths, out, i, j)


@njit(inline="always")
def share_out(names, cell, tenths, out, i, j):
    """Write the share of each class in one cell."""
    seen = 0
    for y in range(i * cell, (i + 1) * cell):
        for x in range(j * cell, (j + 1) * cell):
            if names[y, x] > 0:
                out[names[y, x] - 1, i, j] += 1
                seen += 1
    for c in range(out.shape[0]):
        out[c, i, j] = out[c, i, j] / seen if 10 * seen >= tenths * cell * cell else 0.0


@also_on_gpu
@njit(nogil=True, cache=True)
def homogeneity(names, classes, radius, out):
    """Write the share of a pixel's classified neighbours that have its class [Zhu 2016, eq 16].

    Parameters
    ----------
    names
        (y, x) classes, 0 where unclassified.
    classes
        How many there are.
    radius
        Half the window; it is cut where the image ends.
    out
        (y, x) float32: filled; 0 where the pixel has no class.
    """
    height, width = names.shape
    same = np.zeros((height, width), np.int32)
    seen = np.zeros((height, width), np.int32)
    column = np.empty(width, np.int32)
    for c in range(1, classes + 1):
        column[:] = 0
        for y in range(-radius, height):
            if y + radius < height:
                for x in range(width):
                    column[x] += names[y + radius, x] == c
            if y - radius - 1 >= 0:
                for x in range(width):
                    column[x] -= names[y - radius - 1, x] == c
            if y < 0:
                continue
            total = 0
            for x in range(-radius, width):
                if x + radius < width:
                    total += column[x + radius]
                if x - radius - 1 >= 0:
                    total -= column[x - radius - 1]
                if x >= 0:
                    seen[y, x] += total
                    if names[y, x] == c:
                        same[y, x] = total
    for y in range(height):
        for x in range(width):
            out[y, x] = same[y, x] / seen[y, x] if names[y, x] > 0 else 0
