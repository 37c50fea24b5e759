"""Where change is larger than elsewhere: a flood, a fire, a harvest."""

from __future__ import annotations

import numpy as np

from xstf.methods._gp_model import Steps

Array = np.ndarray

SURE = 0.03  # of the variance of change: coarse error at which gains are halved
BLUR = 5  # cells that the gain of a cell is made of
CALM = 0.3  # of the mean square: change where none is seen, when gains are found


def find_gain(values: Array, error: Array) -> Array:
    """Return by how much change departs from the mean around each cell, (1, rows, columns).

    The root mean square over the bands and 3 x 3 cells, raised a little and relative to the scene.
    Where the coarse error is not small, what stands out may be error, and the gain tends to 1.

    Parameters
    ----------
    values
        (band, rows, columns), standardised.
    error
        (band,): deviation of the coarse error, of that of the change.
    """
    known = np.isfinite(values)
    squares, count = (
        np.pad(a.sum(axis=0), 1) for a in (np.where(known, values, 0) ** 2, known * 1.0)
    )
    rows, columns = values.shape[1:]
    near = [(slice(j, j + rows), slice(i, i + columns)) for j in range(3) for i in range(3)]
    total, number = (sum(a[part] for part in near) for a in (squares, count))
    mean = np.where(number > 0, total / np.maximum(number, 1), 1)
    doubt = float((error**2).mean()) if len(error) else 1.0
    power = 0.5 / (1 + (doubt / SURE) ** 2)
    return (((mean + CALM) / (1 + CALM)) ** power)[None].astype(np.float32)


def spread_gain(gain: Array, steps: Steps) -> Array:
    """Return the gain of cells, of which pixels' gains are interpolated, as these cells see it.

    Pixels take the mean of the cells around, weighted by the shortest covariance of a pixel with a
    cell; cells that of a cell with a cell, which is what the sensor makes of it.

    Parameters
    ----------
    gain
        (1, rows, columns), from `find_gain`.
    steps
        From `find_steps`.
    """
    reach = BLUR
    image = np.pad(gain[0].astype(np.float64), reach, mode="edge")
    away = np.abs(np.arange(-reach, reach + 1))
    for axis, table in enumerate(steps.smooth[0]):
        taps = table[away] / table[away].sum()
        count = image.shape[axis] - 2 * reach
        image = sum(
            weight * np.take(image, np.arange(n, n + count), axis) for n, weight in enumerate(taps)
        )
    return image[None]
