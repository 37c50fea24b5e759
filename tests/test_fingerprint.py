"""The numbers that tell whether images are the ones they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xstf
from tests.strategies import cuts_of
from xstf.fingerprint import fingerprints


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=(24, 32), scale=4, dates=3, pairs=2, seed=4)
    ds = ds.compute()
    ds["fine"].values[0, 0, 2:5, 3] = np.nan
    return ds


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_no_cut_shows(scene, data):
    whole = fingerprints(scene.fine)
    cut = scene.chunk(data.draw(cuts_of(scene))).fine
    np.testing.assert_array_equal(fingerprints(cut).compute(), whole)


def test_any_change_shows_on_its_date_alone(scene):
    before = fingerprints(scene.fine).values
    bit, swap, gap = (scene.fine.copy(deep=True) for _ in range(3))
    bit[0, 1, 4, 5] = np.nextafter(bit[0, 1, 4, 5].values, np.float32(2))
    swap[0, 0, [7, 8], 9] = swap[0, 0, [8, 7], 9].values
    gap[0, 0, 10, 10] = np.nan
    for changed in (bit, swap, gap, scene.fine[:, ::-1]):
        after = fingerprints(changed).values
        assert after[0] != before[0]
    np.testing.assert_array_equal(fingerprints(bit).values[1:], before[1:])


def test_it_is_lazy(scene, nothing_computes):
    assert fingerprints(scene.chunk().fine).chunks is not None
