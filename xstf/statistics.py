"""Whole-scene statistics of the pairs, and the refusal of data that cannot be fused."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from xstf.checks import beyond_reflectance
from xstf.method import Block, Statistics

FACTOR = 1000  # the largest values of two images of one day and place differ by less than this
TINY = 1e-3  # of the valid range: no scene is as dark as this in all bands


def squares(b: Block, unit: int) -> np.ndarray:
    """Return the moments of each square of `unit` pixels, (5, pair, band, rows, columns)."""
    from xstf.kernels.boxes import moments

    return moments(b.fine, unit)


def combine(
    found: np.ndarray, coarse: Sequence[np.ndarray], days: Sequence[str], limits: Any
) -> Statistics:
    """Return the statistics of the whole scene from those of its squares.

    Parameters
    ----------
    found
        (5, pair, band, rows, columns): count, mean, squared differences, smallest, largest.
    coarse
        The coarse image of each pair.
    days
        The date of each pair, for messages.
    limits
        Valid range of the scene, or None.

    Raises
    ------
    ValueError
        If an image of a pair holds nothing, or digital numbers instead of reflectance.
    """
    count, mean, spread = (
        part.reshape(*part.shape[:2], -1) for part in (found[0], found[1], found[2])
    )
    total = count.sum(axis=-1)
    for day, valid, image in zip(days, total, coarse, strict=True):
        for kind, empty in (("fine", not valid.any()), ("coarse", not np.isfinite(image).any())):
            if empty:
                raise ValueError(
                    f"the {kind} image of {day} is all missing, so it makes no pair; leave the "
                    "date out of pairs, or find the dates that hold something: "
                    "ds = xstf.find_observed(ds)"
                )
    low, high = (
        np.where(total > 0, ends, np.nan)
        for ends in (found[3].min(axis=(-1, -2)), found[4].max(axis=(-1, -2)))
    )
    for name, images in (("fine", (low, high)), ("coarse", coarse)):
        refuse_numbers(images, name, limits)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (count * mean).sum(axis=-1) / total
        within = spread + count * (mean - centre[..., None]) ** 2
        deviation = np.sqrt(within.sum(axis=-1) / total)
    refuse_other_units(np.stack([low, high]), coarse, days, limits)
    return Statistics(total, centre, deviation, low, high)


def together(images: Sequence[Statistics]) -> Statistics:
    """Return the statistics of several pairs as one.

    Parameters
    ----------
    images
        Those of each.
    """
    parts = [tuple(vars(image).values()) for image in images]
    return Statistics(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def apart(found: Statistics) -> list[Statistics]:
    """Return the statistics of each pair alone.

    Parameters
    ----------
    found
        Those of several.
    """
    each = zip(*vars(found).values(), strict=True)
    return [Statistics(*(values[None] for values in pair)) for pair in each]


def refuse_other_units(
    ends: np.ndarray, coarse: Sequence[np.ndarray], days: Sequence[str], limits: Any
) -> None:
    """Raise where the two images of a pair are of different size, or both next to nothing.

    Parameters
    ----------
    ends
        (2, pair, band): smallest and largest value of the fine images.
    coarse
        The coarse image of each pair, (band, rows, columns).
    days
        The date of each pair.
    limits
        Valid range; without one nothing is known of sizes.
    """
    if limits is None:
        return
    span = limits[1] - limits[0]
    for day, image, fine in zip(days, coarse, np.abs(ends).swapaxes(0, 1), strict=True):
        ours, theirs = (float(np.nanmax(np.abs(values))) for values in (fine, image))
        small, large = sorted((ours, theirs))
        cure = "scale only the side that needs it: read_images(..., scale_factor=...) of that side"
        if large < TINY * span:
            raise ValueError(
                f"the images of {day} are next to nothing (fine up to {ours:.2g}, coarse up to "
                f"{theirs:.2g}), as if they had been scaled twice; {cure}"
            )
        if large > FACTOR * small:
            raise ValueError(
                f"on {day} the fine images reach {ours:.2g} and the coarse ones {theirs:.2g}, so "
                f"they cannot be in the same units; {cure}"
            )


def is_empty(image: np.ndarray) -> bool:
    """Return whether an image holds nothing."""
    return bool(np.isnan(image).all())


def announce_empty(found: Sequence[bool], days: Sequence[str]) -> None:
    """Warn of wanted dates whose coarse image holds nothing."""
    empty = [day for lacks, day in zip(found, days, strict=True) if lacks]
    if empty:
        warnings.warn(
            f"the coarse image of {', '.join(empty)} is all missing, and so is the prediction; "
            "leave the date out, or find what is observed: ds = xstf.find_observed(ds)",
            UserWarning,
            stacklevel=2,
        )


def refuse_numbers(images: Any, name: str, limits: Any) -> None:
    """Raise where images hold infinite values, or digital numbers instead of reflectance."""
    smallest = float(np.fmin.reduce(np.asarray(images), axis=None))
    largest = float(np.fmax.reduce(np.asarray(images), axis=None))
    if np.isinf(smallest) or np.isinf(largest):
        raise ValueError(
            f"{name} holds values from {smallest:g} to {largest:g}; what is missing is NaN: "
            f"ds['{name}'] = ds.{name}.where(np.isfinite(ds.{name}))"
        )
    message = beyond_reflectance(smallest, largest, name, limits)
    if message:
        raise ValueError(message)
