"""simulate(): seeded scenes with a known truth, for tests, documentation and users.

A pixel's value is a function of the seed, the date and its place alone, worked out elementwise
without transcendental functions, so that it has the same bits in whatever chunk it is computed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import xarray as xr

from xstf.papers import assemble, block_means

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
KINDS = ("parcels", "flood", "mixed")
PAPERS = ("gao_a", "gao_b", "gao_c", "zhu")
FINE_NOISE = 0.003  # standard deviations, reflectance
COARSE_NOISE = 0.002
EAGER = 1024  # largest side of a scene that is held in memory, fine pixels
CHUNK = 512  # side of the chunks of a larger one, before rounding down to whole cells
_DAYS = 16  # between two dates
_FIRST_DAY = 91  # of the year: 1 April


def simulate(
    kind: str = "mixed",
    *,
    size: int | tuple[int, int] = 512,
    scale: int = 16,
    dates: int = 5,
    pairs: int = 2,
    bands: Sequence[str] = BANDS,
    clouds: float = 0.0,
    seed: int = 0,
) -> tuple[xr.Dataset, xr.DataArray]:
    """Simulate a scene of fine and coarse images and the true fine images of all its dates.

    Fields, meadows, woods and villages between roads and a river, 30 m pixels, one date every
    16 days from 2020-04-01. The truth is the surface itself, without noise or clouds. Fine
    images add noise (standard deviation 0.003). Coarse images are block means of the truth, seen
    by another sensor: a gain of 0.97..1.03 and a bias of -0.01..0.01 per band, the same on all
    dates, and noise (0.002). Every number depends on `seed` and its place in the scene alone.

    Parameters
    ----------
    kind
        ``"parcels"``: crops that grow and ripen, each field at its own pace and unevenly within.
        ``"flood"``: the same, and between two pair dates the river floods the land across field
        borders, recedes, and leaves thinned vegetation and dark soil.
        ``"mixed"``: parcels, a flood of the left part, and harvests: about a quarter of the
        parcels turn to bare soil by the last date, each at some time after the first.
        ``"gao_a"``, ``"gao_b"``, ``"gao_c"``, ``"zhu"``: the papers' own scenes with their
        own sizes, see `xstf.papers`; only `seed` may be given, and only Zhu's has noise.
    size
        Side of the square scene in fine pixels, or (rows, columns). Multiples of `scale`. Beyond
        1024 pixels the scene is made of dask arrays and nothing is computed.
    scale
        Side of a coarse cell in fine pixels.
    dates
        Number of dates; all have a coarse image.
    pairs
        Number of dates that have a fine image too: the first; the first and the last; or so many
        at even distances from the first to the last.
    bands
        Any of ``blue, green, red, nir, swir1, swir2``, in the wanted order.
    clouds
        Share of the pixels that clouds hide on every date, in the fine and the coarse image
        alike, as patches some cells wide. 0 <= clouds < 1.
    seed
        Another whole number gives another scene.

    Returns
    -------
    scene : xarray.Dataset
        ``fine`` (time, band, y, x) and ``coarse`` (time, band, y_coarse, x_coarse), float32
        reflectance 0..1, NaN under clouds and on the dates without a fine image;
        ``fine_observed`` (time); EPSG:32633.
    truth : xarray.DataArray
        ``fine`` (time, band, y, x), float32 reflectance of the surface on all dates.

    Raises
    ------
    ValueError
        For an unknown `kind` or band, a size that is not whole cells, or a number out of range.

    See Also
    --------
    xstf.papers : The scenes that Gao (2006) and Zhu (2016) simulated.

    Examples
    --------
    >>> from xstf.simulation import simulate
    >>> scene, truth = simulate("parcels", size=64, dates=3, bands=("red", "nir"), seed=1)
    >>> truth.shape, scene.coarse.shape
    ((3, 2, 64, 64), (3, 2, 4, 4))
    >>> scene.fine_observed.values.tolist()
    [True, False, True]
    """
    given: dict[str, Any] = dict(
        size=size, scale=scale, dates=dates, pairs=pairs, bands=bands, clouds=clouds
    )
    if kind in PAPERS:
        return _paper(kind, seed, given)
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; give one of {', '.join(KINDS + PAPERS)}")
    shape = _checked(**given)
    days = tuple(_DAYS * i for i in range(dates))
    fine_dates = _spread(dates, pairs)
    world = _World(kind, shape, int(scale), days, fine_dates, tuple(bands), clouds, index(seed))
    chunk = None if max(shape) <= EAGER else max(1, CHUNK // scale) * scale
    return assemble(*_images(world, chunk), scale=world.scale, pairs=world.pairs, bands=world.bands)


@dataclass(frozen=True)
class _World:
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
        gain = 0.97 + 0.06 * _uniform(self.seed, "gain", band)
        return gain, -0.01 + 0.02 * _uniform(self.seed, "bias", band)


def _images(world: _World, chunk: int | None) -> tuple[Any, Any, Any]:
    """Return observed fine, coarse and true fine images, (time, band, y, x) each.

    Numpy arrays where `chunk` is None, else dask arrays with chunks of so many fine pixels, a
    multiple of the scale, and one date.
    """
    if chunk is None:
        dates = tuple(range(len(world.days)))
        truth = _truth(world, dates, *map(np.arange, world.shape))
        fine = _fine(world, truth[list(world.pairs)], world.pairs, (0, 0))
        return fine, _coarse(world, truth, dates, (0, 0)), truth
    import dask.array as da

    sides = da.core.normalize_chunks((chunk, chunk), world.shape)
    cells = tuple(tuple(n // world.scale for n in side) for side in sides)
    chunks = (1,) * len(world.days), (len(world.bands),)
    plain = {"dtype": "float32", "meta": np.empty((0,) * 4, "float32"), "world": world}
    truth = da.map_blocks(_truth_block, chunks=(*chunks, *sides), **plain)
    fine = truth[list(world.pairs)].map_blocks(_fine_block, **plain)
    return fine, truth.map_blocks(_coarse_block, chunks=(*chunks, *cells), **plain), truth


def _truth_block(world: _World, block_info: Any = None) -> np.ndarray:
    (date, _), _, rows, columns = block_info[None]["array-location"]
    return _truth(world, (date,), np.arange(*rows), np.arange(*columns))


def _fine_block(truth: np.ndarray, world: _World, block_info: Any = None) -> np.ndarray:
    (i, _), _, (y, _), (x, _) = block_info[0]["array-location"]
    return _fine(world, truth, (world.pairs[i],), (y, x))


def _coarse_block(truth: np.ndarray, world: _World, block_info: Any = None) -> np.ndarray:
    (date, _), _, (y, _), (x, _) = block_info[0]["array-location"]
    return _coarse(world, truth, (date,), (y, x))


def _fine(
    world: _World, truth: np.ndarray, dates: Sequence[int], corner: tuple[int, int]
) -> np.ndarray:
    """Return what the fine sensor sees of true images (date, band, y, x) at a corner."""
    return _seen(world, truth, dates, corner, 1, FINE_NOISE)


def _coarse(
    world: _World, truth: np.ndarray, dates: Sequence[int], corner: tuple[int, int]
) -> np.ndarray:
    """Return what the coarse sensor sees of true images, (date, band, cell, cell)."""
    gain, bias = (number[:, None, None] for number in world.response)
    means = block_means(truth, world.scale) * gain + bias
    return _seen(world, means, dates, corner, world.scale, COARSE_NOISE)


def _seen(
    world: _World,
    images: np.ndarray,
    dates: Sequence[int],
    corner: tuple[int, int],
    pixel: int,
    noise: float,
) -> np.ndarray:
    """Return images with pixels `pixel` fine pixels wide, with noise and clouds."""
    rows, columns = (
        c // pixel + np.arange(n) for c, n in zip(corner, images.shape[2:], strict=True)
    )
    places = [pixel * at + (pixel - 1) / 2 for at in (rows, columns)]
    seen = np.empty(images.shape, "float32")
    for i, date in enumerate(dates):
        for j, band in enumerate(world.bands):
            name = f"noise {pixel} {date} {band}"
            # four uniform numbers add up to a nearly normal one
            parts = [_uniform(world.seed, f"{name} {k}", rows[:, None], columns) for k in range(4)]
            error = (parts[0] + parts[1] + parts[2] + parts[3] - 2) * np.sqrt(3)
            seen[i, j] = images[i, j] + noise * error
        if world.clouds:
            seen[i, :, _cloud_field(world, date, *places) > _cloud_level(world, date)] = np.nan
    return seen


def _cloud_field(world: _World, date: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    parts = [
        weight * _noise(world.seed, f"clouds {date} {cells}", rows, columns, cells * world.scale)
        for weight, cells in ((1.0, 5.0), (0.45, 2.3), (0.2, 1.1))
    ]
    return parts[0] + parts[1] + parts[2]


def _cloud_level(world: _World, date: int) -> float:
    """Return what the cloud field of the date exceeds over the wanted share of the scene."""
    places = [np.linspace(0, side - 1, 128) for side in world.shape]
    return float(np.quantile(_cloud_field(world, date, *places), 1 - world.clouds))


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


def _truth(
    world: _World, dates: Sequence[int], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return the true reflectance at scene rows and columns, (date, band, y, x)."""
    seed = world.seed
    fields = _fields(world, rows, columns)
    growth, ground = (
        0.8 * _noise(seed, f"{name} 1", rows, columns, 19.0)
        + 0.6 * _noise(seed, f"{name} 2", rows, columns, 4.3)
        for name in ("growth", "ground")
    )
    *_, road = _cells(seed, "roads", rows, columns, (168.0, 134.0), (0.8, 0.6))
    river, height = _river(world, rows, columns)
    track = np.where(fields.kind == _WOOD, 0.15, 0.55) * np.clip(1.2 - fields.border, 0, 1)
    road = np.clip(1.25 - road, 0, 1)
    speckle = 1 + 0.05 * (_uniform(seed, "speckle", rows[:, None], columns) - 0.5)
    out = np.empty((len(dates), len(world.bands), len(rows), len(columns)), "float32")
    for i, date in enumerate(dates):
        flooded, drowned = (
            np.clip((level - height) / 0.02, 0, 1)
            for level in (world.levels[date], max(world.levels[: date + 1]))
        )
        wet = 1 + 0.08 * (2 * _uniform(seed, "rain", np.array([date])) - 1)
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


