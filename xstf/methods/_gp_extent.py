"""Where within its cells a cover lies: its edge is sharp, and each cell sees its own share."""

from __future__ import annotations

import numpy as np

from xstf.method import Block
from xstf.methods._gp_cover import Cover
from xstf.methods._gp_predict import cells_around
from xstf.methods._gp_sensor import Sensor, seen_by

Array = np.ndarray

PARTS = 5  # along a cell, in which the cover is placed
LENGTH = 0.5  # cells: of the field whose sign says where the cover lies
EDGES = (0.3, 0.2, 0.1)  # width of the edge, in units of the field, as it is sharpened
STEPS = 20  # at each width
FARTHEST = 3.0  # value of the field in a cell that is covered whole
REACH = 3  # cells that the field of a pixel is made of


def place_cover(share: Array, sensor: Sensor) -> Array:
    """Return the field whose sign says where the cover lies, at cells, (rows, columns).

    Pixels interpolate it. It rises in cells that see too little of what lies above zero, and falls
    in those that see too much, while the edge is sharpened.

    Parameters
    ----------
    share
        (rows, columns), 0 to 1; NaN where it is not known: there the field is as around.
    sensor
        How cells see.
    """
    from xstf.kernels.footprints import add_worth

    part = PARTS / sensor.scale
    fine = Sensor(PARTS, sensor.y * part, sensor.x * part, sensor.spread * part)
    field = np.full(share.shape, -FARTHEST, np.float32)
    if not share.any():
        return field
    rows, columns = (_reached(at) for at in np.nonzero(share))
    share = share[rows, columns]
    own = field[rows, columns]  # a view
    told = np.isfinite(share)
    own[:] = np.where(told, 2 * share - 1, 0)
    down, across = _field_taps(fine)
    image = np.empty([PARTS * size for size in share.shape], np.float32)
    flat, none = np.ones((1, *image.shape), np.float32), np.zeros(1, np.float32)
    for width in EDGES:
        for _ in range(STEPS):
            image[:] = 0
            cells = np.pad(own, REACH, mode="edge")
            add_worth(cells[None], down, across, flat, none, image)
            off = np.nan_to_num(share - seen_by(fine, _covered(image, width), 1))
            np.clip(np.where(told, own + off, _means(cells)), -FARTHEST, FARTHEST, out=own)
    return field


def _means(cells: Array) -> Array:
    """Return means of the four neighbours of cells, which lie `REACH` within the image."""
    inner = cells[REACH - 1 : 1 - REACH, REACH - 1 : 1 - REACH]
    across = inner[1:-1, :-2] + inner[1:-1, 2:]
    return 0.25 * (inner[:-2, 1:-1] + inner[2:, 1:-1] + across)


def _reached(at: Array) -> slice:
    """Return the cells along an axis from the first to the last covered one, and some more."""
    return slice(max(0, at.min() - REACH), at.max() + 1 + REACH)


def _field_taps(sensor: Sensor) -> tuple[Array, Array]:
    """Return weights of cells for the field at pixels, along y and along x, (tap, scale)."""
    _, down, across = sensor.covariance(LENGTH, REACH)
    return tuple((taps / taps.sum(axis=0)).astype(np.float32) for taps in (down, across))


def _covered(field: Array, width: float) -> Array:
    """Return the share of pixels that is covered, where the edge has some width."""
    return 1 / (1 + np.exp(-field / np.float32(width)))


def lay(b: Block, date: int, fused: Array, variance: Array | None) -> tuple[Array, Array | None]:
    """Return the prediction of a block and the variance of its error with the cover on it.

    Parameters
    ----------
    b
        The block.
    date
        Which of its dates.
    fused, variance
        Of the land below, (band, y, x); no variance is asked for where it is None.
    """
    from xstf.kernels.footprints import add_worth

    cover: Cover = b.dated[date]["cover"]
    value, spread = (v.astype(np.float32)[:, None, None] for v in (cover.value, cover.deviation))
    field = np.zeros(fused.shape[1:], np.float32)
    flat, none = np.ones((1, *field.shape), np.float32), np.zeros(1, np.float32)
    taps = _field_taps(b.numbers.sensor)
    add_worth(cells_around(b, b.made["cover"][date], REACH), *taps, flat, none, field)
    away, share = value - fused, _covered(field, EDGES[-1])
    if variance is not None:
        variance = (1 - share) * variance + share * spread**2 + share * (1 - share) * away**2
    return fused + share * away, variance
