"""Upsampling against the plain definition: a sum over all cells, in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xstf.kernels.resample import REACH, upsample

HOW = ("nearest", "linear", "cubic")
SCALES = (1, 2, 3, 5, 8, 16)


def hat(d):
    return np.maximum(0, 1 - np.abs(d))


def keys(d):
    """Return the cubic convolution kernel of Keys (1981), eq 4 with a = -1/2."""
    d = np.abs(d)
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def box(d):
    return ((d >= -0.5) & (d < 0.5)).astype(float)


KERNEL = {"nearest": box, "linear": hat, "cubic": keys}


def weights_of(how, places, cells):
    """Return (fine pixels, cells) weights of an axis; places in cells, cell k centred at k."""
    weights = KERNEL[how](places[:, None] - np.arange(cells))
    weights[np.abs(weights) < 1e-12] = 0
    return weights


def places_of(cells, reach, scale):
    fine = np.arange((cells - 2 * reach) * scale)
    return (fine + 0.5) / scale - 0.5 + reach


def plain(cells, how, scale):
    """Return the upsampled image and where the answer is made of all its cells."""
    reach = REACH[how]
    rows, columns = (weights_of(how, places_of(n, reach, scale), n) for n in cells.shape)
    seen = np.isfinite(cells)
    filled = np.where(seen, cells, 0).astype("f8")
    used = (rows != 0).astype(float), (columns != 0).astype(float)
    lost = used[0] @ (~seen).astype(float) @ used[1].T
    return rows @ filled @ columns.T, lost == 0


def plain_linear_rest(cells, how, scale):
    """Return linear weights over the cells that hold something, where any linear one does."""
    reach = REACH[how]
    rows, columns = (weights_of("linear", places_of(n, reach, scale), n) for n in cells.shape)
    seen = np.isfinite(cells)
    total = rows @ np.where(seen, cells, 0).astype("f8") @ columns.T
    weight = rows @ seen.astype(float) @ columns.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / weight, weight


def random(*shape, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 1, shape).astype("float32")
    values[rng.uniform(0, 1, shape) < missing] = np.nan
    return values


def padded(image, reach):
    return np.pad(image, reach, constant_values=np.nan)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("scale", SCALES)
def test_whole_cells_by_definition(how, scale):
    cells = random(9, 8, seed=scale)
    found = upsample(cells, how, scale)
    assert found.dtype == np.float32
    reach = REACH[how]
    assert found.shape == ((9 - 2 * reach) * scale, (8 - 2 * reach) * scale)
    expected, whole = plain(cells, how, scale)
    assert whole.all()
    np.testing.assert_allclose(found, expected, atol=2e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(HOW), st.sampled_from(SCALES), st.integers(0, 99), st.sampled_from([0.1, 0.5])
)
def test_missing_cells_by_definition(how, scale, seed, missing):
    cells = random(9, 8, seed=seed, missing=missing)
    found = upsample(cells, how, scale)
    expected, whole = plain(cells, how, scale)
    np.testing.assert_allclose(found[whole], expected[whole], atol=2e-6)
    if how == "nearest":
        assert np.isnan(found[~whole]).all()
        return
    rest, weight = plain_linear_rest(cells, how, scale)
    some = ~whole & (weight > 0.02)
    # the faint smooth kernel that keeps holes closed has a share of 1e-4 / weight
    np.testing.assert_allclose(found[some], rest[some], atol=0.012)
    held = ~whole & (weight > 0.4)
    np.testing.assert_allclose(found[held], rest[held], atol=6e-4)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("scale", SCALES)
def test_missing_only_where_no_cell_around_holds_anything(how, scale):
    reach = REACH[how]
    cells = random(11, 11, missing=0.8, seed=scale)
    found = upsample(cells, how, scale)
    seen = np.isfinite(cells)
    for i, j in np.ndindex(*(n // scale for n in found.shape)):
        own = found[i * scale : (i + 1) * scale, j * scale : (j + 1) * scale]
        y, x = i + reach, j + reach
        near = slice(y - min(reach, 1), y + min(reach, 1) + 1)
        around = seen[near, x - min(reach, 1) : x + min(reach, 1) + 1]
        if not around.any():
            assert np.isnan(own).all()
        elif seen[y, x] or (how != "nearest" and around.sum() == 8):
            assert np.isfinite(own).all()


@pytest.mark.parametrize("how", ["linear", "cubic"])
@pytest.mark.parametrize("scale", [3, 5, 8])
def test_one_missing_cell_leaves_no_hole_and_stays_among_its_neighbours(how, scale):
    cells = random(9, 9, seed=4)
    cells[4, 4] = np.nan
    found = upsample(cells, how, scale)
    reach = REACH[how]
    hole = slice((4 - reach) * scale, (5 - reach) * scale)
    around = cells[3:6, 3:6]
    assert np.isfinite(found).all()
    assert found[hole, hole].min() >= np.nanmin(around) - 1e-6
    assert found[hole, hole].max() <= np.nanmax(around) + 1e-6


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("value", [0.3, 0.0, -0.2, 300.0])
def test_a_constant_stays_to_the_edge_of_the_scene(how, scale, value):
    reach = REACH[how]
    found = upsample(padded(np.full((4, 5), value, "float32"), reach), how, scale)
    np.testing.assert_allclose(found, value, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("how", ["linear", "cubic"])
@pytest.mark.parametrize("scale", SCALES)
def test_a_plane_stays_in_the_interior(how, scale):
    reach = REACH[how]
    y, x = np.mgrid[:10, :9]
    cells = (0.02 * y - 0.03 * x + 0.4).astype("float32")
    rows, columns = (places_of(n, reach, scale) for n in cells.shape)
    found = upsample(cells, how, scale)
    np.testing.assert_allclose(found, 0.02 * rows[:, None] - 0.03 * columns + 0.4, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_cubic_keeps_a_parabola(scale):
    y = np.broadcast_to(np.arange(10.0)[:, None], (10, 10))
    found = upsample((0.01 * y**2).astype("float32"), "cubic", scale)
    rows = places_of(10, 2, scale)
    expected = np.broadcast_to(0.01 * rows[:, None] ** 2, found.shape)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("scale", [1, 3, 5, 17])
def test_odd_scales_keep_the_cell_at_its_centre(how, scale):
    cells = random(9, 9, seed=scale)
    reach = REACH[how]
    found = upsample(cells, how, scale)[scale // 2 :: scale, scale // 2 :: scale]
    np.testing.assert_array_equal(found, cells[reach : 9 - reach, reach : 9 - reach])


@pytest.mark.parametrize("how", HOW)
def test_a_missing_cell_of_no_weight_changes_nothing(how):
    # at odd scales the pixel in the middle of a cell is made of this cell alone
    cells = random(9, 9)
    reach = REACH[how]
    cells[3, 4] = np.nan
    found = upsample(cells, how, 3)[1::3, 1::3]
    own = cells[reach : 9 - reach, reach : 9 - reach]
    seen = np.isfinite(own)
    np.testing.assert_array_equal(found[seen], own[seen])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_cut_shows_the_same_bits(how, missing):
    reach, scale = REACH[how], 4
    cells = random(2, 3, 12, 14, missing=missing)
    whole = upsample(cells, how, scale)
    part = upsample(cells[..., 3 : 8 + 2 * reach, 2 : 6 + 2 * reach], how, scale)
    rows, columns = slice(3 * scale, 8 * scale), slice(2 * scale, 6 * scale)
    np.testing.assert_array_equal(part, whole[..., rows, columns])
    np.testing.assert_array_equal(upsample(cells[1, 2], how, scale), whole[1, 2])


@pytest.mark.parametrize("how", HOW)
def test_turning_the_cells_turns_the_image(how):
    cells = random(8, 9, seed=2)
    found = upsample(cells, how, 4)
    np.testing.assert_allclose(upsample(cells.T.copy(), how, 4), found.T, atol=1e-6)
    np.testing.assert_allclose(upsample(cells[::-1], how, 4), found[::-1], atol=1e-6)


@pytest.mark.parametrize("how", HOW)
def test_nothing_stays_nothing_and_inputs_stay(how):
    cells = np.full((9, 9), np.nan, "float32")
    assert np.isnan(upsample(cells, how, 4)).all()
    cells = random(9, 9, missing=0.2)
    before = cells.copy()
    upsample(cells, how, 4)
    np.testing.assert_array_equal(cells, before)
