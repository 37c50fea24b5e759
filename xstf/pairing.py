"""Which observed dates serve each wanted date. Pure index arithmetic on the time axis."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Group:
    """Wanted dates that share their pairs, all as positions on the scene's time axis."""

    pairs: tuple[int, ...]
    targets: tuple[int, ...]


def find_dates(times: np.ndarray, wanted: Any) -> list[int]:
    """Return the positions of `wanted` dates on the axis `times` (datetime64).

    A date without a time of day means the image of that day.

    Raises
    ------
    ValueError
        If a date is not one of `times`, or names a day that has several.
    """
    found = []
    for value in _listed(wanted):
        date, unit = _date(value)
        if unit in ("Y", "M"):
            raise ValueError(
                f"{value!r} is a whole {'year' if unit == 'Y' else 'month'}; write dates as "
                f"'2020-07-11', or a slice: slice({value!r}, {value!r})"
            )
        daily = unit in ("W", "D")
        axis = times.astype("datetime64[D]") if daily else times
        hits = np.flatnonzero(axis == (date.astype("datetime64[D]") if daily else date))
        if len(hits) == 0:
            nearest = times[np.argmin(np.abs(times - date.astype(times.dtype)))]
            raise ValueError(
                f"{text_of(date)} is not a date of the scene, which has {len(times)} dates from "
                f"{text_of(times.min())} to {text_of(times.max())}; nearest is {text_of(nearest)}"
            )
        if len(hits) > 1:
            raise ValueError(
                f"{text_of(date)} names {len(hits)} images of that day "
                f"({_some(times[hits])}); give the time of day too"
            )
        found.append(int(hits[0]))
    return found


def text_of(date: np.datetime64) -> str:
    """Return a date as text, without a time of day where it is midnight."""
    day = date.astype("datetime64[D]")
    return str(day if day == date else date.astype("datetime64[s]"))


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
                f"{_some(times[coarse])}"
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
                f"{_some(times[coarse])}"
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
                + f"dates with both images: {_some(times[usable])}"
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
                f"with both images: {_some(times[sorted(nearest)])}; ask for fewer"
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
                    f"with both: {_some(times[usable])}"
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


def within(times: np.ndarray, window: slice) -> np.ndarray:
    """Return which times lie in a slice; an end that is a day, month or year is in it whole."""
    if window.step is not None:
        raise ValueError(f"dates={window} has a step; name the dates instead")
    inside = np.ones(len(times), bool)
    if window.start is not None:
        inside &= times >= _date(window.start)[0]
    if window.stop is not None:
        stop, unit = _date(window.stop)
        inside &= times < stop + 1 if unit in ("Y", "M", "W", "D") else times <= stop
    return inside


def _date(value: Any) -> tuple[np.datetime64, str]:
    """Return a date and how fine it is written: Y, M, D, h, ..."""
    try:
        if not isinstance(value, str | datetime.date | np.datetime64):
            raise TypeError
        date = np.datetime64(value)
    except (TypeError, ValueError):
        date = np.datetime64("NaT")
    if np.isnat(date):
        raise ValueError(f"{value!r} is not a date; write dates as '2020-07-11'")
    return date, np.datetime_data(date.dtype)[0]


def _listed(dates: Any) -> list[Any]:
    if isinstance(dates, str) or not isinstance(dates, Iterable):
        return [dates]
    values = getattr(dates, "values", dates)
    plain = isinstance(values, np.ndarray | np.generic)
    return list(np.atleast_1d(np.asarray(values))) if plain else list(values)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value > 0)


def _numbers(able: range) -> str:
    return f"exactly {able[0]}" if len(able) == 1 else f"{able[0]} to {able[-1]}"


def _some(times: np.ndarray) -> str:
    days = [text_of(t) for t in times]
    if not days:
        return "none"
    return ", ".join(days if len(days) <= 8 else [*days[:4], "...", *days[-3:]])
