"""Image files: what they say is what is read; what is written is whole, exact and never wraps."""

import os
import warnings
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

import xstf
from xstf import raster, store
from xstf.crs import mapping_of

NORTH_UP = Affine(30.0, 0.0, 500000.0, 0.0, -30.0, 5100000.0)
DAYS = ["2020-06-01", "2020-06-17"]


def write(path, values, *, tags=(), **profile):
    """Write (band, y, x) values with rasterio alone."""
    values = np.asarray(values)
    options = {"driver": "GTiff", "crs": "EPSG:32633", "transform": NORTH_UP} | profile
    count, height, width = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            count=count,
            height=height,
            width=width,
            dtype=values.dtype,
            **{k: v for k, v in options.items() if v is not None},
        ) as image:
            image.write(values)
            for name, value in dict(tags).items():
                setattr(image, name, value)
    return str(path)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.fixture
def fused():
    """Two lazy dates of two bands, cut into uneven tiles."""
    array = xr.DataArray(
        noise(2, 2, 70, 50),
        dims=("time", "band", "y", "x"),
        coords={
            "time": np.array(DAYS, "datetime64[ns]"),
            "band": np.array(["red", "nir"], object),
            "y": 5100000.0 - 30 * (np.arange(70) + 0.5),
            "x": 500000.0 + 30 * (np.arange(50) + 0.5),
        },
        name="fused",
        attrs={"method": "add", "parameter_window": 31},
    )
    array[0, 1, 3:9, 4:11] = np.nan
    return xstf.georeference(array, "EPSG:32633").chunk(time=1, y=(33, 37), x=17)


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


# ---- reading


def test_reads_values_dates_bands_and_place(tmp_path):
    values = [noise(2, 5, 7, seed=s) for s in range(2)]
    for day, image in zip(DAYS[::-1], values, strict=True):
        write(tmp_path / f"b_{day}.tif", image, tags={"descriptions": ("red", "nir")})
    read = xstf.read_images(tmp_path / "*.tif")
    assert read.dims == ("time", "band", "y", "x")
    assert read.dtype == np.float32
    assert read.attrs == {}
    assert read.band.values.tolist() == ["red", "nir"]
    assert np.datetime_as_string(read.time.values, "D").tolist() == DAYS
    np.testing.assert_array_equal(read, values[::-1])
    np.testing.assert_array_equal(read.x[:2], [500015.0, 500045.0])
    np.testing.assert_array_equal(read.y[:2], [5099985.0, 5099955.0])
    mapping = mapping_of(read)
    assert mapping["GeoTransform"] == "500000.0 30.0 0.0 5100000.0 0.0 -30.0"
    assert "32633" in mapping["crs_wkt"]
    assert read.encoding["grid_mapping"] == "spatial_ref"


def test_building_reads_headers_only(tmp_path, monkeypatch):
    path = write(tmp_path / "a_20200601.tif", noise(1, 40, 40))
    monkeypatch.setattr(raster.Raster, "__getitem__", refuse)
    with dask.config.set(scheduler=refuse):
        read = xstf.read_images(path)
        doubled = (read * 2).isel(x=slice(3, 9))
    with pytest.raises(AssertionError, match="computed"):
        doubled.compute()


@pytest.mark.parametrize("crs", ["EPSG:32633", None])
@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_every_scheduler_reads_the_same(tmp_path, scheduler, crs):
    values = noise(2, 64, 48)
    transform = NORTH_UP if crs else None
    path = write(tmp_path / "a_20200601.tif", values, crs=crs, transform=transform)
    read = xstf.read_images(path, chunks=16)
    assert read.data.numblocks == (1, 1, 4, 3)
    options = {} if scheduler == "synchronous" else {"num_workers": 2}
    np.testing.assert_array_equal(read.compute(scheduler=scheduler, **options)[0], values)


