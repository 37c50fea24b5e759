"""Disks that are full, and outputs that may not be written: told, nothing lost, and resumed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

import xstf
from tests.archive.test_places import icechunk, result
from xstf.archive.manifest import share_done

BLOCKS = 4 * 2 * 3  # dates, and tiles of 48 pixels


@pytest.fixture(scope="module")
def added(scene):
    return scene.stf.fuse("add").compute()


def fuse(stored, out, **options):
    return xstf.fuse_store(stored, out, "add", blocksize=48, dates_per_block=1, **options)


def assert_honest(out, expected):
    """Raise unless all that is marked is there and right; return how much that is."""
    done = np.asarray(share_done(out))
    found = result(out).fused
    for date in np.flatnonzero(done == 1):
        np.testing.assert_array_equal(found[date], expected[date])
    return round(done.sum() * BLOCKS / 4)


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of its own, and what gives that another size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size, *more):
        call = ["mount", "-t", "tmpfs", "-o", ",".join([*more, f"size={size}"]), "tmpfs", folder]
        try:
            return subprocess.run(call, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"a small disk cannot be mounted here: {error}")

    done = mount("400k")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder, lambda size: mount(size, "remount")
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("kind", ["folder", "icechunk"])
def test_a_full_disk(stored, small_disk, kind, added):
    folder, resize = small_disk
    out = folder / "o.zarr" if kind == "folder" else f"icechunk://{icechunk() and folder}/o"
    options = {"commit_every": 4} if kind == "icechunk" else {}
    (folder / "other").write_bytes(bytes(150_000))
    with pytest.raises(OSError, match="No space left on device; what is done is kept") as caught:
        fuse(stored, out, **options)
    assert "resume=True goes on" in str(caught.value)
    assert caught.value.filename == str(out)
    assert 0 < assert_honest(out, added) < BLOCKS
    resize("8m")
    fuse(stored, out, resume=True, **options)
    np.testing.assert_array_equal(result(out).fused, added)


@pytest.mark.parametrize("kind", ["folder", "icechunk"])
def test_a_disk_that_is_full_before_the_first_block(stored, small_disk, kind, added):
    folder, resize = small_disk
    out = folder / "o.zarr" if kind == "folder" else f"icechunk://{icechunk() and folder}/o"
    (folder / "other").write_bytes(bytes(390_000))
    with pytest.raises(OSError, match="No space left on device"):
        fuse(stored, out)
    assert not (folder / "o.zarr").exists()
    resize("8m")
    np.testing.assert_array_equal(result(fuse(stored, out)).fused, added)


READ_ONLY = """
    import json, os, sys, xstf
    from pathlib import Path
    stored, folder = map(Path, sys.argv[1:])
    said = []

    def fuse(out, **options):
        try:
            xstf.fuse_store(stored, out, "add", blocksize=48, dates_per_block=1, **options)
        except OSError as error:
            said.append([type(error).__name__, str(error)])

    def allow(out, mode):
        for place in (out, *out.rglob("*")):
            if place.is_dir():
                place.chmod(mode)

    def tell(done, *_):
        if done == 7:
            allow(out / "fused", 0o500)

    fuse(folder / "root.zarr")  # what is imported now need not be readable later
    if os.geteuid() == 0:  # who may write everywhere
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    locked, out = folder / "locked", folder / "o.zarr"
    locked.mkdir(mode=0o500)
    fuse(locked / "o.zarr")
    fuse(out, progress=tell, workers=1)
    allow(out / "fused", 0o700)
    print(json.dumps(said))
"""


@pytest.fixture
def folder():
    """Return a folder that all users can write."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="folders have other rights there")
def test_an_output_that_may_not_be_written(stored, folder, added):
    scene = shutil.copytree(stored, folder / "scene.zarr")
    root = Path(__file__).parents[2]
    call = [sys.executable, "-c", textwrap.dedent(READ_ONLY), scene, folder]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True)
    if "Operation not permitted" in done.stderr:
        pytest.skip("root cannot become another user here, and may write everywhere")
    assert done.returncode == 0, done.stderr
    before, during = json.loads(done.stdout)
    assert before[0] == "PermissionError"
    assert "locked" in before[1]
    assert during[0] == "OSError"
    assert "Read-only file system; what is done is kept, and when that is mended" in during[1]
    assert "resume=True goes on" in during[1]
    assert str(folder / "o.zarr") in during[1]
    assert not list((folder / "locked").iterdir())
    assert 7 <= assert_honest(folder / "o.zarr", added) <= 9
    fuse(scene, folder / "o.zarr", resume=True)
    np.testing.assert_array_equal(result(folder / "o.zarr").fused, added)
