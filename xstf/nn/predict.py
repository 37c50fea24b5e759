"""Prediction on a block: the network of this process, tiles that fit into memory, gaps."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from xstf.method import Block
from xstf.methods._shared import on_fine
from xstf.nn.checkpoint import Weights, unpack
from xstf.nn.inputs import Filled, filled, tensors
from xstf.nn.layers import inner
from xstf.nn.model import PairModel

if TYPE_CHECKING:
    from xstf.nn.method import Network

MEMORY = {"cpu": 192e6, "cuda": 4e9}  # bytes that a network may hold at once, about
MODELS = 4  # networks that a process keeps
SMALLEST = 32  # side of the smallest tile, fine pixels

_models: OrderedDict[Any, PairModel] = OrderedDict()
_lock = threading.Lock()


def block(method: Network, weights: Weights, b: Block) -> np.ndarray:
    """Return the prediction of each date of a block, (date, band, y, x)."""
    model = network_of(method, weights, b)
    device = model.step.device
    spare = b.halo - model.looks - method.edge(b.scale)
    height, width = b.fine.shape[-2:]
    kept = ..., slice(spare, height - spare), slice(spare, width - spare)
    images = b.fine, on_fine(b, b.coarse, method.upsample)
    fine, coarse = (t.to(device) for t in tensors(model.normal, *(i[kept] for i in images)))
    target = coarse[:, None] + method.change(b, b.target - b.coarse[:, None], coarse)
    with torch.inference_mode(), one_thread(), rounding(method.precision, device):
        ask = partial(_forecast, method, model)
        said = method.forecasts(ask, b, fine, coarse, target)
        around = (inner(image, model.looks) for image in (coarse, target))
        fused = method.combine(b, said, *around)
        return (fused * model.scale + model.centre).cpu().numpy()


def _forecast(
    method: Network, model: PairModel, fine: Tensor, coarse: Tensor, target: Tensor, later: bool
) -> Tensor:
    """Return what a network says, (1, ..., band, y, x), NaN where it cannot, tile by tile."""
    images = filled(fine, coarse, target)
    r = model.looks
    out = torch.full_like(inner(images.fine, r), torch.nan)
    side = tile_side(method, out[..., 0, 0].numel(), out.device.type, r, model.unit)
    for y in range(0, out.shape[-2], side):
        for x in range(0, out.shape[-1], side):
            at = ..., slice(y, y + side + 2 * r), slice(x, x + side + 2 * r)
            part = Filled(images.fine[at], images.coarse[at], images.target[at], images.gone[at])
            out[..., y : y + side, x : x + side] = model.forecast(model.shared(part), later)
    return torch.where(inner(images.gone, r), torch.nan, out)


def tile_side(method: Network, images: int, device: str, looks: int, unit: int = 1) -> int:
    """Return the side of the tiles of so many images that a network takes at once, by memory.

    Parameters
    ----------
    method
        Whose network it is.
    images
        How many.
    device
        ``"cpu"`` or ``"cuda"``.
    looks
        Pixels around its own that a forecast depends on.
    unit
        Tiles are whole multiples of so many pixels.
    """
    pixels = MEMORY[device] / (4 * images * method.channels())
    side = max(SMALLEST, int(pixels**0.5) - 2 * looks)
    return max(1, side // unit) * unit


def network_of(method: Network, weights: Weights, b: Block) -> PairModel:
    """Return the trained network, which each process builds once."""
    key = weights.digest, b.device, method.precision, b.fine.shape[1], b.scale
    with _lock:
        if key not in _models:
            device = device_of(b.device)
            model = method.made(b.fine.shape[1], b.scale)
            model.load_state_dict(unpack(np.asarray(b.numbers).tobytes()))
            _models[key] = model.to(device).eval()
            while len(_models) > MODELS:
                _models.popitem(last=False)
        _models.move_to_end(key)
        return _models[key]


def device_of(name: str) -> torch.device:
    """Return a device by its name, or raise where there is none."""
    try:
        device = torch.device(name)
        known = device.type in MEMORY
    except RuntimeError:
        known = False
    if not known:
        raise ValueError(f'device={name!r} is not served; give "cpu", "cuda" or "cuda:1"')
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'device={name!r}, but torch sees no GPU here; give device="cpu"')
    return device


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread of this task: dask has the others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def rounding(precision: str, device: torch.device) -> Iterator[None]:
    """Let convolutions on a GPU round their factors to 10 bits, unless all 23 are asked for."""
    if device.type != "cuda":
        yield
        return
    flags: tuple[Any, ...] = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [f.allow_tf32 for f in flags]
    for f in flags:
        f.allow_tf32 = precision != "32"
    try:
        yield
    finally:
        for f, was in zip(flags, before, strict=True):
            f.allow_tf32 = was
