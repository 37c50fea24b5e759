"""The search for pixels that are similar in several images, and means over them."""

import numpy as np
import pytest

from xstf.kernels.likeness import dissimilarity
from xstf.kernels.similar import couples, rises, similar_means


@pytest.mark.parametrize(
    ("count", "order", "slots"),
    [
        (1, [0, 0], 1),
        (2, [0, 1], 1),
        (3, [0, 1, 2, 2], 2),
        (6, [0, 1, 2, 3, 4, 5], 3),
        (8, [0, 1, 2, 3, 4, 5, 6, 7], 2),
        (9, [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8], 3),
        (12, list(range(12)), 3),
    ],
)
def test_couples_fill_all_loops(count, order, slots):
    found, number = couples(count)
    assert found.tolist() == order
    assert number == slots


def run(images, limits, said, side, *, most=None, wanted=None, moments=None):
    """Call the kernel on images (image, y, x) that have half a window around the output."""
    far = rises(side // 2)
    order, slots = couples(len(images))
    wide = np.pad(images[order], ((0, 0), (0, 0), (0, far.shape[1] - side)), constant_values=np.nan)
    size = images.shape[1] - side + 1, images.shape[2] - side + 1
    wanted = np.ones(size, bool) if wanted is None else wanted
    count = np.full(size, -1, np.int32)
    out = np.full((said.shape[2] - 1, *size), -1, np.float32)
    sums = None if moments is None else np.full((moments.shape[2], *size), -1.0)
    share = np.arange(1, len(images) + 1, dtype="f4")
    similar_means(
        wide, limits[order], share, 1 if slots > 1 else None, 1 if slots > 2 else None, most,
        wanted, far, said, moments, count, out, sums,
    )  # fmt: skip
    return count, out, sums


def expected(images, limits, said, side, y, x, most=None):
    """Places and weights of similar pixels in the window whose corner is y, x."""
    half = side // 2
    gap = abs(images[:, y : y + side, x : x + side] - images[:, y + half, x + half, None, None])
    js, is_ = np.nonzero((gap <= limits[:, None, None]).all(axis=0))
    if most is not None:
        share = np.arange(1, len(images) + 1, dtype="f4")[:, None, None]
        best = np.argsort((gap * share).sum(axis=0)[js, is_], kind="stable")[:most]
        js, is_ = js[best], is_[best]
    far = 1 + np.hypot(js - half, is_ - half) / half
    return js, is_, 1 / (said[y + js, x + is_, 0] * far + 1e-7)


def problem(count, channels=10, shape=(21, 90), seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 1, (count, *shape)).astype("f4")
    images[:, 9, 40:43] = np.nan
    limits = np.linspace(0.3, 0.5, count).astype("f4") + np.float32(0.04 * count)
    said = rng.uniform(0, 1, (*shape, channels)).astype("f4")
    said[..., 1 : count + 1] = images[: channels - 1].transpose(1, 2, 0)
    return images, limits, said


@pytest.mark.parametrize("most", [None, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7])
def test_means_over_similar_pixels_equal_numpy(count, most):
    """Wider than one run of output pixels; missing values of a channel are left out."""
    images, limits, said = problem(count)
    said[5:8, 30:50, 9] = np.nan
    number, out, _ = run(images, limits, said, 9, most=most)
    for y, x in [(0, 0), (12, 81), (3, 36), (5, 38), (5, 63), (5, 64), (12, 0), (1, 33)]:
        js, is_, weights = expected(images, limits, said, 9, y, x, most)
        assert number[y, x] == len(js)
        if len(js) == 0:
            assert np.isnan(out[:, y, x]).all()
            continue
        for k in range(1, 10):
            values = said[y + js, x + is_, k]
            known = ~np.isnan(values)
            mean = np.average(values[known], weights=weights[known]) if known.any() else np.nan
            np.testing.assert_allclose(out[k - 1, y, x], mean, rtol=3e-6)
    assert (number[5, 36:39] == 0).all()  # the pixel itself is missing
    assert number.max() > 8 or most


def test_sums_are_exact_and_unwanted_pixels_are_left_alone():
    images, limits, said = problem(4)
    moments = np.random.default_rng(1).uniform(0, 1, (21, 90, 7)).astype("f4")
    wanted = np.random.default_rng(2).random((13, 82)) < 0.5
    wanted[3] = False
    number, out, sums = run(images, limits, said, 9, wanted=wanted, moments=moments)
    whole = run(images, limits, said, 9, moments=moments)
    for part, all_ in zip((number, out, sums), whole, strict=True):
        np.testing.assert_array_equal(part[..., wanted], all_[..., wanted])
        assert (part[..., ~wanted] == -1).all()
    for y, x in [(4, 4), (12, 81)]:
        js, is_, _ = expected(images, limits, said, 9, y, x)
        np.testing.assert_allclose(
            whole[2][:, y, x], moments[y + js, x + is_].sum(axis=0, dtype=float), rtol=1e-13
        )


@pytest.mark.parametrize("channels", [2, 8, 15, 16, 17, 64, 72, 100])
def test_a_channel_is_the_same_bits_among_any_number_of_others(channels):
    images, limits, said = problem(3, 100)
    _, whole, _ = run(images, limits, said, 9)
    _, part, _ = run(images, limits, np.ascontiguousarray(said[..., :channels]), 9)
    np.testing.assert_array_equal(part, whole[: channels - 1])


def test_perfectly_alike_neighbours_share_the_weight():
    images = np.zeros((2, 5, 5), "f4")
    said = np.zeros((5, 5, 8), "f4")
    said[..., 0] = 0.5
    said[1, 3, :2] = 0, 1
    said[4, 0, :2] = 0, 3
    _, out, _ = run(images, np.ones(2, "f4"), said, 5)
    np.testing.assert_allclose(out[0, 0, 0], 2, rtol=1e-5)


@pytest.mark.parametrize(("pairs", "bands"), [(2, 3), (1, 3), (2, 1), (1, 2), (2, 2)])
def test_dissimilarity_is_one_minus_the_correlation(pairs, bands):
    rng = np.random.default_rng(0)
    fine, coarse = rng.uniform(0.05, 0.5, (2, pairs, bands, 4, 5)).astype("f4")
    fine[:, :, 0, 0] = 0.2  # no variance
    coarse[0, 0, 1, 1] = np.nan
    coarse[:, :, 2, 2] = fine[:, :, 2, 2]
    out = np.empty((4, 5), np.float32)
    dissimilarity(fine, coarse, out)
    f, c = (a.reshape(pairs * bands, -1).astype(float) for a in (fine, coarse))
    if pairs * bands > 2:
        known = [
            1 - np.corrcoef(a, b)[0, 1] if np.ptp(a) else 0.5 for a, b in zip(f.T, c.T, strict=True)
        ]
    else:
        known = abs((f - c) / (f + c)).mean(axis=0)
    known = np.nan_to_num(np.array(known), nan=0.5)
    np.testing.assert_allclose(out.ravel(), known, atol=1e-7)
    assert out[2, 2] >= 0
