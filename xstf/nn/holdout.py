"""Which parts of a scene training never sees, so that it knows when to stop. No arrays."""

from __future__ import annotations

import numpy as np

from xstf.grid import Tile

SHARE = 0.12  # of the scene that is held out, if enough is left to train on
LEFT = 0.7  # of the scene that training keeps at least, the border around squares gone too
MOST = 24  # squares
FREE = 0.1  # of the places of a patch of their size that stay clear of all of them, at least
TRIED = 32  # places along a side that this is judged by


def squares(shape: tuple[int, int], side: int, guard: int, seed: int) -> list[Tile]:
    """Return squares to hold out, at random places of a lattice; none where the scene is small.

    Parameters
    ----------
    shape
        Of the scene, fine pixels.
    side
        Of a square.
    guard
        Pixels around each that training does not aim at, so that no network looks from a pixel
        that it was trained on into a square.
    seed
        Draws the places.
    """
    rows, columns = shape[0] // side, shape[1] // side
    taken: list[Tile] = []
    lost = np.zeros((shape[0], shape[1]), bool) if shape[0] * shape[1] <= 1 << 24 else None
    order = np.random.default_rng([seed, 1]).permutation(rows * columns)
    ends = (np.linspace(0, size - side, TRIED).astype(int) for size in shape)
    places = [axis.ravel() for axis in np.meshgrid(*ends, indexing="ij")]
    wanted = min(MOST, max(1, round(SHARE * shape[0] * shape[1] / side**2)))
    for n in order:
        if len(taken) == wanted:
            break
        y, x = divmod(int(n), columns)
        tile = Tile(y * side, y * side + side, x * side, x * side + side)
        if lost is None:  # so large that no border matters
            taken.append(tile)
            continue
        before = lost.copy()
        wide = tile.grow(guard)
        lost[max(0, wide.y0) : wide.y1, max(0, wide.x0) : wide.x1] = True
        free = clear([*taken, tile], guard, places[0], places[1], side).mean()
        if 1 - lost.mean() < LEFT or free < FREE:
            lost = before
            continue
        taken.append(tile)
    return taken


def clear(tiles: list[Tile], guard: int, y: np.ndarray, x: np.ndarray, side: int) -> np.ndarray:
    """Return which squares with these first pixels keep off all that is held out.

    Parameters
    ----------
    tiles
        What is held out.
    guard
        Pixels around each.
    y, x
        First pixels, (n,).
    side
        Of the squares.
    """
    free = np.ones(len(y), bool)
    for tile in tiles:
        wide = tile.grow(guard)
        free &= (y >= wide.y1) | (y + side <= wide.y0) | (x >= wide.x1) | (x + side <= wide.x0)
    return free
