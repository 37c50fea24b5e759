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
from xstf.archive.bundles import in_turn
from xstf.archive.schedule import run


class Backend:
    """Runs a function when asked what is finished, the last task first."""

    def __init__(self, do, room=4, together=1):
        self.do, self.size, self.waiting = do, room, []
        self.together, self.tasks = together, []
        self.most, self.stopped = 0, 0

    def room(self):
        return self.size

    def submit(self, works):
        future = Future()
        self.waiting.append((future, works))
        self.tasks.append(works)
        self.most = max(self.most, len(self.waiting))
        return future

    def finished(self):
        future, works = self.waiting.pop()
        try:
            future.set_result(in_turn(lambda _, work: self.do(work), None, works))
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


class KilledWorker(RuntimeError):
    """As dask calls it."""


@pytest.mark.parametrize("together", [1, 8])
def test_a_block_that_kills_workers_again_and_again_is_given_up_alone(together):
    class Dying(Backend):
        def finished(self):
            future, works = self.waiting[-1]
            if 13 not in works:
                return super().finished()
            self.waiting.pop()
            future.set_exception(KilledWorker())
            return [future]

    backend = Dying(lambda work: [True], together=together)
    done, failed = ran(backend, range(30), retries=5)
    assert sorted(w for w, _ in done) == [n for n in range(30) if n != 13]
    assert [(w, type(e)) for w, e in failed] == [(13, KilledWorker)]
    assert backend.tasks.count([13]) == 1


def test_blocks_that_share_a_task_are_told_and_tried_again_one_by_one():
    tried = []

    def do(work):
        tried.append(work)
        if work % 10 == 5 and tried.count(work) <= work // 10:
            raise RuntimeError("no")
        return [True]

    backend = Backend(do, together=8)
    done, failed = ran(backend, range(40), retries=2)
    assert sorted(w for w, _ in done) == [n for n in range(40) if n != 35]
    assert [w for w, _ in failed] == [35]
    assert {n: tried.count(n) for n in (4, 5, 15, 25, 35)} == {4: 1, 5: 1, 15: 2, 25: 3, 35: 3}
    assert len(backend.tasks) < 20
    assert [35] in backend.tasks


def test_blocks_whose_time_was_up_are_handed_out_again(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("xstf.archive.bundles.time.perf_counter", lambda: now[0])

    def do(work):
        now[0] += 0.001 if work < 20 else 0.2
        return [work]

    backend = Backend(do, together=8)
    done, _ = ran(backend, range(50))
    assert sorted(done) == [(n, [n]) for n in range(50)]
    assert max(map(len, backend.tasks)) == 8
    assert backend.tasks[-1] == [49]


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
