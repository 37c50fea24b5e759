import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xstf
from xstf.checks import take_apart
from xstf.coordinates import georeference, meet, set_mappings, with_axes
from xstf.crs import mapping_of, same_crs


def centres(size, step=1.0, start=0.0):
    return start + (np.arange(size) + 0.5) * step


def square(size, step=1.0, start=0.0):
    return (centres(size, step, start),) * 2


def image(rows, columns, pixel=30.0, top=6_000_000.0, left=500_000.0):
    return xr.DataArray(
        np.zeros((rows, columns)),
        dims=("y", "x"),
        coords={"y": top - centres(rows, pixel), "x": left + centres(columns, pixel)},
    )


@given(
    st.integers(1, 30),
    st.integers(2, 12),
    st.integers(2, 12),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from([30.0, -30.0, 0.00027, -1.0]),
    st.sampled_from([0.0, -1e3, 6e6]),
)
def test_the_cells_below_are_found_wherever_they_start(
    scale, cells, wide, before, after, step, origin
):
    def axes(cells):
        coarse = centres(before + cells + after, step * scale, origin)
        fine = centres(cells * scale, step, origin + before * scale * step)
        return fine, coarse

    (y, y_coarse), (x, x_coarse) = axes(cells), axes(wide)
    for known in (None, scale):
        found, (rows, columns) = meet((y, x), (y_coarse, x_coarse), known)
        assert found == scale
        assert rows == slice(before, before + cells)
        assert columns == slice(before, before + wide)


def test_a_single_cell_takes_its_size_from_the_shapes():
    assert meet(square(8), square(1, 8.0), None) == (8, (slice(0, 1), slice(0, 1)))
    rows, columns = meet((centres(8), centres(16)), (centres(1, 8.0), centres(2, 8.0)), None)[1]
    assert (rows, columns) == (slice(0, 1), slice(0, 2))
    assert meet(square(1), square(1), 1) == (1, (slice(0, 1), slice(0, 1)))


def test_a_single_cell_elsewhere_is_refused():
    with pytest.raises(ValueError, match="the grids do not meet: along y"):
        meet(square(8), square(1, 8.0, 8.0), None)


@pytest.mark.parametrize("shift", [-0.04, 0.04])
def test_corners_closer_than_a_twentieth_pixel_are_the_same(shift):
    assert meet(square(8, start=shift), square(4, 2.0), None)[0] == 2


@pytest.mark.parametrize("shift", [-0.5, 0.1, 0.5, 1.0])
def test_corners_apart_are_refused(shift):
    with pytest.raises(
        ValueError, match="the grids do not meet: along y the fine corner"
    ) as caught:
        meet(square(6, start=2 + shift), square(8, 2.0), None)
    message = str(caught.value)
    assert f"{shift % 2:g} fine pixels inside a coarse cell" in message
    assert "(6, 6)" in message
    assert "(8, 8)" in message
    assert "resample the coarse ones to the fine corner" in message


def test_a_flipped_axis_is_refused():
    fine, coarse = square(8), square(4, 2.0)
    for axis in (0, 1):
        flipped = tuple(a[::-1] if n == axis else a for n, a in enumerate(coarse))
        with pytest.raises(ValueError, match="runs up in fine and down in") as caught:
            meet(fine, flipped, None)
        assert f"isel({'yx'[axis]}=slice(None, None, -1))" in str(caught.value)


@pytest.mark.parametrize(("first", "count"), [(0, 3), (1, 4), (-1, 4)])
def test_coarse_must_cover_fine(first, count):
    coarse = centres(count, 2.0, 2.0 * first)
    with pytest.raises(ValueError, match="the grids do not meet: along x") as caught:
        meet(square(8), (centres(4, 2.0), coarse), None)
    message = str(caught.value)
    assert f"there are {count}" in message
    assert "cut the fine images to the ground that both cover" in message


def test_fine_must_be_whole_cells():
    with pytest.raises(
        ValueError, match="7 fine pixels along y are not whole cells of 2"
    ) as caught:
        meet((centres(7), centres(8)), square(4, 2.0), None)
    assert ".isel(y=slice(...))" in str(caught.value)
    assert "(7, 8)" in str(caught.value)
    assert "(4, 4)" in str(caught.value)


@pytest.mark.parametrize("ratio", [2.2, 15.44, 0.5])
def test_other_ratios_are_refused(ratio):
    with pytest.raises(ValueError, match=f"a coarse pixel is {ratio:.4g} fine pixels wide"):
        meet(square(32), square(4, ratio), None)


