"""F + coarse change against plain numpy."""

import numpy as np
import pytest

import xstf
from tests.oracles import upsampled


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=40, scale=5, dates=3, pairs=2, bands=("red",), seed=5)
    return ds.compute()


def test_one_pair_is_fine_plus_upsampled_change(scene):
    fused = scene.stf.fuse("add", pairs="nearest").compute()[0, 0]
    change = upsampled((scene.coarse[1] - scene.coarse[0]).values[0], 5)
    expected = scene.fine[0, 0].values + change
    inside = ~np.isnan(expected)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(fused.values[inside], expected[inside], atol=1e-6)


def test_two_pairs_are_the_mean_of_both_sides(scene):
    both = scene.stf.fuse("add").compute()
    times = scene.time.values
    sides = [scene.stf.fuse("add", pairs=[times[i]]).compute() for i in (0, 2)]
    np.testing.assert_allclose(both, (sides[0] + sides[1]) / 2, atol=1e-6)
    assert both.pair_dates.item() == "2020-04-01 2020-05-03"


def test_nearest_prints_the_cells(scene):
    fused = scene.stf.fuse("add", pairs="nearest", upsample="nearest").compute()[0, 0]
    change = (scene.coarse[1] - scene.coarse[0]).values[0].repeat(5, 0).repeat(5, 1)
    np.testing.assert_allclose(fused, scene.fine[0, 0] + change, atol=1e-6)


def test_a_coarse_image_on_the_fine_grid_is_used_as_it_is(scene):
    near = scene.coarse.values.repeat(5, 2).repeat(5, 3)
    coarse = scene.fine.copy(data=near).assign_coords(time=scene.time)
    ds = xstf.scene(scene.fine.isel(time=[0, 2]), coarse, scale=1)
    fused = ds.stf.fuse("add", pairs="nearest").compute()
    np.testing.assert_array_equal(fused[0], scene.fine[0] + (near[1] - near[0]))
