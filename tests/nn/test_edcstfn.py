"""The network of all bands: what it sees, how it blends two pairs, what teaches it."""

import numpy as np
import pytest
import torch

from tests.nn.test_networks import count, images, stirred
from xstf.nn.edcstfn import Edcstfn, Model, between
from xstf.nn.inputs import Filled
from xstf.nn.layers import inner
from xstf.registry import find


def built(bands=1, scale=4, **given):
    torch.manual_seed(0)
    return stirred(Edcstfn(**{"width": 4, "features": 0, **given}).build(bands, scale))


def pairs(one, other):
    """Two pairs of one target."""
    parts = ("fine", "coarse", "target", "gone")
    made = [torch.stack([getattr(one, p), getattr(other, p)], 1) for p in parts]
    return Filled(*made)


def test_the_size_of_the_card():
    assert count(Edcstfn(skip=False, features=0).build(6)) == 284_134
    assert count(Edcstfn(skip=True, features=0).build(6)) == 284_134


@pytest.mark.parametrize(("skip", "scale", "radius"), [(False, 16, 5), (True, 7, 5), (True, 16, 8)])
def test_it_looks_five_pixels_away(skip, scale, radius):
    model = built(2, scale, skip=skip)
    assert model.radius == find("edcstfn")(skip=skip).halo(scale) == radius
    x = images(2 * radius + 5, bands=2)
    known = [t.requires_grad_() for t in (x.fine, x.coarse, x.target)]
    said = model.forecast(x, True)
    assert said.shape == (1, 2, 5, 5)
    said[0, 0, 2, 2].backward()
    for image in known:  # and at all bands
        seen = (image.grad[0] != 0).any(0)
        for axis in (0, 1):
            at = seen.any(axis).nonzero().flatten()
            assert at.tolist() == list(range(radius + 2 - 5, radius + 2 + 6))
    assert all((image.grad[0] != 0).any(2).any(1).all() for image in known)


def test_weights_of_sides_look_about_a_cell_away():
    model = built(1, 16)
    one, other = images(2 * 8 + 5), images(2 * 8 + 5, seed=1)
    x = pairs(one, other)
    x.target.requires_grad_()
    model.forecast(x, True)[0, 0, 2, 2].backward()
    seen = (x.target.grad[0, 0, 0] != 0).any(0).nonzero().flatten()
    assert seen.tolist() == list(range(2, 2 + 2 * 8 + 1))


def test_untrained_it_says_the_pair_plus_the_coarse_change():
    model = Edcstfn(width=4).build(2, 4)
    x = images(30, bands=2)
    torch.testing.assert_close(
        model.forecast(x, True), inner(x.fine + x.target - x.coarse, model.radius)
    )


def test_features_are_blended_by_how_small_their_changes_are():
    model = built(2, skip=False)
    one, other = images(16, bands=2), images(16, bands=2, seed=1)
    features, changes = [], []
    for x in (one, other):
        change = model.change(torch.cat([x.coarse, x.fine, x.target], 1))
        features.append(model.fine(x.fine) + change)
        changes.append(change.abs())
    share = (1 / changes[0]) / (1 / changes[0] + 1 / changes[1])
    expected = model.decoder(share * features[0] + (1 - share) * features[1])
    torch.testing.assert_close(
        model.forecast(pairs(one, other), True), expected, rtol=1e-3, atol=1e-4
    )
    twice = model.forecast(pairs(one, one), True)
    torch.testing.assert_close(twice, model.forecast(one, True))


def test_a_pair_that_lacks_something_is_left_out_there():
    model = built(1)
    one, other = images(30), images(30, seed=1)
    one.gone[..., 12:18, 12:18] = True
    alone = model.forecast(other, True)
    both = model.forecast(pairs(one, other), True)
    assert not torch.allclose(both, alone)
    plain = model.plain(pairs(one, other), model.around)
    at = slice(12 - model.radius, 18 - model.radius)
    torch.testing.assert_close(plain[..., at, at], inner(
        other.fine + other.target - other.coarse, model.radius)[..., at, at])  # fmt: skip
    other.gone[:] = True  # both lack it: what was filled in counts, and does not come out
    other.gone[..., :12, :] = False
    assert torch.isfinite(model.forecast(pairs(one, other), True)).all()


