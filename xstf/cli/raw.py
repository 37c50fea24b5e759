"""What `xstf info` says of fine and coarse image files: do they make a scene, and how."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from xstf.cli import contents, inputs, options, scenes, steps, units, words
from xstf.cli.words import problem, row

KINDS = ("fine", "coarse")


def say_files(given: dict[str, Any]) -> None:
    """Say what fine and coarse files hold, what keeps them from a scene, and the options that help.

    Parameters
    ----------
    given
        What the command was given, after `xstf.cli.scenes.check_inputs`.
    """
    found = dict(given)
    images, dated = {}, True
    for kind in KINDS:
        images[kind], known = _series(kind, given)
        dated &= known
        if images[kind] is not None:
            limits = (
                (0, 1) if given["valid_range"] is None else options.limits(given["valid_range"])
            )
            found |= units.say_units(kind, images[kind], limits, files=True)
    if any(array is None for array in images.values()):
        return
    factors = {found[f"{kind}_scale_factor"] for kind in KINDS}
    if len(factors) == 1 and found["scale_factor"] is None:  # one option says both
        found |= {"scale_factor": factors.pop(), **{f"{k}_scale_factor": None for k in KINDS}}
    fine, coarse = images.values()
    meet = _grids(fine, coarse, found)
    alike = _bands(fine, coarse)
    ds = _scene(found) if meet and alike and dated else None
    if ds is not None:
        words.dates(ds["time"].values, ds["fine_observed"].values, ds["coarse_observed"].values)
        contents.say_use(ds, found)
        return
    if dated:
        times = np.union1d(fine["time"].values, coarse["time"].values)
        words.dates(times, *(np.isin(times, a["time"].values) for a in (fine, coarse)))
    if not alike:
        _in_python(found)
    elif not (meet and dated):
        steps.say_lines([(scenes.spelt("info", found), "once what is marked with ! is mended")])


def _scene(found: dict[str, Any]) -> Any:
    """Return the scene that the options make; say why there is none, and return None."""
    try:
        return scenes.open_scene(found)
    except ValueError as error:
        problem("scene", error)
        return None


def _series(kind: str, given: dict[str, Any]) -> tuple[Any, bool]:
    """Say what the files of one kind hold; return them, and whether their dates are known."""
    name = " ".join(map(str, given[kind]))
    problems = []
    for dates in (None, np.datetime64("2000-01-01") + np.arange(_count(given[kind]))):
        try:
            images = scenes.read_files(given, kind, dates)
        except ValueError as error:
            problems.append(error)
            continue
        click.echo(f"{kind:12}{name}: {inputs.plural(images.sizes['time'], 'image')}")
        row("  grid", words.grid(images))
        if problems:
            problem("  dates", problems[0])
        else:
            row("  dates", words.span(images["time"].values))
        return images, not problems
    click.echo(f"{kind:12}{name}")
    for each in {str(each): each for each in problems}.values():
        problem("  files", each)
    return None, False


def _count(files: Any) -> int:
    from xstf.raster import listed

    return len(listed(files[0] if len(files) == 1 else list(files)))


def _grids(fine: Any, coarse: Any, found: dict[str, Any]) -> bool:
    """Say how the two grids lie, and whether some option makes a scene of them."""
    import xstf
    from xstf.located import locate_both
    from xstf.projection import side_of_cell

    ones = [_one(array) for array in (fine, coarse)]
    scale = found["scale"]
    try:
        ds = xstf.scene(*ones, scale=scale, valid_range=None)
    except ValueError as error:
        apart = error
    else:
        row("grids", f"meet: {_cells(ds)}")
        return True
    try:
        ds = xstf.align(*ones, scale=scale, valid_range=None)
    except ValueError as error:
        problem("grids", error)
        return False
    kept = ds.sizes["y"] * ds.sizes["x"] / (fine.sizes["y"] * fine.sizes["x"])
    if found["align"] or found["shift"]:
        row("grids", f"aligned: {_cells(ds)}")
    else:
        problem("grids", apart)
        source, target = (each.lattice for each in reversed(locate_both(*ones)))
        wide = 1 / side_of_cell(source, target)
        row("  --align", f"makes {_cells(ds)}; a coarse pixel is {wide:.4g} fine pixels wide")
    row("  ground", f"{words.percent(kept)} of the fine images lies in whole cells of both")
    found["align"] = True
    return True


def _one(images: Any) -> Any:
    """Return the first band of the first image, alike in all but its place."""
    one = images.isel(time=[0], band=[0])
    return one.assign_coords(time=np.array(["2000-01-01"], "datetime64[ns]"), band=[1])


def _cells(ds: Any) -> str:
    cells = ds["coarse"].sizes
    return f"{cells['y_coarse']} x {cells['x_coarse']} cells of {ds.attrs['scale']} fine pixels"


def _bands(fine: Any, coarse: Any) -> bool:
    """Say whether both have the same bands."""
    ours, theirs = (list(map(str, a["band"].values)) for a in (fine, coarse))
    if sorted(ours) == sorted(theirs):
        if all(name.isdigit() for name in ours):
            row("bands", f"{len(ours)} of each, without names: taken to be alike in this order")
        return True
    text = f"differ: fine has {' '.join(ours)}, coarse {' '.join(theirs)}"
    if len(ours) == len(theirs):
        text += "; where they are alike in this order, name them: --bands a,b"
    problem("bands", f"{text}; else choose those that see the same light, as below")
    return False


def _in_python(found: dict[str, Any]) -> None:
    """Write how bands are chosen, which no option does."""
    lines = []
    for kind in KINDS:
        files = steps.quoted(found[kind])
        product = found[f"{kind}_product"]
        factor = found[f"{kind}_scale_factor"] or found["scale_factor"]
        read = f"xstf.read_images({files}" + (f", scale_factor={factor:.6g})" if factor else ")")
        if product:
            read = f'xstf.sensors.to_reflectance(xstf.read_images({files}), "{product}")'
        lines.append(f"{kind} = {read}")
    door = "align" if found["align"] else "scene"
    steps.say_code(
        [
            *lines,
            f'ds = xstf.{door}(fine, coarse, bands=["red", "nir"], sensors=("landsat8", "modis"))',
            'xstf.save(ds, "scene.zarr")  # then: xstf info scene.zarr',
        ]
    )
