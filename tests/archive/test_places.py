"""Any place a Zarr store can lie in: the same pixels, resumed alike, refused where it must be."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from fsspec.implementations.memory import MemoryFileSystem
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ZipStore

import xstf
from tests.archive.faults import Counted, calls
from tests.test_laws import SMALL
from xstf.archive import schedule
from xstf.archive.checking import check_seen
from xstf.archive.manifest import Marks, read_fingerprint, share_done
from xstf.places import place_of
from xstf.places.folder import Folder
from xstf.places.remote import Address

TILES = 2 * 3  # of 32 pixels; there are 3 dates


def icechunk():
    found = pytest.importorskip("icechunk", reason="icechunk is not installed")
    found.set_logs_filter("error")
    return found


@pytest.fixture(scope="module")
def scene():
    """Return a scene of 64 x 96 pixels and 5 dates, of which 2 are pairs."""
    ds, _ = xstf.simulate(
        "mixed", size=(64, 96), scale=8, dates=5, pairs=2, bands=("red", "nir"), seed=3
    )
    return ds.compute()


@pytest.fixture(scope="module")
def stored(scene, tmp_path_factory):
    chunked = scene.chunk(time=2, y=20, x=36, y_coarse=4)
    return xstf.save(chunked, tmp_path_factory.mktemp("scenes") / "scene.zarr")


@pytest.fixture(autouse=True)
def _forget():
    """Leave nothing in fsspec's memory, which all tests of the process share."""
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def out(request, tmp_path):
    """Return a place to write by the name of its kind."""
    kind = request.param
    if kind == "icechunk path":
        icechunk()
        return f"icechunk://{tmp_path}/repository"
    if kind == "icechunk":
        storage = icechunk().local_filesystem_storage(str(tmp_path / "repository"))
        return icechunk().Repository.create(storage)
    files = {"auto_mkdir": True}
    return {
        "folder": lambda: tmp_path / "o.zarr",
        "file": lambda: f"file://{tmp_path}/o o.zarr",
        "memory": lambda: "memory://bucket/o.zarr",
        "memory store": MemoryStore,
        "local store": lambda: LocalStore(tmp_path / "o.zarr"),
        "fsspec store": lambda: FsspecStore.from_url(f"file://{tmp_path}/o.zarr", files),
    }[kind]()


PLACES = ["file", "memory", "memory store", "local store", "fsspec store", "icechunk path"]
every_place = pytest.mark.parametrize("out", ["folder", *PLACES, "icechunk"], indirect=True)


def result(out):
    """Return what lies at a place, in memory."""
    return place_of(out).dataset(chunks={}).load()


def fuse(scene, out, method="add", **options):
    return xstf.fuse_store(scene, out, method, blocksize=32, dates_per_block=1, **options)


def stop_after(count):
    def tell(done, *_):
        if done >= count:
            raise KeyboardInterrupt

    return tell


def begin(scene, out, count=4, method="add", **options):
    """Leave a run unfinished."""
    with pytest.raises(KeyboardInterrupt):
        fuse(scene, out, method, progress=stop_after(count), workers=1, **options)


def assert_same(out, expected):
    np.testing.assert_array_equal(
        result(out).fused.values.view("u4"), expected.values.view("u4"), strict=True
    )


@pytest.fixture(scope="module")
def added(scene):
    return scene.stf.fuse("add").compute()


@pytest.fixture(scope="module")
def fsdaf(scene):
    return scene.stf.fuse("fsdaf", **SMALL["fsdaf"]).compute()


@every_place
def test_every_place_holds_the_same_pixels(stored, out, fsdaf):
    """FSDAF prepares numbers and planes, which lie with the output."""
    given = xstf.fuse_store(stored, out, "fsdaf", blocksize=32, **SMALL["fsdaf"])
    assert_same(given, fsdaf)
    xr.testing.assert_equal(result(out).fused, fsdaf)
    assert result(out).attrs["inputs"] == str(stored)
    assert len(set(place_of(out).group("xstf/prepared/fused/0").group_keys())) > 0
    assert share_done(out).min() == 1


