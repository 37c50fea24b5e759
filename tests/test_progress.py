"""Progress counts output blocks, whatever dask fuses them with."""

import io
import time

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xstf
from xstf import progress as module
from xstf.progress import blocks_of, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


@pytest.fixture
def fused(tiny):
    return xstf.fuse(tiny[0], "add", blocksize=24)


def counted(run, total=1000):
    """Return the output blocks that a computation reports."""
    meter = module.Meter(total, "test", io.StringIO())
    with module._Blocks(meter):
        run()
    return meter.finished


def to_zarr(fused, folder):
    with dask.config.set(scheduler="synchronous"):
        fused.to_dataset(name="fused").to_zarr(folder / "a.zarr", consolidated=False, zarr_format=3)


def store(fused, folder):
    da.store(fused.data, np.zeros(fused.shape, "f4"), lock=False)


def save(fused, folder):
    xstf.save(fused, folder / "b.zarr")


def tifs(fused, folder):
    xstf.write_images(fused, folder / "tifs")


def each_date(fused, folder):
    for t in range(fused.sizes["time"]):
        fused.isel(time=t).compute()


def shifted(fused, folder):
    (fused * 2 + 1).astype("float64").compute()


def unfused(fused, folder):
    with dask.config.set({"optimization.fuse.active": False}):
        fused.compute()


@pytest.mark.parametrize(
    "run",
    [to_zarr, store, save, tifs, each_date, shifted, unfused, lambda f, _: f.compute(),
     lambda f, _: f.mean().compute()],
)  # fmt: skip
def test_every_block_is_counted_once(fused, tmp_path, run):
    keys = counted(lambda: run(fused, tmp_path))
    assert len(keys) == fused.data.npartitions == 2 * 2 * 2
    assert {key[0] for key in keys} == {fused.data.name}


def test_only_what_is_computed_counts(fused):
    assert len(counted(fused[:1, :, :32, :32].compute)) == 1


def test_other_layers_and_arrays_do_not_count():
    scene, _ = xstf.simulate("parcels", size=48, scale=8, dates=3, bands=("red", "nir"))
    both = xstf.fuse(scene, "fsdaf", quality=True, window=11, blocksize=24, small=10)
    assert len(counted(both["similar"].compute)) == 0
    assert len(counted(both.compute)) == both["fused"].data.npartitions
    assert counted(da.ones((4, 4), chunks=2).sum().compute) == set()
    assert counted(xr.DataArray(da.ones(4, chunks=2), name="stf-x-fused-y").compute) == set()


def test_an_alias_makes_nothing():
    from dask._task_spec import Alias

    key = ("stf-add-fused-" + "0" * 32, 0, 0, 0, 0)
    assert blocks_of(Alias(("x", 0), key)) == []
    assert blocks_of(None) == []


def test_a_quick_job_says_nothing_to_a_log(fused):
    log = io.StringIO()
    with progress(fused.data.npartitions, "add", log):
        fused.compute()
    assert log.getvalue() == ""


def test_a_log_gets_lines_at_tenths(clock):
    log = io.StringIO()
    meter = module._Log(40, "fsdaf", log)
    for n in range(40):
        clock.now += 1.5
        meter.add([n])
    lines = log.getvalue().splitlines()
    assert lines[0] == "fsdaf: 10 %, 4 of 40 blocks, 6 s, about 54 s left"
    assert [line.split()[1] for line in lines] == [str(n) for n in range(10, 101, 10)]


def test_a_log_waits_two_seconds_and_one_between_lines(clock):
    log = io.StringIO()
    meter = module._Log(10, "add", log)
    for n, now in enumerate([0.5, 1.9, 2.1, 2.2, 2.3, 3.2]):
        clock.now = now
        meter.add([n])
    assert [line.split()[1] for line in log.getvalue().splitlines()] == ["30", "60"]


def test_a_terminal_sees_one_line_that_is_wiped(fused, terminal):
    with progress(fused.data.npartitions, "add", terminal):
        assert "add [" + "." * 24 + "] 0/8 blocks" in terminal.getvalue()
        fused.compute()
    text = terminal.getvalue()
    assert "\n" not in text
    assert text.endswith("\r" + " " * 79 + "\r")


def test_a_bar_is_rewritten_at_most_five_times_a_second(clock, terminal):
    meter = module._Bar(1000, "add", terminal)
    for n in range(1000):
        clock.now += 0.01
        meter.add([n])
    assert 40 <= terminal.getvalue().count("\r") <= 51
    assert "995/1000 blocks, 10 s, about 0 s left" in _last(meter, clock, terminal)


def _last(meter, clock, terminal):
    meter.finished = set(range(995))
    meter._write()
    return terminal.getvalue()


def test_a_narrow_terminal_keeps_to_one_line(clock, terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    meter = module._Bar(10, "a long name of a method", terminal)
    meter.add([1])
    meter.end()
    assert max(map(len, terminal.getvalue().split("\r"))) == 29


def test_a_dumb_terminal_is_a_log(fused, terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with progress(fused.data.npartitions, "add", terminal):
        fused.compute()
    assert terminal.getvalue() == ""


def test_an_error_passes_and_wipes_the_bar(terminal):
    with pytest.raises(ZeroDivisionError), progress(4, "add", terminal):
        raise ZeroDivisionError
    assert terminal.getvalue().endswith("\r")


def test_nothing_is_told_after_the_context(fused):
    with progress(8, "add", io.StringIO()):
        pass
    assert not dask.callbacks.Callback.active


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.4, "3 s"), (99, "99 s"), (100, "2 min"), (6000, "1 h 40 min")]
)
def test_durations(seconds, text):
    assert module._duration(seconds) == text


def test_the_clock_is_monotonic():
    assert module.time is time


def test_a_function_is_told_of_every_block(clock):
    told = []
    with module.meter_of(4, "add", lambda *given: told.append(given)) as meter:
        for keys in (["a"], ["b", "c"], ["a"]):
            clock.now += 2
            meter.add(keys)
        meter.note("unheard")
    assert told == [(1, 4, 2.0), (3, 4, 4.0)]


@pytest.mark.parametrize("to", [False, None])
def test_nothing_is_shown_where_nobody_asks(to, capsys):
    with module.meter_of(4, "add", to) as meter:
        meter.add(["a"])
        meter.note("unheard")
    assert capsys.readouterr() == ("", "")


def test_notes_have_lines_of_their_own(terminal):
    log = io.StringIO()
    for file in (log, terminal):
        with module.meter_of(4, "add", file) as meter:
            meter.note("failed: there")
    assert log.getvalue() == "failed: there\n"
    lines = terminal.getvalue().split("\n")
    assert len(lines) == 2
    assert lines[0].endswith("\rfailed: there")
    assert "0/4 blocks" in lines[1]
