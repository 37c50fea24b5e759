import re
import warnings

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xstf
from xstf.checks import take_apart
from xstf.kernels.boxes import cell_means
from xstf.reduction import reduce_to_cells


def says(caught, *parts):
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def counting():
    """Return a scheduler that counts the computations it runs, and the list it counts in."""
    seen = []

    def get(graph, keys, **options):
        seen.append(keys)
        return dask.get(graph, keys, **options)

    return get, seen


@pytest.fixture
def both(images):
    """Return fine images (one date) of 8 x 12 pixels and coarse ones (three dates), scale 2."""
    return images(slice(0, 1), 8, 12), images(slice(0, 3), 4, 6, pixel=2.0, seed=1)


@pytest.fixture
def scene(both):
    return xstf.scene(*both)


# What a scene is made of


def test_a_scene_of_two_images(both):
    fine, coarse = both
    ds = xstf.scene(fine, coarse)
    assert ds.fine.dims == ("time", "band", "y", "x")
    assert ds.coarse.dims == ("time", "band", "y_coarse", "x_coarse")
    assert ds.fine.dtype == ds.coarse.dtype == np.float32
    assert ds.attrs == {"scale": 2, "valid_range": [0.0, 1.0]}
    np.testing.assert_array_equal(ds.fine[0], fine[0])
    np.testing.assert_array_equal(ds.coarse, coarse)
    np.testing.assert_array_equal(ds.y_coarse, coarse.y)
    xstf.check(ds)
    ds.stf.check()


def test_inputs_stay_as_they_are(both):
    copies = [image.copy(deep=True) for image in both]
    xstf.scene(*both)
    for image, copy in zip(both, copies, strict=True):
        xr.testing.assert_identical(image, copy)
        assert image.encoding == copy.encoding


def test_own_times_become_their_union_and_missing_dates_are_nan(images):
    fine = images([0, 2, 4], 8)
    coarse = images([0, 1, 2], 4, pixel=2.0)
    ds = xstf.scene(fine, coarse)
    np.testing.assert_array_equal(ds.time, np.union1d(fine.time, coarse.time))
    assert ds.fine_observed.values.tolist() == [True, False, True, True]
    assert ds.coarse_observed.values.tolist() == [True, True, True, False]
    assert ds.fine_observed.dtype == ds.coarse_observed.dtype == bool
    np.testing.assert_array_equal(ds.fine.sel(time=fine.time), fine)
    np.testing.assert_array_equal(ds.coarse.sel(time=coarse.time), coarse)
    assert ds.fine[1].isnull().all()
    assert ds.coarse[3].isnull().all()


def test_building_computes_nothing_and_missing_dates_are_lazy(images, nothing_computes):
    fine = images([0, 4], 8).chunk({"time": 1, "y": 4})
    coarse = images(slice(0, 4), 4, pixel=2.0).chunk({"time": 1})
    ds = xstf.scene(fine, coarse)
    assert isinstance(ds.fine.data, da.Array)
    assert ds.fine.chunks == ((1,) * 5, (2,), (4, 4), (8,))
    assert isinstance(ds.coarse.data, da.Array)
    assert ds.fine_observed.values.tolist() == [True, False, False, False, True]  # believed
    xstf.check(ds)
    fused = ds.stf.fuse("add")
    assert fused.shape == (3, 2, 8, 8)


def test_dates_that_hold_nothing_are_believed_in_memory_and_on_disk_alike(images):
    fine, coarse = images([0, 1], 8), images([0, 1, 2], 4, pixel=2.0)
    fine[1] = np.nan
    for pair in ((fine, coarse), (fine.chunk(), coarse.chunk())):
        ds = xstf.scene(*pair)
        assert ds.fine_observed.values.tolist() == [True, True, False]
        lazy = ds.stf.fuse("add", pairs=[ds.time.values[1]], dates=ds.time.values[2])
        with pytest.raises(ValueError, match="2020-06-03 is all missing"):
            lazy.compute()
        assert xstf.find_observed(ds).fine_observed.values.tolist() == [True, False, False]


def test_times_in_other_units_are_compared_by_value(both):
    fine, coarse = both
    ds = xstf.scene(fine.assign_coords(time=fine.time.values.astype("datetime64[s]")), coarse)
    assert ds.sizes["time"] == 3
    assert ds.fine_observed.values.tolist() == [True, False, False]


def test_order_and_names_of_dimensions(both):
    fine, coarse = both
    expected = xstf.scene(fine, coarse)
    turned = xstf.scene(fine.transpose("x", "time", "y", "band"), coarse.transpose("y", "x", ...))
    xr.testing.assert_identical(turned.compute(), expected.compute())
    named = xstf.scene(fine.rename(y="lat", x="lon"), coarse.rename(y="y_coarse", x="x_coarse"))
    np.testing.assert_array_equal(named.fine, expected.fine)
    np.testing.assert_array_equal(named.coarse, expected.coarse)


def test_longitude_before_latitude_is_not_taken_for_rows(images):
    fine, coarse = images(slice(0, 1), 8), images(slice(0, 3), 4, pixel=2.0)
    expected = xstf.scene(fine, coarse)
    swapped = fine.rename(y="lat", x="lon").transpose("time", "band", "lon", "lat")
    np.testing.assert_array_equal(xstf.scene(swapped, coarse).fine, expected.fine)


