"""F + coarse change: the prediction that every other method must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import UPSAMPLE, added, reach_of
from xstf.sizes import BlockSize


@register("add")
@dataclass(frozen=True, kw_only=True)
class Add(Method):
    """The fine image of the pair plus the coarse change, upsampled smoothly.

    With two pairs, the mean of what both sides say; a pixel missing in one pair comes from the
    other. The simplest of all fusion methods, and a hard one to beat on real scenes.

    Use it beside every other method; and where there are few cells, texture must stay as it is, or
    all change is alike. Change finer than a cell it blurs.
    """

    pairs = range(1, 3)
    unchanged = "texture"
    trivial = True
    on_gpu = True
    upsample: str = param("cubic", choices=UPSAMPLE, doc="how coarse change comes to fine pixels")

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of(self.upsample)

    def memory(self, size: BlockSize) -> float:
        """Count sums and counts, a pair's prediction, and what is picked from both."""
        return 5.5 * size.dates * size.image

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date."""
        total = np.zeros_like(b.fine, shape=(len(b.target), *b.fine.shape[1:]))
        count = np.zeros_like(total)
        for pair in range(len(b.fine)):
            moved = added(b, pair, self.upsample)
            seen = ~np.isnan(moved)
            total[seen] += moved[seen]
            count += seen
        fused = np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))
        return {"fused": fused[(..., *b.inner)]}
