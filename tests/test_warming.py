"""Methods compiled before the first block: here, on a cluster, and where nothing can be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import xstf
from xstf.registry import find
from xstf.warming import Warm, WarmUp

ROOT = Path(xstf.__file__).parent

FIRST_BLOCKS = """
import sys, warnings
import xstf
from xstf.warming import kernels

def signatures():
    return {f"{k.__module__}.{k.__name__}": len(k.signatures) for k in kernels()}

if __name__ == "__main__":
    method, folder = sys.argv[1:]
    xstf.warm_up(methods=method)
    known = signatures()
    warnings.simplefilter("ignore")
    for bands, scale in ((("red", "nir"), 16), (("red",), 8)):
        ds, _ = xstf.simulate(size=96, scale=scale, dates=6, pairs=3, bands=bands, seed=5)
        path = xstf.save(ds, f"{folder}/{scale}.zarr")
        xstf.fuse_store(path, f"{folder}/{scale}-fused.zarr", method, blocksize=48, workers=1)
        xstf.open_scene(path).stf.fuse(method, blocksize=48).compute(scheduler="sync")
    print({k: n for k, n in signatures().items() if n != known.get(k)})
"""


def child(code, *arguments, before=(), **env):
    """Return what a program printed in a process of its own."""
    env = {k: v for k, v in {**os.environ, **env}.items() if v is not None}
    done = subprocess.run(
        [*before, sys.executable, "-P", "-c", code, *map(str, arguments)],
        capture_output=True, text=True, env=env, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_first_blocks_find_all_compiled(tmp_path):
    said = child(FIRST_BLOCKS, "fitfc", tmp_path, PYTHONPATH=str(ROOT.parent)).stdout
    assert said.splitlines()[-1] == "{}"


def test_one_process_says_what_it_has():
    found = xstf.warm_up(methods=["upsampled", find("unchanged")()])
    (warm,) = found.workers
    assert list(warm.seconds) == ["upsampled", "unchanged"]
    assert min(warm.seconds.values()) > 0
    assert warm.compiled + warm.loaded > 0
    assert Path(warm.cache).is_dir()
    assert warm.versions["xstf"] == xstf.__version__
    assert found.agree
    assert "2 methods in" in repr(found)


def test_on_a_cluster_one_worker_of_a_host_compiles_for_the_others(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        found = xstf.warm_up(client, "upsampled")
        assert {w.worker for w in found.workers} == set(client.nthreads())
    one, other = sorted(found.workers, key=lambda w: w.compiled)
    assert one.compiled == 0
    assert one.loaded > 0
    assert other.compiled > 0
    assert {w.kept for w in found.workers} == {True}
    assert all(Path(w.cache).is_relative_to(tmp_path) for w in found.workers)
    assert found.agree


def test_a_cluster_without_workers_is_refused():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        pytest.raises(ValueError, match="no workers yet"),
    ):
        xstf.warm_up(client, "add")


def unprivileged():
    """Return what a command begins with so that it obeys the modes of files, or skip."""
    if os.getuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may write anywhere, and there is no setpriv to give that up")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="modes of files are of POSIX")
def test_where_nothing_can_be_written_it_still_compiles_and_says_so(tmp_path):
    before = unprivileged()
    site, home, scratch = (tmp_path / name for name in ("site", "home", "scratch"))
    shutil.copytree(ROOT, site / "xstf", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (home, scratch):
        folder.mkdir()
    closed = [home, site, *(p for p in site.rglob("*") if p.is_dir())]
    for folder in closed:
        folder.chmod(0o555)
    try:
        env = {"PYTHONPATH": str(site), "HOME": str(home), "TMPDIR": str(scratch)}
        env |= {"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": None}
        code = "import xstf; print(xstf.__file__); print(xstf.warm_up(methods='upsampled'))"
        done = child(code, before=before, **env)
        assert done.stdout.startswith(str(site))
        assert "NOT kept in" in done.stdout
        assert "NUMBA_CACHE_DIR" in done.stdout
        assert "numba cannot keep compiled code" in done.stderr
        given = child(code, before=before, **env | {"NUMBA_CACHE_DIR": str(scratch / "own")})
        assert "; kept in" in given.stdout
        assert "numba" not in given.stderr
    finally:
        for folder in closed:
            folder.chmod(0o755)


def test_versions_that_differ_are_named():
    here = xstf.warm_up(methods="unchanged").workers[0]
    there = Warm(
        "tcp://b", "b", {"add": 2.0, "hcm": 3.0}, 4, 5, "/a", True, here.versions | {"numpy": "1.0"}
    )
    found = WarmUp((here, there))
    assert not found.agree
    assert found.differences == {"numpy": sorted(["1.0", here.versions["numpy"]])}
    assert "tcp://b on b: 2 methods in 5.0 s (most hcm, 3.0 s), 4 functions compiled" in repr(found)
    assert f"versions DIFFER: numpy 1.0, {here.versions['numpy']}" in repr(found)
