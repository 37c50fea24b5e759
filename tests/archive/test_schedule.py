"""How blocks are handed out: few at a time, none twice, none lost."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

import xstf
from tests.archive.faults import Counted, result
from xstf.archive.schedule import run


class Backend:
    """Runs a function when asked what is finished, the last block first."""

    def __init__(self, do, room=4):
        self.do, self.size, self.waiting = do, room, []
        self.most, self.stopped = 0, 0

    def room(self):
        return self.size

    def submit(self, work):
        future = Future()
        self.waiting.append((future, work))
        self.most = max(self.most, len(self.waiting))
        return future

    def finished(self):
        future, work = self.waiting.pop()
        try:
            future.set_result(self.do(work))
        except BaseException as error:
            future.set_exception(error)
        return [future]

    def stop(self):
        self.stopped += 1


def ran(backend, works, retries=0):
    done, failed = [], []
    run(
        backend,
        works,
        lambda w, r: done.append((w, r)),
        lambda w, e: failed.append((w, e)),
        retries,
    )
    return done, failed


def test_every_block_runs_once_and_few_are_under_way():
    backend, taken = Backend(lambda work: work * 2), []

    def works():
        for n in range(20):
            taken.append(n)
            assert n - len(done_so_far) < 5
            yield n

    done_so_far = []
    run(backend, works(), lambda w, r: done_so_far.append((w, r)), None, 0)
    assert sorted(done_so_far) == [(n, 2 * n) for n in range(20)]
    assert backend.most == 4
    assert backend.stopped == 1


def test_nothing_to_do_ends():
    assert ran(Backend(None), []) == ([], [])


@pytest.mark.parametrize(
    ("error", "tries"), [(RuntimeError, 3), (OSError, 3), (ValueError, 1), (TypeError, 1)]
)
def test_what_may_pass_is_tried_again(error, tries):
    tried = []

    def do(work):
        tried.append(work)
        if work == 1:
            raise error("no")
        return [True]

    done, failed = ran(Backend(do), range(4), retries=2)
    assert tried.count(1) == tries
    assert len(done) == 3
    assert [(w, type(e)) for w, e in failed] == [(1, error)]


def test_a_worker_that_a_block_kills_again_and_again_is_not_given_it_once_more():
    class KilledWorker(RuntimeError):
        pass

    def do(work):
        raise KilledWorker

    _, failed = ran(Backend(do), [0], retries=5)
    assert len(failed) == 1


def test_a_full_disk_ends_the_run():
    def do(work):
        if work == 2:
            raise OSError(errno.ENOSPC, "full")
        return [True]

    backend = Backend(do, room=1)
    done = []
    with pytest.raises(OSError, match="full"):
        run(backend, range(100), lambda w, r: done.append(w), None, 5)
    assert done == [0, 1]
    assert backend.stopped == 1


def test_what_ends_while_a_run_is_stopped_is_marked():
    class Late(Backend):
        def stop(self):
            while self.waiting:
                self.finished()

    done = []

    def finish(work, _):
        done.append(work)
        if len(done) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Late(lambda work: [True]), range(10), finish, None, 0)
    assert sorted(done) == [0, 1, 2, 3]


@pytest.mark.parametrize("who", ["workers", "scheduler"])
def test_kill_9_of_a_cluster(stored, scene, tmp_path, who):
    from distributed import Client

    def start(module, *options):
        call = [sys.executable, "-m", f"distributed.cli.{module}", *options]
        return subprocess.Popen(call, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    file, out = str(tmp_path / "scheduler.json"), tmp_path / "o.zarr"
    where = ("--scheduler-file", file)
    scheduler = start("dask_scheduler", *where, "--port", "0", "--no-dashboard")
    workers = [start("dask_worker", *where, "--no-dashboard", "--nthreads", "1") for _ in "ab"]
    (tmp_path / "notes").mkdir()
    killed = threading.Event()

    def tell(done, *_):
        if done >= 12 and not killed.is_set():
            killed.set()
            if who == "scheduler":
                scheduler.kill()
            else:
                for pid in client.run(os.getpid).values():
                    os.kill(pid, signal.SIGKILL)

    options = {"blocksize": 32, "dates_per_block": 1}
    method = Counted(folder=str(tmp_path / "notes"))
    try:
        with Client(scheduler_file=file, timeout=30) as client:
            client.wait_for_workers(2, timeout=30)
            if who == "workers":  # their nannies start others
                xstf.fuse_store(stored, out, method, client=client, progress=tell, **options)
            else:
                with pytest.raises(ConnectionError, match="resume=True goes on"):
                    xstf.fuse_store(stored, out, method, client=client, progress=tell, **options)
    finally:
        for process in (*workers, scheduler):
            process.terminate()
            process.wait(20)
    assert killed.is_set()
    time.sleep(0.1)
    xstf.fuse_store(stored, out, method, resume=True, workers=2, **options)
    expected = scene.stf.fuse("add").compute(scheduler="threads")
    np.testing.assert_array_equal(result(out).fused, expected)
