"""The two networks over an intermediate grid: its pixels, what they see, how change is moved."""

import warnings

import numpy as np
import pytest
import torch
import xarray as xr

import xstf
from tests.nn.test_networks import count, images, stirred
from xstf.kernels.resample import upsample
from xstf.nn.inputs import Filled
from xstf.nn.layers import inner
from xstf.nn.stfdcnn import DARK, Enhancer, Stfdcnn, reduced, sight


def built(bands=1, scale=4, **given):
    torch.manual_seed(0)
    return stirred(Stfdcnn(**{"width": 4, **given}).build(bands, scale))


def test_the_size_of_the_card():
    assert count(Enhancer(1, 64, False)) == 57_281
    assert count(Stfdcnn().build(1, 16)) == 114_562
    assert count(Stfdcnn().build(3, 16)) == 3 * 114_562


@pytest.mark.parametrize(
    ("scale", "factor"), [(16, 8), (20, 10), (15, 5), (9, 3), (7, 7), (4, 2), (2, 2), (25, 5)]
)
def test_intermediate_pixels_are_about_half_a_cell(scale, factor):
    assert Stfdcnn().factor(scale) == factor
    assert Stfdcnn(lsr_factor=factor).factor(scale) == factor


def test_intermediate_pixels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="lsr_factor=6 does not divide.* 16: .*one of 2, 4, 8, 16"):
        Stfdcnn(lsr_factor=6).suit(["nir"], 16, None)
    with pytest.raises(ValueError, match="scale is 1 .*xstf.scene.fine, coarse, scale=16."):
        Stfdcnn().suit(["nir"], 1, None)
    scene, _ = xstf.simulate("parcels", size=48, scale=6, dates=3, bands=("red",))
    for call in (scene.stf.fit, scene.stf.fuse):
        with pytest.raises(ValueError, match="one of 2, 3, 6"):
            call("stfdcnn", lsr_factor=4)


@pytest.mark.parametrize(("factor", "window"), [(2, 3), (8, 1), (8, 3), (7, 5)])
def test_it_looks_about_as_far_as_it_says(factor, window):
    model = built(1, factor, lsr_factor=factor, window=window, width=2)
    r, rim = model.radius, window // 2
    assert r == sight(factor, rim) == Stfdcnn(lsr_factor=factor, window=window).halo(factor)
    assert r % factor == 0
    x = images(2 * r + factor)
    parts = [t.requires_grad_() for t in (x.fine, x.coarse, x.target)]
    both = Filled(*(torch.stack([t, t.flip(-1)], 1) for t in (*parts, x.gone)))
    said = model.forecast(both, True)
    assert said.shape == (1, 1, 1, factor, factor)
    said.sum().backward()
    for t in parts[1:]:  # whole intermediate pixels around the one that was asked for
        seen = (t.grad[0, 0] != 0).any(1).nonzero().flatten()
        assert 0 <= seen[0] <= factor
        assert seen[0] + seen[-1] == 2 * r + factor - 1


def test_untrained_it_adds_the_intermediate_change():
    model = Stfdcnn(width=2).build(1, 4)
    x = images(2 * model.radius + 4)
    flat = Filled(x.fine, x.coarse, x.coarse + 0.25, x.gone)
    torch.testing.assert_close(model.forecast(flat, True), inner(x.fine, model.radius) + 0.25)
    change = torch.linspace(0, 1, x.fine.shape[-1]).expand_as(x.fine)  # which no grid bends
    even = Filled(x.fine, x.coarse, x.coarse + change, x.gone)
    expected = inner(x.fine + change, model.radius)
    torch.testing.assert_close(model.forecast(even, True), expected, rtol=1e-5, atol=1e-5)


def test_a_ratio_multiplies_where_nothing_is_dark():
    model = built(1, hpm="ratio")
    model.scale.fill_(0.1)
    model.centre.fill_(0.2)
    real = torch.tensor([0.3, 0.3, 0.3]), torch.tensor([0.1, DARK / 2, -0.1]), torch.tensor([0.2])
    image, before, after = ((v - 0.2).reshape(1, -1, 1, 1) / 0.1 for v in real)
    found = model.modulated(image, before, after).flatten() * 0.1 + 0.2
    expected = [0.6, 0.3 + 0.2 - DARK / 2, 0.3 + 0.2 + 0.1]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    added = built(1).modulated(image, before, after)
    torch.testing.assert_close(added, image + after - before)


