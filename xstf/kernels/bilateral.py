"""Means of neighbours alike in all bands (joint bilateral filter), and soft classes of pixels."""

from __future__ import annotations

import numpy as np
from numba import njit

FAST = {"contract", "nsz", "arcp"}


def near_weights(radius: int) -> np.ndarray:
    """Return the weights of a window by distance, (side, side) float32, 1 in the middle."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.exp(-0.5 * (y * y + x * x) / (0.6 * radius + 0.3) ** 2).astype(np.float32)


@njit(nogil=True, cache=True, fastmath=FAST)
def smooth(images, near, alike, out):
    """Write the mean of each pixel's neighbours, weighted by how alike they are.

    A neighbour's weight is ``near * exp(-alike * d)``, d the squared difference, summed over the
    bands; where some bands are missing, that of the others in proportion. A band that the pixel
    itself lacks is the mean of neighbours alike in the others.

    Parameters
    ----------
    images
        (band, y + 2 radius, x + 2 radius) float32, NaN where missing.
    near
        (side, side) float32, from `near_weights`.
    alike
        Float32.
    out
        (band, y, x) float32: filled, NaN where all bands are missing.
    """
    bands, height, width = out.shape
    side = near.shape[0]
    radius = side // 2
    own = np.empty(bands, np.float32)
    total = np.empty(bands, np.float32)
    weight = np.empty(bands, np.float32)
    for y in range(height):
        for x in range(width):
            seen = 0
            for b in range(bands):
                own[b] = images[b, y + radius, x + radius]
                total[b] = 0
                weight[b] = 0
                seen += not np.isnan(own[b])
            if seen == 0:
                out[:, y, x] = np.nan
                continue
            for j in range(side):
                for i in range(side):
                    apart = np.float32(0)
                    common = 0
                    for b in range(bands):
                        step = images[b, y + j, x + i] - own[b]
                        if not np.isnan(step):
                            apart += step * step
                            common += 1
                    if common == 0:
                        continue
                    apart *= np.float32(bands) / np.float32(common)
                    share = near[j, i] * np.exp(-alike * apart)
                    for b in range(bands):
                        value = images[b, y + j, x + i]
                        if not np.isnan(value):
                            total[b] += share * value
                            weight[b] += share
            for b in range(bands):
                out[b, y, x] = total[b] / weight[b] if weight[b] > 0 else np.float32(0)


@njit(nogil=True, cache=True, fastmath=FAST)
def belong(spectra, centres, sharp, out):
    """Write how much each pixel belongs to each class; the shares of a pixel add up to 1.

    Parameters
    ----------
    spectra
        (band, y, x) float32.
    centres
        (class, band) float32.
    sharp
        Float32: shares are in proportion to ``exp(-sharp * d)``, d the squared distance.
    out
        (class, y, x) float32: filled, NaN where the spectrum is missing.
    """
    bands, height, width = spectra.shape
    classes = len(centres)
    apart = np.empty((classes, width), np.float32)
    least = np.empty(width, np.float32)
    for y in range(height):
        apart[:] = 0
        for b in range(bands):
            row = spectra[b, y]
            for c in range(classes):
                centre = centres[c, b]
                to = apart[c]
                for x in range(width):
                    to[x] += (row[x] - centre) * (row[x] - centre)
        least[:] = apart[0]
        for c in range(1, classes):
            to = apart[c]
            for x in range(width):
                least[x] = min(least[x], to[x])
        total = np.zeros(width, np.float32)
        for c in range(classes):
            to = apart[c]
            share = out[c, y]
            for x in range(width):
                share[x] = np.exp(-sharp * (to[x] - least[x]))
            for x in range(width):
                total[x] += share[x]
        for c in range(classes):
            share = out[c, y]
            for x in range(width):
                share[x] /= total[x]
