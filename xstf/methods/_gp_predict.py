"""What the weights of the cells mean for pixels: a prediction, and how far it may be off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xstf.method import Block
from xstf.methods._gp_error import FLAT
from xstf.methods._gp_features import RADIUS, Look
from xstf.methods._gp_members import Member
from xstf.methods._gp_model import LOCAL, SMOOTH, Error
from xstf.methods._gp_sensor import Sensor, margin_of
from xstf.methods._gp_solve import Found

Array = np.ndarray

# What the squared error of a pixel is made of, with one pair and with several: what the model
# leaves unknown, squared detail, coarse error as far as it is change, and the variance of change,
# which stands for what no image shows. Found on simulated and real scenes.
DOUBT = {1: (0.8, 0.9, 3.0, 0.17), 2: (0.9, 0.12, 0.83, 0.0)}
APART = 1.15  # of the mean squared difference of members from their mean
LOCALLY = 2  # power of the variance of change around a pixel by which members are weighed
MARGIN = 17  # cells around a block whose weights are read: what the longest covariance takes


@dataclass(frozen=True)
class Numbers:
    """What holds for the whole scene and every date."""

    sensor: Sensor
    looks: dict[str, Look]
    error: Error
    kept: dict[str, Array]  # of aspects of two pairs, (3, band): see `kept_detail`


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


def cells_around(b: Block, cells: Array, reach: int) -> Array:
    """Return the cells (..., rows, columns) of a block's inner pixels and `reach` around them."""
    spare = b.halo // b.scale + MARGIN - reach
    height, width = cells.shape[-2:]
    return np.ascontiguousarray(cells[..., spare : height - spare, spare : width - spare])


