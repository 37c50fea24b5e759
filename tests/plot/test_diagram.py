"""The all-round diagram: places, colours, markers, names that do not cover each other."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from tests.plot.scores import compared
from xstf.plot import apa
from xstf.plot.canvas import DIVERGING, LIGHT
from xstf.plot.labels import name_points


def mean(scores, name, factor=1.0, **at):
    found = scores[name].sel(**at) if at else scores[name].mean("band")
    return found.mean("time").values * factor


def points(figure):
    return [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]


def test_places_colours_and_ranges():
    scores = compared(("a", "b", "c", "d"), trivial=1, seed=2)
    figure = apa(scores)
    axes = figure.axes[0]
    drawn = points(figure)
    places = np.array([c.get_offsets()[0] for c in drawn])
    np.testing.assert_allclose(places[:, 0], mean(scores, "rmse", 1e4))
    np.testing.assert_allclose(places[:, 1], mean(scores, "edge"))
    bias = mean(scores, "bias", 1e4)
    np.testing.assert_allclose([c.get_array()[0] for c in drawn], bias)
    top = np.abs(bias).max()
    assert all(c.get_clim() == pytest.approx((-top, top)) for c in drawn)
    assert {c.get_cmap().name for c in drawn} == {DIVERGING}
    bars = [c for c in axes.collections if c not in drawn]
    across = np.array([s for s in bars[0].get_segments()])[:, :, 0]
    values = scores.rmse.mean("band") * 1e4
    np.testing.assert_allclose(across, np.stack([values.min("time"), values.max("time")], axis=1))
    up = np.array([s for s in bars[1].get_segments()])[:, :, 1]
    edge = scores.edge.mean("band")
    np.testing.assert_allclose(up, np.stack([edge.min("time"), edge.max("time")], axis=1))
    assert axes.get_xlim()[0] == 0
    assert axes.get_ylim()[0] < 0 < axes.get_ylim()[1]
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (0, 0)
    assert axes.get_xlabel() == r"RMSE $\times\,10^{4}$: spectral error"
    assert figure.axes[1].get_ylabel() == r"AD $\times\,10^{4}$"


def test_markers_say_texture_and_doing_nothing():
    scores = compared(("a", "b", "c", "d"), trivial=1)
    scores["lbp"][:] = np.array([0.2, -0.1, 0.0, 0.15])[:, None, None]
    figure = apa(scores)
    paths = [c.get_paths()[0].vertices for c in points(figure)]
    areas = [c.get_sizes()[0] for c in points(figure)]
    assert np.argsort(areas).tolist() == [2, 1, 3, 0]
    assert len(paths[2]) > 10  # a circle
    tips = [p[np.abs(p[:, 0]).argmin(), 1] for p in (paths[0], paths[1])]
    assert tips[0] > 0 > tips[1]
    hollow = [c.get_facecolor().size == 0 or c.get_facecolor()[0, 3] == 0 for c in points(figure)]
    assert hollow == [True, False, False, False]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.texts] == [
        "LBP −0.2: less texture", "LBP 0", "LBP +0.2: more texture", "does nothing",
    ]  # fmt: skip
    without = apa(scores.isel(name=slice(1, None))).legends[0]
    assert "does nothing" not in [t.get_text() for t in without.texts]


def test_one_band_and_methods_without_numbers():
    scores = compared(("a", "b", "c"))
    scores["lbp"][1] = np.nan
    figure = apa(scores, band="nir")
    places = np.array([c.get_offsets()[0] for c in points(figure)])
    np.testing.assert_allclose(places[:, 0], mean(scores, "rmse", 1e4, band="nir")[[0, 2]])
    assert [t.get_text() for t in figure.axes[0].texts] == ["a", "c", "ideal"]


def boxes(texts, figure):
    figure.draw_without_rendering()
    # the text alone; an annotation's own extent includes its line
    from matplotlib.text import Text

    return [Text.get_window_extent(text) for text in texts]


@pytest.mark.parametrize("seed", range(4))
def test_names_do_not_cover_each_other(seed):
    draw = np.random.default_rng(seed)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    where = np.concatenate([draw.normal(0.7, 0.02, (9, 2)), draw.uniform(0.1, 0.9, (4, 2))])
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = [f"method {i}, both sides"[: 9 + i] for i in range(len(where))]
    texts = name_points(axes, where, names, np.full(len(where), 5.0), LIGHT, np.empty((0, 4)))
    assert [t.get_text() for t in texts] == names
    found = boxes(texts, figure)
    frame = axes.get_window_extent()
    for i, one in enumerate(found):
        assert not any(one.overlaps(other) for other in found[i + 1 :])
        assert frame.x0 <= one.x0 < one.x1 <= frame.x1
        assert frame.y0 <= one.y0 < one.y1 <= frame.y1
    far = [t for t in texts if np.hypot(*t.xyann) > 60]
    assert all(t.arrow_patch is not None for t in far)


def test_a_lone_name_stands_close_to_its_point():
    figure = Figure(figsize=(4, 3))
    axes = figure.add_subplot(xlim=(0, 1), ylim=(0, 1))
    (text,) = name_points(
        axes, np.array([[0.5, 0.5]]), ["fsdaf"], np.array([5.0]), LIGHT, np.empty((0, 4))
    )
    (box,) = boxes([text], figure)
    right = axes.transData.transform((0.5, 0.5))[0] + 5 * figure.dpi / 72
    assert 0 <= box.x0 - right < 8
    assert text.arrow_patch is None


def test_refusals():
    scores = compared()
    with pytest.raises(ValueError, match="no 'edge', only rmse"):
        apa(scores.drop_vars("edge"))
    with pytest.raises(ValueError, match="no method has RMSE, Edge, AD and LBP"):
        apa(scores.assign(lbp=scores.lbp * np.nan))
