"""Filtered images, edges and texture against slow numpy and torchmetrics."""

from functools import partial
from importlib import import_module

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.images import each, flat, image, pearson, scene, windows
from tests.strategies import chunks_of
from xstf.metrics import edge, lbp, scc
from xstf.metrics.strongest import _merged, _rank


def filtered(z):
    """Eight times each pixel less its neighbours, NaN along the edge."""
    out = np.full(z.shape, np.nan)
    for i, j in np.ndindex(z.shape[0] - 2, z.shape[1] - 2):
        out[i + 1, j + 1] = 9 * z[i + 1, j + 1] - z[i : i + 3, j : j + 3].sum()
    return out


def cross(z):
    """Strength of the Roberts cross, at the last pixel of each 2 x 2."""
    out = np.full(z.shape, np.nan)
    down, up = z[:-1, :-1] - z[1:, 1:], z[:-1, 1:] - z[1:, :-1]
    out[1:, 1:] = abs(down) + abs(up)
    return out


def patterns(z, tolerance=0.0):
    out = np.full(z.shape, np.nan)
    clockwise = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    for i, j in np.ndindex(z.shape[0] - 2, z.shape[1] - 2):
        i, j = i + 1, j + 1
        if np.isfinite(z[i - 1 : i + 2, j - 1 : j + 2]).all():
            bits = [z[i + a, j + b] > z[i, j] + tolerance for a, b in clockwise]
            out[i, j] = sum(2**k for k, bit in enumerate(bits) if bit) / 255
    return out


def relative(p, t, still=1e-5):
    return np.nanmean((p - t) / (p + t + still)) if np.isfinite(p + t).any() else np.nan


def edges(p, t, still=1e-5):
    return relative(cross(p), cross(t), still)


def strongest(p, t, top):
    ours, theirs = cross(p), cross(t)
    seen = np.isfinite(ours + theirs)
    if not seen.any():
        return np.nan
    ours, theirs = ours[seen], theirs[seen]
    least = np.sort(theirs)[::-1][int(np.ceil(top * theirs.size)) - 1]
    return relative(ours[theirs >= least], theirs[theirs >= least])


def joint(one):
    """Give `one` images where a pixel missing in either is missing in both."""
    return lambda p, t: one(*(np.where(np.isfinite(p + t), i, np.nan) for i in (p, t)))


def test_spatial_correlation_is_that_of_filtered_images():
    p, t = scene()
    expected = each(p, t, joint(lambda a, b: flat(pearson)(filtered(a), filtered(b))))
    np.testing.assert_allclose(scc(p, t), expected, rtol=1e-9)
    local = each(p, t, joint(lambda a, b: windows(pearson, 8)(filtered(a), filtered(b))))
    np.testing.assert_allclose(scc(p, t, window=8), local, rtol=1e-8)
    assert np.isfinite(local).sum() == 8


def test_what_is_flat_has_no_spatial_correlation():
    _, t = scene(holes=False)
    still = t.copy(data=np.full(t.shape, np.float32(0.1)))
    for window in ("global", 8):
        assert np.isnan(scc(still, t, window=window)).all()
    still[..., :12] = t[..., :12]
    assert np.isfinite(scc(still, t, window=8)).all()  # of windows that are not flat


def test_torchmetrics_agrees_on_spatial_correlation_away_from_the_edge():
    module = import_module("torchmetrics.functional.image.scc")
    torch = import_module("torch")
    p, t = scene(holes=False, shape=(1, 1, 30, 34))
    laplacian = torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]])[None, None]
    ours, theirs = torch.tensor(p.values), torch.tensor(t.values)
    full = module._scc_per_channel_compute(ours, theirs, laplacian, 8)[0, 0]
    inside = full[5:-4, 5:-4]  # windows and filters that do not leave the image
    found = float(scc(p, t, window=8)[0, 0])
    assert found == pytest.approx(float(inside.mean()), abs=1e-5)  # theirs is float32
    theirs = float(module.spatial_correlation_coefficient(ours, theirs))
    assert theirs == pytest.approx(float(full.mean()))
    assert abs(theirs - found) > 1e-4


def test_edges_are_those_of_numpy():
    p, t = scene()
    expected = each(p, t, joint(edges))
    np.testing.assert_allclose(edge(p, t), expected, rtol=1e-9)
    wide = each(p, t, joint(partial(edges, still=4e-5)))
    np.testing.assert_allclose(edge(p, t, data_range=4.0), wide, rtol=1e-9)
    assert edge(p, t, data_range=4).attrs["data_range"] == 4.0


