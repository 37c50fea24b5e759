"""What the library logs under the name xstf, and that it says nothing by itself."""

import logging
import subprocess
import sys
import warnings

import pytest

import xstf
from tests.archive.faults import Null
from tests.networks import TINY, lesson
from xstf.archive import schedule


@pytest.fixture
def stored(tiny, tmp_path):
    return xstf.save(tiny[0], tmp_path / "scene.zarr")


def said(caplog, level):
    return [r.getMessage() for r in caplog.records if r.levelno == level]


def test_a_run_logs_its_beginning_and_its_end(stored, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "xstf"):
        xstf.fuse_store(stored, tmp_path / "o.zarr", "add", blocksize=32)
    first, last = said(caplog, logging.INFO)
    assert first.endswith("o.zarr: add, 8 of 8 blocks to do")
    assert last.endswith("o.zarr: 8 blocks done, 0 failed")


def test_blocks_that_are_tried_again_or_fail_are_logged(stored, tmp_path, caplog, monkeypatch):
    do, tries = schedule.do, []

    def fails(job, work):
        if (work.row, work.column) == (0, 1):
            tries.append(work)
            raise RuntimeError("lost")
        return do(job, work)

    monkeypatch.setattr(schedule, "do", fails)
    with caplog.at_level(logging.INFO, "xstf"), pytest.raises(xstf.BlocksFailed):
        xstf.fuse_store(stored, tmp_path / "o.zarr", Null(), blocksize=32, retries=1)
    assert len(tries) == 2 * len(said(caplog, logging.WARNING))
    assert all("column=1" in line and "lost" in line for line in said(caplog, logging.WARNING))
    assert all("columns 32-63" in line for line in said(caplog, logging.ERROR))


def test_trainings_and_comparisons_log_their_steps(tiny, caplog):
    with caplog.at_level(logging.INFO, "xstf"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so short a training beats nothing
        xstf.fit(lesson()[0], "hcnn", progress=False, **TINY["hcnn"])
    lines = said(caplog, logging.INFO)
    assert [line.split(":")[0] for line in lines] == ["stage 1, epoch 1", "stage 1, epoch 2"]
    caplog.clear()
    ds = tiny[0].assign(fine=tiny[1], fine_observed=("time", [True] * 4))
    with caplog.at_level(logging.INFO, "xstf"):
        ds.stf.compare("add", dates="2020-04-17", metrics=["rmse"])
    assert len(said(caplog, logging.INFO)) == 5
    assert said(caplog, logging.INFO)[0].startswith("unchanged 2020-04-17 predicted in")


def test_nobody_hears_what_is_logged_who_does_not_listen():
    code = "import logging, xstf; logging.getLogger('xstf.archive').error('lost')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
