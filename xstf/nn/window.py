"""A part of a scene in memory, and what patches are cut from: its images, and where they lead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from xstf.blocks import cut
from xstf.grid import Tile
from xstf.nn.inputs import on_fine

AROUND = 3  # cells that upsampling reads around a pixel's own, and more
# (band, y, x) each: fine, coarse and target coarse image to the target by the shared change
Share = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Window:
    """Part of a scene that is in memory: whole chunks of it."""

    tile: Tile  # fine pixels, on whole cells
    fine: np.ndarray  # (date, band, y, x)
    coarse: np.ndarray  # (date, band, rows, columns)
    known: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)  # see `moved`

    def crop(
        self, dates: Sequence[int], area: Tile, scale: int, how: str, common: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the fine images of these dates in an area, and the coarse ones there.

        Cells that one of the dates lacks are left out of all if only `common` ones count, for what
        upsampling makes of the cells around would not be the same on all dates.
        """
        y, x = self.tile.y0, self.tile.x0
        local = within(area, self.tile)
        fine = [cut(self.fine[d], local, 0) for d in dates]
        near = local.cells(scale).grow(1 + AROUND)
        rows, columns = max(0, near.y0), max(0, near.x0)
        cells = self.coarse[list(dates), :, rows : max(0, near.y1), columns : max(0, near.x1)]
        corner = y + rows * scale, x + columns * scale
        return np.stack(fine), on_fine(shared(cells) if common else cells, corner, area, scale, how)

    def moved(self, step: tuple[int, int], scale: int, how: str, share: Share) -> np.ndarray:
        """Return what a step between two dates leads to, (band, y, x), worked out once."""
        if step not in self.known:
            where = (self.tile.y0, self.tile.x0), self.tile, scale, how
            first, then = (self.coarse[d] for d in step)
            begun = on_fine(first, *where)
            lead = begun + on_fine(then - first, *where)  # from cells seen on both dates alone
            self.known[step] = share(self.fine[step[0]], begun, lead)
        return self.known[step]


def shared(cells: np.ndarray) -> np.ndarray:
    """Return coarse images (date, band, y, x) without the cells that one of them lacks."""
    return np.where(np.isnan(cells).any(axis=0), np.float32(np.nan), cells)


def with_mixture(
    fine: np.ndarray, coarse: np.ndarray, gap: int, share: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Return a series with a mixture of two neighbours between them, before position `gap`.

    What steps lead to, after the coarse images, is parted alike: the mixture is reached by a share
    of the step, and left by the rest.
    """
    count, rest = len(fine), 1 - share
    known, leads = coarse[:count], coarse[count:]
    mixed, between = (i[gap - 1] + share * (i[gap] - i[gap - 1]) for i in (fine, known))
    found = [*known[:gap], between, *known[gap:]]
    if len(leads):
        forth, back, at = leads[: count - 1], leads[count - 1 :], count - 1 - gap
        step, turn = forth[gap - 1] - known[gap - 1], back[at] - known[gap]
        found += [*forth[: gap - 1], known[gap - 1] + share * step, between + rest * step]
        found += [*forth[gap:], *back[:at], known[gap] + rest * turn, between + share * turn]
        found += [*back[at + 1 :]]
    return np.insert(fine, gap, mixed, axis=0), np.stack(found)


def within(area: Tile, tile: Tile) -> Tile:
    """Return an area as it lies in a tile."""
    return Tile(area.y0 - tile.y0, area.y1 - tile.y0, area.x0 - tile.x0, area.x1 - tile.x0)
