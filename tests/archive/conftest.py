"""Scenes in Zarr for runs from store to store."""

import numpy as np
import pytest

import xstf


@pytest.fixture(scope="session")
def scene():
    """Return a scene of 96 x 112 pixels, 7 dates, of which 3 are pairs, with gaps."""
    ds, _ = xstf.simulate(
        "mixed", size=(96, 112), scale=8, dates=7, pairs=3, bands=("red", "nir"), seed=3
    )
    ds = ds.compute()
    ds["fine"][0, :, 10:14, 20:31] = np.nan
    ds["fine"][3, 1, 70:96, 3] = np.nan
    ds["coarse"][1, :, 5:7, 4:6] = np.nan
    return ds


@pytest.fixture(scope="session")
def stored(scene, tmp_path_factory):
    """Return the path of the scene in chunks that fit neither tiles nor cells."""
    uneven = scene.chunk(time=2, y=20, x=36, y_coarse=5, x_coarse=3)
    return xstf.save(uneven, tmp_path_factory.mktemp("scenes") / "scene.zarr")
