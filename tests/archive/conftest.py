"""Scenes in Zarr for runs from store to store, and a cluster to run on."""

import dask
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
    uneven = scene.chunk(time=4, y=40, x=52, y_coarse=7, x_coarse=9)
    return xstf.save(uneven, tmp_path_factory.mktemp("scenes") / "scene.zarr")


@pytest.fixture(scope="session")
def expected(scene):
    """Return what `add` makes of the scene."""
    return scene.stf.fuse("add").compute(scheduler="threads")


@pytest.fixture(scope="session")
def small():
    """Return a scene of 64 x 80 pixels, 6 dates, of which 3 are pairs, with gaps."""
    ds, _ = xstf.simulate(
        "mixed", size=(64, 80), scale=8, dates=6, pairs=3, bands=("red", "nir"), seed=3
    )
    ds = ds.compute()
    ds["fine"][0, :, 10:14, 20:31] = np.nan
    ds["fine"][3, 1, 40:64, 3] = np.nan
    ds["coarse"][1, :, 5:7, 4:6] = np.nan
    return ds


@pytest.fixture(scope="session")
def small_stored(small, tmp_path_factory):
    """Return the path of the small scene in chunks that fit neither tiles nor cells."""
    uneven = small.chunk(time=2, y=20, x=36, y_coarse=5, x_coarse=3)
    return xstf.save(uneven, tmp_path_factory.mktemp("scenes") / "small.zarr")


@pytest.fixture(scope="package")
def _cluster():
    from distributed import Client, LocalCluster

    patience = {"distributed.deploy.lost-worker-timeout": "5 minutes"}  # on a busy machine
    with (
        dask.config.set(patience),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def client(_cluster):
    """Return a client of two workers, processes of their own; it is not the current client."""
    _cluster.wait_for_workers(2, timeout=60)
    return _cluster
