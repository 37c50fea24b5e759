"""The networks themselves: their size, what they look at, what they say before they learn."""

import numpy as np
import pytest
import torch

from xstf.nn import biastf, dlsdfm, hcnn
from xstf.nn.inputs import Filled, Normaliser, filled
from xstf.nn.layers import blend, inner, near, together
from xstf.nn.model import directions
from xstf.registry import find

PAIRWISE = ["biastf", "dlsdfm", "hcnn"]  # that see images on the fine grid, pair by pair


def count(module):
    return sum(p.numel() for p in module.parameters())


def images(size, bands=1, seed=0):
    """Random images without gaps."""
    draw = torch.Generator().manual_seed(seed)
    made = [torch.randn(1, bands, size, size, generator=draw) for _ in range(3)]
    return Filled(*made, torch.zeros_like(made[0], dtype=torch.bool))


def stirred(module):
    """Give the last layers something to say."""
    with torch.no_grad():
        for p in module.parameters():
            if not p.any():
                p.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
    return module.eval()


def test_published_sizes():
    assert count(dlsdfm.Stream(1, 64, quiet=True)) == 410_305
    assert count(biastf.network(1, 128)) == 564_865
    model = hcnn.Model(1, 64, norm=True, short=False)
    assert count(model) == 57_473
    assert count(dlsdfm.Model(3, 64, True, 0.5, False)) == 3 * 4 * 410_305


def test_a_stream_keeps_the_bands_apart():
    """Grouped convolutions are one small network for each band, with the same numbers."""
    both = stirred(dlsdfm.Stream(2, 3, quiet=False))
    x = images(30, bands=2)
    expected = both(x.fine, x.coarse).detach()
    for band in (0, 1):
        alone = dlsdfm.Stream(1, 3, quiet=False)
        state = {}
        for name, value in both.state_dict().items():
            outs = len(value) // 2
            state[name] = value[band * outs : (band + 1) * outs]
        alone.load_state_dict(state)
        one = slice(band, band + 1)
        found = alone(x.fine[:, one], x.coarse[:, one])
        torch.testing.assert_close(found, expected[:, one], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PAIRWISE)
def test_a_forecast_looks_exactly_as_far_as_it_says(name):
    model = stirred(find(name)(width=4).build(1))
    size, r = 2 * model.radius + 5, model.radius
    x = images(size)
    known = [t.requires_grad_() for t in (x.fine, x.coarse, x.target)]
    said = model.forecast(x, True)
    assert said.shape == (1, 1, 5, 5)
    said[0, 0, 2, 2].backward()
    seen = sum(t.grad.abs() for t in known)[0, 0] > 0
    rows = torch.nonzero(seen.any(1)).flatten()
    columns = torch.nonzero(seen.any(0)).flatten()
    for found in (rows, columns):
        assert found.min() >= 2
        assert found.max() <= size - 3
    corner = {"dlsdfm": 12 + 1, "biastf": 7, "hcnn": 8}[name]
    assert (rows.max() - rows.min()) // 2 == corner == r


@pytest.mark.parametrize("name", PAIRWISE)
def test_untrained_networks_say_what_is_simple(name):
    model = find(name)(width=4).build(2).eval()
    x = images(40, bands=2)
    plain = x.fine + x.target - x.coarse
    for later in (True, False):
        torch.testing.assert_close(model.forecast(x, later), inner(plain, model.radius))
    model = find("biastf")(width=4, skip=False).build(2).eval()
    torch.testing.assert_close(model.forecast(x, True), inner(x.fine, model.radius))


def test_the_way_of_the_paper_has_no_skip():
    model = find("dlsdfm")(width=4, skip=False).build(1).eval()
    x = images(40)
    far = Filled(x.fine + 10, x.coarse + 10, x.target + 10, x.gone)
    assert (model.forecast(far, True) - model.forecast(x, True)).abs().max() < 9  # no 10 on top


def test_forward_and_backward_are_different_streams():
    model = stirred(find("dlsdfm")(width=4).build(1))
    x = images(40)
    forward, backward = model.streams(x, True), model.streams(x, False)
    assert not torch.equal(forward[0], backward[0])
    with torch.no_grad():
        for kind in (model.change, model.detail):
            kind["backward"].load_state_dict(kind["onward"].state_dict())
    for a, b in zip(forward, model.streams(x, False), strict=True):
        assert torch.equal(a, b)


def test_the_second_stage_leaves_the_first_as_it_is():
    model = stirred(find("biastf")(width=3).build(1))
    assert model.stages == 2
    assert find("biastf")(width=3, bias=False).build(1).stages == 1
    before = {n: p.clone() for n, p in model.change.state_dict().items()}
    optimiser = torch.optim.Adam(model.begin(1), 0.1)
    x = images(30)
    loss = model.misfit(x, True, torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16) > 0)
    loss.backward()
    optimiser.step()
    assert all(torch.equal(before[n], p) for n, p in model.change.state_dict().items())
    assert all(p.requires_grad for p in model.begin(0))


def test_batch_norm_does_not_depend_on_the_company():
    model = find("hcnn")(width=4).build(1)
    model.train()
    x = images(40)
    model.forecast(x, True)
    model.eval()
    stirred(model)
    two = Filled(*(torch.cat([t, 3 * t]) for t in (x.fine, x.coarse, x.target)), x.gone)
    torch.testing.assert_close(model.forecast(two, True)[:1], model.forecast(x, True))


