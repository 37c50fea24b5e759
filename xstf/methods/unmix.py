"""The unmixing methods UBDF, STDFA and STRUM: what classes say in a moving window of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from xstf.method import Block, Prepared, Whole, param, register
from xstf.methods._classes import Classified, Model, defer_model
from xstf.methods._shared import around
from xstf.methods._spectra import Spectra, defer_spectra
from xstf.sizes import VALUE, BlockSize

RIDGE = 1e-8  # cells: enough to decide what a window cannot tell apart, and no more
MERGED = 0.05  # the released programs merge classes with a smaller share of a cell
ABSENT = 0.10  # STRUM's paper leaves out a class whose share is nowhere above this


def window_of(cells: int, source: str) -> Any:
    """Declare the window of a method, whose default is `cells`."""
    doc = "side of the window that is unmixed; wants more cells than there are classes"
    return param(cells, ge=1, odd=True, unit="coarse cells", doc=doc, source=source)


@dataclass(frozen=True, kw_only=True)
class Unmix(Classified):
    """What the unmixing methods share: classes, and least squares in a window around each cell."""

    on_gpu = True
    window: int = window_of(5, "")
    least_share: float | None = param(
        None,
        ge=0,
        le=1,
        none=True,
        doc="a class with a smaller share of a cell counts as the most alike one there; None: "
        "as the rule says",
        source="programs for STDFA and STRUM: 0.05; UBDF: 0",
    )

    def halo(self, scale: int) -> int:
        """Half the window, in fine pixels."""
        return self.window // 2 * scale

    def prepare(self, scene: Whole) -> Prepared:
        """Find classes, how alike they are, and bounds for each date."""
        model = defer_model(scene, self.rules)
        return Prepared(
            numbers=scene.once(Known, model, defer_spectra(scene, model)),
            dated=[
                scene.once(self.find_bounds, scene.coarse(0), scene.target(date), scene.valid_range)
                for date in range(scene.dates)
            ],
        )

    held: ClassVar[float] = 2  # layers that a block holds, its result among them
    dated: ClassVar[int] = 1  # images that are unmixed for each date

    def memory(self, size: BlockSize) -> float:
        """Count layers, the classes of pixels, and what each class says in each cell."""
        images = self.dated * size.dates * size.bands
        said = 2 * VALUE * self.max_classes * images * size.inner / size.scale**2
        told = 2 * VALUE * (self.max_classes + images) * size.cells
        return self.held * size.layer + said + told + VALUE * size.wide

    def find_bounds(self, pair: np.ndarray, target: np.ndarray, limits: Any) -> np.ndarray:
        """Return the smallest and largest value that a class may have on one date, (2, band)."""
        raise TypeError(f"{type(self).__name__} has no find_bounds method")

    def merged(self) -> float:
        """Return the share below which a class is merged into the most alike one of the cell."""
        return 0.0 if self.least_share is None else self.least_share

    def unmixed(
        self,
        b: Block,
        values: np.ndarray,
        *,
        least: float = 0.0,
        prior: float = RIDGE,
        purest: bool = False,
    ) -> np.ndarray:
        """Return what its class says in its cell for each pixel of the block, without the halo.

        Parameters
        ----------
        b
            The block.
        values
            (date, band, rows, columns): coarse images that are unmixed.
        least, prior, purest
            See `xstf.kernels.unmix.unmix`.

        Returns
        -------
        numpy.ndarray
            (date, band, y, x) float32. A pixel without a class has the value of its cell.
        """
        from xstf.kernels.classify import fractions
        from xstf.kernels.offload import new, packed
        from xstf.kernels.unmix import merge_small, say_by_class, unmix

        model, alike = b.numbers.model, b.numbers.spectra.alike
        names = model.classify(b)
        shape = model.classes, *values.shape[2:]
        shares = np.zeros_like(values, dtype=np.float64, shape=shape)
        fractions(names, b.scale, 5, shares)
        merge_small(shares, self.merged(), alike)
        radius, reach = self.window // 2, b.halo // b.scale
        flat = values.reshape(-1, *values.shape[2:])
        told, shares = (packed(around(a, reach, radius)) for a in (flat, shares))
        lows, highs = np.stack(b.dated, axis=1).reshape(2, -1).astype(np.float64)
        lows, highs = (np.tile(ends, len(flat) // len(lows)) for ends in (lows, highs))
        alone = packed(around(flat, reach, 0))
        said = new(flat, (len(flat), model.classes, *alone.shape[1:]), np.float64)
        drawn = 1 if purest else None
        unmix(shares, told, lows, highs, alike, radius, least, prior, drawn, said)
        out = new(flat, (len(flat), *(n * b.scale for n in alone.shape[1:])))
        say_by_class(packed(names[b.inner]), said, alone, out)
        return out.reshape(*values.shape[:2], *out.shape[1:])


@dataclass(frozen=True)
class Known:
    """What every block is told."""

    model: Model
    spectra: Spectra


@register("ubdf")
@dataclass(frozen=True, kw_only=True)
class Ubdf(Unmix):
    """What the target's coarse image says of each class nearby, by unmixing [Zurita-Milla 2008].

    The fine image only says which pixels are of one class; the values are unmixed from the coarse
    image of the target in a window around each cell. Pixels of a class in a cell all get the same
    value, so the texture within classes and cells is lost: use it where the fine image of the pair
    is too old, or of another sensor, for its values to be used, and `strum` or `fsdaf` elsewhere.

    Values are bounded by zero (the valid range, or the smallest coarse value where there is none)
    and the largest coarse value of the band. Cells off the scene are left out of a window, where
    the public program repeats those inside; what the cells of a window cannot tell apart has the
    window's mean, where the program takes the shortest solution.

    A pixel is missing where its fine value is, or where no cell of its window has a value. One
    without a class, or with no cell in its window of which half is classified, has the value of
    its cell.

    References
    ----------
    Zurita-Milla, R., Clevers, J., Schaepman, M. (2008). Unmixing-based Landsat TM and MERIS FR data
    fusion. IEEE Geoscience and Remote Sensing Letters 5(3), 453-457.
    """

    window: int = window_of(5, "public program: 3, with few classes")

    def find_bounds(self, pair: np.ndarray, target: np.ndarray, limits: Any) -> np.ndarray:
        """Return zero and the largest coarse value of the date."""
        low, high = (
            extreme.reduce(target, axis=(1, 2)).astype(np.float64) for extreme in (np.fmin, np.fmax)
        )
        return np.stack([low if limits is None else np.minimum(limits[0], high), high])

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date."""
        missing = np.isnan(b.fine[0][(slice(None), *b.inner)])
        return {"fused": np.where(missing, np.float32(np.nan), self.unmixed(b, b.target))}


