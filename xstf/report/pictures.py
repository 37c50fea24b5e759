"""The pictures of a page: small images as data URIs."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import xarray as xr

from xstf.plot.canvas import DARK, DIVERGING, LIGHT, Theme, new_figure
from xstf.plot.charts import draw_errors
from xstf.plot.colours import (
    MISSING,
    coloured,
    error_of,
    pick,
    rgb,
    step_of,
    stretch_of,
    top_of,
)
from xstf.plot.diagram import METRICS, draw_apa
from xstf.plot.given import image_at
from xstf.plot.numbers import label_of

SIDE = 900  # most pixels of a picture along a side
_FEWEST = 300  # the same, where there are very many pictures
_PIXELS = 30e6  # of all pictures of a page together, about
_QUALITY = 88  # of JPEG
_WIDTHS = {"wide": 7.4, "narrow": 3.9}  # of charts, inches


@dataclass(frozen=True)
class Picture:
    """One image of a page."""

    role: str  # "truth", "coarse", "image" or "error"
    method: str  # "" for what no method made
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Shown:
    """The pictures of one date; the errors end at -top and top."""

    pictures: tuple[Picture, ...]
    top: float


def side_of(dates: int, methods: int) -> int:
    """Return the most pixels along a side, fewer where there are many pictures."""
    number = dates * (2 * methods + 2)
    return int(np.clip(np.sqrt(_PIXELS / number), _FEWEST, SIDE))


def shown_of(
    date: np.datetime64,
    truth: xr.DataArray,
    predicted: Mapping[str, xr.DataArray],
    coarse: xr.DataArray | None,
    bands: Sequence[Any],
    most: int,
) -> Shown | None:
    """Return the pictures of one date, all in the stretch of the truth; None without a truth.

    Lazy images are computed here, one after the other.
    """
    image = image_at(truth, date)
    if image is None:
        return None
    true = pick(image, bands, "truth", most)
    low, high = stretch_of([true])
    pictures = [_picture("truth", "", coloured(true, low, high))]
    cells = None if coarse is None else image_at(coarse, date)
    if cells is not None:
        cells_ = pick(cells, bands, "coarse", most)
        pictures.append(_picture("coarse", "", coloured(cells_, low, high)))
    errors = {}
    for name, images in predicted.items():
        image = image_at(images, date)
        if image is not None:
            values = pick(image, bands, name, most)
            pictures.append(_picture("image", name, coloured(values, low, high)))
            errors[name] = error_of(values, true, bands)
    top = top_of(list(errors.values())) if errors else 1.0
    pictures += [_picture("error", name, _diverging(e, top)) for name, e in errors.items()]
    return Shown(tuple(pictures), top)


def every(shape: Sequence[int], most: int) -> str:
    """Return in words which pixels are drawn."""
    step = step_of(shape, most)
    return "every pixel" if step == 1 else f"one pixel of {step} along each side"


def ramp() -> str:
    """Return the colours of the errors from the lowest to the highest, as a data URI."""
    return uri_of(_diverging(np.linspace(-1, 1, 255, dtype=np.float32)[None], 1.0))


def _picture(role: str, method: str, colours: np.ndarray) -> Picture:
    return Picture(role, method, uri_of(colours), colours.shape[1], colours.shape[0])


def _diverging(error: np.ndarray, top: float) -> np.ndarray:
    """Return (y, x, 3) uint8 colours of signed errors (y, x)."""
    from matplotlib import colormaps

    colours = colormaps[DIVERGING](np.clip(error / (2 * top) + 0.5, 0, 1), bytes=True)[..., :3]
    colours[~np.isfinite(error)] = rgb(MISSING)
    return colours


def uri_of(colours: np.ndarray) -> str:
    """Return (y, x, 3) uint8 colours as a data URI: PNG or JPEG, whichever is smaller."""
    from PIL import Image

    image, found = Image.fromarray(colours), {}
    for kind, options in (
        ("png", {}),
        ("jpeg", {"quality": _QUALITY, "subsampling": 0}),
    ):
        held = BytesIO()
        image.save(held, kind, **options)
        found[kind] = held.getvalue()
    kind = min(found, key=lambda k: len(found[k]))
    return _uri(kind, found[kind])


def charts_of(scores: xr.Dataset) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Return title, caption and variants of each chart that the scores suffice for."""
    label = label_of(scores, "rmse").split(" $")[0]
    rows = scores.sizes["name"]
    heights = {"wide": 1.05 + 0.34 * rows, "narrow": 1.05 + 0.36 * rows}
    yield (
        f"{label} of each method",
        "One dot for each date, a bar at their mean; the best on top, what does nothing in grey.",
        _variants(lambda f, theme: draw_errors(f, scores, "rmse", None, theme), heights),
    )
    if set(METRICS) <= set(scores.data_vars):
        yield (
            "All-round performance",
            "Spectral error (RMSE) against spatial error (Edge): the best are near the star. "
            "The colour is the bias, the marker the texture (LBP); lines reach from the smallest "
            "to the largest date.",
            _variants(
                lambda f, theme: draw_apa(f, scores, None, theme), {"wide": 4.9, "narrow": 4.9}
            ),
        )


def _variants(draw: Any, heights: Mapping[str, float]) -> dict[str, str]:
    """Return a chart as data URIs for wide and narrow windows, light and dark."""
    found = {}
    themes: Mapping[str, Theme] = {"light": LIGHT, "dark": DARK}
    for size, width in _WIDTHS.items():
        for mood, theme in themes.items():
            figure = new_figure(width, heights[size])
            draw(figure, theme)
            found[f"{size}_{mood}"] = _chart(figure)
    return found


def _chart(figure: Any) -> str:
    held = BytesIO()
    figure.savefig(held, format="png", dpi=180, transparent=True)
    return _uri("png", held.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
