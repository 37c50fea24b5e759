"""What a worker does with one block: gather its window, run the method, check what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xstf import device
from xstf.grid import Tile
from xstf.method import Block
from xstf.statistics import refuse_numbers

FILLED = "filled"  # the layer that says which pixels are predicted: 1, and which observed: 0


def run_block(
    run: Callable[..., Any],
    known: Mapping[str, Any],
    found: dict[str, Any],
    where: tuple[Tile, int],
    own: Mapping[int, np.ndarray] | None,
    waited: Any,
    arguments: Sequence[Any],
) -> Any:
    """Run a method's block, or a function of `Whole.each`, on what was gathered."""
    found["planes"] = {name: image[0, 0] for name, image in found["planes"].items()}
    found["made"] = {
        name: np.stack([cut(image, *where) for image in images])
        for name, images in found["made"].items()
    }
    block = Block(**found, **known)
    if not block.layers:  # no prediction, but a part of the pass over the whole scene
        return run(block, *arguments)
    for name in ("fine", "target"):
        refuse_numbers(getattr(block, name), name, block.valid_range)
    if own is None:
        return checked(device.run(run, block), block)
    for image in own.values():
        refuse_numbers(image, "fine", block.valid_range)
    if len(own) == len(block.target) and not any(np.isnan(image).any() for image in own.values()):
        shape = (len(own), *own[0].shape[1:])  # nothing to fill, so nothing to predict
        empty = {name: np.full(shape, np.nan, np.float32) for name in block.layers}
        return filled(empty, own)
    return filled(checked(device.run(run, block), block), own)


def filled(made: dict[str, np.ndarray], own: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
    """Return layers with the observed pixels in place, and which pixels are predicted.

    Parameters
    ----------
    made
        Layers, (date, band, y, x) each.
    own
        Observed images, (1, band, y, x), by date.
    """
    image = np.full(made["fused"].shape, np.nan, np.float32)
    for date, values in own.items():
        image[date] = values[0]
    seen = ~np.isnan(image)
    told = np.where(np.isnan(made["fused"]), np.float32(np.nan), np.float32(1))
    # other layers say nothing of what was observed
    found = {name: np.where(seen, np.float32(np.nan), values) for name, values in made.items()}
    return found | {
        "fused": np.where(seen, image, made["fused"]),
        FILLED: np.where(seen, np.float32(0), told),
    }


def of_predicted(values: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Return a layer that says nothing of pixels that were observed.

    Parameters
    ----------
    values
        The layer.
    told
        The layer ``filled``.
    """
    return np.where(told == 0, np.float32(np.nan), values)


def checked(made: Any, block: Block) -> dict[str, np.ndarray]:
    """Return the layers asked for as float32, or raise where they are not what was declared."""
    rows, columns = block.inner
    size = rows.stop - rows.start, columns.stop - columns.start
    shape = (len(block.target), block.fine.shape[1], *size)
    out = {}
    for layer in block.layers:
        if not isinstance(made, Mapping) or layer not in made:
            kind = sorted(made) if isinstance(made, Mapping) else type(made).__name__
            raise ValueError(
                f"block returned {kind}, but the method declares the layers {block.layers}; return "
                "{layer: (date, band, y, x)}"
            )
        if np.shape(made[layer]) != shape:
            raise ValueError(
                f"block returned layer {layer!r} of shape {np.shape(made[layer])}, not {shape}: "
                "(date, band, y, x) without the halo, which b.inner cuts off"
            )
        out[layer] = np.asarray(made[layer], np.float32)
    return out


def gather(
    shape: tuple[int, ...], dtype: np.dtype, places: Sequence[Any], chunks: Sequence[np.ndarray]
) -> np.ndarray:
    """Return a window put together from chunks, NaN (or 0 for whole numbers) off the scene."""
    window = np.full(shape, np.nan if dtype.kind == "f" else 0, dtype)
    for (into, source), chunk in zip(places, chunks, strict=True):
        window[into] = chunk[source]
    return window


def cut(image: np.ndarray, cells: Tile, margin: int) -> np.ndarray:
    """Return the window of a plane that reaches `margin` cells past the scene, NaN beyond."""
    y0, y1, x0, x1 = (edge + margin for edge in (cells.y0, cells.y1, cells.x0, cells.x1))
    window = np.full((*image.shape[:-2], y1 - y0, x1 - x0), np.nan, image.dtype)
    height, width = image.shape[-2:]
    rows, columns = slice(max(y0, 0), min(y1, height)), slice(max(x0, 0), min(x1, width))
    window[..., rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = image[
        ..., rows, columns
    ]
    return window


def assemble(tiles: Sequence[Sequence[Any]]) -> Any:
    """Return what `Whole.each` found on tiles as one array, or a dict of arrays."""
    if isinstance(tiles[0][0], Mapping):
        names = tiles[0][0]
        return {n: assemble([[tile[n] for tile in row] for row in tiles]) for n in names}
    return np.concatenate([np.concatenate(row, axis=-1) for row in tiles], axis=-2)


def pick(values: Any, *path: Any) -> Any:
    """Return what lies at a path of keys and positions."""
    for step in path:
        values = values[step]
    return values
