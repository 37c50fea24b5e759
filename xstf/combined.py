"""Several pairs for a method that uses one: a prediction from each, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from xstf.method import Block, Method, Prepared, Whole, learns
from xstf.sizes import BlockSize

RULES = ("temporal", "nearest")
NEAR = 1  # cells around a pixel's own over which the coarse change is averaged
FLOOR = np.float32(1e-6)  # keeps the weight of a pair without coarse change finite


@dataclass(frozen=True)
class Combined(Method):
    """Predictions of a one-pair method from each of several pairs, put together.

    ``"temporal"``: the mean, each pair weighted by the inverse of the coarse change since its date
    around the pixel (3 x 3 cells), as the temporal weights of ESTARFM are [Zhu 2010, eq 11].
    ``"nearest"``: the pair nearest in time, and where that is missing the next. With both a pixel
    that clouds hide in one pair comes from another.

    Parameters
    ----------
    inner
        The method.
    how
        One of the two rules.
    """

    pairs: ClassVar[range] = range(1, 100)
    inner: Method
    how: str = "temporal"

    def __post_init__(self) -> None:
        """Check the rule, and that the method works from one pair."""
        if self.how not in RULES:
            raise ValueError(f"combine={self.how!r} must be one of {', '.join(map(repr, RULES))}")
        if learns(self.inner) and len(self.inner.pairs) > 1:
            raise ValueError(
                f"{self.inner.label} puts predictions from several pairs together itself; leave "
                "combine out"
            )
        if 1 not in self.inner.pairs:
            raise ValueError(
                f"combine={self.how!r} puts predictions from single pairs together, and "
                f"{self.inner.label} needs {self.inner.pairs[0]}; leave combine out"
            )

    @property
    def label(self) -> str:
        """The name of the method."""
        return self.inner.label

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the method, and the rule."""
        return {**self.inner.parameters, "combine": self.how}

    @property
    def window_size(self) -> int:
        """Side of the method's window."""
        return self.inner.window_size

    @property
    def reach(self) -> int:
        """Coarse cells read beyond, for the method or for the weights."""
        return max(self.inner.reach, NEAR + 1)

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]  # the inner one's
        """Those of the method."""
        return self.inner.layers

    @property
    def takes(self) -> tuple[str, ...]:  # type: ignore[override]  # the inner one's
        """The scene's planes that the method reads."""
        return self.inner.takes

    @property
    def cells(self) -> bool:  # type: ignore[override]  # the inner one's
        """Whether the method needs coarse cells."""
        return self.inner.cells

    @property
    def on_gpu(self) -> bool:  # type: ignore[override]  # the inner one's
        """Whether the method can run on a GPU."""
        return self.inner.on_gpu

    @property
    def cell(self) -> int | None:
        """Side of a cell that the method is given."""
        return getattr(self.inner, "cell", None)

    @property
    def light(self) -> Combined:
        """The same, of the method as blocks carry it."""
        return replace(self, inner=self.inner.light)

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where the method cannot serve a scene."""
        self.inner.suit(bands, scale, limits)

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Return what the method takes to prepare."""
        return self.inner.memory_aside(cells, pairs)

    def halo(self, scale: int) -> int:
        """Fine pixels that the method reads beyond."""
        return self.inner.halo(scale)

    def memory(self, size: BlockSize) -> float:
        """Add sums, weights and a share's image to what the method holds for one pair."""
        alone = self.inner.memory(replace(size, pairs=1, reach=self.inner.reach))
        return alone + (2 * size.layers + 3) * size.layer + size.dates * size.image

    def prepare(self, scene: Whole) -> Prepared:
        """Prepare the method for each pair."""
        parts = [self.inner.prepare(scene.alone(pair)) for pair in range(scene.pairs)]
        first = parts[0]
        return Prepared(
            numbers=scene.once(_together, *(p.numbers for p in parts)),
            dated=[
                scene.once(_together, *(p.dated[date] for p in parts))
                for date in range(scene.dates)
            ]
            if first.dated
            else (),
            planes={
                f"{name} {i}": p.planes[name] for i, p in enumerate(parts) for name in p.planes
            },
            margin=first.margin,
        )

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return each layer of the method, put together; one pair's at a time, to save memory."""
        return self._nearest(b) if self.how == "nearest" else self._mean(b)

    def _nearest(self, b: Block) -> dict[str, np.ndarray]:
        """Return what the nearest pair says that has the pixel."""
        found: dict[str, np.ndarray] = {}
        gaps = np.abs(b.times[:, None] - b.target_times)
        order = gaps.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
        ranks = np.asarray(order, like=b.fine)
        taken = np.full_like(ranks, len(b.fine), shape=1)
        for pair, rank in enumerate(ranks[:, :, None, None, None]):
            made = self.inner.block(self._alone(b, pair))
            take = ~np.isnan(made["fused"]) & (rank < taken)
            found = {
                name: np.where(take, made[name], found.get(name, np.float32(np.nan)))
                for name in b.layers
            }
            taken = np.where(take, rank, taken)
        return found

    def _mean(self, b: Block) -> dict[str, np.ndarray]:
        """Return the mean of what all pairs say, weighted by how little has changed since."""
        from xstf.methods._shared import on_fine

        near = np.float32(1) / (np.abs(_around(b.target[None] - b.coarse[:, None])) + FLOOR)
        # where the change since one pair is not known, all pairs count alike
        unknown = np.isnan(near)
        near = np.where(unknown.any(axis=0) & ~unknown.all(axis=0), np.float32(1), near)
        total: dict[str, Any] = {}
        weight: Any = np.float32(0)
        for pair, cells in enumerate(near):
            made = self.inner.block(self._alone(b, pair))
            seen = ~np.isnan(made["fused"])
            share = on_fine(b, cells, "linear")[(..., *b.inner)]
            share = np.where(seen, np.where(np.isnan(share), np.float32(1), share), np.float32(0))
            weight = weight + share
            total = {
                name: total.get(name, np.float32(0)) + np.where(seen, share * made[name], 0)
                for name in b.layers
            }
        held = weight > 0
        divisor = np.where(held, weight, np.float32(1))
        return {n: np.where(held, v / divisor, np.float32(np.nan)) for n, v in total.items()}

    def _alone(self, b: Block, pair: int) -> Block:
        """Return the block as the method sees it with one pair."""
        spare = self.reach - self.inner.reach
        height, width = b.target.shape[-2:]
        cut = ..., slice(spare, height - spare), slice(spare, width - spare)
        end = f" {pair}"
        return replace(
            b,
            fine=b.fine[pair : pair + 1],
            coarse=b.coarse[pair : pair + 1][cut],
            target=b.target[cut],
            made={n.removesuffix(end): image for n, image in b.made.items() if n.endswith(end)},
            numbers=b.numbers[pair],
            dated=[found[pair] for found in b.dated],
            times=b.times[pair : pair + 1],
        )


def _together(*values: Any) -> tuple[Any, ...]:
    return values


def _around(cells: np.ndarray) -> np.ndarray:
    """Return the mean over 3 x 3 cells, those that are missing left out; the rim stays missing."""
    total, count = np.zeros_like(cells), np.zeros_like(cells)
    height, width = cells.shape[-2:]
    inner = (..., slice(NEAR, height - NEAR), slice(NEAR, width - NEAR))
    for y in range(2 * NEAR + 1):
        for x in range(2 * NEAR + 1):
            near = cells[..., y : height - 2 * NEAR + y, x : width - 2 * NEAR + x]
            there = ~np.isnan(near)
            total[inner] += np.where(there, near, 0)
            count[inner] += there
    return np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))
