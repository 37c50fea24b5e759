"""Whatever stops a run, what it has marked is right, and the rest is computed, once."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import xstf
from tests.archive.faults import Counted, Deadly, Failing, assert_same, calls, result
from xstf.archive.manifest import Marks, share_done


@pytest.fixture
def notes(tmp_path):
    """Return the folder where methods note their blocks."""
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "o.zarr"


def fuse(stored, out, method, **options):
    return xstf.fuse_store(stored, out, method, blocksize=32, dates_per_block=1, **options)


def values_of(path):
    return result(path).fused.values.view("u4")


def assert_honest(out, expected):
    """Raise unless all that is marked is there and right; return the share of blocks that is."""
    marked = np.asarray(zarr.open_array(f"{out}/xstf/done")[...]) > 0
    done = marked.repeat(32, 1).repeat(32, 2)[:, :96, :112]
    found = result(out).fused.values
    for band in range(2):
        np.testing.assert_array_equal(found[:, band][done], expected.values[:, band][done])
    return marked.mean()


def stop_after(count, how):
    """Return a progress function that does something after so many blocks."""

    def tell(done, total, seconds):
        if done == count:
            how()

    return tell


def interrupt():
    raise KeyboardInterrupt


def test_a_failed_block_is_told_and_computed_alone_later(stored, out, notes, expected, capsys):
    (notes / "broken").touch()
    method = Failing(folder=str(notes))
    with pytest.raises(xstf.BlocksFailed) as caught:
        fuse(stored, out, method)
    text = str(caught.value)
    assert text.startswith("4 of 48 blocks failed, all others are written (rows 32-63, columns 64")
    assert "2020-05-03: RuntimeError: the node has no memory left" in text
    assert "and 1 more); when the cause is gone, resume=True computes these alone" in text
    assert len(caught.value.failures) == 4
    told = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("failed: rows 32-63, columns 64-95, 2020-") for line in told) == 4
    np.testing.assert_array_equal(share_done(str(out)), [11 / 12] * 4)
    assert assert_honest(out, expected) < 1
    before = calls(notes)
    assert len(before) == 44
    assert set(before.values()) == {1}
    (notes / "broken").unlink()
    assert fuse(stored, out, method, resume=True) == out
    assert {k: n for k, n in calls(notes).items() if k not in before} == {
        k: 1 for k in calls(notes) if k.startswith("32-64-")
    }
    assert all(calls(notes)[k] == 1 for k in before)
    assert_same(out, result(out)[["fused"]].fused)
    np.testing.assert_array_equal(result(out).fused, expected)


def test_a_block_is_tried_again(stored, out, notes, expected, monkeypatch):
    (notes / "broken").touch()
    broken = notes / "broken"
    tried = []
    block = Failing.block

    def once(self, b):
        try:
            return block(self, b)
        except RuntimeError:
            tried.append(b.place)
            broken.unlink(missing_ok=True)
            raise

    monkeypatch.setattr(Failing, "block", once)
    fuse(stored, out, Failing(folder=str(notes)), workers=1)
    assert tried == [(32, 64)]
    np.testing.assert_array_equal(result(out).fused, expected)
    broken.touch()
    with pytest.raises(xstf.BlocksFailed):
        fuse(stored, out, Failing(folder=str(notes)), workers=1, retries=0, overwrite=True)


@pytest.mark.parametrize("workers", [1, 4])
def test_ctrl_c_stops_cleanly(stored, out, notes, expected, workers):
    method = Counted(folder=str(notes))
    with pytest.raises(KeyboardInterrupt):
        fuse(stored, out, method, workers=workers, progress=stop_after(7, interrupt))
    count = len(calls(notes))
    assert 7 <= count <= 7 + 2 * workers
    share = assert_honest(out, expected)
    assert round(share * 48) == pytest.approx(count, abs=2)
    fuse(stored, out, method, resume=True)
    assert set(calls(notes).values()) == {1}
    np.testing.assert_array_equal(result(out).fused, expected)


def test_a_kill_between_data_and_mark_costs_that_block_again(
    stored, out, notes, expected, monkeypatch
):
    def die(*_):
        raise KeyboardInterrupt

    class Forgetful(Marks):
        set = die

    method = Counted(folder=str(notes))
    with monkeypatch.context() as patch:
        patch.setattr("xstf.archive.running.Marks", Forgetful)
        with pytest.raises(KeyboardInterrupt):
            fuse(stored, out, method, workers=1)
    assert share_done(str(out)).sum() == 0
    assert len(calls(notes)) >= 1
    fuse(stored, out, method, resume=True)
    assert sorted(set(calls(notes).values())) == [1, 2]
    np.testing.assert_array_equal(result(out).fused, expected)


BLOCKS = 3 * 4  # tiles of 32 pixels
KILLED = """
    import os, signal, sys, time, xstf
    from tests.archive.faults import Counted
    stored, out, notes = sys.argv[1:]
    def tell(done, total, seconds):
        time.sleep(0.05)
        if done >= 20:
            os.kill(os.getpid(), signal.SIGKILL)
    xstf.fuse_store(stored, out, Counted(folder=notes), blocksize=32, dates_per_block=1,
                    workers=3, progress=tell)
