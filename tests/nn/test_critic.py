"""What pictures are judged by beside their pixels."""

import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image.ssim import _ssim_update

from xstf.nn.critic import RANGE, SHARES, Critic, unlike


def pictures(side, seed=0):
    """Two alike images of two bands, normalised."""
    draw = torch.Generator().manual_seed(seed)
    one = torch.randn(2, 2, side, side, generator=draw)
    return one, one + 0.3 * torch.randn(2, 2, side, side, generator=draw)


def by_skimage(one, other):
    """SSIM of each image and band, away from the edge."""
    given = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    found = [
        structural_similarity(a, b, data_range=1.0, full=True, **given)[1][5:-5, 5:-5].mean()
        for a, b in zip(*(i.double().flatten(0, 1).numpy() for i in (one, other)), strict=True)
    ]
    return torch.tensor(found).reshape(one.shape[:2])


def test_small_images_have_one_scale_and_tiny_ones_a_smaller_window():
    expected = by_skimage(*(image / RANGE + 0.5 for image in pictures(20)))
    assert unlike(*pictures(20)).item() == pytest.approx(1 - expected.mean().item(), abs=1e-5)
    one, other = pictures(6)
    assert 0 < unlike(one, other) < 1
    assert unlike(one, one) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("side", "scales"), [(22, 2), (43, 2), (44, 3), (176, 5)])
def test_larger_ones_have_as_many_scales_as_they_hold(side, scales):
    shares = torch.tensor(SHARES[:scales])
    one, other = (image / RANGE + 0.5 for image in pictures(side))
    expected = torch.ones(2, 2)
    for n, share in enumerate(shares / shares.sum()):
        if n == scales - 1:
            factor = by_skimage(one, other)
        else:  # contrast and structure alone
            flat = [i.flatten(0, 1)[:, None] for i in (one, other)]
            _, factor = _ssim_update(*flat, data_range=1.0, return_contrast_sensitivity=True)
            factor = factor.reshape(2, 2)
        expected *= factor**share
        one, other = (torch.nn.functional.avg_pool2d(i, 2) for i in (one, other))
    assert unlike(*pictures(side)).item() == pytest.approx(1 - expected.mean().item(), abs=2e-5)


def test_opposites_still_have_a_slope():
    one, _ = pictures(64)
    other = (-one).requires_grad_()
    unlike(one, other).backward()
    assert torch.isfinite(other.grad).all()


def test_features_know_what_they_are_asked():
    torch.manual_seed(0)
    critic = Critic(2, 4)
    one, other = pictures(18)
    assert critic.difference(one, one) == 0
    assert critic.difference(one, other) < critic.difference(one, one.flip(-1))
    seen = torch.ones_like(one, dtype=torch.bool)
    seen[..., :5] = False
    loss = critic.misfit(torch.where(seen, one, 9.0), seen)
    torch.testing.assert_close(loss, critic.misfit(torch.where(seen, one, -9.0), seen))
    optimiser = torch.optim.Adam(critic.parameters(), 5e-3)
    first = loss.item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = critic.misfit(one, seen)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.85 * first
