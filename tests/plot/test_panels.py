"""One date: panels, stretch, errors, and which date it is."""

import numpy as np
import pytest

from xstf.plot import triptych
from xstf.plot.canvas import DIVERGING
from xstf.plot.colours import coloured


def titled(figure):
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def drawn(axes):
    return axes.images[0].get_array()


def stretched(image, like):
    """Return grey colours of an image by 2 to 98 % of another, in plain numpy."""
    low, high = np.percentile(like[np.isfinite(like)], (2, 98)).astype("f4")
    return coloured(image[None], low, high)


def test_panels_stretch_and_errors(fused):
    scene, truth, predicted = fused
    date = str(scene.time.values[1])[:10]
    figure = triptych(scene, predicted, date=date, bands="nir", truth=truth)
    panels = titled(figure)
    names = [f"coarse, {date}", "add", "upsampled", "truth", "error of add", "error of upsampled"]
    assert sorted(panels) == sorted(names)
    true = truth[1].sel(band="nir").values
    images = {
        f"coarse, {date}": scene.coarse[1],
        "truth": truth[1],
        "add": predicted["add"][0],
        "upsampled": predicted["upsampled"][0],
    }
    for name, image in images.items():
        expected = stretched(image.sel(band="nir").values, true)
        np.testing.assert_array_equal(drawn(panels[name]), expected)
    errors = {n: images[n].sel(band="nir").values - true for n in predicted}
    everything = np.abs(np.concatenate([*errors.values()]))
    top = np.percentile(everything[np.isfinite(everything)], 98)
    for name, error in errors.items():
        map_ = panels[f"error of {name}"].images[0]
        np.testing.assert_allclose(map_.get_array(), error, atol=1e-7)
        assert map_.get_clim() == pytest.approx((-top, top))
        assert map_.get_cmap().name == DIVERGING
    (bar,) = [axes for axes in figure.axes[-1].child_axes if axes.get_label() == "errors"]
    assert bar.get_ylabel() == "predicted − truth\nnir"
    assert bar.get_ylim() == pytest.approx((-top, top))


def test_the_error_is_the_mean_over_the_drawn_bands(fused):
    scene, truth, predicted = fused
    panels = titled(triptych(scene, predicted["add"], truth=truth))
    expected = (predicted["add"][0] - truth[1]).mean("band").values
    np.testing.assert_allclose(drawn(panels["error of add"]), expected, atol=1e-7)


def test_errors_lie_below_their_predictions_and_many_make_rows(fused):
    scene, truth, predicted = fused
    six = {f"m{i}": predicted["add"] + 0.01 * i for i in range(6)}
    panels = titled(triptych(scene, six, truth=truth))
    place = {
        n: (s := a.get_subplotspec()).rowspan.start * 10 + s.colspan.start
        for n, a in panels.items()
    }
    for name in six:
        assert place[f"error of {name}"] == place[name] + 10
    assert len(set(place.values())) == len(place) == 14
    assert max(p % 10 for p in place.values()) == 4


def test_without_truth_no_errors_and_the_stretch_of_the_pairs(fused):
    scene, _, predicted = fused
    panels = titled(triptych(scene, predicted, bands="red"))
    assert sorted(panels) == ["add", f"coarse, {str(scene.time.values[1])[:10]}", "upsampled"]
    sides = scene.fine.isel(time=[0, 3]).sel(band="red").values
    expected = stretched(predicted["add"][0].sel(band="red").values, sides)
    np.testing.assert_array_equal(drawn(panels["add"]), expected)
    nearest = scene.stf.fuse("add", pairs=[str(scene.time.values[3])[:10]])
    panels = titled(triptych(scene, nearest, bands="red"))
    expected = stretched(nearest[0].sel(band="red").values, sides[1])
    np.testing.assert_array_equal(drawn(panels["add"]), expected)


def test_an_observed_date_brings_its_own_truth_and_is_drawn_first(fused):
    scene, _, _ = fused
    dates = [str(t)[:10] for t in scene.time.values[[1, 3]]]
    panels = titled(triptych(scene, scene.stf.fuse("add", dates=dates)))
    assert {"truth", "error of add", f"coarse, {dates[1]}"} <= set(panels)
    low, high = np.percentile(scene.fine[3].sel(band="nir"), (2, 98))
    grey = (scene.fine[3].sel(band="nir").values - low) / (high - low)
    expected = np.clip(grey, 0, 1) * 255
    np.testing.assert_allclose(drawn(panels["truth"])[..., 0], expected, atol=0.51)


def test_a_method_without_that_date_leaves_a_gap(fused):
    scene, truth, predicted = fused
    predicted["upsampled"] = predicted["upsampled"][1:]
    panels = titled(triptych(scene, predicted, truth=truth, date=scene.time.values[1]))
    assert not panels["upsampled"].images
    assert "error of upsampled" not in panels
    assert [t.get_text() for t in panels["upsampled"].texts] == ["no image"]


def test_large_images_are_thinned(fused, monkeypatch):
    monkeypatch.setattr("xstf.plot.colours.PANEL", 20)
    monkeypatch.setattr("xstf.plot.colours.pick.__defaults__", (20,))
    scene, truth, predicted = fused
    panels = titled(triptych(scene, predicted["add"], bands="red", truth=truth))
    true = truth[1].sel(band="red").values[::4, ::4]
    np.testing.assert_array_equal(drawn(panels["truth"]), stretched(true, true))
    assert drawn(panels["error of add"]).shape == (12, 16)


def test_dask_datasets_with_quality_and_datatrees(fused):
    import xarray as xr

    scene, truth, predicted = fused
    expected = titled(triptych(scene, predicted["add"], truth=truth))
    lazy = scene.chunk({"time": 1, "y": 16, "x": 16})
    both = xr.Dataset({"fused": predicted["add"].chunk({"time": 1}), "count": predicted["add"]})
    found = titled(triptych(lazy, both, truth=truth.chunk({"time": 1})))
    assert list(found) == list(expected)
    for name, axes in found.items():
        np.testing.assert_array_equal(drawn(axes), drawn(expected[name]))


def test_refusals(fused):
    scene, truth, predicted = fused
    add = predicted["add"]
    first = str(scene.time.values[0])[:10]
    for given, options, message in (
        (add, {"date": first}, f"{first} is not predicted; there are 2020-"),
        (add, {"date": "1999-01-01"}, "1999-01-01 is not a date of the scene"),
        (add, {"date": list(add.time.values)}, "are 2 dates; give one"),
        (add, {"bands": "blue"}, "no band 'blue' to draw; there are red, nir"),
        (add, {"truth": truth[:1]}, "truth has no image of"),
        (add[:, :, :8], {}, "'add' is 8 x 64 pixels, the scene 48 x 64"),
        (add.drop_vars("time"), {}, "has no time; say which date"),
    ):
        with pytest.raises(ValueError, match=message):
            triptych(scene, given, **options)
    for given in ({}, None, {"a": add.values}, scene):
        with pytest.raises(TypeError, match="give what fuse returned"):
            triptych(scene, given)
