"""How far a training is, and all that it takes to go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of each parameter


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is trained."""

    epochs: int  # passes over the scene, of each stage
    batch: int
    rate: float
    halve: int | None  # passes after which the rate is halved, again and again
    patience: int | None  # passes without a better hold-out error after which a stage ends


@dataclass
class Course:
    """How far a training is, at the end of a pass: all that it takes to go on."""

    stage: int = 0
    epoch: int = 0  # passes of this stage that are done
    since: int = 0  # passes since one that was best for some band
    least: list[float] = field(default_factory=list)  # each band's error on what is held out
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)  # of the model, each band at its best
    model: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[str, Tensor] = field(default_factory=dict)  # of the optimiser

    @property
    def numbers(self) -> dict[str, Any]:
        """All but the tensors."""
        names = ("stage", "epoch", "since", "least", "history")
        return {name: getattr(self, name) for name in names}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name."""
        parts = (("best", self.best), ("model", self.model), ("moments", self.moments))
        return {f"{part}/{name}": t for part, held in parts for name, t in held.items()}

    @staticmethod
    def of(numbers: Mapping[str, Any], named: Mapping[str, Tensor]) -> Course:
        """Return the course that `numbers` and `tensors` describe."""
        parts: dict[str, dict[str, Tensor]] = {"best": {}, "model": {}, "moments": {}}
        for name, tensor in named.items():
            part, rest = name.split("/", 1)
            parts[part][rest] = tensor
        fields: dict[str, Any] = {**numbers, **parts}
        return Course(**fields)


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors in main memory that training does not change."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def moments_of(
    optimiser: torch.optim.Adam, parameters: list[torch.nn.Parameter]
) -> dict[str, Tensor]:
    """Return what the optimiser knows of each parameter."""
    known = ((n, optimiser.state[p]) for n, p in enumerate(parameters))
    return {
        f"{n}/{what}": state[what].cpu().clone() for n, state in known if state for what in MOMENTS
    }


def remember(
    optimiser: torch.optim.Adam,
    parameters: list[torch.nn.Parameter],
    moments: Mapping[str, Tensor],
) -> None:
    """Give the optimiser back what it knew."""
    for n, parameter in enumerate(parameters):
        if f"{n}/step" in moments:
            held = {what: moments[f"{n}/{what}"].clone() for what in MOMENTS}
            held |= {what: held[what].to(parameter.device) for what in MOMENTS[1:]}
            optimiser.state[parameter] = held
