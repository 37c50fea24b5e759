"""The network of native coarse images: which scales, what it sees, where its pooling begins."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

import xstf
from tests.networks import lesson, trained
from tests.nn.test_networks import count, images, stirred
from xstf.nn.dcstfn import Dcstfn, Model
from xstf.nn.inputs import Filled
from xstf.nn.layers import doubled, enlarged, inner, weighed
from xstf.nn.method import nearness


def test_the_size_of_the_card():
    assert count(Model(1, 32, 16, False, False)) == 408_961
    assert count(Dcstfn(skip=True).build(2, 16)) == 2 * 408_961


@pytest.mark.parametrize("scale", [1, 3, 7, 12, 20])
def test_scales_that_are_no_powers_of_two_are_refused(scale):
    with pytest.raises(ValueError, match=f"doubles the pixels.*this scene's scale is {scale};"):
        Dcstfn().suit(["nir"], scale, None)


def test_a_scene_of_another_scale_is_neither_fitted_nor_fused():
    scene, _ = xstf.simulate("parcels", size=48, scale=6, dates=3, bands=("red",))
    for call in (scene.stf.fit, scene.stf.fuse):
        with pytest.raises(ValueError, match="take edcstfn, which serves every scale"):
            call("dcstfn")


@pytest.mark.parametrize("scale", [2, 4, 16])
def test_it_looks_four_cells_away(scale):
    model = stirred(Dcstfn(width=2, skip=False).build(1, scale))
    with torch.no_grad():
        for p in model.parameters():
            p.abs_()  # so that no unit is silent
    r = model.radius
    assert r == Dcstfn().halo(scale) == 4 * scale
    fine, coarse = (t.abs().requires_grad_() for t in (images(2 * r + 2 * scale).fine,) * 2)
    parts = fine, coarse, (2 * coarse.detach()).requires_grad_()
    said = model.forecast(Filled(*parts, torch.zeros_like(fine, dtype=torch.bool)), True)
    assert said.shape == (1, 1, 2 * scale, 2 * scale)
    farthest = []
    for pixel in range(scale, 2 * scale):
        for t in parts:
            t.grad = None
        said[0, 0, pixel, pixel].backward(retain_graph=True)
        seen = [(t.grad[0, 0] != 0).any(0).nonzero().flatten() - r - pixel for t in parts]
        assert seen[0].min() >= -8
        assert seen[0].max() <= 8
        farthest.append(max(abs(int(s[i])) for s in seen[1:] for i in (0, -1)))
    assert max(farthest) == max(r, 8)


def test_enlarging_needs_no_padding():
    """Features of a part of the scene are those of the whole one there, for blocks of cells."""
    model = stirred(Dcstfn(width=3).build(2, 8))
    x = images(8 * 14, bands=2)
    whole = model.forecast(x, True)
    for y, x0, cells in ((0, 0, 2), (3, 1, 1), (2, 4, 2)):
        rows = slice(8 * y, 8 * (y + cells + 8))
        columns = slice(8 * x0, 8 * (x0 + cells + 8))
        part = Filled(*(t[..., rows, columns] for t in (x.fine, x.coarse, x.target, x.gone)))
        found = model.forecast(part, True)
        size = 8 * cells
        expected = whole[..., 8 * y : 8 * y + size, 8 * x0 : 8 * x0 + size]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_it_is_the_network_of_the_paper_with_padding_away_from_the_edge():
    """The same weights in same-size convolutions on the whole image, as the authors have them."""
    model = stirred(Dcstfn(width=3, skip=False).build(1, 8))
    x = images(8 * 12)

    def padded(layers, image):
        for layer in layers:
            if isinstance(layer, torch.nn.Conv2d):
                image = functional.conv2d(
                    image, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2
                )
            else:
                image = layer(image)
        return image

    enlarger = model.coarse
    coarse = [
        padded(
            [*enlarger.cells, *enlarger.steps, enlarger.last], functional.avg_pool2d(i, 8)
        ).relu()
        for i in (x.coarse, x.target)
    ]
    merged = padded(model.fine, x.fine) - coarse[0] + coarse[1]
    expected = inner(padded(model.merge, merged), model.radius)
    torch.testing.assert_close(model.forecast(x, True), expected, rtol=1e-4, atol=1e-5)


def test_untrained_it_says_the_pair_plus_the_smooth_coarse_change():
    model = Dcstfn(width=2).build(1, 4)
    x = images(40)
    flat = Filled(x.fine, x.coarse, x.coarse + 0.25, x.gone)
    torch.testing.assert_close(model.forecast(flat, True), inner(x.fine, 16) + 0.25)


def test_pixels_are_doubled_from_the_two_next_to_them():
    layer = doubled(1, 1, 1)
    torch.nn.init.ones_(layer.weight)
    made = layer(torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]]))[0, 0]
    assert made[0].tolist() == [1, 11, 10, 10]
    assert made[1].tolist() == [101, 1111, 1010, 1010]


def test_cells_are_interpolated_and_missing_ones_left_out():
    cells = torch.arange(5.0).expand(1, 1, 5, 5)
    there = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    found = enlarged(cells, there, 4)
    expected = torch.linspace(1 - 3 / 8, 3 + 3 / 8, 12).expand(1, 1, 12, 12)
    torch.testing.assert_close(found, expected)
    there[..., 2] = False
    found = enlarged(torch.where(there, cells, 99.0), there, 4)
    assert found[0, 0, 0, 3:9].tolist() == pytest.approx([1, 1, 1, 3, 3, 3])
    there[:] = False
    torch.testing.assert_close(enlarged(cells, there, 4), expected)


def test_two_pairs_are_weighed_by_time():
    b = SimpleNamespace(
        times=np.array(["2020-01-01", "2020-01-09"], "datetime64[ns]"),
        target_times=np.array(["2020-01-03", "2020-01-09"], "datetime64[ns]"),
    )
    said = torch.tensor([[1.0, torch.nan], [5.0, 7.0]])[..., None, None, None]
    found = Dcstfn().combine(b, said, said, said).flatten().tolist()
    assert found == pytest.approx([0.75 * 1 + 0.25 * 5, 7.0], rel=1e-4)
    assert nearness(b.times, b.target_times).shape == (2, 2, 1, 1, 1)
    nothing = torch.full((2, 1), torch.nan)
    assert torch.isnan(weighed(nothing, torch.ones(2, 1))).all()


def test_cells_reach_the_network_as_they_are():
    """A cell that is missing on one date leaves the others as they were."""
    scene, _ = lesson()
    with pytest.raises(ValueError, match="upsample"):
        Dcstfn(upsample="cubic")
    fused = scene.stf.fuse(trained("dcstfn")).compute()
    holed = scene.copy(deep=True)
    holed["coarse"][0, :, 0, 0] = np.nan
    found = holed.stf.fuse(trained("dcstfn")).compute()
    far = 5 * 4
    np.testing.assert_allclose(found[..., far:, far:], fused[..., far:, far:], rtol=0, atol=1e-6)
