import datetime
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xstf
from xstf.dates import find_dates
from xstf.pairing import Group, apart, group, sides, wanted_dates

TIMES = np.array(
    ["2020-06-01", "2020-06-03", "2020-06-10", "2020-06-20", "2020-07-05"], "datetime64[ns]"
)
HOURS = np.array(
    ["2020-06-01T10:30", "2020-06-02T10:30", "2020-06-02T18:00", "2020-07-03T10:30"],
    "datetime64[ns]",
)
ALL = np.ones(5, bool)
PAIRS = np.array([1, 1, 0, 1, 0], bool)
ONE_OR_TWO, ONE, TWO = range(1, 3), range(1, 2), range(2, 3)


def pairs_of(target, pairs, able=ONE_OR_TWO, times=TIMES, usable=PAIRS):
    ((found, served),) = ((g.pairs, g.targets) for g in group(times, usable, [target], able, pairs))
    assert served == (target,)
    return found


@pytest.mark.parametrize(
    "date",
    [
        "2020-06-10",
        datetime.date(2020, 6, 10),
        datetime.datetime(2020, 6, 10),
        pd.Timestamp("2020-06-10"),
        np.datetime64("2020-06-10"),
        np.datetime64("2020-06-10T00:00:00.000000000"),
        TIMES[2],
        "2020-06-10T00:00",
    ],
)
def test_a_date_may_come_in_many_types(date):
    assert find_dates(TIMES, date) == [2]
    assert find_dates(TIMES, [date]) == [2]
    assert wanted_dates(TIMES, ~ALL, ALL, date) == [2]


@pytest.mark.parametrize(
    "dates",
    [
        ["2020-06-10", "2020-06-01"],
        ("2020-06-10", "2020-06-01"),
        ["2020-06-10", datetime.date(2020, 6, 1)],
        [np.datetime64("2020-06-10"), "2020-06-01"],
        np.array(["2020-06-10", "2020-06-01"], "datetime64[D]"),
        TIMES[[2, 0]],
        pd.DatetimeIndex(["2020-06-10", "2020-06-01"]),
        pd.Series(pd.to_datetime(["2020-06-10", "2020-06-01"])),
    ],
)
def test_dates_may_come_in_many_containers(dates):
    assert find_dates(TIMES, dates) == [2, 0]
    assert wanted_dates(TIMES, ~ALL, ALL, dates) == [0, 2]  # in the order of time


def test_coordinates_are_dates():
    time = xstf.simulate("parcels", size=32, dates=3, pairs=1)[0].time
    assert find_dates(time.values, time[1:]) == [1, 2]
    assert find_dates(time.values, time[2]) == [2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_units_of_time_do_not_matter(unit):
    times = TIMES.astype(f"datetime64[{unit}]")
    assert find_dates(times, ["2020-06-10", np.datetime64("2020-07-05", "ns")]) == [2, 4]
    assert wanted_dates(times, PAIRS, ALL, slice("2020-06-10", "2020-06-20")) == [2]


def test_a_day_means_its_image_whatever_the_hour():
    assert find_dates(HOURS, "2020-06-01") == [0]
    assert find_dates(HOURS, "2020-06-02T18:00") == [2]
    with pytest.raises(ValueError, match="2020-06-02 names 2 images of that day") as caught:
        find_dates(HOURS, "2020-06-02")
    assert "give the time of day too" in str(caught.value)
    with pytest.raises(ValueError, match="is not a date of the scene"):
        find_dates(HOURS, "2020-06-01T11:00")


@pytest.mark.parametrize(
    ("date", "nearest"),
    [("2020-06-04", "2020-06-03"), ("2019-01-01", "2020-06-01"), ("2031-01-01", "2020-07-05")],
)
def test_a_date_outside_the_series_names_its_reach_and_the_nearest(date, nearest):
    with pytest.raises(ValueError, match=f"{date} is not a date of the scene") as caught:
        find_dates(TIMES, date)
    message = str(caught.value)
    assert "5 dates from 2020-06-01 to 2020-07-05" in message
    assert f"nearest is {nearest}" in message


@pytest.mark.parametrize("value", ["", None, np.datetime64("NaT"), "nonsense", 5, True, 1.5])
def test_what_is_no_date_is_named_with_the_cure(value):
    with pytest.raises(ValueError, match="write dates as '2020-07-11'") as caught:
        find_dates(TIMES, value)
    assert repr(value) in str(caught.value)


def test_a_month_is_not_its_first_day():
    # xarray reads "2020-06" as the whole month; 1 June alone would be silently wrong
    with pytest.raises(ValueError, match="'2020-06' is a whole month.*slice"):
        find_dates(TIMES, "2020-06")
    with pytest.raises(ValueError, match="'2020' is a whole year"):
        find_dates(TIMES, "2020")


def test_a_slice_that_ends_in_a_month_holds_the_month():
    assert wanted_dates(TIMES, ~ALL, ALL, slice("2020-06", "2020-07")) == [0, 1, 2, 3, 4]
    assert wanted_dates(TIMES, ~ALL, ALL, slice(None, "2020-06")) == [0, 1, 2, 3]


@pytest.mark.parametrize("dates", [{"2020-06-10"}, iter(["2020-06-10"])], ids=["set", "iterator"])
def test_other_containers_serve(dates):
    assert find_dates(TIMES, dates) == [2]


def test_without_dates_every_coarse_date_that_lacks_fine():
    assert wanted_dates(TIMES, PAIRS, ALL) == [2, 4]
    coarse = np.array([1, 1, 0, 1, 1], bool)
    assert wanted_dates(TIMES, PAIRS, coarse) == [4]
    assert wanted_dates(TIMES, ~ALL, coarse) == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (slice("2020-06-02", "2020-06-20"), [1, 2, 3]),
        (slice("2020-06-03", "2020-06-10"), [1, 2]),
        (slice(None, "2020-06-03"), [0, 1]),
        (slice("2020-06-11", None), [3, 4]),
        (slice(None), [0, 1, 2, 3, 4]),
        (slice(datetime.date(2020, 6, 3), pd.Timestamp("2020-06-10")), [1, 2]),
        (slice(TIMES[1], TIMES[2]), [1, 2]),
    ],
)
def test_slices_hold_both_ends(dates, found):
    assert wanted_dates(TIMES, ~ALL, ALL, dates) == found


