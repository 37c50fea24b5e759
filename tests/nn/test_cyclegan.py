"""CycleGAN-STF: generators, what is chosen of them, the mosaic, and FSDAF around it."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

import xstf
from tests.networks import TINY, lesson, trained
from xstf.nn.checkpoint import pack, unpack
from xstf.nn.cyclegan import SHARES, Mosaic, chosen, shares
from xstf.nn.generators import Generator, Model, critic, radius_of
from xstf.nn.layers import inner
from xstf.nn.lines import along


def fit(scene, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return xstf.fit(scene, "cyclegan", progress=False, **{**TINY["cyclegan"], **options})


def stirred(generator):
    with torch.no_grad():
        generator.net[-1].weight.normal_(0, 0.1)
    return generator


def silenced():
    """The trained method with generators that say the image: the pairs alone are candidates."""
    fitted = trained("cyclegan")
    tensors = unpack(fitted.weights.data)
    for name in tensors:
        if name.startswith("held."):
            tensors[name] = torch.zeros_like(tensors[name])
    return replace(fitted, weights=pack(tensors, fitted.weights.known))


def test_a_generator_looks_exactly_as_far_as_it_says_and_begins_with_the_image():
    torch.manual_seed(0)
    generator, step = Generator(2, 3, 2), torch.ones(2, 1, 1)
    assert generator.radius == radius_of(2) == 3 + 4 + 3
    image = torch.randn(1, 2, 27, 27, requires_grad=True)
    said = generator(image, step)
    torch.testing.assert_close(said, inner(image, 10))
    assert generator.padded(image, step).shape == image.shape
    stirred(generator)(image, step)[0, 0, 3, 3].backward()
    seen = (image.grad != 0).any(1)[0]
    for axis in (0, 1):
        assert seen.any(axis).nonzero().flatten()[[0, -1]].tolist() == [3, 23]


def test_a_part_of_an_image_is_generated_as_in_the_whole():
    torch.manual_seed(0)
    generator, step = stirred(Generator(2, 3, 1)), torch.ones(2, 1, 1)
    image = 5 * torch.randn(1, 2, 40, 40)
    whole = generator(image, step)
    part = generator(image[..., 7:30, 5:36], step)
    torch.testing.assert_close(part, whole[..., 7 : 7 + 7, 5 : 5 + 15])


def test_a_critic_looks_at_70_pixels():
    torch.manual_seed(0)
    image = torch.randn(1, 1, 160, 160, requires_grad=True)
    said = critic(1, 2)(image)
    said[0, 0, 9, 9].backward()
    rows = (image.grad[0, 0] != 0).any(1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


def test_stages_of_the_training_are_kept():
    torch.manual_seed(0)
    model = Model(1, 2, 1, 3)
    model.keep(0)
    stirred(model.now.later)
    model.keep(1)
    stirred(model.now.later)
    image = torch.randn(1, 30, 30)
    made = model.images(image, image + 1)
    assert made.shape == (8, 1, 14, 14)
    torch.testing.assert_close(made[1], inner(image + 1, 8))
    torch.testing.assert_close(made[2], inner(image, 8))  # the first stage says the image
    assert not torch.equal(made[4], made[6])
    for backward in made[3::2]:
        torch.testing.assert_close(backward, inner(image + 1, 8))


def test_candidates_are_the_pairs_and_mixtures_with_them():
    parts = shares(6)
    assert parts.shape == (2 + 4 * len(SHARES), 6)
    np.testing.assert_allclose(parts.sum(axis=1), 1)
    np.testing.assert_array_equal(parts[:2], np.eye(6)[:2])
    np.testing.assert_array_equal(parts[2], [0.75, 0, 0.25, 0, 0, 0])
    np.testing.assert_array_equal(parts[-1], np.eye(6)[5])
    assert ((parts[:, 0] > 0) <= (parts[:, [1, 3, 5]] == 0).all(axis=1)).all()


def test_what_is_most_like_the_coarse_image_is_chosen():
    means = np.zeros((4, 2, 1, 5), "f4")
    means[1] = 1  # the later pair; what was made of the earlier one is 4, of the later one -3
    means[2], means[3] = 4, -3
    target = np.array([[0.0, 1, 4, -3, 2]] * 2)[:, None]
    weights = chosen(means, target, np.ones(2))
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    for cell, image in enumerate((0, 1, 2, 3)):
        if image not in (0, 1):
            assert weights[image, 0, cell] > 0.99
    np.testing.assert_allclose(weights[:, 0, 4], [0.5, 0, 0.5, 0], atol=1e-6)
    moved = chosen(means, target + 1e-6, np.ones(2))
    assert np.abs(moved - weights).max() < 1e-4  # and no difference of rounding decides
    target[:, 0, 0] = np.nan
    known = chosen(means, target, np.ones(2))
    np.testing.assert_allclose(known[:, 0, 0], shares(4).mean(axis=0), rtol=1e-6)


@pytest.fixture(scope="module")
def halves():
    """A scene whose target is the earlier date on the left and the later one on the right."""
    scene, _ = lesson()
    ds = scene.copy(deep=True)
    first, last = ds.coarse.values[0], ds.coarse.values[2]
    ds["coarse"][1] = np.concatenate([first[..., :10], last[..., 10:]], axis=-1)
    ds["fine"][2] = ds["fine"][2] + 0.2  # so that means tell the dates apart
    ds["coarse"][2] = ds["coarse"][2] + 0.2
    ds["coarse"][1, ..., 10:] = ds["coarse"][1, ..., 10:] + 0.2
    return ds


def test_the_mosaic_is_of_the_pairs_where_they_are_like_the_target(halves):
    network = silenced()
    made = halves.stf.fuse(Mosaic(network=network)).compute()[0]
    line = unpack(network.weights.data)["line"].numpy()
    target = along(line, halves.coarse.values[1])
    means = made.values.reshape(2, 24, 4, 20, 4).mean((2, 4), dtype=float)
    np.testing.assert_allclose(means, target, rtol=0, atol=1e-6)
    for side, date in ((np.s_[..., 8:32], 0), (np.s_[..., 48:72], 2)):
        own = halves.fine.values[date][side]
        other = halves.fine.values[2 - date][side]
        assert np.corrcoef(made.values[side].ravel(), own.ravel())[0, 1] > 0.97
        assert np.abs(made.values[side] - own).mean() < np.abs(made.values[side] - other).mean() / 4


def test_a_pixel_that_one_pair_lacks_is_the_others():
    scene = lesson()[0].copy(deep=True)
    hole = np.s_[:, 40:46, 30:37]
    scene["fine"].values[0][hole] = np.nan
    fitted = trained("cyclegan")
    assert not scene.stf.fuse(Mosaic(network=fitted)).compute().isnull().any()
    scene["fine"].values[2][hole] = np.nan
    fused = scene.stf.fuse(fitted).compute()[0]
    missing = np.zeros(fused.shape, bool)
    missing[hole] = True
    np.testing.assert_array_equal(fused.isnull(), missing)


def test_it_is_fsdaf_from_both_sides_with_another_spatial_prediction():
    scene, _ = lesson()
    fitted = trained("cyclegan")
    plain = scene.stf.fuse("fsdaf", window=9, combine="temporal").compute()
    found = scene.stf.fuse(fitted).compute()
    assert 1e-4 < float(abs(found - plain).mean()) < 0.01
    quality = scene.stf.fuse(fitted, quality=True)
    assert set(quality.data_vars) == {"fused", "similar"}
    xr.testing.assert_equal(quality.fused.compute(), found)


def test_generators_learn_what_a_date_looks_like():
    """The later date is brighter; critics alone say so."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1, 1, 100, 100)).cumsum(-1).cumsum(-2)
    image = noise[..., 5:, 5:] - noise[..., :-5, 5:] - noise[..., 5:, :-5] + noise[..., :-5, :-5]
    image = (0.2 + 0.006 * image[..., :92, :92]).astype("f4")  # means of 5 x 5 pixels
    days = np.array(["2020-05-01", "2020-05-11", "2020-05-21"], "datetime64[ns]")
    both = np.concatenate([image, image + 0.03, image + 0.06])
    fine = xr.DataArray(both, dims=("time", "band", "y", "x"), coords={"time": days})
    fine = fine.assign_coords(band=["red"])
    scene = xstf.scene(fine[[0, 2]], fine.coarsen(y=4, x=4).mean())
    given = {"width": 4, "epochs": 12, "rate": 3e-3, "cycle": 1.0, "identity": 0.0}
    fitted = fit(scene, **given)
    model = fitted.build(1)
    model.load_state_dict(unpack(fitted.weights.data))
    first, last = (torch.from_numpy(both[n] - 0.0) for n in (0, 2))
    with torch.no_grad():
        made = model.images(*((i - model.centre) / model.scale for i in (first, last)))
    means = made.mean((1, 2, 3))
    gap = means[1] - means[0]
    assert means[-2] > means[0] + gap / 2
    assert means[-1] < means[1] - gap / 2
    rates = fitted.history.rate.values
    np.testing.assert_allclose(rates[[0, 6, 9, 11]], [3e-3, 3e-3, 1.5e-3, 5e-4])


def test_scenes_that_hold_no_patch_for_a_critic_are_refused():
    scene, _ = xstf.simulate("parcels", size=20, scale=4, dates=3, pairs=2)
    with pytest.raises(ValueError, match="24 fine pixels or more, and the scene is 20"):
        fit(scene)


def test_training_goes_on_from_other_generators():
    scene, _ = lesson()
    more = fit(scene, init=trained("cyclegan"), epochs=1)
    kept = unpack(trained("cyclegan").weights.data)
    found = unpack(more.weights.data)
    assert set(found) == set(kept)
    torch.testing.assert_close(
        found["held.1.later.net.0.weight"], kept["held.1.later.net.0.weight"], atol=1e-2, rtol=0
    )
    assert more.history.rate[0] == pytest.approx(2e-5)
