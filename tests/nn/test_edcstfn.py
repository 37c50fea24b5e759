"""The network of all bands: what it sees, how it blends two pairs, what teaches it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.networks import trained
from tests.nn.test_networks import count, images, stirred
from xstf.nn.edcstfn import Edcstfn, Model, between
from xstf.nn.inputs import Filled
from xstf.nn.layers import calm, inner


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


@pytest.mark.parametrize("skip", [False, True])
def test_it_looks_five_pixels_away(skip):
    model = built(2, 16, skip=skip)
    assert model.radius == Edcstfn(skip=skip, alike=None).halo(16) == 5
    assert Edcstfn(weigh="change", alike=None).halo(16) == 5 + 16
    x = images(15, bands=2)
    known = [t.requires_grad_() for t in (x.fine, x.coarse, x.target)]
    said = model.forecast(x, True)
    assert said.shape == (1, 2, 5, 5)
    said[0, 0, 2, 2].backward()
    for image in known:
        seen = image.grad[0] != 0
        assert seen.any(2).any(1).all()  # all bands
        for axes in ((0, 1), (0, 2)):
            assert seen.any(axes[1]).any(axes[0]).nonzero().flatten().tolist() == list(range(2, 13))


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
    found = model.forecast(pairs(one, other), True)
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-3, atol=1e-4)
    twice = model.forecast(pairs(one, one), True)
    torch.testing.assert_close(twice[:, 0], model.forecast(one, True))
    plain = built(2, skip=True).forecast(pairs(one, other), True)
    expected = inner(
        one.fine + one.target - one.coarse - other.fine - other.target + other.coarse, 5
    )
    torch.testing.assert_close(plain[:, 0] - plain[:, 1], expected)  # each adds the same to its own


def test_a_pair_that_lacks_something_is_left_out_there():
    model = built(1, skip=False)
    one, other = images(30), images(30, seed=1)
    one.gone[..., :20, :] = True
    both = model.forecast(pairs(one, other), True)[:, 0]
    alone = model.forecast(other, True)
    same = torch.isclose(both, alone, atol=1e-4).all(-1)[0, 0]
    assert same.tolist() == [True] * 13 + [False] * 7  # rows of which the first tells nothing
    other.gone[:] = True  # both lack it: what was filled in counts, and does not come out
    assert torch.isfinite(model.forecast(pairs(one, other), True)).all()


def test_pairs_are_weighed_by_time_and_on_request_by_squared_change():
    b = SimpleNamespace(
        times=np.array(["2020-01-01", "2020-01-09"], "datetime64[ns]"),
        target_times=np.array(["2020-01-03"], "datetime64[ns]"),
        scale=4,
    )
    draw = torch.Generator().manual_seed(0)
    said, coarse, target = (torch.randn(2, 1, 1, 9, 9, generator=draw) for _ in range(3))
    size = (target - coarse).square().mean((-1, -2)).flatten().tolist()
    share = [near / (s + sum(size) / 2) for near, s in zip((1 / 2, 1 / 6), size, strict=True)]
    expected = (said[..., 4, 4].flatten() @ torch.tensor(share)) / sum(share)
    method = Edcstfn(weigh="change")
    found = method.combine(b, said, coarse[:, 0], target)
    assert found.shape == (1, 1, 1, 1)
    torch.testing.assert_close(found.squeeze(), expected, rtol=1e-4, atol=1e-5)
    by_time = Edcstfn().combine(b, said, coarse[:, 0], target)
    torch.testing.assert_close(by_time, 0.75 * said[0] + 0.25 * said[1], rtol=1e-4, atol=1e-5)
    said[0, ..., 4, 4] = torch.nan
    assert method.combine(b, said, coarse[:, 0], target).item() == said[1, ..., 4, 4].item()


def test_what_is_missing_nearby_does_not_count_as_calm():
    change = torch.ones(2, 1, 1, 3, 3)
    change[1] = 2
    expected = calm(change, 1).flatten()
    torch.testing.assert_close(expected, torch.tensor([1 / (1 + 2.5), 1 / (4 + 2.5)]))
    change[1, ..., :2] = torch.nan
    torch.testing.assert_close(calm(change, 1).flatten(), expected)
    change[1] = torch.nan
    assert calm(change, 1)[0].item() == pytest.approx(1 / 2)


def test_three_dates_teach_the_one_between():
    fine = torch.arange(3.0).reshape(1, 3, 1, 1, 1).expand(1, 3, 2, 9, 9).clone()
    fine[0, 0, 0, 4, 4] = torch.nan
    found = between(fine, fine + 10, 3)
    assert found.images.fine[0, :, 1, 0, 0].tolist() == [0, 2]
    assert found.images.coarse[0, :, 1, 0, 0].tolist() == [10, 12]
    assert found.images.target[0, :, 1, 0, 0].tolist() == [11, 11]
    assert found.truth[0, 1].unique().tolist() == [1]
    assert (~found.seen).nonzero().tolist() == [[0, 0, 1, 1]]  # which one side lacks


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


def test_from_three_dates_each_side_is_judged_by_itself():
    model = built(1, texture=0)
    fine, coarse = (torch.randn(2, 3, 1, 20, 20) for _ in range(2))
    _, _, lesson = model.eval().lessons(fine, coarse, torch.ones(2))
    losses = []
    for n in (0, 1):
        one = Filled(
            *(getattr(lesson.images, p)[:, n] for p in ("fine", "coarse", "target", "gone"))
        )
        losses.append(one)
    plain = [inner(x.fine + x.target - x.coarse, 5) for x in losses]
    said = model.forecast(lesson.images, True)
    off = torch.stack([said[:, n] - lesson.truth for n in (0, 1)])
    expected = off.square().mean()
    torch.testing.assert_close(model.misfit(*lesson), expected)
    torch.testing.assert_close(said[:, 0] - plain[0], said[:, 1] - plain[1])


def test_while_the_auto_encoder_learns_the_error_stays():
    found = trained("edcstfn").history
    assert found.stage.values.tolist() == [1, 1, 2, 2]
    untrained = found.held_out_trivial.sel(name="add, shared").values
    np.testing.assert_allclose(found.held_out_rmse[:2], [untrained, untrained], rtol=1e-5)
    assert not np.allclose(found.held_out_rmse[2], untrained, rtol=1e-5)


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


def test_lessons_aim_at_the_change_that_pixels_share():
    """After three coarse images come what their steps lead to, forward and backward."""
    draw = torch.Generator().manual_seed(1)
    fine, coarse = (torch.randn(2, n, 1, 17, 17, generator=draw) for n in (3, 7))
    first, back, middle = built().eval().lessons(fine, coarse, torch.ones(2))
    torch.testing.assert_close(first.images.target, coarse[:, 3])  # from the first to the second
    torch.testing.assert_close(back.images.target, coarse[:, 6])  # from the second to the first
    torch.testing.assert_close(middle.images.target, coarse[:, [3, 5]])  # from either side
    plain, _, between_ = built().eval().lessons(fine, coarse[:, :3], torch.ones(2))
    torch.testing.assert_close(plain.images.target, coarse[:, 1])
    torch.testing.assert_close(between_.images.target, coarse[:, [1, 1]])