def _fields(world: _World, rows: np.ndarray, columns: np.ndarray) -> _Fields:
    p, q, along, across, border = _cells(
        world.seed, "fields", rows, columns, (37.7, 17.9), (0.96, 0.28)
    )
    number = np.arange(p.min(), p.max() + 1), np.arange(q.min(), q.max() + 1)
    place = p - p.min(), q - q.min()

    def drawn(name: str) -> np.ndarray:
        return _uniform(world.seed, name, number[0][:, None], number[1])

    kind = np.searchsorted(np.cumsum(_SHARES)[:-1], drawn("class"), side="right")
    kind = np.where(_noise(world.seed, "woods", *number, 3.0) > 1.3, _WOOD, kind)
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
    own = (_FIRST_DAY + day) % 365 - fields.delay - 3 * growth
    season = _step((own - start) / rising) * (1 - _step((own - ripe) / drying))
    cover = (low + (high - low) * season) * fields.vigour * (1 + 0.06 * growth)
    return np.clip(np.where(fields.harvest < day, 0.04 * cover, cover), 0, 0.98)


def _river(world: _World, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of river water and the flood level that covers each pixel, (y, x) each."""
    seed, extent = world.seed, min(world.shape)
    bends = ((0.09 * extent, 0.7 * extent), (0.04 * extent, 0.17 * extent), (3.0, 31.0))

    def line(name: str, at: np.ndarray, length: float) -> np.ndarray:
        return _noise(seed, name, np.zeros(1), at, length)[0]

    def course(at: np.ndarray) -> np.ndarray:
        swings = [swing * line(f"river {i}", at, length) for i, (swing, length) in enumerate(bends)]
        return world.shape[0] * 0.5 + swings[0] + swings[1] + swings[2]

    middle = course(columns)
    slope = course(columns + 1) - middle
    distance = np.abs(rows[:, None] - middle) / np.sqrt(1 + slope * slope)
    width = 2.6 + 0.5 * line("width", columns, 60.0)
    far = distance / (0.13 * extent)
    terrain = _noise(seed, "terrain 1", rows, columns, 0.12 * extent)
    terrain = terrain + 0.6 * _noise(seed, "terrain 2", rows, columns, 0.04 * extent)
    height = far + 0.25 * terrain
    if world.kind == "mixed":  # dry on the right
        height = height + 2 * _step((columns / world.shape[1] - 0.35) / 0.3)
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
    site_u = p + 0.15 + 0.7 * _uniform(seed, f"{name} u", p, q)
    site_v = q + 0.15 + 0.7 * _uniform(seed, f"{name} v", p, q)
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


def _step(at: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 at 0 to 1 at 1."""
    at = np.clip(at, 0, 1)
    return at * at * (3 - 2 * at)


def _uniform(seed: int, name: str, *keys: np.ndarray) -> np.ndarray:
    """Return numbers 0..1 that depend on seed, name and whole-number keys only (splitmix64)."""
    start = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(name.encode())) & (2**64 - 1)
    mixed = _mix(np.array([start], np.uint64))
    for key in keys:
        mixed = _mix(mixed ^ (np.asarray(key).astype(np.int64).view(np.uint64) + np.uint64(1)))
    return (mixed >> np.uint64(11)) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _noise(
    seed: int, name: str, rows: np.ndarray, columns: np.ndarray, length: float
) -> np.ndarray:
    """Return noise of mean 0 and variance 1 that varies over about `length` pixels, (y, x).

    Random numbers on a grid of this spacing, smoothed by cubic B-splines along both axes.
    """
    (i, wi), (j, wj) = _taps(rows, length), _taps(columns, length)
    grid = np.arange(i.min(), i.max() + 4)[:, None], np.arange(j.min(), j.max() + 4)[None, :]
    table = _uniform(seed, name, *grid) - 0.5
    half = np.zeros((len(rows), table.shape[1]))
    for k in range(4):
        half += table[i - i.min() + k] * wi[k][:, None]
    full = np.zeros((len(rows), len(columns)))
    for k in range(4):
        full += half[:, j - j.min() + k] * wj[k]
    return full * (np.sqrt(12.0) * 315 / 151)


