"""Pixels and cells as mixtures of classes, and the values of the classes on each date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xstf.method import Block
from xstf.methods._classes import FEW, PURE, Model
from xstf.methods._spectra import Spectra

PUREST = 300  # pixels of each class that the fine image's class values are found from
MARGIN = 2  # cells around a pixel that make its cubic value


@dataclass(frozen=True)
class Mixtures:
    """Classes that pixels may have shares of."""

    model: Model
    spectra: Spectra

    def soft(self, fine: np.ndarray) -> np.ndarray:
        """Return the share of each class in each pixel, (class, y, x) float32.

        Parameters
        ----------
        fine
            (band, y, x).
        """
        from xstf.kernels.fractions import soft_classes
        from xstf.kernels.offload import new

        out = new(fine, (self.model.classes, *fine.shape[1:]))
        soft_classes(fine, self.spectra.mean, self.spectra.inverse, out)
        return out


@dataclass(frozen=True)
class Mixed:
    """Values of the classes on one date, each (band, class)."""

    start: np.ndarray  # in the fine image of the pair
    end: np.ndarray  # in the fine image of the target
    coarse: np.ndarray  # in the coarse image of the target


def survey_shares(b: Block, known: Mixtures) -> dict[str, np.ndarray]:
    """Return the mean share of each class in each cell, and how much of the cell has a class.

    Parameters
    ----------
    b
        The block.
    known
        The classes.
    """
    from xstf.kernels.fractions import mean_shares

    names = known.model.classify(b)
    shape = names.shape[0] // b.scale, names.shape[1] // b.scale
    shares, seen = np.empty((known.model.classes, *shape)), np.empty(shape)
    mean_shares(known.soft(b.fine[0]), names, b.scale, shares, seen)
    return {"shares": shares, "seen": seen}


def class_values(sample: dict[str, np.ndarray], known: Mixtures) -> np.ndarray:
    """Return the values of the classes in the fine image, (band, class), from the purest pixels.

    Parameters
    ----------
    sample
        From `sampled`.
    known
        The classes.
    """
    from xstf.kernels.solve import bounded

    soft = known.soft(sample["fine"]).reshape(known.model.classes, -1).astype(np.float64)
    kept = sample["names"].ravel() > 0
    pixels = sample["fine"].reshape(len(sample["fine"]), -1).astype(np.float64)[:, kept]
    purest = purest_of(soft[:, kept], PUREST)
    told = np.array([len(order) > 0 for order in purest])
    chosen = np.unique(np.concatenate(purest))
    out = np.broadcast_to(known.spectra.mean.T, (len(pixels), len(soft))).copy()
    for band, values in enumerate(pixels):
        if np.ptp(values) > 1e-12:
            rows = soft[told][:, kept][:, chosen].T
            out[band, told] = bounded(rows, values[chosen], values.min(), values.max())
    return np.nan_to_num(out)


def find_values(
    found: dict[str, np.ndarray],
    start: np.ndarray,
    pair: np.ndarray,
    target: np.ndarray,
    num_pure: int | None,
) -> Mixed:
    """Return the values of the classes on one date.

    Parameters
    ----------
    found
        From `survey_shares`.
    start
        (band, class): values of the classes in the fine image of the pair.
    pair, target
        (band, y_coarse, x_coarse) coarse images.
    num_pure
        Purest cells of each class; None: as the program, bounded by the size of the scene.
    """
    shares = np.where(found["seen"] >= 0.9, found["shares"], 0.0)
    shares = shares.reshape(len(shares), -1)
    pure = min(100, max(5, round(FEW * shares.shape[1]))) if num_pure is None else num_pure
    before, after = (image.astype(np.float64).reshape(len(pair), -1) for image in (pair, target))
    gain, coarse = np.empty((2, len(pair), len(shares)))
    for band, (old, new) in enumerate(zip(before, after, strict=True)):
        seen = ~np.isnan(old + new)
        some, step = shares[:, seen], (new - old)[seen]
        wide = step.std(ddof=1) if len(step) > 1 else 0.0
        gain[band] = steady_values(some, step, step, 2 * pure, wide)
        coarse[band] = steady_values(some, new[seen], step, pure, 0.0)
    return Mixed(start, start + gain, coarse)


def purest_of(shares: np.ndarray, most: int) -> list[np.ndarray]:
    """Return where each class has its largest shares, of those that tell something.

    Parameters
    ----------
    shares
        (class, place).
    most
        How many places for each class.
    """
    found = []
    for share in shares:
        few = min(most, int((share > PURE).sum()))
        # the few largest are found without sorting all; equal ones go by their place
        least = -np.partition(-share, few - 1)[few - 1] if few else np.inf
        some = np.flatnonzero(share >= least)
        found.append(some[np.argsort(-share[some], kind="stable")[:few]])
    return found


def steady_values(
    shares: np.ndarray, values: np.ndarray, step: np.ndarray, pure: int, wide: float
) -> np.ndarray:
    """Return what each class says, from its purest cells of middling change [Li 2020, program].

    A class that no cell tells about has the mean of all.

    Parameters
    ----------
    shares
        (class, cell).
    values
        (cell,): what is explained.
    step
        (cell,): coarse change. Of the purest cells the quarters with the least and the most are
        left out.
    pure
        How many of the purest cells of each class are used.
    wide
        By how much a class may be beyond all cells.
    """
    from xstf.kernels.solve import bounded

    if len(values) == 0:
        return np.full(len(shares), np.nan)
    out = np.full(len(shares), values.mean())
    chosen = []
    purest = purest_of(shares, pure)
    for order in purest:
        change = np.abs(step[order])
        ranked = np.sort(change)
        if len(order):
            low, high = (ranked[int(np.ceil(q * len(order))) - 1] for q in (0.25, 0.75))
            chosen.append(order[(change >= low) & (change <= high)])
    low, high = values.min() - wide, values.max() + wide
    if chosen and high - low > 1e-12:
        told = np.array([len(order) > 0 for order in purest])
        cells = np.unique(np.concatenate(chosen))
        out[told] = bounded(shares[told][:, cells].T, values[cells], low, high)
    return out


def share_changes(found: dict[str, np.ndarray], mixed: Mixed, target: np.ndarray) -> np.ndarray:
    """Return how the shares of each cell have changed, (class, rows, columns), and NaN around.

    Parameters
    ----------
    found
        From `survey_shares`.
    mixed
        Values of the classes.
    target
        (band, y_coarse, x_coarse).
    """
    from xstf.kernels.fractions import new_shares

    after = np.empty(found["shares"].shape)
    new_shares(mixed.coarse, target, found["shares"], after)
    around_it = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)]
    return np.pad(after - found["shares"], around_it, constant_values=np.nan).astype(np.float32)