def test_the_ratio_must_be_the_same_along_y_and_x():
    with pytest.raises(ValueError, match="a coarse pixel is 4 fine pixels wide, not 2"):
        meet(square(8), (centres(4, 2.0), centres(2, 4.0)), None)


def test_the_ratio_must_be_the_scale():
    with pytest.raises(ValueError, match="a coarse pixel is 2 fine pixels wide, not 4"):
        meet(square(8), square(4, 2.0), 4)


@pytest.mark.parametrize(
    "axis", [np.array([0, 1, 2, 3, 4, 5, 6, 9.0]), np.zeros(8), centres(8) ** 2]
)
def test_axes_must_be_even(axis):
    with pytest.raises(ValueError, match="not evenly spaced"):
        meet((axis, centres(8)), square(4, 2.0), None)


def test_missing_coordinates_are_named():
    axis = centres(8)
    axis[3] = np.nan
    with pytest.raises(ValueError, match="not evenly spaced|missing|NaN|nan"):
        meet((axis, centres(8)), square(4, 2.0), None)


def test_single_precision_coordinates_still_meet():
    fine, coarse = 4_000_000.4 + centres(64, 30.0), 4_000_000.4 + centres(8, 240.0)
    rounded = fine.astype("float32")
    assert np.abs(rounded - fine).max() > 0  # or the test shows nothing
    found = meet((rounded,) * 2, (coarse,) * 2, None)
    assert found == (8, (slice(0, 8), slice(0, 8)))


def test_georeference_reads_the_transform_off_the_axes():
    found = georeference(image(4, 6), "EPSG:32633")
    assert found.spatial_ref.attrs["GeoTransform"] == "500000.0 30.0 0.0 6000000.0 0.0 -30.0"
    assert "UTM zone 33N" in found.spatial_ref.attrs["crs_wkt"]
    assert found.encoding["grid_mapping"] == "spatial_ref"
    single = georeference(image(1, 6), "EPSG:32633").spatial_ref.attrs["GeoTransform"]
    assert single == "500000.0 30.0 0.0 6000000.0 0.0 -30.0"


def test_the_size_of_a_single_pixel_is_not_made_up():
    one = xr.DataArray(np.zeros((1, 1)), dims=("y", "x"), coords={"y": [45.0], "x": [15.0]})
    assert "GeoTransform" not in xstf.georeference(one, "EPSG:32633").spatial_ref.attrs
    with pytest.raises(ValueError, match="crs='here' is no coordinate reference system"):
        xstf.georeference(one, "here")


def test_a_scene_of_one_cell_says_how_wide_it_is(tiny):
    ds, _ = tiny
    one = ds.isel(y=slice(0, 8), x=slice(0, 8), y_coarse=[0], x_coarse=[0])
    transform = take_apart(one).ds.spatial_ref_coarse.attrs["GeoTransform"].split()
    assert [float(transform[n]) for n in (1, 5)] == [240.0, -240.0]


def test_georeference_takes_other_names():
    array = image(4, 6).rename(y="lat", x="lon")
    found = xstf.georeference(array, 32633, y="lat", x="lon")
    assert found.dims == ("lat", "lon")
    assert found.spatial_ref.attrs["GeoTransform"] == "500000.0 30.0 0.0 6000000.0 0.0 -30.0"


def test_georeference_leaves_its_input_alone():
    array = image(4, 6)
    georeference(array, "EPSG:32633")
    assert "spatial_ref" not in array.coords
    assert "grid_mapping" not in array.encoding


def test_georeference_needs_coordinates():
    with pytest.raises((ValueError, KeyError), match="coordinate"):
        georeference(image(4, 6).drop_vars(["y", "x"]), "EPSG:32633")


def test_mapping_is_found_by_its_own_name():
    array = georeference(image(4, 6), "EPSG:32633")
    assert mapping_of(array) == array.spatial_ref.attrs
    named = array.rename(spatial_ref="crs")
    named.encoding["grid_mapping"] = "crs"
    assert mapping_of(named) == array.spatial_ref.attrs
    by_attribute = array.rename(spatial_ref="crs").assign_attrs(grid_mapping="crs")
    by_attribute.encoding = {}
    assert mapping_of(by_attribute) == array.spatial_ref.attrs
    assert mapping_of(image(4, 6)) is None
    assert mapping_of(image(4, 6).assign_coords(spatial_ref=0)) is None  # no CRS in it


