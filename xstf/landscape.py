"""The surface that simulated scenes show: fields, roads, a river that floods.

A pixel's value is a function of the seed, the date and its place alone, worked out elementwise
without transcendental functions, so that it has the same bits in whatever chunk it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xstf.chance import noise, step, uniform

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
FIRST_DAY = 91  # of the year: 1 April


@dataclass(frozen=True)
class World:
    """What is simulated, and nothing that follows from it."""

    kind: str
    shape: tuple[int, int]  # fine pixels
    scale: int
    days: tuple[int, ...]  # of the dates, since the first
    pairs: tuple[int, ...]  # positions of the dates with a fine image
    bands: tuple[str, ...]
    clouds: float
    seed: int

    @property
    def levels(self) -> tuple[float, ...]:
        """Height of the water on each date, 0 to 1: up and down in the widest gap of the pairs."""
        last = len(self.days)
        if self.kind == "parcels":
            return (0.0,) * last
        gaps = zip(self.pairs, (*self.pairs[1:], last), strict=True)
        first, end = max(gaps, key=lambda gap: gap[1] - gap[0] - (gap[1] == last))
        parts = [(date - first) / (end - first) for date in range(last)]
        return tuple(max(0.0, min(part / 0.45, (1 - part) / 0.55)) for part in parts)

    @property
    def response(self) -> tuple[np.ndarray, np.ndarray]:
        """Gain and bias of the coarse sensor, (band,) each."""
        band = np.array([BANDS.index(b) for b in self.bands])
        gain = 0.97 + 0.06 * uniform(self.seed, "gain", band)
        return gain, -0.01 + 0.02 * uniform(self.seed, "bias", band)


# Reflectance of one class per row: what grows there, and the ground below.
_PLANTS = np.array(
    [
        [0.026, 0.062, 0.036, 0.480, 0.185, 0.085],  # winter barley
        [0.024, 0.056, 0.030, 0.450, 0.170, 0.075],  # winter wheat
        [0.032, 0.105, 0.072, 0.510, 0.215, 0.105],  # rapeseed, in flower
        [0.030, 0.075, 0.042, 0.430, 0.205, 0.095],  # maize
        [0.028, 0.080, 0.035, 0.560, 0.200, 0.085],  # sugar beet
        [0.036, 0.084, 0.056, 0.390, 0.225, 0.115],  # meadow
        [0.018, 0.044, 0.022, 0.360, 0.140, 0.058],  # broadleaved wood
        [0.050, 0.085, 0.080, 0.280, 0.230, 0.160],  # village: gardens
    ]
)
_SOIL = [0.085, 0.120, 0.155, 0.230, 0.320, 0.280]
_GROUNDS = np.array(
    [_SOIL] * 5
    + [
        [0.060, 0.090, 0.110, 0.220, 0.270, 0.190],  # dry grass
        [0.040, 0.060, 0.075, 0.170, 0.210, 0.150],  # leaf litter
        [0.130, 0.150, 0.165, 0.210, 0.240, 0.220],  # roofs
    ]
)
# Share of the ground that plants cover: lowest, highest; day of the year when they start to
# grow, days until they are grown, day when they start to ripen, days until they are dry.
_SEASONS = np.array(
    [
        [0.15, 0.93, 65, 60, 138, 35],
        [0.10, 0.95, 75, 75, 165, 35],
        [0.20, 0.92, 60, 65, 160, 40],
        [0.02, 0.90, 125, 60, 235, 40],
        [0.03, 0.92, 110, 60, 270, 60],
        [0.45, 0.88, 70, 60, 190, 120],
        [0.15, 0.96, 98, 35, 270, 50],
        [0.15, 0.40, 90, 60, 260, 60],
    ]
)
_SHARES = np.array([0.13, 0.22, 0.13, 0.18, 0.09, 0.15, 0.05, 0.05])
_FIELDS = 5  # the first classes are fields, which can be harvested
_WOOD = 6
_TRACK = np.array([0.050, 0.080, 0.085, 0.270, 0.250, 0.170])  # grassy field border
_ROAD = np.array([0.100, 0.110, 0.120, 0.150, 0.170, 0.160])
_RIVER = np.array([0.045, 0.055, 0.040, 0.028, 0.022, 0.020])
_FLOOD = np.array([0.065, 0.085, 0.080, 0.050, 0.024, 0.021])


def reflectance(
    world: World, dates: Sequence[int], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return the true reflectance at scene rows and columns, (date, band, y, x)."""
    seed = world.seed
    fields = _fields(world, rows, columns)
    growth, ground = (
        0.8 * noise(seed, f"{name} 1", rows, columns, 19.0)
        + 0.6 * noise(seed, f"{name} 2", rows, columns, 4.3)
        for name in ("growth", "ground")
    )
    *_, road = _cells(seed, "roads", rows, columns, (168.0, 134.0), (0.8, 0.6))
    river, height = _river(world, rows, columns)
    track = np.where(fields.kind == _WOOD, 0.15, 0.55) * np.clip(1.2 - fields.border, 0, 1)
    road = np.clip(1.25 - road, 0, 1)
    speckle = 1 + 0.05 * (uniform(seed, "speckle", rows[:, None], columns) - 0.5)
    out = np.empty((len(dates), len(world.bands), len(rows), len(columns)), "float32")
    for i, date in enumerate(dates):
        flooded, drowned = (
            np.clip((level - height) / 0.02, 0, 1)
            for level in (world.levels[date], max(world.levels[: date + 1]))
        )
        wet = 1 + 0.08 * (2 * uniform(seed, "rain", np.array([date])) - 1)
        cover = _cover(fields, world.days[date], growth) * (1 - 0.55 * drowned)
        soil = fields.soil * (1 + 0.05 * ground) * wet * (1 - 0.3 * drowned)
        for j, band in enumerate(BANDS.index(name) for name in world.bands):
            plants = _PLANTS[:, band][fields.kind] * fields.leaf
            value = cover * plants + (1 - cover) * _GROUNDS[:, band][fields.kind] * soil
            value = value + track * (_TRACK[band] - value)
            value = (value + road * (_ROAD[band] - value)) * speckle
            value = value + river * (_RIVER[band] - value)
            out[i, j] = value + flooded * (_FLOOD[band] - value)
    return out