@pytest.mark.parametrize("scale", [2, np.int64(2), None])
def test_the_scale_may_be_said(both, scale):
    assert xstf.scene(*both, scale=scale).attrs["scale"] == 2


@pytest.mark.parametrize("scale", [0, -2, 2.5, True, np.nan, np.inf, "2", "two", [2]])
def test_what_is_no_scale_is_named(both, scale):
    with pytest.raises(
        ValueError, match="is not a whole number of fine pixels, 1 or more"
    ) as caught:
        xstf.scene(*both, scale=scale)
    says(caught, f"scale={scale!r}")


def test_a_whole_number_written_as_a_float_serves(images):
    bare = images(slice(0, 1), 8).drop_vars(["y", "x"])
    coarse = images(slice(0, 3), 4).drop_vars(["y", "x"])
    assert xstf.scene(bare, coarse, scale=2.0).attrs["scale"] == 2


def test_what_is_no_image_is_named(both):
    fine, coarse = both
    with pytest.raises(TypeError, match="give two DataArrays"):
        xstf.scene(fine.values, coarse)
    with pytest.raises(TypeError, match="coarse is missing"):
        xstf.scene(fine)
    for other in (fine, fine.values, None):
        with pytest.raises(TypeError, match="a scene is an xarray Dataset or DataTree") as caught:
            xstf.check(other)
        says(caught, type(other).__name__, "xstf.scene(fine, coarse)")


@pytest.mark.parametrize("missing", ["time", "band"])
def test_a_missing_dimension_is_named(both, missing):
    fine, coarse = both
    with pytest.raises(ValueError, match="fine has dimensions") as caught:
        xstf.scene(fine.isel({missing: 0}, drop=True), coarse)
    says(caught, "not (time, band, y, x)", f".expand_dims({missing}=[...])")
    with pytest.raises(ValueError, match="coarse has dimensions"):
        xstf.scene(fine, coarse.isel({missing: 0}, drop=True))


def test_a_dimension_too_many_is_not_cured_by_one_more(both):
    fine, coarse = both
    with pytest.raises(ValueError, match="fine has dimensions") as caught:
        xstf.scene(fine.expand_dims("member"), coarse)
    says(caught, "member")
    assert "expand_dims" not in str(caught.value)


@pytest.mark.parametrize("dim", ["time", "y", "x"])
def test_empty_images_are_refused(both, dim):
    fine, coarse = both
    with pytest.raises(ValueError, match="fine.*(empty|holds no|no date)"):
        xstf.scene(fine.isel({dim: slice(0, 0)}), coarse)


# Grids


def test_grids_that_do_not_meet_name_both_shapes_and_the_cure(both):
    fine, coarse = (image.drop_vars(["y", "x"]) for image in both)
    with pytest.raises(ValueError, match="the grids do not meet") as caught:
        xstf.scene(fine.isel(y=slice(0, 7)), coarse)
    says(caught, "(7, 12)", "(4, 6)")
    assert re.search("isel|resample", str(caught.value))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            lambda c: c.assign_coords(y=c.y + 0.5),
            ("1.5 fine pixels inside", "same corner|fine corner"),
        ),
        (
            lambda c: c[..., ::-1, :],
            ("runs up in fine and down in coarse", "flipped", r"xstf\.align"),
        ),
        (lambda c: c[..., ::-1], ("runs up in fine and down in coarse", "flipped", r"xstf\.align")),
        (lambda c: c[..., :3, :], ("there are 3", "the ground that both cover")),
        (lambda c: c[..., 1:], ("coarse cells -1 to 4", "the ground that both cover")),
        (lambda c: c.assign_coords(y=c.y * 1.1, x=c.x * 1.1), ("2.2 fine pixels", "resample")),
    ],
)
def test_grids_that_do_not_meet_by_coordinates(both, change, parts):
    fine, coarse = both
    with pytest.raises(ValueError, match="the grids do not meet") as caught:
        xstf.scene(fine, change(coarse))
    for part in parts:
        assert re.search(part, str(caught.value)), str(caught.value)


def test_coarse_is_cut_to_the_ground_of_fine(images):
    fine = images(slice(0, 1), 8, 12).isel(y=slice(2, 6), x=slice(4, 12))
    coarse = images(slice(0, 3), 4, 6, pixel=2.0)
    ds = xstf.scene(fine, coarse)
    np.testing.assert_array_equal(ds.coarse, coarse[..., 1:3, 2:6])
    np.testing.assert_array_equal(ds.y_coarse, coarse.y[1:3])


def test_north_up_grids_meet(images):
    fine, coarse = images([0], 8, down=True), images([0, 1], 4, pixel=2.0, down=True)
    assert xstf.scene(fine, coarse).attrs["scale"] == 2


def test_images_without_coordinates_get_pixels(both):
    fine, coarse = (image.drop_vars(["y", "x"]) for image in both)
    ds = xstf.scene(fine, coarse)
    np.testing.assert_array_equal(ds.y, np.arange(8) + 0.5)
    np.testing.assert_array_equal(ds.x, np.arange(12) + 0.5)
    np.testing.assert_array_equal(ds.y_coarse, 2 * np.arange(4) + 1)
    np.testing.assert_array_equal(ds.x_coarse, 2 * np.arange(6) + 1)


