"""MSISR-STF: FSDAF whose spatial prediction a network and a spline super-resolve (Zheng 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from xstf.checks import Parts
from xstf.method import Block, Method, Prepared, Whole, param, register
from xstf.methods._spatial import SPLINE, Spline
from xstf.nn.checkpoint import unpack
from xstf.nn.finer import Model, Teaching
from xstf.nn.ignn import FACTOR
from xstf.nn.lines import along
from xstf.nn.passes import Pupil, School
from xstf.sizes import VALUE, BlockSize

RING = SPLINE // FACTOR  # cells past the scene's edge that the finer image is continued by
SIZES = {"small": (64, 8), "paper": (256, 16)}  # channels, and blocks of either half


@register("msisr")
@dataclass(frozen=True, kw_only=True)
class Msisr(Pupil):
    """FSDAF on a super-resolved coarse image: by four by a network, the rest by a spline.

    The network (IGNN: EDSR with a graph of each patch and its likes at half the size) learns from
    the scene's own pairs how the coarse image becomes the fine one at a quarter of a cell's side.
    It sees the whole coarse image of the target at once; a thin-plate spline brings what it says to
    fine pixels; then the means of the cells are brought back to the coarse image. That is FSDAF's
    spatial prediction, which decides what pixels of a cell take more of what classes do not
    explain; the rest is FSDAF. One pair suffices to learn; several teach together.

    Before the network, the coarse image is brought to the fine sensor's values by a line for each
    band, so that means are those that the fine sensor would see. What the network says is added to
    a cubic interpolation, so that untrained it is one. Patches are compared by three convolutions
    that learn along, for a network that was trained on photographs has three bands. Half of the
    patches show the fine image itself, averaged over cells that are shifted by quarters of a cell,
    with what the sensors differ by at another place added (`own`): a pair alone has few cells.

    The side of a cell must be a multiple of four fine pixels.

    Zheng, X., Feng, R., Fan, J., Han, W., Yu, S., Chen, J. (2023). MSISR-STF: spatiotemporal fusion
    via multilevel single-image super-resolution. Remote Sensing 15(24), 5675.

    Zhou, S., Zhang, J., Zuo, W., Loy, C.C. (2020). Cross-scale internal graph neural network for
    image super-resolution. NeurIPS.
    """

    lessons: ClassVar[int] = 1
    shape: ClassVar[tuple[str, ...]] = ("size", "width", "blocks", "neighbours")
    size: str = param(
        "small",
        choices=tuple(SIZES),
        doc="of the network: 64 channels and 2 x 8 blocks, or 256 and 2 x 16",
        source="IGNN's program: the paper's",
    )
    width: int | None = param(None, ge=1, none=True, doc="channels; None: those of the size")
    blocks: int | None = param(
        None, ge=1, none=True, doc="blocks before and after the graph; None: those of the size"
    )
    neighbours: int = param(5, ge=1, doc="likes of a patch", source="IGNN's program")
    patch: int = param(12, ge=4, unit="cells", doc="side of a patch")
    own: bool = param(
        True, doc="half of the patches are the fine image itself, made coarse on shifted cells"
    )
    patience: int | None = param(
        30, ge=1, none=True, doc="passes without a better hold-out error before training ends"
    )

    @property
    def sizes(self) -> tuple[int, int]:
        """Channels, and blocks of either half of the network."""
        width, blocks = SIZES[self.size]
        return self.width or width, self.blocks or blocks

    @property
    def interpolation(self) -> Method:
        """The network, the spline and the means."""
        return Superresolved(network=self)

    def build(self, bands: int, scale: int = 1) -> Model:
        """Return the network, untrained; it is the same at every scale."""
        return Model(bands, *self.sizes, self.neighbours)

    def school(self, parts: Parts, dates: list[int], where: torch.device) -> School:
        """Return how the network learns from some dates of a scene."""
        return Teaching(self, parts, dates, where)

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where cells are no multiple of four pixels wide, or the weights do not fit."""
        side = self.cell or scale
        if side > 1 and side % FACTOR:
            near = max(FACTOR, round(side / FACTOR) * FACTOR)
            raise ValueError(
                f"msisr makes coarse images finer by {FACTOR} and the rest by a spline, so the "
                f"side of a cell must be a multiple of {FACTOR} fine pixels, and here it is "
                f"{side}; bring the coarse images to such cells: "
                f"xstf.align(fine, coarse, scale={near})"
            )
        super().suit(bands, scale, limits)


