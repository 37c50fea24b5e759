"""From images on any two grids to a scene: right where they lie, lazy, and refused with a cure."""

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

import xstf
from xstf.crs import mapping_of
from xstf.projection import Lattice, covered, locate
from xstf.warping import TILE

UTM = CRS("EPSG:32633").to_wkt()
SINUSOIDAL = CRS("+proj=sinu +lon_0=0 +R=6371007.181 +units=m").to_wkt()
DAYS = np.array(["2020-06-01", "2020-06-17"], "datetime64[ns]")
HOWS = ("nearest", "bilinear", "cubic", "average")


def images(lattice, values=0.25, *, dates=1, bands=("red",), flip=()):
    """Images on a grid, (y, x) values on all dates and bands, with axes that run the other way."""
    shape = (dates, len(bands), *lattice.shape)
    values = np.broadcast_to(np.asarray(values, "f4"), shape).copy()
    coords = {"time": DAYS[:dates], "band": list(bands), **lattice.centres}
    made = xr.DataArray(values, dims=("time", "band", "y", "x"), coords=coords)
    made = made.isel({dim: slice(None, None, -1) for dim in flip})
    return made if lattice.crs is None else xstf.georeference(made, lattice.crs)


def around(fine, crs, pixel, *, margin=3, phase=(0.0, 0.0)):
    """A grid of another CRS that covers a fine one and some pixels more."""
    change = Transformer.from_crs(fine.crs, crs, always_xy=True)
    rows, columns = (np.linspace(0, size, 21) for size in fine.shape)
    x, y = change.transform(*np.meshgrid(fine.x0 + columns * fine.dx, fine.y0 + rows * fine.dy))
    x0 = (np.floor(x.min() / pixel) - margin + phase[1]) * pixel
    y0 = (np.ceil(y.max() / pixel) + margin + phase[0]) * pixel
    shape = (round((y0 - y.min()) / pixel) + margin, round((x.max() - x0) / pixel) + margin)
    return Lattice(y0, -pixel, x0, pixel, shape, CRS(crs).to_wkt())


def plane(lattice, like):
    """A linear field of the map coordinates of `like`, at the pixel centres of a grid."""
    x, y = np.meshgrid(lattice.centres["x"], lattice.centres["y"])
    if lattice.crs != like.crs:
        x, y = Transformer.from_crs(lattice.crs, like.crs, always_xy=True).transform(x, y)
    down, across = (y - like.y0) / like.dy, (x - like.x0) / like.dx  # in its pixels
    return 0.3 + 0.001 * down - 0.0005 * across


FINE = Lattice(5_100_000.0, -30.0, 500_000.0, 30.0, (97, 130), UTM)


# Known answers


def test_a_sinusoidal_image_written_by_gdal(tmp_path):
    """MODIS-like: an image of known values on the sinusoidal grid, in a file, two bands."""
    fine = Lattice(5_320_000.0, -30.0, 690_000.0, 30.0, (600, 450), UTM)
    native = around(fine, SINUSOIDAL, 463.3127165)
    values = plane(native, fine)
    path = tmp_path / "MOD09.A2020153.tif"
    with rasterio.open(
        path, "w", driver="GTiff", dtype="int16", count=2, crs=SINUSOIDAL, nodata=-28672,
        width=native.shape[1], height=native.shape[0], interleave="band",
        transform=rasterio.Affine(native.dx, 0, native.x0, 0, native.dy, native.y0),
    ) as file:  # fmt: skip
        file.write((1e4 * np.stack([values, 2 * values])).round().astype("int16"))
        file.scales = (1e-4, 1e-4)
    coarse = xstf.read_images(path, bands=["red", "nir"])
    ds = xstf.align(images(fine, bands=("red", "nir")), coarse)
    assert ds.attrs["scale"] == 15
    assert ds.coarse.shape == (1, 2, 40, 30)
    want = plane(fine.coarsened(15), fine)
    np.testing.assert_allclose(ds.coarse[0], [want, 2 * want], rtol=0, atol=2e-4)
    assert mapping_of(ds.coarse, "spatial_ref_coarse")["crs_wkt"] == mapping_of(ds.fine)["crs_wkt"]
    xstf.check(ds)