def test_bfloat16_is_for_the_convolutions_alone():
    exact = stirred(find("biastf")(width=4, skip=True).build(1))
    short = find("biastf")(width=4, skip=True, precision="bf16").build(1).eval()
    short.load_state_dict(exact.state_dict())
    x = images(30)
    one, other = exact.forecast(x, True), short.forecast(x, True)
    assert other.dtype == torch.float32
    plain = inner(x.fine + x.target - x.coarse, 7)
    assert not torch.equal(one, other)
    torch.testing.assert_close(other - plain, one - plain, rtol=0.03, atol=0.03)


# Weights


def test_blending_by_hand():
    pictures = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1, 1).expand(2, 1, 1, 5, 5)
    off = torch.tensor([1.0, -3.0]).reshape(2, 1, 1, 1, 1).expand(2, 1, 1, 5, 5)
    expected = (1 / 1 * 1 + 1 / 3 * 3) / (1 / 1 + 1 / 3)
    torch.testing.assert_close(blend(pictures, off, 1), torch.full((1, 1, 3, 3), expected))


def test_blending_sums_its_window_and_leaves_gaps_out():
    draw = np.random.default_rng(0)
    pictures, off = (draw.normal(size=(3, 2, 2, 9, 8)).astype("float32") for _ in range(2))
    pictures[0, :, :, 4, 3] = off[0, :, :, 4, 3] = np.nan
    found = blend(torch.from_numpy(pictures), torch.from_numpy(off), 2).numpy()
    for y, x in ((0, 0), (2, 1), (4, 3)):
        window = np.abs(off[..., y : y + 5, x : x + 5])
        weight = 1 / (np.nanmean(window, axis=(-1, -2)) + 1e-6)
        centre = pictures[..., y + 2, x + 2]
        weight[np.isnan(centre)] = 0
        expected = np.nansum(weight * centre, 0) / weight.sum(0)
        np.testing.assert_allclose(found[..., y, x], expected, rtol=1e-5)


def test_equal_images_blend_to_themselves():
    same = torch.randn(1, 1, 1, 9, 9).expand(2, 1, 1, 9, 9)
    torch.testing.assert_close(blend(same, same, 1), inner(same[0], 1))
    torch.testing.assert_close(blend(same, torch.zeros_like(same), 1), inner(same[0], 1))
    gone = torch.full((2, 1, 1, 9, 9), torch.nan)
    assert torch.isnan(blend(gone, gone, 1)).all()


def test_windows_are_summed_over_the_last_two_axes():
    image = torch.randn(2, 3, 1, 7, 6)
    expected = image[..., 1:4, 2:5].mean((-1, -2))
    torch.testing.assert_close(near(image, 1)[..., 1, 2], expected)


def test_channels_of_a_band_stay_side_by_side():
    a, b = (torch.arange(n, n + 4.0).reshape(1, 4, 1, 1) for n in (0, 10))
    assert together(2, a, b).flatten().tolist() == [0, 1, 10, 11, 2, 3, 12, 13]


# Shares of the whole scene


def test_shares_of_the_whole_scene():
    squares = np.array([[1.0, 0.0, 4.0, np.inf], [3.0, 2.0, 4.0, 1.0]])
    expected = [[0.75, 1, 0.5, 0], [0.25, 0, 0.5, 1]]
    np.testing.assert_allclose(hcnn.shares_of(squares), expected)
    target = np.array([[[1.0, 2.0], [np.nan, 4.0]]])
    found = hcnn.changes(target, target + 2, np.full_like(target, np.nan))
    np.testing.assert_array_equal(found, [[4.0], [np.inf]])
    np.testing.assert_allclose(hcnn.shares_of(np.full((2, 1), np.inf)), 0.5)


# Gaps, normalisation, directions


def test_gaps_are_filled_by_the_rule():
    nan = torch.nan
    fine, coarse, target = (
        torch.tensor(v).reshape(1, 1, 1, 6)
        for v in ([1, nan, 1, 1, nan, nan], [2, 2, nan, 2, nan, nan], [3.0, 3, 3, nan, 3, nan])
    )
    made = filled(fine, coarse, target)
    assert made.fine.flatten().tolist() == [1, 2, 1, 1, 3, 0]
    assert made.coarse.flatten().tolist() == [2, 2, 3, 2, 3, 0]
    assert made.target.flatten().tolist() == [3, 3, 3, 2, 3, 0]
    assert made.gone.flatten().tolist() == [False, True, True, True, True, True]


def test_two_dates_teach_both_ways():
    fine = torch.arange(2.0).reshape(1, 2, 1, 1, 1).expand(2, 2, 1, 5, 5) * 8
    coarse = fine + 1
    share = torch.tensor([1.0, 0.25])
    (there, later, truth, seen), (back, earlier, first, _) = directions(fine, coarse, share, 2)
    assert later
    assert not earlier
    assert seen.all()
    assert truth.shape == (2, 1, 1, 1)
    assert there.fine[0, 0, 0, 0] == 0
    assert back.fine[0, 0, 0, 0] == 8
    assert truth.flatten().tolist() == [8, 2]
    assert first.flatten().tolist() == [0, 6]
    assert there.target[:, 0, 0, 0].tolist() == [9, 3]


def test_the_normalisation_is_among_the_weights():
    model = find("hcnn")(width=2).build(2)
    given = Normaliser(*(np.array([n, n + 1], "float32") for n in (1, 3, 5)))
    model.normalise(given)
    again = find("hcnn")(width=2).build(2)
    again.load_state_dict(model.state_dict())
    for name in ("centre", "scale", "step"):
        np.testing.assert_array_equal(getattr(again.normal, name), getattr(given, name))
