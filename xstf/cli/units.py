"""What `xstf info` says of the units of images, from a sample of their pixels."""

from __future__ import annotations

from typing import Any

from xstf.checks import BEYOND
from xstf.cli.words import problem, row

# what numbers are in, and the option that says so
_MEANT: dict[str, tuple[str, str, str | float]] = {
    "1e-4": ("numbers to 10000", "scale-factor", 1e-4),
    "1/255": ("numbers to 255", "scale-factor", 1 / 255),
    "landsat-c2": ("numbers of Landsat Collection 2", "product", "landsat-c2"),
}
_OFFSET = " (of Sentinel-2 since 2022, which adds 1000: --fine-product sentinel2-04)"


def say_units(kind: str, images: Any, limits: Any, *, files: bool) -> dict[str, Any]:
    """Write in what units images are; return the options that make reflectance of them.

    Parameters
    ----------
    kind
        ``"fine"`` or ``"coarse"``.
    images
        (time, band, y, x), of which a square is read.
    limits
        The valid range; None where there is none and any number will do.
    files
        Whether they are read from files, so that options can scale them.
    """
    from xstf.sensors import recognise

    if limits is None or max(map(abs, limits)) > BEYOND:
        row("  units", "not of reflectance, by the valid range")
        return {}
    try:
        found = recognise(images)
    except ValueError as error:
        problem("  units", error)
        return {}
    if found == "reflectance":
        row("  units", "reflectance, by a sample")
        return {}
    name, option, value = _MEANT[found]
    if not files:
        problem("  units", f"{name}, no reflectance; scale ds[{kind!r}] to 0..1, save it anew")
        return {}
    text = f"{value:.6g}" if isinstance(value, float) else value
    hint = _OFFSET if (kind, found) == ("fine", "1e-4") else ""
    problem("  units", f"{name}: --{kind}-{option} {text}{hint}")
    return {f"{kind}_{option.replace('-', '_')}": value}
