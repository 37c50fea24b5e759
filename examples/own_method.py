# %% [markdown]
# # A method of one's own
# One frozen dataclass; the engine cuts the scene, feeds the blocks and puts them back.

# %%
from dataclasses import dataclass

import numpy as np

import xstf
from xstf.method import Block, Method, param


@dataclass(frozen=True, kw_only=True)
class Gain(Method):
    """The fine image times the ratio of the coarse images."""

    pairs = range(1, 2)
    floor: float = param(0.01, gt=0, unit="reflectance", doc="smallest divisor")

    def block(self, b: Block) -> dict[str, np.ndarray]:
        ratio = b.target / np.maximum(b.coarse[0], self.floor)
        ratio = ratio.repeat(b.scale, axis=-2).repeat(b.scale, axis=-1)
        return {"fused": (b.fine[0] * ratio)[(..., *b.inner)]}


scene, truth = xstf.simulate("parcels", size=128, scale=16, dates=3, pairs=1, seed=1)
for method in (Gain(), Gain(floor=0.2), "add"):
    fused = scene.stf.fuse(method)
    rmse = xstf.score(fused, truth, scale=16).rmse.mean().compute()
    print(f"{method}: RMSE {1e4 * float(rmse):.0f} x 10^-4")
