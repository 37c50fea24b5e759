"""The most alike neighbours within a tolerance against a full sort."""

import numpy as np
import pytest

from xstf.kernels.nearest import SHIFT, most_alike, rings

FLOOR = np.float32(1e-12)


def search(fine, alike, radius, most):
    """Offsets, weights and numbers for all pixels but those within the radius of the edge."""
    far = rings(radius)
    padded = np.pad(
        fine, [(0, 0), (0, 0), (0, far.shape[1] - far.shape[0])], constant_values=np.nan
    )
    size = fine.shape[1] - 2 * radius, fine.shape[2] - 2 * radius
    offset, count = np.empty((*size, most), np.int32), np.empty(size, np.int32)
    weight = np.empty(offset.shape, np.float32)
    most_alike(padded, np.full(len(fine), alike, np.float32), FLOOR, far, offset, weight, count)
    return offset, weight, count


def ranked(fine, alike, radius, y, x):
    """Scores and weights of the window of a pixel; infinite and 0 beyond the tolerance."""
    side = 2 * radius + 1
    middle = fine[:, y + radius, x + radius, None, None]
    off = abs(fine[:, y : y + side, x : x + side] - middle)
    gap = (off.astype(float) / (abs(middle) + FLOOR)).sum(axis=0)
    far = rings(radius)[:, :side].astype(float)
    near = (off <= np.float32(alike)).all(axis=0)
    score = np.where(near, (gap + 1e-5) * (10 + far), np.inf)
    return score, np.where(near, 1 / ((1 + far) * (1 + gap)), 0)


def image(kind, bands):
    rng = np.random.default_rng(7)
    if kind == "noise":
        return rng.random((bands, 30, 34), np.float32)
    if kind == "steps":  # few values: many equal scores
        return rng.choice(np.array([-0.5, 0.25, 0.5], "f4"), (bands, 30, 34))
    if kind == "flat":
        return np.full((bands, 30, 34), 0.25, np.float32)
    holes = rng.random((bands, 30, 34), np.float32)
    holes[0, 5:20, 8:25] = np.nan
    holes[-1, 23:, :20] = -np.nan
    return holes


def places(offset):
    return [(int(o) >> SHIFT, int(o) & ((1 << SHIFT) - 1)) for o in offset]


@pytest.mark.parametrize("kind", ["noise", "steps", "flat", "holes"])
@pytest.mark.parametrize("alike", [0, 0.05, 0.3, 5])
@pytest.mark.parametrize(
    ("bands", "radius", "most"), [(1, 3, 5), (3, 6, 20), (2, 1, 9), (2, 8, 60)]
)
def test_equals_a_full_sort(kind, alike, bands, radius, most):
    fine = image(kind, bands)
    offset, weight, count = search(fine, alike, radius, most)
    for y, x in np.ndindex(count.shape):
        score, says = ranked(fine, alike, radius, y, x)
        assert count[y, x] == min(most, np.isfinite(score).sum())
        found = places(offset[y, x, : count[y, x]])
        assert len(set(found)) == len(found)
        assert (radius, radius) in found or count[y, x] == 0
        scores = np.sort([score[p] for p in found])
        np.testing.assert_allclose(scores, np.sort(score, axis=None)[: len(found)], rtol=1e-6)
        np.testing.assert_allclose(weight[y, x, : len(found)], [says[p] for p in found], rtol=1e-6)
        if kind in ("steps", "flat"):  # what is equal here is so in any precision
            order = np.argsort(score.astype("f4"), axis=None, kind="stable")[: len(found)]
            assert sorted(found) == sorted(divmod(int(o), len(score)) for o in order)


def test_what_came_before_does_not_matter():
    """The search of a pixel starts from the limit of the last one, but its list is its own."""
    fine = image("holes", 2)
    whole = search(fine, 0.2, 4, 12)
    assert (whole[2] == 12).any()
    assert ((whole[2] > 0) & (whole[2] < 12)).any()
    for first in (1, 7, 19):
        part = search(fine[:, :, first:], 0.2, 4, 12)
        for a, b in zip(part[:3], whole[:3], strict=True):
            known = np.arange(12) < part[2][..., None] if a.ndim == 3 else True
            np.testing.assert_array_equal(np.where(known, a, 0), np.where(known, b[:, first:], 0))
