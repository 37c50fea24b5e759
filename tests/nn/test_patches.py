"""Where training patches come from: whole chunks, each read once a pass, and never what is held."""

import dask.array as da
import numpy as np
import pytest

from xstf.gathering import Feed
from xstf.grid import Grid, Tile
from xstf.nn import patches
from xstf.nn.holdout import LEFT, clear, squares
from xstf.nn.inputs import normaliser, on_fine
from xstf.nn.patches import Source
from xstf.nn.pool import Pool, batches

SCALE = 4


def pictures(dates=3, bands=2, shape=(96, 64)):
    """Fine images whose values tell their place, and coarse ones that are their means."""
    t, b, y, x = np.ogrid[:dates, :bands, : shape[0], : shape[1]]
    fine = (1e4 * y + 1e2 * x + 10 * t + b).astype("float32")
    cells = shape[0] // SCALE, SCALE, shape[1] // SCALE, SCALE
    return fine, fine.reshape(dates, bands, *cells).mean((3, 5))


def source(fine, coarse, chunk=None, **options):
    chunk = chunk or fine.shape[-2:]
    feed = Feed(
        da.from_array(fine, (1, fine.shape[1], *chunk)),
        da.from_array(coarse, (1, *coarse.shape[1:])),
        {},
        Grid(fine.shape[-2:], SCALE),
        np.arange(len(fine)).astype("datetime64[D]"),
        None,
    )
    given = {"how": "cubic", "side": 16, "radius": 5, "seed": 0, "mix": False, **options}
    return Source.of(feed, range(len(fine)), **given)


def drawn(made, passes=1):
    with Pool() as pool:
        return [crop for n in range(passes) for crop in made.epoch(n, pool)]


