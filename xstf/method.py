"""What a fusion method is: the block it is given, the parameters it declares, where it is found."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from xstf.parameters import check_parameters
from xstf.parameters import param as param
from xstf.registry import find
from xstf.registry import register as register
from xstf.sizes import VALUE, BlockSize

Array = np.ndarray
M = TypeVar("M", bound="Method")


@dataclass(frozen=True)
class Block:
    """All that one output block needs. Arrays reach past it by the halo; NaN off the scene."""

    fine: Array  # (pair, band, y, x)              observed fine images
    coarse: Array  # (pair, band, y/scale, x/scale)  their coarse images, `reach` cells further
    target: Array  # (date, band, y/scale, x/scale)  coarse images of the wanted dates
    planes: Mapping[str, Array]  # the scene's own (y, x) images that the method takes
    made: Mapping[str, Array]  # coarse images that prepare made, (date, band, rows, columns)
    numbers: Any  # what prepare found: small, the same for every block
    dated: Sequence[Any]  # what prepare found for each wanted date
    times: Array  # (pair,) datetime64
    target_times: Array  # (date,) datetime64
    place: tuple[int, int]  # scene coordinates of the first pixel inside the halo; keys seeds only
    halo: int  # fine pixels, whole cells
    scale: int
    valid_range: tuple[float, float] | None
    device: str = "cpu"  # "cuda": the images lie on a GPU
    layers: tuple[str, ...] = ("fused",)  # what is asked for; a method may leave the others out

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the fine arrays that lie inside the halo."""
        height, width = self.fine.shape[-2:]
        return slice(self.halo, height - self.halo), slice(self.halo, width - self.halo)


@dataclass(frozen=True)
class Prepared:
    """What `Method.prepare` promises; every value is deferred."""

    numbers: Any = None  # reaches every block
    dated: Sequence[Any] = ()  # one for each wanted date; reaches the blocks of that date
    planes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    # one (band, y_coarse, x_coarse) array for each wanted date, or one for all; a block gets its
    # cells and
    margin: int = 0  # so many more, by which these planes reach past the scene on each side too


