"""Pictures of scenes and results, with matplotlib, without touching its backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

MISSING = "#c9d3e6"  # a light blue that no false-colour vegetation or soil has
FALSE_COLOUR = ("nir", "red", "green")
_SIDE = 3.0  # of a panel, inches
_INSTALL = 'pictures need matplotlib; install it: pip install "xstf[plot]"'


def overview(
    images: Mapping[str, xr.DataArray],
    path: str | Path,
    *,
    bands: Sequence[Any] | None = None,
    errors: Mapping[str, xr.DataArray] | None = None,
    stretch: Sequence[str] | None = None,
) -> Path:
    """Draw images side by side, all in one stretch, and maps of errors below one scale.

    Parameters
    ----------
    images
        (band, y, x) images of one place by title; fine and coarse ones may be mixed.
    path
        File to write; its end says the format, as in ``"overview.png"``.
    bands
        Three bands as red, green and blue, or one in grey. None: nir, red, green where the images
        have them, else the last three (of two: both, the second one as green and blue), or one.
    errors
        Differences to the truth (band, y, x) by title: the mean over bands of their absolute
        value is drawn.
    stretch
        Titles of the images that set the stretch, 2 to 98 % of each band. None: all.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there is no image, an image is no (band, y, x), or a band is missing.

    Examples
    --------
    >>> import tempfile, xstf
    >>> from xstf.plot import overview
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = overview({"truth": truth[1], "coarse": scene.coarse[1]}, f"{folder}/a.png")
    ...     path.exists()
    True
    """
    figure_class = _figure_class()
    errors, path = errors or {}, Path(path)
    for name, image in {**images, **errors}.items():
        if not isinstance(image, xr.DataArray) or image.ndim != 3 or image.dims[0] != "band":
            dims = getattr(image, "dims", type(image).__name__)
            raise ValueError(f"{name!r} is {dims}, not (band, y, x); take one date of it first")
    if not images:
        raise ValueError("there is no image to draw; give at least one")
    chosen = _chosen(next(iter(images.values())), bands)
    values = {name: _picked(image, chosen, name) for name, image in images.items()}
    low, high = _limits([values[n] for n in (stretch or values)])
    figure = figure_class(dpi=120, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # inches
    axes = _panels(figure, len(values), len(errors), next(iter(values.values())).shape[1:])
    for (name, picked), panel in zip(values.items(), axes, strict=False):
        panel.imshow(_colours(picked, low, high), interpolation="nearest")
        panel.set_title(name, fontsize=9)
    if errors:
        _draw_errors(errors, axes[len(values) :])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def check_installed() -> None:
    """Raise ImportError, with the install line, where matplotlib is missing."""
    _figure_class()


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    return Figure


def _chosen(image: xr.DataArray, bands: Sequence[Any] | None) -> list[Any]:
    """Return the bands to draw: one, or three, of which two may be the same."""
    names = list(image["band"].values) if "band" in image.coords else list(range(image.shape[0]))
    if bands is not None:
        if len(bands) not in (1, 3):
            raise ValueError(f"bands={list(bands)!r} are {len(bands)}; give one, or three")
        return list(bands)
    if set(FALSE_COLOUR) <= set(map(str, names)):
        return list(FALSE_COLOUR)
    if len(names) == 1:
        return names
    return [names[-1], names[-2], names[-3] if len(names) > 2 else names[-2]]


def _picked(image: xr.DataArray, chosen: list[Any], name: str) -> np.ndarray:
    """Return the bands to draw, (1 or 3, y, x) float64."""
    own = image["band"].values if "band" in image.coords else np.arange(image.shape[0])
    where = {str(band): i for i, band in enumerate(own)}
    missing = [band for band in chosen if str(band) not in where]
    if missing:
        raise ValueError(f"{name!r} has no band {missing[0]!r}; it has {', '.join(where)}")
    return image.isel(band=[where[str(band)] for band in chosen]).values.astype(np.float64)


def _limits(images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the values drawn black and bright of each band, (band, 1, 1)."""
    found = []
    for band in range(len(images[0])):
        values = np.concatenate([i[band][np.isfinite(i[band])] for i in images])
        low, high = np.percentile(values, [2, 98]) if values.size else (0.0, 1.0)
        found.append((low, high if high > low else low + 1))
    low, high = np.array(found).T[..., None, None]
    return low, high


def _colours(image: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return (y, x, 3) colours 0..1; a pixel that lacks a band has the colour of the missing."""
    seen = np.isfinite(image).all(axis=0)
    scaled = np.clip((np.where(seen, image, 0) - low) / (high - low), 0, 1)
    picture = np.broadcast_to(scaled, (3, *scaled.shape[1:])).transpose(1, 2, 0).copy()
    picture[~seen] = [int(MISSING[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return picture


def _panels(figure: Any, images: int, errors: int, shape: tuple[int, ...]) -> list[Any]:
    """Return the axes of the images and then of the errors, which begin a row if they are many."""
    total = images + errors
    columns = total if total <= 5 else -(-total // 2) if errors < 2 and total <= 10 else 4
    first = -(-images // columns) * columns if errors > 1 and total > 5 else images
    rows = -(-(first + errors) // columns)
    height = _SIDE * min(3.0, max(1 / 3, shape[0] / shape[1])) + 0.3
    figure.set_size_inches(columns * (_SIDE + 0.1) + 0.7 * bool(errors), rows * height)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in grid:
        panel.set(xticks=[], yticks=[])
        panel.set_visible(False)
    used = [*grid[:images], *grid[first : first + errors]]
    for panel in used:
        panel.set_visible(True)
    return used


def _draw_errors(errors: Mapping[str, xr.DataArray], axes: Sequence[Any]) -> None:
    """Draw the mean absolute error over bands, all in one scale, with a colour bar at the end."""
    maps = {name: abs(e).mean("band", skipna=False).values for name, e in errors.items()}
    finite = np.concatenate([m[np.isfinite(m)] for m in maps.values()])
    top = float(np.percentile(finite, 98)) if finite.size else 1.0
    for (name, error), panel in zip(maps.items(), axes, strict=True):
        drawn = panel.imshow(
            np.ma.masked_invalid(error),
            vmin=0,
            vmax=top or 1.0,
            cmap="magma",
            interpolation="nearest",
        )
        panel.set_facecolor(MISSING)
        panel.set_title(name, fontsize=9)
    bar = axes[-1].inset_axes((1.04, 0.0, 0.05, 1.0))
    bar.set_in_layout(axes[-1].get_subplotspec().is_last_col())  # else there is an empty cell
    axes[-1].figure.colorbar(drawn, cax=bar, extend="max").ax.tick_params(labelsize=7)
    bar.set_ylabel("mean absolute error", fontsize=8)
