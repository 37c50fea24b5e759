"""One sheet of images and maps of errors, written to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xstf.plot.canvas import height_of, new_figure, show
from xstf.plot.colours import (
    MISSING,
    PANEL,
    choose_bands,
    coloured,
    pick,
    step_of,
    stretch_of,
    thinned,
    top_of,
)

_SIDE = 3.0  # of a panel, inches


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
        Three bands as red, green and blue, or one in grey; ``"true"`` or ``"false"`` colour. None:
        nir, red, green where the images have them, else red, green, blue, else the last three (of
        two: both, the second one as green and blue), or one.
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
    figure = new_figure(1, 1)
    errors, path = errors or {}, Path(path)
    for name, image in {**images, **errors}.items():
        if not isinstance(image, xr.DataArray) or image.ndim != 3 or image.dims[0] != "band":
            dims = getattr(image, "dims", type(image).__name__)
            raise ValueError(f"{name!r} is {dims}, not (band, y, x); take one date of it first")
    if not images:
        raise ValueError("there is no image to draw; give at least one")
    chosen = choose_bands(next(iter(images.values())), bands)
    values = {name: pick(image, chosen, name) for name, image in images.items()}
    low, high = stretch_of([values[n] for n in (stretch or values)])
    axes = _panels(figure, len(values), len(errors), next(iter(values.values())).shape[1:])
    for (name, picked), panel in zip(values.items(), axes, strict=False):
        show(panel, coloured(picked, low, high), name)
    if errors:
        _draw_errors(errors, axes[len(values) :])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _panels(figure: Any, images: int, errors: int, shape: tuple[int, ...]) -> list[Any]:
    """Return the axes of the images and then of the errors, which begin a row if they are many."""
    total = images + errors
    columns = total if total <= 5 else -(-total // 2) if errors < 2 and total <= 10 else 4
    first = -(-images // columns) * columns if errors > 1 and total > 5 else images
    rows = -(-(first + errors) // columns)
    height = height_of(shape, _SIDE) + 0.3
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
    maps = {}
    for name, error in errors.items():
        part = thinned(error, step_of(error.shape[1:], PANEL))
        maps[name] = abs(part).mean("band", skipna=False).values
    top = top_of(list(maps.values()))
    for (name, drawn), panel in zip(maps.items(), axes, strict=True):
        panel.set_facecolor(MISSING)
        shown = show(panel, np.ma.masked_invalid(drawn), name, vmin=0, vmax=top, cmap="magma")
    bar = axes[-1].inset_axes((1.04, 0.0, 0.05, 1.0))
    bar.set_in_layout(axes[-1].get_subplotspec().is_last_col())  # else there is an empty cell
    axes[-1].figure.colorbar(shown, cax=bar, extend="max").ax.tick_params(labelsize=7)
    bar.set_ylabel("mean absolute error", fontsize=8)
