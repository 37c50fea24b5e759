"""What training found, as one safetensors file that says in its header what it is."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

KEY = "xstf"  # of the header, under which JSON says what the tensors are
LENGTH = 8  # bytes that say how long the header is


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors of a trained network; equal where their bytes are.

    Parameters
    ----------
    digest
        SHA-256 of the file.
    record
        What was trained and on what, as JSON.
    data
        The file; None where it travels apart from the method, as in the blocks of a graph.
    """

    digest: str
    record: str
    data: bytes | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Weights({self.digest[:12]!r})"

    def __dask_tokenize__(self) -> str:
        return self.digest

    @cached_property
    def known(self) -> dict[str, Any]:
        """What was trained and on what."""
        return dict(json.loads(self.record))

    @property
    def light(self) -> Weights:
        """Return the same without the tensors."""
        return Weights(self.digest, self.record, None)


def pack(tensors: Mapping[str, torch.Tensor], known: Mapping[str, Any]) -> Weights:
    """Return tensors and what is known of them as a file.

    Parameters
    ----------
    tensors
        By name.
    known
        What JSON can hold.
    """
    plain = {n: t.detach().to("cpu").contiguous().clone() for n, t in tensors.items()}
    record = json.dumps(known, sort_keys=True)
    data = save(plain, metadata={KEY: record})
    return Weights(hashlib.sha256(data).hexdigest(), record, data)


def unpack(data: bytes) -> dict[str, torch.Tensor]:
    """Return the tensors of a file."""
    return dict(load(data))


def write(path: str | os.PathLike[str], weights: Weights) -> Path:
    """Write a file, whole or not at all."""
    path = Path(path)
    if weights.data is None:
        raise ValueError("these weights travel apart from their method; save where it was fitted")
    partial = path.with_name(f".{path.name}-{uuid.uuid4().hex}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(weights.data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read(path: str | os.PathLike[str]) -> Weights:
    """Return what lies in a file.

    Raises
    ------
    ValueError
        If it is no file of ours, or is damaged.
    """
    data = Path(path).read_bytes()
    try:
        load(data)  # that all of it is there
        size = int.from_bytes(data[:LENGTH], "little")
        record = json.loads(data[LENGTH : LENGTH + size])["__metadata__"][KEY]
        json.loads(record)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(path)} holds no trained network of xstf, or is damaged ({error}); give a "
            "file that fitted.save(path) wrote"
        ) from error
    return Weights(hashlib.sha256(data).hexdigest(), record, data)


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between two records, over the names that both have.

    Parameters
    ----------
    found
        What the weights were trained for.
    wanted
        What they are asked to serve.
    """
    plain = json.loads(json.dumps(dict(wanted)))
    both = [name for name in plain if name in found]
    return [
        f"{name} {_text(found[name])} there, {_text(plain[name])} here"
        for name in both
        if found[name] != plain[name]
    ]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "none" if value is None else str(value)