@register("stdfa")
@dataclass(frozen=True, kw_only=True)
class Stdfa(Unmix):
    """The fine image plus the change of its class nearby, both dates unmixed apart [Wu 2012].

    The coarse images of the pair and of the target are unmixed in a window around each cell, and a
    pixel changes by the difference of the two values of its class. Use it for gradual change of
    classes that stay in place; changes that do not follow classes are not seen, and classes that
    lie in few cells of the window are told from little. `strum` unmixes the change itself, which is
    steadier.

    The default follows the public program: values within the valid range, classes with less than
    5 % of a cell merged into the most alike one there. ``rule="paper"`` has neither. The program's
    windows grow to one side where they hold too few cells; here a cell of the window's mean that
    weighs next to nothing decides what the cells cannot tell apart. Of a cell that is missing on
    one date, the other date is left out too.

    A pixel is missing where its fine value is, or where no cell of its window has values on both
    dates. One without a class, or with no cell in its window of which half is classified, changes
    as its cell does.

    References
    ----------
    Wu, M., Niu, Z., Wang, C., Wu, C., Wang, L. (2012). Use of MODIS and Landsat time series data to
    generate high-resolution temporal synthetic Landsat data using a spatial and temporal
    reflectance fusion model. Journal of Applied Remote Sensing 6, 063507.
    """

    unchanged = "texture"
    held = 4
    dated = 2
    window: int = window_of(5, "public program: 3, with three classes; paper: 40")
    rule: str = param("code", choices=("code", "paper"), doc="whose bounds and small classes")

    def find_bounds(self, pair: np.ndarray, target: np.ndarray, limits: Any) -> np.ndarray:
        """Return the valid range; none by the paper's rule."""
        low, high = (-np.inf, np.inf) if limits is None or self.rule == "paper" else limits
        return np.array([[low], [high]]).repeat(len(target), axis=1)

    def merged(self) -> float:
        """Return the share below which a class is merged."""
        return merged_by(self.least_share, self.rule)

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date."""
        pair = np.where(np.isnan(b.target), np.float32(np.nan), b.coarse[:1])
        target = np.where(np.isnan(b.coarse[:1]), np.float32(np.nan), b.target)
        before, after = np.split(self.unmixed(b, np.concatenate([pair, target])), 2)
        return {"fused": b.fine[0][(slice(None), *b.inner)] + (after - before)}


@register("strum")
@dataclass(frozen=True, kw_only=True)
class Strum(Unmix):
    """The fine image plus the change of its class nearby, unmixed from the change [Gevaert 2015].

    The change of the coarse image is unmixed in a window around each cell, and a pixel changes as
    its class does. Use it for gradual change of classes that stay in place, where classes change
    differently from place to place; for changes that do not follow classes use `fsdaf`.

    The default follows the public program: bounded least squares, classes with less than 5 % of a
    cell merged into the most alike one there. ``rule="paper"`` is the paper's Bayesian estimate:
    no bounds; each class is drawn to the change of its purest cell in the window, the more the
    purer that cell is, and a class nowhere above 10 % counts as the most alike one that is. The
    program's windows grow to one side where they hold too few cells; here a cell of the window's
    mean that weighs next to nothing decides what the cells cannot tell apart.

    A pixel is missing where its fine value is, or where no cell of its window has values on both
    dates. One without a class, or with no cell in its window of which half is classified, changes
    as its cell does.

    References
    ----------
    Gevaert, C., Garcia-Haro, F. (2015). A comparison of STARFM and an unmixing-based algorithm for
    Landsat and MODIS data fusion. Remote Sensing of Environment 156, 34-44.
    """

    unchanged = "texture"
    window: int = window_of(5, "public program, with five classes")
    rule: str = param("code", choices=("code", "paper"), doc="whose estimate and small classes")
    noise: float = param(
        0.5, gt=0, doc="noise of a cell over the spread of a class's changes; the paper's rule only"
    )

    def find_bounds(self, pair: np.ndarray, target: np.ndarray, limits: Any) -> np.ndarray:
        """Return the range of the coarse change, one deviation wider; none by the paper's rule."""
        step = (target.astype(np.float64) - pair).reshape(len(pair), -1)
        out = np.array([[-np.inf], [np.inf]]).repeat(len(step), axis=1)
        for band, values in enumerate(step):
            seen = values[~np.isnan(values)]
            if len(seen) and self.rule == "code":
                spread = seen.std(ddof=1) if len(seen) > 1 else 0.0
                out[:, band] = seen.min() - spread, seen.max() + spread
        return out

    def merged(self) -> float:
        """Return the share below which a class is merged."""
        return merged_by(self.least_share, self.rule)

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the prediction of each date."""
        how: dict[str, Any] = {}
        if self.rule == "paper":
            how = {"least": ABSENT, "prior": self.noise**2, "purest": True}
        said = self.unmixed(b, b.target - b.coarse[0], **how)
        return {"fused": b.fine[0][(slice(None), *b.inner)] + said}


def merged_by(least_share: float | None, rule: str) -> float:
    """Return the share below which a class is merged, where the rule says it."""
    if least_share is not None:
        return least_share
    return MERGED if rule == "code" else 0.0
