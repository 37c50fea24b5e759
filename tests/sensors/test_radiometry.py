"""Coarse images in the radiometry of the fine ones."""

import numpy as np
import pytest

import xstf
from xstf.sensors import fit_normalisation, normalise


@pytest.fixture
def scene():
    made, truth = xstf.simulate("parcels", size=160, dates=4, seed=6)
    made, truth = made.isel(band=[0, 3]), truth.isel(band=[0, 3])
    made["fine"] = truth.reindex_like(made["fine"])
    made["fine_observed"] = ("time", np.ones(made.sizes["time"], bool))
    cells = made["fine"].coarsen(y=16, x=16).mean()
    made["coarse"] = made["coarse"].copy(data=cells.values)
    return made


GAIN, OFFSET = np.array([0.8, 1.25], "f4"), np.array([0.03, -0.02], "f4")


def moved(scene, noise=0.0):
    random = np.random.default_rng(2)
    values = (scene.coarse.values - OFFSET[:, None, None]) / GAIN[:, None, None]
    values = values + noise * random.standard_normal(values.shape)
    return scene.assign(coarse=scene.coarse.copy(data=values.astype("f4")))


def test_a_known_line_is_found_and_undone(scene):
    found = fit_normalisation(moved(scene))
    np.testing.assert_allclose(found.gain, GAIN, rtol=1e-3)
    np.testing.assert_allclose(found.offset, OFFSET, atol=2e-4)
    assert (found.cc > 0.999).all()
    back = normalise(moved(scene), found)
    np.testing.assert_allclose(back.coarse, scene.coarse, atol=3e-4)
    assert back.coarse.dtype == np.float32
    lazy = normalise(moved(scene).chunk(), found)
    assert lazy.coarse.chunks is not None
    np.testing.assert_array_equal(lazy.coarse, back.coarse)


def test_noise_does_not_flatten_the_line(scene):
    spread = float(scene.coarse.std())
    noisy = moved(scene, noise=0.3 * spread)
    least_squares = [
        np.polyfit(noisy.coarse[:, b].values.ravel(), scene.coarse[:, b].values.ravel(), 1)[0]
        for b in range(2)
    ]
    found = fit_normalisation(noisy)
    assert (np.abs(found.gain - GAIN) < np.abs(np.array(least_squares) - GAIN)).all()


def test_clouds_do_not_bend_the_line(scene):
    cloudy = moved(scene)
    cloudy["fine"][1, :, :64, :64] = 0.8
    found = fit_normalisation(cloudy)
    np.testing.assert_allclose(found.gain, GAIN, rtol=2e-3)
    assert (found.cells < 4 * 100).all()
    assert (found.cells > 300).all()


def test_missing_cells_are_left_out(scene):
    holey = moved(scene)
    holey["coarse"][0] = np.nan
    holey["fine"][2, 0] = np.nan
    found = fit_normalisation(holey)
    np.testing.assert_allclose(found.gain, GAIN, rtol=1e-3)
    assert found.cells[0] <= 200
    assert 200 < found.cells[1] <= 300


def test_other_kinds(scene):
    shifted = scene.assign(coarse=scene.coarse - 0.05)
    found = fit_normalisation(shifted, kind="offset")
    np.testing.assert_allclose(found.offset, 0.05, atol=1e-4)
    np.testing.assert_array_equal(found.gain, 1)
    scaled = scene.assign(coarse=scene.coarse / 1.2)
    found = fit_normalisation(scaled, kind="gain")
    np.testing.assert_allclose(found.gain, 1.2, rtol=1e-3)
    np.testing.assert_array_equal(found.offset, 0)


def test_what_gives_no_line_is_refused(scene):
    with pytest.raises(ValueError, match="kind='rma' is none of line, offset, gain"):
        fit_normalisation(scene, kind="rma")
    with pytest.raises(ValueError, match="do not rise together"):
        fit_normalisation(scene.assign(coarse=1 - scene.coarse))
    with pytest.raises(ValueError, match="9 cells have both images, and a line needs 10"):
        fit_normalisation(scene.stf.isel(time=[0], y=slice(0, 48), x=slice(0, 48)))
    with pytest.raises(ValueError, match="no date has both"):
        fit_normalisation(scene.assign(fine_observed=~scene.fine_observed))
    with pytest.raises(ValueError, match="the lines are of the bands"):
        normalise(scene, fit_normalisation(scene).isel(band=[0]))
