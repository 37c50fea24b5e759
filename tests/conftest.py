"""Fixtures that several test files share, and what every process of tests begins with."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, one on each core

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import settings

from xstf.simulation import simulate

# the same examples in every run; --hypothesis-profile=default draws others
settings.register_profile("steady", derandomize=True)
settings.load_profile("steady")

DAYS = np.array(
    ["2020-06-01", "2020-06-03", "2020-06-10", "2020-06-20", "2020-07-05"], "datetime64[ns]"
)


@pytest.fixture(scope="session")
def _simulated():
    return simulate("mixed", size=(48, 64), scale=8, dates=4, pairs=2, bands=("red", "nir"), seed=3)


@pytest.fixture
def tiny(_simulated):
    """Return a simulated scene of 48 x 64 pixels, 4 dates (0 and 3 are pairs), and its truth."""
    return tuple(part.copy(deep=True) for part in _simulated)


@pytest.fixture
def nothing_computes():
    """Make every dask computation of the test an error."""

    def refuse(graph, keys, **_):
        raise AssertionError(f"computed {keys}")

    with dask.config.set(scheduler=refuse):
        yield


@pytest.fixture
def images():
    """Return a maker of images (time, band, y, x) with random reflectance."""

    def make(dates, rows, columns=None, *, pixel=1.0, bands=("red", "nir"), seed=0, down=False):
        columns = columns or rows
        shape = (len(DAYS[dates]), len(bands), rows, columns)
        values = np.random.default_rng(seed).uniform(0, 1, shape).astype("float32")
        axes = {"y": (np.arange(rows) + 0.5) * pixel, "x": (np.arange(columns) + 0.5) * pixel}
        if down:
            axes["y"] = -axes["y"]
        return xr.DataArray(
            values,
            dims=("time", "band", "y", "x"),
            coords={"time": DAYS[dates], "band": list(bands), **axes},
        )

    return make


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of the real scenes, or skip."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real scenes are not at {folder}")
    return folder
