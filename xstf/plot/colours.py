"""From bands to colours: which bands, how dark and bright, how many pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

MISSING = "#c9d3e6"  # a light blue that no false-colour vegetation or soil has
FALSE_COLOUR = ("nir", "red", "green")
TRUE_COLOUR = ("red", "green", "blue")
PANEL = 1500  # most pixels of a drawn image along a side
_NAMED = {"true": TRUE_COLOUR, "false": FALSE_COLOUR}


def bands_of(image: xr.DataArray) -> list[Any]:
    """Return the names of the bands, or their numbers where they have none."""
    if "band" in image.coords:
        return np.atleast_1d(image["band"].values).tolist()
    return list(range(image.sizes["band"]))


def choose_bands(image: xr.DataArray, bands: str | Sequence[Any] | None) -> list[Any]:
    """Return the bands to draw: one, or three as red, green and blue, of which two may be the same.

    Parameters
    ----------
    image
        Anything with a dimension ``band``.
    bands
        ``"true"`` for red, green, blue; ``"false"`` for nir, red, green; one name; or a list of one
        or three. None: false colour where the image has it, else true colour, else the last three
        (of two: both, the second one as green and blue), or the only one.

    Raises
    ------
    ValueError
        If there is no such band, or their number is neither one nor three.
    """
    names = bands_of(image)
    known = set(map(str, names))
    if bands is None:
        for colours in _NAMED["false"], _NAMED["true"]:
            if set(colours) <= known:
                return list(colours)
        if len(names) == 1:
            return names
        return [names[-1], names[-2], names[-3] if len(names) > 2 else names[-2]]
    chosen = list(bands)
    if isinstance(bands, str):
        chosen = [bands] if bands in known else list(_NAMED.get(bands, [bands]))
    if len(chosen) not in (1, 3):
        raise ValueError(f"bands={chosen!r} are {len(chosen)}; give one, or three")
    missing = [band for band in chosen if str(band) not in known]
    if missing:
        raise ValueError(
            f"there is no band {missing[0]!r} to draw; there are {', '.join(map(str, names))}: "
            "give one of them, or three as red, green and blue"
        )
    return chosen


def pick(image: xr.DataArray, bands: Sequence[Any], name: str, most: int = PANEL) -> np.ndarray:
    """Return bands of one image, (1 or 3, y, x) float32, of every n-th pixel of a large one.

    Only these pixels leave a lazy image; see `step_of` for n.

    Raises
    ------
    ValueError
        If it is no (band, y, x) image, or a band is missing.
    """
    if not isinstance(image, xr.DataArray) or image.ndim != 3 or image.dims[0] != "band":
        dims = getattr(image, "dims", type(image).__name__)
        raise ValueError(f"{name!r} is {dims}, not (band, y, x); take one date of it first")
    where = {str(band): i for i, band in enumerate(bands_of(image))}
    missing = [band for band in bands if str(band) not in where]
    if missing:
        raise ValueError(f"{name!r} has no band {missing[0]!r}; it has {', '.join(where)}")
    part = thinned(image, step_of(image.shape[1:], most))
    part = part.isel(band=[where[str(band)] for band in bands])
    return np.asarray(part.values, np.float32)


def thinned(image: xr.DataArray, step: int) -> xr.DataArray:
    """Return every n-th pixel along the last two dimensions."""
    return image if step == 1 else image[..., ::step, ::step]


def step_of(shape: Sequence[int], most: int) -> int:
    """Return the smallest n so that every n-th pixel makes at most `most` along both sides."""
    return max(1, -(-max(shape) // most))


def stretch_of(images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values drawn black and bright, 2 and 98 % of each band, (band, 1, 1)."""
    found = []
    for band in range(len(images[0])):
        values = np.concatenate([i[band][np.isfinite(i[band])] for i in images])
        low, high = np.percentile(values, [2, 98]) if values.size else (0.0, 1.0)
        found.append((low, high if high > low else low + 1))
    low, high = np.array(found, np.float32).T[..., None, None]
    return low, high


def coloured(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return (y, x, 3) uint8 colours; a pixel that lacks a band has the colour of the missing."""
    seen = np.isfinite(image).all(axis=0)
    scaled = np.clip((np.where(seen, image, 0) - low) / (high - low), 0, 1)
    bytes_ = np.rint(scaled * 255).astype(np.uint8)
    picture = np.broadcast_to(bytes_, (3, *bytes_.shape[1:])).transpose(1, 2, 0).copy()
    picture[~seen] = rgb(MISSING)
    return picture


def rgb(colour: str) -> list[int]:
    """Return red, green and blue 0..255 of a colour written as #rrggbb."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def error_of(predicted: np.ndarray, truth: np.ndarray, bands: Sequence[Any]) -> np.ndarray:
    """Return predicted - truth, the mean over the drawn bands, each once, (y, x) float32."""
    once = [i for i, band in enumerate(bands) if band not in list(bands)[:i]]
    return (predicted[once] - truth[once]).mean(axis=0)


def top_of(errors: Sequence[np.ndarray]) -> float:
    """Return where a symmetric scale ends: 98 % of the absolute errors lie within."""
    finite = np.concatenate([np.abs(e[np.isfinite(e)]) for e in errors])
    return (float(np.percentile(finite, 98)) if finite.size else 0.0) or 1.0
