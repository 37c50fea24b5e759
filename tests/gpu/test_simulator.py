"""The CUDA grids in numba's simulator, which a process must be started for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xstf.device import simulated

HERE = Path(__file__).parent / "simulated"
SIMULATED = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
FILES = sorted(path.name for path in HERE.glob("test_*.py"))


@pytest.mark.skipif(simulated(), reason="this is the simulator's own process")
@pytest.mark.parametrize("file", FILES)
def test_grids_in_the_simulator(file):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / file)],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=HERE.parents[2],
        env=SIMULATED,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.skipif(simulated(), reason="this is the simulator's own process")
def test_the_script_for_hardware_runs_to_its_end(tmp_path):
    out = tmp_path / "gpu.json"
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "tests.speed.gpu", "--tiny"]
    only = ["--only", "add", "--only", "hcm", "--json", str(out)]
    done = subprocess.run(
        [*command, *only],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=HERE.parents[2],
        env=SIMULATED,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    assert [(row["method"], row["dates"]) for row in found["rows"]] == [
        ("add", 1), ("add", 2), ("hcm", 1), ("hcm", 2),
    ]  # fmt: skip
    assert all(row["share beyond"] == 0 and row["gpu seconds"] > 0 for row in found["rows"])
    assert found["simulated"]
