"""Fit-FC: a local line from coarse to coarse, applied to fine pixels and smoothed [Wang 2018]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block, Method, param, register
from xstf.methods._shared import around, side_of_cell
from xstf.sizes import VALUE, BlockSize, listed

BICUBIC = 2  # cells beside its own that a pixel's residual is made of; all are filled if missing
EQUAL = 1e-6  # of the scene's variance: neighbours closer than this are equally alike


@register("fitfc")
@dataclass(frozen=True, kw_only=True)
class Fitfc(Method):
    """A regression in each coarse window, applied to the fine image and smoothed [Wang 2018].

    For each coarse cell and band a line is fitted from the pair's cells to the target's in the
    window around it; it takes the fine pixels of that cell along. What the lines leave of the
    coarse target is interpolated and added, and each pixel becomes the mean of its spectrally
    closest neighbours, weighted by nearness, which hides the cells.

    Use it where everything changes strongly and alike within some cells, as in phenology, and
    objects keep their borders. It smooths: a pixel is never its own value moved, even if nothing
    changes. Do not use it where small objects matter that are unlike their surroundings. Where the
    cells of a window are nearly alike, or some of them changed cover, slopes are far off or below
    zero, and colours turn over: a wider `cell_window` helps, or `gamma` of some 0.001 for
    reflectance.

    Windows are cut at the scene's edge. Cells missing on either date are left out of them; a
    window with fewer than three cells, or whose cells are all alike on the pair's date, only
    shifts: slope 1 and the mean difference. A pixel is missing where its fine value is in any
    band, or where none of its neighbours lies in a cell with a window that holds data.

    The defaults are those of the authors' released program (paper: 30 neighbours in a window of
    30 pixels). Differences from it: neighbours are compared in all bands, as the paper says, not
    in red and near infrared only; the nearer of two equally close ones goes first, not the first
    in the image; flat windows shift instead of becoming constant; the window of neighbours ends
    at the scene's edge instead of repeating it. A residual that is missing, as off the scene, is
    the mean of those around it, and 0 more than two cells from any.

    References
    ----------
    Wang, Q., Atkinson, P. M. (2018). Spatio-temporal fusion for daily Sentinel-2 images. Remote
    Sensing of Environment 204, 31-42.
    """

    layers = ("fused", "similar")
    unchanged = "flat"
    on_gpu = True
    cells = True
    cell_window: int = param(
        3,
        ge=3,
        le=99,
        odd=True,
        unit="coarse cells",
        doc="side of the window that a line is fitted in",
        source="eq 1; program: asks, suggests 3",
    )
    window: int = param(
        41,
        ge=3,
        le=1023,
        odd=True,
        unit="fine pixels",
        doc="side of the window that neighbours are sought in",
        source="program: w0 = 20; paper: 30",
    )
    num_similar: int = param(
        20,
        ge=1,
        doc="closest neighbours, the pixel itself among them",
        source="program; paper: 30",
    )
    gamma: float = param(
        0.0,
        ge=0,
        unit="as the scene, squared",
        doc="pull of slopes towards 1; 0: least squares",
        source="not in the paper",
    )
    cell: int | None = side_of_cell()

    def halo(self, scale: int) -> int:
        """Half the window of neighbours."""
        return self.window // 2

    @property
    def window_size(self) -> int:
        """Side of the window of neighbours."""
        return self.window

    @property
    def reach(self) -> int:
        """Half the window of cells, around those that the residual is interpolated from."""
        return self.cell_window // 2 + 2 * BICUBIC

    def memory(self, size: BlockSize) -> float:
        """Count neighbours, the moved image around the block, and what they say of it."""
        lists = listed(size, self.num_similar, self.window)
        moved = VALUE * size.dates * size.bands * size.near(self.window // 2)
        fitted = 5 * VALUE * size.dates * size.bands * size.cells
        return lists + moved + max(size.dates * size.image + fitted, 2 * size.layer + fitted)

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many neighbours it is the mean of."""
        from xstf.kernels.nearest import spread
        from xstf.kernels.offload import new, packed

        offset, weight, count = self._neighbours(b)
        moved = self._moved(b)
        said = new(moved, (*count.shape, moved.shape[2]))
        spread(moved, offset, weight, count, said)
        shape = len(b.target), b.fine.shape[1], *count.shape
        similar = np.where(count > 0, count, np.nan).astype(np.float32)
        return {
            "fused": packed(said.transpose(2, 0, 1)).reshape(shape),
            "similar": np.broadcast_to(similar, shape),
        }

    def _neighbours(self, b: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return offsets and weights of each pixel's neighbours, and their number [eq 3, 5, 6]."""
        from xstf.kernels.closest import closest, ties
        from xstf.kernels.offload import new
        from xstf.kernels.window import distances

        half = self.window // 2
        tie = ties(half, EQUAL * float(np.nansum(b.numbers.deviation[0] ** 2)))
        fine = around(b.fine[0], b.halo, half, tie.shape[1] - tie.shape[0])
        rows, columns = b.inner
        size = rows.stop - rows.start, columns.stop - columns.start
        offset = new(fine, (*size, min(self.num_similar, self.window**2)), np.int32)
        weight, count = new(fine, offset.shape), new(fine, size, np.int32)
        closest(fine, tie, distances(half, self.window / 2), offset, weight, count)
        return offset, weight, count

    def _moved(self, b: Block) -> np.ndarray:
        """Return lines and residuals on fine pixels [eq 2, 7]: (y, x, date * band), and around."""
        from xstf.kernels.offload import new, packed
        from xstf.kernels.regression import fit_lines, on_lines
        from xstf.kernels.resample import upsample

        radius = self.cell_window // 2
        pair = packed(np.broadcast_to(b.coarse[0], b.target.shape))
        tall, wide = (n - 2 * radius for n in b.target.shape[2:])
        slope, line, residual = new(b.target, (3, *b.target.shape[:2], tall, wide))
        fitted = map(_images, (slope, line, residual))
        fit_lines(*map(_images, (pair, b.target)), radius, self.gamma, *fitted)
        left = upsample(_continued(residual), "cubic", b.scale)
        spare = b.halo - self.window // 2
        size = (n - 2 * spare for n in b.fine.shape[2:])
        out = new(left, (*size, left.shape[0] * left.shape[1]))
        rim = 2 * BICUBIC
        own = (..., slice(rim, tall - rim), slice(rim, wide - rim))
        on_lines(b.fine[0], slope[own], line[own], left, b.scale, spare, out)
        return out


def _images(cells: np.ndarray) -> np.ndarray:
    return cells.reshape(-1, *cells.shape[2:])


def _continued(residual: np.ndarray) -> np.ndarray:
    """Return residuals (date, band, y, x) filled as far as the interpolation reaches, less rim."""
    from xstf.kernels.offload import new
    from xstf.kernels.regression import fill_from_neighbours

    for _ in range(BICUBIC):
        *lead, tall, wide = residual.shape
        filled = new(residual, (*lead, tall - 2, wide - 2))
        fill_from_neighbours(_images(residual), _images(filled))
        residual = filled
    return np.nan_to_num(residual, nan=0.0)
