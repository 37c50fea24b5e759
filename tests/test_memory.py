"""What blocks are projected to hold, beside what they hold; and how runs are cut to fit."""

import re
import tracemalloc
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.archive.faults import Null, result
from xstf.api import feed_of
from xstf.archive import work
from xstf.limits import BASE, available, parse_limit, room_of, text_of_bytes
from xstf.memory import Asked, along_axes, batches, cut_dates, decoded
from xstf.method import Method
from xstf.methods import _gp_solve
from xstf.methods._gp_model import Model
from xstf.methods.gpfuse import Gpfuse
from xstf.planning import plan
from xstf.registry import find, names
from xstf.sizes import BlockSize

SIDE = 96
LEAST, MOST = 0.9, 2.0  # projected over measured


@pytest.fixture
def fresh(monkeypatch):
    """Let this process count as one that holds nothing yet."""
    monkeypatch.setattr("xstf.limits._held", lambda: 0.0)


@cache
def scene(dates, pairs, bands=2, size=3 * SIDE):
    """Return a scene whose middle tile of SIDE pixels has others on all sides."""
    kinds = ("blue", "green", "red", "nir")[:bands]
    ds, _ = xstf.simulate(
        "mixed", size=size, scale=16, dates=dates + pairs, pairs=pairs, bands=kinds, seed=7
    )
    return ds.compute()


