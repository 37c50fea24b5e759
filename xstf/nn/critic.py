"""What a picture is judged by beside its pixels: its structure, and features of an auto-encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from xstf.nn.layers import conv

WINDOW, SPREAD = 11, 1.5  # of the Gaussian window of SSIM, pixels
SHARES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first [Wang 2003]
LUMINANCE, CONTRAST = 0.01**2, 0.03**2  # constants of SSIM, for values between 0 and 1
RANGE = 4.1  # normalised values between the 2nd and the 98th percentile, as `inputs` has them
LEAST = 1e-4  # likeness at a scale is not taken below, so that its roots have slopes


def unlike(first: Tensor, second: Tensor) -> Tensor:
    """Return 1 - MS-SSIM of normalised images (n, band, y, x), at as many scales as they hold.

    Five scales take 176 pixels, three 44; images below 11 pixels have a smaller window.
    """
    first, second = (i / RANGE + 0.5 for i in (first, second))
    side = min(WINDOW, *first.shape[-2:])
    scales = 1
    while scales < len(SHARES) and side * 2**scales <= min(first.shape[-2:]):
        scales += 1
    shares = torch.tensor(SHARES[:scales], device=first.device)
    likeness = torch.ones((), device=first.device)
    for n, share in enumerate(shares / shares.sum()):
        whole, structure = _likeness(first, second, side)
        last = n == scales - 1
        likeness = likeness * (whole if last else structure).clamp(min=LEAST) ** share
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
        if last:
            break
    return 1 - likeness.mean()


def _likeness(first: Tensor, second: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return SSIM and its contrast and structure alone, (n, band) means over the image."""
    means = _smooth(first, side), _smooth(second, side)
    squares = (_smooth(i * i, side) - m * m for i, m in zip((first, second), means, strict=True))
    both = _smooth(first * second, side) - means[0] * means[1]
    structure = (2 * both + CONTRAST) / (sum(squares) + CONTRAST)
    light = (2 * means[0] * means[1] + LUMINANCE) / (
        means[0].square() + means[1].square() + LUMINANCE
    )
    return (light * structure).mean((-2, -1)), structure.mean((-2, -1))


def _smooth(image: Tensor, side: int) -> Tensor:
    """Return images averaged by a Gaussian window, without padding."""
    at = torch.arange(side, device=image.device) - (side - 1) / 2
    weight = torch.exp(-(at**2) / (2 * SPREAD**2))
    weight = (weight / weight.sum())[None, None]
    flat = image.flatten(0, 1)[:, None]
    rows = functional.conv2d(flat, weight[..., None])
    made = functional.conv2d(rows, weight[..., None, :])
    return made[:, 0].unflatten(0, image.shape[:2])


class Critic(nn.Module):
    """An auto-encoder whose features tell how much two pictures differ, once it is trained.

    Pictures are normalised, (n, band, y, x); convolutions repeat the edge, for nothing that they
    say comes into a picture.
    """

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.learning = False
        # pixels: all, half of them along each axis, a quarter
        self.encoder = nn.Sequential(
            *_padded(bands, width), *_padded(width, 2 * width, 2), *_padded(2 * width, 4 * width, 2)
        )
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2), *_padded(4 * width, 2 * width),
            nn.Upsample(scale_factor=2), *_padded(2 * width, width),
            conv(1, width, bands, 1),
        )  # fmt: skip

    def misfit(self, truth: Tensor, seen: Tensor) -> Tensor:
        """Return how far pictures are from what their features bring back."""
        known = torch.where(seen, truth, 0)
        height, width = known.shape[-2:]
        made = self.decoder(self.encoder(known))[..., :height, :width]
        off = torch.where(seen, made - known, 0)
        return off.abs().sum() / seen.sum().clamp(min=1)

    def difference(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean squared difference of features, over their own variance."""
        one, other = self.encoder(first), self.encoder(second)
        return (one - other).square().mean() / other.var().detach().clamp(min=1e-6)


def _padded(ins: int, outs: int, stride: int = 1) -> list[nn.Module]:
    layer = conv(1, ins, outs)
    layer.stride = (stride, stride)
    return [nn.ReplicationPad2d(1), layer, nn.ReLU()]
