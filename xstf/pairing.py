"""Which observed dates serve each wanted date. Pure index arithmetic on the time axis."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.dates import find_dates, some_of, text_of, within


@dataclass(frozen=True)
class Group:
    """Wanted dates that share their pairs, all as positions on the scene's time axis."""

    pairs: tuple[int, ...]
    targets: tuple[int, ...]


def wanted_dates(
    times: np.ndarray, fine: np.ndarray, coarse: np.ndarray, dates: Any = None
) -> list[int]:
    """Return the positions of the dates to predict, in the order of time.

    Parameters
    ----------
    times
        (time,) datetime64.
    fine, coarse
        (time,) bool: which dates have an observed image of that kind.
    dates
        A date, several, or a slice of dates; None: every coarse date without a fine image.

    Raises
    ------
    ValueError
        If there is nothing to predict, a date is not in the series, or has no coarse image.
    """
    if dates is None or isinstance(dates, slice):
        inside = np.ones(len(times), bool) if dates is None else within(times, dates)
        mask = coarse & ~fine & inside
        if not (coarse & inside).any():
            raise ValueError(
                f"nothing to predict: no coarse image lies in {dates}; coarse images are of "
                f"{some_of(times[coarse])}"
            )
        if not mask.any():
            example = text_of(times[coarse & inside][-1])
            raise ValueError(
                "nothing to predict: every coarse date has a fine image already; name the dates "
                f"to predict without their own fine image: dates=['{example}']. If fine images are "
                "empty, find those that are not: ds = xstf.find_observed(ds)"
            )
        return [int(i) for i in np.flatnonzero(mask)]
    found = find_dates(times, dates)
    if not found:
        raise ValueError("dates is empty; name at least one date, or leave it out for all")
    if len(set(found)) < len(found):
        raise ValueError(f"dates names a date twice: {[text_of(times[i]) for i in found]}")
    for i in found:
        if not coarse[i]:
            raise ValueError(
                f"{text_of(times[i])} has no coarse image, so nothing is known of that day; dates "
                "with one: "
                f"{some_of(times[coarse])}"
            )
    return sorted(found)


