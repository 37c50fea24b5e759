"""Window sums and weights of the nonlocal filter against plain numpy."""

import numpy as np
import pytest
from numba import njit

from xstf.kernels.transfer import fade, patch_weights


def test_weights_fade_exponentially():
    @njit
    def faded(z, out):
        for n in range(len(z)):
            out[n] = fade(z[n])

    z = np.concatenate([np.linspace(0, 20, 4001), np.geomspace(1e-9, 80, 500)]).astype("f4")
    out = np.empty_like(z)
    faded(z, out)
    np.testing.assert_allclose(out, np.exp(-z.astype(float)), rtol=2e-5, atol=1e-12)
    assert out[0] == 1
    faded(np.array([200, 1e30, np.inf], "f4"), out)
    assert (out[:3] < 1e-37).all()


@pytest.mark.parametrize("side", [1, 3, 7])
def test_patch_weights_sum_to_one_and_peak_in_the_middle(side):
    weights = patch_weights(side)
    assert weights.shape == (side, side)
    assert weights.sum() == pytest.approx(1)
    assert weights.argmax() == side * side // 2
    if side == 3:
        np.testing.assert_allclose(weights[0], 1 / 18)