@dataclass(frozen=True)
class _Fields:
    """The parcel below each pixel, (y, x) each."""

    kind: np.ndarray  # its class
    border: np.ndarray  # distance to its border, pixels
    vigour: np.ndarray  # factor of its cover
    leaf: np.ndarray  # factor of its plants' reflectance
    soil: np.ndarray  # factor of its ground's reflectance
    delay: np.ndarray  # days behind its class
    harvest: np.ndarray  # day since the first date from which it is bare, inf if never


def _fields(world: World, rows: np.ndarray, columns: np.ndarray) -> _Fields:
    p, q, along, across, border = _cells(
        world.seed, "fields", rows, columns, (37.7, 17.9), (0.96, 0.28)
    )
    number = np.arange(p.min(), p.max() + 1), np.arange(q.min(), q.max() + 1)
    place = p - p.min(), q - q.min()

    def drawn(name: str) -> np.ndarray:
        return uniform(world.seed, name, number[0][:, None], number[1])

    kind = np.searchsorted(np.cumsum(_SHARES)[:-1], drawn("class"), side="right")
    kind = np.where(noise(world.seed, "woods", *number, 3.0) > 1.3, _WOOD, kind)
    cut = (world.kind == "mixed") & (kind < _FIELDS) & (drawn("harvested") < 0.4)
    harvest = np.where(cut, drawn("harvest day") * world.days[-1], np.inf)
    lean = [7 * (2 * drawn(f"lean {axis}") - 1)[place] for axis in ("along", "across")]
    return _Fields(
        kind=kind[place],
        border=border,
        vigour=(0.8 + 0.25 * drawn("vigour"))[place],
        leaf=(0.92 + 0.16 * drawn("leaf"))[place],
        soil=(0.75 + 0.45 * drawn("soil"))[place],
        delay=(16 * drawn("delay") - 8)[place] + lean[0] * along + lean[1] * across,
        harvest=harvest[place],
    )