def test_one_side_without_coordinates(both):
    fine, coarse = both
    moved = fine.assign_coords(y=6e6 - 30 * fine.y, x=5e5 + 30 * fine.x)
    ds = xstf.scene(moved, coarse.drop_vars(["y", "x"]))
    np.testing.assert_allclose(ds.y_coarse, 6e6 - 30 * coarse.y)
    moved = coarse.assign_coords(y=6e6 - 30 * coarse.y, x=5e5 + 30 * coarse.x)
    ds = xstf.scene(fine.drop_vars(["y", "x"]), moved)
    np.testing.assert_allclose(ds.y, 6e6 - 30 * fine.y)


# Coarse images on the fine grid


def test_equal_shapes_without_scale_have_two_readings(images):
    with pytest.raises(ValueError, match="the same shape") as caught:
        xstf.scene(images([0], 8), images([0, 1], 8))
    says(caught, "(8, 8)", "scale=16", "scale=1)")


def test_equal_shapes_by_chance_are_told_by_coordinates(images):
    fine, coarse = images([0], 8), images([0, 1], 8, pixel=2.0)  # twice the ground
    assert xstf.scene(fine, coarse, scale=2).coarse.shape == (2, 2, 4, 4)


def test_scale_one_keeps_the_coarse_images(images):
    coarse = images([0, 1], 8, seed=1)
    ds = xstf.scene(images([0], 8), coarse, scale=1)
    assert ds.attrs["scale"] == 1
    np.testing.assert_array_equal(ds.coarse, coarse)
    assert ds.stf.fuse("add").shape == (1, 2, 8, 8)


def test_a_scale_reduces_interpolated_images_to_block_means(images):
    coarse = images([0, 1], 32, 48, seed=1)
    ds = xstf.scene(images([0], 32, 48), coarse, scale=16)
    assert ds.coarse.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(ds.coarse, cell_means(coarse.values, 16))
    np.testing.assert_allclose(
        ds.coarse, coarse.values.reshape(2, 2, 2, 16, 3, 16).mean((3, 5)), rtol=1e-5
    )
    np.testing.assert_array_equal(ds.y_coarse, [8, 24])
    np.testing.assert_array_equal(ds.x_coarse, [8, 24, 40])


def test_a_scale_that_does_not_divide_names_the_cut(images):
    with pytest.raises(ValueError, match="scale 3 does not divide the 8 pixels along y") as caught:
        xstf.scene(images([0], 8, 9), images([0, 1], 8, 9), scale=3)
    says(caught, ".isel(y=slice(0, 6))")


@pytest.mark.parametrize(
    "chunks",
    [
        {"y": 32, "x": 48},
        {"y": 16, "x": 16},
        {"y": (5, 11, 16), "x": (7, 41)},
        {"y": 1, "x": 48},
        {"y": 20, "x": 13, "time": 1, "band": 1},
        {"y": (31, 1), "x": 3},
    ],
    ids=str,
)
def test_block_means_have_the_same_bits_in_any_chunks(images, chunks):
    image = images([0, 1, 2], 32, 48)
    image.values[np.random.default_rng(0).uniform(size=image.shape) < 0.5] = np.nan
    expected = reduce_to_cells(image, 8)
    assert expected.isnull().any()  # or the rule is not tried
    assert expected.notnull().any()
    with dask.config.set(scheduler="sync"):
        found = reduce_to_cells(image.chunk(chunks), 8)
        assert isinstance(found.data, da.Array)
        assert found.dtype == np.float32
        found = found.compute()
    assert found.dims == expected.dims
    xr.testing.assert_identical(found.coords.to_dataset(), expected.coords.to_dataset())
    np.testing.assert_array_equal(found, expected)


def test_a_cell_of_a_scene_is_missing_where_more_than_half_of_it_is(images):
    coarse = images([0, 1], 8)
    coarse.values[:, :, :2, :4] = np.nan  # half of the first cell
    coarse.values[:, :, :4, 4:6] = np.nan
    coarse.values[:, :, 0, 6] = np.nan  # one more than half of the second
    means = xstf.scene(images([0], 8), coarse, scale=4).coarse
    np.testing.assert_allclose(means[0, 0, 0, 0], coarse[0, 0, 2:4, :4].mean(), rtol=1e-6)
    assert means[:, :, 0, 1].isnull().all()


# Coordinate reference systems


def test_each_grid_has_its_mapping(both):
    fine, coarse = (xstf.georeference(image, "EPSG:32633") for image in both)
    ds = xstf.scene(fine, coarse)
    assert ds.spatial_ref.attrs["GeoTransform"] == "0.0 1.0 0.0 0.0 0.0 1.0"
    assert ds.spatial_ref_coarse.attrs["GeoTransform"] == "0.0 2.0 0.0 0.0 0.0 2.0"
    assert ds.spatial_ref.attrs["crs_wkt"] == ds.spatial_ref_coarse.attrs["crs_wkt"]
    assert ds.fine.encoding["grid_mapping"] == "spatial_ref"
    assert ds.coarse.encoding["grid_mapping"] == "spatial_ref_coarse"


