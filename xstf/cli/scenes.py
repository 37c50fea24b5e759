"""Options that open a scene, from a store or from files of both kinds, for several commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

import click

from xstf.cli import inputs, options
from xstf.cli.options import Dates, Names, Range, Shift

_OF_FILES = {
    "fine_dates": "--fine-dates",
    "coarse_dates": "--coarse-dates",
    "bands": "--bands",
    "scale": "--scale",
    "scale_factor": "--scale-factor",
    "fine_scale_factor": "--fine-scale-factor",
    "coarse_scale_factor": "--coarse-scale-factor",
    "fine_product": "--fine-product",
    "coarse_product": "--coarse-product",
    "nodata": "--nodata",
    "align": "--align",
    "shift": "--shift",
}
_OF_BOTH = {
    "valid_range": "--valid-range",
    "min_seen": "--min-seen",
    "classes": "--classes",
    "fine_name": "--fine-name",
    "coarse_name": "--coarse-name",
}
_PLAIN = {"fine_name": "fine", "coarse_name": "coarse"}
_OPTIONS = (
    click.option("--fine", multiple=True, metavar="PATTERN", help='Fine images: "fine/*.tif".'),
    click.option("--coarse", multiple=True, metavar="PATTERN", help='Coarse ones: "coarse/*.tif".'),
    click.option("--fine-dates", type=Dates(), help="Their dates; default: from the file names."),
    click.option("--coarse-dates", type=Dates(), help="Likewise, in the order of the file names."),
    click.option("--bands", type=Names(), help="Names of the bands of the files."),
    click.option("--scale", type=int, help="Fine pixels per coarse cell; for equal grids."),
    click.option("--scale-factor", type=float, help="Stored numbers to reflectance, of all: 1e-4."),
    click.option("--fine-scale-factor", type=float, help="Of the fine images alone."),
    click.option("--coarse-scale-factor", type=float, help="Of the coarse images alone."),
    click.option("--fine-product", metavar="NAME", help="In whose numbers they are: landsat-c2."),
    click.option("--coarse-product", metavar="NAME", help="Likewise: mod09."),
    click.option("--nodata", type=float, help="The stored number that means missing."),
    click.option(
        "--align",
        is_flag=True,
        default=None,
        help="Bring coarse images to the fine grid: other CRS, pixel, corner or extent.",
    ),
    click.option(
        "--shift",
        type=Shift(),
        help="Move coarse images by fine pixels; auto: by what the pairs show.",
    ),
    click.option("--valid-range", type=Range(), help="Default: as the scene says, else 0,1."),
    click.option(
        "--min-seen", type=float, help="Least share of an image, for series with empty files."
    ),
    click.option("--classes", metavar="FILE", help="Class map on the fine grid, an image file."),
    click.option("--fine-name", default="fine", show_default=True, help="Variable of the scene."),
    click.option(
        "--coarse-name", default="coarse", show_default=True, help="Variable of the scene."
    ),
)


def of_scene(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take a scene, or fine and coarse files."""
    return click.argument("scene", nargs=-1, metavar="[SCENE.zarr]")(of_files(command))


def of_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take fine and coarse files, and what names a scene's variables."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_inputs(given: dict[str, Any]) -> None:
    """Refuse anything but a scene, or files of both kinds.

    Parameters
    ----------
    given
        What the command was given; its ``scene`` becomes one name or None.
    """
    if len(given["scene"]) > 1:
        raise click.UsageError(
            f"there are {len(given['scene'])} names after the options, such as "
            f"{given['scene'][0]!r}; the shell spelt out a pattern. Put patterns in quotes: "
            '--fine "fine/*.tif"'
        )
    given["scene"] = given["scene"][0] if given["scene"] else None
    files = bool(given["fine"]), bool(given["coarse"])
    if given["scene"] and any(files):
        raise click.UsageError(
            f"give either SCENE.zarr or --fine and --coarse, not both; {given['scene']!r} was read "
            'as SCENE.zarr. Put patterns in quotes: --fine "fine/*.tif"'
        )
    if not given["scene"] and not all(files):
        raise click.UsageError(
            "there is no scene; give either SCENE.zarr, or --fine and --coarse with the image files"
        )
    for kind in ("fine", "coarse"):
        _check_product(given[f"{kind}_product"], f"--{kind}-product")
        if given[f"{kind}_product"] and given[f"{kind}_scale_factor"] is not None:
            raise click.UsageError(
                f"--{kind}-product and --{kind}-scale-factor say the same; give one of them"
            )
    if given["scene"]:
        wrong = [flag for name, flag in _OF_FILES.items() if given[name] is not None]
        if wrong:
            raise click.UsageError(f"{wrong[0]} is for image files; a scene knows it itself")
    elif (given["fine_name"], given["coarse_name"]) != ("fine", "coarse"):
        raise click.UsageError("--fine-name and --coarse-name are for SCENE.zarr, not for files")


