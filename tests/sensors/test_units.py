"""Stored numbers and reflectance."""

import numpy as np
import pytest
import xarray as xr

from xstf.sensors import PRODUCTS, recognise, to_reflectance


def stored(values, dtype=None):
    return xr.DataArray(np.atleast_2d(np.asarray(values, dtype)), dims=("y", "x"))


@pytest.mark.parametrize(
    ("product", "numbers", "expected"),
    [
        ("landsat-c2", [0, 7273, 43636, 65535], [np.nan, 7.5e-6, 0.99999, np.nan]),
        ("landsat-c1", [-9999, 0, 2500, 20000], [np.nan, 0, 0.25, np.nan]),
        ("hls", [-9999, -50, 2500, 16001], [np.nan, -0.005, 0.25, np.nan]),
        ("sentinel2", [0, 1, 2500, 65535], [np.nan, 1e-4, 0.25, np.nan]),
        ("sentinel2-04", [0, 1000, 3500, 65535], [np.nan, 0, 0.25, np.nan]),
        ("mod09", [-28672, -100, 2500, 16000], [np.nan, -0.01, 0.25, 1.6]),
        ("mcd43", [32767, 0, 2500, 10000], [np.nan, 0, 0.25, 1]),
        ("vnp09", [-28672, -100, 2500, 16000], [np.nan, -0.01, 0.25, 1.6]),
    ],
)
def test_numbers_of_products(product, numbers, expected):
    for dtype in ("int32", "float64"):
        found = to_reflectance(stored(numbers, dtype), product)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[0], expected, atol=1e-7)
    lazy = to_reflectance(stored(numbers, "int32").chunk(x=1), product)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy, found)
    assert set(PRODUCTS) == set(
        ["landsat-c2", "landsat-c1", "hls", "sentinel2", "sentinel2-04", "mod09", "mcd43", "vnp09"]
    )


def test_what_is_scaled_already_or_not_yet_is_refused():
    scaled = stored([0.1, 0.2])
    scaled.encoding["scale_factor"] = 1e-4
    with pytest.raises(ValueError, match="read with scale_factor, so they are scaled already"):
        to_reflectance(scaled, "hls")
    asking = stored([1000, 2000]).assign_attrs(scale_factor=2.75e-5)
    with pytest.raises(
        ValueError, match="carry scale_factor=2.75e-05, which is not how hls stores"
    ):
        to_reflectance(asking, "hls")
    with pytest.raises(ValueError, match="product='modis' is none of landsat-c2,"):
        to_reflectance(stored([1]), "modis")


@pytest.mark.parametrize("lazy", [False, True])
def test_reflectance_is_not_scaled_again(lazy):
    scaled = xr.DataArray(np.linspace(0.01, 0.6, 400).reshape(20, 20), dims=("y", "x"))
    scaled = scaled.chunk() if lazy else scaled
    with pytest.raises(ValueError, match="up to 0.6 are no stored numbers of MOD09.*leave"):
        to_reflectance(scaled, "mod09").compute()


def test_some_images_are_looked_at_where_the_middle_one_is_missing():
    series = land(300, 7000).astype("f4").isel(time=[0, 0, 0, 0, 0])
    series = series.assign_coords(time=np.arange(5), x=np.arange(40))
    assert recognise(series.where(series.time == 4)) == "1e-4"
    with pytest.raises(ValueError, match="only 0 pixels"):
        recognise(series * np.nan)
    marked = series.where(series.x % 5 > 0, -9999)
    with pytest.raises(ValueError, match="if -9999 stands for a missing pixel"):
        recognise(marked)
    with pytest.raises(TypeError, match="of a Dataset give one variable"):
        recognise(series.to_dataset(name="a"))


@pytest.mark.parametrize(
    "own", [{}, {"scale_factor": 1.0, "add_offset": 0.0}, {"scale_factor": 1e-4}]
)
def test_what_readers_note_is_respected_and_dropped(own):
    """Readers that do not decode leave scale, offset and fill as attributes."""
    images = stored([1000, 255, -9999], "int16").assign_attrs(own, _FillValue=255, sensor="OLI")
    found = to_reflectance(images, "hls")
    np.testing.assert_allclose(found[0], [0.1, np.nan, np.nan])
    assert found.attrs == {"sensor": "OLI", "units": "1", "valid_range": (0.0, 1.0)}


def land(low, high, whole=True, size=40, missing=0.0):
    random = np.random.default_rng(1)
    values = random.uniform(low, high, (1, 2, size, size))
    values = np.round(values) if whole else values
    values[random.random(values.shape) < missing] = np.nan
    return xr.DataArray(values, dims=("time", "band", "y", "x"))


@pytest.mark.parametrize(
    ("images", "units"),
    [
        (land(0.01, 0.6, whole=False), "reflectance"),
        (land(0.01, 0.6, whole=False, missing=0.9), "reflectance"),
        (land(-0.05, 1.3, whole=False), "reflectance"),
        (land(100, 6000), "1e-4"),
        (land(300, 700), "1e-4"),
        (land(-80, 3000), "1e-4"),
        (land(50.5, 4000.5, whole=False), "1e-4"),
        (land(7500, 25000), "landsat-c2"),
        (land(7300, 11000), "landsat-c2"),
        (land(3, 240), "1/255"),
    ],
)
def test_units_are_recognised(images, units):
    assert recognise(images) == units
    assert recognise(images.chunk(y=7)) == units


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (land(0.1, 0.5, whole=False, size=8).isel(band=[0]), "only 64 pixels of some images"),
        (land(280.5, 310.5, whole=False), "neither reflectance nor.*valid_range=None for temp"),
        (land(280.5, 310.5, whole=False) * 1000, "neither reflectance nor"),
        (land(0, 0), "all pixels of a sample are 0"),
        (land(-5000, 100), "neither reflectance nor"),
        (land(2.5, 9.5, whole=False), "neither reflectance nor"),
    ],
)
def test_units_that_fit_nothing_are_refused(images, match):
    with pytest.raises(ValueError, match=match):
        recognise(images)
