"""Published splits."""

import numpy as np
import pytest

import xstf
from xstf.datasets import BENCHMARKS, PROTOCOLS, protocol


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_test_image_is_trained_on(name):
    split = protocol(name)
    known = BENCHMARKS[split.benchmark].dates
    assert set(split.train) <= set(known)
    assert set(split.tests) <= set(known)
    assert not set(split.train) & set(split.tests)
    for test, pairs in split.tests.items():
        assert test not in pairs
        assert set(pairs) <= set(known)


def test_what_papers_say():
    bias = protocol("biastf-lgc")
    assert len(bias.train) == 8
    assert bias.tests["2004-12-12"] == ("2004-11-26", "2004-12-28")
    assert len(bias.tests) == 6
    swin = protocol("swinstfm-lgc")
    assert len(swin.train) == 11
    survey = protocol("survey-cia")
    assert len(survey.train) == 11
    assert survey.tests["2002-03-17"] == ("2002-03-10",)
    assert len(survey.tests) == 6
    assert protocol("survey-lgc").dates[0] == "2005-01-13"


def test_chronological_splits_of_sets_without_fixed_dates():
    times = np.datetime64("2015-01-01", "ns") + np.arange(27) * np.timedelta64(16, "D")
    split = protocol("survey-ahb", times[::-1])
    assert len(split.train) == 20
    assert len(split.tests) == 7
    first = str(times[20])[:10]
    assert split.pairs[first] == [str(times[19])[:10]]
    for few in (None, times[:20]):
        with pytest.raises(ValueError, match="tests the dates after the first 20"):
            protocol("survey-ahb", few)
    with pytest.raises(ValueError, match="protocol 'p1' is none of dlsdfm-lgc"):
        protocol("p1")


def test_a_split_names_dates_and_pairs_as_fuse_takes_them():
    scene, truth = xstf.simulate("parcels", size=32, dates=3, scale=8)
    days = ["2004-11-26", "2004-12-12", "2004-12-28"]
    scene = scene.assign_coords(time=np.array(days, "M8[ns]"))
    split = protocol("dlsdfm-lgc", scene.time.values)
    fused = scene.stf.fuse("add", dates=split.dates, pairs=split.pairs)
    assert fused.pair_dates.item() == f"{days[0]} {days[2]}"
    with pytest.raises(ValueError, match="2004-12-12 is not a date of the scene"):
        protocol("dlsdfm-lgc", scene.time.values[[0, 2]])
