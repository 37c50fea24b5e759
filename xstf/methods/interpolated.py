"""The time-linear mean of the fine images of two pairs, without any coarse image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, register
from xstf.sizes import VALUE, BlockSize


@register("interpolated")
@dataclass(frozen=True, kw_only=True)
class Interpolated(Method):
    """The fine images of two pairs, weighted by their nearness in time.

    What a prediction scores that assumes a steady change and looks at no coarse image. Dates
    beyond both pairs get the nearer one. A pixel missing in one pair comes from the other.
    """

    pairs = range(2, 3)
    unchanged = "texture"
    trivial = True
    on_gpu = True

    def memory(self, size: BlockSize) -> float:
        """Count the result, the step between the pairs, and one date's mean in the making."""
        return size.layer + 4.3 * VALUE * size.bands * size.inner

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the weighted mean for each date."""
        from xstf.kernels.offload import new

        before, after = b.fine[(..., *b.inner)]
        step = after - before
        fused = new(b.fine, (len(b.target), *before.shape))
        for date, at in enumerate(b.target_times):
            late = np.float32(np.clip((at - b.times[0]) / (b.times[1] - b.times[0]), 0, 1))
            # from the nearer one, so that both ends and equal images come out exactly
            mean = before + late * step if late < 0.5 else after - (1 - late) * step
            fused[date] = np.where(np.isnan(before), after, np.where(np.isnan(after), before, mean))
        return {"fused": fused}
