"""How the coarse sensor sees the fine image: its shift, its point spread, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray

FARTHEST = 1.25  # cells: largest shift that is looked for
WIDEST = 1.0  # cells: largest deviation of the point spread
GAIN = 0.003  # of the correlation: a shift that gains less is none
SPREADS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)  # cells, as they are tried
CUT = 2.5  # deviations at which the point spread ends
LEAST = 0.5  # of a cell's footprint that must be seen
SAMPLE = 64  # cells along the side of the window in which the shift is looked for


@dataclass(frozen=True)
class Sensor:
    """A box of one cell, convolved with a Gaussian and moved, the same for every cell."""

    scale: int
    y: float = 0.0  # fine pixels by which footprints lie further down
    x: float = 0.0  # and to the right
    spread: float = 0.0  # deviation of the Gaussian, fine pixels

    @cached_property
    def taps(self) -> tuple[tuple[int, Array], tuple[int, Array]]:
        """Along y and x: the first pixel of a footprint, from the cell's first, and weights."""
        return self._along(self.y), self._along(self.x)

    def _along(self, shift: float) -> tuple[int, Array]:
        from scipy.special import erf

        half = self.scale / 2
        centre = half - 0.5 + shift
        far = half + CUT * self.spread
        at = np.arange(int(np.floor(centre - far)), int(np.ceil(centre + far)) + 1)
        away = at - centre
        if self.spread < 0.05:
            inside = np.minimum(away + 0.5, half) - np.maximum(away - 0.5, -half)
            weight = np.clip(inside, 0, 1)
        else:
            root = self.spread * 2**0.5
            weight = erf((away + half) / root) - erf((away - half) / root)
        kept = np.flatnonzero(weight > 1e-6 * weight.max())
        at, weight = at[kept[0] : kept[-1] + 1], weight[kept[0] : kept[-1] + 1]
        return int(at[0]), weight / weight.sum()

    def covariance(self, length: float, cells: int) -> tuple[Array, Array, Array]:
        """Return what a Gaussian covariance becomes, seen by cells, along each axis.

        Parameters
        ----------
        length
            In cells.
        cells
            How far cells are told apart.

        Returns
        -------
        between : numpy.ndarray
            (axis, cells + 1): of cells so many steps apart.
        down, across : numpy.ndarray
            (2 cells + 1, scale): of each pixel of a cell with the cells from `cells` before to
            `cells` after it, along y and along x.
        """
        size = length * self.scale
        away = np.arange(-cells, cells + 1) * self.scale
        between, pixel = [], []
        for first, weight in self.taps:
            at = first + np.arange(len(weight))
            place = np.arange(self.scale)
            apart = place[None, :, None] - away[:, None, None] - at
            pixel.append((np.exp(-0.5 * (apart / size) ** 2) * weight).sum(axis=-1))
            apart = at[:, None] - at + self.scale * np.arange(cells + 1)[:, None, None]
            kernel = np.exp(-0.5 * (apart / size) ** 2)
            between.append((kernel * weight[:, None] * weight).sum(axis=(1, 2)))
        return np.array(between), pixel[0], pixel[1]


def reach_of(scale: int) -> int:
    """Return the fine pixels beyond a cell that the widest footprint may take."""
    return int(np.ceil((FARTHEST + CUT * WIDEST) * scale)) + 1  # a footprint begins between pixels


def part_of(scale: int) -> int:
    """Return the side of the parts of a cell that the shift is found from, fine pixels."""
    return max(d for d in range(1, scale + 1) if scale % d == 0 and (d == 1 or 4 * d <= scale))


