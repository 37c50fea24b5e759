"""The CUDA grids in numba's simulator, which a process must be started for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xstf.device import simulated

HERE = Path(__file__).parent / "simulated"
FILES = sorted(path.name for path in HERE.glob("test_*.py"))


@pytest.mark.skipif(simulated(), reason="this is the simulator's own process")
@pytest.mark.parametrize("file", FILES)
def test_grids_in_the_simulator(file):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / file)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=HERE.parents[2],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
