"""How images become numbers on disk: scaled integers, or floats as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Packing:
    """How images become numbers on disk: as they are, as another float, or as scaled integers."""

    dtype: np.dtype | None
    scale_factor: float | None

    @classmethod
    def of(cls, dtype: Any, scale_factor: float | None) -> Packing:
        """Return the packing, or raise for one that would lose the picture."""
        found = None if dtype is None else np.dtype(dtype)
        if found is not None and (found.kind not in "iuf" or found.name == "float16"):
            raise ValueError(
                f'dtype={dtype!r} holds no image; give "float32", "float64" or an integer such as '
                '"int16"'
            )
        if found is not None and found.kind in "iu" and found.itemsize > 4:
            raise ValueError(f'dtype="{found}" is wider than the images; give "int16" or "int32"')
        if found is None or found.kind == "f":
            if scale_factor is not None:
                raise ValueError(
                    f"scale_factor={scale_factor!r} is for whole numbers, but dtype={dtype!r}; "
                    'give dtype="int16", or leave scale_factor out'
                )
            return cls(found, None)
        if scale_factor is None:
            raise ValueError(
                f'dtype="{found}" without a scale_factor would round reflectance 0..1 to 0 and 1, '
                "and the picture would be lost; give scale_factor=1e-4, or scale_factor=1 for "
                "whole numbers"
            )
        if not (np.isfinite(scale_factor) and scale_factor > 0):
            raise ValueError(f"scale_factor={scale_factor!r} is not above 0; give such as 1e-4")
        return cls(found, float(scale_factor))

    @property
    def fill(self) -> float | int:
        """What stands for a missing value on disk."""
        if self.scale_factor is None or self.dtype is None:
            return np.nan
        limits = np.iinfo(self.dtype)
        return int(limits.min if limits.min < 0 else limits.max)

    @property
    def encoding(self) -> dict[str, Any]:
        """How xarray describes it; format 3 keeps apart what a missing chunk reads as."""
        found: dict[str, Any] = {"_FillValue": self.fill, "fill_value": self.fill}
        if self.dtype is not None:
            found["dtype"] = self.dtype
        if self.scale_factor is not None:
            found["scale_factor"] = self.scale_factor
        return found

    def pack(self, values: np.ndarray, name: str) -> np.ndarray:
        """Return the values as they lie on disk; raise where one does not fit."""
        if self.dtype is None or self.scale_factor is None:
            return values if self.dtype is None else values.astype(self.dtype)
        limits, fill = np.iinfo(self.dtype), self.fill
        low, high = int(limits.min) + (limits.min < 0), int(limits.max) - (limits.min == 0)
        steps = np.rint(values / np.float64(self.scale_factor))
        beyond = (steps < low) | (steps > high)
        if beyond.any():
            value = values[beyond][np.argmax(np.abs(values[beyond]))]
            raise ValueError(
                f"{name} holds {value:g}, which does not fit {self.dtype} in steps of "
                f"{self.scale_factor:g} ({low * self.scale_factor:g} to "
                f'{high * self.scale_factor:g}); give a larger scale_factor, dtype="float32", or '
                f"clip the values first: {name}.clip(0, 1)"
            )
        return np.where(np.isnan(steps), fill, steps).astype(self.dtype)


PLAIN = Packing(None, None)
PACKED = ("scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned")  # attributes