def test_a_slice_leaves_observed_dates_out():
    assert wanted_dates(TIMES, PAIRS, ALL, slice("2020-06-01", "2020-06-20")) == [2]


def test_a_slice_with_days_holds_the_whole_last_day():
    some = np.ones(4, bool)
    assert wanted_dates(HOURS, ~some, some, slice("2020-06-02", "2020-06-02")) == [1, 2]


@pytest.mark.parametrize(
    "end", ["2020-06-02T12:00", np.datetime64("2020-06-02T12:00"), pd.Timestamp("2020-06-02 12:00")]
)
def test_a_slice_with_a_time_of_day_ends_there(end):
    some = np.ones(4, bool)
    assert wanted_dates(HOURS, ~some, some, slice(None, end)) == [0, 1]
    assert wanted_dates(HOURS, ~some, some, slice(end, None)) == [2, 3]


def test_nothing_to_predict():
    with pytest.raises(ValueError, match="every coarse date has a fine image already") as caught:
        wanted_dates(TIMES, ALL, ALL)
    assert "dates=['2020-07-05']" in str(caught.value)
    assert "xstf.find_observed" in str(caught.value)


def test_an_empty_slice_does_not_blame_the_fine_images():
    with pytest.raises(ValueError, match="nothing to predict") as caught:
        wanted_dates(TIMES, PAIRS, ALL, slice("2021-01-01", "2021-02-01"))
    assert "every coarse date has a fine image already" not in str(caught.value)


def test_an_observed_date_that_is_named_is_wanted():
    assert wanted_dates(TIMES, PAIRS, ALL, ["2020-06-03"]) == [1]


def test_errors_of_named_dates():
    with pytest.raises(ValueError, match="dates is empty"):
        wanted_dates(TIMES, PAIRS, ALL, [])
    with pytest.raises(ValueError, match="dates names a date twice") as caught:
        wanted_dates(TIMES, PAIRS, ALL, ["2020-06-10", "2020-06-10T00:00"])
    assert "2020-06-10" in str(caught.value)
    coarse = np.array([1, 1, 0, 1, 1], bool)
    with pytest.raises(ValueError, match="2020-06-10 has no coarse image") as caught:
        wanted_dates(TIMES, PAIRS, coarse, "2020-06-10")
    assert "2020-06-01, 2020-06-03, 2020-06-20, 2020-07-05" in str(caught.value)


def test_auto_takes_one_on_each_side_else_the_nearest():
    assert pairs_of(2, "auto") == (1, 3)
    assert pairs_of(2, "auto", TWO) == (1, 3)
    assert pairs_of(4, "auto") == (3,)  # nothing after it
    assert pairs_of(4, "auto", TWO) == (1, 3)
    assert pairs_of(2, "auto", ONE) == (1,)
    assert pairs_of(2, "nearest") == (1,)
    assert pairs_of(4, "nearest") == (3,)


def test_of_two_equally_near_dates_the_earlier_serves():
    times = np.array(["2020-01-01", "2020-01-05", "2020-01-09"], "datetime64[ns]")
    usable = np.array([1, 0, 1], bool)
    assert pairs_of(1, "nearest", times=times, usable=usable) == (0,)
    assert pairs_of(1, 1, times=times, usable=usable) == (0,)