def _cover(fields: _Fields, day: int, growth: np.ndarray) -> np.ndarray:
    """Return the share of the ground that plants cover on a day since the first date, (y, x)."""
    low, high, start, rising, ripe, drying = (column[fields.kind] for column in _SEASONS.T)
    own = (FIRST_DAY + day) % 365 - fields.delay - 3 * growth
    season = step((own - start) / rising) * (1 - step((own - ripe) / drying))
    cover = (low + (high - low) * season) * fields.vigour * (1 + 0.06 * growth)
    return np.clip(np.where(fields.harvest < day, 0.04 * cover, cover), 0, 0.98)


def _river(world: World, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of river water and the flood level that covers each pixel, (y, x) each."""
    seed, extent = world.seed, min(world.shape)
    bends = ((0.09 * extent, 0.7 * extent), (0.04 * extent, 0.17 * extent), (3.0, 31.0))

    def line(name: str, at: np.ndarray, length: float) -> np.ndarray:
        return noise(seed, name, np.zeros(1), at, length)[0]

    def course(at: np.ndarray) -> np.ndarray:
        swings = [swing * line(f"river {i}", at, length) for i, (swing, length) in enumerate(bends)]
        return world.shape[0] * 0.5 + swings[0] + swings[1] + swings[2]

    middle = course(columns)
    slope = course(columns + 1) - middle
    distance = np.abs(rows[:, None] - middle) / np.sqrt(1 + slope * slope)
    width = 2.6 + 0.5 * line("width", columns, 60.0)
    far = distance / (0.13 * extent)
    terrain = noise(seed, "terrain 1", rows, columns, 0.12 * extent)
    terrain = terrain + 0.6 * noise(seed, "terrain 2", rows, columns, 0.04 * extent)
    height = far + 0.25 * terrain
    if world.kind == "mixed":  # dry on the right
        height = height + 2 * step((columns / world.shape[1] - 0.35) / 0.3)
    # hollows far from the river stay dry: the water would have to reach them
    return np.clip(width + 0.5 - distance, 0, 1), np.maximum(height, 0.3 * far)


def _cells(
    seed: int,
    name: str,
    rows: np.ndarray,
    columns: np.ndarray,
    pitch: tuple[float, float],
    turn: tuple[float, float],
) -> tuple[np.ndarray, ...]:
    """Return which site of a jittered grid each pixel is nearest to, (y, x) each.

    The grid is turned by (cosine, sine), its sites `pitch` pixels apart along and across. Returned
    are both numbers of the site, the place from it along and across in pitches, and the distance
    to the border with the next site in pixels.
    """
    long, wide = pitch
    u = (rows[:, None] * turn[0] + columns * turn[1]) / long
    v = (columns * turn[0] - rows[:, None] * turn[1]) / wide
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    p0, q0 = i.min() - 1, j.min() - 1
    p, q = np.arange(p0, i.max() + 2)[:, None], np.arange(q0, j.max() + 2)
    site_u = p + 0.15 + 0.7 * uniform(seed, f"{name} u", p, q)
    site_v = q + 0.15 + 0.7 * uniform(seed, f"{name} v", p, q)
    nearest = second = np.stack([np.full(u.shape, np.inf), *[np.zeros(u.shape)] * 4])
    for di, dj in np.ndindex(3, 3):
        at = i - 1 + di - p0, j - 1 + dj - q0
        du, dv = (u - site_u[at]) * long, (v - site_v[at]) * wide
        new = np.stack([du * du + dv * dv, du, dv, at[0] + p0, at[1] + q0])
        second = np.where(new[0] < second[0], new, second)
        second = np.where(new[0] < nearest[0], nearest, second)
        nearest = np.where(new[0] < nearest[0], new, nearest)
    apart = np.sqrt((nearest[1] - second[1]) ** 2 + (nearest[2] - second[2]) ** 2)
    border = (second[0] - nearest[0]) / (2 * apart)
    site = nearest[3:].astype(np.int64)
    return site[0], site[1], nearest[1] / long, nearest[2] / wide, border