@settings(max_examples=50, deadline=None)
@given(
    fine=st.sampled_from(["EPSG:32633", "EPSG:32733", "EPSG:3035", "EPSG:4326"]),
    crs=st.sampled_from([SINUSOIDAL, "EPSG:32633", "EPSG:32634", "EPSG:4326", "EPSG:3857"]),
    ratio=st.floats(3.0, 20.0),
    phase=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    flips=st.tuples(*[st.sets(st.sampled_from("yx"))] * 2),
    how=st.sampled_from(["bilinear", "cubic"]),
    lazy=st.booleans(),
)
def test_a_linear_field_comes_out_right(fine, crs, ratio, phase, flips, how, lazy):
    """Whatever the CRS, offsets and directions: to a small part of a coarse pixel's step."""
    place, pixel = Transformer.from_crs("EPSG:4326", fine, always_xy=True), 30.0
    x0, y0 = place.transform(15.5, 49.0)
    if CRS(fine).is_geographic:
        pixel /= 111_000
    target = Lattice(y0, -pixel, x0, pixel, (97, 130), CRS(fine).to_wkt())
    step = ratio * (30 / 111_000 if CRS(crs).is_geographic else 30.0)
    step *= 1.5 if crs == "EPSG:3857" else 1  # its metre is 1/cos(latitude) long
    source = around(target, crs, step, phase=phase)
    coarse = images(source, plane(source, target), flip=flips[0])
    coarse = coarse.chunk(y=7, x=5) if lazy else coarse
    ds = xstf.align(images(target, plane(target, target), flip=flips[1]), coarse, resampling=how)
    scale = ds.attrs["scale"]
    true = ds.fine.coarsen(y=scale, x=scale).mean()  # the fine images are the same field
    np.testing.assert_allclose(ds.coarse, true, rtol=0, atol=0.001 * scale * 0.1)
    assert ds.sizes["y_coarse"] == 97 // scale
    assert ds.sizes["x_coarse"] == 130 // scale


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(1, 3),
    scale=st.integers(2, 9),
    first=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    flips=st.sets(st.sampled_from("yx")),
    lazy=st.booleans(),
)
def test_whole_pixels_are_taken_as_they_are(side, scale, first, flips, lazy):
    """Bit for bit, from anywhere in a flipped image: the pixels, or the means of blocks."""
    cells = FINE.coarsened(scale * side)
    pixel = 30.0 * scale
    source = Lattice(
        FINE.y0 + first[0] * pixel, -pixel, FINE.x0 - first[1] * pixel, pixel,
        tuple((c + 1) * side + f for c, f in zip(cells.shape, first, strict=True)), UTM,
    )  # fmt: skip
    values = np.random.default_rng(side).uniform(0, 1, source.shape).astype("f4")
    coarse = images(source, values, flip=flips)
    coarse = coarse.chunk(y=4, x=3) if lazy else coarse
    ds = xstf.align(images(FINE), coarse, scale=scale * side, resampling="average")
    kept = values[first[0] :, first[1] :][: cells.shape[0] * side, : cells.shape[1] * side]
    want = kept.reshape(cells.shape[0], side, cells.shape[1], side).mean(axis=(1, 3))
    np.testing.assert_allclose(ds.coarse[0, 0], want, rtol=0, atol=0 if side == 1 else 1e-6)


def test_aligning_what_fits_changes_nothing(tiny):
    ds, _ = tiny
    seen = ds.isel(time=np.flatnonzero(ds.fine_observed))
    again = xstf.align(seen.fine, ds.coarse)
    np.testing.assert_array_equal(again.fine, ds.fine)
    np.testing.assert_array_equal(again.coarse, ds.coarse)
    assert again.attrs["scale"] == ds.attrs["scale"]


def test_images_on_the_fine_grid_become_cells():
    values = np.random.default_rng(0).uniform(0, 1, FINE.shape)
    both = images(FINE), images(FINE, values)
    ds = xstf.align(*both, scale=16)
    want = values[:96, :128].reshape(6, 16, 8, 16).mean(axis=(1, 3))
    np.testing.assert_allclose(ds.coarse[0, 0], want, rtol=0, atol=1e-6)
    bare = xstf.align(*(i.drop_vars(["y", "x", "spatial_ref"]) for i in both), scale=16)
    np.testing.assert_array_equal(bare.coarse, ds.coarse)
    with pytest.raises(ValueError, match="can mean two things.*scale=16.*scale=1"):
        xstf.align(*both)
    assert xstf.align(*both, scale=1).coarse.shape == (1, 1, *FINE.shape)