def _check_product(name: str | None, flag: str) -> None:
    if name is None:
        return
    from xstf.sensors import PRODUCTS

    if name not in PRODUCTS:
        raise click.UsageError(f"{flag} {name} is none of {', '.join(PRODUCTS)}")


def open_scene(given: dict[str, Any]) -> Any:
    """Return the scene that the options describe.

    Parameters
    ----------
    given
        What the command was given, after `check_inputs`.
    """
    import xstf

    classes = inputs.read_classes(given["classes"]) if given["classes"] else None
    if given["scene"]:
        scene = xstf.open_scene(
            given["scene"], fine=given["fine_name"], coarse=given["coarse_name"]
        )
        if given["valid_range"] is not None:
            scene.attrs["valid_range"] = options.limits(given["valid_range"])
        if classes is not None:
            scene = scene.assign(classes=(("y", "x"), classes))
    else:
        fine, coarse = (read_files(given, kind) for kind in ("fine", "coarse"))
        extra = {} if given["valid_range"] is None else {"valid_range": given["valid_range"]}
        limits = {name: options.limits(value) for name, value in extra.items()}
        limits |= {"scale": given["scale"], "classes": classes}
        if given["align"] or given["shift"]:
            scene = xstf.align(fine, coarse, shift=given["shift"], **limits)
            _report_shift(scene)
        else:
            scene = xstf.scene(fine, coarse, **limits)
    if given["min_seen"] is not None:
        scene = xstf.find_observed(scene, least=given["min_seen"])
    return scene


def _report_shift(scene: Any) -> None:
    """Say how far the coarse images were moved."""
    if "shift" in scene["coarse"].attrs:
        rows, columns = scene["coarse"].attrs["shift"]
        click.echo(f"coarse images moved by {rows:.1f} rows, {columns:.1f} columns of fine pixels")


def read_files(given: dict[str, Any], kind: str, dates: Any = None) -> Any:
    """Return the images of one kind that the options describe.

    Parameters
    ----------
    given
        What the command was given.
    kind
        ``"fine"`` or ``"coarse"``.
    dates
        Dates of the files that go before those that were given.
    """
    import xstf

    product, own = given[f"{kind}_product"], given[f"{kind}_scale_factor"]
    factor = given["scale_factor"] if own is None else own
    images = xstf.read_images(
        given[kind][0] if len(given[kind]) == 1 else list(given[kind]),
        dates=given[f"{kind}_dates"] if dates is None else dates,
        bands=given["bands"],
        scale_factor=1.0 if product else factor,
        offset=0.0 if product else None,
        nodata=given["nodata"],
    )
    return xstf.sensors.to_reflectance(images, product) if product else images


def spelt(command: str, given: Mapping[str, Any]) -> str:
    """Return how a command is typed that opens the scene of these options.

    Parameters
    ----------
    command
        Its name.
    given
        What the command was given, after `check_inputs`.
    """
    words = ["xstf", command]
    if given["scene"]:
        words.append(_typed(given["scene"]))
    words += [f"--{k} {_typed(name)}" for k in ("fine", "coarse") for name in given[k] or ()]
    for name, flag in {**_OF_FILES, **_OF_BOTH}.items():
        value = given[name]
        if value is True:
            words.append(flag)
        elif value is not None and value != _PLAIN.get(name):
            words.append(f"{flag} {_typed(value)}")
    return " ".join(words)


def _typed(value: Any) -> str:
    """Return the value of an option as it is typed; patterns in quotes."""
    if isinstance(value, tuple | list):
        return ",".join(map(_typed, value))
    return f"{value:g}" if isinstance(value, float) else shlex.quote(str(value))
