"""What the published sets are, how their files are named, and in which numbers they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SIX = ("blue", "green", "red", "nir", "swir1", "swir2")
FOUR = ("blue", "green", "red", "nir")

CIA_DATES = (
    "2001-10-08", "2001-10-17", "2001-11-02", "2001-11-09", "2001-11-25", "2001-12-04",
    "2002-01-05", "2002-01-12", "2002-02-13", "2002-02-22", "2002-03-10", "2002-03-17",
    "2002-04-02", "2002-04-11", "2002-04-18", "2002-04-27", "2002-05-04",
)  # fmt: skip
LGC_DATES = (
    "2004-04-16", "2004-05-02", "2004-07-05", "2004-08-06", "2004-08-22", "2004-10-25",
    "2004-11-26", "2004-12-12", "2004-12-28", "2005-01-13", "2005-01-29", "2005-02-14",
    "2005-03-02", "2005-04-03",
)  # fmt: skip


@dataclass(frozen=True)
class Benchmark:
    """A published set of fine and coarse images on one grid.

    Attributes
    ----------
    title : str
        What it is, and where it comes from.
    shape : tuple of int
        Rows and columns as published.
    bands : tuple of str
        In the order of the files.
    fine, coarse : str
        Regular expressions of the names of files; the group ``date`` is the date in the name, as
        YYYYMMDD, YYYYDDD or Y-M-D.
    late : int
        Days that a fine file's own date lies before the day on which it was taken.
    dates : tuple of str
        The days that there are, where they are known; files of other days are refused.
    factor : float
        Reflectance of a stored 1.
    low, high : float
        The stored numbers that are valid.
    scale : int
        Fine pixels to a coarse one along an axis, about; the coarse images lie on the fine grid.
    sensors : tuple of str
        Fine and coarse.
    """

    title: str
    shape: tuple[int, int]
    bands: tuple[str, ...]
    fine: str
    coarse: str
    sensors: tuple[str, str]
    factor: float
    low: float
    high: float
    scale: int
    late: int = 0
    dates: tuple[str, ...] = ()


_MODIS = r"^MOD09GA_A(?P<date>\d{7})\.sur_refl.*"


def _eight_bits(title: str, shape: tuple[int, int]) -> Benchmark:
    return Benchmark(
        title=f"{title} [Li et al. 2020]",
        shape=shape,
        bands=SIX,
        fine=r"^L_(?P<date>\d{4}-\d{1,2}-\d{1,2})\b.*",
        coarse=r"^M_(?P<date>\d{4}-\d{1,2}-\d{1,2})\b.*",
        sensors=("landsat8", "modis"),
        factor=1 / 255,
        low=0.0,
        high=255.0,
        scale=16,
    )


def _europe(title: str) -> Benchmark:
    return Benchmark(
        title=f"{title}, Sentinel-2 and Sentinel-3",
        shape=(1500, 1500),
        bands=FOUR,
        fine=r"^S2_(?P<date>\d{8})\b.*",
        coarse=r"^S3_(?P<date>\d{8})(?:_real)?\b.*",
        sensors=("sentinel2", "olci"),
        factor=1.0,
        low=0.0,
        high=2.0,
        scale=30,
    )


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "CIA": Benchmark(
            title="Coleambally irrigation area, 17 pairs 2001-2002 [Emelyanova et al. 2013]",
            shape=(2040, 1720),
            bands=SIX,
            fine=r"^L7\d093084_084(?P<date>\d{8})_HRF_modtran_surf_ref_agd66.*",
            coarse=_MODIS,
            sensors=("landsat7", "modis"),
            factor=1e-4,
            low=0.0,
            high=16000.0,
            scale=20,
            late=1,  # the names have the day of the overpass by another clock than the folders
            dates=CIA_DATES,
        ),
        "LGC": Benchmark(
            title="Lower Gwydir catchment, 14 pairs 2004-2005 [Emelyanova et al. 2013]",
            shape=(2720, 3200),
            bands=SIX,
            fine=r"^(?P<date>\d{8})_TM\b.*",
            coarse=_MODIS,
            sensors=("landsat5", "modis"),
            factor=1e-4,
            low=0.0,
            high=16000.0,
            scale=20,
            dates=LGC_DATES,
        ),
        "AHB": _eight_bits("Ar Horqin Banner", (2480, 2800)),
        "Daxing": _eight_bits("Daxing", (1640, 1640)),
        "Tianjin": _eight_bits("Tianjin", (2100, 1970)),
        "Wuhan": Benchmark(
            title="Wuhan, Gaofen and Landsat 8",
            shape=(1000, 1000),
            bands=FOUR,
            fine=r"^G_(?P<date>\d{8})\b.*",
            coarse=r"^L_(?P<date>\d{8})\b.*",
            sensors=("gaofen", "landsat8"),
            factor=1e-4,
            low=0.0,
            high=16000.0,
            scale=4,
        ),
        "IC": _europe("IC"),
        "BC": _europe("BC"),
    }
)
