"""Many dates: rows, columns, the common stretch, and the course of a pixel."""

import numpy as np
import pytest

import xstf
from xstf.plot import series
from xstf.plot.colours import coloured


def panels_of(figure):
    """Return the axes of the strip, (row, date)."""
    strip = [a for a in figure.axes if a.get_subplotspec() and (a.images or a.texts)]
    grid = strip[0].get_subplotspec().get_gridspec()
    return np.array(strip).reshape(grid.nrows, grid.ncols)


def days(ds):
    return [str(t)[:10] for t in ds.time.values]


def test_rows_columns_and_stretch(fused):
    scene, _, predicted = fused
    panels = panels_of(series(scene, predicted, bands="red"))
    assert panels.shape == (4, 4)
    assert [a.get_title() for a in panels[0]] == days(scene)
    assert [a.get_ylabel() for a in panels[:, 0]] == ["coarse", "add", "upsampled", "fine"]
    assert [[len(a.images) for a in row] for row in panels] == [
        [1] * 4,
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [1, 0, 0, 1],
    ]
    red = scene.fine.isel(time=[0, 3]).sel(band="red").values
    low, high = np.percentile(red, (2, 98)).astype("f4")
    for axes, image in (
        (panels[0, 2], scene.coarse[2]),
        (panels[1, 2], predicted["add"][1]),
        (panels[3, 3], scene.fine[3]),
    ):
        expected = coloured(image.sel(band="red").values[None], low, high)
        np.testing.assert_array_equal(axes.images[0].get_array(), expected)


def test_at_most_eight_dates_evenly_chosen():
    scene, _ = xstf.simulate("parcels", size=16, scale=8, dates=15, pairs=2, bands=("red",))
    fused = scene.stf.fuse("add").compute()
    titles = [a.get_title() for a in panels_of(series(scene, fused))[0]]
    assert titles == days(scene.isel(time=range(0, 15, 2)))
    some = scene.isel(time=slice(2, 6))
    for dates in (days(some), slice(days(some)[0], days(some)[-1]), some.time.values):
        assert [a.get_title() for a in panels_of(series(scene, fused, dates=dates))[0]] == days(
            some
        )
    assert panels_of(series(scene, fused, dates=days(scene)[3])).shape == (3, 1)


def test_without_a_fine_image_the_predictions_set_the_stretch(fused):
    scene, _, predicted = fused
    dates = days(scene)[1:3]
    panels = panels_of(series(scene, predicted["add"], dates=dates, bands="nir"))
    values = predicted["add"].sel(band="nir").values
    low, high = np.percentile(values, (2, 98)).astype("f4")
    drawn = panels[1, 0].images[0].get_array()
    np.testing.assert_array_equal(drawn, coloured(values[:1], low, high))


def test_the_course_of_a_pixel(fused):
    scene, _, predicted = fused
    point = float(scene.y[20]) + 3, float(scene.x[33]) - 4
    figure = series(scene, predicted["add"], point=point)
    charts = {a.get_title(): a for a in figure.axes if a.get_title() in ("red", "nir")}
    assert set(charts) == {"red", "nir"}
    for band, axes in charts.items():
        lines = {line.get_label(): line for line in axes.lines}
        assert set(lines) == {"coarse cell", "add", "fine"}
        pixel = {"y": 20, "x": 33}
        for label, expected in (
            ("coarse cell", scene.coarse.isel(y_coarse=2, x_coarse=4)),
            ("add", predicted["add"].isel(pixel)),
            ("fine", scene.fine[[0, 3]].isel(pixel)),
        ):
            np.testing.assert_array_equal(lines[label].get_ydata(), expected.sel(band=band))
            assert len(lines[label].get_xdata()) == expected.sizes["time"]
        assert lines["fine"].get_linestyle() == "None"
    (legend,) = figure.subfigs[1].legends
    assert legend.get_title().get_text() == "pixel (20, 33), counted from 0"


def test_the_point_is_marked_where_it_lies(fused):
    scene, _, predicted = fused
    bare = scene.drop_vars(["y", "x", "y_coarse", "x_coarse"])
    panels = panels_of(series(bare, predicted["add"], point=(20, 33)))
    (mark, _), (cell, _) = panels[2, 0].lines, panels[0, 0].lines
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (33, 20)
    assert (cell.get_xdata()[0], cell.get_ydata()[0]) == (33.5 / 8 - 0.5, 20.5 / 8 - 0.5)
    assert not panels[1, 0].lines  # no image, no mark


def test_refusals(fused):
    scene, _, predicted = fused
    for options, message in (
        ({"point": (1e9, 0)}, "lies outside the scene: y goes from"),
        ({"dates": "1999-01-01"}, "not a date of the scene"),
        ({"dates": slice("1999-01-01", "1999-02-01")}, "hold no date of the scene"),
        ({"bands": "blue"}, "no band 'blue'"),
    ):
        with pytest.raises(ValueError, match=message):
            series(scene, predicted, **options)
