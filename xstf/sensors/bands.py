"""Which bands of two sensors see the same light."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Band:
    """A band of a sensor.

    Attributes
    ----------
    name : str
        What it is called on every sensor: green, red, nir, swir1 ...
    label : str
        What the sensor's own products call it.
    low, high : float
        Edges of its response at half its height, in nanometres.
    """

    name: str
    label: str
    low: float
    high: float


def _table(*rows: tuple[str, str, float, float]) -> tuple[Band, ...]:
    return tuple(Band(*row) for row in rows)


def _centred(*rows: tuple[str, str, float, float]) -> tuple[Band, ...]:
    """Return bands that are given by their centre and width."""
    return tuple(Band(n, label, mid - wide / 2, mid + wide / 2) for n, label, mid, wide in rows)


_TM = _table(
    ("blue", "B1", 450, 520),
    ("green", "B2", 520, 600),
    ("red", "B3", 630, 690),
    ("nir", "B4", 760, 900),
    ("swir1", "B5", 1550, 1750),
    ("thermal", "B6", 10400, 12500),
    ("swir2", "B7", 2080, 2350),
)
_OLI = _table(
    ("coastal", "B1", 435, 451),
    ("blue", "B2", 452, 512),
    ("green", "B3", 533, 590),
    ("red", "B4", 636, 673),
    ("nir", "B5", 851, 879),
    ("swir1", "B6", 1566, 1651),
    ("swir2", "B7", 2107, 2294),
    ("pan", "B8", 503, 676),
    ("cirrus", "B9", 1363, 1384),
    ("thermal", "B10", 10600, 11190),
    ("thermal2", "B11", 11500, 12510),
)
# the narrow B8A is nir here: it sees what Landsat 8, MODIS, VIIRS and OLCI call so
_MSI = _centred(
    ("coastal", "B1", 442.7, 21),
    ("blue", "B2", 492.4, 66),
    ("green", "B3", 559.8, 36),
    ("red", "B4", 664.6, 31),
    ("rededge1", "B5", 704.1, 15),
    ("rededge2", "B6", 740.5, 15),
    ("rededge3", "B7", 782.8, 20),
    ("nir_broad", "B8", 832.8, 106),
    ("nir", "B8A", 864.7, 21),
    ("vapour", "B9", 945.1, 20),
    ("cirrus", "B10", 1373.5, 31),
    ("swir1", "B11", 1613.7, 91),
    ("swir2", "B12", 2202.4, 175),
)
_MODIS = _table(
    ("red", "B1", 620, 670),
    ("nir", "B2", 841, 876),
    ("blue", "B3", 459, 479),
    ("green", "B4", 545, 565),
    ("nir2", "B5", 1230, 1250),
    ("swir1", "B6", 1628, 1652),
    ("swir2", "B7", 2105, 2155),
)
_VIIRS = _table(
    ("red", "I1", 600, 680),
    ("nir", "I2", 846, 885),
    ("swir1", "I3", 1580, 1640),
    ("coastal", "M2", 436, 454),
    ("blue", "M3", 478, 498),
    ("green", "M4", 545, 565),
    ("red_1km", "M5", 662, 682),
    ("nir_1km", "M7", 846, 885),
    ("nir2", "M8", 1230, 1250),
    ("swir1_1km", "M10", 1580, 1640),
    ("swir2", "M11", 2225, 2275),
)
_OLCI = _centred(
    ("coastal", "Oa3", 442.5, 10),
    ("blue", "Oa4", 490, 10),
    ("green", "Oa6", 560, 10),
    ("red", "Oa8", 665, 10),
    ("rededge1", "Oa11", 708.75, 10),
    ("rededge2", "Oa12", 753.75, 7.5),
    ("rededge3", "Oa16", 778.75, 15),
    ("nir", "Oa17", 865, 20),
    ("vapour", "Oa20", 940, 20),
    ("nir2", "Oa21", 1020, 40),
)

SENSORS: Mapping[str, tuple[Band, ...]] = MappingProxyType(
    {
        "landsat5": _TM,
        "landsat7": _TM,
        "landsat8": _OLI,
        "landsat9": _OLI,
        "sentinel2": _MSI,
        "modis": _MODIS,
        "viirs": _VIIRS,
        "olci": _OLCI,
    }
)
# what STAC catalogues call bands; the nir of their Sentinel-2 is the broad one beside nir08
_ASSETS = {
    "nir08": "nir",
    "nir09": "vapour",
    "swir16": "swir1",
    "swir22": "swir2",
    "lwir11": "thermal",
}
# what products write around the label of a band: SR_B4, sur_refl_b04_1, Nadir_Reflectance_Band4,
# SurfReflect_I1_1, Oa08_reflectance, "band 4"
_LABEL = re.compile(
    r"(?:^|[_\s.])(?P<kind>b|band|i|m|oa)[\s_]?0*(?P<number>\d{1,2}a?)(?:_1)?(?:_reflectance)?$",
    re.IGNORECASE,
)


def select_bands(
    images: xr.DataArray, sensor: str, bands: Sequence[str], *, labels: Sequence[str] | None = None
) -> xr.DataArray:
    """Return the named bands of a sensor's images, in that order and labelled by those names.

    Parameters
    ----------
    images
        (..., band, y, x) with the labels of products: ``"B4"``, ``"SR_B4"``, ``"sur_refl_b01_1"``,
        ``"Nadir_Reflectance_Band2"``, ``"SurfReflect_I1"``, ``"Oa08_reflectance"``, or with names.
    sensor
        One of `SENSORS`: landsat5, landsat7, landsat8, landsat9, sentinel2, modis, viirs, olci.
        Of the harmonized products (HLS), L30 is landsat8 and S30 is sentinel2.
    bands
        Such as ``["green", "red", "nir"]``.
    labels
        What the bands of the images are, in their order, where their labels do not say it.

    Returns
    -------
    xarray.DataArray
        As `images`, lazy where they are.

    Raises
    ------
    ValueError
        If the sensor or a band is unknown, a band is not among the images or is there twice, or
        labels are mere numbers: they say where a band lies in a file, not which it is.

    Examples
    --------
    >>> import numpy as np, xarray, xstf.sensors
    >>> coarse = xarray.DataArray(np.zeros((3, 1, 1)), dims=("band", "y", "x"),
    ...     coords={"band": ["sur_refl_b01", "sur_refl_b02", "sur_refl_b04"]})
    >>> found = xstf.sensors.select_bands(coarse, "modis", ["green", "red", "nir"])
    >>> found.band.values.tolist(), found.attrs["sensor_bands"]
    (['green', 'red', 'nir'], ['B4', 'B1', 'B2'])
    """
    table = _sensor(sensor)
    if "band" not in images.dims:
        raise ValueError(f"images have dims {images.dims}, without 'band'; rename them")
    if labels is not None:
        if len(labels) != images.sizes["band"]:
            raise ValueError(f"{len(labels)} labels, but {images.sizes['band']} bands")
        images = images.assign_coords(band=list(labels))
    found = [_name_of(label, sensor, table) for label in _unlike(images["band"].values, sensor)]
    places = [_place(name, sensor, table, found, images) for name in _listed(bands)]
    chosen = images.isel(band=places).assign_coords(band=np.array(_listed(bands), object))
    used = {band.name: band.label for band in table}
    return chosen.assign_attrs(sensor=sensor, sensor_bands=[used[name] for name in _listed(bands)])


def _unlike(labels: Any, sensor: str) -> list[Any]:
    """Return labels of which none has two meanings: beside nir08, nir is the broad band."""
    broad = sensor == "sentinel2" and "nir08" in labels
    return ["nir_broad" if broad and label == "nir" else label for label in labels]


def _listed(bands: Any) -> list[str]:
    return [bands] if isinstance(bands, str) else list(bands)


def _sensor(name: str) -> tuple[Band, ...]:
    if name not in SENSORS:
        raise ValueError(f"sensor={name!r} is none of {', '.join(SENSORS)}")
    return SENSORS[name]


def _name_of(label: Any, sensor: str, table: tuple[Band, ...]) -> str | None:
    """Return the name of the band that a label stands for; None for what is no band."""
    if not isinstance(label, str):
        raise ValueError(
            f"the bands are labelled {label}, which says where one lies in its file and not "
            f"which it is; name them: labels={[band.label for band in table[:3]]}, or read them "
            "with xstf.read_images(..., bands=[...])"
        )
    plain = _ASSETS.get(label.lower(), label.lower())
    if plain in {band.name for band in table}:
        return plain
    parts = _LABEL.search(label)
    if parts is None:
        return None
    kind = {"band": "b"}.get(parts["kind"].lower(), parts["kind"].lower())
    short = (kind + parts["number"]).lower()
    return next((band.name for band in table if band.label.lower() == short), None)


def _place(
    name: str, sensor: str, table: tuple[Band, ...], found: list[str | None], images: xr.DataArray
) -> int:
    """Return where a band lies among the images."""
    band = next((band for band in table if band.name == name), None)
    if band is None:
        known = ", ".join(band.name for band in table)
        raise ValueError(f"{sensor} has no band {name!r}; it has {known}")
    hits = [at for at, one in enumerate(found) if one == name]
    if len(hits) != 1:
        held = ", ".join(map(str, images["band"].values))
        many = "not among" if not hits else "more than once among"
        raise ValueError(f"{sensor}'s {name} is {band.label}, which is {many} the bands: {held}")
    return hits[0]