def group(
    times: np.ndarray,
    usable: np.ndarray,
    targets: Sequence[int],
    able: range,
    pairs: Any = "auto",
    unlike: np.ndarray | None = None,
) -> list[Group]:
    """Return the wanted dates in groups that share their pairs.

    Parameters
    ----------
    times
        (time,) datetime64.
    usable
        (time,) bool: dates with both images.
    targets
        Positions of the wanted dates.
    able
        How many pairs the method can use.
    pairs
        ``"auto"`` (one on each side where the method can use two, else the nearest),
        ``"nearest"``, a number (so many nearest), ``"similar"`` (by `unlike`), a list of dates, or
        {date: list of dates}.
    unlike
        (target, time): how much the coarse images differ; for ``"similar"``.

    Raises
    ------
    ValueError
        If a date has no pair that can serve it, or the method cannot use so many.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    named = _named(times, usable, pairs)
    for n, target in enumerate(targets):
        far = np.abs(times - times[target]) if unlike is None else unlike[n]
        found = named(target) if named else _chosen(times, usable, target, able, pairs, far)
        if target in found:
            raise ValueError(
                f"{text_of(times[target])} cannot be a pair of its own prediction; leave it out of "
                "pairs"
            )
        if len(found) not in able:
            raise ValueError(
                f"{text_of(times[target])} would be predicted from {len(found)} pair(s), but the "
                f"method uses {_numbers(able)}; "
                + ('combine="temporal" gives it several; ' if able[-1] == 1 else "")
                + f"dates with both images: {some_of(times[usable])}"
            )
        groups.setdefault(tuple(sorted(found)), []).append(target)
    return [Group(found, tuple(served)) for found, served in groups.items()]


def sides(
    times: np.ndarray, usable: np.ndarray, targets: Sequence[int], pairs: Any = "auto"
) -> tuple[list[Group], list[Group]]:
    """Return the wanted dates that have a pair on each side, grouped by the one before and after.

    Parameters
    ----------
    times, usable, targets
        As in `group`.
    pairs
        As in `group`; of dates that are named only those serve.
    """
    named = _named(times, usable, pairs)
    before: dict[tuple[int, ...], list[int]] = {}
    after: dict[tuple[int, ...], list[int]] = {}
    for target in targets:
        others = named(target) if named else np.flatnonzero(usable)
        early = [int(i) for i in others if times[i] < times[target]]
        late = [int(i) for i in others if times[i] > times[target]]
        if early and late:
            before.setdefault((max(early),), []).append(target)
            after.setdefault((min(late),), []).append(target)
    first, second = ([Group(p, tuple(t)) for p, t in side.items()] for side in (before, after))
    return first, second


def apart(times: np.ndarray, usable: np.ndarray, target: int, gap: float) -> np.ndarray:
    """Return which usable dates lie at least `gap` calendar days off, (time,); itself never."""
    whole = times.astype("datetime64[D]")  # a pass some minutes earlier is not a day nearer
    far = usable & (np.abs(whole - whole[target]) / np.timedelta64(1, "D") >= gap)
    far[target] = False
    return far


def _chosen(
    times: np.ndarray, usable: np.ndarray, target: int, able: range, pairs: Any, far: np.ndarray
) -> tuple[int, ...]:
    others = [int(i) for i in np.flatnonzero(usable) if i != target]
    if not others:
        raise ValueError(
            f"no date other than {text_of(times[target])} has both a fine and a coarse image, so "
            "there is no pair to predict it from"
        )
    nearest = sorted(others, key=lambda i: (far[i], abs(times[i] - times[target]), times[i]))
    if isinstance(pairs, bool) or not (pairs in ("auto", "nearest", "similar") or _whole(pairs)):
        raise ValueError(
            f'pairs={pairs!r} is not "auto", "nearest", "similar", a number, a list of dates or '
            "{date: list of dates}"
        )
    if pairs == "nearest":
        return tuple(nearest[:1])
    if pairs == "similar":
        return tuple(nearest[: 2 if 2 in able else able.start])
    if pairs != "auto":
        if len(nearest) < pairs:
            raise ValueError(
                f"pairs={pairs}, but {text_of(times[target])} has {len(nearest)} other date(s) "
                f"with both images: {some_of(times[sorted(nearest)])}; ask for fewer"
            )
        return tuple(nearest[: int(pairs)])
    if 2 in able:
        before = [i for i in nearest if times[i] < times[target]][:1]
        after = [i for i in nearest if times[i] > times[target]][:1]
        if before and after:
            return before[0], after[0]
    return tuple(nearest[: able.start])


def _named(times: np.ndarray, usable: np.ndarray, pairs: Any) -> Any:
    """Return target -> pairs for pairs given by date, or None."""

    def positions(dates: Any) -> tuple[int, ...]:
        found = tuple(dict.fromkeys(find_dates(times, dates)))
        for i in found:
            if not usable[i]:
                raise ValueError(
                    f"{text_of(times[i])} is no pair: it lacks a fine or a coarse image; dates "
                    f"with both: {some_of(times[usable])}"
                )
        return found

    if isinstance(pairs, Mapping):
        table: dict[int, tuple[int, ...]] = {}
        for date, dates in pairs.items():
            (target,) = find_dates(times, date)
            if target in table:
                raise ValueError(f"pairs names {text_of(times[target])} twice; keep one entry")
            table[target] = positions(dates)

        def look_up(target: int) -> tuple[int, ...]:
            if target not in table:
                raise ValueError(f"pairs has no entry for {text_of(times[target])}")
            return table[target]

        return look_up
    if isinstance(pairs, str) and not (len(pairs) > 3 and pairs[:4].isdigit()):
        return None
    if not isinstance(pairs, str | np.datetime64 | datetime.date | Iterable):
        return None
    fixed = positions(pairs)
    return lambda target: fixed


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value > 0)


def _numbers(able: range) -> str:
    return f"exactly {able[0]}" if len(able) == 1 else f"{able[0]} to {able[-1]}"