def _taps(at: np.ndarray, length: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the first of the four knots around each place and the weights of all four."""
    whole = np.floor(at / length)
    t = at / length - whole
    s = 1 - t
    near = (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6
    return whole.astype(np.int64) - 1, [s * s * s / 6, *near, t * t * t / 6]


def _spread(dates: int, pairs: int) -> tuple[int, ...]:
    """Return positions of dates at even distances, the first and, from two on, the last too."""
    gaps = max(pairs - 1, 1)
    return tuple((i * (dates - 1) + gaps // 2) // gaps for i in range(pairs))


def _paper(kind: str, seed: int, given: dict[str, Any]) -> tuple[xr.Dataset, xr.DataArray]:
    from xstf import papers

    defaults = simulate.__kwdefaults__ or {}
    for name, value in given.items():
        if value != defaults[name]:
            raise ValueError(
                f"{name}={value!r} does not fit kind={kind!r}, a paper's scene as it is; leave it "
                f"out, take kind='mixed', or see what xstf.papers.{kind} can vary"
            )
    return papers.zhu(seed) if kind == "zhu" else getattr(papers, kind)()


def _checked(
    size: int | tuple[int, int],
    scale: int,
    dates: int,
    pairs: int,
    bands: Sequence[str],
    clouds: float,
) -> tuple[int, int]:
    """Return the shape of the scene in fine pixels, or raise."""
    for name, value, least in (("scale", scale, 2), ("dates", dates, 2), ("pairs", pairs, 1)):
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name}={value!r} must be a whole number, {least} or more")
    if pairs >= dates:
        raise ValueError(
            f"pairs={pairs} of dates={dates} leave no date to predict; give at most {dates - 1} "
            f"pairs, or {pairs + 1} dates or more"
        )
    sides = (size,) * 2 if isinstance(size, int | np.integer) else tuple(np.atleast_1d(size))
    if len(sides) != 2:
        raise ValueError(f"size={size!r} must be one number of fine pixels, or (rows, columns)")
    for side in sides:
        if side % scale or side < 2 * scale:
            raise ValueError(
                f"size={size!r} must be two or more whole cells of {scale} pixels along each side; "
                f"give {max(2, round(side / scale)) * scale} instead of {side}, or another scale"
            )
    if isinstance(bands, str) or not bands or len({*bands} & {*BANDS}) != len(bands):
        raise ValueError(
            f"bands={bands!r} must be one or more names, each once; give a tuple of some of "
            f"{', '.join(BANDS)}"
        )
    if not 0 <= clouds < 1:
        raise ValueError(f"clouds={clouds!r} is no share of the pixels; give 0 <= clouds < 1")
    return int(sides[0]), int(sides[1])
