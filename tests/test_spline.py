"""The lattice spline against one global thin-plate spline."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests import oracles
from xstf.kernels.resample import upsample
from xstf.kernels.spline import SEGMENT, WHOLE, cardinal, continuation, extend


def spline(cells, scale):
    wide = extend(cells[None], continuation(cells.shape, 8), 8)
    return upsample(wide, "tps", scale)[0]


def field(shape, seed=0, smooth=1.5):
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), smooth)
    return image / image.std()


@pytest.mark.parametrize("shape", [(12, 9), (20, 24)])
@pytest.mark.parametrize("scale", [3, 4])
def test_equals_the_global_spline_to_the_very_edge(shape, scale):
    cells = field(shape)
    np.testing.assert_allclose(spline(cells, scale), oracles.spline(cells, scale), atol=5e-5)


def test_weights_sum_to_one_and_planes_come_back():
    np.testing.assert_allclose(cardinal(4, 8).sum(axis=(0, 1)), 1, atol=1e-6)
    y, x = np.mgrid[:14, :11].astype(float)
    fine_y, fine_x = np.mgrid[: 14 * 3, : 11 * 3] / 3 + 0.5 / 3 - 0.5
    found = spline(0.3 + 0.02 * y - 0.01 * x, 3)
    np.testing.assert_allclose(found, 0.3 + 0.02 * fine_y - 0.01 * fine_x, atol=2e-6)


def test_passes_through_the_cell_centres():
    cells = field((10, 10))
    np.testing.assert_allclose(spline(cells, 5)[2::5, 2::5], cells, atol=2e-5)


def test_large_scenes_are_continued_piece_by_piece():
    shape = (WHOLE + 8, WHOLE + 21)
    cells = field(shape, smooth=2)
    whole = oracles.spline(cells, 2)
    off = abs(spline(cells, 2) - whole)
    assert len(continuation(shape, 8)) > 2 * (shape[0] // SEGMENT)
    assert off.max() < 0.02
    assert off[8:-8, 8:-8].max() < 1e-4


def test_a_missing_cell_is_bridged():
    cells = field((12, 12))
    cells[5, 6] = np.nan
    found = spline(cells, 4)
    assert not np.isnan(found).any()
    assert abs(found[20:24, 24:28] - np.nanmean(cells[4:7, 5:8])).max() < 1.5


def test_a_single_row_of_cells_repeats_its_edge():
    cells = field((1, 12))
    assert continuation(cells.shape, 8) == []
    assert np.isfinite(spline(cells, 4)).all()


def test_bits_do_not_depend_on_the_threads_of_blas():
    code = (
        "import numpy as np, hashlib; from xstf.kernels.spline import continuation, extend;"
        "image = np.random.default_rng(0).random((1, 40, 37)).astype('f4');"
        "wide = extend(image, continuation((40, 37), 8), 8);"
        "print(hashlib.sha1(wide.tobytes()).hexdigest())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    ]
    assert said[0] == said[1]
    assert said[0].strip()
