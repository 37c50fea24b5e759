"""Classes of the fine image and their coarse change: shared by the unmixing methods."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Method, Statistics, Whole, param
from xstf.methods._shared import side_of_cell

SAMPLE = 1 << 18  # pixels that classes and outlier limits are found from, on an even lattice
NOISE = 1e-4  # share of the pixels at either end that is no measurement
PURE = 0.01  # a cell with a smaller share of a class says nothing about it
FEW = 0.028  # of the cells: more of the "purest" than this are impure in small scenes


@dataclass(frozen=True)
class IsodataRules:
    """What ISODATA is told, see `xstf.kernels.classify.isodata`; None: 5 % of the range."""

    least: int
    most: int
    split: float | None
    merge: float | None
    small: int


@dataclass(frozen=True, kw_only=True)
class Classified(Method):
    """What methods on classes of the fine image share: a class map, or what ISODATA is told."""

    takes = ("classes",)
    cells = True
    min_classes: int = param(
        4, ge=1, le=255, doc="fewest classes that ISODATA may end with", source="program"
    )
    max_classes: int = param(
        6, ge=1, le=255, doc="most classes that ISODATA may end with", source="program"
    )
    split: float | None = param(
        None,
        gt=0,
        none=True,
        unit="as the scene",
        doc="standard deviation that splits a class; None: 5 % of the range",
        source="program: 500 / 10000",
    )
    merge: float | None = param(
        None,
        gt=0,
        none=True,
        unit="as the scene",
        doc="distance that merges classes; None: 5 % of the range",
        source="program: 500 / 10000",
    )
    small: int = param(
        200, ge=1, unit="fine pixels", doc="a class with fewer pixels is dropped", source="program"
    )
    cell: int | None = side_of_cell()

    def __post_init__(self) -> None:
        """Check the parameters, also against each other."""
        super().__post_init__()
        if self.min_classes > self.max_classes:
            raise ValueError(
                f"min_classes={self.min_classes} is above max_classes={self.max_classes}; raise "
                "max_classes too"
            )

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Count the sample that classes are found from, its copies, and shares of classes."""
        return 64.0 * SAMPLE + 32.0 * self.max_classes * cells

    @property
    def rules(self) -> IsodataRules:
        """What ISODATA is told."""
        return IsodataRules(self.min_classes, self.max_classes, self.split, self.merge, self.small)


@dataclass(frozen=True)
class Model:
    """Classes and outlier limits of the fine image of the pair."""

    centres: np.ndarray | None  # (class, band), or
    labels: np.ndarray | None  # (256,): class of each label of the user's map
    classes: int
    ends: np.ndarray  # (band, 2): smallest and largest ordinary value
    deviation: np.ndarray  # (band,) of the whole scene

    def ordinary(self, fine: np.ndarray) -> np.ndarray:
        """Return the fine image (band, y, x) with extreme values brought to the ordinary ones."""
        low, high = np.asarray(self.ends.astype(np.float32).T[..., None, None], like=fine)
        return np.clip(fine, low, high)

    def classify(self, b: Block) -> np.ndarray:
        """Return the class of each pixel of a block, 1 and up, 0 where none, (y, x) uint8."""
        from xstf.kernels.classify import classify

        names = np.zeros_like(b.fine, dtype=np.uint8, shape=b.fine.shape[2:])
        if self.labels is None:
            classify(b.fine[0], self.centres, names)
        else:
            names = np.asarray(self.labels, like=names)[_labels(b)]
            names[np.isnan(b.fine[0]).any(axis=0)] = 0
        return names


def defer_model(scene: Whole, rules: IsodataRules) -> Any:
    """Return the deferred `Model` of a scene's first pair, from the user's class map if it has one.

    Parameters
    ----------
    scene
        The whole scene.
    rules
        For ISODATA.
    """
    labels = scene.each(labels_seen) if "classes" in scene.has else None
    sample = scene.each(lattice, stride_of(scene))
    return scene.once(find_model, sample, scene.statistics, labels, scene.valid_range, rules)


def find_model(
    sample: np.ndarray, statistics: Statistics, labels: Any, limits: Any, rules: IsodataRules
) -> Model:
    """Return how pixels are classified, and what is out of the ordinary.

    Parameters
    ----------
    sample
        (band, y, x) fine pixels on an even lattice.
    statistics
        Of the scene's fine image.
    labels
        (256, ...) which labels the user's class map holds, or None.
    limits
        Valid range, or None.
    rules
        For ISODATA, where the user gives no class map.

    Raises
    ------
    ValueError
        If there is nothing to classify, or the user's map holds no class.
    """
    from xstf.kernels.classify import isodata

    pixels = sample.reshape(len(sample), -1).T
    pixels = pixels[~np.isnan(pixels).any(axis=1)]
    if len(pixels) == 0:
        raise ValueError(
            "no fine pixel has all bands, so there is nothing to classify; leave out the band "
            "that is missing: .sel(band=[...])"
        )
    ends = [_ordinary(np.sort(band), limits) for band in pixels.T]
    # the released program's threshold has the sample standard deviation
    count = statistics.count[0]
    deviation = statistics.deviation[0] * np.sqrt(count / np.maximum(count - 1, 1))
    if labels is not None:
        found = np.flatnonzero(labels.reshape(256, -1).any(axis=1))
        found = found[found > 0]
        if len(found) == 0:
            raise ValueError(
                "the class map holds no class: labels are whole numbers from 1 to 255, 0 means "
                "unclassified; or leave ds['classes'] out and ISODATA finds classes"
            )
        table = np.zeros(256, np.uint8)
        table[found] = np.arange(1, len(found) + 1)
        return Model(None, table, len(found), np.array(ends), deviation)
    span = np.ptp(ends) if limits is None else limits[1] - limits[0]
    share = len(pixels) / max(1.0, float(statistics.count[0].max()))
    centres = isodata(
        pixels,
        rules.least,
        rules.most,
        split=rules.split or 0.05 * span,
        merge=rules.merge or 0.05 * span,
        small=max(1, round(rules.small * share)),
    )
    return Model(centres, None, len(centres), np.array(ends), deviation)


