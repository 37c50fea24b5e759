"""Every method that can run on a GPU says there what it says on the CPU."""

import pytest

from tests.gpu.scenes import CASES, METHODS, TOLERANCE, assert_close, fuse


@pytest.mark.parametrize(("method", "pairs"), CASES)
def test_the_same_picture_as_on_the_cpu(method, pairs):
    assert_close(fuse(method, pairs, "cuda"), fuse(method, pairs, "cpu"), method)


def test_every_method_on_a_gpu_has_a_tolerance():
    assert set(METHODS) == set(TOLERANCE)
