"""Coarse images four times as fine: the network, and what a pair teaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from xstf.checks import Parts
from xstf.kernels.boxes import cell_means
from xstf.kernels.resample import REACH, upsample
from xstf.kernels.spline import nearest_filled
from xstf.nn.ignn import FACTOR, Ignn
from xstf.nn.inputs import Normaliser, normaliser
from xstf.nn.lines import along, line_of
from xstf.nn.predict import one_thread
from xstf.reduction import reduce_to_cells

if TYPE_CHECKING:
    from xstf.nn.msisr import Msisr

MOST = 512  # cells along a side that training looks at, at a random place of larger scenes
HELD = 0.125  # share of the rows of cells that are held out, the last ones
LEAST = 2  # of them; scenes with fewer hold nothing out
AROUND = 8  # rows above them that the network is shown when it is judged
ENOUGH = 0.6  # share of a patch that must be there
TRIES = 30  # places that are drawn for a patch before the last one is taken
ROUNDS = 12  # each leaves less than 6 tenths of what means lack
HALVES = (0.5, 0.75, 0.9)  # shares of the passes after which the rate is halved


class Model(nn.Module):
    """A network with what brings images to it and back.

    Coarse images are brought to the fine sensor's values by a line for each band, interpolated by
    cubic convolution, and the network adds what that lacks.
    """

    line: Tensor
    centre: Tensor
    scale: Tensor
    step: Tensor

    def __init__(self, bands: int, width: int, blocks: int, neighbours: int) -> None:
        super().__init__()
        self.net = Ignn(bands, width, blocks, neighbours)
        self.register_buffer("line", torch.ones(2, bands))
        for name in ("centre", "scale", "step"):
            self.register_buffer(name, torch.ones(bands, 1, 1))

    def normalise(self, normal: Normaliser, line: np.ndarray) -> None:
        """Keep the normalisation and the line among the weights."""
        self.line.copy_(torch.from_numpy(line))
        for name in ("centre", "scale", "step"):
            getattr(self, name).copy_(torch.from_numpy(getattr(normal, name))[:, None, None])

    def forward(self, cells: Tensor, smooth: Tensor) -> Tensor:
        """Return images four times as fine, (n, band, y, x) normalised, from both."""
        return smooth + self.step * self.net(cells)

    def finer(self, cells: np.ndarray) -> np.ndarray:
        """Return a coarse image (band, y, x) in the units of the scene, four times as fine.

        Missing cells are filled by the nearest ones; all is missing where all cells are.
        """
        if np.isnan(cells).all(axis=(1, 2)).any():
            return np.full((len(cells), *(FACTOR * n for n in cells.shape[1:])), np.nan, "f4")
        centre, scale = (v.cpu().numpy() for v in (self.centre, self.scale))
        known = (along(self.line.cpu().numpy(), filled(cells)) - centre) / scale
        with torch.inference_mode(), one_thread():
            pair = (torch.from_numpy(i[None]).to(self.step) for i in (known, smooth_of(known)))
            said: np.ndarray = self(*pair)[0].cpu().numpy()
        return projected(said, known) * scale + centre


def filled(cells: np.ndarray) -> np.ndarray:
    """Return images (..., y, x) float32 whose missing cells are the nearest ones."""
    flat = cells.reshape(-1, *cells.shape[-2:])
    made = np.stack([nearest_filled(image) for image in flat])
    return np.nan_to_num(made).astype(np.float32).reshape(cells.shape)


def smooth_of(cells: np.ndarray) -> np.ndarray:
    """Return images (..., y, x) four times as fine by cubic convolution, their edge repeated."""
    around = [(0, 0)] * (cells.ndim - 2) + [(REACH["cubic"],) * 2] * 2
    return upsample(np.pad(cells, around, mode="edge"), "cubic", FACTOR)


def projected(finer: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return images four times as fine whose means are nearly those of `cells`, smoothly.

    What means lack is interpolated and added, again and again. What is left is small enough to be
    given back cell by cell (`xstf.kernels.restore`), which alone would print the cells.
    """
    for _ in range(ROUNDS):
        finer = finer + smooth_of(cells - cell_means(finer, FACTOR))
    return finer


