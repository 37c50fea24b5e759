"""Pictures: what is drawn, in which colours, and what is refused."""

import sys

import numpy as np
import pytest
import xarray as xr

from xstf import plot
from xstf.plot import overview

matplotlib = pytest.importorskip("matplotlib")


def image(bands, *, size=24, seed=0, high=0.5):
    values = np.random.default_rng(seed).uniform(0, high, (len(bands), size, size))
    return xr.DataArray(values.astype("f4"), dims=("band", "y", "x"), coords={"band": list(bands)})


def pixels(path):
    from matplotlib.image import imread

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


def test_false_colour_is_nir_red_green(tmp_path):
    fine = image(("green", "red", "nir"))
    low, high = plot._limits([np.array([[[0.0]], [[0.0]], [[0.0]]])])
    assert plot._chosen(fine, None) == ["nir", "red", "green"]
    assert plot._chosen(image((1, 2)), None) == [2, 1, 1]
    assert plot._chosen(image((1, 2, 3, 4)), None) == [4, 3, 2]
    assert plot._chosen(image(("red",)), None) == ["red"]
    assert low.shape == high.shape == (3, 1, 1)


def test_bands_are_found_by_name(tmp_path):
    fine = image(("green", "red", "nir"))
    other = fine.isel(band=[2, 0, 1])
    picked = [plot._picked(i, ["nir", "red", "green"], "a") for i in (fine, other)]
    np.testing.assert_array_equal(*picked)
    np.testing.assert_array_equal(picked[0][0], fine.sel(band="nir").values)


def test_missing_pixels_have_a_colour_of_their_own(tmp_path):
    whole = image(("green", "red", "nir"))
    holed = whole.copy()
    holed[1, 4:20, 4:20] = np.nan
    assert share_of(overview({"a": whole}, tmp_path / "a.png"), plot.MISSING) < 0.001
    assert share_of(overview({"a": holed}, tmp_path / "b.png"), plot.MISSING) > 0.2
    error = overview({"a": whole}, tmp_path / "c.png", errors={"e": holed - whole})
    assert share_of(error, plot.MISSING) > 0.1


def test_all_missing_is_drawn(tmp_path):
    nothing = image(("green", "red", "nir")) * np.nan
    path = overview({"a": nothing}, tmp_path / "a.png", errors={"e": nothing})
    assert share_of(path, plot.MISSING) > 0.4


def test_the_stretch_is_common_and_set_by_the_named(tmp_path):
    dark, bright = image(("red",), high=0.1), image(("red",), high=0.9)
    low, high = plot._limits([dark.values])
    assert 0.09 < float(high[0, 0, 0]) < 0.1
    assert 0 < float(low[0, 0, 0]) < 0.01
    by_dark = pixels(overview({"d": dark, "b": bright}, tmp_path / "a.png", stretch=["d"]))
    by_all = pixels(overview({"d": dark, "b": bright}, tmp_path / "b.png"))
    half = by_dark.shape[1] // 2
    assert by_dark[:, :half].mean() > by_all[:, :half].mean() + 0.1  # dark fills its own stretch
    assert by_dark[:, half:].mean() > by_all[:, half:].mean() + 0.1  # bright is cut off


def test_errors_share_one_scale(tmp_path):
    fine = image(("red", "nir"))
    small, large = fine * 0 + 0.001, fine * 0 + 0.1
    drawn = []

    class Panel:
        def imshow(self, values, *, vmax, **_):
            drawn.append((float(values.mean()), vmax))
            raise_after(drawn)

        def set_facecolor(self, _): ...
        def set_title(self, *_, **__): ...

    def raise_after(found):
        if len(found) == 2:
            raise StopIteration

    with pytest.raises(StopIteration):
        plot._draw_errors({"s": small, "l": -large}, [Panel(), Panel()])
    (first, top), (second, same) = drawn
    assert top == same == pytest.approx(0.1)
    assert (first, second) == (pytest.approx(0.001), pytest.approx(0.1))


@pytest.mark.parametrize(("images", "errors", "rows"), [(4, 1, 1), (5, 1, 2), (7, 3, 3), (1, 0, 1)])
def test_layout(images, errors, rows):
    from matplotlib.figure import Figure

    axes = plot._panels(Figure(), images, errors, (10, 10))
    assert len(axes) == images + errors
    assert axes[0].get_subplotspec().get_gridspec().nrows == rows
    assert len({tuple(a.get_subplotspec().get_position(a.figure).bounds) for a in axes}) == len(
        axes
    )


def test_the_users_backend_and_figures_are_left_alone(tmp_path):
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend(), plt.get_fignums()
    overview({"a": image(("red",))}, tmp_path / "a.png")
    assert (matplotlib.get_backend(), plt.get_fignums()) == before


def test_without_matplotlib_the_install_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for call in (
        plot.check_installed,
        lambda: overview({"a": image(("red",))}, tmp_path / "a.png"),
    ):
        with pytest.raises(ImportError, match=r'pip install "xstf\[plot\]"'):
            call()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ({}, {}, "no image to draw"),
        ({"a": image(("red",))[0]}, {}, r"'a' is .*not \(band, y, x\)"),
        ({"a": image(("red",)).values}, {}, "'a' is ndarray"),
        ({"a": image(("red",))}, {"bands": ["nir"]}, "'a' has no band 'nir'; it has red"),
        ({"a": image(("red", "nir"))}, {"bands": ["nir", "red"]}, "give one, or three"),
    ],
)
def test_refusals(tmp_path, images, options, message):
    with pytest.raises(ValueError, match=message):
        overview(images, tmp_path / "a.png", **options)
    assert not list(tmp_path.iterdir())