def test_cuts_read_what_numpy_would_give(tmp_path):
    values = noise(3, 30, 20)
    read = xstf.read_images(write(tmp_path / "a_20200601.tif", values), chunks=8)[0]
    for key in (
        np.s_[1, 3:17, 5:6],
        np.s_[::-1, ::3, ::-2],
        np.s_[[2, 0], 7, :],
        np.s_[:, 4:4, :],
        np.s_[:, -3:, [1, 1, 9]],
    ):
        np.testing.assert_array_equal(read[key], values[key])


def test_chunks_follow_the_blocks_of_the_file(tmp_path):
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    zeros = np.zeros((1, 1100, 2200), np.uint8)
    tiles = xstf.read_images(write(tmp_path / "t_20200601.tif", zeros, **tiled))
    assert tiles.chunks[2:] == ((1024, 76), (1024, 1024, 152))
    strips = xstf.read_images(write(tmp_path / "s_20200601.tif", zeros, blockysize=10))
    assert strips.chunks[3] == (2200,)
    assert strips.chunks[2][0] % 10 == 0
    assert 300 < strips.chunks[2][0] < 600


def test_file_that_changes_is_another_array(tmp_path):
    path = write(tmp_path / "a_20200601.tif", np.zeros((1, 4, 4), "f4"))
    first = xstf.read_images(path)
    same = xstf.read_images(path)
    os.utime(path, ns=(1, 1))
    assert first.data.name == same.data.name != xstf.read_images(path).data.name


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("fused_2020-06-01.tif", "2020-06-01"),
        ("LT05_20200601_sr.tif", "2020-06-01"),
        ("2020_06_01_fine.tif", "2020-06-01"),
        ("MOD09A1.A2020153.h18v04.061.2020162034521.tif", "2020-06-01"),
        ("HLS.L30.T33TWM.2020153T095022.v2.0.tif", "2020-06-01"),
        ("S2A_20200601T100031_N0500_20200601T120000.tif", "2020-06-01"),
        ("x_2020366.tif", "2020-12-31"),
        ("20209999_39990101_2020-06-01.tif", "2020-06-01"),
    ],
)
def test_dates_are_found_in_names(tmp_path, name, day):
    read = xstf.read_images(write(tmp_path / name, np.zeros((1, 2, 2), "f4")))
    assert read.time.values == np.datetime64(day)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tm0601.tif", "no date"),
        ("x_2021366.tif", "no date"),
        ("x_2020-13-01.tif", "no date"),
        ("x_120200601.tif", "no date"),
        ("LC08_039037_20201007_20201016_02.tif", "several dates, 2020-10-07, 2020-10-16"),
    ],
)
def test_names_without_one_date_are_refused(tmp_path, name, said):
    path = write(tmp_path / name, np.zeros((1, 2, 2), "f4"))
    with pytest.raises(ValueError, match=f"{name} holds {said}.*YYYY-MM-DD.*dates="):
        xstf.read_images(path)


def test_given_dates_go_in_the_order_of_the_files(tmp_path):
    late = write(tmp_path / "a.tif", np.full((1, 2, 2), 2, "f4"))
    early = write(tmp_path / "b.tif", np.full((1, 2, 2), 1, "f4"))
    given = xstf.read_images([late, early], dates=["2020-06-17", "2020-06-01"])
    assert given[:, 0, 0, 0].values.tolist() == [1, 2]
    sorted_ = xstf.read_images(str(tmp_path / "*.tif"), dates=["2020-06-01T10:30", "2020-06-17"])
    assert sorted_[:, 0, 0, 0].values.tolist() == [2, 1]
    assert sorted_.time.values[0] == np.datetime64("2020-06-01T10:30")
    with pytest.raises(ValueError, match="1 dates for 2 files"):
        xstf.read_images([late, early], dates=["2020-06-17"])
    with pytest.raises(ValueError, match="dates=.*June"):
        xstf.read_images(late, dates="June")


def test_repeated_dates_name_both_files(tmp_path):
    for name in ("a_20200601.tif", "b_2020-06-01.tif"):
        write(tmp_path / name, np.zeros((1, 2, 2), "f4"))
    with pytest.raises(ValueError, match="a_20200601.*b_2020-06-01.*same date.*dates="):
        xstf.read_images(str(tmp_path / "*.tif"))