def test_patches_are_parts_of_the_scene_with_its_dates():
    fine, coarse = pictures()
    made = drawn(source(fine, coarse))
    assert len(made) >= 4 * 96 * 64 // 16**2 * 0.9
    seen = set()
    for crop in made:
        assert crop.fine.shape == crop.coarse.shape == (1, 2, 2, 26, 26)
        inside = crop.fine[0, ..., 5:-5, 5:-5]
        assert np.isfinite(inside).all()
        values = inside[0, 0]
        first, last = values.min(), values.max()
        assert last - first == pytest.approx(15e4 + 15e2, rel=1e-4)
        days = [int(round(float(i.min()))) // 10 % 10 for i in inside[:, 0]]
        assert days[0] < days[1]
        seen.add(tuple(days))
        assert crop.share == 1
        # the coarse image has been turned along
        near = np.abs(crop.coarse[0, ..., 9:-9, 9:-9] - crop.fine[0, ..., 9:-9, 9:-9])
        assert near.max() < 1.5e4 + 1.5e2
    assert seen == {(0, 1), (0, 2), (1, 2)}


def test_patches_are_turned_and_mirrored():
    fine, coarse = pictures()
    kinds = set()
    for crop in drawn(source(fine, coarse)):
        values = crop.fine[0, 0, 0, 5:-5, 5:-5]
        steps = values[1, 0] - values[0, 0], values[0, 1] - values[0, 0]
        kinds.add(tuple(round(float(s) / 100) for s in steps))
    assert len(kinds) == 8


def test_patches_begin_on_whole_units():
    fine, coarse = pictures()
    made = source(fine, coarse, side=19, radius=8, unit=4)
    assert made.side == 16
    assert all(t.y0 % 4 == t.x0 % 4 == 0 for t in made.out)
    places = set()
    for crop in drawn(made, 2):
        values = crop.fine[0, 0, 0, 8:-8, 8:-8]
        first = int(values.min()) // 100
        y, x = divmod(first, 100)
        assert y % 4 == x % 4 == 0
        places.add((y, x))
    assert len(places) > 10


def test_patches_have_three_dates_where_there_are_as_many():
    fine, coarse = pictures(dates=4)
    made = source(fine, coarse, dates_of_patch=3)
    triples = set()
    for crop in drawn(made):
        days = [int(i.min()) // 10 % 10 for i in crop.fine[0, :, 0, 5:-5, 5:-5]]
        triples.add(tuple(days))
    assert triples == {(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)}
    assert made.judged().fine.shape[:2] == (2 * len(made.out), 3)
    assert source(fine[:2], coarse[:2], dates_of_patch=3).many == 2


def test_cells_that_one_date_lacks_are_left_out_of_both():
    """Else the cells around would fill them on one date alone, and be a change."""
    fine, coarse = pictures(dates=2)
    coarse = coarse.copy()
    coarse[1] = coarse[0] + 50
    coarse[1, :, 6, 7] = np.nan
    window = patches.Window(Tile(0, 96, 0, 64), fine, coarse)
    for area in (Tile(20, 40, 12, 44), Tile(-5, 96, -3, 70)):
        _, made = window.crop([0, 1], area, SCALE, "cubic", True)
        step = made[1] - made[0]
        np.testing.assert_allclose(step[np.isfinite(step)], 50, atol=0.5)
        _, apart = window.crop([0, 1], area, SCALE, "cubic", False)
        assert np.nanmax(np.abs(apart[1] - apart[0] - 50)) > 100


def test_mixtures_are_half_of_the_patches():
    fine, coarse = pictures()
    shares = np.array([c.share[0] for c in drawn(source(fine, coarse, mix=True), 4)])
    assert 0.35 < (shares == 1).mean() < 0.65
    assert 0.3 < shares[shares < 1].mean() < 0.7


def test_the_seed_and_the_pass_decide_what_is_drawn():
    fine, coarse = pictures()
    one, again = (drawn(source(fine, coarse), 2) for _ in range(2))
    other = drawn(source(fine, coarse, seed=1), 1)
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a.fine, b.fine)
        np.testing.assert_array_equal(a.coarse, b.coarse)
    half = len(one) // 2
    assert not np.array_equal(one[0].fine, one[half].fine)
    assert not np.array_equal(one[0].fine, other[0].fine)


def test_what_is_held_out_is_never_aimed_at():
    fine, coarse = pictures(shape=(160, 160))
    fine[:] = np.arange(160 * 160).reshape(160, 160)  # values tell their place
    made = source(fine, coarse)
    assert made.out
    held = np.zeros((160, 160), bool)
    for tile in made.out:
        wide = tile.grow(made.guard)
        held[max(0, wide.y0) : wide.y1, max(0, wide.x0) : wide.x1] = True
    assert 1 - held.mean() >= LEFT
    aimed = np.zeros_like(held)
    for crop in drawn(made, 2):
        aimed.flat[crop.fine[0, 0, 0, 5:-5, 5:-5].astype(int)] = True
    assert aimed.sum() > 0.7 * (~held).sum()
    assert not (aimed & held).any()
    y, x = np.mgrid[0:145:7, 0:145:7].reshape(2, -1)
    free = clear(made.out, made.guard, y, x, 16)
    for row, column, ok in zip(y, x, free, strict=True):
        assert ok == (not held[row : row + 16, column : column + 16].any())


def test_judged_patches_are_those_that_are_held_out():
    fine, coarse = pictures()
    made = source(fine, coarse)
    crops = made.judged()
    assert len(crops.fine) == len(made.out) * 2  # neighbours in time
    tile = made.out[0]
    inside = crops.fine[0, ..., 5:-5, 5:-5]
    np.testing.assert_array_equal(inside, fine[:2, :, tile.y0 : tile.y1, tile.x0 : tile.x1])


def test_small_scenes_hold_nothing_out():
    assert squares((32, 32), 32, 8, 0) == []
    fine, coarse = pictures(shape=(32, 32))
    made = source(fine, coarse, side=50)
    assert made.side == 32
    assert made.judged() is None
    assert drawn(made)


@pytest.mark.parametrize("seed", range(9))
def test_what_is_held_out_leaves_places_for_patches(seed):
    """A square in the middle of a scene three patches wide would leave none."""
    out = squares((400, 400), 128, 23, seed)
    assert out
    y, x = (axis.ravel() for axis in np.mgrid[:273, :273])
    assert clear(out, 23, y, x, 128).mean() > 0.1


def test_patches_with_too_much_missing_are_not_drawn():
    fine, coarse = pictures()
    fine[0, :, :, :40] = np.nan
    for crop in drawn(source(fine, coarse)):
        assert np.isnan(crop.fine[0, ..., 5:-5, 5:-5]).any(0).mean() <= 0.4


class Counted:
    """An array that counts how often each of its parts is read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, 4
        self.read = np.zeros(values.shape, int)

    def __getitem__(self, key):
        self.read[key] += 1
        return self.values[key]


@pytest.mark.parametrize("chunk", [(32, 32), (20, 24), (7, 11)])
def test_each_chunk_is_read_once_a_pass(chunk, monkeypatch):
    monkeypatch.setattr(patches, "POOL", 4e4)
    fine, coarse = pictures(shape=(128, 128))
    lots = Counted(fine), Counted(coarse)
    feed = Feed(
        *(
            da.from_array(a, (1, 2, *c), asarray=False, lock=False, meta=np.empty((0,) * 4, "f4"))
            for a, c in zip(lots, (chunk, (32, 32)), strict=True)
        ),
        {},
        Grid((128, 128), SCALE),
        np.arange(3).astype("datetime64[D]"),
        None,
    )
    made = Source.of(feed, [0, 1, 2], "cubic", 16, 5, 0, False)
    assert lots[1].read.max() == 1  # the coarse images are small, and stay
    assert len(made.pools(None)) > 2
    drawn(made)
    assert lots[0].read.min() == lots[0].read.max() == 1
    drawn(made)
    assert lots[0].read.max() == 2


def test_a_scene_that_fits_is_read_once_for_all_passes():
    fine, coarse = pictures()
    lot = Counted(fine)
    array = da.from_array(lot, (1, 2, 32, 32), asarray=False, meta=np.empty((0,) * 4, "f4"))
    made = source(fine, coarse)
    made = Source(array, made.coarse, made.grid, "cubic", 16, 5, 0)
    drawn(made, 3)
    assert lot.read.max() == 1


def test_windows_are_whole_chunks_that_hold_a_patch():
    fine, coarse = pictures(shape=(96, 64))
    made = source(fine, coarse, chunk=(20, 64))
    tiles = made.windows()
    assert [(t.y0, t.y1) for t in tiles] == [(0, 40), (40, 96)]
    assert all((t.x0, t.x1) == (0, 64) for t in tiles)


def test_batches_keep_what_is_left():
    fine, coarse = pictures()
    crops = drawn(source(fine, coarse))
    sizes = [len(b.fine) for b in batches(iter(crops), 7)]
    assert sum(sizes) == len(crops)
    assert set(sizes[:-1]) == {7}


def test_coarse_images_come_to_any_fine_pixel():
    from xstf.kernels.resample import upsample

    coarse = np.random.default_rng(0).normal(size=(1, 6, 5)).astype("float32")
    whole = upsample(np.pad(coarse, [(0, 0), (2, 2), (2, 2)], constant_values=np.nan), "cubic", 4)
    part = on_fine(coarse, (8, 4), Tile(11, 21, 9, 14), 4, "cubic")
    np.testing.assert_array_equal(part, whole[:, 3:13, 5:10])
    off = on_fine(coarse, (0, 0), Tile(-6, 2, 0, 4), 4, "nearest")
    assert np.isnan(off[:, :6]).all()
    np.testing.assert_array_equal(off[0, 6:, 0], coarse[0, 0, 0].repeat(2))
    same = on_fine(coarse, (2, 2), Tile(3, 5, 2, 9), 1, "cubic")
    np.testing.assert_array_equal(same[:, :, :5], coarse[:, 1:3])
    assert np.isnan(same[:, :, 5:]).all()


def test_the_normalisation_is_robust():
    draw = np.random.default_rng(0)
    fine = np.stack([draw.normal(5, 2, 20_000), draw.normal(0.1, 0.01, 20_000)])
    changes = draw.normal(0, 0.5, (2, 20_000)) * [[1], [0.01]]
    fine[:, :100], changes[:, :100], fine[0, 100:200] = 1e3, 1e3, np.nan
    found = normaliser(fine, changes)
    np.testing.assert_allclose(found.centre, [5, 0.1], rtol=0.05)
    np.testing.assert_allclose(found.scale, [2, 0.01], rtol=0.15)
    np.testing.assert_allclose(found.step * found.scale, [0.5, 0.005], rtol=0.15)
    image = np.full((2, 3, 3), [[[5.0]], [[0.1]]])
    np.testing.assert_allclose(found(image), 0, atol=0.1)


def test_nothing_divides_by_a_flat_image():
    found = normaliser(np.full((1, 50), 0.3), np.zeros((1, 50)))
    assert np.isfinite(found(np.full((1, 2, 2), 0.3))).all()
    assert found.step > 0
