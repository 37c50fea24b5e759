"""On an NVIDIA GPU: the pictures of the CPU, for every method, on scenes of some size.

Run ``python -m pytest -m cuda`` on a machine that has one.
"""

import numpy as np
import pytest

from tests.gpu.scenes import CASES, TOLERANCE, fuse, scene
from xstf import device
from xstf.device import lacking, simulated

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        simulated() or lacking() is not None, reason=f"no GPU: {lacking() or 'simulated'}"
    ),
]
UNLIKE = 1e-3  # share of pixels with another neighbour at the end of their list, by rounding


@pytest.mark.parametrize(("method", "pairs"), CASES)
def test_the_same_picture_as_on_the_cpu(method, pairs):
    ds = scene((160, 192), 16)
    options = {"ds": ds, "quality": False, "fill": False}
    found, expected = (
        fuse(method, pairs, where, **options).fused.values for where in ("cuda", "cpu")
    )
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    off = np.abs(found - expected) > TOLERANCE[method]
    assert off.mean() <= UNLIKE


@pytest.mark.parametrize("method", ["starfm", "fsdaf"])
def test_a_block_larger_than_the_memory_is_halved(method, monkeypatch):
    import cupy

    monkeypatch.setattr(device, "_too_large", set())
    ds = scene((160, 192), 16)
    expected = fuse(method, 1, "cuda", ds).fused
    pool = cupy.get_default_memory_pool()
    before = pool.get_limit()
    pool.free_all_blocks()
    try:
        pool.set_limit(size=1_500_000)
        found = fuse(method, 1, "cuda", ds).fused
    finally:
        pool.set_limit(size=before)
    assert device._too_large
    np.testing.assert_array_equal(found, expected)


def test_two_runs_are_the_same_bit_for_bit():
    ds = scene((160, 192), 16)
    first, second = (fuse("estarfm", 2, "cuda", ds).fused for _ in range(2))
    np.testing.assert_array_equal(first, second)
