"""What all that is trained shares as a method: its weights, where they go, what they fit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from xstf.method import Method, Whole, param
from xstf.nn import checkpoint
from xstf.nn.checkpoint import Weights, differences

if TYPE_CHECKING:
    import xarray as xr

L = TypeVar("L", bound="Learned")


@dataclass(frozen=True, kw_only=True)
class Learned(Method):
    """Base of what is trained on the pairs of a scene before it predicts.

    Training returns a new method with weights; the method itself never changes.
    """

    shape: ClassVar[tuple[str, ...]] = ()  # parameters that the weights are bound to
    lessons: ClassVar[int] = 2  # dates with both images that it takes to learn

    seed: int = param(0, ge=0, doc="draws weights, patches and what is held out")
    weights: Weights | None = field(default=None, repr=False, metadata={"found": True})

    def __post_init__(self) -> None:
        """Check the parameters, and that the weights are of such a network."""
        super().__post_init__()
        if self.weights is None:
            return
        known = self.weights.known["parameters"]
        wrong = differences(known, {name: getattr(self, name) for name in self.bound})
        if wrong:
            raise ValueError(
                f"this {self.label} was trained with other parameters ({'; '.join(wrong)}); leave "
                "them as they are, or fit it anew"
            )

    @property
    def bound(self) -> tuple[str, ...]:
        """Names of all parameters that the weights are bound to."""
        return self.shape

    def build(self, bands: int, scale: int = 1) -> Any:
        """Return the network for scenes of so many bands and of a scale, untrained."""
        raise NotImplementedError  # each method that learns has its own

    def made(self, bands: int, scale: int) -> Any:
        """Return the network with what comes before it, untrained."""
        return self.build(bands, scale)

    @property
    def fitted(self) -> bool:
        """Whether it has been trained."""
        return self.weights is not None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters and their values; of the weights, what tells them from others."""
        found = super().parameters
        return found | ({"weights": self.weights.digest} if self.weights else {})

    @property
    def light(self: L) -> L:
        """The method as blocks carry it: its tensors reach them once, by `prepare`."""
        return self if self.weights is None else replace(self, weights=self.weights.light)

    def sent(self, scene: Whole) -> Any:
        """Return the bytes of the weights, deferred: they travel once under their digest."""
        weights = self.trained
        if weights.data is None:
            raise ValueError("these weights travel apart from their method; fuse where it is whole")
        return scene.constant(np.frombuffer(weights.data, np.uint8), weights.digest)

    def suit(self, bands: list[str], scale: int, limits: tuple[float, float] | None) -> None:
        """Raise where the weights were trained for another kind of scene, saying what differs."""
        if self.weights is None:
            return
        wanted = {"bands": bands, "scale": scale, "valid_range": limits}
        wrong = differences(self.weights.known["scene"], wanted)
        if wrong:
            raise ValueError(
                f"this {self.label} was trained on another kind of scene ({'; '.join(wrong)}); "
                "fit it on this one"
            )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the trained method, whole or not at all; `xstf.load` reads it.

        Parameters
        ----------
        path
            A file, such as ``"dlsdfm.safetensors"``.
        overwrite
            Replace a trained method that is there.
        """
        weights = self.trained
        if Path(path).exists():
            if not overwrite:
                raise FileExistsError(f"{path} exists; give another path, or overwrite=True")
            checkpoint.read(path)  # nothing but our own is ever replaced
        return checkpoint.write(path, weights)

    @property
    def history(self) -> xr.Dataset:
        """How the training went, (epoch,) and (epoch, band); what doing nothing scores beside it.

        ``held_out_rmse`` is the error on the squares that training never saw, in the units of the
        scene, ``held_out_trivial`` (name, band) that of trivial predictions of the same pixels.
        """
        from xstf.nn.fit import history

        return history(self.trained.known)

    @property
    def trained(self) -> Weights:
        """The weights, or the error that there are none yet."""
        if self.weights is None:
            raise ValueError(
                f"{self.label} is not trained yet; fitted = ds.stf.fit({self.label!r}) does it, "
                "and fitted.save(path) keeps it"
            )
        return self.weights
