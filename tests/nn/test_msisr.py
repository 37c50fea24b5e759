"""MSISR-STF: the network, the spline, the means, and FSDAF around them."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

import xstf
from tests.networks import TINY, lesson, trained
from xstf.kernels.resample import upsample
from xstf.kernels.restore import restore
from xstf.nn.checkpoint import pack, unpack
from xstf.nn.finer import smooth_of
from xstf.nn.graph import Graph, as_own, patches
from xstf.nn.ignn import Ignn
from xstf.nn.lines import along, line_of
from xstf.nn.msisr import Superresolved, joined, plane_of


def count(module):
    return sum(p.numel() for p in module.parameters())


def fit(scene, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return xstf.fit(scene, "msisr", progress=False, **{**TINY["msisr"], **options})


def untrained():
    """The trained network, its last layer back at zero: an interpolation."""
    fitted = trained("msisr")
    tensors = unpack(fitted.weights.data)
    for name in tensors:
        if name.startswith("net.tail.2."):
            tensors[name] = torch.zeros_like(tensors[name])
    return replace(fitted, weights=pack(tensors, fitted.weights.known))


# The network


@pytest.mark.parametrize(("width", "blocks", "trunk"), [(64, 8, 1_915_331), (256, 16, 49_448_707)])
def test_the_sizes_of_the_card(width, blocks, trunk):
    """With edges of 64 channels, which VGG has, 1.94 and 49.47 million; ours have 8."""
    model = Ignn(3, width, blocks, 5)
    graph = model.graph
    assert count(graph.embed) == 43_336
    assert count(graph.fine) == count(graph.coarse) == 8_961
    assert count(model) == trunk + 43_336 + 2 * 8_961
    edges = 2 * (count(graph.fine) + (64 - 8) * 64)
    assert round((trunk + edges) / 1e6, 2) == {64: 1.94, 256: 49.47}[width]


@pytest.mark.parametrize("shape", [(12, 14), (9, 11), (3, 5), (1, 1)])
def test_it_makes_any_image_four_times_as_fine(shape):
    torch.manual_seed(0)
    said = Ignn(2, 4, 1, 5)(torch.randn(2, 2, *shape))
    assert said.shape == (2, 2, 4 * shape[0], 4 * shape[1])
    assert not said.any()  # its last layer begins at zero


def test_a_planted_like_is_found():
    """A patch that is a part of the image at half its size has that part as its nearest like."""
    torch.manual_seed(0)
    graph = Graph(2, 4, 1)
    image = torch.randn(1, 2, 64, 64)
    small = torch.nn.functional.avg_pool2d(image, 2)
    image[..., 40:52, 8:20] = small[..., 6:18, 14:26]  # with what the embedding looks at
    with torch.no_grad():
        own = graph.embed(image)
        # no average of the image with the part in it, which has changed it elsewhere
        likes = graph.embed(small).unfold(2, 3, 1).unfold(3, 3, 1)
        line = patches(own, 3)[:, :, 22].movedim(1, 2)  # rows 44 to 46
        rows, columns = graph.nearest(line, likes, 22)
    at = 12 // 2  # columns 12 to 14
    assert (rows[0, at, 0], columns[0, at, 0]) == (6 + 4, 14 + 4)


def test_likes_are_sought_nearby_alone():
    torch.manual_seed(0)
    graph = Graph(1, 4, 3)
    with torch.no_grad():
        likes = torch.randn(1, 8, 70, 70, 3, 3)
        for row in (0, 35, 71):
            rows, columns = graph.nearest(torch.randn(1, 72, 8, 3, 3), likes, row)
            assert rows.min() >= min(row - 15, 40)
            assert rows.max() < max(30, row + 15)
            assert (columns[0] >= (torch.arange(72) - 15).clamp(max=40)[:, None]).all()
            assert (columns[0] < (torch.arange(72) + 15).clamp(min=30)[:, None]).all()


def test_answers_have_the_mean_and_contrast_of_what_asked():
    draw = torch.Generator().manual_seed(0)
    answers = 3 + 5 * torch.randn(2, 4, 6, 6, generator=draw)
    own = 1 + torch.randn(2, 4, 3, 3, generator=draw)
    made = as_own(answers, own)
    for got, wanted in (
        (made.mean((-1, -2)), own.mean((-1, -2))),
        (made.std((-1, -2), correction=0), own.std((-1, -2), correction=0)),
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    flat = (made - made.mean((-1, -2), keepdim=True)).flatten(2)
    kept = (answers - answers.mean((-1, -2), keepdim=True)).flatten(2)
    assert torch.nn.functional.cosine_similarity(flat, kept, dim=2).min() > 0.9999


def test_the_graph_gives_back_a_ramp():
    """All likes of a ramp show it: aggregated, aligned and laid over each other it is sharper."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(20.0), indexing="ij")
    ramp = (0.3 * y - 0.2 * x).expand(1, 2, 16, 20).contiguous()
    high, _ = Graph(2, 2, 5)(ramp, ramp)
    coarse = torch.nn.functional.avg_pool2d(high, 2)
    inner = ..., slice(2, -2), slice(2, -2)
    assert (coarse - ramp)[inner].abs().max() < 0.12


