"""Outputs that grow with their scene: which dates still hold, and where the grown store lies.

The grown store is made beside the old one, of new metadata and of what stays, which both share,
and takes its name when it is complete. So no file is ever old under new metadata, and a kill at
any moment leaves the old store whole, or the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from xstf.archive.manifest import differences, listed, read_fingerprint, share_done
from xstf.blocks import FILLED
from xstf.places import Place

GROWS = ("pairs", "sides", "fine images", "coarse images")  # what may differ after growing
_SIDES = {"before": 0, "after": 1}


def restore(out: Place) -> None:
    """Give a complete store its name, where a kill came just after the old one had lost it."""
    for place in (out.growth(), out.replacement()):
        if place and not out.exists() and place.exists() and _is_complete(place):
            place.become(out)


def _is_complete(place: Place) -> bool:
    done = share_done(place)
    return done is not None and bool(done.min() == 1)


def obstacles(
    old: Mapping[str, Any], new: Mapping[str, Any], leaving: Collection[str] = ()
) -> list[str]:
    """Return in words why the output of one run cannot be extended to that of another.

    Parameters
    ----------
    old, new
        Their fingerprints.
    leaving
        Dates that may be missing from the new one.
    """
    rest = [{k: v for k, v in found.items() if k not in GROWS} for found in (old, new)]
    found = differences(*rest)
    lost = [d for d in old.get("pairs", {}) if d not in new["pairs"] and d not in leaving]
    if lost:
        found.append(f"{listed(lost)} would not be predicted any more (name such dates too)")
    return found


def find_base(
    out: Place, new: Mapping[str, Any], leaving: Collection[str]
) -> tuple[Place, bool] | None:
    """Return the store that an append starts from and whether it is of the same run, or None.

    Parameters
    ----------
    out
        The output; what has grown beside it and was stopped serves better.
    new
        Fingerprint of what is asked for.
    leaving
        Dates that may leave the output.

    Raises
    ------
    ValueError
        If something differs that makes all pixels others, or there would be fewer dates.
    """
    if not out.exists():
        return None
    whole = read_fingerprint(out)
    if whole is None:
        raise ValueError(
            f"{out.name} was not written by fuse_store, so it cannot be extended; give another "
            "path, or replace it with overwrite=True"
        )
    against = obstacles(whole, new, leaving)
    if against:
        raise ValueError(
            f"{out.name} cannot be extended, for more than images and dates has changed since: "
            f"{'; '.join(against)}; give another path, or replace it with overwrite=True"
        )
    begun = {place: read_fingerprint(place) for place in (out.growth(), out) if place}
    known = {place: found for place, found in begun.items() if found is not None}
    same = [place for place, found in known.items() if found == new]
    serving = [place for place, found in known.items() if not obstacles(found, new, leaving)]
    return (same or serving)[0], bool(same)


def unchanged(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Return the dates of which all images that serve are the same ones in two runs.

    Parameters
    ----------
    old, new
        Fingerprints of the runs.
    """
    found = set()
    for day, pairs in new["pairs"].items():
        sides = new["sides"].get(day)
        if old["pairs"].get(day) != pairs or old["sides"].get(day) != sides:
            continue
        served = {*pairs.split(), *(sides or "").split()}
        own = {day} if FILLED in new["layers"] else set()
        if same_images(old, new, served | own, served | {day}):
            found.add(day)
    return found


def same_images(
    old: Mapping[str, Any], new: Mapping[str, Any], fine: Collection[str], coarse: Collection[str]
) -> bool:
    """Say whether these dates have the same images in two runs.

    Parameters
    ----------
    old, new
        Fingerprints of the runs.
    fine, coarse
        Dates.
    """
    return all(
        old[kind].get(day) == new[kind].get(day)
        for kind, days in (("fine images", fine), ("coarse images", coarse))
        for day in days
    )


def days_of(found: Mapping[str, Any], run: str) -> dict[str, list[str]]:
    """Return the dates of each pair group, by its pairs, in the order of the groups' numbers.

    Parameters
    ----------
    found
        Fingerprint of what the groups are of.
    run
        Which of its runs: the prediction, or that of one side.
    """
    side = _SIDES.get(run)
    if side is None:
        served = found["pairs"]
    else:
        served = {day: pairs.split()[side] for day, pairs in found["sides"].items()}
    groups: dict[str, list[str]] = {}
    for day in sorted(served, key=np.datetime64):
        groups.setdefault(served[day], []).append(day)
    return groups