def test_file_metadata_decode_each_file_and_band(tmp_path):
    raw = np.array([[[-99, 1000]], [[2000, -99]]], np.int16)
    about = {"scales": (1e-4, 1e-2), "offsets": (0.0, -0.1)}
    write(tmp_path / "a_20200601.tif", raw, nodata=-99, tags=about)
    write(tmp_path / "a_20200602.tif", raw.astype("f8") / 1e4, nodata=0.1)
    read = xstf.read_images(str(tmp_path / "*.tif"))
    wanted = [[[[np.nan, 0.1]], [[19.9, np.nan]]], [[[-0.0099, np.nan]], [[0.2, -0.0099]]]]
    np.testing.assert_array_equal(read, np.array(wanted, np.float32))


def test_what_is_said_goes_before_the_file(tmp_path):
    raw = np.array([[[-99, 1000, 7]]], np.int16)
    path = write(tmp_path / "a_20200601.tif", raw, nodata=-99, tags={"scales": (0.5,)})
    read = xstf.read_images(path, scale_factor=1e-3, offset=2, nodata=7)
    np.testing.assert_allclose(read[0, 0, 0], [1.901, 3.0, np.nan], rtol=1e-6)
    bare = xstf.read_images(write(tmp_path / "b_20200601.tif", raw))
    np.testing.assert_array_equal(bare[0, 0, 0], [-99, 1000, 7])
    with pytest.raises(ValueError, match="scale_factor=0"):
        xstf.read_images(path, scale_factor=0)


def test_huge_nodata_and_nan_are_both_missing(tmp_path):
    raw = np.array([[[-3.4e38, np.nan, 0.25]]], np.float64)
    read = xstf.read_images(write(tmp_path / "a_20200601.tif", raw, nodata=-3.4e38))
    np.testing.assert_array_equal(read[0, 0, 0], [np.nan, np.nan, 0.25])
    raw[0, 0, 0] = -1.7976931348623157e308
    read = xstf.read_images(write(tmp_path / "b_20200601.tif", raw, nodata=raw[0, 0, 0]))
    np.testing.assert_array_equal(read[0, 0, 0], [np.nan, np.nan, 0.25])


def test_integers_without_a_scale_are_refused_by_the_scene(tmp_path):
    fine = write(tmp_path / "f_20200601.tif", np.full((1, 8, 8), 900, np.int16))
    coarse = write(
        tmp_path / "c_20200601.tif",
        np.full((1, 2, 2), 900, np.int16),
        transform=NORTH_UP @ Affine.scale(4),
    )
    with pytest.raises(ValueError, match="digital numbers.*scale_factor=1e-4"):
        xstf.scene(xstf.read_images(fine).load(), xstf.read_images(coarse).load())
    scene = xstf.scene(*(xstf.read_images(p, scale_factor=1e-4) for p in (fine, coarse)))
    assert scene.attrs["scale"] == 4
    assert float(scene.fine[0, 0, 0, 0]) == pytest.approx(0.09)


def test_envi_pattern_leaves_headers_out(tmp_path):
    values = noise(3, 6, 5)
    plain = {"driver": "ENVI", "crs": None, "transform": None}
    for day in ("20041126", "20041228"):
        write(tmp_path / f"Landsat{day}", values, **plain)
    (tmp_path / "Landsat20041228.hdr").rename(tmp_path / "Landsat20041228.HDR")
    for name in ("Landsat20041126.aux.xml", "README20041126.md", "Landsat20041126.enp"):
        (tmp_path / name).write_text("")
    read = xstf.read_images(str(tmp_path / "*"))
    assert read.shape == (2, 3, 6, 5)
    assert set(read.coords) == {"time", "band"}
    np.testing.assert_array_equal(read[1], values)
    with pytest.raises(ValueError, match=r"Landsat20041126\.hdr cannot be read.*data file"):
        xstf.read_images(tmp_path / "Landsat20041126.hdr", dates=["2004-11-26"])


