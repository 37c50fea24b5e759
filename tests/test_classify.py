"""ISODATA, nearest centres, fractions and homogeneity against plain numpy."""

import numpy as np
import pytest

from xstf.kernels import classify as kernel

RULES = {"split": 0.05, "merge": 0.05, "small": 20}


def clouds(centres, spread=0.01, each=500, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(c, spread, (each, len(c))) for c in centres]).astype("f4")


def test_isodata_finds_separate_clouds():
    wanted = np.array([[0.05, 0.02], [0.1, 0.4], [0.3, 0.35], [0.5, 0.6]])
    found = kernel.isodata(clouds(wanted), 2, 6, **RULES)
    np.testing.assert_allclose(found, wanted, atol=0.01)


@pytest.mark.parametrize(("least", "most"), [(1, 1), (2, 2), (3, 4), (4, 6)])
def test_isodata_ends_within_its_bounds(least, most):
    pixels = clouds([[0.1, 0.1], [0.12, 0.1], [0.5, 0.5]], spread=0.08)
    assert least <= len(kernel.isodata(pixels, least, most, **RULES)) <= most


def test_isodata_drops_small_classes():
    pixels = np.concatenate([clouds([[0.1], [0.5]]), np.full((5, 1), 0.9, "f4")])
    found = kernel.isodata(pixels, 1, 4, **RULES)
    assert (found < 0.6).all()


def test_isodata_on_one_flat_value():
    found = kernel.isodata(np.full((300, 2), 0.25, "f4"), 4, 6, **RULES)
    np.testing.assert_allclose(found, 0.25)


def test_classify_takes_the_nearest_centre_and_leaves_gaps():
    rng = np.random.default_rng(0)
    image = rng.random((3, 17, 13)).astype("f4")
    image[1, 4, 5] = np.nan
    centres = rng.random((5, 3))
    names = np.empty(image.shape[1:], np.uint8)
    kernel.classify(image, centres, names)
    gap = ((image[None] - centres[:, :, None, None]) ** 2).sum(axis=1)
    expected = np.where(np.isnan(gap).any(axis=0), 0, gap.argmin(axis=0) + 1)
    np.testing.assert_array_equal(names, expected)
    assert names[4, 5] == 0


def test_fractions_are_shares_and_impure_where_unclassified():
    rng = np.random.default_rng(1)
    names = rng.integers(1, 4, (12, 8)).astype(np.uint8)
    names[0, 0] = 0  # one of 16 pixels: the others stand for the cell
    names[4, :2] = 0  # two of 16: it tells about no class
    shares = np.zeros((3, 3, 2))
    kernel.fractions(names, 4, 9, shares)
    cells = names.reshape(3, 4, 2, 4)
    for c in range(3):
        expected = (cells == c + 1).mean(axis=(1, 3))
        expected[0, 0] *= 16 / 15
        expected[1, 0] = 0
        np.testing.assert_allclose(shares[c], expected)


@pytest.mark.parametrize("radius", [1, 3, 20])
def test_homogeneity_counts_the_clipped_window(radius):
    rng = np.random.default_rng(2)
    names = rng.integers(0, 4, (14, 19)).astype(np.uint8)
    out = np.empty(names.shape, np.float32)
    kernel.homogeneity(names, 3, radius, out)
    for y in range(14):
        for x in range(19):
            part = names[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            share = (part == names[y, x]).sum() / max(1, (part > 0).sum())
            assert out[y, x] == pytest.approx(share if names[y, x] else 0)