def test_sides_of_the_plain_image_are_weighed_by_their_squared_change():
    model = built(1)
    x = pairs(images(15), images(15, seed=1))
    model.step.fill_(0.5)
    change = (x.target - x.coarse)[0, :, 0].numpy()
    size = [(c[5:10, 5:10] ** 2).mean() / 0.25 for c in change]
    weight = np.array([1 / (1 + s) for s in size])
    said = (x.fine[0, :, 0, 7, 7].numpy() + change[:, 7, 7]) @ weight / weight.sum()
    assert model.plain(x, 2)[0, 0, 2, 2].item() == pytest.approx(said, rel=1e-5)


def test_three_dates_teach_the_one_between():
    fine = torch.arange(3.0).reshape(1, 3, 1, 1, 1).expand(1, 3, 2, 9, 9).clone()
    fine[0, 0, 0, 4, 4] = torch.nan
    found = between(fine, fine + 10, 3)
    assert found.images.fine[0, :, 1, 0, 0].tolist() == [0, 2]
    assert found.images.coarse[0, :, 1, 0, 0].tolist() == [10, 12]
    assert found.images.target[0, :, 1, 0, 0].tolist() == [11, 11]
    assert found.truth[0, 1].unique().tolist() == [1]
    assert found.seen.all()  # the other side has it
    fine[0, 2, 0, 4, 4] = torch.nan
    assert (~between(fine, fine, 3).seen).nonzero().tolist() == [[0, 0, 1, 1]]


def test_patches_without_a_change_are_among_the_lessons():
    model = built(1, same=True)
    fine = torch.arange(20.0).reshape(10, 2, 1, 1, 1).expand(10, 2, 1, 20, 20)
    given = fine, fine + 100, torch.ones(10)
    assert len(list(model.eval().lessons(*given))) == 2
    *_, same = model.train().lessons(*given)
    assert same.images.fine[:, 0, 0, 0].tolist() == [0, 9, 16]  # first, second, first date
    assert torch.equal(same.images.coarse, same.images.target)
    assert torch.equal(same.truth, inner(same.images.fine, model.radius))
    assert len(list(built(1, same=False).train().lessons(*given))) == 2


def test_the_auto_encoder_is_trained_first_and_frozen_then():
    model = Edcstfn(width=2).build(1, 4)
    assert isinstance(model, Model)
    assert model.stages == 2
    assert Edcstfn(width=2, features=0).build(1, 4).stages == 1
    x = images(2 * model.radius + 24)
    lesson = x, True, torch.ones(1, 1, 24, 24), torch.ones(1, 1, 24, 24) > 0
    for stage in (0, 1):
        assert model.shows(stage) == bool(stage)
        before = {n: p.clone() for n, p in model.state_dict().items()}
        optimiser = torch.optim.Adam(model.begin(stage), 0.1)
        model.misfit(*lesson).backward()
        optimiser.step()
        for name, value in model.named_parameters():
            moved = not torch.equal(value, before[name])
            if name.startswith("critic.") == (stage == 0):
                assert moved or value.grad is None or not value.grad.any(), name
            else:
                assert not moved, name


def test_losses_are_added_by_their_weights():
    x = images(2 * 5 + 24)
    lesson = x, True, 0.1 * inner(x.fine, 5), torch.ones(1, 1, 24, 24) > 0
    losses = []
    for features, texture in ((0, 0), (0, 1), (1, 0), (2, 3)):
        model = built(1, features=features, texture=texture)
        model.load_state_dict(built(1, features=1).state_dict(), strict=False)
        model.begin(model.stages - 1)
        losses.append(model.misfit(*lesson).item())
    plain, texture, features, all_ = losses
    assert plain < min(texture, features)
    assert all_ - plain == pytest.approx(2 * (features - plain) + 3 * (texture - plain), rel=1e-4)
