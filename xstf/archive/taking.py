"""What a grown store takes over of the one before it: it shares it, so no pixel is written."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.archive.codec import encode
from xstf.archive.growing import days_of, same_images, unchanged
from xstf.archive.manifest import FULL, Marks, differences, listed, read_fingerprint
from xstf.archive.prepared import Kept, home_of, keep, load
from xstf.pairing import Group
from xstf.places import Place


@dataclass(frozen=True)
class Growing:
    """A store that is made of one before it."""

    base: Place
    into: Place  # the new one, with nothing in it
    new: Mapping[str, Any]  # its fingerprint
    groups: Mapping[str, Sequence[Group]]  # of each of its runs: the prediction, either side
    packages: Sequence[str]  # whose classes may be in what was prepared
    tag: str  # tells this run from others

    def take_over(self, prepare: Callable[[str, Mapping[int, Group]], None]) -> None:
        """Take over what still holds.

        Parameters
        ----------
        prepare
            Called with the name of a run and those of its pair groups, by number, for which the
            method has to prepare anew; it keeps what it finds in the new store.
        """
        old = read_fingerprint(self.base) or {}
        kept = unchanged(old, self.new)
        for run, groups in self.groups.items():
            anew = self._keep_prepared(run, groups, old)
            prepare(run, anew)
            kept -= self._changed(run, anew, old, kept)
        self._take_shards(sorted(old["pairs"], key=np.datetime64), kept)
        self._note(old, kept)

    def _keep_prepared(
        self, run: str, groups: Sequence[Group], old: Mapping[str, Any]
    ) -> dict[int, Group]:
        """Take over what was prepared for groups that are the same; return the others."""
        before, days = days_of(old, run), days_of(self.new, run)
        anew = {}
        for number, (group, (pairs, dates)) in enumerate(zip(groups, days.items(), strict=True)):
            served = pairs.split()
            same = same_images(old, self.new, served, (*served, *dates))
            if same and before.get(pairs) == dates:
                self._share_prepared(run, list(before).index(pairs), number, group)
            else:
                anew[number] = group
        return anew

    def _changed(
        self, run: str, anew: Collection[int], old: Mapping[str, Any], kept: set[str]
    ) -> set[str]:
        """Return dates for which the method finds something else, though their images are the same.

        It should not, whatever other dates are in the group; but methods are written by many.
        """
        before, days = list(days_of(old, run).items()), list(days_of(self.new, run).items())
        numbers = {pairs: number for number, (pairs, _) in enumerate(before)}
        changed = set()
        for number in anew:
            pairs, dates = days[number]
            staying = kept.intersection(dates)
            if staying:
                then = numbers[pairs]
                one, other = self._load(self.base, run, then), self._load(self.into, run, number)
                old_places = dict(zip(before[then][1], one.targets, strict=True))
                places = dict(zip(dates, other.targets, strict=True))
                alike = _told(one) == _told(other)
                changed |= {
                    day
                    for day in staying
                    if not (alike and _same_date(one, other, old_places[day], places[day]))
                }
        return changed

    def _load(self, place: Place, run: str, number: int) -> Kept:
        return load(place, f"{self.tag}-taken", run, number, self.packages)

    def _share_prepared(self, run: str, before: int, number: int, group: Group) -> None:
        """Take over what was prepared for a group; its dates have new places in the scene."""
        found = self._load(self.base, run, before)
        home = home_of(run, number)
        places = dict(zip(found.targets, group.targets, strict=True))
        dated = {places[t]: value for t, value in found.dated.items()}
        planes = {name: tuple(places[t] for t in dates) for name, dates in found.planes.items()}
        keep(Kept(self.into, home, "", found.numbers, dated, planes, found.margin, group.targets))
        for name, dates in found.planes.items():
            for then in dates:
                there = f"{home}/{name}/{places[then]}"
                self.base.share(f"{found.home}/{name}/{then}", self.into, there)

    def _take_shards(self, days: Sequence[str], kept: Collection[str]) -> None:
        """Share the shards of the dates that are kept, as far as they are done, and mark them."""
        done = Marks(self.base).values
        marks = Marks(self.into)
        values = marks.values
        places = {day: n for n, day in enumerate(sorted(self.new["pairs"], key=np.datetime64))}
        for layer in self.new["layers"]:
            key = _key_of(self.base, self.into, layer)
            for then, day in enumerate(days):
                if day not in kept:
                    continue
                now = places[day]
                for row, column in np.argwhere(done[then] > 0).tolist():
                    old, new = (f"{layer}/{key((n, 0, row, column))}" for n in (then, now))
                    taken = self.base.share(old, self.into, new)
                    if layer == "fused":
                        lost = not taken and done[then, row, column] == FULL
                        values[now, row, column] = 0 if lost else done[then, row, column]
        marks.put(values)

    def _note(self, old: Mapping[str, Any], kept: Collection[str]) -> None:
        """Say in the new store what was added to the old one, and warn of what left it."""
        added, gone = (
            sorted(one["pairs"].keys() - other["pairs"].keys(), key=np.datetime64)
            for one, other in ((self.new, old), (old, self.new))
        )
        if gone:
            warnings.warn(
                f"{listed(gone)}: there is a fine image now, so nothing is predicted any more and "
                "the output loses what was; name such dates too with dates=... to keep them",
                UserWarning,
                stacklevel=6,
            )
        anew = len(self.new["pairs"]) - len(added) - len(kept)
        parts = [f"{len(added)} added" + (f" ({listed(added)})" if added else "")]
        parts += [f"{anew} computed anew", f"{len(kept)} kept"]
        parts += [f"{len(gone)} left out ({listed(gone)})"] if gone else []
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = self.base.attributes().get("history")
        lines = [*([str(before)] if before else []), f"{now} dates: {', '.join(parts)}"]
        self.into.group(mode="r+").update_attributes({"history": "\n".join(lines)})


def _told(found: Kept) -> bytes:
    """Return what was prepared for all dates of a group alike."""
    return encode((found.numbers, sorted(found.planes), found.margin))


def _same_date(one: Kept, other: Kept, then: int, now: int) -> bool:
    """Say whether the same was prepared for a date, which lies at other places in two scenes."""
    return encode(one.dated.get(then)) == encode(other.dated.get(now)) and all(
        one.plane(name, [then])[0][...].tobytes() == other.plane(name, [now])[0][...].tobytes()
        for name in one.planes
    )


def _key_of(base: Place, into: Place, layer: str) -> Callable[[tuple[int, ...]], str]:
    """Return how the shards of a layer are called; raise where two stores write them otherwise."""
    old, new = (place.array(layer).metadata for place in (base, into))
    one, other = (
        {k: str(v) for k, v in found.to_dict().items() if k not in ("shape", "attributes")}
        for found in (old, new)
    )
    if one != other:
        raise ValueError(
            "what is on disk cannot be taken over, for another version of zarr or xarray wrote it: "
            f"{layer} {'; '.join(differences(one, other))}; use that version, or give another path"
        )
    key: Callable[[tuple[int, ...]], str] = new.encode_chunk_key
    return key