@dataclass(frozen=True, kw_only=True)
class Superresolved(Spline):
    """The target's coarse image by a network, a spline, and with its means restored."""

    network: Msisr

    on_gpu = False

    def halo(self, scale: int) -> int:
        """One cell, whose mean says how the restored means go on."""
        return scale

    def prepare(self, scene: Whole) -> Prepared:
        """Super-resolve each target, and continue it past the scene's edge."""
        from xstf.kernels.spline import continuation

        cells = tuple(FACTOR * size // scene.scale for size in scene.shape)
        ring = scene.once(continuation, cells, SPLINE)
        model = scene.once(trained, self.network, self.network.sent(scene), scene.bands)
        targets = [scene.target(date) for date in range(scene.dates)]
        planes = {"finer": [scene.once(plane_of, model, target, ring) for target in targets]}
        return Prepared(numbers=scene.once(line_in, model), planes=planes, margin=RING)

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Count the spline's system, and what the network holds of the whole coarse image."""
        width, _ = self.network.sizes
        return super().memory_aside(FACTOR**2 * cells, pairs) + 60.0 * VALUE * width * cells

    def memory(self, size: BlockSize) -> float:
        """Count the finer image, and the restoring of its means in double precision."""
        return 7 * size.dates * size.image

    def block(self, b: Block) -> dict[str, np.ndarray]:
        """Return the super-resolved target, its cells' means those of the coarse image."""
        from xstf.kernels.resample import upsample
        from xstf.kernels.restore import restore

        finer = upsample(joined(b.made["finer"]), "tps", b.scale // FACTOR)
        return {"fused": restore(finer, along(b.numbers, b.target), b.scale)}


def trained(network: Msisr, data: np.ndarray, bands: int) -> Model:
    """Return the trained network.

    Parameters
    ----------
    network
        Says of what shape it is.
    data
        The file of its weights.
    bands
        Of the scene.
    """
    model = network.build(bands)
    model.load_state_dict(unpack(np.asarray(data).tobytes()))
    return model.eval()


def line_in(model: Model) -> np.ndarray:
    """Return the line of each band from coarse to fine values, (2, band)."""
    line: np.ndarray = model.line.numpy()
    return line


def plane_of(model: Model, target: np.ndarray, ring: Any) -> np.ndarray:
    """Return the finer image and its continuation, the 16 pixels of a cell as bands of it.

    Parameters
    ----------
    model
        The network.
    target
        (band, y_coarse, x_coarse).
    ring
        How to continue it, see `xstf.kernels.spline.continuation`.

    Returns
    -------
    numpy.ndarray
        (band * 16, y_coarse + 4, x_coarse + 4).
    """
    from xstf.kernels.spline import extend

    wide = extend(model.finer(target), ring, SPLINE)
    bands, height, width = wide.shape
    parts = wide.reshape(bands, height // FACTOR, FACTOR, width // FACTOR, FACTOR)
    return parts.transpose(0, 2, 4, 1, 3).reshape(-1, height // FACTOR, width // FACTOR)


def joined(cells: np.ndarray) -> np.ndarray:
    """Return images (..., band, 4 y, 4 x) from (..., band * 16, y, x); undoes `plane_of`."""
    *more, channels, height, width = cells.shape
    parts = cells.reshape(*more, channels // FACTOR**2, FACTOR, FACTOR, height, width)
    made = np.moveaxis(parts, (-4, -3), (-3, -1))
    return np.ascontiguousarray(made).reshape(
        *more, channels // FACTOR**2, FACTOR * height, FACTOR * width
    )
