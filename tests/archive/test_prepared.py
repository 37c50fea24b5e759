"""What is found of an image is found once, however many groups it serves."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr
from zarr.storage import LocalStore

import xstf
from tests.archive.faults import result
from xstf import whole
from xstf.archive import making
from xstf.method import Statistics
from xstf.statistics import apart, together

PAIRS = [0, 3, 6, 9, 12]


@pytest.fixture(scope="module")
def series():
    ds, _ = xstf.simulate("parcels", size=32, scale=8, dates=13, pairs=5, bands=("red",), seed=2)
    ds = ds.compute()
    assert np.flatnonzero(ds.fine_observed).tolist() == PAIRS
    return ds


@pytest.mark.parametrize("asked", [{}, {"quality": True}], ids=["plain", "sides"])
def test_prepare_reads_each_image_once(series, tmp_path, monkeypatch, asked):
    path = xstf.save(series, tmp_path / "s.zarr")
    prepare, reads = making.prepare, Counter()
    get = LocalStore.get

    async def counted(self, key, *arguments, **options):
        if key.startswith("fine/c/"):
            reads[int(key.split("/")[2])] += 1
        return await get(self, key, *arguments, **options)

    def watched(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "get", counted)
            prepare(*arguments, **options)

    monkeypatch.setattr(making, "prepare", watched)
    out = xstf.fuse_store(path, tmp_path / "o.zarr", "starfm", window=5, **asked)
    assert reads == dict.fromkeys(PAIRS, 1)
    expected = series.stf.fuse("starfm", window=5, **asked).compute()
    xr.testing.assert_equal(result(out), expected if asked else expected.to_dataset())


def test_a_graph_has_the_statistics_of_each_image_once(series, monkeypatch):
    seen = []
    squares = whole.squares

    def counted(b, unit):
        seen.append(str(b.times[0])[:10])
        return squares(b, unit)

    monkeypatch.setattr(whole, "squares", counted)
    series.stf.fuse("starfm", window=5, blocksize=1000).compute()
    assert Counter(seen) == dict.fromkeys([str(t)[:10] for t in series.time.values[PAIRS]], 1)


def test_statistics_are_taken_apart_and_put_together():
    found = Statistics(*np.arange(40.0).reshape(5, 4, 2))
    alone = apart(found)
    assert len(alone) == 4
    np.testing.assert_array_equal(alone[2].mean, [[12, 13]])
    for name, values in vars(together(alone)).items():
        np.testing.assert_array_equal(values, getattr(found, name))
