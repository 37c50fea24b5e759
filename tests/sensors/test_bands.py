"""Bands by what they see."""

import numpy as np
import pytest
import xarray as xr

import xstf
from xstf.sensors import SENSORS, select_bands


def labelled(*labels, **coords):
    values = np.arange(float(len(labels)))[:, None, None] * np.ones((1, 2, 2))
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(labels)} | coords)


@pytest.mark.parametrize("sensor", SENSORS)
def test_tables_are_sound(sensor):
    table = SENSORS[sensor]
    assert len({band.name for band in table}) == len({band.label for band in table}) == len(table)
    assert all(300 < band.low < band.high for band in table)


@pytest.mark.parametrize("name", ["blue", "green", "red", "nir", "swir1", "swir2"])
def test_bands_of_one_name_see_the_same_light(name):
    """Their middles are nearer to each other than to any band of another name."""
    middles = {
        (sensor, band.name): (band.low + band.high) / 2
        for sensor, table in SENSORS.items()
        for band in table
        if band.name in ("blue", "green", "red", "nir", "swir1", "swir2")
    }
    own = [middle for (_, one), middle in middles.items() if one == name]
    others = [middle for (_, one), middle in middles.items() if one != name]
    centre = np.median(own)
    assert max(abs(m - centre) for m in own) < min(abs(m - centre) for m in others)


def test_labels_of_catalogues():
    """Their nir of Sentinel-2 is the broad band, beside nir08; alone it is taken at its word."""
    landsat = labelled("red", "nir08", "swir16", "swir22", "lwir11")
    found = select_bands(landsat, "landsat8", ["swir2", "nir", "thermal"])
    np.testing.assert_array_equal(found[:, 0, 0], [3, 1, 4])
    both = labelled("red", "nir", "nir08")
    found = select_bands(both, "sentinel2", ["nir_broad", "nir"])
    np.testing.assert_array_equal(found[:, 0, 0], [1, 2])
    found = select_bands(both[:2], "sentinel2", ["nir"])
    np.testing.assert_array_equal(found[:, 0, 0], [1])


@pytest.mark.parametrize(
    ("sensor", "labels"),
    [
        ("landsat8", ["SR_B2", "SR_B3", "SR_B4", "SR_B5"]),
        ("landsat9", ["B02", "B03", "B04", "B05"]),  # HLS L30
        ("landsat8", ["HLS.L30.B02", "HLS.L30.B03", "HLS.L30.B04", "HLS.L30.B05"]),
        ("landsat5", ["band1", "band2", "band3", "band4"]),
        ("landsat7", ["blue", "green", "red", "nir"]),
        ("sentinel2", ["B02", "B03", "B04", "B8A"]),
        ("modis", ["sur_refl_b03_1", "sur_refl_b04_1", "sur_refl_b01_1", "sur_refl_b02_1"]),
        ("modis", [f"Nadir_Reflectance_Band{n}" for n in (3, 4, 1, 2)]),
        ("viirs", ["SurfReflect_M3_1", "SurfReflect_M4_1", "SurfReflect_I1_1", "SurfReflect_I2_1"]),
        ("olci", ["Oa04_reflectance", "Oa06_reflectance", "Oa08_reflectance", "Oa17_reflectance"]),
    ],
)
def test_labels_of_products(sensor, labels):
    wanted = ["nir", "green", "red", "blue"]
    mixed = labelled("QA_PIXEL", *labels, "SR_QA_AEROSOL")
    found = select_bands(mixed, sensor, wanted)
    assert found.band.values.tolist() == wanted
    np.testing.assert_array_equal(found[:, 0, 0], [4, 2, 3, 1])
    assert found.attrs["sensor"] == sensor


def test_the_narrow_near_infrared_of_sentinel2_is_chosen():
    found = select_bands(labelled("B08", "B8A", "B12"), "sentinel2", ["nir", "nir_broad"])
    np.testing.assert_array_equal(found[:, 0, 0], [1, 0])
    assert found.attrs["sensor_bands"] == ["B8A", "B8"]


def test_numbers_are_no_labels():
    with pytest.raises(ValueError, match=r"labelled .*1.*, which says where one lies in its file"):
        select_bands(labelled(1, 2, 3), "landsat8", ["red"])
    found = select_bands(labelled(1, 2, 3), "landsat8", "red", labels=["B3", "B4", "B5"])
    np.testing.assert_array_equal(found[:, 0, 0], [1])


@pytest.mark.parametrize(
    ("images", "how", "match"),
    [
        (labelled("B1"), ("landsat", ["red"]), "sensor='landsat' is none of landsat5,"),
        (labelled("B1"), ("modis", ["rouge"]), "modis has no band 'rouge'; it has red, nir"),
        (labelled("B2"), ("modis", ["red"]), "modis's red is B1, which is not among the bands: B2"),
        (labelled("B1", "b01"), ("modis", ["red"]), "which is more than once among the bands"),
        (labelled("B1")[0], ("modis", ["red"]), "without 'band'"),
    ],
)
def test_what_cannot_be_found_is_refused(images, how, match):
    with pytest.raises(ValueError, match=match):
        select_bands(images, *how)
    with pytest.raises(ValueError, match="2 labels, but 1 bands"):
        select_bands(labelled("B1"), "modis", ["red"], labels=["B1", "B2"])


def images_of(labels, size, dates):
    values = np.linspace(0.1, 0.6, len(dates) * len(labels) * size**2, dtype="f4")
    times = np.array(dates, "M8[ns]")
    return xr.DataArray(
        values.reshape(len(dates), len(labels), size, size),
        dims=("time", "band", "y", "x"),
        coords={"time": times, "band": labels},
    )


def test_a_scene_of_two_sensors_finds_their_bands():
    fine = images_of(["SR_B2", "SR_B3", "SR_B4", "SR_B5"], 8, ["2020-06-01"])
    coarse = images_of(["sur_refl_b01", "sur_refl_b02", "sur_refl_b04"], 2, ["2020-06-01"])
    names = ["green", "red", "nir"]
    found = xstf.scene(fine, coarse, bands=names, sensors=("landsat8", "modis"))
    assert found.band.values.tolist() == names
    np.testing.assert_array_equal(found.fine, fine[:, 1:])
    np.testing.assert_array_equal(found.coarse, coarse[:, [2, 0, 1]])
    for how in ({"bands": names}, {"sensors": ("a", "b")}, {"bands": names, "sensors": "modis"}):
        with pytest.raises(ValueError, match="give both, the names of the bands and of the two"):
            xstf.scene(fine, coarse, **how)
