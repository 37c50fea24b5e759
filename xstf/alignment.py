"""From images on any two grids to a scene: whole cells of the fine grid, from its corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xstf.arrays import class_map
from xstf.located import Located, locate_both, mapped
from xstf.projection import Lattice, covered, side_of_cell
from xstf.scenes import ASK, scene, whole_scale
from xstf.shifting import estimate_shift, mend_shift, numbers_of
from xstf.warping import RESAMPLINGS, on_cells, whole_pixels

_ALIKE = 0.5  # correlation below which a peak is not believed without being asked


def align(
    fine: xr.DataArray,
    coarse: xr.DataArray,
    *,
    scale: int | None = None,
    resampling: str | None = None,
    shift: Any = None,
    fine_anchor: str | None = None,
    coarse_anchor: str | None = None,
    valid_range: tuple[float, float] | None = ASK,
    classes: xr.DataArray | np.ndarray | None = None,
    bands: Sequence[str] | None = None,
    sensors: tuple[str, str] | None = None,
) -> xr.Dataset:
    """Build a scene from fine and coarse images whose grids do not meet, lazily.

    The fine images stay as they are, cut to whole cells of the ground that both cover. The coarse
    images are brought to the fine CRS, to cells of a whole number of fine pixels from the fine
    images' first corner. Whole pixels that fit are taken as they are.

    Parameters
    ----------
    fine
        (time, band, y, x) fine images, or fewer dimensions (a date or a band as scalar coordinate),
        with a CRS (`xstf.georeference`, ``rio.write_crs``); none where the coarse ones have none.
    coarse
        Likewise, in any CRS: sinusoidal, UTM, geographic.
    scale
        Side of a cell in fine pixels. None: that nearest to the coarse pixel.
    resampling
        ``"cubic"`` keeps the sharpness of the sensor, and is what cells about as wide as a coarse
        pixel get by default. ``"average"``, by area, is the default for cells of 1.7 pixels and
        more; for cells of one pixel it blurs. ``"bilinear"`` blurs too, ``"nearest"`` displaces
        by up to half a pixel.
    shift
        What `xstf.estimate_shift` returned, two numbers, or ``"auto"``: the coarse images are
        moved by so many fine pixels (rows, columns). ``"auto"`` estimates them, which reads all
        pairs once, here and now, and is refused where they do not agree.
    fine_anchor, coarse_anchor
        What coordinates name of a pixel: ``"center"``, ``"upper-left"`` or ``"lower-left"``. None:
        what the GeoTransform says, where there is one, else the centre.
    valid_range, classes, bands, sensors
        As in `xstf.scene`; the class map lies on the fine grid as given.

    Returns
    -------
    xarray.Dataset
        The scene, as `xstf.scene` returns it: on dask where the images are, and then no pixel is
        read. A tile reads its own window of the images. A cell is missing where the coarse pixel
        under its centre is (average: where more than half of it is); missing neighbours are left
        out, and spread no further.

    Raises
    ------
    TypeError
        If an image is not a DataArray.
    ValueError
        If where the images lie is not known, they do not overlap, or the pixels are of one size
        and no scale is stated; and for what `xstf.scene` refuses.

    Examples
    --------
    >>> import numpy as np, xarray as xr, xstf
    >>> def image(size, pixel, crs, west, north):
    ...     axis = (np.arange(size) + 0.5) * pixel
    ...     made = xr.DataArray(np.full((1, 1, size, size), 0.2), dims=("time", "band", "y", "x"),
    ...         coords={"time": np.array(["2020-06-01"], "datetime64[ns]"), "y": north - axis,
    ...                 "x": west + axis})
    ...     return xstf.georeference(made, crs)
    >>> fine = image(100, 30.0, "EPSG:32633", 500_000, 5_100_000)
    >>> coarse = image(20, 0.005, "EPSG:4326", 14.96, 46.08)
    >>> ds = xstf.align(fine, coarse)
    >>> ds.attrs["scale"], ds.fine.shape, ds.coarse.shape
    (15, (1, 1, 90, 90), (1, 1, 6, 6))
    """
    if resampling is not None and resampling not in RESAMPLINGS:
        raise ValueError(f"resampling={resampling!r} is none of {', '.join(RESAMPLINGS)}")
    if isinstance(shift, str) and shift != "auto":
        raise ValueError(f'shift={shift!r} is no shift; give "auto", or rows and columns')
    images = locate_both(fine, coarse, (fine_anchor, coarse_anchor), bands, sensors)
    target = images[0].lattice
    pair = _Pair(*images, _scale(images[1].lattice, target, scale), resampling)
    options: dict[str, Any] = {"valid_range": valid_range}
    if classes is not None:
        on_fine = class_map(classes, images[0].array.assign_coords(target.centres))
        options["classes"] = xr.DataArray(on_fine, dims=("y", "x"))
    if shift is None:
        return _aligned(pair, (0.0, 0.0), options)
    if isinstance(shift, str):
        shift = agreed(estimate_shift(_aligned(pair, (0.0, 0.0), options)), pair.scale)
    return _aligned(pair, numbers_of(shift), options)


def agreed(found: xr.Dataset, scale: int) -> xr.Dataset:
    """Return a shift that the pairs show and agree on; raise where they do not.

    Parameters
    ----------
    found
        What `xstf.estimate_shift` returned.
    scale
        Side of a cell in fine pixels.
    """
    alike = found["after"].mean().item()
    if alike < _ALIKE:
        raise ValueError(
            f"the pairs hardly look alike wherever they are laid (correlation {alike:.2f}, less "
            f"than {_ALIKE}), so a shift cannot be told from chance and none is mended; state "
            "shift=(rows, columns), or none"
        )
    for dim in ("dy", "dx"):
        each = found[f"{dim}_of_date"].values
        if not (np.abs(each - found[dim].item()) <= max(1, scale / 2)).mean() > 0.5:
            said = ", ".join(f"{value:.1f}" for value in each[:6])
            raise ValueError(
                f"the pairs do not agree on a shift ({dim} {said}; all together "
                f"{found[dim].item():.1f}), so none is mended; look at xstf.estimate_shift(scene), "
                "and state shift=(rows, columns), or none"
            )
    return found


@dataclass(frozen=True)
class _Pair:
    """Fine and coarse images, and how one comes to the other."""

    fine: Located
    coarse: Located
    scale: int
    how: str | None

    @property
    def target(self) -> Lattice:
        """Where the fine images lie."""
        return self.fine.lattice

    @property
    def source(self) -> Lattice:
        """Where the coarse images lie."""
        return self.coarse.lattice


def _scale(source: Lattice, target: Lattice, scale: Any) -> int:
    """Return the side of a cell in fine pixels: as stated, or nearest to the coarse pixel."""
    side = 1 / side_of_cell(source, target)
    known = whole_scale(scale)
    if not np.isfinite(side):
        raise ValueError(_apart(source, target))
    if side < 0.75:
        raise ValueError(
            f"a coarse pixel is {side:.4g} fine pixels wide; are fine and coarse swapped, or is a "
            f"CRS not that of its coordinates? (fine covers {target}, coarse {source})"
        )
    if known is None and round(side) == 1:
        raise ValueError(
            f"a coarse pixel is {side:.4g} fine pixels wide, which can mean two things: coarse "
            "images interpolated onto a fine grid before, to be reduced to their cells (say "
            "scale=16, or what their sensor has), or to be used as they are (say scale=1)"
        )
    return known or round(side)


def _apart(source: Lattice, target: Lattice) -> str:
    return (
        f"the images do not overlap: fine covers {target}, coarse {source}; check the CRS of both "
        "and the order of their coordinates"
    )


def _aligned(pair: _Pair, shift: tuple[float, float], options: dict[str, Any]) -> xr.Dataset:
    """Return the scene, its coarse images moved by so many fine pixels."""
    shift = shift if max(map(abs, shift)) >= 0.5 else (0.0, 0.0)
    cells = pair.target.coarsened(pair.scale)
    if 0 in cells.shape:
        raise ValueError(
            f"the fine images of {pair.target.shape[0]} x {pair.target.shape[1]} pixels hold no "
            f"whole cell of {pair.scale}; give a larger image, or a smaller scale="
        )
    there = cells.moved(*(-move / pair.scale for move in shift))  # where coarse takes them to be
    both = covered(pair.source, there)
    if both is None:
        moved = f"; shift={shift}, is it meant in fine pixels?" if any(shift) else ""
        raise ValueError(_apart(pair.source, pair.target) + moved)
    if any(shift) and whole_pixels(pair.source, cells.cut(*both)):
        return mend_shift(_aligned(pair, (0.0, 0.0), options), shift)
    kept, pixels = cells.cut(*both), _pixels(both, pair.scale)
    coarse = pair.coarse.array
    data = on_cells(coarse, pair.source, there.cut(*both), pair.how)
    aside = {n: c for n, c in coarse.coords.items() if set(c.dims) <= {"time", "band"}}
    coarse = xr.DataArray(
        data, dims=coarse.dims, coords={**aside, **kept.centres}, attrs=coarse.attrs
    )
    fine = pair.fine.array.assign_coords(_centred(pair)).isel(pixels)
    if "classes" in options:
        options = options | {"classes": options["classes"].isel(pixels)}
    mapping = pair.fine.mapping
    ds = scene(mapped(fine, mapping), mapped(coarse, mapping), scale=pair.scale, **options)
    if any(shift):
        ds["coarse"].attrs["shift"] = list(shift)
    return ds


def _pixels(cells: tuple[slice, slice], scale: int) -> dict[str, slice]:
    return {dim: slice(s.start * scale, s.stop * scale) for dim, s in zip("yx", cells, strict=True)}


def _centred(pair: _Pair) -> dict[str, np.ndarray]:
    """Return the fine coordinates as centres; as they are where they are that."""
    centres = pair.target.centres
    steps = {"y": abs(pair.target.dy), "x": abs(pair.target.dx)}
    own = {dim: pair.fine.array[dim].values for dim in centres}
    return {
        dim: own[dim] if np.abs(own[dim] - centres[dim]).max() < 0.01 * steps[dim] else centres[dim]
        for dim in centres
    }
