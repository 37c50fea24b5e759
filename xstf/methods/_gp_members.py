"""Which Gaussian processes predict a date, and how much each of them counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Member:
    """One Gaussian process: whose change it follows, what it looks at, how much it counts."""

    name: str  # its part in the prediction of a date
    pairs: tuple[int, ...]  # the change is counted from their mean
    looks: tuple[int, ...]  # pairs whose spectra describe a pixel; none: change is smooth
    share: float

    @property
    def look(self) -> str:
        """Name of what describes its pixels."""
        return "-".join(map(str, self.looks))

    @property
    def aspect(self) -> str:
        """Name of its pairs as they are looked at, which other dates may have in another part."""
        return f"{'-'.join(map(str, self.pairs))} by {self.look}"


def members_of(times: Array, target: np.datetime64) -> tuple[Member, ...]:
    """Return the members that predict a date.

    With one pair there is one. With two, one follows the change from the mean of both, one that
    from each, and one that from the mean takes change to be smooth; it counts where the coarse
    images hardly tell more than their error, see `xstf.methods.gpfuse`. With more, these are of the
    two pairs around the date, or the two nearest to it; one more looks at all pairs, and one
    follows the change from each of the others.

    Parameters
    ----------
    times
        (pair,) datetime64 of the pairs, in the order of time.
    target
        The date.
    """
    count = len(times)
    if count == 1:
        return (Member("one", (0,), (0,), 1.0),)
    after = min(max(int((times < target).sum()), 1), count - 1)
    both = (after - 1, after)
    found = [Member("both", both, both, 0.5)]
    alone, others = 0.25, 0.0
    if count > 2:
        found = [Member("both", both, both, 0.3), Member("all", both, tuple(range(count)), 0.3)]
        alone, others = 0.14, 0.06
    found += [
        Member(name, (pair,), (pair,), alone)
        for name, pair in zip(("first", "last"), both, strict=True)
    ]
    rest = [pair for pair in range(count) if pair not in both]
    found += [Member(f"other {n}", (pair,), (pair,), others) for n, pair in enumerate(rest)]
    return (*found, Member("smooth", both, (), 0.0))
