"""Every method under clouds: a third of each fine image hidden, in blobs, and coarse cells too."""

from functools import cache

import numpy as np
import pytest

import xstf
from tests.test_laws import HARD, NO_COARSE, NO_FINE, chosen, fuse

SCALE = 4
SHARE = 0.3


def clouds(shape, seed, cell):
    """Return blobs that hide a share of the scene, (y, x) bool."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(shape[0] // cell, shape[1] // cell))
    smooth = gaussian_filter(noise, 2).repeat(cell, 0).repeat(cell, 1)
    return smooth > np.quantile(smooth, 1 - SHARE)


@cache
def scene(of):
    """Five dates of which 0 and 4 are pairs; clouds in the fine images, or in the coarse target."""
    ds, _ = xstf.simulate(
        "mixed", size=(56, 48), scale=SCALE, dates=5, pairs=2, bands=("red", "nir"), seed=8
    )
    ds = ds.compute()
    if of == "fine":
        for n, date in enumerate((0, 4)):
            ds["fine"].values[date][:, clouds((56, 48), n, 2)] = np.nan
    else:
        ds["coarse"].values[2][:, clouds((14, 12), 5, 1)] = np.nan
    return ds


@pytest.mark.parametrize(("method", "pairs"), HARD)
def test_what_is_seen_in_a_pair_is_predicted_and_the_rest_is_missing(method, pairs):
    ds = scene("fine")
    date = ds.time.values[2]
    served = [0, 4] if pairs == 2 else [0]
    found = fuse(method, ds, list(ds.time.values[served]), dates=date).compute()[0]
    hidden = np.isnan(ds.fine.values[served]).any(axis=1).all(axis=0)
    assert SHARE**2 / 3 < hidden.mean() < SHARE + 0.05
    missing = np.isnan(found.values)
    if method in NO_FINE:
        assert not missing.any()
        return
    np.testing.assert_array_equal(missing, np.broadcast_to(hidden, missing.shape))


@pytest.mark.parametrize(("method", "pairs"), HARD)
def test_gaps_in_the_coarse_target_leave_gaps_only_within_them(method, pairs):
    ds = scene("coarse")
    found = fuse(method, ds, chosen(pairs), dates=ds.time.values[2]).compute()[0]
    gone = np.isnan(ds.coarse.values[2]).any(axis=0).repeat(SCALE, 0).repeat(SCALE, 1)
    missing = np.isnan(found.values).any(axis=0)
    assert not (missing & ~gone).any()
    if method in NO_COARSE:
        assert not missing.any()