@every_place
def test_a_stopped_run_goes_on(stored, out, tmp_path, added):
    method = Counted(folder=str(tmp_path / "notes"))
    (tmp_path / "notes").mkdir()
    begin(stored, out, method=method)
    before = calls(tmp_path / "notes")
    done = share_done(out).sum() * TILES
    assert 4 <= round(done) <= len(before)
    with pytest.raises(FileExistsError, match="exists; .* go on with .* resume=True"):
        fuse(stored, out, method)
    with pytest.raises(ValueError, match="cannot be resumed, for something has changed since: me"):
        fuse(stored, out, "unchanged", resume=True)
    fuse(stored, out, method, resume=True)
    assert_same(out, added)
    assert len(calls(tmp_path / "notes")) == 3 * TILES
    assert sum(n > 1 for n in calls(tmp_path / "notes").values()) <= len(before) - done


@pytest.mark.parametrize("out", PLACES[1:], indirect=True)
def test_a_beginning_that_was_killed_is_not_data(stored, out, added, monkeypatch):
    """As by kill -9: nothing is cleared away."""

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("xstf.archive.making.write_fingerprint", die)
        patch.setattr("xstf.places.place.Place.clear", lambda self: None)
        with pytest.raises(KeyboardInterrupt):
            fuse(stored, out)
    if place_of(out).exists():  # where nothing can be renamed
        assert read_fingerprint(out) is None
        assert np.isnan(result(out).fused).all()
        with pytest.raises(FileExistsError, match=r"exists; .* go on with .* resume=True"):
            fuse(stored, out)
    fuse(stored, out, resume=True)
    assert_same(out, added)


@pytest.mark.parametrize("out", ["memory", "memory store", "fsspec store"], indirect=True)
def test_a_beginning_that_fails_leaves_nothing(stored, out, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no memory left")

    monkeypatch.setattr("xstf.archive.making.prepare", fail)
    with pytest.raises(RuntimeError, match="no memory left"):
        fuse(stored, out)
    assert not place_of(out).exists()


@pytest.mark.parametrize("out", ["memory", "memory store"], indirect=True)
def test_where_nothing_can_be_renamed_nothing_is_replaced(stored, out, added):
    fuse(stored, out)
    with pytest.raises(FileExistsError, match="nothing can be renamed there, so .* delete it"):
        fuse(stored, out, "unchanged", overwrite=True)
    with pytest.raises(FileExistsError, match="nothing can be renamed there"):
        fuse(stored, out, "unchanged", overwrite=True, resume=True)
    assert_same(out, added)
    fuse(stored, out, overwrite=True, resume=True)  # it is complete
    assert_same(out, added)


@pytest.mark.parametrize(
    "out", ["memory", "memory store", "fsspec store", "icechunk", "icechunk path"], indirect=True
)
def test_elsewhere_than_in_folders_nothing_is_extended(scene, stored, out, tmp_path, added):
    """Neither what is not there, for it would be refused the next time, nor what is."""
    said = f"append=True is for folders, .* and {re.escape(place_of(out).name)} is none; write a"
    with pytest.raises(ValueError, match=said):
        fuse(stored, out, append=True)
    assert not place_of(out).exists()
    fuse(stored, out)
    grown = scene.copy(deep=True)
    grown["coarse"][1] += 0.01
    xstf.save(grown, tmp_path / "grown.zarr")
    with pytest.raises(ValueError, match=f"{said} new output, or extend a copy of it in a folder"):
        fuse(tmp_path / "grown.zarr", out, append=True)
    with pytest.raises(ValueError, match="the coarse images of .* have changed; give another path"):
        fuse(tmp_path / "grown.zarr", out, resume=True)
    assert_same(out, added)


def test_a_block_of_a_run_that_is_gone_is_not_written_at_an_address(stored, added, monkeypatch):
    """Somebody has deleted the output, which was begun anew with other dates."""
    out, late, do = "memory://bucket/o.zarr", [], schedule.do

    def kept(job, work):
        late.append((job, work))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "do", kept)
        with pytest.raises(KeyboardInterrupt):
            fuse(stored, out, workers=1)
    place_of(out).clear()
    with pytest.raises(FileNotFoundError):
        do(*late[0])
    day = str(added.time.values[-1])[:10]
    fuse(stored, out, dates=[day])
    with pytest.raises(RuntimeError, match="o.zarr has been replaced since by another run"):
        do(*late[0])
    assert_same(out, added.sel(time=[day]))