def traced(call):
    """Return what a call returns, and the bytes that it held at most."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def held(method, dates, pairs, monkeypatch, bands=2, **options):
    """Return the size of the middle block, and the bytes that it held at most."""
    ds, found = scene(dates, pairs, bands), []
    kind = type(xstf.method.build(method, {})) if isinstance(method, str) else type(method)
    plain = kind.block

    def watched(self, b):
        rows, columns = b.inner
        inside = rows.stop - rows.start, columns.stop - columns.start
        if (b.place[0] + b.halo, b.place[1] + b.halo) != (SIDE, SIDE):
            empty = np.zeros((len(b.target), b.fine.shape[1], *inside), np.float32)
            return dict.fromkeys(b.layers, empty)
        plain(self, b)  # what is compiled or kept for good is no part of a block
        made, peak = traced(lambda: plain(self, b))
        reach = (b.target.shape[-1] - b.fine.shape[-1] // b.scale) // 2
        counts = len(b.fine), b.fine.shape[1], len(b.target)
        size = BlockSize(*inside, *counts, b.scale, b.halo, reach, len(b.layers))
        found.append((size, peak))
        return made

    monkeypatch.setattr(kind, "block", watched)
    times, seen = ds.time.values, ds.fine_observed.values
    served = {"dates": times[~seen][:dates], "pairs": list(times[seen])}
    xstf.fuse(ds, method, blocksize=SIDE, **served, **options).compute(scheduler="sync")
    return found[0]


CASES = [
    (name, dates, pairs)
    for name in names(networks=False)  # torch's memory is not traced
    for dates, pairs in ((1, find(name).pairs[0]), (5, min(2, find(name).pairs[-1])))
]


@pytest.mark.parametrize(("name", "dates", "pairs"), CASES)
def test_blocks_hold_what_their_method_says(name, dates, pairs, monkeypatch):
    size, peak = held(name, dates, pairs, monkeypatch)
    method = find(name)()
    assert LEAST * peak < method.memory(size) < MOST * peak
    assert Method.memory(method, size) > LEAST * peak  # what is safe where nothing is declared


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("starfm", {"quality": True}),
        ("estarfm", {"slope": "code", "window": 15}),
        ("vipstf", {"search": "pairs", "window": 15}),
        ("fsdaf", {"spatial": "cubic", "window": 15, "num_similar": 40}),
        ("sfsdaf", {"window": 15, "spatial": "tps"}),
        ("hcm", {"joint": False}),
        ("stnlffm", {"rule": "code", "window": 15, "patch": 5}),
    ],
)
def test_so_they_do_with_other_parameters(name, options, monkeypatch):
    pairs = find(name).pairs[0]
    size, peak = held(name, 3, pairs, monkeypatch, bands=3, **options)
    own = {k: v for k, v in options.items() if k != "quality"}
    assert LEAST * peak < find(name)(**own).memory(size) < MOST * peak


def test_several_pairs_combined_hold_one_at_a_time(monkeypatch):
    from xstf.combined import Combined
    from xstf.methods.hcm import Hcm

    method = Combined(Hcm(), "temporal")
    size, peak = held(method, 3, 2, monkeypatch)
    assert LEAST * peak < method.memory(size) < MOST * peak


def projected(path, method, side, **options):
    found = plan(xstf.open_scene(path), method, {}, **options)
    return Asked.of(found, feed_of(found.parts)), side


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unchanged", {}),
        ("add", {}),
        ("upsampled", {"fill": True}),
        ("unchanged", {"dtype": "int16", "scale_factor": 1e-4}),
    ],
)
def test_a_block_from_store_to_store_holds_what_is_projected(name, options, tmp_path, monkeypatch):
    path = xstf.save(scene(4, 2, bands=4).chunk(time=1, y=64, x=64), tmp_path / "s.zarr")
    options = options | {"pairs": "nearest"}
    peaks, plain = [], work.do

    def watched(job, block):
        plain(job, block)
        made, peak = traced(lambda: plain(job, block))
        peaks.append(peak)
        return made

    monkeypatch.setattr("xstf.archive.schedule.do", watched)
    xstf.fuse_store(path, tmp_path / "o.zarr", name, workers=1, blocksize=SIDE, **options)
    told = xstf.estimate(path, name, workers=1, blocksize=SIDE, **options)
    assert LEAST * max(peaks) < told.block_bytes < MOST * max(peaks)


def test_what_gpfuse_prepares_grows_with_its_pairs(monkeypatch):
    """Each pair is looked at alone, with its neighbour, and with all."""

    def nothing(self, b):
        return {"fused": np.zeros((len(b.target), *b.fine[0, :, *b.inner].shape), np.float32)}

    def at_once(date, sizes, steps, error, doubt):
        parts = np.full(3 + len(sizes), 0.1)
        return Model(steps, sizes, parts, parts[3:], 0.1, error.variance)

    monkeypatch.setattr(Gpfuse, "block", nothing)
    monkeypatch.setattr(_gp_solve, "fit", at_once)  # which takes long, and little memory
    ds, _ = xstf.simulate("parcels", size=96, scale=2, dates=8, pairs=6, bands=("red",), seed=1)
    ds = ds.compute()
    date = ds.time.values[~ds.fine_observed.values][0]
    taken = {}
    for pairs in (2, 6):
        options = {"dates": date, "pairs": pairs, "blocksize": 48}
        corner = {"y": slice(32), "x": slice(32), "y_coarse": slice(16), "x_coarse": slice(16)}
        compiles = ds.isel(corner).stf.fuse("gpfuse", **options)
        compiles.compute(scheduler="sync")
        lazy = ds.stf.fuse("gpfuse", **options)
        taken[pairs] = traced(lambda lazy=lazy: lazy.compute(scheduler="sync"))[1]
    projected = Gpfuse().memory_aside(48 * 48, 6) - Gpfuse().memory_aside(48 * 48, 2)
    assert 0.4 * projected < taken[6] - taken[2] < projected


def test_a_method_that_declares_nothing_gets_a_safe_size():
    size = BlockSize(100, 120, pairs=2, bands=3, dates=4, scale=10, halo=20, reach=1)
    assert size.wide == 140 * 160
    assert size.cells == 16 * 18
    assert Null().memory(size) == 4 * (16 * 3 * (4 + 2) * 140 * 160 + 128 * 100 * 120)


def slow_reading(feed, method, side):
    """Return needed and decoded pixels of all tiles, counted one by one along each axis."""
    halo, found = method.halo(feed.grid.scale), []
    for axis in (0, 1):
        owner = np.repeat(
            np.arange(len(feed.fine.chunks[2 + axis])), np.array(feed.fine.chunks[2 + axis])
        )
        needed = read = start = 0
        for length in feed.grid.cut(side)[axis]:
            window = owner[max(0, start - halo) : start + length + halo]
            needed += len(window)
            read += int(np.isin(owner, window).sum())
            start += length
        found.append((needed, read))
    return found


@pytest.mark.parametrize("cut", [(100, 37), (288, 288), (32, 64)])
@pytest.mark.parametrize("side", [48, 96, 288])
def test_what_tiles_decode_is_counted(cut, side):
    ds = scene(4, 1).chunk(y=cut[0], x=cut[1], time=2)
    found = plan(ds, "starfm", {"window": 21})
    feed = feed_of(found.parts)
    expected = slow_reading(feed, found.method, side)
    assert along_axes(feed, found.method, side) == expected
    pixels = expected[0][1] * expected[1][1]
    assert decoded(Asked.of(found, feed), side, 2) == 4 * 2 * pixels * 2 * 2  # 2 blocks, 2 a chunk


def tight(ds, **options):
    """Return an estimate without a limit, and one that leaves half of its block's bytes."""
    free = xstf.estimate(ds, "fitfc", workers=1, **options)
    limit = free.worker_bytes - free.block_bytes // 2
    return free, xstf.estimate(ds, "fitfc", workers=1, memory_limit=limit, **options)


