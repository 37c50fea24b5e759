"""What the weights of the cells mean for pixels: a prediction, and how far it may be off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xstf.method import Block
from xstf.methods._gp_features import RADIUS, Look
from xstf.methods._gp_model import LOCAL, SMOOTH
from xstf.methods._gp_sensor import Sensor, margin_of
from xstf.methods._gp_solve import Error, Found

Array = np.ndarray

MARGIN = 17  # cells around a block whose weights are read: what the longest covariance takes


@dataclass(frozen=True)
class Member:
    """One Gaussian process: what it looks at, and how much its result counts."""

    name: str
    pairs: tuple[int, ...]
    share: float


@dataclass(frozen=True)
class Numbers:
    """What holds for the whole scene and every date."""

    sensor: Sensor
    looks: dict[str, Look]
    error: Error
    kept: dict[str, Array]  # of each member, (band,): share of its detail


@dataclass(frozen=True)
class Table:
    """One length's covariance of pixels with the cells around."""

    reach: int  # cells
    down: Array  # see `Sensor.covariance`
    across: Array
    unseen: float  # share of the variance of a pixel that its cell does not tell


def find_tables(sensor: Sensor) -> list[Table]:
    """Return the covariance of each length, the local one last."""
    tables = []
    for length in (*SMOOTH, LOCAL):
        reach = margin_of(sensor, length)
        between, down, across = sensor.covariance(length, reach)
        own = (down[reach] ** 2).mean() * (across[reach] ** 2).mean()
        unseen = 1 - own / float(between[:, 0].prod())
        tables.append(Table(reach, down.astype(np.float32), across.astype(np.float32), unseen))
    return tables


class Prediction:
    """What one member predicts for a block.

    Parameters
    ----------
    b
        The block.
    member
        Which member,
    number
        and its place among them.
    """

    def __init__(self, b: Block, member: Member, number: int) -> None:
        self.b, self.member, self.number = b, member, number
        self.look: Look = b.numbers.looks[member.name]
        self.tables = find_tables(b.numbers.sensor)
        rows, columns = b.inner
        near = b.fine[..., rows.start - RADIUS : rows.stop + RADIUS,
                      columns.start - RADIUS : columns.stop + RADIUS]  # fmt: skip
        self.features = self.look.features(np.ascontiguousarray(near))
        prior = b.fine[list(member.pairs)][..., rows, columns].mean(axis=0)
        smooth = self.look.smoothed(self.features[: len(self.look.mean)]).mean(axis=0)
        kept = b.numbers.kept[member.name].astype(np.float32)[:, None, None]
        self.detail = prior - smooth
        self.base = smooth + kept * self.detail

    def images(self) -> Iterator[tuple[Array, Array]]:
        """Yield each date's prediction, and the change that the cells tell, (band, y, x) both."""
        for date, members in enumerate(self.b.dated):
            change = self._change(members[self.number], date)
            yield self.base + change, change

    def _change(self, found: Found, date: int) -> Array:
        """Return the change that the cells tell, (band, y, x)."""
        from xstf.kernels.worth import add_worth

        b, name = self.b, self.member.name
        seen, weights = b.made[f"seen {name}"][0], b.made[f"weights {name}"][date]
        variance = found.variance.astype(np.float32)
        kinds = variance[len(SMOOTH) :].repeat(self.look.sizes)[:, None, None]
        flat = np.ones((1, *self.base.shape[1:]), np.float32)
        none = np.zeros(1, np.float32)
        out = np.empty(self.base.shape, np.float32)
        for band, image in enumerate(out):
            own = weights[band]
            image[:] = np.float32(found.mean[band])
            for share, table in zip(variance, self.tables[:-1], strict=False):
                cells = self._around(share * own[None], table.reach)
                add_worth(cells, table.down, table.across, flat, none, image)
            table = self.tables[-1]
            cells = self._around(kinds * seen * own, table.reach)
            effect = found.effect[band].astype(np.float32)
            add_worth(cells, table.down, table.across, self.features, effect, image)
        return out

    def _around(self, cells: Array, reach: int) -> Array:
        """Return the cells of the block's inner pixels and `reach` around them."""
        spare = self.b.halo // self.b.scale + MARGIN - reach
        height, width = cells.shape[-2:]
        return np.ascontiguousarray(cells[..., spare : height - spare, spare : width - spare])

    def unknown(self, found: Found) -> Array:
        """Return the variance that the model leaves to each pixel, (band, y, x)."""
        smooth = sum(v * t.unseen for v, t in zip(found.variance, self.tables[:-1], strict=False))
        total = np.full(self.features.shape[1:], smooth + found.white, np.float32)
        start = 0
        for share, size in zip(found.variance[len(SMOOTH) :], self.look.sizes, strict=True):
            part = self.features[start : start + size]
            total += np.float32(share * self.tables[-1].unseen) * (part * part).sum(axis=0)
            start += size
        return total * (found.deviation**2).astype(np.float32)[:, None, None]
