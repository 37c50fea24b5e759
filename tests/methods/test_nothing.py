"""The do-nothing predictions: what each says on a scene with a known answer."""

import numpy as np
import pytest

import xstf
from tests.oracles import upsampled
from xstf.registry import find, names


def test_unchanged_is_the_nearest_fine_image(tiny):
    ds = tiny[0].compute()
    found = ds.stf.fuse("unchanged").compute()
    np.testing.assert_array_equal(found, ds.fine[[0, 3]])


def test_interpolated_weighs_by_time(tiny):
    ds = tiny[0].compute()
    found = ds.stf.fuse("interpolated").compute()
    first, last = ds.fine.values[[0, 3]]
    for n, share in enumerate([1 / 3, 2 / 3]):
        np.testing.assert_allclose(found[n], (1 - share) * first + share * last, atol=1e-6)


def test_interpolated_fills_from_the_other_side_and_never_goes_beyond(tiny):
    ds = tiny[0].compute()
    ds["fine"].values[0, :, 3, 4] = np.nan
    ds["fine"].values[3, :, 5, 6] = np.nan
    found = ds.stf.fuse("interpolated").compute()
    np.testing.assert_array_equal(found[:, :, 3, 4], ds.fine[[3, 3], :, 3, 4])
    np.testing.assert_array_equal(found[:, :, 5, 6], ds.fine[[0, 0], :, 5, 6])
    served = list(ds.time.values[:2])
    ds["fine"][1] = ds.fine[3]  # a third fine image: dates 0 and 1 serve date 3, beyond both
    ds["fine_observed"][1] = True
    late = ds.stf.fuse("interpolated", dates=ds.time.values[3], pairs=served).compute()
    np.testing.assert_array_equal(late[0], ds.fine[1].fillna(ds.fine[0]))


def test_upsampled_is_the_coarse_image_of_the_date(tiny):
    ds = tiny[0].compute()
    found = ds.stf.fuse("upsampled").compute()
    expected = upsampled(ds.coarse.values[1, 0].astype(float), 8)
    inside = np.isfinite(expected)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(found[0, 0].values[inside], expected[inside], atol=1e-6)


def test_upsampled_needs_no_fine_pixel(tiny):
    ds = tiny[0].compute()
    expected = ds.stf.fuse("upsampled").compute()
    ds["fine"].values[:, :, :20] = np.nan
    np.testing.assert_array_equal(ds.stf.fuse("upsampled").compute(), expected)


@pytest.mark.parametrize("name", names())
def test_methods_say_whether_they_do_nothing(name):
    assert find(name).trivial == (name in {"unchanged", "upsampled", "interpolated", "add"})


def test_they_are_listed():
    known = xstf.list_methods().set_index(name="name")
    assert {"unchanged", "upsampled", "interpolated", "add"} <= set(known["name"].values)