def test_what_is_no_result_is_left_alone_at_an_address(stored, scene):
    fs = fsspec.filesystem("memory")
    fs.pipe("/bucket/thesis.txt", b"mine")
    with pytest.raises(FileExistsError, match="is no Zarr store"):
        fuse(stored, "memory://bucket", overwrite=True)
    scene.drop_encoding().to_zarr("memory://other.zarr", zarr_format=3, consolidated=False)
    for asked in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(
            (FileExistsError, ValueError), match="would be lost|renamed|not written"
        ):
            fuse(stored, "memory://other.zarr", **asked)
    assert fs.cat("/bucket/thesis.txt") == b"mine"
    xr.testing.assert_equal(xstf.open_scene("memory://other.zarr").compute(), scene)


def packed(folder, path, top):
    """Pack a folder as a zip file, with or without a folder in it."""
    root, base = (folder.parent, folder.name) if top else (folder, None)
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", root, base))


@pytest.mark.parametrize(
    "kind", ["zip", "zip with a folder", "zip store", "memory", "file", "memory store", "icechunk"]
)
def test_a_scene_can_lie_anywhere(scene, stored, tmp_path, kind, added):
    if kind.startswith("zip"):
        path = packed(stored, tmp_path / "scene.zip", top="folder" in kind)
        source = ZipStore(path) if "store" in kind else path
    elif kind == "file":
        source = f"file://{stored}"
    else:
        source = {"memory": lambda: "memory://s.zarr", "memory store": MemoryStore}.get(kind)
        source = source() if source else f"icechunk://{tmp_path}/repository"
        store = source
        if kind == "icechunk":
            storage = icechunk().local_filesystem_storage(str(tmp_path / "repository"))
            session = icechunk().Repository.create(storage).writable_session("main")
            store = session.store
        scene.drop_encoding().to_zarr(store, zarr_format=3, consolidated=False)
        if kind == "icechunk":
            session.commit("a scene")
    opened = xstf.open_scene(source)
    xr.testing.assert_equal(opened.compute(), scene)
    asked = {"workers": 2, "memory_limit": "8GB"}
    assert xstf.estimate(source, "add", **asked) == opened.stf.estimate("add", **asked)
    assert_same(fuse(source, tmp_path / "a.zarr"), added)
    assert_same(opened.stf.fuse_store(tmp_path / "b.zarr", "add"), added)
    with pytest.raises(ValueError, match="is not any more what lies"):
        opened.isel(time=slice(0, 3)).stf.fuse_store(tmp_path / "c.zarr", "add")
    name = result(tmp_path / "a.zarr").attrs["inputs"]
    assert str(tmp_path) in name or place_of(source).name in name or kind == "file"


