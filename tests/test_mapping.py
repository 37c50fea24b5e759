"""Mappings between bands against a least-squares solver."""

import numpy as np
import pytest

from tests.oracles.hcm import mapping
from xstf.kernels.mapping import fit_mappings, mapped


def fitted(pair, target, radius, pull, white):
    pad = [(0, 0), (radius, radius), (radius, radius)]
    pair, target = (np.pad(a, pad, constant_values=np.nan)[None] for a in (pair, target))
    bands = pair.shape[1]
    out = np.empty((1, bands + 1, bands, *(n - 2 * radius for n in pair.shape[2:])), np.float32)
    fit_mappings(pair, target, radius, pull, white, out)
    return out[0]


@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize(("bands", "radius", "pull"), [(1, 1, 1e-3), (3, 2, 1e-3), (4, 1, 0.2)])
def test_equal_the_oracle(bands, radius, pull, white):
    rng = np.random.default_rng(1)
    pair, target = rng.uniform(0.1, 0.5, (2, bands, 8, 7)).astype("f4")
    pair[0, 3, 3] = target[-1, :3, :4] = np.nan
    found = fitted(pair, target, radius, pull, white)
    before, after = pair.astype(float), target.astype(float)
    for i, j in np.ndindex(8, 7):
        expected = mapping(before, after, i, j, radius, white=white, pull=pull)
        np.testing.assert_allclose(found[:, :, i, j], expected, rtol=1e-4, atol=1e-5)


def test_no_change_is_exactly_no_change():
    rng = np.random.default_rng(2)
    pair = rng.uniform(0.1, 0.5, (3, 6, 6)).astype("f4")
    for white in (False, True):
        assert (fitted(pair, pair, 1, 1e-3, white) == 0).all()


def test_nothing_to_map_only_shifts():
    """Bands that are constant, or zero, have no share."""
    dark, flat = np.zeros((2, 5, 5), np.float32), np.full((2, 5, 5), 0.3, np.float32)
    assert (fitted(dark, dark + np.float32(0.1), 1, 1e-3, False) == 0).all()
    shares = fitted(flat, flat + np.float32(0.125), 1, 1e-3, True)
    assert (shares[:2] == 0).all()
    np.testing.assert_allclose(shares[2], 0.125, atol=1e-7)


def test_bands_that_repeat_each_other_share():
    rng = np.random.default_rng(3)
    one = rng.uniform(0.1, 0.5, (1, 6, 6)).astype("f4")
    twice = one.repeat(2, 0)
    shares = fitted(twice, twice * np.float32(1.5), 2, 1e-8, False)
    np.testing.assert_allclose(shares[:2], 0.25, atol=1e-5)


def test_pixels_are_mapped():
    rng = np.random.default_rng(4)
    fine = rng.random((3, 5, 6), np.float32)
    shares = rng.normal(0, 0.1, (4, 3, 5, 6)).astype("f4")
    out = np.empty_like(fine)
    mapped(fine, shares, out)
    expected = fine + np.einsum("cyx,cbyx->byx", fine, shares[:3]) + shares[3]
    np.testing.assert_allclose(out, expected, rtol=0, atol=3e-7)
