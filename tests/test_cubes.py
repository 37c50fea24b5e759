"""Cubes in the shapes in which other tools give them."""

import datetime

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from affine import Affine
from pyproj import CRS

import xstf

DAYS = np.array(["2020-06-01T09:30", "2020-06-17T09:30"], "M8[ns]")
UTM = "EPSG:32633"
Y, X = 5538000 - 30 * (np.arange(6) + 0.5), 500000 + 30 * (np.arange(8) + 0.5)
VALUES = np.random.default_rng(0).integers(200, 9000, (2, 2, 6, 8)).astype("uint16")
PLAIN = VALUES.astype("f4")


def check(images, values=PLAIN, crs=UTM, bands=("red", "nir"), times=DAYS, y=Y, x=X):
    """Compare with what every tool was given."""
    assert images.dims == ("time", "band", "y", "x")
    assert images.band.values.tolist() == list(bands)
    np.testing.assert_array_equal(images.time, times)
    np.testing.assert_array_equal(images, values)
    np.testing.assert_allclose(images.y, y)
    np.testing.assert_allclose(images.x, x)
    assert set(images.coords) == {"time", "band", "y", "x", "spatial_ref"}
    assert rasterio.crs.CRS.from_user_input(images.spatial_ref.attrs["crs_wkt"]) == crs


def odc_stac(chunked=True):
    """Return a Dataset as ``odc.stac.load`` does: a variable a band, a CF grid mapping, nodata."""
    coords = {"time": DAYS, "y": Y, "x": X}
    bands = {
        name: (("time", "y", "x"), VALUES[:, n], {"nodata": 0})
        for n, name in enumerate(("red", "nir"))
    }
    ds = xr.Dataset(bands, coords)
    wkt = rasterio.crs.CRS.from_user_input(UTM).to_wkt()
    ds = ds.assign_coords(spatial_ref=xr.DataArray(np.int32(32633), attrs={"crs_wkt": wkt}))
    for band in bands:
        ds[band].encoding["grid_mapping"] = "spatial_ref"
    return ds.chunk(time=1) if chunked else ds


def test_odc_stac():
    ds = odc_stac()
    ds["red"][1, 2, 3] = 0  # nodata
    images = xstf.to_images(ds)
    assert images.chunks is not None
    expected = PLAIN.copy()
    expected[1, 0, 2, 3] = np.nan
    check(images, expected)
    assert images.dtype == np.float32
    check(xstf.to_images(odc_stac(), bands=["nir", "red"]), PLAIN[:, ::-1], bands=("nir", "red"))


def test_stackstac_labels_pixels_by_their_corners():
    array = xr.DataArray(
        VALUES.astype("f8"),
        dims=("time", "band", "y", "x"),
        coords={"time": DAYS, "band": np.array(["red", "nir"]), "y": Y + 15, "x": X - 15}
        | {"id": ("time", ["i0", "i1"]), "epsg": 32633, "proj:shape": np.array({6, 8}, object)},
        attrs={"crs": "epsg:32633", "transform": Affine(30, 0, 500000, 0, -30, 5538000)},
    )
    check(xstf.to_images(array))
    centred = array.assign_coords(y=Y, x=X)  # with xy_coords="center"
    check(xstf.to_images(centred))


@pytest.mark.parametrize("cut", [{"y": slice(2, 5), "x": slice(1, 4)}, {"x": slice(3, None)}])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("said", ["attrs", "GeoTransform"])
def test_corners_are_mended_in_what_was_cut_and_turned_since(cut, turned, said):
    array = xr.DataArray(
        PLAIN,
        dims=("time", "band", "y", "x"),
        coords={"time": DAYS, "band": ["red", "nir"], "y": Y, "x": X},
    )
    if said == "attrs":
        array = array.assign_attrs(transform=Affine(30, 0, 500000, 0, -30, 5538000), crs=UTM)
    else:
        array = xstf.georeference(array, UTM)
    part = array.assign_coords(y=Y + 15, x=X - 15).isel(cut)
    part = part.isel(y=slice(None, None, -1)) if turned else part
    want = array.isel(cut)
    check(xstf.to_images(part), want, y=want.y, x=want.x)
    thin = array.isel(y=slice(None, None, 2), x=slice(None, None, 2))  # centres of other pixels
    check(xstf.to_images(thin), thin, y=thin.y, x=thin.x)
    with pytest.raises(ValueError, match="0.8 pixels inside the pixels of the transform"):
        xstf.to_images(array.assign_coords(x=X + 9))