def test_an_estimate_takes_options_and_names_and_refuses_what_is_no_scene(
    scene, tmp_path, monkeypatch
):
    monkeypatch.setattr("xstf.limits._held", lambda: 0.0)  # what this process holds changes
    asked = {"workers": 2, "memory_limit": "8GB"}
    named = scene.rename(fine="tm", coarse="modis").drop_encoding()
    named.to_zarr(tmp_path / "s.zarr", zarr_format=3, consolidated=False)
    told = xstf.estimate(
        f"simplecache::file://{tmp_path}/s.zarr",
        "add",
        fine="tm",
        coarse="modis",
        storage_options={"simplecache": {"cache_storage": str(tmp_path / "cache")}},
        **asked,
    )
    opened = xstf.open_scene(tmp_path / "s.zarr", fine="tm", coarse="modis")
    assert told == xstf.estimate(opened, "add", **asked)
    with pytest.raises(ValueError, match="storage_options are for a scene that is given by its"):
        xstf.estimate(opened, "add", storage_options={}, **asked)
    with pytest.raises(ValueError, match="storage_options are for addresses"):
        xstf.estimate(tmp_path / "s.zarr", "add", storage_options={}, **asked)
    with pytest.raises(TypeError, match="not as int"):
        xstf.estimate(3, "add", **asked)
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        xstf.estimate("memory://nothing", "add", **asked)


def test_groups_of_both_kinds_can_lie_in_a_zip_file(scene, tmp_path, added):
    for kind, images in (
        ("fine", scene.fine[scene.fine_observed.values]),
        ("coarse", scene.coarse),
    ):
        images = images.rename({d: d[0] for d in images.dims if d.endswith("_coarse")})
        ds = images.drop_encoding().drop_vars(
            ["spatial_ref", "spatial_ref_coarse"], errors="ignore"
        )
        ds = ds.assign_coords(band=ds.band.astype(object)).to_dataset(name=kind)
        ds.to_zarr(tmp_path / "s.zarr", group=kind, mode="a", zarr_format=3, consolidated=False)
    zarr.open_group(tmp_path / "s.zarr", mode="a")
    ds = xstf.open_scene(tmp_path / "s.zarr")
    path = packed(tmp_path / "s.zarr", tmp_path / "s.zip", top=True)
    out = fuse(path, tmp_path / "o.zarr")
    np.testing.assert_array_equal(result(out).fused, ds.stf.fuse("add").compute())


class Guarded(MemoryFileSystem):
    """Asks for a key."""

    protocol = "guarded"

    def __init__(self, *args, key=None, **kwargs):
        if key != "sesame":
            raise PermissionError("no key")
        super().__init__(*args, **kwargs)

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("guarded://", "memory://"))