"""


def test_kill_9_of_the_client(stored, out, notes, expected):
    code = [sys.executable, "-c", textwrap.dedent(KILLED), str(stored), str(out), str(notes)]
    root = Path(__file__).parents[2]
    done = subprocess.run(code, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert done.returncode == -signal.SIGKILL
    assert 0 < assert_honest(out, expected) < 1
    marked = round(share_done(str(out)).sum() * BLOCKS)
    before = calls(notes)
    fuse(stored, out, Counted(folder=str(notes)), resume=True)
    again = {k for k, n in calls(notes).items() if n > 1}
    assert len(again) <= len(before) - marked
    np.testing.assert_array_equal(result(out).fused, expected)
    assert not list(out.rglob("*.partial"))


def test_kill_9_of_a_worker(stored, out, notes, expected, client):
    (notes / "fuse").touch()
    fuse(stored, out, Deadly(folder=str(notes)), client=client)
    assert not (notes / "fuse").exists()
    assert set(calls(notes).values()) <= {1, 2}
    np.testing.assert_array_equal(result(out).fused, expected)


def test_a_failed_block_of_a_cluster_is_told_alone(stored, out, notes, expected, client):
    (notes / "broken").touch()
    method = Failing(folder=str(notes))
    with pytest.raises(xstf.BlocksFailed, match=r"^4 of 48 blocks failed") as caught:
        fuse(stored, out, method, client=client)
    for place, error in caught.value.failures:
        assert place.startswith("rows 32-63, columns 64-95, 2020-")
        assert repr(error) == "RuntimeError('the node has no memory left')"
        assert "in block" in error.__notes__[0]
    assert len(calls(notes)) == 44
    assert set(calls(notes).values()) == {1}
    (notes / "broken").unlink()
    fuse(stored, out, method, resume=True, client=client)
    assert set(calls(notes).values()) == {1}
    np.testing.assert_array_equal(result(out).fused, expected)


def test_a_shard_cut_short_that_is_not_marked_is_written_anew(stored, out, notes, expected):
    method = Counted(folder=str(notes))
    with pytest.raises(KeyboardInterrupt):
        fuse(stored, out, method, workers=1, progress=stop_after(47, interrupt))
    fuse(stored, out, method, resume=True)
    marks = Marks(str(out))
    marks.values[2, 1, 3] = marks.values[2, 2, 3] = 0
    zarr.open_array(f"{out}/xstf/done")[...] = marks.values
    shard, empty = (out / "fused" / "c" / "2" / "0" / str(row) / "3" for row in (1, 2))
    shard.write_bytes(shard.read_bytes()[:300])
    empty.write_bytes(b"")
    fuse(stored, out, method, resume=True)
    np.testing.assert_array_equal(result(out).fused, expected)
    assert sum(n == 2 for n in calls(notes).values()) == 2


def test_a_full_disk_stops_the_run_at_once(stored, out, notes, expected, monkeypatch):
    from xstf.archive import work

    written = []
    write = work.write

    def full(job, block, made):
        written.append(block)
        if len(written) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(job, block, made)

    method = Counted(folder=str(notes))
    with monkeypatch.context() as patch:
        patch.setattr(work, "write", full)
        with pytest.raises(OSError, match="No space left"):
            fuse(stored, out, method, workers=1)
    assert len(written) <= 8
    assert round(assert_honest(out, expected) * 48) == 5
    fuse(stored, out, method, resume=True)
    np.testing.assert_array_equal(result(out).fused, expected)


def test_an_output_folder_that_cannot_be_written_is_told(stored, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        fuse(stored, tmp_path / "file" / "o.zarr", "add")


def corrupt(scene, path, kind, date):
    """Save a scene and break the chunks of one date."""
    xstf.save(scene.chunk(time=1, y=48, x=56, y_coarse=12, x_coarse=14), path)
    for chunk in (path / kind / "c" / str(date)).rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"\x28\xb5\x2f\xfd nonsense")
    return path


@pytest.mark.parametrize(("kind", "date"), [("fine", 3), ("coarse", 2)])
def test_an_input_that_cannot_be_read_is_named(scene, tmp_path, kind, date):
    path = corrupt(scene, tmp_path / "s.zarr", kind, date)
    day = str(scene.time.values[date])[:10]
    with pytest.raises(OSError, match=f"the {kind} images of {day} cannot be read"):
        fuse(path, tmp_path / "o.zarr", "add")
    assert not (tmp_path / "o.zarr").exists()


def test_an_input_that_breaks_on_the_way_costs_its_blocks_alone(scene, tmp_path, expected):
    path, out = tmp_path / "s.zarr", tmp_path / "o.zarr"
    xstf.save(scene.chunk(time=1, y=48, x=56, y_coarse=12, x_coarse=14), path)
    once = []

    def tell(*_):
        if not once:
            chunk = path / "fine" / "c" / "6" / "0" / "1" / "1"
            once.append(chunk.read_bytes())
            chunk.write_bytes(b"nonsense")

    with pytest.raises(xstf.BlocksFailed) as caught:
        fuse(path, out, "add", workers=1, progress=tell)
    assert all(place.startswith(("rows 32", "rows 64")) for place, _ in caught.value.failures)
    assert 0 < assert_honest(out, expected) < 1
    (path / "fine" / "c" / "6" / "0" / "1" / "1").write_bytes(once[0])
    fuse(path, out, "add", resume=True)
    np.testing.assert_array_equal(result(out).fused, expected)


def test_two_runs_at_once_are_refused(stored, out, expected):
    told = []

    def tell(*_):
        if not told:
            with pytest.raises(FileExistsError, match="another run is writing"):
                fuse(stored, out, "add", resume=True)
            told.append(True)

    fuse(stored, out, "add", progress=tell)
    assert told
    np.testing.assert_array_equal(result(out).fused, expected)
    assert [p.name for p in out.parent.iterdir()] == ["o.zarr"]


def test_two_runs_that_cannot_see_each_other_both_end_right(stored, out, expected, monkeypatch):
    """As on two machines, whose locks do not meet."""
    from contextlib import nullcontext

    monkeypatch.setattr("xstf.archive.running.alone", lambda path: nullcontext())
    with pytest.raises(KeyboardInterrupt):
        fuse(stored, out, "add", progress=stop_after(5, interrupt))
    inner = []

    def tell(done, *_):
        if done == 10:
            fuse(stored, out, "add", resume=True)
            inner.append(share_done(str(out)).min())

    fuse(stored, out, "add", resume=True, workers=1, progress=tell)
    assert inner == [1]
    assert share_done(str(out)).min() == 1
    np.testing.assert_array_equal(result(out).fused, expected)


def test_a_finished_run_has_nothing_to_do(stored, out, notes):
    method = Counted(folder=str(notes))
    fuse(stored, out, method)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    time.sleep(0.02)
    fuse(stored, out, method, resume=True)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert set(calls(notes).values()) == {1}


def test_what_was_prepared_is_not_computed_again(stored, out, scene, monkeypatch):
    asked = {"window": 9, "num_similar": 7, "max_classes": 4, "small": 20}
    with pytest.raises(KeyboardInterrupt):
        fuse(stored, out, "fsdaf", progress=stop_after(5, interrupt), **asked)
    prepared = (out / "xstf" / "prepared" / "fused" / "0" / "values" / "zarr.json").stat()

    def refuse(*_):
        raise AssertionError("prepared again")

    monkeypatch.setattr("xstf.archive.making.prepare", refuse)
    fuse(stored, out, "fsdaf", resume=True, **asked)
    again = (out / "xstf" / "prepared" / "fused" / "0" / "values" / "zarr.json").stat()
    assert again.st_mtime_ns == prepared.st_mtime_ns
    monkeypatch.undo()
    np.testing.assert_array_equal(result(out).fused, scene.stf.fuse("fsdaf", **asked).compute())


def test_a_run_that_fails_before_its_first_block_leaves_nothing(scene, tmp_path):
    ds = scene.copy(deep=True)
    ds["fine"][6] = np.nan
    path = xstf.save(ds, tmp_path / "s.zarr")
    with pytest.raises(ValueError, match="is all missing, so it makes no pair"):
        fuse(path, tmp_path / "o.zarr", "add")
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]
    assert isinstance(xr.open_zarr(path), xr.Dataset)