def test_a_geotransform_serves_where_coordinates_lack():
    array = odc_stac().to_array("band").transpose("time", "band", "y", "x")
    array = xstf.georeference(array, UTM).drop_vars(["y", "x"])
    check(xstf.to_images(array))


@pytest.mark.parametrize("wkt", [True, False])
@pytest.mark.filterwarnings("ignore:Consolidated")
def test_a_grid_mapping_among_the_variables(tmp_path, wkt):
    """As ``xarray.open_zarr`` and ``open_dataset`` leave it unless told to decode all."""
    ds = odc_stac(chunked=False).reset_coords("spatial_ref").rename(spatial_ref="crs")
    ds["crs"].attrs = rasterio_to_cf(wkt)
    for band in ("red", "nir"):
        ds[band].encoding = {}
        ds[band].attrs["grid_mapping"] = "crs"
    ds.to_zarr(tmp_path / "a.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as opened:
        assert "crs" in opened.data_vars
        images = xstf.to_images(opened, bands=["red", "nir"])
        np.testing.assert_array_equal(images, PLAIN)
        found = CRS(images.spatial_ref.attrs["crs_wkt"]).to_cf()
        assert found["grid_mapping_name"] == "transverse_mercator"
        assert found["longitude_of_central_meridian"] == 15


def rasterio_to_cf(wkt):
    attrs = CRS(UTM).to_cf()
    return attrs if wkt else {n: v for n, v in attrs.items() if n not in ("crs_wkt", "spatial_ref")}


def test_scale_and_fill_of_each_band():
    """As rioxarray says them where the bands of a file differ."""
    array = odc_stac().to_array("band").transpose("time", "band", "y", "x").drop_attrs(deep=False)
    array = array.assign_attrs(scales=(0.5, 2.0), offsets=(0.0, 1.0), _FillValue=(300, 400))
    array[0, 0, 0, 0], array[0, 1, 0, 0], array[0, 0, 1, 1] = 300, 400, 400
    factor, offset = np.array([0.5, 2])[:, None, None], np.array([0, 1])[:, None, None]
    want = array.values * factor + offset
    want[0, :, 0, 0] = np.nan
    check(xstf.to_images(array), want)
    with pytest.raises(ValueError, match="scale_factor='many', which is no number"):
        xstf.to_images(array.drop_attrs(deep=False).assign_attrs(scale_factor="many"))
    with pytest.raises(ValueError, match="not one for each band"):
        xstf.to_images(array.drop_attrs(deep=False).assign_attrs(scales=(1, 2, 3)))


def test_times_with_zones_are_in_utc():
    patch = np.moveaxis(PLAIN, 1, -1)
    zone = datetime.timezone(datetime.timedelta(hours=2))
    for times in (
        ["2020-06-01T09:30:00Z", "2020-06-17T11:30:00+02:00"],
        [datetime.datetime(2020, 6, day, 11, 30, tzinfo=zone) for day in (1, 17)],
    ):
        images = xstf.to_images(patch, dims=("time", "y", "x", "band"), times=times)
        np.testing.assert_array_equal(images.time, DAYS)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "image.tif"
    how = {"height": 6, "width": 8, "count": 2, "dtype": "uint16", "nodata": 7, "crs": UTM}
    with rasterio.open(
        path, "w", driver="GTiff", transform=Affine(30, 0, 500000, 0, -30, 5538000), **how
    ) as out:
        values = VALUES[0].copy()
        values[0, 0, 0] = 7
        out.write(values)
        out.scales, out.offsets = (0.5, 0.5), (-1.0, -1.0)
    return path


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # affine's, of rioxarray
@pytest.mark.parametrize("masked", [False, True])
def test_rioxarray(file, masked):
    image = rioxarray.open_rasterio(file, masked=masked, chunks={"x": 3})
    images = xstf.to_images(image, times="2020-06-01T09:30")
    expected = PLAIN[:1] * 0.5 - 1
    expected[0, 0, 0, 0] = np.nan
    check(images, expected, bands=(1, 2), times=DAYS[:1])
    assert images.chunks is not None
    with pytest.raises(ValueError, match="do not say when they were taken; give times="):
        xstf.to_images(image)


class Area:
    """What satpy puts in attrs: pyresample's area, of which only the CRS concerns us."""

    crs = rasterio.crs.CRS.from_user_input(UTM)


@pytest.mark.parametrize("known", [True, False])
def test_satpy(known):
    image = xr.DataArray(
        PLAIN[0],
        dims=("bands", "y", "x"),
        coords={"bands": ["red", "nir"], "y": Y, "x": X},
        attrs={"start_time": datetime.datetime(2020, 6, 1, 9, 30), "area": Area() if known else 0},
    )
    images = xstf.to_images(image, crs=None if known else UTM)
    check(images, PLAIN[:1], times=DAYS[:1])
    without = xstf.to_images(image.drop_attrs(), times=DAYS[0])
    assert "spatial_ref" not in without.coords


def test_eo_learn():
    """Patches are plain arrays (time, y, x, band) with dates and a box beside."""
    patch = np.moveaxis(PLAIN, 1, -1)
    box = (500000, 5538000 - 180, 500240, 5538000)
    days = [datetime.datetime(2020, 6, 1, 9, 30), datetime.datetime(2020, 6, 17, 9, 30)]
    dims = ("time", "y", "x", "band")
    images = xstf.to_images(patch, dims=dims, times=days, bands=["red", "nir"], bounds=box, crs=UTM)
    check(images)
    with pytest.raises(ValueError, match=r"shape \(2, 6, 8, 2\) does not say what its axes are"):
        xstf.to_images(patch)
    with pytest.raises(ValueError, match="1 times for 2 images"):
        xstf.to_images(patch, dims=dims, times=days[:1])
    with pytest.raises(ValueError, match="are not .left, bottom, right, top."):
        xstf.to_images(patch, dims=dims, times=days, bounds=(1, 2, 0, 3))


@pytest.mark.parametrize(
    "names", [("lat", "lon"), ("latitude", "longitude"), ("Y", "X"), ("northing", "easting")]
)
@pytest.mark.parametrize("turned", [False, True])
def test_netcdf_with_other_names_the_other_way_round(tmp_path, names, turned):
    y, x = 48.0 + np.arange(6) / 100, 11 + np.arange(8) / 100  # upwards
    ds = xr.Dataset(
        {
            name: (("time", *names), PLAIN[:, n, ::-1] * 1e-4)
            for n, name in enumerate(("red", "nir"))
        },
        {"time": DAYS, names[0]: y, names[1]: x},
    )
    ds = ds.transpose(*names[::-1], "time") if turned else ds
    ds["weight"] = ("time", [1.0, 2.0])
    ds.to_zarr(tmp_path / "cube.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "cube.zarr", consolidated=False) as opened:
        images = xstf.to_images(opened, bands=["red", "nir"], crs="EPSG:4326")
        np.testing.assert_allclose(images, PLAIN * 1e-4, rtol=1e-6)
        np.testing.assert_allclose(images.y, y[::-1])
        np.testing.assert_allclose(images.x, x)
        assert images.dims == ("time", "band", "y", "x")


def test_tiles_of_one_day_are_merged():
    first, second = PLAIN.copy(), PLAIN + 1
    first[:, :, :, 4:] = np.nan
    both = np.concatenate([first, second])
    times = np.concatenate([DAYS, DAYS + np.timedelta64(20, "s")])
    order = np.argsort(times)
    cube = xr.DataArray(
        both[order],
        dims=("time", "band", "y", "x"),
        coords={"time": times[order], "band": ["red", "nir"], "y": Y, "x": X},
    )
    expected = np.where(np.isnan(first), second, first)
    for data in (cube, cube.chunk(time=1)):
        merged = xstf.to_images(data, crs=UTM, merge_days=True)
        check(merged, expected, times=DAYS.astype("M8[D]"))
    apart = xstf.to_images(cube, crs=UTM)
    assert apart.sizes["time"] == 4
    flags = xr.DataArray(np.full((4, 6, 8), 4, "u1"), dims=("time", "y", "x"))
    flags[0, 2, 1] = 9  # cloud in the first tile of the first day, where the second sees the ground
    hidden = xstf.masks.hide(apart, flags.assign_coords(time=apart.time), "sentinel2")
    expected[0, :, 2, 1] = second[0, :, 2, 1]
    check(xstf.to_images(hidden, merge_days=True), expected, times=DAYS.astype("M8[D]"))
    same = cube.assign_coords(time=np.repeat(DAYS, 2))
    with pytest.raises(ValueError, match="2 images are of 2020-06-01.*merge_days=True"):
        xstf.to_images(same)


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="crs='EPSG:4326', but the data say EPSG:32633"):
        xstf.to_images(odc_stac(), crs="EPSG:4326")
    check(xstf.to_images(odc_stac(), crs=UTM))
    with pytest.raises(ValueError, match="but the data have coordinates; leave it out"):
        xstf.to_images(odc_stac(), bounds=(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("data", "how", "match"),
    [
        (odc_stac(), {"bands": ["green"]}, "no variable 'green', only red, nir"),
        (xr.Dataset(), {}, "no variable 'of images', only nothing"),
        (odc_stac().red.rename(y="height"), {}, "which of time, band, y and x is 'height'"),
        (odc_stac().red.isel(y=0), {}, "hold no y; name them"),
        (odc_stac().red, {"dims": ("y", "x")}, "do not name the 3 axes"),
        (odc_stac().red, {"dims": ("time", "a", "x")}, "which of time, band, y and x is 'a'"),
        (odc_stac().red, {"bands": ["nir"]}, "band 'nir' is not once among red"),
        (odc_stac().red, {"times": ["soon", "later"]}, "are no dates .*; give '2020-06-01'"),
        (odc_stac().red.assign_coords(time=[DAYS[0], np.datetime64("NaT")]), {}, "hold NaT"),
        (odc_stac().red, {"crs": "none"}, "is no coordinate reference system"),
        (
            odc_stac().drop_vars(["y", "x"]).assign_coords(lat=(("y", "x"), np.zeros((6, 8)))),
            {},
            r"swath \(lat along two dimensions\).*resample them first",
        ),
        (odc_stac().red.isel(time=0), {"times": DAYS}, "the data are one image, so give one date"),
        (odc_stac().red.assign_coords(time=[1, 2]), {}, "the times are int64, not dates"),
        (odc_stac().to_array("band").to_dataset(name="a").assign(b=odc_stac().red), {}, None),
    ],
)
def test_what_cannot_be_told_is_refused(data, how, match):
    if match is None:  # the variable with the most dimensions is taken
        check(xstf.to_images(data, **how))
        return
    with pytest.raises(ValueError, match=match):
        xstf.to_images(data, **how)


def test_no_images_are_refused():
    with pytest.raises(TypeError, match="list holds no images"):
        xstf.to_images([1, 2])


def test_two_cubes_become_a_scene_and_are_fused():
    fine = xstf.to_images(odc_stac(chunked=False).isel(time=[0]), bands=["red"]) * 1e-4
    small = odc_stac(chunked=False).red.coarsen(y=2, x=2).mean()
    coarse = xstf.to_images(small, bands="red", crs=UTM) * 1e-4
    scene = xstf.scene(fine, coarse)
    assert scene.attrs["scale"] == 2
    fused = scene.stf.fuse("add")
    assert np.isfinite(fused.values).all()
    assert fused.rio.crs == UTM