def test_crs_must_be_on_both_sides_and_the_same(both):
    fine, coarse = both
    referenced = xstf.georeference(fine, "EPSG:32633")
    with pytest.raises(ValueError, match="fine images have a CRS and the coarse ones") as caught:
        xstf.scene(referenced, coarse)
    says(caught, "xstf.georeference(coarse, 'EPSG:...')")
    with pytest.raises(ValueError, match="coarse images have a CRS and the fine ones have none"):
        xstf.scene(fine, xstf.georeference(coarse, "EPSG:32633"))
    with pytest.raises(ValueError, match="fine EPSG:32633, coarse EPSG:32634") as caught:
        xstf.scene(referenced, xstf.georeference(coarse, "EPSG:32634"))
    says(caught, "xstf.align(fine, coarse)")


def test_a_finished_scene_with_another_crs_is_refused(both):
    ds = xstf.scene(*(xstf.georeference(image, "EPSG:32633") for image in both))
    other = xstf.georeference(both[1], "EPSG:32634").spatial_ref
    ds = ds.assign_coords(spatial_ref_coarse=ds.spatial_ref_coarse.assign_attrs(other.attrs))
    with pytest.raises(ValueError, match="the CRS differ"):
        ds.stf.check()


def transform_of(y, x):
    dy, dx = float(y[1] - y[0]), float(x[1] - x[0])
    return [float(x[0]) - dx / 2, dx, 0, float(y[0]) - dy / 2, 0, dy]


def test_cutting_keeps_transforms_and_coordinates_together(both):
    ds = xstf.scene(*(xstf.georeference(image, "EPSG:32633") for image in both))
    cut = ds.stf.isel(y=slice(2, 6), x=slice(4, 12))
    for mapping, y, x in (
        ("spatial_ref", "y", "x"),
        ("spatial_ref_coarse", "y_coarse", "x_coarse"),
    ):
        found = [float(v) for v in cut[mapping].attrs["GeoTransform"].split()]
        assert found == transform_of(cut[y].values, cut[x].values)


# Bands


def test_bands_are_matched_by_name(images):
    fine = images([0], 8, bands=("red", "nir", "blue"))
    coarse = images([0, 1], 4, pixel=2.0, bands=("nir", "blue", "red"))
    ds = xstf.scene(fine, coarse)
    assert ds.band.values.tolist() == ["red", "nir", "blue"]
    for band in ("red", "nir", "blue"):
        np.testing.assert_array_equal(ds.coarse.sel(band=band), coarse.sel(band=band))


def test_bands_that_differ_are_named(images):
    fine = images([0], 8)
    with pytest.raises(ValueError, match="the bands differ") as caught:
        xstf.scene(fine, images([0, 1], 4, pixel=2.0, bands=("red", "swir")))
    says(caught, "red", "nir", "swir", ".sel(band=[...])")
    with pytest.raises(ValueError, match="the bands differ"):
        xstf.scene(fine, images([0, 1], 4, pixel=2.0, bands=("red", "nir", "swir")))


def test_bands_without_names_are_matched_by_place(images):
    fine, coarse = images([0], 8), images([0, 1], 4, pixel=2.0)
    for pair in ((fine.drop_vars("band"), coarse), (fine, coarse.drop_vars("band"))):
        ds = xstf.scene(*pair)
        assert ds.band.values.tolist() == ["red", "nir"]
        np.testing.assert_array_equal(ds.coarse, coarse)
    bare = xstf.scene(fine.drop_vars("band"), coarse.drop_vars("band"))
    assert "band" not in bare.coords
    with pytest.raises(ValueError, match="the bands differ: fine has 2, coarse 1") as caught:
        xstf.scene(fine.drop_vars("band"), coarse[:, :1].drop_vars("band"))
    says(caught, ".isel(band=[...])")


def test_numbered_bands_are_matched_by_number(images):
    fine = images([0], 8).assign_coords(band=[1, 2])
    coarse = images([0, 1], 4, pixel=2.0).assign_coords(band=[2, 1])
    ds = xstf.scene(fine, coarse)
    np.testing.assert_array_equal(ds.coarse[:, 0], coarse[:, 1])


def test_two_bands_of_one_name_are_not_mixed_up(images):
    fine = images([0], 8).assign_coords(band=["red", "red"])
    coarse = images([0, 1], 4, pixel=2.0).assign_coords(band=["red", "red"])
    with pytest.raises(ValueError, match="'red' twice"):
        xstf.scene(fine, coarse)


# Times


@pytest.mark.parametrize("side", ["fine", "coarse"])
@pytest.mark.parametrize(
    ("order", "parts"),
    [
        ([1, 0], ("are not in order", ".sortby('time')")),
        ([0, 0], ("hold 2020-06-01 twice", ".drop_duplicates('time')")),
    ],
)
def test_times_out_of_order_or_repeated(images, side, order, parts):
    pair = {"fine": images([0, 1], 8), "coarse": images([0, 1], 4, pixel=2.0)}
    pair[side] = pair[side].isel(time=order)
    with pytest.raises(ValueError, match=f"the times of {side}") as caught:
        xstf.scene(**pair)
    says(caught, *parts)
    ds = xstf.scene(images([0, 1], 8), images([0, 1], 4, pixel=2.0)).isel(time=order)
    with pytest.raises(ValueError, match="the times of the scene") as caught:
        ds.stf.check()
    says(caught, *parts)


def test_times_must_be_dates(both):
    fine, coarse = both
    for wrong in ([1.0], ["a"]):
        with pytest.raises(ValueError, match="not dates; give .assign_coords"):
            xstf.scene(fine.assign_coords(time=wrong), coarse)
    with pytest.raises(ValueError, match="not dates; give .assign_coords"):
        xstf.scene(fine.drop_vars("time"), coarse)


