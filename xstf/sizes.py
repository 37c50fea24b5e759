"""How large a block is, as far as its memory depends on it. No arrays."""

from __future__ import annotations

from dataclasses import dataclass

VALUE = 4  # bytes of a pixel of an image


@dataclass(frozen=True)
class BlockSize:
    """The size of one block, before there is one: what `Method.memory` is told."""

    rows: int  # fine pixels, without the halo
    columns: int
    pairs: int
    bands: int
    dates: int
    scale: int
    halo: int = 0  # fine pixels, whole cells
    reach: int = 0  # coarse cells beyond the halo
    layers: int = 1  # how many are asked for

    @property
    def inner(self) -> int:
        """Fine pixels of the block."""
        return self.rows * self.columns

    @property
    def wide(self) -> int:
        """Fine pixels of the block and its halo."""
        return self.near(self.halo)

    @property
    def cells(self) -> int:
        """Coarse cells that the block is given of each image."""
        around = self.halo // self.scale + self.reach
        return (self.rows // self.scale + 2 * around) * (self.columns // self.scale + 2 * around)

    @property
    def image(self) -> float:
        """Bytes of one image with its halo."""
        return VALUE * self.bands * self.wide

    @property
    def layer(self) -> float:
        """Bytes of one layer of the result."""
        return VALUE * self.dates * self.bands * self.inner

    def near(self, around: int) -> int:
        """Return the fine pixels of the block and so many on each side of it."""
        return (self.rows + 2 * around) * (self.columns + 2 * around)


def listed(size: BlockSize, most: int, window: int) -> float:
    """Return the bytes of a list of neighbours for each pixel: where, their weights, how many.

    Parameters
    ----------
    size
        The block.
    most
        Neighbours of a pixel.
    window
        Side of the window in fine pixels, which may hold fewer.
    """
    return size.inner * VALUE * (2 * min(most, window**2) + 1)
