"""The coarse change that pixels alike share: by hand, in tiles, in patches, and what it is for."""

import dask.array as da
import numpy as np
import pytest
import torch

from xstf.gathering import Feed
from xstf.grid import Grid, Tile
from xstf.nn import alike
from xstf.nn.alike import FLOOR, KINDS, MORE, Alike, border_of, near
from xstf.nn.inputs import Filled, Normaliser, filled, on_fine, tensors
from xstf.nn.patches import Source
from xstf.nn.pool import Pool
from xstf.nn.window import Window, with_mixture

HALF = 4
PLAIN = Normaliser(*(np.array(v, "float32") for v in ([0, 0], [1, 1], [1, 1])))


def made(bands=2, half=HALF, seed=0):
    """Return a sharing among random kinds."""
    found = Alike(bands, half)
    draw = np.random.default_rng(seed)
    found.learn(draw.normal(size=(bands, 500)), seed)
    return found


def pictures(size=31, bands=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    fine, coarse, target = (torch.randn(1, bands, size, size, generator=draw) for _ in range(3))
    return filled(fine, coarse, target)


def by_hand(sharing, images, y, x):
    """Return the shared change at a pixel, one sum after the other."""
    fine, change = (i[0].double().numpy() for i in (images.fine, images.target - images.coarse))
    there = ~images.gone[0].any(0).numpy()
    centres, spread = sharing.kinds.double().numpy(), float(sharing.spread)
    far = ((fine[None] - centres[:, :, None, None]) ** 2).sum(1)
    kind = np.exp(-(far - far.min(0)) / (2 * spread))
    kind /= kind.sum(0)
    cell = HALF // 2

    def mean(image, at, half):
        rows, columns = (slice(v - half, v + half + 1) for v in at)
        return image[..., rows, columns].mean((-1, -2))

    def share(of, at):
        said = 0
        for k in range(KINDS):
            mine = kind[k] * there
            weight = max(mean(mine, at, HALF), FLOOR)
            said = said + kind[k][at] * mean(mine * of, at, HALF) / weight
        return said

    left = np.full_like(change, np.nan)
    for at in np.ndindex(change.shape[1:]):
        if all(HALF + cell <= v < change.shape[1] - HALF - cell for v in at):
            around = range(-cell, cell + 1)
            near_by = [(at[0] + i, at[1] + j) for i in around for j in around]
            seen = [share(change, n) for n in near_by if there[n]]
            blurred = sum(seen) / max(len(seen), FLOOR) if seen else 0
            left[(slice(None), *at)] = change[(slice(None), *at)] - blurred
    return share(change, (y, x)) + MORE * share(left, (y, x))


def test_it_is_the_mean_over_pixels_alike_and_that_of_what_is_left():
    sharing, images = made(), pictures(2 * border_of(HALF) + 2)
    images.gone[0, 1, 9, 11] = True
    at = border_of(HALF)
    expected = by_hand(sharing, images, at, at + 1)
    said = sharing(images)
    assert said.target.shape == (1, 2, 2, 2)
    found = (said.target - said.coarse)[0, :, 0, 1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_are_means():
    image = torch.randn(2, 3, 12, 10)
    np.testing.assert_allclose(
        near(image, 2)[1, 2, 4, 3], image[1, 2, 4:9, 3:8].mean(), rtol=1e-5, atol=1e-6
    )


def test_a_change_that_is_the_same_everywhere_stays():
    images = pictures()
    images = Filled(images.fine, images.coarse, images.coarse + 0.3, images.gone)
    said = made()(images)
    torch.testing.assert_close(said.target, said.coarse + 0.3, rtol=1e-4, atol=1e-5)


def test_it_looks_exactly_as_far_as_it_says():
    images = pictures(2 * border_of(HALF) + 5)
    target = images.target.requires_grad_()
    said = made()(Filled(images.fine, images.coarse, target, images.gone))
    assert said.target.shape[-1] == 5
    said.target[0, 0, 2, 2].backward()
    for axis in (0, 1):
        seen = torch.nonzero((target.grad[0].abs() > 0).any(0).any(1 - axis)).flatten()
        assert seen.min() == 2
        assert seen.max() == target.shape[-1] - 3


def test_what_is_missing_neither_shares_nor_is_shared_with():
    images = pictures()
    one = made()(images)
    hole = images.gone.clone()
    hole[..., 15, 15] = True
    loud = images.target.clone()
    loud[..., 15, 15] += 100
    other = made()(Filled(images.fine, images.coarse, loud, hole))
    off = (other.target - one.target).abs()[0]
    middle = (one.target.shape[-1] - 1) // 2
    assert off[:, middle, middle].min() > 90  # it stays as it was given, and is left out anyway
    off[:, middle, middle] = 0
    assert off.max() < 5


def test_kinds_are_the_clusters_of_spectra():
    draw = np.random.default_rng(1)
    centres = draw.normal(size=(KINDS, 2)) * 5
    pixels = (centres[:, :, None] + 0.01 * draw.normal(size=(KINDS, 2, 200))).swapaxes(0, 1)
    sharing = Alike(2, HALF)
    flat = pixels.reshape(2, -1)
    flat[0, ::50] = np.nan
    sharing.learn(flat, 0)
    far = np.abs(sharing.kinds.numpy()[:, None] - centres[None]).max(-1)
    assert (far.min(0) < 0.02).mean() > 0.8  # one start may merge a pair of them
    again = Alike(2, HALF)
    again.learn(np.full((2, 9), 0.5), 0)
    assert (again.kinds == 0.5).all()
    again.learn(np.full((2, 9), np.nan), 0)
    assert (again.kinds == 0.5).all()


def parcels(size=160, scale=16):
    """Fields of two crops, about a cell wide, one of which changes; (date, band, y, x)."""
    rows, columns = np.mgrid[:size, :size]
    crop = np.random.default_rng(1).random((9, 9))[rows // 19, columns // 19] < 0.5
    fine = np.where(crop, [[[0.2]], [[0.6]]], [[[0.5]], [[0.3]]])
    fine = fine + 0.01 * np.random.default_rng(0).normal(size=fine.shape)
    both = np.stack([fine, fine + np.where(crop, 0.3, 0)]).astype("float32")
    cells = both.reshape(2, 2, size // scale, scale, size // scale, scale).mean((3, 5))
    return both, cells.astype("float32")


def test_edges_of_the_change_come_from_the_fine_image():
    fine, cells = parcels()
    whole = Tile(0, 160, 0, 160)
    coarse = np.stack([on_fine(c, (0, 0), whole, 16, "cubic") for c in cells])
    sharing = Alike(2, 16)
    sharing.learn(fine[0].reshape(2, -1), 0)
    moved = sharing.moved(PLAIN, fine[0], coarse[0], coarse[1])
    off = [
        np.sqrt(np.mean((fine[0] + said - fine[1]) ** 2))
        for said in (coarse[1] - coarse[0], moved - coarse[0])
    ]
    assert off[1] < 0.75 * off[0]


def test_tiles_do_not_show_and_gaps_stay(monkeypatch):
    fine, coarse, target = np.random.default_rng(0).normal(size=(3, 2, 70, 50)).astype("float32")
    target[0, 30, 20] = coarse[1, 5, 5] = np.nan
    sharing = made()
    whole = sharing.moved(PLAIN, fine, coarse, target)
    monkeypatch.setattr(alike, "TILE", 24)
    np.testing.assert_allclose(sharing.moved(PLAIN, fine, coarse, target), whole, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(target) | np.isnan(coarse))


@pytest.mark.parametrize("series", [False, True])
def test_training_sees_what_prediction_sees(series):
    """Patches are cut from images that were moved as a whole; blocks move their own windows."""
    draw = np.random.default_rng(3)
    fine = draw.normal(size=(3, 2, 96, 96)).astype("float32")
    coarse = draw.normal(size=(3, 2, 24, 24)).astype("float32")
    feed = Feed(
        da.from_array(fine, (1, 2, 96, 96)), da.from_array(coarse), {}, Grid((96, 96), 4),
        np.arange(3).astype("datetime64[D]"), None,
    )  # fmt: skip
    made_ = Source.of(feed, [0, 1, 2], "cubic", 16, 3, 0, False, series, aside=border_of(HALF))
    sharing = made()
    source = Source(**{**vars(made_), "share": lambda *i: sharing.moved(PLAIN, *i)})
    with Pool() as pool:
        (window,) = pool.take(source, source.windows(), None, True)
    area = Tile(40, 62, 40, 62)
    dates = [0, 1, 2] if series else [0, 2]
    _, found = source._crop(window, dates, area)
    count = len(dates)
    forth, back = found[count : 2 * count - 1], found[2 * count - 1 :]
    wide = window.crop(dates, area.grow(border_of(HALF)), 4, "cubic", common=False)
    for at, leads in ((0, forth), (1, back[::-1])):
        for n, lead in enumerate(leads):
            first, then = (n, n + 1) if at == 0 else (n + 1, n)
            images = filled(*(t[None] for t in tensors(
                PLAIN, wide[0][first], wide[1][first], wide[1][then])))  # fmt: skip
            np.testing.assert_allclose(lead, sharing(images).target[0], atol=1e-4)


def test_a_mixture_parts_a_step():
    fine, known = np.arange(3.0).reshape(3, 1, 1, 1), 10 * np.arange(3.0).reshape(3, 1, 1, 1)
    leads = np.array([11.0, 22, 13, 4]).reshape(4, 1, 1, 1)  # 0 to 1, 1 to 2, 2 to 1, 1 to 0
    mixed, found = with_mixture(fine, np.concatenate([known, leads]), 2, np.float32(0.25))
    assert mixed.ravel().tolist() == [0, 1, 1.25, 2]
    assert found.ravel()[:4].tolist() == [0, 10, 12.5, 20]
    # onward: as it was, a quarter of a step of 12, the rest; back: three quarters of -7, the rest
    assert found.ravel()[4:7].tolist() == [11, 13, 21.5]
    assert found.ravel()[7:].tolist() == [14.75, 10.75, 4]
    assert with_mixture(fine, known, 2, np.float32(0.25))[1].size == 4


def test_what_a_step_leads_to_is_worked_out_once():
    calls = []
    fine, coarse = np.zeros((2, 1, 8, 8), "f4"), np.zeros((2, 1, 2, 2), "f4")
    window = Window(Tile(0, 8, 0, 8), fine, coarse)
    for _ in range(3):
        window.moved((0, 1), 4, "cubic", lambda *i: calls.append(1) or i[2])
    assert len(calls) == 1
