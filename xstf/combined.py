"""Several pairs for a method that uses one: a prediction from each, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from xstf.method import Block, Method, Prepared, Whole

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
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the method."""
        return self.inner.layers

    @property
    def takes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The scene's planes that the method reads."""
        return self.inner.takes

    @property
    def cells(self) -> bool:  # type: ignore[override]
        """Whether the method needs coarse cells."""
        return self.inner.cells

    @property
    def cell(self) -> int | None:
        """Side of a cell that the method is given."""
        return getattr(self.inner, "cell", None)

    def halo(self, scale: int) -> int:
        """Fine pixels that the method reads beyond."""
        return self.inner.halo(scale)

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
        """Return each layer of the method, put together."""
        single = [self.inner.block(self._alone(b, pair)) for pair in range(len(b.fine))]
        made = {name: np.stack([one[name] for one in single]) for name in b.layers}
        seen = ~np.isnan(made["fused"])
        weight = self._weights(b, seen)
        total = weight.sum(axis=0)
        held = total > 0
        return {
            name: np.where(
                held,
                np.where(seen, weight * values, 0).sum(axis=0) / np.where(held, total, 1),
                np.float32(np.nan),
            )
            for name, values in made.items()
        }

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

    def _weights(self, b: Block, seen: np.ndarray) -> np.ndarray:
        """Return the weight of each pair, (pair, date, band, y, x), 0 where it is missing."""
        if self.how == "nearest":
            return _first(b.times, b.target_times, seen)
        from xstf.methods._shared import on_fine

        step = np.abs(_around(b.target[None] - b.coarse[:, None]))
        weights = np.stack([on_fine(b, _inverse(one), "linear") for one in step])
        weights = weights[(..., *b.inner)]
        known = ~np.isnan(weights)
        # where no cell tells the change since a pair, all pairs count alike
        weights = np.where(known.all(axis=0), weights, np.float32(1))
        return np.where(seen, weights, np.float32(0))


def _together(*values: Any) -> tuple[Any, ...]:
    return values


def _inverse(step: np.ndarray) -> np.ndarray:
    return np.float32(1) / (step + FLOOR)


def _around(cells: np.ndarray) -> np.ndarray:
    """Return the mean over 3 x 3 cells, those that are missing left out; the rim stays missing."""
    total = np.zeros(cells.shape, np.float32)
    count = np.zeros(cells.shape, np.float32)
    height, width = cells.shape[-2:]
    inner = (..., slice(NEAR, height - NEAR), slice(NEAR, width - NEAR))
    for y in range(2 * NEAR + 1):
        for x in range(2 * NEAR + 1):
            near = cells[..., y : height - 2 * NEAR + y, x : width - 2 * NEAR + x]
            there = ~np.isnan(near)
            total[inner] += np.where(there, near, 0)
            count[inner] += there
    return np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))


def _first(times: np.ndarray, targets: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return weight 1 for the nearest pair that has the pixel, 0 for the others."""
    weights = np.zeros(seen.shape, np.float32)
    for date, target in enumerate(targets):
        free = np.ones(seen.shape[2:], bool)
        for pair in np.argsort(np.abs(times - target), kind="stable"):
            taken = free & seen[pair, date]
            weights[pair, date][taken] = 1
            free &= ~taken
    return weights
