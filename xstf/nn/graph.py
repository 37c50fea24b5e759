"""Patches of an image, made sharper by their likes: cross-scale aggregation (Zhou 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 3  # of a patch of the image, of which every second one asks
SHARP = 2 * SIDE  # side of the patch, twice as fine, that answers
WINDOW = 15  # patches of the halved image along either axis, up and down, that may answer
EMBEDDED = (64, 64, 8)  # channels by which patches are compared
EDGE = 64  # channels of the network that weighs an answer
FLOOR = 1e-5  # keeps patches without contrast finite


def same(ins: int, outs: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size of an image, whose edge is repeated."""
    return nn.Conv2d(ins, outs, side, stride, side // 2, padding_mode="replicate")


def patches(image: Tensor, side: int) -> Tensor:
    """Return every second patch of images (n, c, y, x), (n, c, row, column, side, side): a view."""
    return image.unfold(2, side, 2).unfold(3, side, 2)


class Weigh(nn.Module):
    """How much an answer counts, from how its patch differs: (..., channel) to (...)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels, EDGE)
        self.rest = nn.Sequential(nn.Linear(EDGE, EDGE), nn.ReLU(), nn.Linear(EDGE, EDGE))
        self.last = nn.Linear(EDGE, 1)

    def forward(self, differences: Tensor) -> Tensor:
        """Return a number for each answer, larger for better ones."""
        x = self.first(differences).relu()
        return self.last(x + self.rest(x))[..., 0]


class Graph(nn.Module):
    """From features of an image to features twice as fine, out of the image itself.

    Each patch of 3 x 3 pixels looks for its nearest likes in the same image at half the size; the
    6 x 6 pixels that such a like was made of show what the patch may look like at twice the size.
    They are brought to the patch's own mean and contrast, weighed by a small network, and laid over
    each other.
    """

    def __init__(self, bands: int, width: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        sizes = (bands, *EMBEDDED)
        layers: list[nn.Module] = []
        for n, (ins, outs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            layers += [same(ins, outs), *([nn.ReLU()] if n < len(EMBEDDED) - 1 else [])]
        self.embed = nn.Sequential(*layers)
        self.fine, self.coarse = Weigh(EMBEDDED[-1]), Weigh(EMBEDDED[-1])
        self.halve = nn.Sequential(
            same(width, width, 5, 2), nn.ReLU(), same(width, width), nn.ReLU(), same(width, width)
        )

    def forward(self, image: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the image's likes say at twice its size, and at its own.

        Parameters
        ----------
        image
            (n, band, y, x), sides even.
        features
            (n, channel, y, x) of the image.

        Returns
        -------
        (torch.Tensor, torch.Tensor)
            (n, channel, 2 y, 2 x) and (n, channel, y, x).
        """
        asking, likes = self.embed(image), self.embed(functional.avg_pool2d(image, 2))
        asking = patches(_one_more(asking), SIDE)  # (n, c, row, column, 3, 3)
        likes = likes.unfold(2, SIDE, 1).unfold(3, SIDE, 1)
        own, sharp = patches(_one_more(features), SIDE), patches(features, SHARP)
        n, channels, (height, width) = len(image), features.shape[1], features.shape[2:]
        both = features.new_zeros(2, n, channels, 2 * height + 2, 2 * width + 2)
        for row in range(asking.shape[2]):  # one at a time, to hold few patches
            line = asking[:, :, row].movedim(1, 2)  # (n, column, c, 3, 3)
            at = self.nearest(line, likes, row)
            off = (_taken(likes, *at) - line[:, :, None]).abs().mean((-1, -2))  # (n, column, k, c)
            weights = torch.stack([head(off).softmax(-1) for head in (self.fine, self.coarse)])
            answers = as_own(_taken(sharp, *at), own[:, :, row].movedim(1, 2)[:, :, None])
            said = torch.einsum("wnqk,nqkcab->wncabq", weights, answers).flatten(0, 1)
            flat = said.reshape(2 * n, channels * SHARP * SHARP, -1)
            laid = functional.fold(flat, (SHARP, 2 * width + 2), SHARP, stride=4)
            both[..., 4 * row : 4 * row + SHARP, :] += laid.unflatten(0, (2, n))
        high, low = both[..., : 2 * height, : 2 * width] / _times(height, width).to(both)
        return high, self.halve(low)

    @torch.no_grad()
    def nearest(self, line: Tensor, likes: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """Return where the patches most alike lie, rows and columns (n, column, k) of `likes`.

        Parameters
        ----------
        line
            (n, column, c, 3, 3): the patches of one row that ask.
        likes
            (n, c, row, column, 3, 3): those of the halved image.
        row
            Which row it is.
        """
        rows, columns = likes.shape[2:4]
        first = min(max(0, row - WINDOW), max(0, rows - 2 * WINDOW))
        some = likes[:, :, first : first + 2 * WINDOW]
        flat = some.movedim(1, 3).flatten(3).flatten(1, 2)  # (n, likes, c * 9)
        asked = line.flatten(2)
        off = (asked.square().sum(-1)[..., None] + flat.square().sum(-1)[:, None]) - 2 * (
            asked @ flat.mT
        )
        there = torch.arange(columns, device=off.device).repeat(some.shape[2])
        start = (torch.arange(asked.shape[1], device=off.device) - WINDOW).clamp(
            max=max(0, columns - 2 * WINDOW), min=0
        )
        far = (there < start[:, None]) | (there >= start[:, None] + 2 * WINDOW)
        off = off.masked_fill(far, torch.inf)
        count = min(self.neighbours, some.shape[2] * min(columns, 2 * WINDOW))
        best = off.topk(count, largest=False).indices
        return best // columns + first, best % columns


def as_own(answers: Tensor, own: Tensor) -> Tensor:
    """Return patches with the mean and the contrast of others, channel by channel.

    Parameters
    ----------
    answers
        (..., c, y, x).
    own
        (..., c, y, x), of any size.
    """
    shown, wanted = (_level(p) for p in (answers, own))
    return (answers - shown[0]) / shown[1] * wanted[1] + wanted[0]


def _level(patch: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the contrast of each channel, (..., c, 1, 1)."""
    spread = patch.var((-1, -2), keepdim=True, correction=0)
    return patch.mean((-1, -2), keepdim=True), (spread + FLOOR).sqrt()


def _one_more(image: Tensor) -> Tensor:
    """Return images with the last row and column once more, so that patches reach the edge."""
    return functional.pad(image, (0, 1, 0, 1), mode="replicate")


def _taken(view: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return patches of (n, c, row, column, a, b) at places (n, q, k), (n, q, k, c, a, b)."""
    which = torch.arange(len(view), device=view.device)[:, None, None]
    return view.movedim(1, 3)[which, rows, columns]


def _times(height: int, width: int) -> Tensor:
    """Return how many patches lie over each pixel of the image at twice its size."""
    once = torch.ones(1, SHARP * SHARP, (height // 2) * (width // 2))
    whole = functional.fold(once, (2 * height + 2, 2 * width + 2), SHARP, stride=4)
    return whole[0, :, : 2 * height, : 2 * width]
