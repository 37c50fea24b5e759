"""The network of cubes: how a series is read, and what a wanted date hears of it."""

import warnings
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import torch

import xstf
from tests.networks import TINY, lesson
from xstf.gathering import Feed
from xstf.grid import Grid
from xstf.method import find
from xstf.nn.inputs import Filled
from xstf.nn.layers import inner
from xstf.nn.patches import Source
from xstf.nn.pool import Pool
from xstf.nn.stf3dcnn import Model, chains


def model(width=3, depth=3, bands=2, skip=False):
    torch.manual_seed(0)
    made = Model(bands, width, depth, skip, short=False)
    with torch.no_grad():
        made.net[-1].weight.normal_(0, 0.3)
    return made.eval()


def cube(steps=9, bands=2, size=14):
    draw = torch.Generator().manual_seed(0)
    shape = 1, steps, bands, size, size
    made = [torch.randn(shape, generator=draw) for _ in range(3)]
    return Filled(*made, torch.zeros(shape, dtype=torch.bool))


def part(x, steps):
    return Filled(x.fine[:, steps], x.coarse[:, steps], x.target[:, steps], x.gone[:, steps])


def test_the_size_of_the_card():
    assert sum(p.numel() for p in Model(6, 32, 3, False, False).parameters()) == 29_441


def test_it_looks_three_pixels_and_three_steps_away():
    x = cube()
    x.target.requires_grad_()
    said = model().forecast(x, True)
    assert said.shape == (1, 9, 2, 8, 8)
    said[0, 4, 1, 4, 4].backward()
    seen = x.target.grad[0] != 0
    assert seen.any((1, 2, 3)).nonzero().flatten().tolist() == list(range(1, 8))
    assert not seen[:, 0].any()
    for axes in ((0, 1, 3), (0, 1, 2)):
        assert seen.any(axes).nonzero().flatten().tolist() == list(range(4, 11))


def test_steps_far_away_do_not_matter():
    net, x = model(), cube()
    whole = net.forecast(x, True)
    torch.testing.assert_close(net.forecast(part(x, slice(2, 9)), True)[:, 3], whole[:, 5])


def test_one_net_serves_bands_in_any_order():
    net, x = model(), cube()
    turned = Filled(*(t.flip(2) for t in (x.fine, x.coarse, x.target, x.gone)))
    torch.testing.assert_close(net.forecast(turned, True).flip(2), net.forecast(x, True))


def test_untrained_it_says_the_pair():
    x = cube()
    net = Model(2, 3, 3, False, False)
    torch.testing.assert_close(net.forecast(x, True), inner(x.fine, 3))
    net = Model(2, 3, 3, True, False)
    torch.testing.assert_close(net.forecast(x, True), inner(x.fine + x.target - x.coarse, 3))


def test_a_series_teaches_forward_and_backward():
    fine = torch.arange(4.0).reshape(1, 4, 1, 1, 1).expand(1, 4, 1, 9, 9)
    there, back = model(bands=1).lessons(fine, fine + 10, torch.ones(1))
    assert (there.later, back.later) == (True, False)
    assert there.images.fine[0, :, 0, 0, 0].tolist() == [0, 1, 2]
    assert there.truth[0, :, 0, 0, 0].tolist() == [1, 2, 3]
    assert back.images.coarse[0, :, 0, 0, 0].tolist() == [13, 12, 11]
    assert back.images.target[0, :, 0, 0, 0].tolist() == [12, 11, 10]
    assert back.truth[0, :, 0, 0, 0].tolist() == [2, 1, 0]


def test_a_date_is_put_into_the_series_at_its_place():
    times = np.array(["2020-03-01", "2020-01-01", "2020-02-01"], "datetime64[D]")
    wanted = np.datetime64("2020-02-10")
    assert chains(times, wanted) == [([1, 2, 0], 2, True), ([0, 2, 1], 1, False)]
    assert chains(times, np.datetime64("2020-06-01")) == [([1, 2, 0], 3, True)]
    assert chains(times, np.datetime64("2019-06-01")) == [([0, 2, 1], 3, False)]


def test_sides_are_weighed_by_time_or_not():
    b = SimpleNamespace(
        times=np.array(["2020-01-01", "2020-01-09"], "datetime64[ns]"),
        target_times=np.array(["2020-01-03", "2020-01-09"], "datetime64[ns]"),
    )
    said = torch.tensor([[1.0, 1.0], [5.0, torch.nan]])[..., None, None, None]
    cells = torch.zeros(2, 1, 1, 1)
    by_time = find("stf3dcnn")(weigh="time").combine(b, said, cells, cells).flatten()
    assert by_time.tolist() == pytest.approx([0.75 * 1 + 0.25 * 5, 1.0], rel=1e-4)
    mean = find("stf3dcnn")(weigh="mean").combine(b, said, cells, cells).flatten()
    assert mean.tolist() == [3.0, 1.0]


def test_more_pairs_are_context_as_far_as_it_looks():
    scene, _ = xstf.simulate(
        "mixed", size=(48, 40), scale=4, dates=17, pairs=9, bands=("red", "nir"), seed=5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so short a training beats nothing
        options = {**TINY["stf3dcnn"], "skip": False, "progress": False}
        fitted, date = xstf.fit(lesson()[0], "stf3dcnn", **options), scene.time.values[7]
    two, most, all_ = (
        scene.stf.fuse(fitted, dates=date, pairs=n).compute() for n in ("auto", 8, 9)
    )
    assert not np.array_equal(two, most)
    np.testing.assert_array_equal(most, all_)  # the ninth lies four steps away


def test_patches_hold_the_series_with_a_mixture_between():
    fine = np.arange(4.0, dtype="float32").reshape(4, 1, 1, 1) * np.ones((4, 2, 64, 64), "float32")
    feed = Feed(
        da.from_array(fine, (1, 2, 64, 64)),
        da.from_array(fine[..., ::4, ::4].copy(), (1, 2, 16, 16)),
        {},
        Grid((64, 64), 4),
        np.arange(4).astype("datetime64[D]"),
        None,
    )
    for mix in (True, False):
        made = Source.of(feed, range(4), "cubic", 16, 3, 0, mix, series=True)
        assert made.judged().fine.shape[1] == 4
        with Pool() as pool:
            crops = list(made.epoch(0, pool))
        gaps = set()
        for crop in crops:
            days = crop.fine[0, :, 0, 9, 9]
            assert len(days) == 4 + mix
            assert (np.diff(days) >= 0).all()
            assert {0, 1, 2, 3} <= set(days.tolist())
            np.testing.assert_allclose(crop.coarse[0, :, 0, 9, 9], days, atol=1e-5)
            gaps |= {int(d) for d in days if d % 1}
        assert gaps == ({0, 1, 2} if mix else set())