def test_numbers_and_names_of_pairs():
    assert pairs_of(2, 1) == (1,)
    assert pairs_of(2, 2) == (0, 1)
    assert pairs_of(2, np.int64(2)) == (0, 1)
    assert pairs_of(2, ["2020-06-20"]) == (3,)
    assert pairs_of(2, ["2020-06-20", "2020-06-01"]) == (0, 3)
    assert pairs_of(2, np.datetime64("2020-06-20")) == (3,)
    assert pairs_of(2, TIMES[[0, 3]]) == (0, 3)
    assert pairs_of(2, {"2020-06-10": ["2020-06-20"]}) == (3,)
    assert pairs_of(2, {datetime.date(2020, 6, 10): "2020-06-20"}) == (3,)
    assert pairs_of(2, {TIMES[2]: TIMES[[0, 1]], TIMES[4]: TIMES[3]}) == (0, 1)


def test_one_date_serves_or_not_however_it_is_written():
    def outcome(date):
        try:
            return pairs_of(2, date)
        except ValueError:
            return "refused"

    written = ["2020-06-20", datetime.date(2020, 6, 20), pd.Timestamp("2020-06-20"), TIMES[3]]
    assert len({outcome(date) for date in written}) == 1


@given(st.data())
def test_auto_and_numbers_by_definition(data):
    days = data.draw(st.lists(st.integers(0, 400), min_size=2, max_size=12, unique=True))
    times = np.datetime64("2020-01-01", "ns") + np.sort(days) * np.timedelta64(1, "D")
    usable = np.array(data.draw(st.lists(st.booleans(), min_size=len(days), max_size=len(days))))
    target = data.draw(st.integers(0, len(days) - 1))
    others = [i for i in range(len(times)) if usable[i] and i != target]
    if not others:
        with pytest.raises(ValueError, match="there is no pair to predict it from"):
            group(times, usable, [target], ONE_OR_TWO, "auto")
        return

    def far(i):
        return abs(int((times[i] - times[target]) // np.timedelta64(1, "D")))

    found = pairs_of(target, "auto", times=times, usable=usable)
    before = [i for i in others if i < target]
    after = [i for i in others if i > target]
    if before and after:
        assert found == (max(before), min(after))
    else:
        assert len(found) == 1
        assert far(found[0]) == min(map(far, others))
    number = data.draw(st.integers(1, len(others)))
    found = pairs_of(target, number, range(1, 20), times=times, usable=usable)
    assert len(set(found)) == number
    assert target not in found
    assert sorted(map(far, found)) == sorted(map(far, others))[:number]


@given(st.lists(st.booleans(), min_size=3, max_size=15), st.sampled_from(["auto", "nearest", 1, 2]))
def test_every_wanted_date_is_in_one_group_and_none_serves_itself(usable, pairs):
    usable = np.array(usable)
    usable[:3] = True
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(usable)) * np.timedelta64(8, "D")
    targets = list(range(len(usable)))
    groups = group(times, usable, targets, ONE_OR_TWO, pairs)
    assert sorted(t for g in groups for t in g.targets) == targets
    assert len({g.pairs for g in groups}) == len(groups)
    for g in groups:
        assert not set(g.pairs) & set(g.targets)
        assert usable[list(g.pairs)].all()
        assert list(g.pairs) == sorted(set(g.pairs))
        assert list(g.targets) == sorted(g.targets)
        hash(g)


def test_dates_that_share_pairs_share_a_group():
    usable = np.array([1, 0, 0, 1, 0], bool)
    assert group(TIMES, usable, [1, 2, 4], ONE_OR_TWO, "auto") == [
        Group((0, 3), (1, 2)),
        Group((3,), (4,)),
    ]
    assert group(TIMES, usable, [1, 2, 4], ONE_OR_TWO, ["2020-06-01"]) == [Group((0,), (1, 2, 4))]
    both = [["2020-06-01", "2020-06-20"], ["2020-06-20", "2020-06-01"]]  # the order is no matter
    table = dict(zip(TIMES[[1, 2]], both, strict=True))
    assert group(TIMES, usable, [1, 2], ONE_OR_TWO, table) == [Group((0, 3), (1, 2))]


@pytest.mark.parametrize(
    "pairs",
    ["both", "2", 0, -1, 2.0, True, False, np.True_, None, object(), 1j],
    ids=lambda pairs: type(pairs).__name__,
)
def test_what_is_no_choice_of_pairs_is_named(pairs):
    with pytest.raises(
        ValueError, match=re.escape('is not "auto", "nearest", "similar", a number')
    ) as caught:
        group(TIMES, PAIRS, [2], ONE_OR_TWO, pairs)
    assert repr(pairs) in str(caught.value)
    assert "{date: list of dates}" in str(caught.value)


@pytest.mark.parametrize("pairs", [[1], ["nonsense"], [None], {"2020-06-10": [3.5]}, {"a": []}])
def test_nonsense_among_the_pairs_is_named(pairs):
    with pytest.raises(ValueError, match="write dates as '2020-07-11'"):
        group(TIMES, PAIRS, [2], ONE_OR_TWO, pairs)


@pytest.mark.parametrize("pairs", [[], {"2020-06-10": []}])
def test_no_pair_is_too_few(pairs):
    with pytest.raises(ValueError, match=re.escape("from 0 pair(s)")) as caught:
        group(TIMES, PAIRS, [2], ONE_OR_TWO, pairs)
    assert "the method uses 1 to 2" in str(caught.value)
    assert "2020-06-01, 2020-06-03, 2020-06-20" in str(caught.value)


def test_more_pairs_than_the_method_uses():
    for pairs in (3, ["2020-06-01", "2020-06-03", "2020-06-20"]):
        with pytest.raises(ValueError, match=re.escape("from 3 pair(s)")):
            group(TIMES, PAIRS, [2], ONE_OR_TWO, pairs)
    with pytest.raises(ValueError, match="the method uses exactly 1;"):
        group(TIMES, PAIRS, [2], ONE, 2)
    with pytest.raises(ValueError, match="the method uses exactly 2;"):
        group(TIMES, PAIRS, [2], TWO, "nearest")


def test_a_pair_outside_the_series_or_without_an_image():
    with pytest.raises(ValueError, match="2020-06-04 is not a date of the scene"):
        group(TIMES, PAIRS, [2], ONE_OR_TWO, ["2020-06-04"])
    with pytest.raises(ValueError, match="2020-07-05 is no pair: it lacks a fine or a coarse"):
        group(TIMES, PAIRS, [2], ONE_OR_TWO, ["2020-07-05"])


def test_messages_tell_images_of_one_day_apart():
    usable = np.array([1, 1, 0, 1], bool)
    with pytest.raises(ValueError, match="is no pair") as caught:
        group(HOURS, usable, [0], ONE_OR_TWO, ["2020-06-02T18:00"])
    assert "18:00" in str(caught.value)


def test_its_own_date_never_serves():
    assert pairs_of(1, "auto") == (0, 3)
    assert pairs_of(1, "nearest") == (0,)
    assert pairs_of(1, 2) == (0, 3)
    for pairs in (["2020-06-03"], ["2020-06-01", "2020-06-03"], {"2020-06-03": "2020-06-03"}):
        with pytest.raises(ValueError, match="2020-06-03 cannot be a pair of its own") as caught:
            group(TIMES, PAIRS, [1], ONE_OR_TWO, pairs)
        assert "leave it out of pairs" in str(caught.value)
    with pytest.raises(ValueError, match="no date other than 2020-06-01 has both"):
        group(TIMES, np.array([1, 0, 0, 0, 0], bool), [0], ONE_OR_TWO, "auto")


def test_a_table_must_hold_every_wanted_date():
    with pytest.raises(ValueError, match="pairs has no entry for 2020-07-05"):
        group(TIMES, PAIRS, [2, 4], ONE_OR_TWO, {"2020-06-10": ["2020-06-20"]})


def test_a_table_names_a_date_once():
    table = {"2020-06-10": ["2020-06-20"], "2020-06-10T00:00": ["2020-06-01"]}
    with pytest.raises(ValueError, match="2020-06-10"):
        group(TIMES, PAIRS, [2], ONE_OR_TWO, table)


def test_times_stay_as_they_are():
    before = TIMES.copy()
    group(TIMES, PAIRS, [2, 4], ONE_OR_TWO, {t: TIMES[0] for t in TIMES})
    np.testing.assert_array_equal(TIMES, before)


def test_sides_are_the_nearest_before_and_after():
    before, after = sides(TIMES, PAIRS, [0, 1, 2, 4])
    assert before == [Group((0,), (1,)), Group((1,), (2,))]
    assert after == [Group((3,), (1, 2))]


def test_of_named_pairs_only_those_are_sides():
    before, after = sides(TIMES, PAIRS, [2], ["2020-06-01", "2020-06-20"])
    assert (before, after) == ([Group((0,), (2,))], [Group((3,), (2,))])
    assert sides(TIMES, PAIRS, [2], ["2020-06-01", "2020-06-03"]) == ([], [])


@pytest.mark.parametrize(
    ("gap", "left"), [(0, [0, 3]), (2, [0, 3]), (2.5, [3]), (17, [3]), (18, [])]
)
def test_dates_within_the_gap_do_not_serve(gap, left):
    assert np.flatnonzero(apart(TIMES, PAIRS, 1, gap)).tolist() == left
