"""What a pixel's change may depend on: its denoised spectrum and the classes it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Statistics
from xstf.methods._gp_classes import TINY, find_classes
from xstf.methods._gp_members import Member
from xstf.methods._gp_sensor import LEAST, Sensor, part_of

Array = np.ndarray

RADIUS = 2  # fine pixels: of the window that spectra are denoised in
# times the median squared difference of neighbours: alike enough to be averaged, where one pair is
# looked at and where several are
BREADTH = (3.0, 2.0)
SAMPLE = 8000  # pixels that classes are found from, on an even lattice


@dataclass(frozen=True)
class Look:
    """How the pixels of one pair, or of several together, are described."""

    pairs: tuple[int, ...]
    mean: Array  # (pair and band,) of the scene, float32
    deviation: Array
    alike: float  # see `xstf.kernels.bilateral.smooth`
    centres: Array  # of the classes, (class, pair and band) float32
    sharp: float  # see `xstf.kernels.bilateral.belong`

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of features of each kind: spectra, then classes."""
        return len(self.mean), len(self.centres)

    def spectra(self, fine: Array) -> Array:
        """Return denoised, standardised spectra, (pair and band, y, x) without `RADIUS` pixels.

        Parameters
        ----------
        fine
            (pair, band, y, x) of all pairs of the scene. A pixel is missing where one of the
            pairs that are looked at has no band there; a band that is missing alone is filled.
        """
        from xstf.kernels.bilateral import near_weights, smooth

        images = fine[list(self.pairs)]
        seen = ~np.isnan(images).all(axis=1).any(axis=0)
        bands = images.reshape(-1, *images.shape[2:])
        scaled = (bands - self.mean[:, None, None]) / self.deviation[:, None, None]
        out = np.empty((len(bands), *(size - 2 * RADIUS for size in seen.shape)), np.float32)
        smooth(np.ascontiguousarray(scaled), near_weights(RADIUS), np.float32(self.alike), out)
        out[:, ~seen[RADIUS:-RADIUS, RADIUS:-RADIUS]] = np.nan
        return out

    def features(self, fine: Array) -> Array:
        """Return spectra and how much pixels belong to each class, (feature, y, x).

        Parameters
        ----------
        fine
            As for `spectra`.
        """
        from xstf.kernels.bilateral import belong

        spectra = self.spectra(fine)
        out = np.empty((sum(self.sizes), *spectra.shape[1:]), np.float32)
        out[: len(spectra)] = spectra
        belong(spectra, self.centres, np.float32(self.sharp), out[len(spectra) :])
        return out

    def smoothed(self, spectra: Array) -> Array:
        """Return the denoised fine images that spectra stand for, (pair, band, y, x)."""
        images = spectra * self.deviation[:, None, None] + self.mean[:, None, None]
        return images.reshape(len(self.pairs), -1, *spectra.shape[1:])


def survey(b: Block, stride: int) -> dict[str, Array]:
    """Return means of the parts of cells, and windows around the pixels of an even lattice."""
    from xstf.kernels.boxes import cell_means

    rows, columns = b.inner
    y, x = (-(start + b.halo) % stride for start in b.place)
    side = range(-RADIUS, RADIUS + 1)
    height, width = b.fine.shape[-2:]
    near = [
        b.fine[..., b.halo + y + j : height - b.halo + j : stride,
               b.halo + x + i : width - b.halo + i : stride]
        for j in side for i in side
    ]  # fmt: skip
    return {
        "parts": cell_means(b.fine[..., rows, columns], part_of(b.scale)),
        "windows": np.stack(near, axis=2),  # (pair, band, place in the window, y, x)
    }


def find_look(windows: Array, statistics: Statistics, pairs: tuple[int, ...], classes: int) -> Look:
    """Return how pixels are described.

    Parameters
    ----------
    windows
        (pair, band, place, y, x), from `survey`.
    statistics
        Of the scene.
    pairs
        Which pairs.
    classes
        Number of classes; there are fewer if the sample has fewer spectra.
    """
    at = list(pairs)
    mean, deviation = (
        v[at].reshape(-1).astype(np.float32) for v in (statistics.mean, statistics.deviation)
    )
    mean = np.nan_to_num(mean)
    deviation = np.nan_to_num(deviation) + np.float32(TINY)
    side = 2 * RADIUS + 1
    pixels = windows[at].reshape(len(mean), side * side, -1)
    scaled = (pixels - mean[:, None, None]) / deviation[:, None, None]
    middle = side * side // 2
    noise = [
        np.nanmedian(apart) if np.isfinite(apart).any() else 0.0
        for place in (middle + 1, middle + side)
        for apart in [((scaled[:, place] - scaled[:, middle]) ** 2).mean(axis=0)]
    ]
    alike = 1 / (2 * BREADTH[len(pairs) > 1] * max(float(np.mean(noise)), TINY) * len(mean))
    spectra = _denoised(scaled.reshape(len(mean), side, side, -1), alike)
    if len(spectra) == 0:  # no pixel has all that is looked at
        spectra = np.zeros((1, len(mean)), np.float32)
    return Look(pairs, mean, deviation, alike, *find_classes(spectra, classes))


