"""HCM: a local linear mapping between the bands of two dates, coarse to fine [Kwan 2018]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import UPSAMPLE, on_fine, reach_of, side_of_cell
from xstf.sizes import VALUE, BlockSize


@register("hcm")
@dataclass(frozen=True, kw_only=True)
class Hcm(Method):
    """A linear mapping of all bands, fitted to coarse windows, applied to fine pixels [Kwan 2018].

    In the window of cells around each cell the target's bands are written as sums of the pair's
    bands, by regularised least squares; each fine pixel is mapped alike, by mappings interpolated
    between the cells. Nothing is searched, so it is by far the cheapest method that tells
    different covers apart: a mapping of all bands can brighten soil and darken crops at once.

    Use it first, as the mark that costlier methods must beat, where change goes with colour, and
    where nothing but speed matters. Do not use it where the same colours change differently side
    by side, or with one band alone without `white`: then it only multiplies, and a shift of all
    values becomes a factor.

    Windows are cut at the scene's edge, and cells missing in any band on either date are left out
    of them. A pixel is missing where its fine value is, in any band, or where no window around it
    holds a cell.

    Differences from the authors' released program: each cell has a window of its own, where the
    program cuts the scene in patches, which show; the regularisation pulls towards no change and
    is relative to the sum of squares, where the program pulls towards 0 by an amount that depends
    on the units. Without regularisation both are the same least squares. The program's example
    maps band by band: ``joint=False``.

    References
    ----------
    Kwan, C., Budavari, B., Gao, F., Zhu, X. (2018). A hybrid color mapping approach to fusing
    MODIS and Landsat images for forward prediction. Remote Sensing 10(4), 520.
    """

    unchanged = "texture"
    on_gpu = True
    cells = True
    window: int = param(
        7, ge=3, le=99, odd=True, unit="coarse cells", doc="side of the window", source="program"
    )
    joint: bool = param(
        True, doc="map all bands together, not each on its own", source="program: either"
    )
    white: bool = param(
        False, doc="add a constant band, so that shifts can be followed", source="program: off"
    )
    pull: float = param(
        1e-3, ge=1e-10, doc="regularisation, as a share of the sum of squares", source="program"
    )
    upsample: str = param(
        "linear",
        choices=UPSAMPLE,
        doc="how mappings come to fine pixels",
        source="program: nearest",
    )
    cell: int | None = side_of_cell()

    @property
    def reach(self) -> int:
        """Half the window around the cells that a pixel's mapping is interpolated from."""
        return self.window // 2 + reach_of(self.upsample)

    def memory(self, size: BlockSize) -> float:
        """Count the result, and each band's share in each one's change, of cells and pixels."""
        mapped = size.bands if self.joint else 1
        shares = VALUE * (mapped + 1) * (mapped * size.wide + size.bands * size.cells)
        return size.dates * size.image + shares

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date."""
        from xstf.kernels.mapping import mapped
        from xstf.kernels.offload import new

        dates, bands = b.target.shape[:2]
        fused = new(b.fine, (dates, *b.fine.shape[1:]))
        groups = 1 if self.joint else bands
        own = b.fine[0].reshape(groups, bands // groups, *b.fine.shape[2:])
        for date in range(dates):
            shares = self._shares(b, b.target[date], groups)
            for group in range(groups):
                at = slice(group * own.shape[1], (group + 1) * own.shape[1])
                mapped(own[group], on_fine(b, shares[group], self.upsample), fused[date, at])
        return {"fused": fused[(..., *b.inner)]}

    def _shares(self, b: Block, target: np.ndarray, groups: int) -> np.ndarray:
        """Return the share of each band in each one's change, (group, band + 1, band, y, x)."""
        from xstf.kernels.mapping import fit_mappings
        from xstf.kernels.offload import new, packed

        radius = self.window // 2
        tall, wide = (n - 2 * radius for n in target.shape[1:])
        pair, after = (
            packed(image).reshape(groups, -1, *image.shape[1:]) for image in (b.coarse[0], target)
        )
        bands = pair.shape[1]
        shares = new(pair, (groups, bands + 1, bands, tall, wide))
        fit_mappings(pair, after, radius, self.pull, self.white, shares)
        return shares