# Around the network


@pytest.fixture(scope="module")
def exact():
    """A scene of one pair whose coarse images are block means, and a fitted msisr."""
    scene, truth = xstf.simulate(
        "mixed", size=(96, 80), scale=8, dates=3, pairs=1, bands=("red", "nir"), seed=6
    )
    scene = scene.compute()
    means = truth.values.reshape(3, 2, 12, 8, 10, 8).mean((3, 5))
    scene["coarse"] = scene.coarse.copy(data=means.astype("f4"))
    return scene, fit(scene)


def test_one_pair_teaches_and_means_are_kept(exact):
    scene, fitted = exact
    made = scene.stf.fuse(Superresolved(network=fitted)).compute()
    line = unpack(fitted.weights.data)["line"].numpy()
    np.testing.assert_allclose(line, [[1, 1], [0, 0]], atol=2e-3)
    target = scene.coarse.sel(time=made.time).values
    means = made.values.reshape(2, 2, 12, 8, 10, 8).mean((3, 5), dtype=float)
    np.testing.assert_allclose(means, along(line, target), rtol=0, atol=1e-6)
    assert float(abs(made - target.repeat(8, 2).repeat(8, 3)).mean()) > 1e-3


def test_untrained_it_is_fsdaf_on_an_interpolation():
    """A cubic interpolation whose means are brought to the coarse image, again and again."""
    scene, _ = lesson()
    network = untrained()
    line = unpack(network.weights.data)["line"].numpy()
    cells = along(line, scene.coarse.values[1])
    image = smooth_of(cells)
    for _ in range(12):
        means = image.reshape(2, 24, 4, 20, 4).mean((2, 4), dtype="f8")
        image = image + smooth_of((cells - means).astype("f4"))
    assert np.abs(cells - means).max() < 0.003
    ring = [(0, 0), (1, 1), (1, 1)]
    wide = np.pad(cells, ring, constant_values=np.nan)
    image = np.pad(image, [(0, 0), (4, 4), (4, 4)], constant_values=np.nan)
    made = scene.stf.fuse(Superresolved(network=network), pairs="nearest").compute()
    np.testing.assert_allclose(made[0], restore(image, wide, 4), rtol=0, atol=2e-6)
    same = scene.stf.fuse("fsdaf", spatial=Superresolved(network=network), window=9).compute()
    np.testing.assert_array_equal(scene.stf.fuse(network).compute(), same)
    assert not np.array_equal(same, scene.stf.fuse("fsdaf", window=9).compute())


def test_a_plane_is_bent_by_nothing():
    """What the network says of a plane comes to fine pixels as the plane, up to the edge."""

    class Affine:
        def finer(self, target):
            y, x = np.mgrid[: 4 * target.shape[1], : 4 * target.shape[2]]
            return (0.2 + 0.01 * y - 0.007 * x)[None].astype("f4")

    from xstf.kernels.spline import continuation

    ring = continuation((24, 28), 8)
    plane = plane_of(Affine(), np.zeros((1, 6, 7)), ring)
    assert plane.shape == (16, 6 + 4, 7 + 4)
    made = upsample(joined(plane), "tps", 3)[0]
    y, x = ((np.arange(3 * n) + 0.5) / 3 - 0.5 for n in (24, 28))
    expected = 0.2 + 0.01 * y[:, None] - 0.007 * x
    np.testing.assert_allclose(made, expected, rtol=0, atol=2e-5)


def test_means_are_brought_back_without_printing_cells():
    """The surface that brings means back bends less at the borders of cells than inside them."""
    from xstf.nn.finer import projected

    rng = np.random.default_rng(3)
    cells = rng.normal(0.3, 0.1, (1, 12, 12)).astype("f4")
    made = projected(np.zeros((1, 48, 48), "f4"), cells)[0]
    means = made.reshape(12, 4, 12, 4).mean((1, 3))
    assert np.abs(means - cells[0]).max() < 0.01
    bends = np.abs(np.diff(made, 2, axis=0)).mean(1)
    border = np.arange(46) % 4 > 1  # of three pixels in a row two lie in one cell, one in the next
    assert bends[border].mean() < bends[~border].mean()