def test_the_cut_that_reads_least_is_taken(fresh):
    ds = scene(8, 1).chunk(time=1, y=48, x=48)
    free, cut = tight(ds)
    assert cut.block_bytes <= free.block_bytes / 2
    assert free.fits
    assert cut.fits
    for other in (32, 48, 64, 96, 128):
        try:
            fixed = xstf.estimate(ds, "fitfc", memory_limit=cut.limit, workers=1, blocksize=other)
        except ValueError:
            continue
        assert fixed.read_bytes >= cut.read_bytes


def test_more_room_never_means_smaller_blocks():
    found = plan(scene(8, 1), "fsdaf", {})
    asked = Asked.of(found, feed_of(found.parts))
    needs = [asked.need(96, dates).peak for dates in range(1, 9)]
    assert needs == sorted(needs)
    for dates, peak in enumerate(needs, start=1):
        assert asked.dates_within(96, peak) == dates
        assert asked.dates_within(96, peak - 1) == dates - 1
    group = asked.groups[0]
    assert list(batches(asked, group, 96, needs[2])) == list(cut_dates(8, 3))
    assert list(batches(asked, group, 96, 1.0)) == list(cut_dates(8, 1))


def test_what_does_not_fit_is_refused_with_a_limit_that_does(fresh, tmp_path):
    ds = scene(8, 1)
    with pytest.raises(ValueError, match="too little for fsdaf: a block of") as raised:
        xstf.estimate(ds, "fsdaf", memory_limit="100MB", workers=3)
    cure = re.search(r'give memory_limit="(\w+)"', str(raised.value))[1]
    assert xstf.estimate(ds, "fsdaf", memory_limit=cure, workers=3).fits
    below = f"{int(cure[:-2]) - 2}MB"
    with pytest.raises(ValueError, match="too little"):
        xstf.estimate(ds, "fsdaf", memory_limit=below, workers=3)
    path = xstf.save(ds, tmp_path / "s.zarr")
    with pytest.raises(ValueError, match="blocksize"):
        xstf.fuse_store(path, tmp_path / "o.zarr", "add", memory_limit="1MB", workers=1)
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".zarr") == ["s.zarr"]


def test_without_a_limit_too_little_memory_is_a_warning(fresh, monkeypatch):
    monkeypatch.setattr("xstf.limits.available", lambda: 0.0)
    with pytest.warns(UserWarning, match="a worker's memory of 0 MB is too little for add"):
        told = xstf.estimate(scene(8, 1), "add", workers=2)
    assert not told.fits
    assert "too much" in repr(told)


def test_a_limit_changes_tiles_and_no_pixel(fresh, tmp_path):
    path = xstf.save(scene(8, 1).chunk(time=1, y=96, x=96), tmp_path / "s.zarr")
    free, told = tight(path)
    limits = {"memory_limit": told.limit, "workers": 1}
    assert (told.blocksize, told.dates_per_block) != (free.blocksize, free.dates_per_block)
    counted = []
    xstf.fuse_store(
        path, tmp_path / "a.zarr", "fitfc", progress=lambda *n: counted.append(n), **limits
    )
    xstf.fuse_store(path, tmp_path / "b.zarr", "fitfc", workers=1)
    xr.testing.assert_equal(result(tmp_path / "a.zarr"), result(tmp_path / "b.zarr"))
    shape = xr.open_zarr(tmp_path / "a.zarr").fused.encoding["shards"]
    assert shape[-2:] == (told.blocksize, told.blocksize)
    assert counted[-1][1] == told.tiles[0] * told.tiles[1] * told.dates
    one = {"resume": True, "workers": 1, "memory_limit": free.limit}
    assert xstf.fuse_store(path, tmp_path / "a.zarr", "fitfc", **one) == tmp_path / "a.zarr"
    with pytest.raises(ValueError, match=f"a block of {told.blocksize} x {told.blocksize} pixels"):
        xstf.fuse_store(path, tmp_path / "a.zarr", "fitfc", **one | {"memory_limit": "1MB"})


