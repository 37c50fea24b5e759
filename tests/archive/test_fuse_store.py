"""From store to store: the pixels of the lazy feed, whatever runs the blocks."""

import threading
import warnings
from dataclasses import dataclass

import dask
import numpy as np
import pytest
import xarray as xr
import zarr

import xstf
from tests.archive.faults import assert_same, result
from tests.test_laws import SMALL
from xstf.method import Method, Prepared
from xstf.registry import names

METHODS = names(networks=False)  # which have tests of their own
ALL = {"quality": True, "fill": True}


def lazily(ds, method, **options):
    """Return what the lazy feed makes of a scene."""
    return xstf.fuse(ds, method, **SMALL.get(method, {}), **options).compute()


def run(path, out, method, **options):
    """Run a method from store to store."""
    return xstf.fuse_store(path, out, method, **SMALL.get(method, {}), **options)


@pytest.mark.parametrize("method", METHODS)
def test_lazy_feed_store_feed_and_numpy_agree(small, small_stored, tmp_path, method):
    """However the scene is cut, however many dates go together, on 1 worker and on 4."""
    expected = lazily(small, method)
    opened = xstf.open_scene(small_stored)
    xr.testing.assert_identical(expected, lazily(opened, method, blocksize=40))
    for workers, side in ((1, 32), (4, 1000)):
        asked = {"workers": workers, "blocksize": side, "dates_per_block": workers}
        assert_same(run(small_stored, tmp_path / f"{workers}.zarr", method, **asked), expected)


@pytest.mark.parametrize("method", METHODS)
def test_all_layers_agree(small, small_stored, tmp_path, method):
    expected = lazily(small, method, **ALL)
    opened = xstf.open_scene(small_stored)
    xr.testing.assert_identical(expected, lazily(opened, method, blocksize=40, **ALL))
    asked = {"workers": 2, "blocksize": 48, "dates_per_block": 2}
    assert_same(run(small_stored, tmp_path / "o.zarr", method, **asked, **ALL), expected)


@pytest.mark.parametrize("method", ["add", "hcm", "fsdaf", "gpfuse"])
def test_several_pairs_agree(small, small_stored, tmp_path, method):
    asked = {"pairs": 2, "combine": "temporal"}
    out = run(small_stored, tmp_path / "o.zarr", method, blocksize=48, **asked)
    assert_same(out, lazily(small, method, **asked))


def test_a_cluster_makes_the_same_picture(scene, stored, tmp_path, client):
    told = []
    asked = {"blocksize": 48, "quality": True, "progress": lambda *a: told.append(a[:2])}
    out = run(stored, tmp_path / "o.zarr", "fsdaf", client=client, **asked)
    assert_same(out, lazily(scene, "fsdaf", quality=True))
    assert told[-1] == (4 * 2 * 3, 4 * 2 * 3)


