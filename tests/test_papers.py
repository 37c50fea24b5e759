import numpy as np
import pytest
import xarray as xr

from xstf import papers
from xstf.simulation import simulate


@pytest.mark.parametrize(
    ("kind", "dates", "side", "scale", "pairs"),
    [
        ("gao_a", 3, 153, 17, [0, 2]),
        ("gao_b", 3, 153, 17, [0, 2]),
        ("gao_c", 3, 153, 17, [0, 2]),
        ("zhu", 2, 480, 16, [0]),
    ],
)
def test_sizes_pairs_and_exact_sensors(kind, dates, side, scale, pairs):
    scene, truth = simulate(kind)
    assert truth.shape == (dates, 1, side, side)
    assert scene.coarse.shape == (dates, 1, side // scale, side // scale)
    assert np.flatnonzero(scene.fine_observed).tolist() == pairs
    np.testing.assert_array_equal(scene.fine[pairs], truth[pairs])
    means = truth.values.astype("float64").reshape(dates, 1, side // scale, scale, -1, scale)
    np.testing.assert_allclose(scene.coarse, means.mean((3, 5)), rtol=1e-6)
    own = getattr(papers, kind)()
    xr.testing.assert_identical(own[0].load(), scene.load())
    xr.testing.assert_identical(own[1], truth)


def disc_area(radius):
    return np.pi * (radius / papers.PIXEL) ** 2


def test_gao_a_is_a_dark_lake_among_brightening_land():
    _, truth = papers.gao_a()
    for image, land in zip(truth.values[:, 0], (0.1, 0.2, 0.4), strict=True):
        assert image[76, 76] == np.float32(0.05)
        assert image[0, 0] == np.float32(land)
        assert (image == np.float32(0.05)).sum() == pytest.approx(disc_area(1000), rel=0.01)
        assert np.isin(image, np.float32([0.05, land])).all()


def test_gao_b_changes_shape_only():
    radii = (600.0, 900.0, 1500.0)
    _, truth = papers.gao_b(radii)
    for image, radius in zip(truth.values[:, 0], radii, strict=True):
        assert (image == np.float32(0.1)).sum() == pytest.approx(disc_area(radius), rel=0.02)
        assert np.isin(image, np.float32([0.1, 0.4])).all()
    _, truth = papers.gao_b()
    np.testing.assert_allclose(
        (truth < 0.2).sum(["band", "y", "x"]), disc_area(np.array([500, 1000, 2000])), rtol=0.01
    )


@pytest.mark.parametrize(("radius", "pure"), [(90, False), (300, False), (380, True), (480, True)])
def test_gao_c_has_a_pure_cell_from_353_metres_on(radius, pure):
    scene, truth = papers.gao_c(radius)
    assert (truth[1] == np.float32(0.05)).sum() == pytest.approx(disc_area(radius), rel=0.05)
    middle = float(scene.coarse[2, 0, 4, 4])
    assert (abs(middle - 0.05) < 1e-6) == pure


@pytest.mark.parametrize("radius", [0, -90.0, 2400.0, float("nan")])
def test_radii_must_fit(radius):
    with pytest.raises(ValueError, match="does not fit.*at most 2295"):
        papers.gao_c(radius)
    with pytest.raises(ValueError, match="does not fit"):
        papers.gao_b((500.0, 500.0, radius))


def test_gao_b_needs_three_radii():
    with pytest.raises(ValueError, match="must be three"):
        papers.gao_b((500.0, 1000.0))


def test_zhu_changes_by_the_papers_amounts():
    scene, truth = papers.zhu()
    before, after = truth.values[:, 0]
    classes = scene.classes.values
    assert classes.dtype == np.uint8
    change = after - before
    ring = after < 0.1
    ring &= classes == 2
    assert change[classes == 1].mean() == pytest.approx(0.04, abs=1e-3)
    assert change[(classes == 2) & ~ring].mean() == pytest.approx(0.0, abs=1e-3)
    assert change[classes == 3].mean() == pytest.approx(-0.10, abs=1e-3)
    assert (classes == 1).sum() == pytest.approx(np.pi * 56**2, rel=0.01)
    assert ring.sum() == pytest.approx(np.pi * (72**2 - 56**2), rel=0.01)
    assert (classes == 3).sum() == 90 * 160 + 4 * 480 - 6
    for k, value in ((1, 0.01), (2, 0.5), (3, 0.3)):
        noise = before[classes == k] - value
        assert abs(noise).max() < 0.00101
        assert noise.std() == pytest.approx(0.001 / np.sqrt(3), rel=0.03)


def test_zhu_is_as_far_from_the_truth_as_in_our_card():
    scene, truth = papers.zhu()
    # methods/classical.md, note k of FSDAF: the unchanged pair has RMSE 0.0800
    assert float(np.sqrt(((truth[1] - scene.fine[0]) ** 2).mean())) == pytest.approx(0.08, abs=5e-5)


def test_zhu_takes_a_seed():
    _, a = simulate("zhu", seed=1)
    _, b = simulate("zhu", seed=2)
    assert 0 < float(np.abs(a - b).max()) <= 0.002001
    xr.testing.assert_identical(a, papers.zhu(1)[1])
