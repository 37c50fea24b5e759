"""The spectrally closest neighbours against a full sort."""

import numpy as np
import pytest

from xstf.kernels.closest import closest, ties
from xstf.kernels.nearest import SHIFT
from xstf.kernels.window import distances


def search(fine, radius, most, smallest=1e-9):
    """Offsets, weights and numbers for all pixels but those within the radius of the edge."""
    tie = ties(radius, smallest)
    near = distances(radius, 5.0)
    padded = np.pad(
        fine, [(0, 0), (0, 0), (0, tie.shape[1] - tie.shape[0])], constant_values=np.nan
    )
    size = fine.shape[1] - 2 * radius, fine.shape[2] - 2 * radius
    offset, count = np.empty((*size, most), np.int32), np.empty(size, np.int32)
    weight = np.empty(offset.shape, np.float32)
    closest(padded, tie, near, offset, weight, count)
    return offset, weight, count, tie, near


def sorted_out(fine, tie, y, x, most):
    """The places (row, column in the window) of the closest, ties by row order."""
    side = len(tie)
    part = fine[:, y : y + side, x : x + side]
    middle = fine[:, y + side // 2, x + side // 2]
    gap = tie[:, :side] + ((part - middle[:, None, None]) ** 2).sum(axis=0, dtype=np.float32)
    order = np.argsort(np.where(np.isnan(gap), np.inf, gap), axis=None, kind="stable")
    return [divmod(int(o), side) for o in order[: min(most, np.isfinite(gap).sum())]]


def image(kind, bands):
    rng = np.random.default_rng(7)
    if kind == "noise":
        return rng.random((bands, 34, 40), np.float32)
    if kind == "steps":  # few values: many equal distances
        return rng.integers(0, 3, (bands, 34, 40)).astype("f4") / 4
    if kind == "flat":
        return np.full((bands, 34, 40), 0.25, np.float32)
    holes = rng.random((bands, 34, 40), np.float32)
    holes[0, 5:20, 8:25] = np.nan
    holes[-1, 25:, :20] = -np.nan
    return holes


@pytest.mark.parametrize("kind", ["noise", "steps", "flat", "holes"])
@pytest.mark.parametrize(
    ("bands", "radius", "most"), [(1, 3, 5), (3, 5, 20), (2, 1, 9), (2, 8, 100), (1, 2, 24)]
)
def test_equals_a_full_sort(kind, bands, radius, most):
    fine = image(kind, bands)
    offset, weight, count, tie, near = search(fine, radius, most)
    for y, x in np.ndindex(count.shape):
        expected = sorted_out(fine, tie, y, x, most)
        assert count[y, x] == len(expected)
        found = offset[y, x, : count[y, x]]
        places = [(int(o) >> SHIFT, int(o) & ((1 << SHIFT) - 1)) for o in found]
        if kind in ("flat", "holes", "noise") and bands == 1:  # no sum whose rounding may differ
            assert sorted(places) == sorted(expected)
        assert (radius, radius) in places or count[y, x] == 0
        np.testing.assert_array_equal(weight[y, x, : count[y, x]], [near[p] for p in places])
        gaps = [sorted(_gaps(fine, tie, y, x, p)) for p in (places, expected)]
        np.testing.assert_allclose(*gaps, rtol=1e-6, atol=1e-12)


def _gaps(fine, tie, y, x, places):
    half = len(tie) // 2
    middle = fine[:, y + half, x + half].astype(float)
    return [tie[p] + ((fine[:, y + p[0], x + p[1]] - middle) ** 2).sum() for p in places]


def test_of_equally_close_neighbours_the_nearest_are_taken():
    offset, _, count, tie, _ = search(image("flat", 2), 6, 21)
    assert (count == 21).all()
    assert (offset == offset[0, 0]).all()
    far = [np.hypot((o >> SHIFT) - 6, (o & ((1 << SHIFT) - 1)) - 6) for o in offset[0, 0]]
    assert max(far) == np.sqrt(5)  # 21 pixels lie within, 12 more at the next distance


def test_what_came_before_does_not_matter():
    """The search of a pixel starts from the limit of the last one, but its list is its own."""
    fine = image("holes", 2)
    whole = search(fine, 4, 12)
    for first in (1, 7, 19):
        part = search(fine[:, :, first:], 4, 12)
        for a, b in zip(part[:3], whole[:3], strict=True):
            known = np.arange(12) < part[2][..., None] if a.ndim == 3 else True
            np.testing.assert_array_equal(np.where(known, a, 0), np.where(known, b[:, first:], 0))


def test_the_scale_of_values_does_not_matter():
    fine = image("noise", 2)
    a = search(fine, 4, 12, 1e-7)
    for factor in (2.0**-12, 2.0**14):
        b = search(fine * np.float32(factor), 4, 12, 1e-7 * factor**2)
        for one, other in zip(a[:3], b[:3], strict=True):
            np.testing.assert_array_equal(one, other)