def test_axes_without_crs_are_kept(tmp_path):
    read = xstf.read_images(write(tmp_path / "a_20200601.tif", noise(1, 3, 3), crs=None))
    np.testing.assert_array_equal(read.y, [5099985.0, 5099955.0, 5099925.0])
    assert mapping_of(read) is None


@pytest.mark.parametrize(
    ("what", "shape", "changes"),
    [
        ("bands: 2 and 1", (1, 4, 4), {}),
        (r"rows and columns: \(4, 4\) and \(4, 5\)", (2, 4, 5), {}),
        ("CRS: EPSG:32633 and EPSG:32634", (2, 4, 4), {"crs": "EPSG:32634"}),
        ("CRS: EPSG:32633 and None", (2, 4, 4), {"crs": None}),
        ("transform", (2, 4, 4), {"transform": NORTH_UP @ Affine.translation(0.01, 0)}),
    ],
)
def test_files_that_differ_are_named(tmp_path, what, shape, changes):
    write(tmp_path / "a_20200601.tif", noise(2, 4, 4))
    write(tmp_path / "b_20200602.tif", noise(*shape), **changes)
    with pytest.raises(ValueError, match=f"a_20200601.*b_20200602.* differ in {what}.*reproject"):
        xstf.read_images(str(tmp_path / "*.tif"))


def test_rotated_file_is_refused(tmp_path):
    path = write(
        tmp_path / "a_20200601.tif", noise(1, 4, 4), transform=NORTH_UP @ Affine.rotation(3)
    )
    with pytest.raises(ValueError, match="rotated.*gdalwarp"):
        xstf.read_images(path)


@pytest.mark.parametrize(
    ("first", "second", "bands"),
    [
        (("red", "nir"), ("red", "nir"), ["red", "nir"]),
        (("red", "nir"), ("nir", "red"), [1, 2]),
        (("red", "red"), ("red", "red"), [1, 2]),
        (("red", None), ("red", None), [1, 2]),
    ],
)
def test_descriptions_name_bands_where_they_can(tmp_path, first, second, bands):
    for day, names in (("01", first), ("02", second)):
        write(tmp_path / f"a_202006{day}.tif", noise(2, 2, 2), tags={"descriptions": names})
    read = xstf.read_images(str(tmp_path / "*.tif"))
    assert read.band.values.tolist() == bands
    named = xstf.read_images(str(tmp_path / "*.tif"), bands=["a", "b"])
    assert named.band.values.tolist() == ["a", "b"]
    for wrong in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="bands=.*has 2"):
            xstf.read_images(str(tmp_path / "*.tif"), bands=wrong)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a_20200601.tif").write_text("no image")
    (tmp_path / "a_20200601.hdr").write_text("ENVI")
    with pytest.raises(ValueError, match="a_20200601.tif cannot be read"):
        xstf.read_images(tmp_path / "a_20200601.tif")
    with pytest.raises(FileNotFoundError, match="no file .*b_20200601.tif"):
        xstf.read_images([tmp_path / "b_20200601.tif"])
    with pytest.raises(FileNotFoundError, match=r"\*\.tiff finds no file"):
        xstf.read_images(tmp_path / "*.tiff")
    with pytest.raises(FileNotFoundError, match=r"finds only a_20200601\.hdr"):
        xstf.read_images(tmp_path / "*.hdr")
    with pytest.raises(ValueError, match=r"is a folder.*\*\.tif"):
        xstf.read_images(tmp_path)
    with pytest.raises(FileNotFoundError, match="empty"):
        xstf.read_images([])


