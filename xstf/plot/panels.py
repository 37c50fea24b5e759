"""One date: what was seen coarse, what was predicted, what was true, and the error between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf.checks import Parts
from xstf.dates import text_of
from xstf.plot.canvas import (
    LIGHT,
    beside,
    check_installed,
    height_of,
    new_figure,
    show,
    show_error,
    show_nothing,
)
from xstf.plot.colours import choose_bands, coloured, error_of, pick, stretch_of, top_of
from xstf.plot.given import Predicted, by_name, date_of, image_at, parts_of, sides_of

_SIDE = 2.6  # of a panel, inches
_ABREAST = 4  # most predictions beside each other


def triptych(
    scene: xr.Dataset | xr.DataTree,
    predicted: Predicted,
    *,
    date: Any = None,
    bands: str | Sequence[Any] | None = None,
    truth: xr.DataArray | None = None,
) -> Any:
    """Draw the coarse image, the predictions and the true image of a date, and maps of errors.

    All images share one stretch, 2 to 98 % of the truth or, without it, of the fine images that
    served. The error is predicted - truth, the mean over the drawn bands; all maps share one scale,
    symmetric about zero, within which 98 % of the absolute errors lie. Without truth there are no
    errors. Of images larger than 1500 pixels every n-th pixel is drawn.

    Parameters
    ----------
    scene
        The scene (`xstf.scene`).
    predicted
        What `fuse` returned, (time, band, y, x), or several by the name to print.
    date
        The date to draw. None: the first predicted one that has a fine image, else the first.
    bands
        ``"true"`` (red, green, blue), ``"false"`` (nir, red, green), one name (grey), or three.
        None: false colour where there is, else true colour, else the last three, or the only one.
    truth
        True fine images, (time, band, y, x) or (band, y, x). None: the scene's, where observed.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot; a notebook shows it, ``.savefig("a.png")`` writes it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        For a date that is not predicted, a band that does not exist, or sizes that differ.

    Examples
    --------
    >>> import xstf
    >>> from xstf.plot import triptych
    >>> scene, truth = xstf.simulate("parcels", size=64, dates=3)
    >>> figure = triptych(scene, scene.stf.fuse("add"), truth=truth)
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['coarse, 2020-04-17', 'add', 'truth', 'error of add']
    """
    check_installed()
    parts = parts_of(scene)
    given = by_name(predicted, parts.grid.shape)
    chosen = choose_bands(parts.ds["fine"], bands)
    day = date_of(parts, given, date)
    true = _true(parts, day, chosen, truth)
    coarse = pick(parts.ds["coarse"].sel(time=day), chosen, "coarse")
    images = {name: _picked(image_at(a, day), chosen, name) for name, a in given.items()}
    like = [true] if true is not None else [
        pick(side, chosen, "fine") for side in sides_of(parts, given, day)
    ]  # fmt: skip
    low, high = stretch_of(like or [i for i in images.values() if i is not None])
    errors = {
        name: None if image is None or true is None else error_of(image, true, chosen)
        for name, image in images.items()
    }
    layout = _Layout(len(images), parts.grid.shape, true is not None)
    figure = new_figure(*layout.size)
    cells = figure.add_gridspec(layout.rows, layout.columns)
    first = figure.add_subplot(cells[0, 0])
    show(first, coloured(coarse, low, high), f"coarse, {text_of(day)}")
    for i, (name, image) in enumerate(images.items()):
        panel = figure.add_subplot(cells[layout.place(i)])
        if image is None:
            show_nothing(panel, parts.grid.shape, name)
        else:
            show(panel, coloured(image, low, high), name)
    if true is not None:
        show(figure.add_subplot(cells[0, -1]), coloured(true, low, high), "truth")
        _draw_errors(figure, cells, layout, errors, chosen)
    return figure


class _Layout:
    """Where the panels go: the coarse image first, the truth last, predictions in between."""

    def __init__(self, number: int, shape: tuple[int, int], known: bool) -> None:
        blocks = -(-number // _ABREAST)
        self.abreast = -(-number // blocks)
        self.deep = 1 + known  # rows of a block: images, errors
        self.rows, self.columns = blocks * self.deep, self.abreast + 1 + known
        self.size = self.columns * _SIDE, self.rows * (height_of(shape, _SIDE) + 0.3)

    def place(self, i: int, below: int = 0) -> tuple[int, int]:
        """Return the row and column of prediction i, or of what is drawn below it."""
        return i // self.abreast * self.deep + below, 1 + i % self.abreast


def _true(
    parts: Parts, day: np.datetime64, bands: Sequence[Any], truth: xr.DataArray | None
) -> np.ndarray | None:
    """Return the bands of the true image, None where nothing is known of it."""
    if truth is not None:
        image = image_at(by_name({"truth": truth}, parts.grid.shape)["truth"], day)
        if image is None:
            raise ValueError(f"truth has no image of {text_of(day)}; give one, or another date")
    elif not parts.observed("fine")[parts.times == day].any():
        return None
    else:
        image = parts.ds["fine"].sel(time=day)
    found = pick(image, bands, "truth")
    return found if np.isfinite(found).any() else None


def _picked(image: xr.DataArray | None, bands: Sequence[Any], name: str) -> np.ndarray | None:
    return None if image is None else pick(image, bands, name)


def _draw_errors(
    figure: Any, cells: Any, layout: _Layout, errors: dict[str, Any], bands: Sequence[Any]
) -> None:
    """Draw each error below its prediction, and the colour bar below the truth."""
    top = top_of([error for error in errors.values() if error is not None])
    for i, (name, error) in enumerate(errors.items()):
        if error is not None:
            panel = figure.add_subplot(cells[layout.place(i, below=1)])
            drawn = show_error(panel, error, top, f"error of {name}")
    corner = figure.add_subplot(cells[-1, -1])
    corner.set_axis_off()
    names = ", ".join(dict.fromkeys(map(str, bands)))
    words = f"predicted − truth\n{'mean of ' if len(set(bands)) > 1 else ''}{names}"
    beside(corner, drawn, words, (0.0, 0.06, 0.06, 0.88), LIGHT).ax.set_label("errors")
