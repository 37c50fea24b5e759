"""``xstf info``: what lies at a path."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from xstf.cli import inputs, options

MARKS = {(True, True): "#", (False, True): ".", (True, False): "o", (False, False): "-"}
LEGEND = "# fine and coarse   . coarse only   o fine only   - neither"
_MONTHS = 24  # more of them are drawn year by year

EXAMPLES = (
    "xstf info scene.zarr",
    "xstf info fused.zarr",
    'xstf info "fine/*.tif"',
    'xstf info "tm*" --dates 2001-05-24,2001-07-11,2001-08-12',
)


@click.command("info", epilog=options.examples(*EXAMPLES))
@click.argument("path")
@click.option("--fine-name", default="fine", show_default=True, help="Variable of the scene.")
@click.option("--coarse-name", default="coarse", show_default=True, help="Variable of the scene.")
@click.option("--dates", type=options.Dates(), help="Of image files whose names hold none.")
@options.debug
def command(path: str, fine_name: str, coarse_name: str, dates: Any) -> None:
    """Say what is in a scene, a fused result, or image files."""
    if not inputs.is_zarr(path):
        _images(path, inputs.open_images(path, "fused", dates=dates))
        return
    ds = inputs.open_zarr(path)
    if "fused" in ds:
        from xstf.archive.manifest import share_done

        _result(path, ds["fused"], share_done(str(path)))
    elif fine_name in ds and coarse_name not in ds:
        _images(path, ds[fine_name])
    else:
        _scene(path, fine_name, coarse_name)


def _result(path: str, fused: Any, done: Any) -> None:
    """Say what made a result, from which pairs, and how much of it is done where that is known."""
    attrs = fused.attrs
    made = f", xstf {attrs['xstf_version']}" if "xstf_version" in attrs else ""
    click.echo(f"{path}: fused by {attrs.get('method', 'an unknown method')}{made}")
    _row("grid", _grid(fused))
    settings = {k.removeprefix("parameter_"): v for k, v in attrs.items() if "parameter_" in k}
    _row("parameters", ", ".join(f"{k}={v}" for k, v in settings.items()) or "none")
    _row("stored as", str(fused.encoding.get("dtype", fused.dtype)))
    pairs = fused.coords["pair_dates"].values if "pair_dates" in fused.coords else None
    if done is not None:
        _row("done", "all" if done.min() == 1 else f"{_percent(done.mean())}; --resume goes on")
    _row("dates", _span(fused["time"].values))
    for i, date in enumerate(fused["time"].values):
        served = "" if pairs is None else f"  from {pairs[i]}"
        lacks = "" if done is None or done[i] == 1 else f"  {_percent(done[i])} done"
        click.echo(f"  {inputs.day(date)}{served}{lacks}")


def _percent(share: float) -> str:
    return f"{int(100 * share)} %"


def _scene(path: str, fine: str, coarse: str) -> None:
    """Say what a scene holds, and which methods can run on it."""
    import xstf
    from xstf.checks import take_apart

    ds = xstf.open_scene(path, fine=fine, coarse=coarse)
    parts = take_apart(ds)
    cells = parts.ds["coarse"].sizes
    click.echo(f"{path}: a scene")
    _row("fine", _grid(parts.ds["fine"]))
    _row("coarse", f"{cells['y_coarse']} x {cells['x_coarse']} cells, scale {parts.grid.scale}")
    limits = "none" if parts.valid_range is None else "{:g} to {:g}".format(*parts.valid_range)
    _row("valid range", limits)
    others = sorted(map(str, {"classes"} & set(ds.data_vars)))
    if others:
        _row("also", ", ".join(others))
    _row("dates", _span(parts.times))
    if "fine_observed" in ds:
        seen = list(zip(parts.observed("fine"), parts.observed("coarse"), strict=True))
        both = sum(bool(f and c) for f, c in seen)
        _row("pairs", f"{inputs.plural(both, 'date')} with both images")
        for line in strip(parts.times, [MARKS[bool(f), bool(c)] for f, c in seen]):
            click.echo(f"  {line}")
        click.echo(f"  {LEGEND}")
        _methods(ds, parts)
    else:
        _row("pairs", "not known: no fine_observed; see xstf.find_observed")


def _images(path: str, images: Any) -> None:
    """Say what a series of images of one kind holds."""
    click.echo(f"{path}: {inputs.plural(images.sizes['time'], 'image')}")
    _row("grid", _grid(images))
    _row("dates", _span(images["time"].values))
    for line in strip(images["time"].values, ["o"] * images.sizes["time"]):
        click.echo(f"  {line}")


def _methods(ds: Any, parts: Any) -> None:
    """Say which methods can run, and what the others miss. Reads no pixel."""
    import numpy as np

    import xstf
    from xstf.cli import line_of
    from xstf.method import build, learns, names
    from xstf.pairing import text_of
    from xstf.planning import plan

    fine, coarse = parts.observed("fine"), parts.observed("coarse")
    wanted = np.flatnonzero(coarse & ~fine)
    if not len(wanted):
        wanted = np.flatnonzero(coarse)
    date = parts.times[wanted[len(wanted) // 2]]
    width = max(map(len, names()))
    click.echo(f"methods, on {inputs.day(date)}")
    for name in names():
        try:
            if learns(build(name, {})):  # planned, not trained
                (group,) = plan(ds, name, {}, dates=[date]).groups
                days = " ".join(text_of(parts.times[p]) for p in group.pairs)
                said = f"can be trained, then run from {days}"
            else:
                fused = xstf.fuse(ds, name, dates=[date])
                said = f"can run, from {fused['pair_dates'].values[0]}"
        except (ValueError, ImportError) as error:
            said = f"no: {line_of(error)}"
        click.echo(f"  {name:{width}}  {said}")


def strip(times: Any, marks: list[str]) -> list[str]:
    """Return one line a month, or a year of long series, with one character a date.

    Parameters
    ----------
    times
        Dates in order, datetime64.
    marks
        One character for each.
    """
    months = [str(t)[:7] for t in times]
    labels = months if len(set(months)) <= _MONTHS else [month[:4] for month in months]
    rows: dict[str, str] = {}
    for label, mark in zip(labels, marks, strict=True):
        rows[label] = rows.get(label, "") + mark
    lines = []
    for label, text in rows.items():
        first, *more = textwrap.wrap(text, 70, break_on_hyphens=False)
        lines += [f"{label}  {first}", *(" " * (len(label) + 2) + rest for rest in more)]
    return lines


def _grid(images: Any) -> str:
    """Return size, bands, pixel and CRS in words."""
    y, x = (images.sizes[d] for d in ("y", "x"))
    bands = images["band"].values if "band" in images.coords else range(images.sizes["band"])
    words = [
        f"{y} x {x} pixels",
        f"{inputs.plural(len(bands), 'band')}: " + " ".join(map(str, bands)),
    ]
    crs = _crs(images)
    if "x" in images.coords and x > 1 and crs:
        words.append(f"{abs(float(images['x'][1] - images['x'][0])):g} wide")
    return ", ".join([*words, crs or "no CRS"])


def _crs(images: Any) -> str | None:
    from xstf.coordinates import mapping_of

    mapping = mapping_of(images)
    if mapping is None:
        return None
    from pyproj import CRS

    crs = CRS.from_user_input(mapping.get("crs_wkt") or mapping["spatial_ref"])
    code = crs.to_authority()
    return ":".join(code) if code else crs.name


def _span(times: Any) -> str:
    if len(times) == 1:
        return inputs.day(times[0])
    return f"{len(times)}, {inputs.day(times[0])} to {inputs.day(times[-1])}"


def _row(name: str, value: str) -> None:
    click.echo(f"{name:12}{value}")