# ---- writing


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_what_is_written_is_read_again(fused, tmp_path, scheduler):
    with dask.config.set(scheduler=scheduler):
        paths = xstf.write_images(fused, tmp_path / "out")
    assert [p.name for p in paths] == ["fused_2020-06-01.tif", "fused_2020-06-17.tif"]
    assert sorted((tmp_path / "out").iterdir()) == paths
    read = xstf.read_images(str(tmp_path / "out" / "*.tif"))
    xr.testing.assert_equal(read.compute(), fused.compute())
    ours, theirs = mapping_of(fused), mapping_of(read)
    assert ours["GeoTransform"] == theirs["GeoTransform"]
    assert CRS.from_wkt(ours["crs_wkt"]).equals(CRS.from_wkt(theirs["crs_wkt"]))
    with rasterio.open(paths[0]) as image:
        assert np.isnan(image.nodata)
        assert image.compression.value == "DEFLATE"
        assert image.profile["tiled"]
        assert image.tags()["method"] == "add"
        assert image.tags()["parameter_window"] == "31"
        assert image.transform == NORTH_UP
        assert image.crs.to_epsg() == 32633


def test_files_are_cloud_optimised(tmp_path):
    """Tiles, smaller copies whose missing pixels stay missing, and the band names in all."""
    values = noise(2, 700, 900)[None]
    values[0, 0, 256:512, 256:512] = np.nan
    coords = {"time": np.array(DAYS[:1], "datetime64[ns]"), "band": ["red", "nir"]}
    coords |= {"y": 5e6 - 30.0 * np.arange(700), "x": 5e5 + 30.0 * np.arange(900)}
    fused = xr.DataArray(values, dims=("time", "band", "y", "x"), coords=coords)
    fused = xstf.georeference(fused, "EPSG:32633")
    (path,) = xstf.write_images(fused, tmp_path)
    assert sorted(tmp_path.iterdir()) == [path]
    with rasterio.open(path) as image:
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert image.block_shapes == [(256, 256)] * 2
        assert image.overviews(1) == image.overviews(2) == [2, 4]
        assert image.descriptions == ("red", "nir")
        np.testing.assert_array_equal(image.read(), values[0])
    with rasterio.open(path, overview_level=0) as half:
        small = half.read(1)
    np.testing.assert_allclose(small[:64, :64], values[0, 0, :128, :128].reshape(
        64, 2, 64, 2).mean(axis=(1, 3)), rtol=0, atol=1e-6)  # fmt: skip
    assert np.isnan(small[128:256, 128:256]).all()
    assert np.isnan(small).sum() == 128 * 128
    counts = (values * 10).round()
    (path,) = xstf.write_images(
        fused.copy(data=counts).assign_attrs(counts="similar"), tmp_path / "n"
    )
    with rasterio.open(path, overview_level=0) as half:
        assert set(np.unique(half.read(2))) <= set(range(11))


def test_a_gdal_without_the_driver_writes_plain_tiles(fused, tmp_path, monkeypatch):
    monkeypatch.setattr(rasterio.Env, "drivers", lambda self: {"GTiff": "GeoTIFF"})
    path = xstf.write_images(fused, tmp_path)[0]
    with rasterio.open(path) as image:
        assert "LAYOUT" not in image.tags(ns="IMAGE_STRUCTURE")
        assert image.profile["tiled"]
        assert image.compression.value == "DEFLATE"
        np.testing.assert_array_equal(image.read(), fused[0])


def test_integers_carry_scale_and_nodata(fused, tmp_path):
    paths = xstf.write_images(fused, tmp_path, dtype="uint16", scale_factor=1e-4)
    with rasterio.open(paths[0]) as image:
        assert image.dtypes == ("uint16", "uint16")
        assert image.scales == (1e-4, 1e-4)
        assert image.nodatavals == (65535, 65535)
    read = xstf.read_images(paths)
    np.testing.assert_allclose(read, fused, atol=0.51e-4, rtol=0)
    assert int(read.isnull().sum()) == 42


@pytest.mark.parametrize(("dtype", "value"), [("int16", 3.5), ("uint16", -0.25), ("uint8", np.inf)])
def test_what_does_not_fit_is_refused(fused, tmp_path, dtype, value):
    fused = (fused * 0.01).compute()
    fused[1, 0, 69, 49] = value
    with pytest.raises(ValueError, match=f"fused holds {value:g}, .* {dtype} .*scale_factor"):
        xstf.write_images(fused, tmp_path, dtype=dtype, scale_factor=1e-4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int16"}, "picture would be lost.*scale_factor=1e-4"),
        ({"scale_factor": 1e-4}, 'dtype="int16"'),
        ({"prefix": "a/b"}, "folder="),
    ],
)
def test_bad_options_are_refused_before_anything_is_computed(fused, tmp_path, options, message):
    with dask.config.set(scheduler=refuse), pytest.raises(ValueError, match=message):
        xstf.write_images(fused, tmp_path, **options)


