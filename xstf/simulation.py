"""simulate(): seeded scenes with a known truth, for tests, documentation and users."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import xarray as xr

from xstf.chance import noise, uniform
from xstf.landscape import BANDS, World, reflectance
from xstf.papers import assemble

KINDS = ("parcels", "flood", "mixed")
PAPERS = ("gao_a", "gao_b", "gao_c", "zhu")
FINE_NOISE = 0.003  # standard deviations, reflectance
COARSE_NOISE = 0.002
EAGER = 1024  # largest side of a scene that is held in memory, fine pixels
CHUNK = 512  # side of the chunks of a larger one, before rounding down to whole cells
_DAYS = 16  # between two dates


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
    world = World(kind, shape, int(scale), days, fine_dates, tuple(bands), clouds, index(seed))
    chunk = None if max(shape) <= EAGER else max(1, CHUNK // scale) * scale
    return assemble(*_images(world, chunk), scale=world.scale, pairs=world.pairs, bands=world.bands)


def _images(world: World, chunk: int | None) -> tuple[Any, Any, Any]:
    """Return observed fine, coarse and true fine images, (time, band, y, x) each.

    Numpy arrays where `chunk` is None, else dask arrays with chunks of so many fine pixels, a
    multiple of the scale, and one date.
    """
    if chunk is None:
        dates = tuple(range(len(world.days)))
        truth = reflectance(world, dates, *map(np.arange, world.shape))
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


def _truth_block(world: World, block_info: Any = None) -> np.ndarray:
    (date, _), _, rows, columns = block_info[None]["array-location"]
    return reflectance(world, (date,), np.arange(*rows), np.arange(*columns))


def _fine_block(truth: np.ndarray, world: World, block_info: Any = None) -> np.ndarray:
    (i, _), _, (y, _), (x, _) = block_info[0]["array-location"]
    return _fine(world, truth, (world.pairs[i],), (y, x))


def _coarse_block(truth: np.ndarray, world: World, block_info: Any = None) -> np.ndarray:
    (date, _), _, (y, _), (x, _) = block_info[0]["array-location"]
    return _coarse(world, truth, (date,), (y, x))


def _fine(
    world: World, truth: np.ndarray, dates: Sequence[int], corner: tuple[int, int]
) -> np.ndarray:
    """Return what the fine sensor sees of true images (date, band, y, x) at a corner."""
    return _seen(world, truth, dates, corner, 1, FINE_NOISE)


def _coarse(
    world: World, truth: np.ndarray, dates: Sequence[int], corner: tuple[int, int]
) -> np.ndarray:
    """Return what the coarse sensor sees of true images, (date, band, cell, cell)."""
    from xstf.kernels.boxes import cell_means

    gain, bias = (number[:, None, None] for number in world.response)
    means = cell_means(truth, world.scale) * gain + bias
    return _seen(world, means, dates, corner, world.scale, COARSE_NOISE)


def _seen(
    world: World,
    images: np.ndarray,
    dates: Sequence[int],
    corner: tuple[int, int],
    pixel: int,
    deviation: float,
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
            parts = [uniform(world.seed, f"{name} {k}", rows[:, None], columns) for k in range(4)]
            error = (parts[0] + parts[1] + parts[2] + parts[3] - 2) * np.sqrt(3)
            seen[i, j] = images[i, j] + deviation * error
        if world.clouds:
            seen[i, :, _cloud_field(world, date, *places) > _cloud_level(world, date)] = np.nan
    return seen


def _cloud_field(world: World, date: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    parts = [
        weight * noise(world.seed, f"clouds {date} {cells}", rows, columns, cells * world.scale)
        for weight, cells in ((1.0, 5.0), (0.45, 2.3), (0.2, 1.1))
    ]
    return parts[0] + parts[1] + parts[2]


def _cloud_level(world: World, date: int) -> float:
    """Return what the cloud field of the date exceeds over the wanted share of the scene."""
    places = [np.linspace(0, side - 1, 128) for side in world.shape]
    return float(np.quantile(_cloud_field(world, date, *places), 1 - world.clouds))


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
