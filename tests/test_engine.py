"""The graph: what it reads, how large it is, and that any scheduler makes the same picture."""

from dataclasses import dataclass
from functools import partial

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xstf
from xstf.engine import default_blocksize
from xstf.gathering import as_dask
from xstf.grid import Grid
from xstf.method import Block, Method, Prepared


@dataclass(frozen=True, kw_only=True)
class Peek(Method):
    """Returns its window's corner values and checks what it is given."""

    name = "peek"
    pairs = range(1, 3)
    layers = ("fused", "wide")

    def halo(self, scale):
        return 3

    @property
    def reach(self):
        return 2

    def prepare(self, scene):
        means = scene.each(cell_sums)
        return Prepared(
            numbers=scene.once(np.sum, means),
            dated=[scene.once(np.nanmax, scene.target(d)) for d in range(scene.dates)],
            planes={"doubled": [scene.once(doubled, scene.target(d)) for d in range(scene.dates)]},
            margin=1,
        )

    def block(self, b: Block):
        rows, columns = b.inner
        cells = b.halo // b.scale + self.reach
        made = b.halo // b.scale + 1
        inner = b.made["doubled"][..., made:-made, made:-made]
        assert b.halo == 4
        assert len(b.dated) == len(b.target) == len(b.target_times)
        assert b.coarse.shape[-1] * b.scale == b.fine.shape[-1] + 2 * self.reach * b.scale
        assert b.place[0] % b.scale == 0
        target = b.target[..., cells:-cells, cells:-cells]
        np.testing.assert_array_equal(inner, 2 * target)
        fused = np.broadcast_to(b.fine[0][:, rows, columns], (len(b.target), *_shape(b)))
        biggest = np.array(b.dated, "f4")[:, None, None, None]
        return {"fused": fused + biggest, "wide": fused * 0 + np.float32(b.numbers)}


def _shape(b):
    rows, columns = b.inner
    return b.fine.shape[1], rows.stop - rows.start, columns.stop - columns.start


def cell_sums(b):
    assert b.halo == 0
    return b.fine[0].reshape(b.fine.shape[1], -1)[..., None].sum(axis=1, keepdims=True)


def doubled(image):
    return np.pad(2 * image, ((0, 0), (1, 1), (1, 1)), constant_values=-1)


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("parcels", size=(40, 56), scale=4, dates=4, pairs=2, seed=1)
    return ds.compute()


@dataclass(frozen=True, kw_only=True)
class Around(Method):
    """Returns the mean of a cell and its neighbours, found in a pass that looks beyond tiles."""

    name = "around"
    pairs = range(1, 2)

    def prepare(self, scene):
        return Prepared(planes={"means": [scene.each(means_around, halo=3)]})

    def block(self, b: Block):
        assert b.made["means"].shape[0] == 1  # one plane for all dates
        made = b.made["means"].repeat(b.scale, axis=-2).repeat(b.scale, axis=-1)
        return {"fused": made.repeat(len(b.target), 0)}


