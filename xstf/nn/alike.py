"""The coarse change as it falls on pixels that are alike: edges where the fine image has them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xstf.blocks import cut
from xstf.grid import Tile
from xstf.nn.inputs import Filled, Normaliser, filled, tensors
from xstf.nn.layers import inner

KINDS = 12  # of pixels, by their spectra
SAMPLED = 20_000  # pixels that kinds are found among
TILE = 256  # side of the parts of a scene that are worked on at a time while training
MORE = 1.5  # of the change that is left unexplained is added
FLOOR = 1e-4  # of a window: a kind that covers less of it has no change there


def pixels_alike() -> Any:
    """Declare the parameter `alike` of networks that see the coarse change."""
    from xstf.method import param

    doc = "window over which pixels alike share the coarse change, half its side; None: not shared"
    return param(1.0, gt=0, none=True, unit="coarse cells", doc=doc)


def half_of(cells: float | None, scale: int) -> int | None:
    """Return half the side of a window in fine pixels, two at least."""
    return None if cells is None else max(2, round(cells * scale))


def border_of(half: int | None) -> int:
    """Return the pixels that sharing looks at around each: a window, about a cell, a window."""
    return 0 if half is None else 2 * half + half // 2


def maps_of(half: int | None, bands: int) -> int:
    """Return how many maps sharing holds at once."""
    return 0 if half is None else 2 * KINDS + 6 * bands


class Alike(nn.Module):
    """Gives each pixel the coarse change of pixels of its kind nearby.

    A cell blurs the changes of all that it covers. Here a pixel gets the mean of the coarse change
    over a window, each pixel weighted by its kind; and, once more, that of the coarse change which
    those means leave unexplained. Kinds are soft: how near a spectrum is to each of some centres,
    which are found among the pixels of the scene. No grid of cells is needed, so patches may lie
    anywhere and be turned.
    """

    kinds: Tensor
    spread: Tensor

    def __init__(self, bands: int, half: int) -> None:
        super().__init__()
        self.around = half
        self.register_buffer("kinds", torch.zeros(KINDS, bands))  # normalised spectra
        self.register_buffer("spread", torch.ones(()))  # squared distance of a pixel to its kind

    @property
    def border(self) -> int:
        """Pixels that are looked at around each."""
        return border_of(self.around)

    def learn(self, pixels: np.ndarray, seed: int) -> None:
        """Find the kinds among normalised spectra, (band, pixel), NaN where missing."""
        from sklearn.cluster import KMeans

        from xstf.kernels.solve import one_thread

        seen = pixels[:, np.isfinite(pixels).all(axis=0)].T.astype(np.float64)
        some = seen[:: max(1, len(seen) // SAMPLED)]
        most = min(KINDS, len(np.unique(some, axis=0)))
        if not most:
            return
        with one_thread():
            found = KMeans(most, n_init=1, random_state=seed).fit(some)
        centres = np.resize(found.cluster_centers_, self.kinds.shape)
        off = np.square(some - found.cluster_centers_[found.labels_]).sum(axis=1)
        self.kinds.copy_(torch.from_numpy(centres))
        self.spread.fill_(max(float(np.median(off)), FLOOR))

    def moved(
        self, normal: Normaliser, fine: np.ndarray, coarse: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        """Return the coarse image of a pair, moved by the shared change to that of a target.

        Parameters
        ----------
        normal
            Of the network.
        fine, coarse, target
            (band, y, x) in the units of the scene, NaN where missing.
        """
        out = np.empty_like(target)
        height, width = target.shape[-2:]
        for y, x in product(range(0, height, TILE), range(0, width, TILE)):
            tile = Tile(y, min(y + TILE, height), x, min(x + TILE, width))
            images = [cut(i, tile.grow(self.border), 0)[None] for i in (fine, coarse, target)]
            with torch.inference_mode():
                known = (t.to(self.kinds.device) for t in tensors(normal, *images))
                said = self(filled(*known)).target[0].cpu().numpy()
            said = said * normal.scale[:, None, None] + normal.centre[:, None, None]
            out[:, tile.y0 : tile.y1, tile.x0 : tile.x1] = said
        out[np.isnan(target) | np.isnan(coarse)] = np.nan
        return out

    def forward(self, images: Filled) -> Filled:
        """Return the images without a border, the coarse target moved by the shared change.

        Parameters
        ----------
        images
            (..., band, y, x), normalised, without gaps.
        """
        flat = (i.flatten(0, -4) for i in (images.fine, images.target - images.coarse, images.gone))
        fine, change, gone = flat
        there = (~gone.any(1, keepdim=True)).to(fine.dtype)
        kind, cell = self._kinds_of(fine), self.around // 2
        within = self.around + cell
        mine = kind * there
        said = _shared(mine, kind, change, self.around)
        there = inner(there, self.around)
        blurred = near(said * there, cell) / near(there, cell).clamp(min=FLOOR)
        left = inner(change, within) - blurred
        more = _shared(inner(mine, within), inner(kind, within), left, self.around)
        said = inner(said, within) + MORE * more
        bare = [inner(i, self.border) for i in (images.fine, images.coarse, images.target)]
        shape, lost = bare[0].shape, inner(images.gone, self.border)
        moved = bare[1] + torch.where(lost, bare[2] - bare[1], said.reshape(shape))
        return Filled(bare[0], bare[1], moved, lost)

    def _kinds_of(self, fine: Tensor) -> Tensor:
        """Return how much a pixel is of each kind, (n, kind, y, x)."""
        along = torch.einsum("kb,nbyx->nkyx", self.kinds, fine)
        near_by = along - 0.5 * self.kinds.square().sum(1)[:, None, None]
        return torch.softmax(near_by / self.spread, dim=1)


def _shared(mine: Tensor, kind: Tensor, change: Tensor, half: int) -> Tensor:
    """Return the mean change of each pixel's kinds over a window, without a border of `half`."""
    said = torch.zeros_like(inner(change, half))
    for k in range(kind.shape[1]):
        one = mine[:, k : k + 1]
        means = near(torch.cat([one, one * change], dim=1), half)
        said += inner(kind[:, k : k + 1], half) * means[:, 1:] / means[:, :1].clamp(min=FLOOR)
    return said


def near(maps: Tensor, half: int) -> Tensor:
    """Return the mean over a window of ``2 half + 1`` pixels, (..., y - 2 half, x - 2 half).

    Each window is summed afresh, as a product with a band of ones, which is quicker than pooling.
    """
    rows, columns = (_ones(n, half, maps) for n in maps.shape[-2:])
    return torch.matmul(torch.matmul(rows, maps), columns.T)


def _ones(size: int, half: int, like: Tensor) -> Tensor:
    """Return the matrix that takes means along an axis, (size - 2 half, size)."""
    first = torch.arange(size - 2 * half, device=like.device)[:, None]
    place = torch.arange(size, device=like.device)
    inside = (place >= first) & (place <= first + 2 * half)
    return inside.to(like.dtype) / (2 * half + 1)
