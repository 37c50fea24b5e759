"""How blocks are handed out: few at a time, none twice, none lost."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import Future

import numpy as np
import pytest

import xstf
from tests.archive.faults import result
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


def started(module, *options):
    call = [sys.executable, "-m", f"distributed.cli.{module}", *options, "--no-dashboard"]
    return subprocess.Popen(call, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


OPTIONS = {"blocksize": 32, "dates_per_block": 1}


def test_kill_9_of_all_workers(stored, expected, tmp_path, client):
    killed = []

    def tell(done, *_):
        if done >= 12 and not killed:
            killed.extend(client.run(os.getpid).values())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    out = xstf.fuse_store(
        stored, tmp_path / "o.zarr", "add", client=client, progress=tell, **OPTIONS
    )  # their nannies start others
    assert len(killed) == 2
    np.testing.assert_array_equal(result(out).fused, expected)


def test_kill_9_of_the_scheduler(stored, expected, tmp_path):
    from distributed import Client

    file, out = str(tmp_path / "scheduler.json"), tmp_path / "o.zarr"
    scheduler = started("dask_scheduler", "--scheduler-file", file, "--port", "0")
    worker = started("dask_worker", "--scheduler-file", file, "--nthreads", "1", "--no-nanny")
    told = []

    def tell(done, *_):
        told.append(done)
        if done >= 12:
            scheduler.kill()

    try:
        with Client(scheduler_file=file, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            with pytest.raises(ConnectionError, match="resume=True goes on"):
                xstf.fuse_store(stored, out, "add", client=client, progress=tell, **OPTIONS)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait(20)
    assert 12 <= len(told) < 48
    xstf.fuse_store(stored, out, "add", resume=True, workers=2, **OPTIONS)
    np.testing.assert_array_equal(result(out).fused, expected)
