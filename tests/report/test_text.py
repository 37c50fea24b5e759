"""Tables of many methods as text; and of scores by name."""

import numpy as np
import pytest
import xarray as xr

from tests.plot.scores import compared
from xstf.report import table


def test_a_known_table():
    nan = np.nan
    rmse = [[[0.011, 0.02], [0.013, 0.02]], [[0.02, 0.04], [0.02, 0.05]], [[0.001] * 2, [nan] * 2]]
    bias = [[-0.001, -0.003], [0.004, 0.0], [0.0, nan]]
    cc = [[0.9, 0.8], [0.7, 0.99], [1, nan]]
    scores = xr.Dataset(
        {
            "rmse": (("name", "time", "band"), rmse, {"best": "small"}),
            "bias": (("name", "time"), bias, {"best": "zero"}),
            "cc": (("name", "time"), cc, {"best": "large"}),
        },
        {
            "name": ["fsdaf", "unchanged", "add, 9"],
            "band": ["red", "nir"],
            "trivial": ("name", [False, True, False]),
        },
        {"scene_range": (0, 1)},
    )
    assert table(scores).splitlines() == [
        "           RMSE x 10^4",
        "             red     nir    mean      AD      CC   dates",
        "unchanged  200.0   450.0   325.0    20.0   0.845       2",
        "fsdaf      120.0*  200.0*  160.0*  -20.0   0.850*      2",
        "add, 9      10.0    10.0    10.0     0.0   1.000       1",
        "the first does nothing",
        "* best; AD is the mean error, best at 0",
        "means over different dates: * only where all 2 are there",
    ]  # 20 and -20 are as far from zero, so neither is the best


def test_stars_and_means_are_those_of_the_dataset():
    scores = compared(("unchanged", "a", "b", "c", "d"), trivial=1, seed=4).isel(time=[0, 1])
    heads = table(scores).splitlines()[1].split()
    assert (
        heads == ["red", "nir", "mean", "AD", "CC", "Edge", "SAM", "deg", "dates"][:6] + heads[6:]
    )
    means = {
        "red": scores.rmse.sel(band="red").mean("time") * 1e4,
        "mean": scores.rmse.mean(("band", "time")) * 1e4,
        "AD": scores.bias.mean(("band", "time")) * 1e4,
        "CC": scores.cc.mean(("band", "time")),
        "Edge": scores.edge.mean(("band", "time")),
    }
    badness = {"red": 1, "mean": 1, "CC": -1}
    lines = {line.split()[0]: line.split() for line in table(scores).splitlines()[2:]}
    for at, head in ((1, "red"), (3, "mean"), (4, "AD"), (5, "CC"), (6, "Edge")):
        values = means[head].values
        bad = np.abs(values) if head in ("AD", "Edge") else badness[head] * values
        for i, name in enumerate(scores["name"].values):
            cell = lines[name][at]
            assert float(cell.rstrip("*")) == pytest.approx(
                values[i], abs=0.051 if at < 5 else 6e-4
            )
            assert cell.endswith("*") == (bad[i] == bad.min())


def test_units_without_reflectance_and_a_given_factor():
    scores = compared(dates=1)
    del scores.attrs["scene_range"]
    first, _, row = table(scores).splitlines()[:3]
    assert first.strip() == "RMSE"
    assert float(row.split()[1].rstrip("*")) == pytest.approx(float(scores.rmse[0, 0, 0]), abs=6e-5)
    scores.attrs["scene_range"] = [0, 1]
    first, _, row = table(scores, factor=100).splitlines()[:3]
    assert first.strip() == "RMSE x 10^2"
    assert float(row.split()[1].rstrip("*")) == pytest.approx(
        float(scores.rmse[0, 0, 0]) * 100, abs=6e-3
    )


def test_all_methods_alike_have_no_best():
    scores = compared(dates=1)
    for name in ("rmse", "cc"):
        scores[name][:] = 0.5
    text = table(scores[["rmse", "cc"]])
    assert "*" not in text


def test_refusals():
    for given, options, message in (
        (compared().isel(name=0), {}, "need the dimension name.*xstf.compare"),
        (compared().drop_vars("rmse"), {}, "the scores have no 'rmse', only bias"),
        (compared(), {"factor": 0}, "factor=0 must be positive"),
        (compared().expand_dims(region=[1]), {}, "dimension 'region'"),
    ):
        with pytest.raises(ValueError, match=message):
            table(given, **options)


def made(rmse_values, **joint):
    bands = {k: ("band", np.full(3, joint[k])) for k in ("cc", "ssim", "uiqi")}
    others = {k: joint[k] for k in ("sam", "ergas") if k in joint}
    names = {"band": ["blue", "red", "nir"]}
    return xr.Dataset({"rmse": ("band", rmse_values), **bands, **others}, names)


def test_scores_by_name_are_aligned():
    rows = {
        "fsdaf": made([0.0123, 0.02, 0.1], cc=0.91, ssim=0.8, sam=4.5, ergas=1.2, uiqi=0.7),
        "pair unchanged": made([0.02, 0.03, np.nan], cc=0.5, ssim=0.4, sam=12.25, uiqi=np.nan),
    }
    assert table(rows).splitlines() == [
        "                RMSE x 10^4",
        "                 blue    red     nir      CC    SSIM  SAM deg   ERGAS    UIQI",
        "fsdaf           123.0  200.0  1000.0  0.9100  0.8000     4.50  1.2000  0.7000",
        "pair unchanged  200.0  300.0       -  0.5000  0.4000    12.25       -       -",
    ]


def test_scores_by_name_are_averaged_over_dates_and_take_a_factor():
    dates = [made([0.01 * n, 0.02, 0.1], cc=0.1 * n, ssim=0.8, uiqi=0.7, sam=n) for n in (1, 3)]
    found = xr.concat(dates, "time")
    lines = table({"x": found}, factor=1).splitlines()
    assert lines[0].strip() == "RMSE"
    assert " ".join(lines[2].split()) == "x 0.0200 0.0200 0.1000 0.2000 0.8000 2.00 - 0.7000"
    assert table({"x": found}, factor=300).splitlines()[0].strip() == "RMSE x 300"


@pytest.mark.parametrize(
    ("rows", "factor", "message"),
    [
        ({}, 1, "no rows"),
        ({"a": xr.Dataset({"cc": 1.0})}, 1, "row 'a' has .*not rmse"),
        ({"a": xr.Dataset({"rmse": ("band", [1.0])})}, 0, "factor=0 must be positive"),
        (
            {
                "a": xr.Dataset({"rmse": ("band", [1.0])}, {"band": ["red"]}),
                "b": xr.Dataset({"rmse": ("band", [1.0])}, {"band": ["nir"]}),
            },
            1,
            r"row 'b' has bands \['nir'\], the first \['red'\]",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows, factor, message):
    with pytest.raises(ValueError, match=message):
        table(rows, factor=factor)