def test_no_time_is_not_a_time(images):
    fine, coarse = images([0, 1], 8), images([0, 1], 4, pixel=2.0)
    times = fine.time.values.copy()
    times[1] = np.datetime64("NaT")
    with pytest.raises(ValueError, match="NaT|not a date|no date|missing"):
        xstf.scene(fine.assign_coords(time=times), coarse)


def test_no_date_with_both_images(images):
    with pytest.raises(ValueError, match="no date has both a fine and a coarse image") as caught:
        xstf.scene(images([0], 8), images([1, 2], 4, pixel=2.0))
    says(caught, "fine: 2020-06-01", "coarse: 2020-06-03, 2020-06-10", 'time.dt.floor("D")')


def test_hours_apart_are_no_pair_and_the_cure_cures(images):
    fine, coarse = images([0], 8), images([0, 1], 4, pixel=2.0)
    late = fine.assign_coords(time=fine.time + np.timedelta64(10, "h"))
    with pytest.raises(ValueError, match="times are matched exactly"):
        xstf.scene(late, coarse)
    floored = late.assign_coords(time=late.time.dt.floor("D"))
    assert xstf.scene(floored, coarse).fine_observed.values.tolist() == [True, False]


# Values


def packed(image, **attrs):
    return (image * 1e4).round().astype("int16").assign_attrs(attrs)


def test_infinite_values_are_refused(both):
    fine, coarse = both
    with pytest.raises(ValueError, match="coarse holds infinite values") as caught:
        xstf.scene(fine, coarse.where(coarse < 0.5, np.inf))
    says(caught, "coarse.where(np.isfinite(coarse))")


def test_integers_need_a_scale_factor(both):
    fine, coarse = both
    with pytest.raises(ValueError, match="fine is int16 without a scale_factor") as caught:
        xstf.scene(packed(fine), coarse)
    says(caught, "scale_factor=1e-4", "reflectance 0..1")
    with pytest.raises(ValueError, match="coarse is int16"):
        xstf.scene(fine, packed(coarse))


@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
@pytest.mark.parametrize("lazy", [False, True])
def test_integers_are_decoded_by_their_attributes(both, name, lazy):
    fine, coarse = both
    numbers = packed(fine, scale_factor=1e-4, add_offset=-0.1, **{name: -9999})
    numbers[0, 0, 0, 0] = -9999
    if lazy:
        numbers = numbers.chunk({"y": 4})
    found = xstf.scene(numbers, coarse).fine[0].compute()
    expected = numbers[0].compute().astype("f8") * 1e-4 - 0.1
    expected[0, 0, 0] = np.nan
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found.dtype == np.float32


def test_decoded_images_do_not_say_that_they_are_packed(both):
    # a writer would scale them a second time
    fine, coarse = both
    numbers = packed(fine, scale_factor=1e-4, add_offset=0.0, _FillValue=-9999, units="1")
    ds = xstf.scene(numbers, coarse)
    for key in ("scale_factor", "add_offset", "_FillValue", "missing_value"):
        assert key not in ds.fine.attrs
        assert key not in ds.fine.encoding
    assert ds.fine.attrs["units"] == "1"