# Where pixels lie


@pytest.mark.parametrize("anchor", ["upper-left", "lower-left"])
@pytest.mark.parametrize("flip", [(), ("y",), ("y", "x")])
def test_coordinates_of_corners(anchor, flip):
    source = around(FINE, UTM, 463.0)
    coarse = images(source, plane(source, FINE), flip=flip)
    want = xstf.align(images(FINE), coarse)
    up = -0.5 if anchor == "lower-left" else 0.5
    moved = coarse.assign_coords(y=coarse.y + up * 463.0, x=coarse.x - 0.5 * 463.0)
    bare = xstf.georeference(moved, UTM)  # whose GeoTransform takes them for centres
    ds = xstf.align(images(FINE), bare, coarse_anchor=anchor)
    np.testing.assert_allclose(ds.coarse, want.coarse, rtol=0, atol=1e-6)
    fine = images(FINE, flip=flip)
    fine = fine.assign_coords(y=fine.y + up * 30.0, x=fine.x - 15.0)
    ds = xstf.align(fine, coarse, fine_anchor=anchor)
    np.testing.assert_array_equal(np.sort(ds.y), np.sort(ds.fine.y))
    np.testing.assert_allclose(np.sort(ds.x)[0], 500_015.0 + (30 * (130 % 15) if flip[1:] else 0))


def test_a_geotransform_says_what_coordinates_name():
    """Upper left corners beside a GeoTransform are noticed; a stale one of a cut image is not."""
    source = around(FINE, SINUSOIDAL, 463.0)
    coarse = images(source, plane(source, FINE))
    want = xstf.align(images(FINE), coarse).coarse
    corner = coarse.assign_coords(y=coarse.y + 231.5, x=coarse.x - 231.5)
    np.testing.assert_allclose(xstf.align(images(FINE), corner).coarse, want, rtol=0, atol=1e-6)
    flipped = corner.isel(y=slice(None, None, -1))
    np.testing.assert_allclose(xstf.align(images(FINE), flipped).coarse, want, rtol=0, atol=1e-6)
    cut = coarse.isel(y=slice(2, None), x=slice(1, None))
    np.testing.assert_array_equal(xstf.align(images(FINE), cut).coarse, want)
    thin = coarse.isel(y=slice(None, None, 2), x=slice(None, None, 2))  # another resolution
    assert xstf.align(images(FINE), thin).attrs["scale"] == 31
    with pytest.raises(ValueError, match='0.8 pixels inside.*coarse_anchor="center"'):
        xstf.align(images(FINE), coarse.assign_coords(y=coarse.y - 0.3 * 463.0))