def means_around(b):
    assert b.halo == 4  # three pixels, in whole cells
    rows, columns = ((part.stop - part.start) // b.scale for part in b.inner)
    out = np.empty((b.fine.shape[1], rows, columns), np.float32)
    for i, j in np.ndindex(rows, columns):
        part = b.fine[0, :, i * 4 + 1 : i * 4 + 11, j * 4 + 1 : j * 4 + 11]
        out[:, i, j] = np.nanmean(part, axis=(1, 2))
    return out


@pytest.mark.parametrize("blocksize", [8, 16, 1000])
def test_a_pass_may_look_beyond_its_tiles(scene, blocksize):
    pair = [scene.time.values[0]]
    lazy = scene.chunk(y=12, x=20).stf.fuse(Around(), blocksize=blocksize, pairs=pair)
    found = lazy.compute().values
    assert len(found) == 2
    fine = np.pad(scene.fine.values[0], [(0, 0), (3, 3), (3, 3)], constant_values=np.nan)
    for i, j in ((0, 0), (3, 4), (9, 13), (4, 0)):
        expected = np.nanmean(fine[:, i * 4 : i * 4 + 10, j * 4 : j * 4 + 10], axis=(1, 2))
        np.testing.assert_allclose(found[0, :, i * 4 + 1, j * 4 + 2], expected, rtol=1e-5)
    np.testing.assert_array_equal(found[0], found[-1])


def test_a_block_gets_what_the_contract_says(scene):
    found = scene.stf.fuse(Peek(), blocksize=16, quality=True, pairs="nearest").compute()
    first = scene.fine[0] + scene.coarse.max(("band", "y_coarse", "x_coarse"))[1]
    np.testing.assert_allclose(found.fused[0], first, atol=1e-6)
    np.testing.assert_allclose(found.wide[0], float(scene.fine[0].sum()), rtol=1e-5)


def test_each_date_of_a_group_shares_one_block_task(scene):
    lazy = scene.stf.fuse("starfm", window=5, blocksize=16)
    tasks = dict(lazy.data.__dask_graph__())
    blocks = [k for k in tasks if str(k[0]).startswith("stf-block")]
    assert len(blocks) == lazy.data.numblocks[2] * lazy.data.numblocks[3]
    assert lazy.data.numblocks[0] == 2


def test_one_block_reads_only_the_chunks_that_its_window_touches(scene):
    ds = scene.chunk(y=8, x=8, y_coarse=2, x_coarse=2)
    lazy = ds.stf.fuse("add", upsample="linear", dates=ds.time.values[1], blocksize=16)
    tasks = dict(lazy.data.__dask_graph__())
    (first,) = (t for k, t in tasks.items() if "stf-block" in str(k[0]) and k[1:] == (0, 0))
    names = {k[0] for k in first.dependencies if "stf" not in k[0]}
    assert names == {ds.fine.data.name, ds.coarse.data.name}
    fine = {k[3:] for k in first.dependencies if k[0] == ds.fine.data.name}
    coarse = {k[3:] for k in first.dependencies if k[0] == ds.coarse.data.name}
    assert fine == {(i, j) for i in range(2) for j in range(2)}  # 16 x 16 pixels, no halo
    assert coarse == {(i, j) for i in range(3) for j in range(3)}  # 4 cells and one on each side


@pytest.mark.parametrize("method", ["starfm", "fsdaf"])
def test_a_cluster_of_processes_makes_the_same_picture(scene, method):
    from distributed import Client, LocalCluster

    lazy = scene.chunk(y=16).stf.fuse(method, window=9, blocksize=16)
    expected = lazy.compute(scheduler="sync")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        found = lazy.compute()
    xr.testing.assert_identical(found, expected)


def test_dates_are_split_by_memory(scene, monkeypatch):
    monkeypatch.setattr("xstf.memory.batches.__defaults__", (1,))
    lazy = scene.stf.fuse("starfm", window=5, blocksize=64)
    blocks = [k for k in dict(lazy.data.__dask_graph__()) if str(k[0]).startswith("stf-block")]
    assert len(blocks) == 2
    monkeypatch.undo()
    xr.testing.assert_identical(
        lazy.compute(), scene.stf.fuse("starfm", window=5, blocksize=64).compute()
    )


def test_an_error_in_a_block_reaches_the_user(scene):
    @dataclass(frozen=True)
    class Broken(Peek):
        def block(self, b):
            raise RuntimeError(f"broken at {b.place}")

    with pytest.raises(RuntimeError, match="broken at"):
        scene.stf.fuse(Broken(), blocksize=16).compute()


def test_query_planning_is_refused():
    with (
        dask.config.set({"array.query-planning": True}),
        pytest.raises(RuntimeError, match="query planning is on"),
    ):
        as_dask(np.zeros((1, 1, 4, 4)))


@pytest.mark.parametrize(
    ("shape", "chunk", "expected"),
    [
        ((480, 480), 480, 240),
        ((4000, 4000), 500, 500),
        ((4000, 4000), 4000, 512),
        ((64, 64), 64, 128),
    ],
)
def test_default_tiles_follow_chunks_and_keep_cores_busy(shape, chunk, expected):
    fine = da.zeros((1, 1, *shape), chunks=(1, 1, chunk, chunk))
    assert default_blocksize(Grid(shape, 16), fine) == expected


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda b: b.fine[0], "block returned ndarray"),
        (lambda b: {"wrong": b.fine[:1]}, "declares the layers"),
        (lambda b: {"fused": b.fine[0]}, "without the halo"),
    ],
)
def test_what_a_block_returns_is_checked(scene, made, message):
    @dataclass(frozen=True)
    class Wrong(Method):
        def halo(self, scale):
            return 1

        def block(self, b):
            return made(b)

    with pytest.raises(ValueError, match=message):
        scene.stf.fuse(Wrong(), pairs="nearest").compute()


def test_a_method_without_a_name_is_called_by_its_class(scene):
    @dataclass(frozen=True)
    class Doubles(Method):
        def block(self, b):
            return {"fused": 2.0 * b.fine.astype("f8")[(slice(None), ..., *b.inner)]}

    found = scene.stf.fuse(Doubles(), dates=scene.time.values[1]).compute()
    assert found.attrs["method"] == "doubles"
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], 2 * scene.fine[0])


def test_deferred_functions_need_no_name(scene):
    @dataclass(frozen=True)
    class Sums(Method):
        def prepare(self, scene):
            return Prepared(numbers=scene.once(partial(np.add, 1), 2))

        def block(self, b):
            return {"fused": b.fine[(slice(None), ..., *b.inner)] * 0 + b.numbers}

    found = scene.stf.fuse(Sums(), dates=scene.time.values[1]).compute()
    assert (found == 3).all()