class Prediction:
    """What one member predicts for a block and a date.

    Parameters
    ----------
    b
        The block.
    date
        Which of its dates.
    member
        Which member.
    features
        Of its pixels, from `describe`.
    """

    def __init__(self, b: Block, date: int, member: Member, features: Array) -> None:
        self.b, self.date, self.member, self.features = b, date, member, features
        self.found: Found = b.dated[date][member.name]
        self.tables = find_tables(b.numbers.sensor)
        self.sizes: tuple[int, ...] = ()
        self.base = b.fine[list(member.pairs)][..., *b.inner].mean(axis=0)
        self.detail = np.zeros_like(self.base)
        if member.looks:
            look = b.numbers.looks[member.look]
            self.sizes = look.sizes
            at = [look.pairs.index(pair) for pair in member.pairs]
            smooth = look.smoothed(features[: look.sizes[0]])[at].mean(axis=0)
            kept = self.found.kept.astype(np.float32)[:, None, None]
            self.detail = self.base - smooth
            self.base = smooth + kept * self.detail

    def change(self) -> Array:
        """Return the change that the cells tell, (band, y, x)."""
        from xstf.kernels.footprints import add_worth

        b, member, found = self.b, self.member, self.found
        weights = b.made[f"weights {member.name}"][self.date]
        variance = found.variance.astype(np.float32)
        gain = self.gain()
        flat = np.ones((1, *self.base.shape[1:]), np.float32)
        none = np.zeros(1, np.float32)
        out = np.empty(self.base.shape, np.float32)
        for band, image in enumerate(out):
            own = weights[band]
            image[:] = 0
            for share, table in zip(variance, self.tables[:-1], strict=False):
                cells = cells_around(b, share * own[None], table.reach)
                add_worth(cells, table.down, table.across, flat, none, image)
            if member.looks:
                table = self.tables[-1]
                worth = variance[len(SMOOTH) :].repeat(self.sizes)[:, None, None]
                cells = cells_around(b, worth * b.made[f"seen {member.look}"][0] * own, table.reach)
                local = np.zeros(len(self.features), np.float32)
                add_worth(cells, table.down, table.across, self.features, local, image)
            image *= gain
            image += np.float32(found.mean[band])
            effect = found.effect[band].astype(np.float32)
            for feature, worth in zip(self.features, effect, strict=True):
                image += worth * feature
        return out

    def gain(self) -> Array:
        """Return the factor of finite change at the pixels, (y, x)."""
        from xstf.kernels.footprints import add_worth

        table = self.tables[0]
        cells = cells_around(
            self.b, self.b.made[f"gain {self.member.name}"][self.date], table.reach
        )
        out = np.zeros(self.base.shape[1:], np.float32)
        flat, none = np.ones((1, *out.shape), np.float32), np.zeros(1, np.float32)
        down, across = (taps / taps.sum(axis=0) for taps in (table.down, table.across))
        add_worth(cells, down, across, flat, none, out)
        return out

    def doubt(self, pairs: int) -> Array:
        """Return the variance of the error of each pixel, (band, y, x).

        What the model leaves unknown, the detail that may have gone, the error of the coarse change
        by its share of this change, and a share of its variance, each times what `DOUBT` says.

        Parameters
        ----------
        pairs
            How many pairs have a say.
        """
        found = self.found
        unknown, detail, coarse, hidden = DOUBT[pairs]
        variance = found.deviation**2
        error = self.b.numbers.error.deviation**2
        as_change = error * np.minimum(error / np.maximum(variance, FLAT**2), 1)
        everywhere = hidden * variance + coarse * as_change
        # squared, as found: cells see the error too, which hides how far a band departs
        of_cells = np.stack([unknown * found.surprise**2 * variance, everywhere])
        shares, constant = of_cells.astype(np.float32)[..., None, None]
        return shares * self.unknown() + constant + np.float32(detail) * self.detail**2

    def unknown(self) -> Array:
        """Return the share of the variance that the cells leave to each pixel, (y, x)."""
        found = self.found
        smooth = sum(v * t.unseen for v, t in zip(found.variance, self.tables[:-1], strict=False))
        total = np.full(self.base.shape[1:], smooth, np.float32)
        start = 0
        for share, size in zip(found.variance[len(SMOOTH) :], self.sizes, strict=True):
            part = self.features[start : start + size]
            total += np.float32(share * self.tables[-1].unseen) * (part * part).sum(axis=0)
            start += size
        return self.gain() ** 2 * total + np.float32(found.white)

    def weight(self) -> Array:
        """Return how much the member counts at each pixel, (band, y, x).

        Its share over the variance of the change since its pairs: in the scene, and around the
        pixel once more, since what stands out is least certain.
        """
        variance = np.maximum(self.found.deviation, FLAT).astype(np.float32) ** 2
        around = self.gain() ** (2 * LOCALLY)
        return np.float32(self.found.share) / (variance[:, None, None] * around)


def describe(b: Block, members: Iterable[Member]) -> dict[str, Array]:
    """Return the features of a block's pixels, (feature, y, x), for each look.

    Parameters
    ----------
    b
        The block.
    members
        Whose looks are wanted.
    """
    rows, columns = b.inner
    near = np.ascontiguousarray(
        b.fine[..., rows.start - RADIUS : rows.stop + RADIUS,
               columns.start - RADIUS : columns.stop + RADIUS]
    )  # fmt: skip
    looks = {member.look for member in members if member.looks}
    return {look: b.numbers.looks[look].features(near) for look in sorted(looks)}


def blend(weights: Sequence[Array], images: Sequence[Array]) -> Array:
    """Return the weighted mean of what members say, of those that say anything.

    Parameters
    ----------
    weights
        (band, y, x) of each member, from `Prediction.weight`.
    images
        (band, y, x) of each.
    """
    if len(images) == 1:
        return images[0]
    total, weight = np.zeros((2, *images[0].shape), np.float32)
    for share, image in zip(weights, images, strict=True):
        seen = ~np.isnan(image)
        total += np.where(seen, share * image, 0)
        weight += np.where(seen, share, 0)
    known = weight > 0
    return np.where(known, total / np.where(known, weight, 1), np.float32(np.nan))