def test_joined_undoes_what_planes_are():
    image = np.random.default_rng(0).normal(size=(3, 8, 12)).astype("f4")
    parts = image.reshape(3, 2, 4, 3, 4).transpose(0, 2, 4, 1, 3).reshape(48, 2, 3)
    np.testing.assert_array_equal(joined(parts), image)


def test_lines_from_coarse_to_fine():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 1, (2, 3, 6, 5)).astype("f4")
    fine = coarse * np.array([1.2, 0.8, 5.0])[:, None, None] + 0.1
    fine[0, 0, 0, 0] = np.nan
    slope, offset = line_of(coarse, fine)
    np.testing.assert_allclose(slope, [1.2, 0.8, 2.0], rtol=1e-5)  # five times is no sensor
    np.testing.assert_allclose(offset[:2], 0.1, atol=1e-6)
    np.testing.assert_allclose(line_of(coarse * 0, fine)[0], 1)
    np.testing.assert_array_equal(line_of(coarse * np.nan, fine), [[1] * 3, [0] * 3])


@pytest.mark.parametrize(("scale", "near"), [(7, 8), (6, 8), (30, 32)])
def test_cells_that_are_no_multiple_of_four_are_refused(scale, near):
    scene, _ = xstf.simulate("parcels", size=scale * 8, scale=scale, dates=3, pairs=1)
    for call in (scene.stf.fit, scene.stf.fuse):
        with pytest.raises(ValueError, match=f"multiple of 4 .* is {scale};.*scale={near}"):
            call("msisr")


def test_pairs_are_combined_from_one_each():
    scene, _ = lesson()
    fitted = trained("msisr")
    both = scene.stf.fuse(fitted, combine="temporal").compute()
    first, last = (scene.stf.fuse(fitted, pairs=[scene.time.values[n]]).compute() for n in (0, 2))
    assert (both >= np.minimum(first, last) - 1e-5).all()
    assert (both <= np.maximum(first, last) + 1e-5).all()


def test_coarse_images_on_the_fine_grid_need_the_cell():
    scene, _ = lesson()
    wide = xr.DataArray(scene.coarse.values.repeat(4, 2).repeat(4, 3), dims=scene.fine.dims)
    flat = xstf.scene(scene.fine[[0, 2]], wide.assign_coords(scene.fine.coords), scale=1)
    with pytest.raises(ValueError, match="cell=16"):
        fit(flat)
    again = fit(flat, cell=4)
    np.testing.assert_allclose(
        flat.stf.fuse(again).compute(), scene.stf.fuse(trained("msisr")).compute(), atol=1e-5
    )


def test_what_is_missing_teaches_nothing():
    scene = lesson()[0].copy(deep=True)
    holes = scene.copy(deep=True)
    holes["coarse"][2, :, 3:7, 4:9] = np.nan
    holes["fine"][0, :, 40:60, 30:60] = np.nan
    holes["fine"][2, :, 12:28, 16:36] = 0.9  # under the missing cells
    fitted = fit(holes)
    assert np.isfinite(fitted.history.loss).all()
    assert fitted.history.loss[-1] < 2 * trained("msisr").history.loss[-1]
    holes["fine"][:] = np.nan
    with pytest.raises(ValueError, match="the scene has none; add pairs with fewer clouds"):
        fit(holes)


def test_it_learns_what_interpolation_lacks():
    """Every cell has a rim that is darker than its middle: more where it is brighter."""
    rng = np.random.default_rng(2)
    cells = rng.uniform(0.2, 0.5, (1, 1, 40, 24)).astype("f4")
    middle = np.pad(np.ones((2, 2), "f4"), 1) - 0.25
    truth = smooth_of(cells) + np.kron(cells - 0.1, middle).astype("f4")
    day = np.array(["2020-05-01"], "datetime64[ns]")
    fine, coarse = (
        xr.DataArray(v, dims=("time", "band", "y", "x"), coords={"time": day, "band": ["red"]})
        for v in (truth, cells)
    )
    scene = xstf.scene(fine, coarse, scale=4)
    given = {"width": 8, "epochs": 12, "rate": 5e-3, "own": False, "patch": 10}
    found = fit(scene, **given).history
    assert found.loss[-1] < 0.5 * found.loss[0]
    assert found.held_out_best < 0.6 * found.held_out_trivial.sel(name="upsampled")
    assert found.rate.values.tolist() == pytest.approx(
        [5e-3] * 6 + [2.5e-3] * 3 + [1.25e-3] * 2 + [6.25e-4]
    )