def seen_by(sensor: Sensor, parts: Array, part: int) -> Array:
    """Return what the sensor sees of a fine image, NaN where under half of a footprint is there.

    Parameters
    ----------
    sensor
        Its shift and spread.
    parts
        (..., rows of parts, columns of parts): means, NaN where missing.
    part
        Side of a part in fine pixels; it divides the scale.
    """
    known = np.isfinite(parts)
    total = np.where(known, parts, 0).astype(np.float64)
    weight = known.astype(np.float64)
    for axis, (first, taps) in zip((-2, -1), sensor.taps, strict=True):
        start = first // part
        padded = np.zeros(-(-(first + len(taps)) // part) * part - start * part)
        padded[first - start * part :][: len(taps)] = taps
        coarser = padded.reshape(-1, part).sum(axis=1)
        total, weight = (_strided(a, axis, start, coarser, sensor.scale // part) for a in
                         (total, weight))  # fmt: skip
    return np.where(weight >= LEAST, total / np.maximum(weight, LEAST), np.nan)


def _strided(image: Array, axis: int, start: int, taps: Array, stride: int) -> Array:
    """Return weighted sums around every `stride`-th place along an axis, 0 off the image."""
    image = np.moveaxis(image, axis, -1)
    size = image.shape[-1]
    count = size // stride
    before, after = max(0, -start), max(0, start + len(taps) - stride)
    image = np.pad(image, [(0, 0)] * (image.ndim - 1) + [(before, after)])
    out = np.zeros((*image.shape[:-1], count))
    for n, weight in enumerate(taps):
        first = before + start + n
        out += weight * image[..., first : first + count * stride : stride]
    return np.moveaxis(out, -1, axis)


def find_sensor(parts: Array, coarse: list[Array], scale: int) -> Sensor:
    """Return the shift and spread with which fine images are most like their coarse ones.

    Parameters
    ----------
    parts
        (pair, band, rows, columns): means of `part_of` pixels.
    coarse
        (band, y_coarse, x_coarse) of each pair.
    scale
        Of the scene.
    """
    part = part_of(scale)
    images, parts = _window(np.stack(coarse), parts, scale // part)

    def tried(spread: float, y: float = 0.0, x: float = 0.0) -> tuple[float, Sensor]:
        sensor = Sensor(scale, y * scale, x * scale, spread * scale)
        return _correlation(seen_by(sensor, parts, part), images), sensor

    def better(found: tuple[float, Sensor], *others: tuple[float, Sensor]) -> tuple[float, Sensor]:
        for other in others:
            found = other if other[0] > found[0] else found
        return found

    still = best = better(*(tried(s) for s in SPREADS))
    step, offsets = 0.5, np.arange(-FARTHEST, FARTHEST + 0.01, 0.5)
    y0 = x0 = 0.0
    while step * scale >= 0.9 and step > 0.05:
        spread = max(best[1].spread / scale, 0.25)
        best = better(best, *(tried(spread, y0 + a, x0 + b) for a in offsets for b in offsets))
        y0, x0 = best[1].y / scale, best[1].x / scale
        step /= 2
        offsets = np.array([-step, 0, step])
    best = better(best, *(tried(s, y0, x0) for s in SPREADS))
    return best[1] if best[0] - still[0] >= GAIN else still[1]


def _window(images: Array, parts: Array, ratio: int) -> tuple[Array, Array]:
    """Return the middle of large scenes."""
    cut = []
    for size in images.shape[-2:]:
        start = max(0, (size - SAMPLE) // 2)
        cut.append((start, min(size, start + SAMPLE)))
    (y0, y1), (x0, x1) = cut
    inner = parts[..., y0 * ratio : y1 * ratio, x0 * ratio : x1 * ratio]
    return images[..., y0:y1, x0:x1].astype(np.float64), inner


def _correlation(one: Array, other: Array) -> float:
    """Return the mean correlation over pairs and bands, of the cells that both have."""
    both = np.isfinite(one) & np.isfinite(other)
    count = np.maximum(both.sum(axis=(-1, -2), keepdims=True), 1)
    a, b = (np.where(both, image, 0) for image in (one, other))
    a, b = (np.where(both, i - i.sum(axis=(-1, -2), keepdims=True) / count, 0) for i in (a, b))
    ab, aa, bb = ((p * q).sum(axis=(-1, -2)) for p, q in ((a, b), (a, a), (b, b)))
    return float((ab / np.sqrt(aa * bb + 1e-20)).mean())


def margin_of(sensor: Sensor, length: float) -> int:
    """Return the cells around a pixel that a Gaussian covariance, as cells see it, reaches."""
    spread = np.hypot(length, sensor.spread / sensor.scale)
    shift = max(abs(sensor.y), abs(sensor.x)) / sensor.scale
    return int(np.ceil(3.5 * spread + shift + 0.5))
