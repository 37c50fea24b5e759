"""Dots for dates, bars for means, in the order of the means; and the numbers behind."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tests.plot.scores import compared
from xstf.plot import errors
from xstf.plot.canvas import LIGHT
from xstf.plot.numbers import best_of, metrics_of, over_dates, scores_of, values_of


def rows(figure):
    """Return dots, mean and colour by method, from top to bottom."""
    (axes,) = figure.axes
    found = {}
    for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        dots, mean = (
            next(a for a in axes.lines if kind(a) and np.isclose(np.mean(a.get_ydata()), tick))
            for kind in (
                lambda a: a.get_marker() == "o",
                lambda a: (
                    a.get_marker() == "None"
                    and len(a.get_ydata()) == 2
                    and np.ptp(a.get_ydata()) < 1
                ),
            )
        )
        found[label.get_text()] = (
            dots.get_xdata(), mean.get_xdata()[0],
            to_hex(mean.get_color()), to_hex(label.get_color()),
        )  # fmt: skip
    assert axes.yaxis_inverted()
    return found


def test_dots_means_order_and_grey():
    scores = compared()
    found = rows(errors(scores))
    values = scores.rmse.mean("band") * 1e4
    assert list(found) == list(values.mean("time").sortby(values.mean("time"))["name"].values)
    for name, (dots, mean, colour, label) in found.items():
        own = values.sel(name=name).values
        np.testing.assert_allclose(dots, own[np.isfinite(own)])
        assert mean == pytest.approx(np.nanmean(own))
        nothing = bool(scores.trivial.sel(name=name))
        assert colour == (LIGHT.muted if nothing else LIGHT.accent)
        assert label == (LIGHT.muted if nothing else LIGHT.ink)
    assert len(found["starfm"][0]) == 2  # it lacks a date
    axes = errors(scores).axes[0]
    assert axes.get_xlabel().startswith(r"RMSE $\times\,10^{4}$, mean over bands")
    assert axes.get_xlim()[0] == 0


def test_large_and_zero_are_sorted_their_own_way():
    scores = compared(seed=3)
    cc = scores.cc.mean(("band", "time"))
    assert list(rows(errors(scores, "cc"))) == list(cc.sortby(-cc)["name"].values)
    bias = abs(over_dates(values_of(scores, "bias")))
    found = errors(scores, "bias")
    assert list(rows(found)) == list(scores["name"].values[np.argsort(bias)])
    low, high = found.axes[0].get_xlim()
    assert low < 0 < high


def test_one_band_and_units():
    scores = compared()
    assert errors(scores, band="nir").axes[0].get_xlabel().split("\n")[0].endswith(", nir")
    found = rows(errors(scores, band="nir"))
    nir = scores.rmse.sel(band="nir").mean("time") * 1e4
    for name, (_, mean, *_) in found.items():
        assert mean == pytest.approx(float(nir.sel(name=name)))
    del scores.attrs["scene_range"]
    scores.rmse.attrs["units"] = "kelvin"
    figure = errors(scores, band="nir")
    assert figure.axes[0].get_xlabel().startswith("RMSE (kelvin), nir")
    assert rows(figure)["add"][1] == pytest.approx(float(nir.sel(name="add")) / 1e4)


def test_there_may_be_no_dates():
    scores = compared()
    assert len(rows(errors(scores.isel(time=0)))["add"][0]) == 1


def test_methods_without_a_value_are_left_out():
    scores = compared()
    scores["rmse"][1] = np.nan
    assert set(rows(errors(scores))) == {"unchanged", "starfm"}


def test_refusals():
    scores = compared()
    nothing = scores.assign(rmse=scores.rmse * np.nan)
    regions = scores.expand_dims(region=["a", "b"])
    for given, options, message in (
        (scores, {"metric": "q4"}, "no 'q4', only rmse, bias"),
        (scores, {"band": "blue"}, "band='blue' is not scored; there are red, nir"),
        (scores.isel(name=0), {}, "need the dimension name"),
        (nothing, {}, "'rmse' has no value of any method"),
        (regions, {}, r"'rmse' has the dimension 'region'; take one: .isel\(region=0\)"),
    ):
        with pytest.raises(ValueError, match=message):
            errors(given, **options)


@pytest.mark.parametrize(
    ("rule", "best"),
    [("small", [0]), ("large", [2]), ("zero", [1, 4]), (None, [])],
)
def test_what_is_best(rule, best):
    values = np.array([-3.0, 1.0, 5.0, np.nan, -1.0])
    assert np.flatnonzero(best_of(values, rule)).tolist() == best
    assert not best_of(np.array([2.0, 2.0, np.nan]), rule).any()  # none is worse
    assert not best_of(values * np.nan, rule).any()


def test_means_over_dates_leave_out_what_is_missing():
    values = np.array([[1.0, 3.0], [2.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(over_dates(values), [2, 2, np.nan])


def test_which_numbers_make_columns():
    scores = compared().assign(mine=("name", [1.0, 2.0, 3.0]), alone=("time", [1.0, 2.0, 3.0]))
    names = ["rmse", "bias", "cc", "edge", "lbp", "sam", "seconds", "mine"]
    assert metrics_of(scores_of(scores)) == names
