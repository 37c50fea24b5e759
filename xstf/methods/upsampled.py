"""The coarse image of the target date, brought smoothly to the fine pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import UPSAMPLE, on_fine, reach_of
from xstf.sizes import BlockSize


@register("upsampled")
@dataclass(frozen=True, kw_only=True)
class Upsampled(Method):
    """The coarse image of the date, upsampled, without any fine image.

    What a prediction scores that knows the day but nothing finer than a cell. A pixel is missing
    where none of the cells that the upsampling looks at is there.
    """

    trivial = True
    on_gpu = True
    upsample: str = param("cubic", choices=UPSAMPLE, doc="how coarse images come to fine pixels")

    @property
    def reach(self) -> int:
        """Coarse cells that the upsampling reads beyond."""
        return reach_of(self.upsample)

    def memory(self, size: BlockSize) -> float:
        """Count the result."""
        return size.dates * size.image

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the coarse image of each date at the fine pixels."""
        return {"fused": on_fine(b, b.target, self.upsample)[(..., *b.inner)]}