def test_the_current_cluster_is_taken(small, small_stored, tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        out = run(small_stored, tmp_path / "o.zarr", "add", blocksize=48)
        assert any("stf-add" in name for name in cluster.scheduler.task_prefixes)
    assert_same(out, lazily(small, "add"))


def test_a_cluster_without_workers_is_waited_for_aloud(small, small_stored, tmp_path):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        start = threading.Timer(0.5, cluster.scale, [1])
        start.start()
        with pytest.warns(UserWarning, match="has no workers yet, and the run waits"):
            out = run(small_stored, tmp_path / "o.zarr", "add", client=client)
        start.join()
    assert_same(out, lazily(small, "add"))


def test_a_method_of_a_notebook_travels_with_its_code(small, small_stored, tmp_path, client):
    @dataclass(frozen=True)
    class Halved(Method):
        def prepare(self, scene):
            return Prepared(numbers=(1, "a", None, np.float32(0.5), {"x": [np.arange(3)]}))

        def block(self, b):
            half = b.numbers[3]
            return {"fused": half * b.fine[:1].repeat(len(b.target), 0)}

    out = run(small_stored, tmp_path / "o.zarr", Halved(), blocksize=48, client=client)
    assert_same(out, small.stf.fuse(Halved()).compute())


def test_what_save_writes_and_what_a_run_writes_read_alike(stored, tmp_path):
    ds = xstf.open_scene(stored)
    saved = result(xstf.save(ds.stf.fuse("add"), tmp_path / "s.zarr"))
    run = result(ds.stf.fuse_store(tmp_path / "r.zarr", "add"))
    assert set(run.attrs) == {"Conventions", "inputs", "fingerprint"}
    assert run.attrs["Conventions"] == saved.attrs["Conventions"]
    assert run.attrs["inputs"] == str(stored)
    xr.testing.assert_identical(run.drop_attrs(deep=False), saved.drop_attrs(deep=False))
    assert run.fused.encoding["grid_mapping"] == "spatial_ref"


def test_integers_are_packed_as_save_packs_them(stored, tmp_path):
    lazy = xstf.open_scene(stored).stf.fuse("starfm", quality=True, window=11)
    packing = {"dtype": "int16", "scale_factor": 1e-4}
    saved = result(xstf.save(lazy, tmp_path / "s.zarr", **packing))
    out = xstf.fuse_store(
        stored, tmp_path / "r.zarr", "starfm", quality=True, window=11, blocksize=32, **packing
    )
    xr.testing.assert_equal(result(out), saved)
    array = zarr.open_array(out / "fused")
    assert array.dtype == np.int16
    assert array.fill_value == array.attrs["_FillValue"] == -32768
    assert zarr.open_array(out / "similar").dtype == np.float32


def test_values_that_do_not_fit_are_a_failed_block(stored, tmp_path):
    with pytest.raises(xstf.BlocksFailed, match="does not fit uint8") as caught:
        xstf.fuse_store(stored, tmp_path / "r.zarr", "add", dtype="uint8", scale_factor=1e-4)
    assert all(isinstance(error, ValueError) for _, error in caught.value.failures)


@pytest.mark.parametrize("blocksize", [20, 24, 40, 56])
def test_tiles_are_whole_shards_whatever_their_side_was_to_be(stored, scene, tmp_path, blocksize):
    out = xstf.fuse_store(stored, tmp_path / "o.zarr", "add", blocksize=blocksize)
    array = zarr.open_array(out / "fused")
    assert array.shards[2] % 16 == array.shards[3] % 16 == 0
    assert zarr.open_array(out / "xstf" / "done").shape[1:] == array.cdata_shape[2:]
    assert_same(out, lazily(scene, "add"))


def test_a_shard_is_one_date_and_tile_in_whole_chunks(tmp_path):
    ds, _ = xstf.simulate("parcels", size=600, scale=20, dates=3, bands=("red", "nir"), seed=1)
    path = xstf.save(ds, tmp_path / "s.zarr")
    out = xstf.fuse_store(path, tmp_path / "o.zarr", "add", blocksize=500)
    array = zarr.open_array(out / "fused")
    assert array.shards == (1, 2, 500, 500)
    assert array.chunks == (1, 1, 250, 250)
    assert_same(out, xstf.fuse(ds, "add").compute())


def test_tiles_without_a_prediction_are_not_stored(scene, tmp_path):
    ds = scene.copy(deep=True)
    ds["fine"][:, :, :32] = np.nan
    path = xstf.save(ds, tmp_path / "s.zarr")
    out = xstf.fuse_store(path, tmp_path / "o.zarr", "unchanged", blocksize=32)
    files = {p.relative_to(out / "fused" / "c").parts[2] for p in out.glob("fused/c/*/*/*/*")}
    assert files == {"1", "2"}
    assert_same(out, ds.stf.fuse("unchanged").compute())


def test_a_date_without_a_prediction_is_told(scene, tmp_path):
    ds = scene.copy(deep=True)
    ds["coarse"][1] = np.nan
    path = xstf.save(ds, tmp_path / "s.zarr")
    day = str(scene.time.values[1])[:10]
    with (
        pytest.warns(UserWarning, match=f"coarse image of {day} is all missing"),
        pytest.warns(UserWarning, match=f"fused is missing everywhere on {day}"),
    ):
        xstf.fuse_store(path, tmp_path / "o.zarr", "add")


@pytest.fixture(params=["packed", "sharded", "turned", "named", "tree", "tree turned", "classes"])
def other(request, small, tmp_path):
    """Return a scene that lies in Zarr in another way, and the names of its images."""
    path, kind, scene = tmp_path / "other.zarr", request.param, small
    fine, coarse = scene[["fine"]], scene[["coarse"]].rename(y_coarse="y", x_coarse="x")
    if kind == "packed":
        xstf.save(scene.chunk(y=20, x=30), path, dtype="int16", scale_factor=1e-4)
    elif kind == "sharded":
        shards = {"shards": (1, 2, 32, 32), "chunks": (1, 1, 16, 8)}
        encoding = {"fine": {**shards, "grid_mapping": "spatial_ref"}}
        scene.to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding)
    elif kind == "turned":
        back = scene.transpose("x", "x_coarse", "y_coarse", "time", "y", "band")
        xstf.save(back.chunk(x=20, y_coarse=5), path)
    elif kind == "named":
        xstf.save(scene.rename(fine="landsat", coarse="modis"), path)
        return path, {"fine": "landsat", "coarse": "modis"}
    elif kind == "classes":
        values = (np.arange(64 * 80).reshape(64, 80) // 7) % 4
        xstf.save(scene.assign(classes=(("y", "x"), values)), path)
    else:
        fine = fine.sel(time=scene.fine_observed)
        if kind == "tree turned":
            fine = fine.rename(y="lat", x="lon").transpose("lon", "lat", "band", "time")
            coarse = coarse.isel(band=[1, 0])
        for name, ds in (("fine", fine), ("coarse", coarse)):
            ds = ds.drop_vars(["spatial_ref", "spatial_ref_coarse"], errors="ignore")
            ds = ds.drop_encoding().assign_coords(band=ds.band.astype(object))
            ds[name].encoding = {}
            ds.to_zarr(path, group=name, mode="a", zarr_format=3, consolidated=False)
    return path, {}


def test_scenes_that_lie_otherwise_agree(other, tmp_path):
    path, names = other
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fixed-width band names
        ds = xstf.open_scene(path, **names)
        out = run(path, tmp_path / "o.zarr", "fsdaf", blocksize=32, **names)
        assert_same(out, lazily(ds, "fsdaf"))


def test_coarse_images_on_the_fine_grid_agree(images, tmp_path):
    fine = images([0, 3, 4], 48)
    coarse = images([0, 1, 2, 3, 4], 64, seed=1).isel(y=slice(0, 64))
    ds = xstf.scene(fine, coarse, scale=1)
    path = xstf.save(ds.chunk(y=20, x=13, y_coarse=24), tmp_path / "s.zarr")
    asked = {"cell": 8, **SMALL["fsdaf"]}
    out = xstf.fuse_store(path, tmp_path / "o.zarr", "fsdaf", blocksize=16, **asked)
    assert_same(out, ds.stf.fuse("fsdaf", **asked).compute())
    out = xstf.fuse_store(path, tmp_path / "a.zarr", "add", blocksize=16)
    assert_same(out, ds.stf.fuse("add").compute())


def test_blocks_that_read_much_more_than_they_need_are_told(scene, tmp_path, monkeypatch):
    path = xstf.save(scene.chunk(time=7, y=96, x=112), tmp_path / "s.zarr")
    xstf.fuse_store(path, tmp_path / "small.zarr", "add", blocksize=16)
    monkeypatch.setattr("xstf.archive.running.HARDLY", 1e5)
    with pytest.warns(UserWarning, match=r"294 times.*7 x 2 x 96 x 112.*chunk\(time=1, y=16"):
        xstf.fuse_store(path, tmp_path / "a.zarr", "add", blocksize=16)
    path = xstf.save(scene.chunk(time=1, y=16, x=16), tmp_path / "t.zarr")
    xstf.fuse_store(path, tmp_path / "b.zarr", "add", blocksize=16)


def test_blocks_are_fused_without_a_graph(stored, tmp_path, monkeypatch):
    from xstf.archive import schedule

    def refuse(*_, **__):
        raise AssertionError("a graph was computed")

    do = schedule.do

    def watched(job, work):
        with dask.config.set(scheduler=refuse):
            return do(job, work)

    monkeypatch.setattr(schedule, "do", watched)
    run(stored, tmp_path / "o.zarr", "fsdaf", workers=1)
