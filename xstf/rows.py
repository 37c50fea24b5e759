"""What is compared: methods by label, the do-nothing predictions first, and what serves each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf import registry
from xstf.combined import Combined
from xstf.method import Method, build, learns
from xstf.pairing import apart, group


@dataclass(frozen=True)
class Row:
    """One line of a comparison: a method and the pairs that it is given."""

    label: str
    method: Method
    pairs: Any = "auto"
    both_sides: bool = False  # only dates that have a pair before and after

    def pairs_of(
        self, times: np.ndarray, usable: np.ndarray, target: int, gap: float = 0
    ) -> tuple[int, ...]:
        """Return the pairs that predict a date, or none where there are not enough.

        Parameters
        ----------
        times, usable
            (time,): the dates, and which of them have both images.
        target
            Position of the date.
        gap
            Days that lie at least between the date and its pairs.
        """
        far = apart(times, usable, target, gap)
        others = times[far]
        fewest = self.pairs if isinstance(self.pairs, int) else self.method.pairs[0]
        if far.sum() < fewest:
            return ()
        if self.both_sides and not (
            (others < times[target]).any() & (others > times[target]).any()
        ):
            return ()
        return group(times, far, [target], self.method.pairs, self.pairs)[0].pairs


def doing_nothing() -> list[Row]:
    """Return the predictions that take no method: what every method must beat."""
    return [
        Row("unchanged", build("unchanged", {}), "nearest"),
        Row("upsampled", build("upsampled", {}), "nearest"),
        Row("interpolated", build("interpolated", {}), "auto", both_sides=True),
        Row("add", build("add", {}), "nearest"),
        Row("add, both sides", build("add", {}), "auto", both_sides=True),
    ]


def rows_of(methods: Any = None, pairs: Any = "auto") -> list[Row]:
    """Return the do-nothing rows and then one for each method.

    Parameters
    ----------
    methods
        Names or instances; ``{label: name, instance or (name, parameters)}``, ``combine`` among the
        parameters; None: every method that needs no training.
    pairs
        ``"auto"``, ``"nearest"`` or a number, see `xstf.fuse`.

    Raises
    ------
    ValueError
        For an unknown method or parameter, a label twice, or pairs that name dates.
    """
    named = isinstance(pairs, str) and pairs in ("auto", "nearest")
    whole = isinstance(pairs, int) and not isinstance(pairs, bool) and pairs > 0
    if not (named or whole):
        raise ValueError(
            f'pairs={pairs!r} must be "auto", "nearest" or a number here: each date that is held '
            "out has pairs of its own"
        )
    rows = doing_nothing()
    known = {row.label for row in rows}
    if methods is not None and not isinstance(methods, str | Method) and not len(methods):
        raise ValueError("methods is empty; name at least one, or leave it out for all")
    for label, method in _labelled(methods):
        if methods is None and (method.trivial or learns(method)):
            continue
        if label in known:
            if method in [row.method for row in rows]:
                continue  # asked for by name, and there already
            raise ValueError(f"{label!r} is there twice; label them: {{'other name': method}}")
        known.add(label)
        rows.append(Row(label, method, pairs))
    return rows


def _labelled(methods: Any) -> Iterable[tuple[str, Method]]:
    if methods is None:
        methods = registry.names(networks=False)
    if isinstance(methods, str | Method):
        methods = [methods]
    if isinstance(methods, Mapping):
        items: Sequence[Any] = list(methods.items())
    else:
        items = [(m if isinstance(m, str) else None, m) for m in methods]
    for label, given in items:
        name, parameters = given if isinstance(given, tuple) else (given, {})
        parameters = dict(parameters)
        rule = parameters.pop("combine", None)
        method = build(name, parameters)
        if rule is not None:
            method = Combined(method, rule)
        yield label or method.label, method