def test_smooth_images_are_below_zero_and_sharp_ones_above():
    _, t = scene(holes=False)
    smooth = t.rolling(x=3, y=3, center=True).mean()
    assert (edge(smooth, t) < -0.3).all()
    assert (edge(t, smooth) > 0.3).all()
    np.testing.assert_array_equal(edge(t, t), 0)
    np.testing.assert_array_equal(edge(0 * t, 0 * t), 0)
    np.testing.assert_array_equal(lbp(t, t), 0)
    np.testing.assert_array_equal(lbp(0 * t, 0 * t), 0)


@pytest.mark.parametrize("top", [1.0, 0.5, 0.1, 0.001])
@pytest.mark.parametrize("cut", [{}, {"time": 1, "band": 2, "y": (1, 20, 5), "x": 8}])
def test_the_strongest_edges_are_exactly_those_of_a_sorted_image(top, cut):
    p, t = scene()
    expected = each(p, t, joint(partial(strongest, top=top)))
    found = edge(p.chunk(cut) if cut else p, t, top=top)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert np.isfinite(expected).sum() == 8


@settings(max_examples=20, deadline=None)
@given(cut=st.tuples(chunks_of(26), chunks_of(31)), top=st.floats(0.01, 1))
def test_edges_that_tie_are_all_in_or_all_out_whatever_the_cut(cut, top):
    rng = np.random.default_rng(2)
    t = image(rng.integers(0, 3, (1, 26, 31)).astype(np.float32) / 4)  # few strengths
    p = image((t.values + rng.integers(0, 3, t.shape) / 4).astype(np.float32))
    found = edge(p.chunk(y=cut[0], x=cut[1]), t, top=top).compute(scheduler="sync")
    expected = each(p, t, partial(strongest, top=top))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_ranking_forgets_what_cannot_be_chosen():
    rng = np.random.default_rng(0)
    values, strength = rng.random((2, 40, 50))
    ranking = _rank(values, strength, None, most=200, regions=1).item()
    assert ranking.pixels == 2000
    assert len(ranking.strengths) == 200
    np.testing.assert_array_equal(ranking.strengths, np.sort(strength.ravel())[::-1][:200])
    both = _merged([ranking, ranking], most=200)
    assert both.counts.sum() == 200
    assert both.pixels == 4000


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_patterns_are_those_of_numpy(tolerance):
    p, t = scene()
    one = joint(lambda a, b: relative(patterns(a, tolerance), patterns(b, tolerance)))
    np.testing.assert_allclose(lbp(p, t, tolerance=tolerance), each(p, t, one), rtol=1e-9)


def test_a_pattern_reads_clockwise_from_above():
    t = image(np.zeros((1, 3, 3)))
    places = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]
    for bit, (i, j) in enumerate(places):
        p = t.copy(deep=True)
        p[0, i, j] = 1
        code = 2**bit / 255
        np.testing.assert_allclose(lbp(p, t), code / (code + 1e-5), rtol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 9)])
def test_images_smaller_than_the_window_have_none(size):
    p, t = scene(holes=False, shape=(1, 2, *size))
    for metric in (lbp, scc, partial(scc, window=8)):
        assert np.isnan(metric(p, t)).all()
        assert np.isnan(metric(p.chunk(y=1, x=1), t)).all()
    for metric in (edge, partial(edge, top=0.1)):
        assert np.isnan(metric(p, t)).all() == (min(size) < 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(scc, window=7), "window=7: spatial correlation takes 'global' or 8"),
        (partial(scc, bands="pooled"), "bands='pooled'"),
        (partial(edge, top=0), "top=0 must be above 0 and at most 1"),
        (partial(edge, top=10), "top=10 must be"),
        (partial(edge, data_range=-1), "data_range=-1 must be positive"),
        (partial(edge, bands="pooled"), "bands='pooled'"),
        (partial(lbp, tolerance=-1), "tolerance=-1 must be 0 or more"),
        (partial(lbp, bands="pooled"), "bands='pooled'"),
    ],
)
def test_bad_options_are_refused_with_the_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call(*scene())


def test_integers_are_filtered_as_numbers():
    p, t = scene(holes=False)
    p, t = ((i * 10_000).astype(np.uint16) for i in (p, t))
    for metric in (scc, edge, lbp):
        xr.testing.assert_allclose(metric(p, t), metric(p.astype(float), t.astype(float)))
