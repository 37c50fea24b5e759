"""Which bands become which colours, how dark, and of how many pixels."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from xstf.plot.colours import (
    MISSING,
    choose_bands,
    coloured,
    error_of,
    pick,
    rgb,
    step_of,
    stretch_of,
    top_of,
)


def image(bands, size=8, seed=0):
    values = np.random.default_rng(seed).uniform(0, 0.5, (len(bands), size, size)).astype("f4")
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(bands)})


LANDSAT = ("blue", "green", "red", "nir")


@pytest.mark.parametrize(
    ("there", "asked", "drawn"),
    [
        (LANDSAT, None, ["nir", "red", "green"]),
        (LANDSAT, "true", ["red", "green", "blue"]),
        (LANDSAT, "false", ["nir", "red", "green"]),
        (LANDSAT, "nir", ["nir"]),
        (LANDSAT, ["blue", "nir", "red"], ["blue", "nir", "red"]),
        (("red", "blue", "green"), None, ["red", "green", "blue"]),
        (("true", "b"), "true", ["true"]),
        ((1, 2), None, [2, 1, 1]),
        ((1, 2, 3, 4), None, [4, 3, 2]),
        (("lst",), None, ["lst"]),
    ],
)
def test_which_bands(there, asked, drawn):
    assert choose_bands(image(there), asked) == drawn


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("true", "no band 'blue' to draw; there are green, red, nir"),
        ("swir1", "no band 'swir1' to draw; there are green, red, nir"),
        (["green", "red", "ultra"], "no band 'ultra'"),
        (["green", "red"], "are 2; give one, or three"),
    ],
)
def test_bands_that_are_not_there(asked, message):
    with pytest.raises(ValueError, match=message):
        choose_bands(image(("green", "red", "nir")), asked)


def test_bands_without_names_are_numbers():
    unnamed = image(LANDSAT).drop_vars("band")
    assert choose_bands(unnamed, None) == [3, 2, 1]
    np.testing.assert_array_equal(pick(unnamed, [3, 0, 1], "a"), unnamed.values[[3, 0, 1]])


def test_bands_are_found_by_name():
    one = image(("green", "red", "nir"))
    other = one.isel(band=[2, 0, 1])
    wanted = ["nir", "red", "green"]
    np.testing.assert_array_equal(pick(one, wanted, "a"), pick(other, wanted, "b"))
    np.testing.assert_array_equal(pick(one, wanted, "a")[0], one.sel(band="nir").values)


@pytest.mark.parametrize(("shape", "step"), [((1500, 10), 1), ((1501, 10), 2), ((7008, 7008), 5)])
def test_step(shape, step):
    assert step_of(shape, 1500) == step


def test_of_a_large_lazy_image_every_nth_pixel_as_float32():
    whole = image(("red", "nir"), size=64)
    lazy = whole.copy(data=da.from_array(whole.values, chunks=(2, 16, 16))).astype("f8")
    seen = pick(lazy, ["nir"], "a", most=20)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen[0], whole.values[1, ::4, ::4])


def test_stretch_is_2_to_98_percent_of_all_together():
    ramp = np.arange(101, dtype="f4").reshape(1, 1, 101)
    low, high = stretch_of([ramp])
    assert (low.item(), high.item()) == (2, 98)
    low, high = stretch_of([ramp, ramp + 101])
    np.testing.assert_allclose(
        (low.item(), high.item()), np.percentile([*ramp[0, 0], *(ramp + 101)[0, 0]], (2, 98))
    )
    low, high = stretch_of([np.full((3, 2, 2), np.nan, "f4")])
    assert low.shape == high.shape == (3, 1, 1)
    assert (high > low).all()
    low, high = stretch_of([np.full((1, 2, 2), 0.3, "f4")])
    assert high > low


def test_colours():
    values = np.array([[[0.0, 0.5, 1.0, 2.0, np.nan]]] * 2 + [[[0.0, 0.5, 1.0, 2.0, 0.1]]], "f4")
    low, high = np.zeros((3, 1, 1), "f4"), np.ones((3, 1, 1), "f4")
    drawn = coloured(values, low, high)
    assert drawn.dtype == np.uint8
    assert drawn[0].tolist() == [[0] * 3, [128] * 3, [255] * 3, [255] * 3, rgb(MISSING)]
    grey = coloured(values[:1], low[:1], high[:1])
    np.testing.assert_array_equal(grey, drawn)


def test_the_error_counts_each_band_once():
    truth = np.zeros((3, 1, 2), "f4")
    predicted = np.array([[[0.3, np.nan]], [[0.1, 0.1]], [[0.1, 0.1]]], "f4")
    np.testing.assert_allclose(error_of(predicted, truth, ["b", "a", "a"]), [[0.2, np.nan]])


def test_where_a_symmetric_scale_ends():
    errors = np.linspace(-1, 0.5, 2001, dtype="f4")[None]
    assert top_of([errors]) == pytest.approx(np.percentile(np.abs(errors), 98))
    assert top_of([errors * np.nan]) == top_of([errors * 0]) == 1