def stride_of(scene: Whole) -> int:
    """Return the distance of the pixels on the even lattice that samples are taken from."""
    return max(1, int(np.ceil(np.sqrt(scene.shape[0] * scene.shape[1] / SAMPLE))))


def lattice(b: Block, stride: int, image: np.ndarray | None = None) -> np.ndarray:
    """Return every `stride`-th pixel (..., y, x), counted from the scene's corner.

    Parameters
    ----------
    b
        The block.
    stride
        From `stride_of`.
    image
        (..., y, x) of the block; the fine image of the pair where it is left out.
    """
    y, x = (-start % stride for start in b.place)
    return (b.fine[0] if image is None else image)[..., y::stride, x::stride]


def labels_seen(b: Block) -> np.ndarray:
    """Return which labels the user's class map holds in a tile, (256, 1, 1) bool."""
    return (np.bincount(_labels(b).ravel(), minlength=256) > 0)[:, None, None]


def survey(b: Block, model: Model) -> dict[str, np.ndarray]:
    """Return class fractions of each cell, and the range of each class in each band."""
    from xstf.kernels.classify import fractions

    names = model.classify(b)
    fine = model.ordinary(b.fine[0])
    shares = np.zeros((model.classes, names.shape[0] // b.scale, names.shape[1] // b.scale))
    fractions(names, b.scale, 9, shares)
    low = np.full((model.classes, len(fine), 1, 1), np.inf)
    high = -low
    for name in range(model.classes):
        inside = fine[:, names == name + 1]
        if inside.size:
            low[name, :, 0, 0], high[name, :, 0, 0] = inside.min(axis=1), inside.max(axis=1)
    return {"fractions": shares, "low": low, "high": high}


def class_changes(shares: np.ndarray, step: np.ndarray, pure: int) -> np.ndarray:
    """Return the change of each class in one band [Zhu 2016, eq 2-4; released selection of cells].

    Parameters
    ----------
    shares
        (class, cell) fractions.
    step
        (cell,) coarse change, NaN where missing.
    pure
        How many of the purest cells of each class are used, before the outer tenths of their
        changes are left out.

    Returns
    -------
    numpy.ndarray
        (class,). A class that no cell tells about changes as the scene does on average.
    """
    from xstf.kernels.solve import bounded

    seen = ~np.isnan(step)
    shares, step = shares[:, seen], step[seen]
    if len(step) == 0:
        return np.full(len(shares), np.nan)
    mean, spread = step.mean(), step.std(ddof=1) if len(step) > 1 else 0.0
    low, high = step.min() - spread, step.max() + spread
    chosen, told = [], np.zeros(len(shares), bool)
    for name, share in enumerate(shares):
        # of equally pure cells the released program takes the last ones first
        order = np.argsort(share, kind="stable")[::-1][: min(pure, int((share > PURE).sum()))]
        if len(order) == 0:
            continue
        told[name] = True
        changes = np.sort(step[order])
        ends = changes[int(0.1 * len(order))], changes[min(int(0.9 * len(order)), len(order) - 1)]
        chosen.append(order[(step[order] >= ends[0]) & (step[order] <= ends[1])])
    gain = np.full(len(shares), mean)
    if not chosen:
        warnings.warn(
            "no coarse cell has nine tenths of its pixels classified and coarse data on both "
            "dates, so all classes are given the mean coarse change; leave such a pair out",
            UserWarning,
            stacklevel=2,
        )
    if high - low <= 1e-12 or not chosen:
        return gain
    cells = np.concatenate(chosen)
    gain[told] = bounded(shares[told][:, cells].T, step[cells], low, high)
    return gain


def _ordinary(values: np.ndarray, limits: Any) -> tuple[float, float]:
    """Return the smallest and largest of the sorted values that are no noise, and possible."""
    n = len(values)
    low, high = values[int(NOISE * n)], values[min(int((1 - NOISE) * n), n - 1)]
    inner = values[(values > low) & (values < high)]
    if limits is not None:
        inner = inner[(inner >= limits[0]) & (inner <= limits[1])]
    return (float(inner[0]), float(inner[-1])) if len(inner) else (float(low), float(high))


def _labels(b: Block) -> np.ndarray:
    """Return the user's class map of a block as uint8."""
    labels = np.nan_to_num(b.planes["classes"])
    if labels.min() < 0 or labels.max() > 255 or (labels != labels.astype(np.uint8)).any():
        raise ValueError(
            f"the class map holds labels from {labels.min()} to {labels.max()}; labels are whole "
            "numbers from 1 to 255, 0 where unclassified"
        )
    return labels.astype(np.uint8)
