"""How many blocks share a task, and what a task says of them."""

import errno
import pickle

import pytest

from xstf.archive import bundles
from xstf.archive.bundles import SLICE, TOGETHER, Asked, Bundles, in_turn, portable


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test sets forward."""
    now = [100.0]
    monkeypatch.setattr(bundles.time, "perf_counter", lambda: now[0])
    return now


def works_of(taken):
    return [asked.work for asked in taken]


def test_quick_blocks_go_together_and_slow_ones_alone():
    waiting = Bundles(range(100), TOGETHER)
    assert works_of(waiting.next()) == [0]
    waiting.learn(SLICE / 10.5)
    assert works_of(waiting.next()) == list(range(1, 11))
    waiting.learn(SLICE / 1e6)
    assert works_of(waiting.next()) == list(range(11, 11 + TOGETHER))
    waiting.learn(SLICE * 3)
    assert works_of(waiting.next()) == [11 + TOGETHER]


def test_what_is_taken_back_comes_next():
    waiting = Bundles(range(10), 4)
    waiting.learn(1e-6)
    first = waiting.next()
    waiting.leave(first[1:])
    waiting.single_out([Asked("a", 1), Asked("b", 2)])
    assert [waiting.next() for _ in "ab"] == [[Asked("a", 1)], [Asked("b", 2)]]
    assert works_of(waiting.next()) == [1, 2, 3, 4]
    assert works_of(waiting.next()) == [5, 6, 7, 8]
    assert works_of(waiting.next()) == [9]
    assert waiting.next() == []


def test_blocks_are_done_until_their_time_is_up(clock):
    def do(job, work):
        clock[0] += work
        return job, work

    told = in_turn(do, "job", [SLICE / 2, SLICE / 4, SLICE / 2, SLICE])
    assert told.results == tuple(("job", SLICE / n) for n in (2, 4, 2))
    assert told.seconds == pytest.approx(1.25 * SLICE / 3)
    assert len(in_turn(do, "job", [5 * SLICE, 0]).results) == 1


def test_a_block_that_fails_leaves_the_others_alone():
    class Local(Exception):
        """Cannot be found by another process."""

    def do(job, work):
        if work == 1:
            raise Local(f"{work} of {job}")
        return [True]

    told = in_turn(do, 7, range(3))
    assert told.results[::2] == ([True], [True])
    assert repr(told.results[1]) == "RuntimeError('Local: 1 of 7')"
    assert "raise Local(f" in told.results[1].__notes__[0]
    assert repr(pickle.loads(pickle.dumps(told)).results[1]) == repr(told.results[1])


def test_nothing_is_begun_on_a_full_disk():
    begun = []

    def do(job, work):
        begun.append(work)
        raise OSError(errno.ENOSPC, "full")

    assert in_turn(do, None, range(3)).results[0].errno == errno.ENOSPC
    assert begun == [0]


def test_an_error_is_kept_without_the_images_of_its_frames():
    try:
        raise KeyError("x") from ValueError("y")
    except KeyError as error:
        found = portable(error)
    assert isinstance(found, KeyError)
    assert found.__traceback__ is None
    assert found.__cause__ is None
    assert "ValueError: y" in found.__notes__[0]
