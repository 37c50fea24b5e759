"""FSDAF: class changes by unmixing, residuals spread by a spline and homogeneity [Zhu 2016]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Method, Prepared, Statistics, Whole, param, register

SAMPLE = 1 << 18  # pixels that classes and outlier limits are found from, on an even lattice
SPLINE = 8  # cells around a pixel that make its spline value
NOISE = 1e-4  # share of the pixels at either end that is no measurement
PURE = 0.01  # a cell with a smaller share of a class says nothing about it
FEW = 0.028  # of the cells: more of the "purest" than this are impure in small scenes


@register("fsdaf")
@dataclass(frozen=True, kw_only=True)
class Fsdaf(Method):
    """Class changes from unmixed coarse change, its residual spread within cells [Zhu 2016].

    The fine image is classified; the change of each class is the bounded least-squares solution
    over the purest cells; what a cell leaves unexplained goes to its pixels by how far the spline
    of the target's coarse image departs from the prediction, and by how mixed their surroundings
    are; last, each pixel takes the weighted change of its most alike neighbours. All statistics
    are of the whole scene. The default follows the authors' released program; differences from
    it: the number of pure cells is bounded by the size of the scene, the spectral difference is
    relative to the absolute value, and missing pixels are left out instead of being numbers.

    A pixel is missing where its fine value is, or where none of its alike neighbours lies in a
    cell with coarse data on both dates.

    References
    ----------
    Zhu, X., Helmer, E., Gao, F., Liu, D., Chen, J., Lefsky, M. (2016). A flexible spatiotemporal
    method for fusing satellite images with different resolutions. Remote Sensing of Environment
    172, 165-177.
    """

    layers = ("fused", "similar")
    unchanged = "texture"
    cells = True
    window: int = param(
        41, ge=3, odd=True, unit="fine pixels", doc="side of the window", source="w = 20"
    )
    num_similar: int = param(20, ge=1, doc="alike neighbours, the pixel itself among them")
    min_classes: int = param(4, ge=1, doc="fewest classes that ISODATA may end with")
    max_classes: int = param(6, ge=1, doc="most classes that ISODATA may end with")
    num_pure: int | None = param(
        None,
        ge=1,
        none=True,
        doc="purest cells used for each class; None: 100, but at most 2.8 % of the cells",
        source="released program: 100",
    )
    split: float | None = param(
        None,
        gt=0,
        none=True,
        unit="as the scene",
        doc="standard deviation that splits a class; None: 5 % of the range",
    )
    merge: float | None = param(
        None,
        gt=0,
        none=True,
        unit="as the scene",
        doc="distance that merges classes; None: 5 % of the range",
    )
    small: int = param(200, ge=1, unit="fine pixels", doc="a class with fewer pixels is dropped")
    cell: int | None = param(
        None,
        ge=2,
        none=True,
        unit="fine pixels",
        doc="side of a coarse cell; for scenes with coarse images on the fine grid",
    )

    def __post_init__(self) -> None:
        """Check the parameters, also against each other."""
        super().__post_init__()
        if self.min_classes > self.max_classes:
            raise ValueError(
                f"min_classes={self.min_classes} is above max_classes={self.max_classes}; raise "
                "max_classes too"
            )

    def halo(self, scale: int) -> int:
        """Half the window in whole cells, whose pixels look half a window further."""
        half = self.window // 2
        return -(-half // scale) * scale + half

    @property
    def window_size(self) -> int:
        """Side of the window."""
        return self.window

    @property
    def reach(self) -> int:
        """Cells that the spline reads beyond."""
        return SPLINE

    def prepare(self, scene: Whole) -> Prepared:
        """Find classes, their changes on each date, limits, and the coarse images continued."""
        from xstf.kernels.spline import continuation, extend

        stride = max(1, int(np.ceil(np.sqrt(scene.shape[0] * scene.shape[1] / SAMPLE))))
        labels = scene.each(labels_seen) if "classes" in scene.has else None
        sample = scene.each(lattice, stride)
        model = scene.once(self.find_model, sample, scene.statistics, labels, scene.valid_range)
        found = scene.each(survey, model)
        cells = scene.shape[0] // scene.scale, scene.shape[1] // scene.scale
        ring = scene.once(continuation, cells, SPLINE)
        targets = [scene.target(date) for date in range(scene.dates)]
        return Prepared(
            numbers=model,
            dated=[
                scene.once(self.find_changes, found, scene.coarse(0), target, scene.valid_range)
                for target in targets
            ],
            planes={"spline": [scene.once(extend, target, ring, SPLINE) for target in targets]},
            margin=SPLINE,
        )

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date and how many alike neighbours it has."""
        from xstf.kernels.nearest import most_alike, rings, spread

        change = self._change(b)
        half = self.window // 2
        far = rings(half)
        fine = _around(b.fine[0], b.halo, half, far.shape[1] - far.shape[0])
        rows, columns = b.inner
        size = (rows.stop - rows.start, columns.stop - columns.start)
        offset = np.empty((*size, self.num_similar), np.int32)
        weight = np.empty(offset.shape, np.float32)
        count = np.empty(size, np.int32)
        alike = (2 * b.numbers.deviation / b.numbers.classes).astype(np.float32)
        most_alike(fine, alike, FLOOR, far, offset, weight, count)
        dates, bands = change.shape[:2]
        near = _around(change, b.halo, half).reshape(dates * bands, *fine.shape[1:2], -1)
        said = np.empty((*size, dates * bands), np.float32)
        spread(np.ascontiguousarray(near.transpose(1, 2, 0)), offset, weight, count, said)
        own = b.fine[0][:, rows, columns]
        fused = own + said.transpose(2, 0, 1).reshape(dates, bands, *size)
        similar = np.where(np.isnan(own), np.float32(np.nan), count.astype(np.float32))
        return {
            "fused": self._repaired(b, own, fused),
            "similar": np.broadcast_to(similar, fused.shape),
        }

    def find_model(
        self, sample: np.ndarray, statistics: Statistics, labels: Any, limits: Any
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
        """
        from xstf.kernels.classify import isodata

        pixels = sample.reshape(len(sample), -1).T
        pixels = pixels[~np.isnan(pixels).any(axis=1)]
        if len(pixels) == 0:
            raise ValueError(
                "no fine pixel has all bands, so there is nothing to classify; leave out the band "
                "that is missing: .sel(band=[...])"
            )
        ends = [_ordinary(np.sort(band)) for band in pixels.T]
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
            self.min_classes,
            self.max_classes,
            split=self.split or 0.05 * span,
            merge=self.merge or 0.05 * span,
            small=max(1, round(self.small * share)),
        )
        return Model(centres, None, len(centres), np.array(ends), deviation)

    def find_changes(
        self, found: dict[str, np.ndarray], pair: np.ndarray, target: np.ndarray, limits: Any
    ) -> Changes:
        """Return what one date needs of the whole scene.

        Parameters
        ----------
        found
            From `survey`.
        pair, target
            (band, y_coarse, x_coarse) coarse images.
        limits
            Valid range, or None.
        """
        shares = found["fractions"].reshape(len(found["fractions"]), -1)
        bound = max(5, round(FEW * shares.shape[1]))
        pure = min(100, bound) if self.num_pure is None else self.num_pure
        step = (target.astype(float) - pair).reshape(len(pair), -1)
        gain = np.array([class_changes(shares, band, pure) for band in step])
        low, high = (
            extreme(found[name], axis=(-1, -2))
            for extreme, name in ((np.min, "low"), (np.max, "high"))
        )
        with np.errstate(invalid="ignore"):
            lows = np.fmin(np.fmin.reduce(target, axis=(1, 2)), np.nanmin(low.T + gain, axis=1))
            highs = np.fmax(np.fmax.reduce(target, axis=(1, 2)), np.nanmax(high.T + gain, axis=1))
        if limits is not None:
            lows, highs = np.maximum(lows, limits[0]), np.minimum(highs, limits[1])
        return Changes(gain, lows.astype(float), highs.astype(float))

    def _change(self, b: Block) -> np.ndarray:
        """Return the change of each pixel of the block and halo, (date, band, y, x)."""
        from xstf.kernels.classify import homogeneity
        from xstf.kernels.resample import upsample
        from xstf.kernels.residual import distribute

        fine = b.numbers.ordinary(b.fine[0])
        names = b.numbers.classify(b)
        alone = np.empty(names.shape, np.float32)
        homogeneity(names, b.numbers.classes, self.window // 2, alone)
        step = (b.target - b.coarse[0])[..., SPLINE:-SPLINE, SPLINE:-SPLINE]
        change = np.empty((len(b.target), *fine.shape), np.float32)
        for date, found in enumerate(b.dated):
            spatial = upsample(b.planes["spline"][date], "tps", b.scale)
            distribute(
                fine, names, alone, found.gain, spatial, step[date], found.lows, found.highs,
                b.scale, change[date],
            )  # fmt: skip
        return change

    def _repaired(self, b: Block, own: np.ndarray, fused: np.ndarray) -> np.ndarray:
        """Return the prediction with values off the valid range replaced by F + coarse change."""
        if b.valid_range is None:
            return fused
        low, high = b.valid_range
        trim = SPLINE + b.halo // b.scale
        step = (b.target - b.coarse[0])[..., trim:-trim, trim:-trim]
        moved = own + step.repeat(b.scale, axis=-2).repeat(b.scale, axis=-1)
        off = (fused < low) | (fused > high)
        return np.where(off, np.clip(moved, low, high), fused).astype(np.float32)


FLOOR = np.float32(1e-12)  # keeps the relative difference finite at zero reflectance


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
        low, high = self.ends.astype(np.float32).T[..., None, None]
        return np.clip(fine, low, high)

    def classify(self, b: Block) -> np.ndarray:
        """Return the class of each pixel of a block, 1 and up, 0 where none, (y, x) uint8."""
        from xstf.kernels.classify import classify

        names = np.zeros(b.fine.shape[2:], np.uint8)
        if self.labels is None:
            classify(b.fine[0], self.centres, names)
        else:
            names = self.labels[_labels(b)]
            names[np.isnan(b.fine[0]).any(axis=0)] = 0
        return names


@dataclass(frozen=True)
class Changes:
    """What one date needs of the whole scene."""

    gain: np.ndarray  # (band, class) change of each class
    lows: np.ndarray  # (band,) limits of predicted values
    highs: np.ndarray


def lattice(b: Block, stride: int) -> np.ndarray:
    """Return every `stride`-th fine pixel, counted from the scene's corner, (band, y, x)."""
    y, x = (-start % stride for start in b.place)
    return b.fine[0][:, y::stride, x::stride]


def labels_seen(b: Block) -> np.ndarray:
    """Return which labels the user's class map holds in a tile, (256, 1, 1) bool."""
    return (np.bincount(_labels(b).ravel(), minlength=256) > 0)[:, None, None]


def survey(b: Block, model: Model) -> dict[str, np.ndarray]:
    """Return class fractions of each cell, and the range of each class in each band."""
    from xstf.kernels.classify import fractions

    names = model.classify(b)
    fine = model.ordinary(b.fine[0])
    shares = np.zeros((model.classes, names.shape[0] // b.scale, names.shape[1] // b.scale))
    fractions(names, b.scale, shares)
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
    from scipy.optimize import lsq_linear

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
    if high - low <= 1e-12 or not chosen:
        return gain
    cells = np.concatenate(chosen)
    solved = lsq_linear(shares[told][:, cells].T, step[cells], (low, high), method="bvls")
    gain[told] = solved.x
    return gain


def _ordinary(values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and largest of the sorted values that are no noise."""
    n = len(values)
    low, high = values[int(NOISE * n)], values[min(int((1 - NOISE) * n), n - 1)]
    inner = values[(values > low) & (values < high)]
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


def _around(image: np.ndarray, halo: int, half: int, padding: int = 0) -> np.ndarray:
    """Return the image with half a window around the block, rows padded with NaN."""
    spare = halo - half
    height, width = image.shape[-2:]
    image = image[..., spare : height - spare, spare : width - spare]
    if padding == 0:
        return image
    return np.pad(image, [(0, 0)] * (image.ndim - 1) + [(0, padding)], constant_values=np.nan)