def test_extents_are_cut_to_the_common_one():
    """The coarse image ends inside the fine one on two sides, and holds more on the others."""
    pixel = 450.0
    source = Lattice(FINE.y0 + 900, -pixel, FINE.x0 + 3 * pixel, pixel, (6, 40), UTM)
    coarse = images(source, plane(source, FINE))
    ds = xstf.align(images(FINE, plane(FINE, FINE)), coarse, classes=np.ones(FINE.shape, int))
    assert (ds.sizes["y"], ds.sizes["x"]) == (4 * 15, (8 - 3) * 15)
    assert ds.classes.shape == (60, 75)
    np.testing.assert_allclose(ds.x[0], FINE.x0 + 3 * pixel + 15)
    np.testing.assert_allclose(ds.coarse, ds.fine.coarsen(y=15, x=15).mean(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("west", [0.0, -180.0])
def test_longitudes_of_either_kind(west):
    """A globe from 0 to 360 and one from -180 to 180 are the same, and Greenwich is no edge."""
    pixel = 0.05
    fine = Lattice(51.6, -pixel / 10, -0.4, pixel / 10, (80, 160), CRS("EPSG:4326").to_wkt())
    globe = Lattice(90.0, -pixel, west, pixel, (3600, 7200), fine.crs)
    window = globe.cut(slice(700, 820), slice(0, 7200))
    longitude = (window.centres["x"] + 180) % 360 - 180
    values = 0.3 + 0.1 * longitude.clip(-1, 1) + 0 * window.centres["y"][:, None]
    ds = xstf.align(images(fine), images(window, values), scale=8)
    want = 0.3 + 0.1 * ds.coarse.x_coarse
    known = ds.coarse.notnull()
    # only cells over the seam itself, whose neighbours lie at the other end, may be missing
    assert known.mean() > 0.9
    np.testing.assert_allclose(ds.coarse.where(known, want), want.broadcast_like(ds.coarse),
                               rtol=0, atol=3e-3)  # fmt: skip


def test_covered_finds_the_same_whatever_lines_it_looks_at(monkeypatch):
    source = around(FINE, SINUSOIDAL, 463.0).cut(slice(4, 9), slice(5, 9))
    want = covered(source, FINE)
    v, u = locate(source, FINE, np.arange(97) + 0.5, np.arange(130) + 0.5)
    inside = (v >= 0) & (v <= 5) & (u >= 0) & (u <= 4)
    for span, axis in zip(want, (1, 0), strict=True):
        lines = np.flatnonzero(inside.any(axis=axis))
        assert (span.start, span.stop) == (lines[0], lines[-1] + 1)
    monkeypatch.setattr("xstf.projection._LINES", 40)
    assert covered(source, FINE) == want


# Missing pixels


@pytest.mark.parametrize("how", HOWS)
def test_missing_stays_missing_and_does_not_bleed(how):
    source = around(FINE, SINUSOIDAL, 463.0)
    coarse = images(source, 0.25)
    coarse[..., 5:8, 5:8] = np.nan
    got = xstf.align(images(FINE), coarse, resampling=how).coarse
    assert 4 <= int(got.isnull().sum()) <= 14
    np.testing.assert_allclose(got.values[got.notnull()], 0.25, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lazy", [False, True])
def test_fill_values_of_floats_are_missing(lazy):
    source = around(FINE, SINUSOIDAL, 463.0)
    coarse = images(source, 0.25)
    coarse[..., 5:8, 5:8] = np.nan
    want = xstf.align(images(FINE), coarse).coarse
    filled = coarse.fillna(-3.4e38).assign_attrs(_FillValue=np.float64(-3.4e38))
    got = xstf.align(images(FINE), filled.chunk(y=5) if lazy else filled).coarse
    np.testing.assert_array_equal(got, want)
    assert "_FillValue" not in got.attrs


def test_a_class_map_is_cut_by_its_own_axes():
    values = np.arange(97 * 130).reshape(97, 130) % 7
    classes = xr.DataArray(values.T, dims=("x", "y"))
    ds = xstf.align(images(FINE), images(around(FINE, UTM, 460.0)), classes=classes)
    np.testing.assert_array_equal(ds.classes, values[:90, :120])


# Lazy


class Counted:
    """An array that counts the pixels that are read."""

    def __init__(self, shape):
        self.shape, self.ndim, self.dtype, self.read = shape, len(shape), np.dtype("f4"), 0

    def __getitem__(self, key):
        shape = [len(range(*k.indices(s))) for k, s in zip(key, self.shape, strict=True)]
        self.read += int(np.prod(shape))
        return np.full(shape, 0.25, "f4")


def test_a_large_scene_is_built_without_a_pixel_and_a_tile_reads_its_window(nothing_computes):
    fine = Lattice(5_400_000.0, -30.0, 300_000.0, 30.0, (10_000, 10_000), UTM)
    native = around(fine, SINUSOIDAL, 463.3127165)
    arrays = [Counted((2, 2, *lattice.shape)) for lattice in (fine, native)]
    both = []
    for array, lattice, chunk in zip(arrays, (fine, native), (1000, 100), strict=True):
        lazy = da.from_array(array, chunks=(1, 1, chunk, chunk), asarray=False)
        coords = {"time": DAYS, "band": ["red", "nir"], **lattice.centres}
        image = xr.DataArray(lazy, dims=("time", "band", "y", "x"), coords=coords)
        both.append(xstf.georeference(image, lattice.crs))
    ds = xstf.align(*both)
    assert ds.coarse.shape == (2, 2, 666, 666)
    assert [a.read for a in arrays] == [0, 0]
    with dask.config.set(scheduler="sync"):
        tile = ds.coarse[0, 0, :TILE, :TILE].compute()
    assert bool((tile == 0.25).all())
    assert arrays[0].read == 0
    # a tile of 256 cells of 450 m is sheared to some 300 x 300 pixels, in chunks of 100
    assert arrays[1].read <= 700 * 500


@pytest.mark.parametrize("how", HOWS)
def test_any_cut_gives_the_same_bits(how, monkeypatch):
    source = around(FINE, SINUSOIDAL, 200.0)
    values = np.random.default_rng(1).uniform(0, 1, source.shape)
    values[values < 0.05] = np.nan
    coarse = images(source, values, dates=2)
    options = {"resampling": how, "scale": 8}
    want = xstf.align(images(FINE, dates=2), coarse, **options).coarse
    for tile, chunk in ((5, 3), (7, 50)):
        monkeypatch.setattr("xstf.warping.TILE", tile)
        lazy = xstf.align(images(FINE, dates=2), coarse.chunk(time=1, y=chunk, x=4), **options)
        np.testing.assert_array_equal(lazy.coarse.compute(), want)
    again = xstf.align(images(FINE, dates=2), coarse.chunk(time=1, y=chunk, x=4), **options)
    assert again.coarse.data.name == lazy.coarse.data.name


# Shape of the images


def test_fewer_dimensions_and_other_names():
    source = around(FINE, "EPSG:4326", 0.005)
    coarse = images(source, plane(source, FINE))
    want = xstf.align(images(FINE), coarse)
    one = coarse.isel(time=0, band=0, drop=False).rename(y="lat", x="lon")
    one.encoding["grid_mapping"] = "spatial_ref"
    ds = xstf.align(images(FINE).isel(band=0), one)
    np.testing.assert_array_equal(ds.coarse, want.coarse)
    with pytest.raises(ValueError, match=r"fine has dimensions.*expand_dims\(time"):
        xstf.align(images(FINE).isel(time=0, drop=True), coarse)
    packed = (coarse * 1e4).round().astype("int16").assign_attrs(scale_factor=1e-4)
    ds = xstf.align(images(FINE), packed)
    np.testing.assert_allclose(ds.coarse, want.coarse, rtol=0, atol=1e-4)


def test_bands_of_two_sensors_and_images_of_other_tools():
    source = around(FINE, "EPSG:4326", 0.005)
    fine = images(FINE, bands=("SR_B3", "SR_B4"))
    coarse = images(source, plane(source, FINE), bands=("sur_refl_b01", "sur_refl_b02"))
    coarse[:, 1] = 0.75  # which is nir
    chosen = {"bands": ["red"], "sensors": ("landsat8", "modis")}
    ds = xstf.align(fine, coarse, **chosen)
    want = xstf.align(images(FINE), images(source, plane(source, FINE)))
    assert ds.band.values.tolist() == ["red"]
    np.testing.assert_array_equal(ds.coarse, want.coarse)
    cube = coarse.rename(y="lat", x="lon").drop_vars("spatial_ref").to_dataset("band")
    taken = xstf.to_images(cube.isel(lat=slice(None, None, -1)), crs="EPSG:4326")
    np.testing.assert_allclose(xstf.align(fine, taken, **chosen).coarse, want.coarse, atol=1e-6)


def test_a_geotransform_serves_where_coordinates_lack():
    source = around(FINE, "EPSG:4326", 0.005)
    coarse = images(source, plane(source, FINE))
    want = xstf.align(images(FINE), coarse)
    ds = xstf.align(images(FINE).drop_vars(["y", "x"]), coarse.drop_vars(["y", "x"]))
    np.testing.assert_allclose(ds.coarse, want.coarse, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ds.y, want.y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coarse": lambda c: c.drop_vars("spatial_ref")}, r"xstf.georeference\(coarse"),
        ({"fine": lambda f: f.drop_vars("spatial_ref")}, r"xstf.georeference\(fine"),
        ({"fine": lambda f: [f, f]}, r"UTM zones.*b.rio.reproject_match\(a\)"),
        ({"coarse": lambda c: c.to_dataset(name="a")}, r"of bands: xstf.to_images\(coarse\)"),
        ({"bands": ["red"]}, "give both, the names of the bands and of the two sensors"),
        ({"bands": ["nir"], "sensors": ("landsat8", "modis")}, "B5, which is not among.*red"),
        ({"resampling": "lanczos"}, "none of nearest, bilinear, cubic, average"),
        ({"scale": 0}, "not a whole number of fine pixels"),
        ({"scale": 120}, "no whole cell of 120.*smaller scale="),
        ({"coarse_anchor": "corner"}, "no place in a pixel; give one of center"),
        ({"shift": "yes"}, "give .auto., or rows and columns"),
        ({"shift": (1e5, 0)}, r"shift=\(100000.0, 0.0\), is it meant in fine pixels"),
        ({"shift": (1, 2, 3)}, r"such as \(7, 17\)"),
        ({"classes": np.ones((3, 3))}, "one class for each fine pixel"),
        ({"coarse": lambda c: c.assign_coords(x=c.x + 1e6)}, "do not overlap.*check the CRS"),
        ({"coarse": lambda c: c.assign_coords(band=["nir"])}, "the bands differ"),
        (
            {"coarse": lambda c: xstf.georeference(c.drop_vars("spatial_ref"), "EPSG:32633")},
            "fine and coarse swapped|do not overlap",
        ),
        (
            {
                "coarse": lambda c: c.drop_vars(["y", "x", "spatial_ref"]).assign_coords(
                    lat=(("y", "x"), np.zeros(c.shape[2:]))
                )
            },
            "swath.*pyresample",
        ),
    ],
)
def test_every_refusal_has_its_cure(change, message):
    source = around(FINE, "EPSG:4326", 0.005)
    given = {"fine": images(FINE), "coarse": images(source)}
    for name, value in change.items():
        given[name] = value(given[name]) if callable(value) else value
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        xstf.align(**given)


def test_images_whose_place_or_pixel_is_not_known_are_refused():
    coarse = images(around(FINE, "EPSG:4326", 0.005))
    bare = coarse.drop_vars(["y", "x"])
    del bare.spatial_ref.attrs["GeoTransform"]
    with pytest.raises(ValueError, match=r"a CRS but no coordinates.*assign_coords\(y=\.\.\., x="):
        xstf.align(images(FINE), bare)
    line, plain = images(FINE).isel(y=[0]), around(FINE, UTM, 450.0)
    with pytest.raises(ValueError, match="one pixel along y and no GeoTransform.*write_transform"):
        xstf.align(line.drop_vars("spatial_ref"), images(plain).drop_vars("spatial_ref"))


def test_degrees_that_are_said_to_be_metres_are_noticed():
    degrees = images(around(FINE, "EPSG:4326", 0.005)).drop_vars("spatial_ref")
    with pytest.raises(ValueError, match="or is a CRS not that of its coordinates.*coarse x 1[45]"):
        xstf.align(images(FINE), xstf.georeference(degrees, UTM))


def test_swapped_images_are_noticed():
    with pytest.raises(ValueError, match="are fine and coarse swapped"):
        xstf.align(images(around(FINE, UTM, 450.0)), images(FINE))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.isel(y=slice(None, None, -1)),
        lambda c: xstf.georeference(c.assign_coords(y=c.y + 70.0), UTM),
        lambda c: xstf.georeference(c.assign_coords(x=5e5 + 1.03 * (c.x - 5e5)), UTM),
        lambda c: c.isel(x=slice(0, 5)),
    ],
)
def test_what_a_scene_refuses_align_mends_as_the_message_says(spoil):
    coarse = spoil(images(Lattice(FINE.y0, -450.0, FINE.x0, 450.0, (12, 12), UTM)))
    fine = images(FINE).isel(y=slice(0, 90), x=slice(0, 120))
    with pytest.raises(ValueError, match=r"xstf.align\(fine, coarse\)"):
        xstf.scene(fine, coarse)
    xstf.check(xstf.align(fine, coarse))