def test_pairs_are_weighed_by_how_little_changed_nearby():
    model = built(1)
    draw = torch.Generator().manual_seed(2)
    image, before, after = (torch.randn(1, 2, 1, 3, 3, generator=draw) for _ in range(3))
    there = torch.ones_like(image, dtype=torch.bool)
    step = after - before
    weight = 1 / (step[0, :, 0].abs().mean((1, 2)) + 1e-6)
    made = image + step
    expected = (weight * made[0, :, 0, 1, 1]).sum() / weight.sum()
    torch.testing.assert_close(model.moved(image, before, after, there).squeeze(), expected)
    there[0, 0, 0, 1, 1] = False
    alone = model.moved(image, before, after, there).squeeze()
    torch.testing.assert_close(alone, made[0, 1, 0, 1, 1])
    there[:] = False
    neither = model.moved(image, before, after, there).squeeze()
    torch.testing.assert_close(neither, made[0, :, 0, 1, 1].mean())


def test_each_network_is_trained_while_the_other_rests():
    model = built(1)
    x = images(2 * model.radius + 12)
    lesson = x, True, torch.ones(1, 1, 12, 12), torch.ones(1, 1, 12, 12) > 0
    for stage, trained in enumerate((model.mapping, model.detail)):
        before = {n: p.clone() for n, p in model.state_dict().items()}
        optimiser = torch.optim.Adam(model.begin(stage), 0.1)
        model.misfit(*lesson).backward()
        optimiser.step()
        changed = {n.split(".")[0] for n, p in model.named_parameters() if not p.equal(before[n])}
        assert changed == {"mapping" if trained is model.mapping else "detail"}


def test_missing_pixels_teach_neither_network():
    model = built(1)
    x = images(2 * model.radius + 12)
    seen = torch.ones(1, 1, 12, 12, dtype=torch.bool)
    seen[..., 5, 5] = False
    losses = []
    for value in (0.0, 9.0):
        truth = torch.where(seen, 1.0, value)
        model.begin(0)
        losses.append(model.misfit(x, True, truth, seen).item())
    assert losses[0] == losses[1]
    x.gone[..., model.radius + 5, model.radius + 5] = True
    model.begin(1)
    assert np.isfinite(model.misfit(x, True, truth, seen).item())


def test_means_over_squares():
    image = torch.arange(2 * 3 * 16.0).reshape(2, 3, 1, 4, 4)
    assert reduced(image, 2)[1, 2, 0].tolist() == [[82.5, 84.5], [90.5, 92.5]]


def test_it_learns_what_either_grid_lacks():
    """Fine images have 1.5 times the contrast of coarse ones: that each date shows."""
    draw = np.random.default_rng(1)
    cells = (0.3 * draw.uniform(0.1, 0.5, (4, 1, 36, 36)) + 0.2).astype("float32")
    smooth = upsample(np.pad(cells, [(0, 0), (0, 0), (2, 2), (2, 2)], mode="edge"), "cubic", 4)
    fine = 0.3 + 1.5 * (smooth - 0.3)
    days = np.array(["2020-05-01", "2020-05-11", "2020-05-21", "2020-05-31"], "datetime64[ns]")
    coords = {"time": days, "band": ["red"]}
    truth, coarse = (
        xr.DataArray(v, dims=("time", "band", "y", "x"), coords=coords) for v in (fine, cells)
    )
    scene = xstf.scene(truth[[0, 3]], coarse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        options = {"width": 8, "patch": 24, "epochs": 4, "rate": 5e-3, "batch": 8, "halve": 3}
        fitted = xstf.fit(scene, "stfdcnn", progress=False, **options)
    inside = {"x": slice(16, -16), "y": slice(16, -16)}

    def error(method):
        off = (scene.stf.fuse(method) - truth).isel(inside)
        return float(np.sqrt((off**2).mean()))

    assert error(fitted) < 0.7 * error("add")