def _denoised(windows: Array, alike: float) -> Array:
    """Return the denoised middle (pixel, band) of each window (band, y, x, window)."""
    from xstf.kernels.bilateral import near_weights, smooth

    bands, side, _, count = windows.shape
    rows = np.ascontiguousarray(windows.transpose(0, 1, 3, 2), np.float32)
    out = np.empty((bands, 1, side * (count - 1) + 1), np.float32)
    smooth(rows.reshape(bands, side, -1), near_weights(RADIUS), np.float32(alike), out)
    middle = out[:, 0, ::side].T
    return middle[~np.isnan(windows[:, RADIUS, RADIUS]).any(axis=0)]


def cells(
    b: Block, looks: Mapping[str, Look], members: Sequence[Member], sensor: Sensor
) -> dict[str, Array]:
    """Return what the sensor sees of each cell of a tile, (..., rows, columns).

    ``seen``: of the fine images, (pair and band, ...). For each look its features, NaN where too
    little is seen. For each member of two pairs, under its aspect, mean products of what denoising
    removes from both, see `kept_detail`.
    """
    from xstf.kernels.boxes import cell_means

    near, window = _surroundings(b, sensor)
    inner = near[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
    images = inner.reshape(-1, 1, *inner.shape[2:])
    out = {"seen": np.concatenate([window.means(image) for image in images])}
    own = (..., *window.inner)
    for name, look in looks.items():
        features = look.features(near)
        out[name] = window.means(features)
        couples = [m for m in members if m.look == name and len(m.pairs) == 2]
        if couples:
            smooth = look.smoothed(features[: len(look.mean)])[own]
        for member in couples:
            first, last = (
                inner[pair][own] - smooth[look.pairs.index(pair)] for pair in member.pairs
            )
            products = np.stack([first * last, first * first, last * last])
            out[member.aspect] = cell_means(products, b.scale)
    return out


@dataclass(frozen=True)
class _Window:
    """Where the cells of a tile and their footprints lie in an image."""

    sensor: Sensor
    corner: int  # row and column of the first pixel of the first cell
    cells: tuple[int, int]

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the cells' own pixels."""
        rows, columns = (
            slice(self.corner, self.corner + count * self.sensor.scale) for count in self.cells
        )
        return rows, columns

    def means(self, images: Array) -> Array:
        """Return means over footprints (image, rows, columns), NaN where too little is seen."""
        from xstf.kernels.footprints import footprints

        known = ~np.isnan(images[:1])
        parts = np.concatenate([np.where(known, images, 0), known]).astype(np.float32)
        sums = np.empty((len(parts), *self.cells), np.float32)
        (y, taps_y), (x, taps_x) = self.sensor.taps
        footprints(
            parts, self.sensor.scale, self.corner + y, taps_y.astype(np.float32),
            self.corner + x, taps_x.astype(np.float32), sums,
        )  # fmt: skip
        enough = sums[-1] >= LEAST
        return np.where(enough, sums[:-1] / np.where(enough, sums[-1], 1), np.float32(np.nan))


def _surroundings(b: Block, sensor: Sensor) -> tuple[Array, _Window]:
    """Return the pixels that footprints and their denoising read, and where cells lie in them."""
    before = max(0, *(-first for first, _ in sensor.taps)) + RADIUS
    after = max(0, *(first + len(taps) - b.scale for first, taps in sensor.taps)) + RADIUS
    rows, columns = b.inner
    near = b.fine[..., rows.start - before : rows.stop + after,
                  columns.start - before : columns.stop + after]  # fmt: skip
    count = ((rows.stop - rows.start) // b.scale, (columns.stop - columns.start) // b.scale)
    return near, _Window(sensor, before - RADIUS, count)


def kept_detail(detail: Array) -> Array:
    """Return the share of detail that lasts until the target: of the pairs' mean, and of each.

    The covariance of the target's detail with that of a pair lies between two cases. If what
    changes is noise, it is that of the pairs with each other; if detail fades with time, and the
    target is halfway, their correlation is the root of that of the pairs. The mean is taken.

    Parameters
    ----------
    detail
        (3, band, rows, columns): mean products of first and last, of the first with itself, and of
        the last, from `cells`.

    Returns
    -------
    numpy.ndarray
        (3, band): covariance with the target over the variance of the mean of both pairs, over that
        of the first, and of the last.
    """
    with np.errstate(invalid="ignore"):
        both, first, last = np.nan_to_num(detail.astype(np.float64)).sum(axis=(-1, -2))
    both, first, last = (np.maximum(v, TINY**2) for v in (both, first, last))
    middle = np.sqrt(first * last)
    target = (both + np.sqrt(both * middle)) / 2
    mean = target * (1 / first + 1 / last) / (1 + both / middle)
    return np.clip(np.stack([mean, target / first, target / last]), 0, 1)