def test_a_decoded_scene_comes_back_from_disk(both, tmp_path):
    fine, coarse = both
    ds = xstf.scene(packed(fine, scale_factor=1e-4), coarse).drop_vars("band")
    ds.to_zarr(tmp_path / "scene.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "scene.zarr", consolidated=False)
    np.testing.assert_array_equal(back.fine, ds.fine)


@pytest.mark.parametrize("dtype", ["bool", "complex64", "U4"])
def test_images_are_numbers(both, dtype):
    fine, coarse = both
    with pytest.raises(ValueError, match="images are numbers, NaN where missing"):
        xstf.scene(fine.astype(dtype), coarse)


def test_digital_numbers_in_memory_are_refused(both):
    fine, coarse = both
    with pytest.raises(ValueError, match="fine holds values from") as caught:
        xstf.scene(fine * 1e4, coarse)
    says(caught, "0..1", "digital numbers", "scale_factor=1e-4", "valid_range=None")
    with pytest.raises(ValueError, match="coarse holds values from"):
        xstf.scene(fine, coarse * 1e4)
    with pytest.raises(ValueError, match="holds values from -9999"):
        xstf.scene(fine.where(fine < 0.9, -9999), coarse)


def test_values_a_little_out_of_range_are_no_digital_numbers(both):
    fine, coarse = both
    xstf.scene(fine * 2, coarse - 0.5)


@pytest.mark.parametrize("side", ["fine", "coarse"])
def test_digital_numbers_on_dask_are_refused_when_computed(both, side):
    pair = dict(zip(("fine", "coarse"), both, strict=True))
    pair[side] = pair[side] * 1e4
    fused = xstf.scene(**{k: v.chunk() for k, v in pair.items()}).stf.fuse("add")
    with pytest.raises(ValueError, match=f"{side} holds values from") as caught:
        fused.compute()
    says(caught, "digital numbers", "valid_range=None")


def test_no_valid_range_lets_any_value_pass(both):
    fine, coarse = both
    for pair in ((fine * 300, coarse * 300), (fine.chunk() * 300, coarse.chunk() * 300)):
        ds = xstf.scene(*pair, valid_range=None)
        assert ds.attrs["valid_range"] is None
        assert take_apart(ds).valid_range is None
        fused = ds.stf.fuse("add").compute()
        assert float(fused.max()) > 100
        assert "valid_range" not in fused.attrs


def test_a_wide_valid_range_is_kept(both):
    fine, coarse = both
    ds = xstf.scene(fine * 1e4, coarse * 1e4, valid_range=(0, 10000))
    assert ds.attrs["valid_range"] == [0.0, 10000.0]
    assert take_apart(ds).valid_range == (0.0, 10000.0)


@pytest.mark.parametrize("limits", [(1, 0), (0,), (0, 1, 2), (np.nan, 1), "01", 1.0, (0, "a")])
def test_what_is_no_valid_range_is_named(both, limits):
    with pytest.raises(ValueError, match="valid_range"):
        xstf.scene(*both, valid_range=limits)


# Classes


def test_classes_come_along(both):
    classes = np.arange(96).reshape(8, 12)
    ds = xstf.scene(*both, classes=classes)
    assert ds.classes.dims == ("y", "x")
    np.testing.assert_array_equal(ds.classes, classes)


def test_classes_are_matched_by_name_of_dimension(images):
    fine, coarse = images([0], 8), images([0, 1], 4, pixel=2.0)
    classes = xr.DataArray(np.arange(64).reshape(8, 8), dims=("x", "y"))
    ds = xstf.scene(fine, coarse, classes=classes)
    np.testing.assert_array_equal(ds.classes, classes.values.T)


def test_classes_of_another_size_are_refused(both):
    with pytest.raises(ValueError, match="classes") as caught:
        xstf.scene(*both, classes=np.zeros((4, 6), int))
    says(caught, "8", "12")


# Datasets, trees, names


def tree_of(fine, coarse, names=("fine", "coarse")):
    nodes = {
        name: image.to_dataset(name="reflectance")
        for name, image in zip(names, (fine, coarse), strict=True)
    }
    return xr.DataTree.from_dict(nodes)


def test_a_tree_is_a_scene(both, scene):
    tree = tree_of(*both)
    xr.testing.assert_identical(xstf.scene(tree).compute(), scene.compute())
    tree.stf.check()
    expected = scene.stf.fuse("add").compute()
    xr.testing.assert_identical(tree.stf.fuse("add").compute(), expected)
    xr.testing.assert_identical(xstf.fuse(tree, "add").compute(), expected)


def test_nodes_of_a_tree_may_have_other_names(both, scene):
    tree = tree_of(*both, names=("landsat", "modis"))
    names = {"fine": "landsat", "coarse": "modis"}
    tree.stf.check(**names)
    np.testing.assert_array_equal(tree.stf.fuse("add", **names), scene.stf.fuse("add"))
    with pytest.raises(ValueError, match="the tree has no node /fine") as caught:
        tree.stf.check()
    says(caught, "landsat", "modis")


def test_a_node_with_several_images_is_refused(both):
    fine, coarse = both
    tree = tree_of(fine, coarse)
    tree["fine"] = xr.DataTree(xr.Dataset({"a": fine, "b": fine}))
    with pytest.raises(ValueError, match="node /fine holds 2 variables") as caught:
        tree.stf.check()
    says(caught, "'a', 'b'", "keep one, or name it 'fine'")
    tree["fine"] = xr.DataTree(xr.Dataset({"a": fine, "fine": fine}))
    tree.stf.check()


def test_a_dataset_of_both_images_becomes_a_scene(scene):
    again = xstf.scene(scene)
    xr.testing.assert_identical(again.compute(), scene.compute())
    with pytest.raises(ValueError, match="no variable 'coarse'"):
        xstf.scene(scene[["fine"]])


def test_a_dataset_or_tree_keeps_its_valid_range(both):
    ds = xstf.scene(*both, valid_range=None)
    assert xstf.scene(ds).attrs["valid_range"] is None
    tree = tree_of(*both)
    tree.attrs["valid_range"] = None
    assert xstf.scene(tree).attrs["valid_range"] is None


def test_variables_may_have_other_names(scene):
    named = scene.rename(fine="landsat", coarse="modis")
    names = {"fine": "landsat", "coarse": "modis"}
    named.stf.check(**names)
    np.testing.assert_array_equal(named.stf.fuse("add", **names), scene.stf.fuse("add"))
    with pytest.raises(ValueError, match="the scene has no variable 'fine'") as caught:
        named.stf.check()
    says(caught, "landsat", "modis", "xstf.scene(fine, coarse)", "fine='...'")
    with pytest.raises(ValueError, match="the scene has no variable 'coarse'"):
        named.stf.check(fine="landsat")


def test_another_variable_may_stand_in_for_fine(scene):
    ds = scene.assign(clean=scene.fine * 0 + 0.25)
    fused = ds.stf.fuse("add", fine="clean")
    expected = scene.assign(fine=ds.clean).stf.fuse("add")
    np.testing.assert_array_equal(fused, expected)


@pytest.mark.parametrize("dim", ["time", "band", "y", "x"])
def test_a_scene_that_lost_a_dimension(scene, dim):
    cut = scene.isel({dim: 0})
    with pytest.raises(ValueError, match="fine has dimensions") as caught:
        cut.stf.check()
    says(caught, "('time', 'band', 'y', 'x')")


@pytest.mark.parametrize("dim", ["time", "band", "y", "x", "y_coarse"])
def test_an_empty_scene_is_refused(scene, dim):
    with pytest.raises(ValueError, match="is empty"):
        scene.isel({dim: slice(0, 0)}).stf.check()


def test_a_scene_of_integers_is_refused(scene):
    whole = scene.assign(coarse=(scene.coarse * 1e4).astype("int16"))
    with pytest.raises(
        ValueError, match="coarse is int16, but a scene holds reflectance"
    ) as caught:
        whole.stf.fuse("add")
    says(caught, "decode it first")


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_serve(scene, dtype):
    other = scene.assign(fine=scene.fine.astype(dtype), coarse=scene.coarse.astype(dtype))
    other = other.stf.fuse("add").compute()
    assert other.dtype == np.float32
    np.testing.assert_allclose(other, scene.stf.fuse("add"), atol=2e-3)


def test_checking_computes_nothing(both, nothing_computes):
    ds = xstf.scene(*(image.chunk() for image in both))
    ds.stf.check()
    xstf.check(ds)


# Which dates are observed


def test_a_scene_without_fine_observed_is_read_once_and_says_so(both, scene):
    bare = scene.drop_vars(["fine_observed", "coarse_observed"])
    get, seen = counting()
    with (
        dask.config.set(scheduler=get),
        pytest.warns(UserWarning, match=r"no fine_observed.*ds = xstf.find_observed\(ds\)"),
    ):
        fused = bare.stf.fuse("add")
    assert len(seen) == 1
    xr.testing.assert_identical(fused.compute(), scene.stf.fuse("add").compute())


def test_the_warning_points_at_the_caller(scene):
    bare = scene.drop_vars("fine_observed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bare.stf.fuse("add")
        xstf.fuse(bare, "add")
    assert len(caught) == 2
    assert __file__ in {w.filename for w in caught}


def test_find_observed_by_definition(images):
    fine, coarse = images([0, 1, 2], 8).chunk(), images([0, 1, 2], 4, pixel=2.0).chunk()
    few = fine.where((fine.y > 7) & (fine.x > 7) | (fine.time < fine.time[1]))
    few = few.where(few.time != few.time[2])  # 1: one pixel of 64; 2: nothing
    ds = xstf.scene(few, coarse.where(coarse.time != coarse.time[1]))
    assert ds.fine_observed.values.tolist() == [True] * 3  # believed
    found = xstf.find_observed(ds)
    assert found.fine_observed.values.tolist() == [True, True, False]
    assert found.coarse_observed.values.tolist() == [True, False, True]
    assert found.fine_observed.dims == ("time",)
    for least, second in ((1 / 65, True), (1 / 64, False), (0.5, False)):
        found = ds.stf.find_observed(least=least)
        assert found.fine_observed.values.tolist() == [True, second, False]
    assert set(found.variables) == set(ds.variables)
    np.testing.assert_array_equal(found.fine, ds.fine)


@pytest.mark.parametrize("least", [-0.1, 1, 2, np.nan])
def test_find_observed_takes_a_share(scene, least):
    with pytest.raises(ValueError, match="is no share of an image") as caught:
        xstf.find_observed(scene, least=least)
    says(caught, f"least={least}")


# Cutting both grids


@pytest.mark.parametrize(
    ("window", "rows"),
    [
        (slice(2, 6), (2, 6)),
        (slice(3, 5), (2, 6)),
        (slice(3, 4), (2, 4)),
        (slice(None, 3), (0, 4)),
        (slice(5, None), (4, 8)),
        (slice(-1, None), (6, 8)),
        (slice(0, 99), (0, 8)),
        (slice(None), (0, 8)),
        (slice(1, 7, 1), (0, 8)),
    ],
)
def test_isel_cuts_both_grids_outwards(scene, window, rows):
    cut = scene.stf.isel(y=window)
    fine = slice(*rows)
    coarse = slice(rows[0] // 2, rows[1] // 2)
    xr.testing.assert_identical(cut.fine, scene.fine.isel(y=fine))
    xr.testing.assert_identical(cut.coarse, scene.coarse.isel(y_coarse=coarse))
    cut.stf.check()
    scene = scene.stf.isel(x=slice(0, 8))
    across = scene.stf.isel(x=window, time=slice(0, 2), band=[1])
    xr.testing.assert_identical(across.fine, scene.fine.isel(x=fine, time=slice(0, 2), band=[1]))
    xr.testing.assert_identical(
        across.coarse, scene.coarse.isel(x_coarse=coarse, time=slice(0, 2), band=[1])
    )


@pytest.mark.parametrize("window", [3, [0, 1], slice(0, 4, 2), slice(4, 0, -1), np.arange(4)])
def test_isel_takes_slices_of_step_one(scene, window):
    with pytest.raises(ValueError, match="does not cut both grids; give a slice with step 1"):
        scene.stf.isel(y=window)


@pytest.mark.parametrize("window", [slice(3, 3), slice(30, 40), slice(6, 2)])
def test_isel_of_nothing_is_refused_like_sel(scene, window):
    with pytest.raises(ValueError, match="no pixel"):
        scene.stf.isel(y=window)


def test_cutting_leaves_the_indexers_alone(scene):
    from xstf.cutting import isel, sel

    given = {"y": slice(0, 2), "time": [0]}
    isel(scene, given)
    sel(scene, {**given, "time": scene.time[:1]})
    assert given == {"y": slice(0, 2), "time": [0]}


@pytest.mark.parametrize(
    ("window", "rows"),
    [
        (slice(2.5, 5.5), (2, 6)),
        (slice(5.5, 2.5), (2, 6)),
        (slice(3.0, 4.0), (2, 4)),
        (slice(None, 2.6), (0, 4)),
        (slice(6.4, None), (6, 8)),
        (slice(-9, 99), (0, 8)),
        (slice(None), (0, 8)),
    ],
)
@pytest.mark.parametrize("down", [False, True])
def test_sel_cuts_both_grids_by_coordinates(images, window, rows, down):
    scene = xstf.scene(images([0], 8, down=down), images([0, 1], 4, pixel=2.0, down=down))
    if down:
        window = slice(*(v if v is None else -v for v in (window.start, window.stop)))
    cut = scene.stf.sel(y=window)
    np.testing.assert_array_equal(cut.fine, scene.fine[:, :, slice(*rows)])
    np.testing.assert_array_equal(cut.coarse, scene.coarse[:, :, slice(*(r // 2 for r in rows))])
    cut.stf.check()


def test_sel_refuses_what_it_cannot_cut(scene):
    with pytest.raises(ValueError, match="holds no pixel: the scene reaches from 0.5 to 7.5"):
        scene.stf.sel(y=slice(100, 200))
    for window in (3.5, [3.5, 4.5]):
        with pytest.raises(ValueError, match="does not cut both grids; give a slice"):
            scene.stf.sel(x=window)


def test_sel_does_not_pass_over_a_step(scene):
    with pytest.raises(ValueError, match="step"):
        scene.stf.sel(y=slice(0.5, 7.5, 2))


def test_sel_takes_times_and_bands(scene):
    cut = scene.stf.sel(time=slice("2020-06-01", "2020-06-05"), band=["nir"], y=slice(2, 4))
    assert dict(cut.sizes) == {
        "time": 2, "band": 1, "y": 2, "x": 12, "y_coarse": 1, "x_coarse": 6,
    }  # fmt: skip


def test_cutting_one_grid_alone_is_matched_by_coordinates(scene):
    plain = scene.isel(y=slice(2, 6), x=slice(4, 12))
    both = scene.stf.isel(y=slice(2, 6), x=slice(4, 12))
    plain.stf.check()
    xr.testing.assert_identical(plain.stf.fuse("add").compute(), both.stf.fuse("add").compute())
    again = plain.stf.isel(y=slice(2, 4))
    np.testing.assert_array_equal(again.coarse, scene.coarse[:, :, 2:3, 2:6])


@pytest.mark.parametrize("rows", [slice(1, 5), slice(2, 5), slice(3, 8)])
def test_cutting_through_cells_is_refused(scene, rows):
    with pytest.raises(ValueError, match="the grids do not meet") as caught:
        scene.isel(y=rows).stf.fuse("add")
    says(caught, "along y", "cut")


def test_cutting_a_scene_of_which_coarse_was_cut_is_refused(scene):
    with pytest.raises(ValueError, match="the grids do not meet"):
        scene.isel(y_coarse=slice(0, 2)).stf.check()


def test_a_scene_that_lost_its_coordinates(scene):
    bare = scene.drop_vars(["y", "x", "y_coarse", "x_coarse"])
    np.testing.assert_array_equal(bare.stf.fuse("add"), scene.stf.fuse("add"))
    assert bare.stf.isel(y=slice(1, 3)).sizes["y_coarse"] == 2
    with pytest.raises(ValueError, match="the grids do not meet") as caught:
        bare.isel(y=slice(0, 4)).stf.check()
    says(caught, "(4, 12)", "(4, 6)", "ds.stf.isel")


def test_the_scale_is_found_without_the_attribute(scene):
    assert take_apart(scene.drop_attrs(deep=False)).grid.scale == 2


@pytest.mark.real
def test_the_real_scenes_are_where_they_are_said_to_be(real_data):
    assert any(real_data.iterdir())


@pytest.mark.parametrize("pixel", [1.0, 3e-4])
def test_a_class_map_of_another_place_is_refused(images, pixel):
    fine, coarse = images([0], 8, pixel=pixel), images([0, 1], 4, pixel=2 * pixel)
    here = xr.DataArray(np.ones((8, 8), int), {"y": fine.y, "x": fine.x}, ("y", "x"))
    assert "classes" in xstf.scene(fine, coarse, classes=here)
    with pytest.raises(ValueError, match="classes lie .* from the fine pixels along x"):
        xstf.scene(fine, coarse, classes=here.assign_coords(x=here.x + pixel))


def test_swapped_sides_are_suspected(images):
    fine, coarse = images([0], 16), images([0, 1], 4, pixel=4.0)
    with pytest.raises(ValueError, match="are fine and coarse swapped"):
        xstf.scene(coarse, fine)


def test_a_number_for_missing_pixels_is_suspected(images):
    fine, coarse = images([0], 16), images([0, 1], 4, pixel=4.0)
    fine[0, 0, 3, 3] = -9999
    with pytest.raises(ValueError, match="stands for a missing pixel, read with nodata=-9999"):
        xstf.scene(fine, coarse)
