"""Plain means over a square window, each summed afresh in a fixed order."""

from __future__ import annotations

import numpy as np
from numba import njit

from xstf.kernels.offload import also_on_gpu, new, packed


def window_means(images: np.ndarray, radius: int) -> np.ndarray:
    """Return means over the square window of each pixel, missing pixels left out.

    Parameters
    ----------
    images
        (..., y + 2 radius, x + 2 radius), NaN where missing or off the scene.
    radius
        Half the window, in pixels.

    Returns
    -------
    numpy.ndarray
        (..., y, x) float32; NaN where the window holds nothing.
    """
    height, width = images.shape[-2:]
    flat = packed(images, np.float32).reshape(-1, height, width)
    out = new(flat, (flat.shape[0], height - 2 * radius, width - 2 * radius))
    _window_means(flat, radius, out)
    return out.reshape(*images.shape[:-2], *out.shape[1:])


# columns first, then rows: the sums of a pixel are the same in any block that holds its window
@also_on_gpu
@njit(nogil=True, cache=True, error_model="numpy")
def _window_means(images, radius, out):
    number, height, width = out.shape
    column = np.empty(images.shape[2], np.float64)
    seen = np.empty(images.shape[2], np.float32)
    total = np.empty(width, np.float64)
    count = np.empty(width, np.float32)
    for n in range(number):
        for y in range(height):
            column[:] = 0
            seen[:] = 0
            for j in range(2 * radius + 1):
                line = images[n, y + j]
                for x in range(line.size):
                    there = not np.isnan(line[x])
                    column[x] += np.float64(line[x]) if there else 0.0
                    seen[x] += np.float32(there)
            total[:] = 0
            count[:] = 0
            for i in range(2 * radius + 1):
                values, numbers = column[i:], seen[i:]
                for x in range(width):
                    total[x] += values[x]
                    count[x] += numbers[x]
            for x in range(width):
                out[n, y, x] = total[x] / count[x]
