"""Predicted against true: counts, numbers, axes, and how many pixels."""

import numpy as np
import pytest

from xstf.plot import density, scatter


def charts(figure):
    return {a.get_title(): a for a in figure.axes if a.get_title()}


def test_numbers_counts_and_axes(fused):
    _, truth, predicted = fused
    holed = predicted["upsampled"].copy()
    holed[0, :, :10] = np.nan
    found = charts(scatter(holed, truth))
    assert list(found) == ["red", "nir"]
    for band, axes in found.items():
        p = holed.sel(band=band).values
        t = truth.sel(time=holed.time, band=band).values[np.isfinite(p)].astype(float)
        p = p[np.isfinite(p)].astype(float)
        said = axes.texts[0].get_text().replace("−", "-").split("\n")
        expected = [np.corrcoef(p, t)[0, 1], np.sqrt(np.mean((p - t) ** 2)), np.mean(p - t)]
        assert [line.split(" = ")[0] for line in said] == ["r", "RMSE", "bias"]
        np.testing.assert_allclose([float(s.split(" = ")[1]) for s in said], expected, atol=6e-4)
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_aspect() == 1
        (line,) = axes.lines
        np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
        counted = axes.collections[0].get_array()
        inside = sum((a >= axes.get_xlim()[0]) & (a <= axes.get_xlim()[1]) for a in (p, t)) == 2
        assert counted.sum() == inside.sum()
        assert type(axes.collections[0].norm).__name__ == "LogNorm"


def test_predicted_is_up(fused):
    _, truth, _ = fused
    higher = truth.isel(time=[1]) + 0.2 * (truth.isel(time=[1]) > truth[1].mean())
    for axes in charts(scatter(higher, truth)).values():
        count = np.ma.filled(axes.collections[0].get_array(), 0)
        count = count.reshape(128, 128)  # rows go up
        assert np.tril(count, -1).sum() > 10 * np.triu(count, 1).sum()


def test_one_band_and_lazy(fused):
    _, truth, predicted = fused
    figure = scatter(predicted["add"].chunk({"y": 16}), truth.chunk({"x": 16}), band="nir")
    assert list(charts(figure)) == ["nir"]
    assert figure.get_supxlabel() == f"{2 * 48 * 64:,} pixels a band"


def test_large_images_are_thinned_and_it_is_said(fused, monkeypatch):
    _, truth, predicted = fused
    monkeypatch.setattr(density, "MOST", 1000)
    figure = scatter(predicted["add"], truth, band="red")
    assert figure.get_supxlabel() == f"every 3rd pixel along y and x: {2 * 16 * 22} pixels a band"
    p, t = (
        a.sel(band="red").values[:, ::3, ::3].astype(float).ravel()
        for a in (predicted["add"], truth[1:3])
    )
    said = charts(figure)["red"].texts[0].get_text()
    assert f"r = {np.corrcoef(p, t)[0, 1]:.3f}" in said


@pytest.mark.parametrize(
    ("n", "text"), [(1, "1st"), (2, "2nd"), (11, "11th"), (22, "22nd"), (4, "4th")]
)
def test_ordinals(n, text):
    assert density._ordinal(n) == text


def test_constant_images(fused):
    _, truth, _ = fused
    (axes, _) = charts(scatter(truth[:1] * 0 + 0.25, truth[:1] * 0 + 0.25)).values()
    assert axes.texts[0].get_text() == "r = nan\nRMSE = 0.0000\nbias = +0.0000"


def test_refusals(fused):
    _, truth, predicted = fused
    with pytest.raises(ValueError, match="no band 'blue'; there are red, nir"):
        scatter(predicted["add"], truth, band="blue")
    with pytest.raises(ValueError, match="'red' has no pixel that both"):
        scatter(predicted["add"] * np.nan, truth)
    with pytest.raises(ValueError, match="which truth lacks"):
        scatter(predicted["add"], truth[:1])
