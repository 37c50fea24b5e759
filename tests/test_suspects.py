"""Pairs whose images disagree."""

import numpy as np
import pytest

import xstf


@pytest.fixture
def scene():
    made, truth = xstf.simulate("parcels", size=96, dates=6, seed=4)
    made = made.copy()
    made["fine"] = truth.reindex_like(made["fine"])  # every date is a pair
    made["fine_observed"] = ("time", np.ones(made.sizes["time"], bool))
    return made


def test_good_pairs_are_not_suspect(scene):
    found = xstf.find_suspects(scene)
    assert not found.suspect.any()
    assert found.sizes["time"] == scene.sizes["time"]
    cells = scene.fine.coarsen(y=16, x=16).mean()
    difference = cells.values - scene.coarse.values
    np.testing.assert_allclose(found.rmse, np.sqrt((difference**2).mean((2, 3))), rtol=1e-5)
    np.testing.assert_allclose(found.bias, difference.mean((2, 3)), atol=1e-7)


def test_a_cloud_is_suspect_and_no_other_date(scene):
    scene["fine"][2, :, 10:60, 20:70] = 0.7
    found = scene.stf.find_suspects()
    assert found.suspect.values.tolist() == [False, False, True, False, False, False]
    assert not scene.stf.find_suspects(times=1e6, least=-1).suspect.any()


def test_few_pairs_are_judged_by_their_correlation(scene):
    few = scene.isel(time=[0, 1])
    few["fine"][1] = few["fine"][1, :, ::-1, ::-1].values
    assert few.stf.find_suspects().suspect.values.tolist() == [False, True]


def test_only_dates_with_both_images_are_judged(scene):
    scene["fine_observed"][1] = False
    scene["fine"][1] = np.nan
    scene["coarse_observed"] = ("time", np.arange(6) != 4)
    scene["coarse"][4] = np.nan
    found = xstf.find_suspects(scene)
    assert list(found.time.values) == list(scene.time.values[[0, 2, 3, 5]])
    scene["fine_observed"][:] = False
    with pytest.raises(ValueError, match="no date has both a fine and a coarse image"):
        xstf.find_suspects(scene)


def test_a_pair_with_nothing_to_compare_is_suspect(scene):
    scene["fine"][3, 0] = np.nan
    assert xstf.find_suspects(scene).suspect.values.tolist() == [False] * 3 + [True] + [False] * 2


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"times": 1}, "times=1 must be more than 1"),
        ({"times": "3"}, "times='3' must be more than 1"),
        ({"least": 2}, "least=2 must be a corre"),
        ({"least": None}, "least=None must be a corre"),
    ],
)
def test_nonsense_is_refused(scene, how, match):
    with pytest.raises(ValueError, match=match):
        xstf.find_suspects(scene, **how)


@pytest.mark.real
def test_the_cloudy_date_of_saltonsea_is_found(real_data):
    fine = xstf.read_images(str(real_data / "saltonsea" / "fine" / "*.tif"))
    coarse = xstf.read_images(str(real_data / "saltonsea" / "coarse" / "*.tif"))
    scene = xstf.find_observed(xstf.scene(fine, coarse), least=0.9)
    found = xstf.find_suspects(scene)
    assert found.sizes["time"] == 19
    bad = found.time[found.suspect].values
    np.testing.assert_array_equal(bad, np.array(["2020-11-26"], "M8[ns]"))
    kept = scene.assign(fine_observed=scene.fine_observed & ~scene.time.isin(bad))
    fused = kept.stf.fuse("add", dates="2020-11-25")
    assert fused.pair_dates.item() == "2020-11-21 2020-12-01"
    assert "2020-11-26" in scene.stf.fuse("add", dates="2020-11-25").pair_dates.item()