def test_the_lazy_feed_cuts_dates_by_the_same_projection(monkeypatch):
    ds = scene(8, 1)
    found = plan(ds, "fsdaf", {})
    asked = Asked(found.method, feed_of(found.parts), found.groups, written=False)
    room = asked.need(96, 3).peak
    monkeypatch.setattr("xstf.memory.batches.__defaults__", (room,))
    lazy = ds.stf.fuse("fsdaf", blocksize=96)
    blocks = {k[0] for k in dict(lazy.data.__dask_graph__()) if str(k[0]).startswith("stf-block")}
    assert len(blocks) == 3  # of 3, 3 and 2 dates


def cluster(*workers):
    """Return a stand-in for a client whose workers have (memory limit, threads, memory held)."""
    known = {
        f"tcp://{n}": {"memory_limit": limit, "nthreads": threads, "metrics": {"memory": used}}
        for n, (limit, threads, used) in enumerate(workers)
    }
    return SimpleNamespace(scheduler_info=lambda n_workers=-1: {"workers": known})


def test_the_worker_with_the_least_memory_for_a_thread_decides():
    room = room_of(None, cluster((8e9, 2, 0), (8e9, 8, 0), (4e9, 1, 0)))
    assert (room.limit, room.threads, room.base, room.named) == (0.8 * 8e9, 8, BASE, False)
    room = room_of("2GB", cluster((8e9, 2, 9e8), (1e9, 1, 0)))
    assert (room.limit, room.threads, room.named) == (0.8e9, 1, True)
    assert room_of("2GB", cluster((8e9, 2, 9e8))).base == 9e8
    assert room_of(None, cluster((0, 4, 0))).limit == pytest.approx(0.8 * available(), rel=0.2)
    room = room_of(1e9, None, 3)
    assert (room.limit, room.threads, room.named) == (1e9, 3, True)


def test_a_group_of_processes_has_the_memory_that_it_is_given(tmp_path, monkeypatch):
    path = tmp_path / "memory.max"
    monkeypatch.setattr("xstf.limits.CGROUPS", (str(path), str(tmp_path / "none")))
    free = available()
    path.write_text("max\n")
    assert available() == pytest.approx(free, rel=0.2)
    path.write_text("1000\n")
    assert available() == 0


@pytest.mark.parametrize("wrong", ["much", "0MB", -1, True, [1]])
def test_what_is_no_limit_is_refused(wrong):
    with pytest.raises(ValueError, match="is no amount of memory"):
        parse_limit(wrong)


def test_bytes_are_said_in_words():
    assert [text_of_bytes(n) for n in (0, 3e5, 5.2e7, 1.2e9, 3e12)] == [
        "0 MB", "1 MB", "52 MB", "1.2 GB", "3.0 TB",
    ]  # fmt: skip


@pytest.fixture
def eight_dates():
    return scene(8, 1)


def test_an_estimate_reads_no_pixel(eight_dates, fresh, nothing_computes):
    told = xstf.estimate(eight_dates, "starfm", quality=True, workers=2, memory_limit="1GB")
    pixels = (3 * SIDE) ** 2
    assert told.written_bytes == 2 * 8 * 2 * pixels * 4  # layers, dates, bands
    assert told.blocks == told.tiles[0] * told.tiles[1] * -(-8 // told.dates_per_block)
    assert told.worker_bytes > BASE + 2 * told.block_bytes
    assert told.decoded_share > 1
    assert eight_dates.stf.estimate("starfm", quality=True, workers=2, memory_limit="1GB") == told


@dataclass(frozen=True)
class Hungry(Null):
    """Holds more than it is given."""

    def memory(self, size):
        return 1e9 * size.dates


def test_a_method_of_ones_own_is_cut_by_what_it_declares(fresh):
    told = xstf.estimate(scene(8, 1), Hungry(), workers=1, memory_limit="3.5GB")
    assert told.dates_per_block == 3
    assert replace(told, worker_bytes=4 * 10**9).fits is False