def test_existing_file_is_refused_before_anything_is_computed(fused, tmp_path):
    (tmp_path / "fused_2020-06-17.tif").write_text("mine")
    with (
        dask.config.set(scheduler=refuse),
        pytest.raises(FileExistsError, match="06-17.tif exists.*overwrite=True"),
    ):
        xstf.write_images(fused, tmp_path)
    paths = xstf.write_images(fused, tmp_path, overwrite=True)
    xr.testing.assert_equal(xstf.read_images(paths).compute(), fused.compute())


def test_a_failing_block_leaves_no_file(fused, tmp_path):
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"] == (1, 0, 1, 2):
            raise RuntimeError("the worker died")
        return block

    broken = fused.copy(data=fused.data.map_blocks(fail, meta=fused.data._meta))
    with (
        dask.config.set(scheduler="synchronous"),
        pytest.raises(RuntimeError, match="the worker died"),
    ):
        xstf.write_images(broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_dates_share_their_blocks(tmp_path, monkeypatch):
    from xstf.methods.add import Add

    calls = []
    block = Add.block
    monkeypatch.setattr(Add, "block", lambda self, b: calls.append(b.place) or block(self, b))
    scene, _ = xstf.simulate("parcels", size=64, dates=5, pairs=1, bands=("red",))
    fused = scene.stf.fuse("add", blocksize=32)
    xstf.write_images(fused, tmp_path)
    assert len(calls) == len(set(calls)) == 4
    np.testing.assert_array_equal(xstf.read_images(str(tmp_path / "*.tif")), fused)


def test_dates_of_one_day_get_their_time(fused, tmp_path):
    times = np.array(["2020-06-01T10:30", "2020-06-01T22:30:15"], "datetime64[ns]")
    paths = xstf.write_images(fused.assign_coords(time=times), tmp_path)
    names = ["fused_2020-06-01T103000.tif", "fused_2020-06-01T223015.tif"]
    assert [p.name for p in paths] == names
    twice = fused.assign_coords(time=times[[0, 0]])
    with pytest.raises(ValueError, match="drop_duplicates"):
        xstf.write_images(twice, tmp_path / "other")


def test_empty_date_is_told(fused, tmp_path):
    with pytest.warns(UserWarning, match="fused is missing everywhere on 2020-06-17"):
        paths = xstf.write_images(fused.where(fused.time < np.datetime64(DAYS[1])), tmp_path)
    assert np.isnan(xstf.read_images(paths)[1]).all()


def test_images_without_georeference(fused, tmp_path):
    bare = fused.drop_vars(["y", "x", "spatial_ref"])
    counted = bare.assign_coords(y=np.arange(70) + 0.5, x=np.arange(50) + 0.5)
    for n, array in enumerate((bare, counted)):
        read = xstf.read_images(xstf.write_images(array, tmp_path, prefix=f"p{n}"))
        assert set(read.coords) == {"time", "band"}
        np.testing.assert_array_equal(read, fused)


def test_cut_images_lie_where_they_were(fused, tmp_path):
    cut = fused.isel(y=slice(40, 52), x=slice(7, 8))
    read = xstf.read_images(xstf.write_images(cut, tmp_path))
    xr.testing.assert_equal(read.compute(), cut.compute())


def test_an_odd_transform_is_written_exactly(tmp_path):
    odd = Affine(463.312716528, 0.0, 1111950.519667, 0.0, -463.312716528, 5559752.598333)
    path = write(tmp_path / "a_20200601.tif", noise(1, 7, 9), transform=odd)
    written = xstf.write_images(xstf.read_images(path), tmp_path, prefix="b")
    with rasterio.open(written[0]) as image:
        assert image.transform == odd


def test_one_layer_is_asked_for(fused, tmp_path):
    with pytest.raises(ValueError, match="not Dataset; take one layer"):
        xstf.write_images(fused.to_dataset(), tmp_path)
    with pytest.raises(ValueError, match="expand_dims"):
        xstf.write_images(fused[0], tmp_path)


def test_images_taller_than_the_rows_written_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("xstf.geotiff.ROWS", 256)
    tall = xr.DataArray(
        noise(1, 1, 600, 20),
        dims=("time", "band", "y", "x"),
        coords={"time": np.array(DAYS[:1], "datetime64[ns]")},
    )
    read = xstf.read_images(xstf.write_images(tall, tmp_path))
    np.testing.assert_array_equal(read, tall)
    assert read.band.values.tolist() == [1]


# ---- real files

DATA = Path(__file__).parents[2] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real scenes at {DATA}")


@pytest.mark.real
@real
def test_boreas_makes_a_scene():
    days = ["2001-05-24", "2001-07-11", "2001-08-12"]
    fine = xstf.read_images(str(DATA / "boreas" / "tm*"), dates=days, scale_factor=1e-4)
    coarse = xstf.read_images(str(DATA / "boreas" / "modis*"), dates=days, scale_factor=1e-4)
    raw = np.fromfile(DATA / "boreas" / "tm0711", "<i2").reshape(3, 400, 400)
    np.testing.assert_array_equal(fine[1], (raw * 1e-4).astype("f4"))
    scene = xstf.scene(fine, coarse, scale=16)
    assert dict(scene.sizes) == {
        "time": 3, "band": 3, "y": 400, "x": 400, "y_coarse": 25, "x_coarse": 25,
    }  # fmt: skip


@pytest.mark.real
@real
def test_lgc_flood_reads_dates_from_names():
    read = xstf.read_images(str(DATA / "lgc_flood" / "MODIS*"), scale_factor=1e-4)
    assert np.datetime_as_string(read.time.values, "D").tolist() == ["2004-11-26", "2004-12-28"]
    assert 0.01 < float(read.mean()) < 0.5


@pytest.mark.real
@real
def test_saltonsea_series_is_a_scene_of_seven_to_one(tmp_path):
    fine, coarse = (
        xstf.read_images(str(DATA / "saltonsea" / k / "*.tif"), bands=["nir"])
        for k in ("fine", "coarse")
    )
    scene = xstf.scene(fine, coarse)
    assert scene.attrs["scale"] == 7
    assert scene.sizes["time"] == 92
    missing = fine.isnull().mean(["band", "y", "x"]).compute()
    assert int((missing < 0.1).sum()) == 19
    assert float(fine.min()) > -1
    paths = store.save(scene, tmp_path / "s.zarr", dtype="int16", scale_factor=1e-4)
    np.testing.assert_allclose(xstf.open_scene(paths).fine, fine, atol=0.51e-4, rtol=0)


def test_a_geotiff_knows_its_date(tmp_path):
    images = xr.DataArray(
        np.full((1, 1, 4, 4), 0.25, "f4"),
        dims=("time", "band", "y", "x"),
        coords={"time": np.array(["2020-06-01T10:30"], "datetime64[ns]"), "band": ["red"]},
    )
    (path,) = xstf.write_images(images, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as image:
            tags = image.tags()
    assert tags["TIFFTAG_DATETIME"] == "2020:06:01 10:30:00"
    assert tags["time"] == "2020-06-01T10:30:00"


def test_a_result_out_of_zarr_becomes_geotiffs(tmp_path):
    scene, _ = xstf.simulate("parcels", size=32, dates=3, pairs=1)
    store.save(scene.stf.fuse("add"), tmp_path / "fused.zarr")
    fused = xr.open_zarr(tmp_path / "fused.zarr", decode_coords="all").fused
    paths = xstf.write_images(fused, tmp_path / "images")
    with rasterio.open(paths[0]) as image:
        assert image.tags()["pair_dates"] == fused.pair_dates.values[0]