class Whole(Protocol):
    """The whole scene as `Method.prepare` sees it: verbs that defer, no pixels."""

    shape: tuple[int, int]  # fine pixels
    scale: int
    unit: int  # side of a summary square in fine pixels
    bands: int
    pairs: int
    dates: int
    times: Array  # (pair,) datetime64
    target_times: Array  # (date,) datetime64
    valid_range: tuple[float, float] | None
    has: frozenset[str]  # names of the scene's own planes, such as "classes"

    @property
    def statistics(self) -> Any:
        """Deferred `Statistics` of the pairs' fine images; refuses an empty or unscaled pair."""

    def each(self, function: Callable[..., Any], *arguments: Any, halo: int = 0) -> Any:
        """Call ``function(block, *arguments)`` on every tile, without target.

        What it returns, one array or a dict of arrays whose last two axes run along y and x, is
        put together for the whole scene. A value either depends on its own summary square alone
        and `halo` fine pixels around it, or is one for the tile that no cut can change, such as a
        minimum, a maximum or an any.
        """

    def once(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function(*arguments)`` once; deferred arguments arrive computed."""

    def constant(self, value: Any, token: str) -> Any:
        """Return a value as if it were deferred: under its token it travels once, however often."""

    def alone(self, pair: int) -> Whole:
        """Return the scene as if this were its only pair."""

    def coarse(self, pair: int) -> Any:
        """Return the deferred coarse image of a pair, (band, y_coarse, x_coarse)."""

    def target(self, date: int) -> Any:
        """Return the deferred coarse image of a wanted date, (band, y_coarse, x_coarse)."""


@dataclass(frozen=True)
class Statistics:
    """Whole-scene statistics of the fine images, each (pair, band) float64; NaN left out."""

    count: Array
    mean: Array
    deviation: Array  # population standard deviation
    smallest: Array
    largest: Array


class Method:
    """Base of every method: a frozen dataclass of parameters and one pure function `block`.

    Examples
    --------
    A whole method:

    >>> from dataclasses import dataclass
    >>> from xstf.method import Block, Method
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Unchanged(Method):
    ...     pairs = range(1, 2)
    ...     def block(self, b: Block) -> dict:
    ...         rows, columns = b.inner
    ...         return {"fused": b.fine[0, :, rows, columns].repeat(len(b.target), 0)}
    """

    name: ClassVar[str] = ""
    pairs: ClassVar[range] = range(1, 2)  # how many pairs it can use
    unchanged: ClassVar[str] = ""  # what "no coarse change" leaves untouched: texture, flat or ""
    layers: ClassVar[tuple[str, ...]] = ("fused",)  # what block returns, (date, band, y, x) each
    takes: ClassVar[tuple[str, ...]] = ()  # the scene's own planes that it reads, such as classes
    trivial: ClassVar[bool] = False  # a do-nothing prediction, which others are judged by
    cells: ClassVar[bool] = False  # needs coarse cells: takes `cell` where the scene's scale is 1
    on_gpu: ClassVar[bool] = False  # block takes arrays on a GPU too, and returns them there
    moves: ClassVar[bool] = False  # then block moves arrays itself, as networks do

    def __post_init__(self) -> None:
        """Check every parameter against its rule."""
        check_parameters(self)

    @property
    def label(self) -> str:
        """The name, or that of the class where it has none."""
        return self.name or type(self).__name__.lower()

    def halo(self, scale: int) -> int:
        """Return the fine pixels read past the block's edge, before rounding up to whole cells."""
        return 0

    @property
    def window_size(self) -> int:
        """Side of the largest window in fine pixels; the scene must hold one."""
        return 1

    @property
    def reach(self) -> int:
        """Coarse cells read further than the halo."""
        return 0

    @property
    def light(self: M) -> M:
        """The method as each block carries it: without what `prepare` sends to the blocks."""
        return self

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where the method cannot serve a scene of these bands, scale and valid range."""

    def prepare(self, scene: Whole) -> Prepared:
        """Find whole-scene numbers, lazily."""
        return Prepared(numbers=scene.statistics)

    def block(self, b: Block) -> dict[str, Array]:
        """Return the layers of one block, (date, band, y, x) float32 without the halo."""
        raise TypeError(f"{type(self).__name__} has no block method")

    def memory(self, size: BlockSize) -> float:
        """Return the bytes that `block` holds at most beside what it is given, its result included.

        Blocks are cut by it so that they fit the memory there is. One that does not say is taken
        to hold 16 images of each date, 16 of each pair, and a list of 64 neighbours for each pixel.
        """
        images = 16 * size.bands * (size.dates + size.pairs) * size.wide
        return VALUE * (images + 2 * 64 * size.inner)

    def memory_aside(self, cells: int, pairs: int) -> float:
        """Return the bytes that `prepare` takes beside images, of a scene of `cells`."""
        return 0.0

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters and their values."""
        return {f.name: getattr(self, f.name) for f in parameters_of(type(self))}


def parameters_of(kind: type[Method]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the declared parameters of a method's class, which is a dataclass."""
    known: Any = kind  # the base itself is none
    return tuple(f for f in dataclasses.fields(known) if not f.metadata.get("found"))


def learns(method: Method) -> bool:
    """Return whether a method is fitted to a scene before it predicts."""
    return callable(getattr(method, "fit", None))


def build(method: str | Method, parameters: Mapping[str, Any]) -> Method:
    """Return the method with its parameters, checked.

    Parameters
    ----------
    method
        A name, or an instance, which `parameters` then change.
    parameters
        Values by name.

    Raises
    ------
    ValueError
        For an unknown method or parameter, or a value that breaks its rule.
    """
    known = find(method) if isinstance(method, str) else type(method)
    if isinstance(method, type):
        raise TypeError(
            f"{method.__name__} is a class; give a name or an instance: "
            f"{method.__name__}({', '.join(f'{k}=...' for k in parameters)})"
        )
    if not (issubclass(known, Method) and dataclasses.is_dataclass(known)):
        raise TypeError(
            f"{method!r} is no method: give a name or an instance of a dataclass that extends "
            "xstf.method.Method"
        )
    fields = {f.name for f in parameters_of(known)}
    for name in parameters:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.4)
            raise ValueError(
                f"{known.name or known.__name__.lower()} has no parameter {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
                + f"; it has {', '.join(sorted(fields)) or 'none'}"
            )
    if isinstance(method, str):
        return known(**parameters)
    return dataclasses.replace(method, **parameters)
