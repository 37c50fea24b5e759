"""The sheet that is written to a file: what is drawn, in which colours, and what is refused."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.image import imread

from xstf.plot import MISSING, overview
from xstf.plot.sheet import _draw_errors, _panels


def image(bands, *, size=24, seed=0, high=0.5):
    values = np.random.default_rng(seed).uniform(0, high, (len(bands), size, size))
    return xr.DataArray(values.astype("f4"), dims=("band", "y", "x"), coords={"band": list(bands)})


def pixels(path):
    return imread(path)[..., :3]


def share_of(path, colour):
    wanted = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return float((np.abs(pixels(path) - wanted).max(axis=-1) < 0.01).mean())


@pytest.mark.parametrize("bands", [("red",), ("red", "nir"), ("green", "red", "nir"), (1, 2, 3, 4)])
def test_any_number_of_bands(tmp_path, bands):
    path = overview({"a": image(bands), "b": image(bands, size=6)}, tmp_path / "new" / "a.png")
    assert path == tmp_path / "new" / "a.png"
    drawn = pixels(path)
    assert drawn.std() > 0.05
    coloured = np.ptp(drawn, axis=-1).max() > 0.1
    assert coloured == (len(bands) > 1)


def test_missing_pixels_have_a_colour_of_their_own(tmp_path):
    whole = image(("green", "red", "nir"))
    holed = whole.copy()
    holed[1, 4:20, 4:20] = np.nan
    assert share_of(overview({"a": whole}, tmp_path / "a.png"), MISSING) < 0.001
    assert share_of(overview({"a": holed}, tmp_path / "b.png"), MISSING) > 0.2
    error = overview({"a": whole}, tmp_path / "c.png", errors={"e": holed - whole})
    assert share_of(error, MISSING) > 0.1


def test_all_missing_is_drawn(tmp_path):
    nothing = image(("green", "red", "nir")) * np.nan
    path = overview({"a": nothing}, tmp_path / "a.png", errors={"e": nothing})
    assert share_of(path, MISSING) > 0.4


def test_the_stretch_is_common_and_set_by_the_named(tmp_path):
    dark, bright = image(("red",), high=0.1), image(("red",), high=0.9)
    by_dark = pixels(overview({"d": dark, "b": bright}, tmp_path / "a.png", stretch=["d"]))
    by_all = pixels(overview({"d": dark, "b": bright}, tmp_path / "b.png"))
    half = by_dark.shape[1] // 2
    assert by_dark[:, :half].mean() > by_all[:, :half].mean() + 0.1  # dark fills its own stretch
    assert by_dark[:, half:].mean() > by_all[:, half:].mean() + 0.1  # bright is cut off


def test_errors_share_one_scale():
    fine = image(("red", "nir"))
    panels = Figure().subplots(1, 2)
    _draw_errors({"s": fine * 0 + 0.001, "l": fine * 0 - 0.1}, panels)
    (small,), (large,) = (panel.images for panel in panels)
    assert small.get_clim() == large.get_clim() == (0, pytest.approx(0.1))
    assert small.get_array().mean() == pytest.approx(0.001)
    assert large.get_array().mean() == pytest.approx(0.1)


@pytest.mark.parametrize(("images", "errors", "rows"), [(4, 1, 1), (5, 1, 2), (7, 3, 3), (1, 0, 1)])
def test_layout(images, errors, rows):
    axes = _panels(Figure(), images, errors, (10, 10))
    assert len(axes) == images + errors
    assert axes[0].get_subplotspec().get_gridspec().nrows == rows
    assert len({tuple(a.get_subplotspec().get_position(a.figure).bounds) for a in axes}) == len(
        axes
    )


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ({}, {}, "no image to draw"),
        ({"a": image(("red",))[0]}, {}, r"'a' is .*not \(band, y, x\)"),
        ({"a": image(("red",)).values}, {}, "'a' is ndarray"),
        ({"a": image(("red",))}, {"bands": ["nir"]}, "no band 'nir' to draw; there are red"),
        ({"a": image(("red", "nir"))}, {"bands": ["nir", "red"]}, "give one, or three"),
        ({"a": image(("red",)), "b": image(("nir",))}, {}, "'b' has no band 'red'; it has nir"),
    ],
)
def test_refusals(tmp_path, images, options, message):
    with pytest.raises(ValueError, match=message):
        overview(images, tmp_path / "a.png", **options)
    assert not list(tmp_path.iterdir())
