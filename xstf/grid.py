"""Integer geometry of the two grids: scale, tiles, windows. No arrays, no dask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SUMMARY = 16  # fine pixels: statistics are summed over squares of at least this side first


@dataclass(frozen=True)
class Tile:
    """A rectangle of fine pixels, ``y0 <= y < y1`` and ``x0 <= x < x1``, on whole coarse cells."""

    y0: int
    y1: int
    x0: int
    x1: int

    def grow(self, pixels: int) -> Tile:
        """Return the rectangle that reaches `pixels` further on each side."""
        return Tile(self.y0 - pixels, self.y1 + pixels, self.x0 - pixels, self.x1 + pixels)

    def cells(self, scale: int, reach: int = 0) -> Tile:
        """Return the coarse cells below the rectangle and `reach` cells around them."""
        y0, y1, x0, x1 = (edge // scale for edge in (self.y0, self.y1, self.x0, self.x1))
        return Tile(y0, y1, x0, x1).grow(reach)


@dataclass(frozen=True)
class Grid:
    """The fine grid of a scene, ``shape`` pixels, and the side of a coarse cell in fine pixels."""

    shape: tuple[int, int]
    scale: int

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the coarse grid."""
        return self.shape[0] // self.scale, self.shape[1] // self.scale

    @property
    def unit(self) -> int:
        """Side of the squares that statistics are summed over, and that tiles consist of.

        A multiple of the scale that does not depend on the tiles, so that no number can.
        """
        return -(-SUMMARY // self.scale) * self.scale

    def round_up(self, pixels: int) -> int:
        """Return the smallest number of fine pixels in whole cells that is not below `pixels`."""
        return -(-pixels // self.scale) * self.scale

    def side(self, blocksize: int) -> int:
        """Return the side of tiles of about `blocksize` fine pixels: whole summary squares."""
        return max(1, round(blocksize / self.unit)) * self.unit

    def cut(self, blocksize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the heights and the widths of tiles of about `blocksize` fine pixels.

        Tiles are whole summary squares, except for the last of a row or column.
        """
        side = self.side(blocksize)
        rows, columns = (
            (side,) * (extent // side) + ((extent % side,) if extent % side else ())
            for extent in self.shape
        )
        return rows, columns

    def tiles(self, blocksize: int) -> Iterator[tuple[int, int, Tile]]:
        """Yield (row, column, tile), row by row."""
        rows, columns = self.cut(blocksize)
        y = 0
        for i, height in enumerate(rows):
            x = 0
            for j, width in enumerate(columns):
                yield i, j, Tile(y, y + height, x, x + width)
                x += width
            y += height


def scale_of(fine: tuple[int, int], coarse: tuple[int, int]) -> int:
    """Return how many fine pixels one coarse cell is wide.

    Raises
    ------
    ValueError
        If the shapes are equal (two readings), or are not one whole multiple of each other.
    """
    if fine == coarse:
        raise ValueError(
            f"fine and coarse have the same shape {fine}, which can mean two things: coarse "
            "images interpolated onto the fine grid before, to be reduced to their cells "
            "(say scale=16, or what their sensor has), or to be used as they are (say scale=1)"
        )
    ratios = {f // c if c and f % c == 0 else 0 for f, c in zip(fine, coarse, strict=True)}
    if len(ratios) != 1 or 0 in ratios:
        raise ValueError(
            f"the grids do not meet: fine {fine} is not one whole multiple of coarse {coarse} in "
            "both directions; cut both to the same whole cells with .isel(y=..., x=...), or "
            "resample the coarse images to a whole multiple of the fine pixel"
        )
    return ratios.pop()