def test_storage_options_open_addresses_and_are_written_nowhere(scene, stored, tmp_path, added):
    fsspec.register_implementation("guarded", Guarded, clobber=True)
    key = {"key": "sesame"}
    scene.drop_encoding().to_zarr("memory://s.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(PermissionError, match="no key"):
        xstf.open_scene("guarded://s.zarr")
    opened = xstf.open_scene("guarded://s.zarr", storage_options=key)
    out = opened.stf.fuse_store("guarded://o.zarr", "add", storage_options=key)
    assert_same("memory://o.zarr", added)
    assert out == "guarded://o.zarr"
    assert_same(opened.stf.fuse_store(tmp_path / "o.zarr", "add"), added)
    held = b"".join(bytes(f.getbuffer()) for f in MemoryFileSystem.store.values())
    assert b"guarded://s.zarr" in held
    assert b"sesame" not in held + repr(opened.encoding).encode()
    with pytest.raises(ValueError, match=r"storage_options are for addresses .* none in .*s\.zarr"):
        xstf.open_scene(tmp_path / "s.zarr", storage_options=key)
    with pytest.raises(ValueError, match="storage_options are for addresses"):
        fuse(stored, tmp_path / "p.zarr", storage_options=key)


def test_passwords_in_addresses_are_not_shown():
    place = Address("ftp://me:secret@host:21/a@b/o.zarr")
    assert place.name == "ftp://me@host:21/a@b/o.zarr"
    assert Address("s3://bucket/o:p@q.zarr").name == "s3://bucket/o:p@q.zarr"


def test_places_that_cannot_be_written_are_refused(stored, tmp_path):
    cure = r"zip file, .*; write a folder, such as .*o\.zarr', and pack it .*make_archive"
    with pytest.raises(ValueError, match=cure):
        fuse(stored, tmp_path / "o.zip")
    packed(stored, tmp_path / "scene.zip", top=False)
    with pytest.raises(ValueError, match="zip file"):
        fuse(stored, ZipStore(tmp_path / "scene.zip"))
    with pytest.raises(ValueError, match="is only read"):
        fuse(stored, MemoryStore(read_only=True))
    with pytest.raises(ValueError, match="is the scene itself"):
        fuse("memory://a/s.zarr", "memory://a/s.zarr/o.zarr")
    with pytest.raises(TypeError, match="not as dict"):
        fuse(stored, {})
    with pytest.raises(ValueError, match="commit_every=3 is for icechunk"):
        fuse(stored, tmp_path / "o.zarr", commit_every=3)


class Workers:
    """A client whose workers are in these processes."""

    def __init__(self, *processes):
        self.processes = processes

    def run(self, ask):
        return dict(enumerate(p or ask() for p in self.processes))


def test_memory_is_not_seen_by_other_processes(stored):
    memory, folder = Address("memory://o.zarr"), Folder(str(stored))
    check_seen(Workers((1, "there")), [folder])
    check_seen(Workers(None, None), [memory])
    with pytest.raises(ValueError, match=r"memory://o\.zarr lies in the memory of this process"):
        check_seen(Workers(None, (1, "there")), [folder, memory])
    with pytest.raises(ValueError, match="lies in the memory"):  # it would travel as a copy
        check_seen(Workers(None), [place_of(MemoryStore())])


def test_a_cluster_writes_any_place(stored, tmp_path, added):
    from distributed import Client, LocalCluster

    outs = [f"icechunk://{icechunk() and tmp_path}/repository", "memory://o.zarr"]
    options = {"processes": False, "dashboard_address": ":0", "threads_per_worker": 1}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster):
        for out in outs:
            assert_same(fuse(stored, out), added)


def test_marks_that_were_cut_short_count_as_not_set(stored, tmp_path, added):
    out = fuse(stored, tmp_path / "o.zarr")
    chunk = out / "xstf" / "done" / "c" / "0" / "0" / "0"
    for data in (chunk.read_bytes()[:7], b""):
        chunk.write_bytes(data)
        assert share_done(out).max() == 0
        fuse(stored, out, resume=True)
        assert share_done(out).min() == 1
    assert_same(out, added)


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be brought to disk there")
def test_data_are_on_the_disk_itself_before_their_mark(stored, tmp_path, monkeypatch):
    happened = []
    sync, mark = os.fsync, Marks.set

    def watched(descriptor):
        happened.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def marked(self, dates, row, column, full):
        happened.extend((date, row, column) for date in dates)
        mark(self, dates, row, column, full)

    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc to look at")
    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(Marks, "set", marked)
    out = fuse(stored, tmp_path / "o.zarr", workers=1)
    for date, row, column in np.ndindex(3, 2, 3):
        shard = out / "fused" / "c" / str(date) / "0" / str(row) / str(column)
        written = happened.index(str(shard))
        assert happened.index(str(shard.parent), written) < happened.index((date, row, column))


def commits(path):
    storage = icechunk().local_filesystem_storage(str(path))
    repository = icechunk().Repository.open(storage)
    return [entry.message for entry in repository.ancestry(branch="main")], repository


def test_repositories_need_icechunk(stored, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "icechunk", None)
    with pytest.raises(ImportError, match="pip install icechunk"):
        fuse(stored, f"icechunk://{tmp_path}/repository")


