"""What `xstf info` says of a Zarr group or of one series of images."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from xstf.checks import take_apart, with_observed
from xstf.cli import inputs, looking, scenes, steps, units, words
from xstf.cli.words import problem, row


def say_result(path: str, ds: Any) -> None:
    """Say what made a result, from which pairs, and how much of it is done where that is known.

    Parameters
    ----------
    path
        Where it lies.
    ds
        What it holds.
    """
    from xstf.archive.manifest import share_done
    from xstf.places import place_of

    fused, done = ds["fused"], share_done(path)
    attrs = fused.attrs
    made = f", xstf {attrs['xstf_version']}" if "xstf_version" in attrs else ""
    click.echo(f"{path}: fused by {attrs.get('method', 'an unknown method')}{made}")
    row("grid", words.grid(fused))
    settings = {k.removeprefix("parameter_"): v for k, v in attrs.items() if "parameter_" in k}
    row("parameters", ", ".join(f"{k}={v}" for k, v in settings.items()) or "none")
    row("stored as", str(fused.encoding.get("dtype", fused.dtype)))
    pairs = fused.coords["pair_dates"].values if "pair_dates" in fused.coords else None
    if done is not None:
        ready = "all" if done.min() == 1 else f"{words.percent(done.mean())}; --resume goes on"
        row("done", ready)
        growth = place_of(path).growth()
        beside = None if growth is None else share_done(growth)
        if beside is not None:
            row("growing", f"{words.percent(beside.mean())} of what it becomes; --append goes on")
    for line in str(ds.attrs.get("history", "")).splitlines():
        row("history", line)
    row("dates", words.span(fused["time"].values))
    for i, date in enumerate(fused["time"].values):
        served = "" if pairs is None else f"  from {pairs[i]}"
        lacks = "" if done is None or done[i] == 1 else f"  {words.percent(done[i])} done"
        click.echo(f"  {inputs.day(date)}{served}{lacks}")


def say_images(path: str, images: Any) -> None:
    """Say what a series of images of one kind holds.

    Parameters
    ----------
    path
        Where it lies.
    images
        (time, band, y, x).
    """
    times = images["time"].values
    click.echo(f"{path}: {inputs.plural(images.sizes['time'], 'image')}")
    row("grid", words.grid(images))
    row("dates", words.span(times))
    for line in words.strip(times, ["o"] * images.sizes["time"]):
        click.echo(f"  {line}")


def say_scene(path: str, given: dict[str, Any]) -> None:
    """Say what a scene in Zarr holds, what is wrong with it, and how to go on.

    Parameters
    ----------
    path
        Where it lies.
    given
        What the command was given.
    """
    try:
        ds = scenes.open_scene(given)
    except ValueError as error:
        _no_scene(path, error)
        return
    click.echo(f"{path}: a scene")
    parts = say_contents(ds)
    if "fine_observed" in ds or given["look"]:
        parts = with_observed(parts)
        words.dates(parts.times, parts.observed("fine"), parts.observed("coarse"))
        say_use(parts.ds, given)
        return
    row("dates", words.span(parts.times))
    problem("pairs", "not known: no fine_observed; --look finds them, and reads every image once")


def say_contents(ds: Any) -> Any:
    """Say what a scene holds; return it taken apart.

    Parameters
    ----------
    ds
        The scene.
    """
    parts = take_apart(ds)
    cells = parts.ds["coarse"].sizes
    row("fine", words.grid(parts.ds["fine"]))
    _say_units("fine", parts)
    row("coarse", f"{cells['y_coarse']} x {cells['x_coarse']} cells, scale {parts.grid.scale}")
    _say_units("coarse", parts)
    limits = "none" if parts.valid_range is None else "{:g} to {:g}".format(*parts.valid_range)
    row("valid range", limits)
    others = sorted(map(str, {"classes"} & set(ds.data_vars)))
    if others:
        row("also", ", ".join(others))
    return parts


def say_use(ds: Any, given: dict[str, Any]) -> None:
    """Say what the pairs show where that is asked, which methods can run, and what to do next.

    Parameters
    ----------
    ds
        The scene.
    given
        The options that it was opened with.
    """
    import xstf

    parts = take_apart(ds)
    mended = looking.look(ds, parts) if given["look"] else {}
    shift = mended.pop("shift", None)
    if mended:
        ds = xstf.find_observed(ds, least=mended["min_seen"])
        parts = take_apart(ds)
        words.dates(parts.times, parts.observed("fine"), parts.observed("coarse"))
    able = steps.say_methods(ds, parts)
    if shift is None:
        steps.say_next(given | mended, able, parts)
    elif given["fine"]:
        steps.say_next(given | mended | {"align": True, "shift": "auto"}, able, parts)
    else:
        steps.say_code(
            [
                f"ds = xstf.open_scene({given['scene']!r})",
                f"ds = xstf.mend_shift(ds, ({shift[0]:.1f}, {shift[1]:.1f}))",
                'xstf.save(ds, "mended.zarr")  # then: xstf info mended.zarr',
            ]
        )


def _say_units(kind: str, parts: Any) -> None:
    """Say in what units the images of one kind are, by one that is there."""
    seen = np.flatnonzero(parts.observed(kind))
    if len(seen):
        units.say_units(kind, parts.ds[kind].isel(time=seen), parts.valid_range, files=False)


def _no_scene(path: str, error: ValueError) -> None:
    """Say what a group holds that is no scene, why it is none, and how to make one of it."""
    held = inputs.open_zarr(path)
    click.echo(f"{path}: no scene")
    for name, variable in held.data_vars.items():
        sizes = ", ".join(f"{dim} {size}" for dim, size in variable.sizes.items())
        row(f"  {name}", f" {variable.dtype} ({sizes})")
    problem("scene", error)
    steps.say_code(
        [
            f'held = xarray.open_zarr({path!r}, decode_coords="all")',
            "fine = xstf.to_images(held, bands=[...])  # and coarse likewise, from where it lies",
            'xstf.save(xstf.align(fine, coarse), "scene.zarr")',
        ]
    )
