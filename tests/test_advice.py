"""What is recommended, and how evidence is spoken of."""

import numpy as np
import pytest
import xarray as xr

import xstf


def compared(errors, dates=None):
    """Scores by name: (time, band) RMSE; the rows a, b do nothing."""
    values = np.array(list(errors.values()), float)
    times = np.datetime64("2020-01-01", "ns") + np.arange(values.shape[1]) * np.timedelta64(9, "D")
    rmse = xr.DataArray(
        values, dims=("name", "time", "band"), attrs={"best": "small"},
        coords={"name": np.array(list(errors), object), "time": times, "band": ["red", "nir"]},
    )  # fmt: skip
    found = xr.Dataset({"rmse": rmse, "cc": rmse.assign_attrs(best="large")})
    return found.assign_coords(trivial=("name", [n in "ab" for n in errors]))


FOUR = {
    "a": [[4, 8], [4, 8], [4, 8], [4, 8]],
    "b": [[5, 9], [2, 4], [5, 9], [5, 9]],
    "good": [[2, 4], [1, 2], [2.2, 4.4], [2, 4]],
    "poor": [[8, 8], [8, 8], [8, 8], [8, 8]],
}


def test_the_gain_is_over_the_best_way_of_doing_nothing():
    advice = xstf.recommend(compared(FOUR))
    assert (advice.name, advice.reference) == ("good", "b")
    gains = advice.gains.sel(name="good")
    logs = np.log(np.array(FOUR["good"]) / FOUR["b"]).mean(axis=1)
    assert gains.gain.item() == pytest.approx(1 - np.exp(logs.mean()))
    assert (gains.dates.item(), gains.wins.item()) == (4, 4)
    assert gains.spread.item() == pytest.approx(logs.std(ddof=1))
    assert advice.gains.gain.sel(name="b").item() == 0
    assert advice.gains.gain.sel(name="a").item() < 0
    assert "good suits this scene: its RMSE is 55% below that of b, the best of" in str(advice)
    assert "on 4 of 4 dates" in str(advice)
    assert "The evidence is thin" not in str(advice)
    assert "Not clearly worse" not in str(advice)


def test_a_reference_that_needs_both_sides_has_a_stand_in():
    nan = [np.nan, np.nan]
    ends = {**FOUR, "b": [nan, [2, 4], [2, 4], nan]}
    advice = xstf.recommend(compared(ends))
    assert advice.reference == "b"
    logs = np.log(np.array(FOUR["good"]) / [[4, 8], [2, 4], [2, 4], [4, 8]]).mean(axis=1)
    assert advice.gains.gain.sel(name="good").item() == pytest.approx(1 - np.exp(logs.mean()))


def test_no_method_is_recommended_that_does_not_beat_nothing():
    without = {k: v for k, v in FOUR.items() if k != "good"}
    advice = xstf.recommend(compared(without))
    assert advice.name == "b"
    assert "No method beats doing nothing here; of that, b is best" in str(advice)
    assert "The best method, poor, is" in str(advice)


@pytest.mark.parametrize("dates", [1, 2])
def test_thin_evidence_is_called_so(dates):
    advice = xstf.recommend(compared({k: v[:dates] for k, v in FOUR.items()}))
    assert advice.name == "good"
    assert "The evidence is thin: only 2020-01-01" in str(advice)
    assert np.isnan(advice.gains.spread.sel(name="good")) == (dates == 1)
    assert ("varies" in str(advice)) == (dates > 1)


def test_rivals_within_the_noise_are_named():
    noisy = {**FOUR, "rival": [[1, 2], [3, 6], [2, 4], [1.5, 3]]}
    assert "Not clearly worse: rival." in str(xstf.recommend(compared(noisy)))


def test_what_predicts_few_dates_is_not_recommended():
    nan = [[np.nan, np.nan]]
    rare = {**FOUR, "rare": [[0.1, 0.1], [0.1, 0.1], *nan, *nan]}
    advice = xstf.recommend(compared(rare))
    assert advice.name == "good"
    assert advice.gains.dates.sel(name="rare").item() == 2


def test_no_error_at_all_is_the_least_error():
    perfect = {**FOUR, "best": [[0, 0], [0.9, 0.9], [0, 0], [0, 0]]}
    assert xstf.recommend(compared(perfect)).name == "best"
    still = {"a": [[0, 0]] * 4, "b": [[1, 1]] * 4, "good": [[0.1, 0.2]] * 4}
    advice = xstf.recommend(compared(still))
    assert (advice.name, advice.reference) == ("a", "a")
    assert "No method beats doing nothing" in str(advice)


def test_a_tie_is_no_win():
    same = {"a": [[4, 8]] * 4, "b": [[5, 9]] * 4, "good": [[4, 8]] * 4}
    advice = xstf.recommend(compared(same))
    assert advice.name == "a"
    assert "good, is as good" in str(advice)


def test_where_nothing_predicts_enough_it_is_said():
    nan = [np.nan, np.nan]
    rare = {"a": [[4, 8]] * 4, "b": [[5, 9]] * 4, "good": [[1, 1], nan, nan, nan]}
    assert "No method predicts more than half" in str(xstf.recommend(compared(rare)))


def test_few_judged_pixels_are_a_doubt():
    found = compared(FOUR)
    found["judged"] = ("time", [1.0, 0.02, 1.0, 1.0])
    assert "only 2% of the true pixels" in str(xstf.recommend(found))


def test_without_doing_nothing_there_is_no_measure():
    found = compared(FOUR)
    with pytest.raises(ValueError, match="no row does nothing"):
        xstf.recommend(found.drop_vars("trivial"))
    with pytest.raises(ValueError, match="metric='seconds' is no error"):
        xstf.recommend(found.assign(seconds=found.rmse), "seconds")


def test_a_large_value_is_no_error():
    with pytest.raises(ValueError, match="metric='cc' is no error.*it has rmse"):
        xstf.recommend(compared(FOUR), "cc")
    with pytest.raises(ValueError, match="metric='sam' is no error"):
        xstf.recommend(compared(FOUR), "sam")


def test_the_door():
    ds, _ = xstf.simulate("mixed", size=56, scale=8, dates=4, pairs=3, seed=1)
    advice = ds.stf.recommend(["starfm"], metrics=["rmse"])
    assert str(advice) == advice.text
    assert set(advice.gains["name"].values) >= {"add", "starfm"}


def test_a_notebook_shows_the_sentences():
    advice = xstf.recommend(compared({"a": [[4, 8]], "b<1>": [[2, 4]]}))
    assert "b&lt;1&gt; suits this scene" in advice._repr_html_()