def test_a_repository_is_committed_every_so_many_blocks(stored, tmp_path, added):
    icechunk()
    out = f"icechunk://{tmp_path}/repository"
    assert fuse(stored, out, commit_every=7) == out
    messages, repository = commits(tmp_path / "repository")
    assert messages[:3] == ["xstf: 4 blocks", "xstf: 7 blocks", "xstf: 7 blocks"]
    assert repository.list_branches() == {"main"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["repository"]
    assert_same(repository, added)


def test_a_repository_keeps_the_old_output_until_the_new_is_complete(stored, scene, tmp_path):
    icechunk()
    out = f"icechunk://{tmp_path}/repository"
    fuse(stored, out)
    old = result(out)
    begin(stored, out, method="unchanged", overwrite=True)
    xr.testing.assert_identical(result(out), old)
    with pytest.raises(ValueError, match="cannot be resumed"):
        fuse(stored, out, "unchanged", resume=True)
    counts = []
    fuse(
        stored, out, "unchanged", resume=True, overwrite=True,
        progress=lambda done, total, _: counts.append(total),
    )  # fmt: skip
    assert counts[-1] <= 14
    assert_same(out, scene.stf.fuse("unchanged").compute())
    messages, repository = commits(tmp_path / "repository")
    assert repository.list_branches() == {"main"}
    before = list(repository.ancestry(branch="main"))[len(messages) // 2]
    assert before  # what was replaced is in the history
    begin(stored, out, method="add", overwrite=True)
    fuse(stored, out, "add", overwrite=True)  # begun anew
    xr.testing.assert_identical(result(out), old)


def test_another_writer_of_a_repository_is_told_and_nothing_is_lost(stored, tmp_path, added):
    icechunk()
    out = f"icechunk://{tmp_path}/repository"
    begin(stored, out, commit_every=5)

    def tell(done, *_):
        if done == 7:
            _, repository = commits(tmp_path / "repository")
            session = repository.writable_session("main")
            zarr.open_group(session.store, mode="a").attrs["note"] = "mine"
            session.commit("another program")

    with pytest.raises(FileExistsError, match="another run or program has written"):
        fuse(stored, out, resume=True, commit_every=5, progress=tell, workers=1)
    done = share_done(out).sum() * TILES
    assert round(done) in (4 + 5, 5 + 5, 6 + 5)  # what had begun when the first run was stopped
    fuse(stored, out, resume=True)
    assert_same(out, added)
    assert result(out).attrs["note"] == "mine"


def test_what_is_no_repository_of_ours_is_refused(stored, tmp_path):
    memory = icechunk().Repository.create(icechunk().in_memory_storage())
    with pytest.raises(ValueError, match="lies in the memory of this process"):
        fuse(stored, memory)
    with pytest.raises(ValueError, match=r"one session, .*give the icechunk\.Repository"):
        fuse(stored, memory.writable_session("main").store)
    with pytest.raises(FileNotFoundError, match="does not exist; check the path"):
        xstf.open_scene(f"icechunk://{tmp_path}/none")
    assert not (tmp_path / "none").exists()


KILLED = """
    import os, signal, sys, time, xstf
    from tests.archive.faults import Counted
    stored, out, notes = sys.argv[1:]
    def tell(done, total, seconds):
        if done >= 9:
            os.kill(os.getpid(), signal.SIGKILL)
    xstf.fuse_store(stored, out, Counted(folder=notes), blocksize=32, dates_per_block=1,
                    workers=2, progress=tell, commit_every=4)
"""


def run(code, *arguments, **options):
    root = Path(__file__).parents[2]
    call = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(call, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, **options)


def test_kill_9_leaves_a_repository_at_its_last_commit(stored, tmp_path, added):
    icechunk()
    notes, out = tmp_path / "notes", f"icechunk://{tmp_path}/repository"
    notes.mkdir()
    killed = run(KILLED, stored, out, notes, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert round(share_done(out).sum() * TILES) == 8
    before = calls(notes)
    fuse(stored, out, Counted(folder=str(notes)), resume=True)
    assert_same(out, added)
    assert sum(n > 1 for n in calls(notes).values()) <= len(before) - 8
