"""The fine image of the pair, unchanged: doing nothing at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, register
from xstf.sizes import BlockSize


@register("unchanged")
@dataclass(frozen=True, kw_only=True)
class Unchanged(Method):
    """The fine image of the pair as it is, on every date.

    What a prediction scores that takes no note of time. Read no other score without it: where
    little changes it is good, and a high correlation may be no merit of a method.
    """

    unchanged = "texture"
    trivial = True
    on_gpu = True

    def memory(self, size: BlockSize) -> float:
        """Count the result."""
        return size.layer

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the pair's fine image for each date."""
        return {"fused": np.repeat(b.fine[(..., *b.inner)], len(b.target), axis=0)}