@dataclass(frozen=True)
class Lessons:
    """What the pairs show, in memory: a sixteenth of the scene's pixels, or less of it."""

    cells: np.ndarray  # (date, band, y, x) coarse images, normalised, without gaps
    smooth: np.ndarray  # (date, band, 4 y, 4 x) interpolated
    fine: np.ndarray  # the fine images at this size, NaN where missing
    held: int  # rows of cells at the end that are held out

    def place(self, side: int, rng: np.random.Generator) -> tuple[int, int, int]:
        """Return a date, and the first row and column of a square of cells to learn from."""
        dates, _, rows, columns = self.cells.shape
        sizes = dates, rows - self.held - side + 1, columns - side + 1
        date, y, x = (int(rng.integers(size)) for size in sizes)
        return date, y, x

    def pair(self, date: int, y: int, x: int, side: int) -> tuple[np.ndarray, ...]:
        """Return the coarse image of a square, interpolated, and the fine image."""
        cells, pixels = _square(y, x, side), _square(FACTOR * y, FACTOR * x, FACTOR * side)
        return tuple(
            image[date, :, *at]
            for image, at in ((self.cells, cells), (self.smooth, pixels), (self.fine, pixels))
        )

    def own(
        self, date: int, y: int, x: int, side: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return the same of the fine image itself, which is made coarse on shifted cells.

        What the coarse image differs by from the fine one at another place and date is added.
        """
        other, i, j = self.place(side, rng)
        _, _, last, width = self.cells.shape
        first = [
            max(0, min(FACTOR * at + int(rng.integers(FACTOR)), FACTOR * (size - side)))
            for at, size in ((y, last - self.held), (x, width))
        ]
        fine = self.fine[date, :, *_square(first[0], first[1], FACTOR * side)]
        off = self.pair(other, i, j, side)
        differs = np.nan_to_num(off[0] - cell_means(off[2], FACTOR))
        cells = filled(cell_means(fine, FACTOR)) + np.rot90(
            differs, int(rng.integers(4)), axes=(-2, -1)
        )
        return cells, smooth_of(cells), fine


def _square(y: int, x: int, side: int) -> tuple[slice, slice]:
    return slice(y, y + side), slice(x, x + side)


class Teaching:
    """How the network learns from lessons; see `xstf.nn.passes.School`."""

    def __init__(self, method: Msisr, parts: Parts, dates: list[int], where: torch.device) -> None:
        self.method, self.where = method, where
        coarse, fine = images_of(parts, dates, method.seed)
        self.line = line_of(coarse, cell_means(fine, FACTOR))
        if np.isnan(fine).all():
            raise ValueError(
                f"{method.label} learns from pixels with fine and coarse values on one date, and "
                "the scene has none; add pairs with fewer clouds"
            )
        known = along(self.line, filled(coarse))
        flat = fine.swapaxes(0, 1).reshape(fine.shape[1], -1)
        lacking = (fine - smooth_of(known)).swapaxes(0, 1).reshape(flat.shape)
        self.normal = normaliser(flat, lacking)
        cells = self.normal(known)
        rows = round(HELD * cells.shape[-2])
        self.lessons = Lessons(
            cells, smooth_of(cells), self.normal(fine), rows if rows >= LEAST else 0
        )
        self.model = method.build(fine.shape[1]).to(where)
        self.model.normalise(self.normal, self.line)
        self.optimisers = [torch.optim.Adam(self.model.parameters(), method.rate)]

    def begin(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin with other weights, whose normalisation and line stay."""
        self.model.load_state_dict(tensors)

    def share(self, done: float) -> float:
        """Return the share of the learning rate: halved three times."""
        return float(0.5 ** sum(done >= at for at in HALVES))

    def train(self, epoch: int) -> float:
        """Train once over all cells and return the mean loss, in steps of what is lacking."""
        rng = np.random.default_rng([self.method.seed, 3, epoch])
        held = self.lessons
        dates, _, rows, columns = held.cells.shape
        side = min(self.method.patch, rows - held.held, columns)
        count = max(1, round(4 * dates * rows * columns / side**2))
        losses = []
        for start in range(0, count, self.method.batch):
            drawn = [self._drawn(side, rng) for _ in range(min(self.method.batch, count - start))]
            cells, smooth, truth = (self._on(np.stack(part)) for part in zip(*drawn, strict=True))
            off = (self.model(cells, smooth) - torch.nan_to_num(truth)) / self.model.step
            seen = ~torch.isnan(truth)
            loss = torch.where(seen, off, 0).abs().sum() / seen.sum().clamp(min=1)
            self.optimisers[0].zero_grad(set_to_none=True)
            loss.backward()
            self.optimisers[0].step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _drawn(self, side: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return a patch of cells, interpolated, and of the fine image, turned."""
        held = self.lessons
        for _ in range(TRIES):
            date, y, x = held.place(side, rng)
            seen = ~np.isnan(held.fine[date, :, *_square(FACTOR * y, FACTOR * x, FACTOR * side)])
            if seen.mean() >= ENOUGH:
                break
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        own = self.method.own and bool(rng.integers(2))
        made = held.own(date, y, x, side, rng) if own else held.pair(date, y, x, side)
        turned = (np.rot90(image, turns, axes=(-2, -1)) for image in made)
        return tuple(np.ascontiguousarray(i[..., ::-1] if flip else i) for i in turned)

    def judge(self) -> dict[str, np.ndarray]:
        """Return the RMSE of the last rows, of the network and of interpolations."""
        held = self.lessons
        if not held.held:
            return {}
        first = max(0, held.cells.shape[-2] - held.held - AROUND)
        cells, smooth = held.cells[..., first:, :], held.smooth[..., FACTOR * first :, :]
        with torch.inference_mode():
            said = [
                self.model(self._on(c[None]), self._on(s[None]))[0].cpu().numpy()
                for c, s in zip(cells, smooth, strict=True)
            ]
        last = ..., slice(-FACTOR * held.held, None), slice(None)
        nearest = held.cells.repeat(FACTOR, -2).repeat(FACTOR, -1)
        found = {}
        images = {"network": np.stack(said), "upsampled": held.smooth, "coarse": nearest}
        for name, image in images.items():
            off = (image[last] - held.fine[last]) * self.normal.scale[:, None, None]
            seen = ~np.isnan(off)
            squares = np.where(seen, off, 0).astype(np.float64) ** 2
            count = np.maximum(seen.sum(axis=(0, 2, 3)), 1)
            found[name] = np.sqrt(squares.sum(axis=(0, 2, 3)) / count)
        return found

    def kept(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return all of the model."""
        return state

    def _on(self, image: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(self.where)


def images_of(parts: Parts, dates: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coarse images, and the fine ones as means of a quarter of a cell's side.

    Parameters
    ----------
    parts
        The scene.
    dates
        Positions of the dates with both images.
    seed
        Draws the part of a scene that is too large.
    """
    scale = parts.grid.scale
    rng = np.random.default_rng([seed, 1])
    first = [int(rng.integers(max(1, n - MOST + 1))) for n in parts.grid.cells]
    rows, columns = (slice(at, at + MOST) for at in first)
    y, x = (slice(at * scale, (at + MOST) * scale) for at in first)
    coarse = parts.ds["coarse"][dates, :, rows, columns]
    fine = parts.ds["fine"][dates, :, y, x]
    finer = reduce_to_cells(fine, scale // FACTOR) if scale > FACTOR else fine
    known, wanted = (image.astype("float32").compute().values for image in (coarse, finer))
    lost = np.isnan(known).repeat(FACTOR, -2).repeat(FACTOR, -1)  # what is filled teaches nothing
    return known, np.where(lost, np.float32(np.nan), wanted)