def test_crs_must_be_the_same_and_on_both_sides():
    ours, same, other = (
        mapping_of(georeference(image(4, 6), crs)) for crs in ("EPSG:32633", 32633, "EPSG:32634")
    )
    same_crs(None, None)
    same_crs(ours, same)
    with pytest.raises(ValueError, match="fine EPSG:32633, coarse EPSG:32634") as caught:
        same_crs(ours, other)
    assert "xstf.align(fine, coarse)" in str(caught.value)
    with pytest.raises(
        ValueError, match=re.escape("xstf.georeference(fine, 'EPSG:...')")
    ) as caught:
        same_crs(None, ours)
    assert "the coarse images have a CRS and the fine ones have none" in str(caught.value)
    with pytest.raises(ValueError, match=re.escape("xstf.georeference(coarse, 'EPSG:...')")):
        same_crs(ours, None)


def test_the_same_crs_in_another_version_of_wkt_is_the_same():
    from pyproj import CRS

    crs = CRS.from_epsg(32633)
    old, new = ({"crs_wkt": crs.to_wkt(version)} for version in ("WKT1_GDAL", "WKT2_2019"))
    assert old != new
    same_crs(old, new)


def test_the_order_of_axes_makes_no_other_crs():
    from pyproj import CRS

    same_crs(*({"crs_wkt": CRS.from_user_input(name).to_wkt()} for name in (4326, "OGC:CRS84")))


def test_each_grid_gets_its_mapping():
    ds = xr.Dataset(
        {
            "fine": image(4, 6),
            "coarse": image(2, 3, 60.0).rename(y="y_coarse", x="x_coarse"),
        }
    )
    mapping = mapping_of(georeference(image(9, 9), "EPSG:32633"))
    found = set_mappings(ds, mapping, mapping)
    assert found.spatial_ref.attrs["GeoTransform"] == "500000.0 30.0 0.0 6000000.0 0.0 -30.0"
    coarse = found.spatial_ref_coarse.attrs
    assert coarse["GeoTransform"] == "500000.0 60.0 0.0 6000000.0 0.0 -60.0"
    assert found.fine.encoding["grid_mapping"] == "spatial_ref"
    assert found.coarse.encoding["grid_mapping"] == "spatial_ref_coarse"


def test_axes_are_kept_counted_or_taken_from_the_other_image():
    bare = image(4, 6).drop_vars(["y", "x"])
    kept = image(4, 6)
    assert with_axes(kept) is kept
    counted = with_axes(bare)
    np.testing.assert_array_equal(counted.y, [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(counted.x, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5])
    small = image(2, 3).drop_vars(["y", "x"])
    same_ground = with_axes(small, image(4, 6))
    np.testing.assert_array_equal(same_ground.y, 6_000_000 - centres(2, 60))
    np.testing.assert_array_equal(same_ground.x, 500_000 + centres(3, 60))


def test_one_given_axis_is_not_thrown_away():
    half = image(4, 6).drop_vars("x")
    found = with_axes(half)
    np.testing.assert_array_equal(found.y, half.y)
    np.testing.assert_array_equal(found.x, np.arange(6) + 0.5)


@pytest.mark.parametrize(
    ("fine_at", "coarse_at", "named", "option"),
    [
        (0.5, 0.0, "the coarse images", 'coarse_anchor="upper-left"'),
        (0.0, 0.5, "the fine images", 'fine_anchor="upper-left"'),
        (0.0, 0.0, "both", 'fine_anchor="upper-left", coarse_anchor="upper-left"'),
    ],
)
@pytest.mark.parametrize("step", [30.0, -30.0])
@pytest.mark.parametrize("factor", [5, 16])
def test_half_a_pixel_is_called_that(fine_at, coarse_at, named, option, step, factor):
    """Where coordinates name corners, on either axis and in either direction."""
    fine = (np.arange(4 * factor) + fine_at) * step
    coarse = (np.arange(4) + coarse_at) * step * factor
    with pytest.raises(ValueError, match="the grids do not meet: along y") as caught:
        meet((fine, fine), (coarse, coarse), None)
    assert f"half a pixel: if the coordinates of {named} name corners" in str(caught.value)
    assert f'xstf.align(fine, coarse, {option}), or "lower-left"' in str(caught.value)


def test_other_offsets_are_not_called_half_a_pixel():
    fine = centres(80, 30.0)
    for off in (1, 3, 5, 7):
        with pytest.raises(ValueError, match="the grids do not meet: along y") as caught:
            meet((fine[: 5 * 16],) * 2, (centres(6, 480.0, -30.0 * off),) * 2, None)
        assert "half a pixel" not in str(caught.value)
