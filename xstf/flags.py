"""What the bits of quality flags mean, product by product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class Bits:
    """A number within a flag word, and which of its values mean something.

    Attributes
    ----------
    first : int
        Its lowest bit; bit 0 is the least significant.
    count : int
        How many bits it has.
    values : tuple of int
        Those that are meant.
    """

    first: int
    count: int
    values: tuple[int, ...]

    def told(self, flags: np.ndarray) -> np.ndarray:
        """Return where flag words, whole numbers of any shape, hold one of the values."""
        number = (flags >> self.first) & ((1 << self.count) - 1)
        return np.isin(number, self.values)


@dataclass(frozen=True)
class Product:
    """The flags of one product.

    Attributes
    ----------
    title : str
        What they are, and of which document.
    meanings : mapping of str to Bits
        What a pixel can be.
    usual : tuple of str
        Those that are hidden unless others are named.
    absent : tuple of str
        Those that say that nothing was measured; they are not widened.
    width : int
        Bits of a flag word.
    """

    title: str
    meanings: Mapping[str, Bits]
    usual: tuple[str, ...]
    absent: tuple[str, ...] = ()
    width: int = 8


def _bit(first: int) -> Bits:
    return Bits(first, 1, (1,))


def _word(*values: int, width: int = 8) -> Bits:
    return Bits(0, width, values)


def _quality(band: int) -> Bits:
    """Return a MODIS band's four bits where its value was not measured or not corrected."""
    return Bits(2 + 4 * (band - 1), 4, (7, 8, 9, 10, 11, 12, 13, 14, 15))


PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {
        "landsat": Product(
            "Landsat 4-9 Collection 2, QA_PIXEL (USGS, Science Product Guide)",
            {
                "fill": _bit(0),
                "dilated_cloud": _bit(1),
                "cirrus": _bit(2),
                "cloud": _bit(3),
                "shadow": _bit(4),
                "snow": _bit(5),
                "water": _bit(7),
                "likely_cloud": Bits(8, 2, (2, 3)),
                "likely_shadow": Bits(10, 2, (3,)),
                "likely_snow": Bits(12, 2, (3,)),
                "likely_cirrus": Bits(14, 2, (3,)),
            },
            ("fill", "dilated_cloud", "cirrus", "cloud", "shadow"),
            ("fill",),
            width=16,
        ),
        "hls": Product(
            "Harmonized Landsat Sentinel-2 v2, Fmask (HLS User Guide)",
            {
                "fill": _word(255),
                "cloud": _bit(1),
                "adjacent": _bit(2),
                "shadow": _bit(3),
                "snow": _bit(4),
                "water": _bit(5),
                "high_aerosol": Bits(6, 2, (3,)),
            },
            ("fill", "cloud", "adjacent", "shadow"),
            ("fill",),
        ),
        "sentinel2": Product(
            "Sentinel-2 Level-2A, SCL (ESA, Sen2Cor)",
            {
                "no_data": _word(0),
                "defective": _word(1),
                "dark": _word(2),
                "shadow": _word(3),
                "vegetation": _word(4),
                "soil": _word(5),
                "water": _word(6),
                "unclassified": _word(7),
                "cloud": _word(8, 9),
                "cirrus": _word(10),
                "snow": _word(11),
            },
            ("no_data", "defective", "shadow", "cloud", "cirrus"),
            ("no_data",),
        ),
        "modis_state": Product(
            "MOD09, MYD09: state_1km, StateQA (MODIS Surface Reflectance User's Guide, C6.1)",
            {
                "fill": _word(65535, width=16),
                "cloud": Bits(0, 2, (1,)),
                "mixed": Bits(0, 2, (2,)),
                "unset": Bits(0, 2, (3,)),
                "shadow": _bit(2),
                "small_cirrus": Bits(8, 2, (1,)),
                "cirrus": Bits(8, 2, (2, 3)),
                "high_aerosol": Bits(6, 2, (3,)),
                "internal_cloud": _bit(10),
                "fire": _bit(11),
                "snow": _bit(12),
                "adjacent": _bit(13),
                "internal_snow": _bit(15),
            },
            ("fill", "cloud", "mixed", "shadow", "cirrus", "internal_cloud"),
            ("fill",),
            width=16,
        ),
        "modis_qc": Product(
            "MOD09GA, MYD09GA: QC_500m (MODIS Surface Reflectance User's Guide, C6.1)",
            {
                "not_produced": Bits(0, 2, (2, 3)),
                "less_than_ideal": Bits(0, 2, (1,)),
                **{f"band{n}": _quality(n) for n in range(1, 8)},
                "not_corrected": Bits(30, 1, (0,)),
            },
            ("not_produced",),
            ("not_produced",),
            width=32,
        ),
        "viirs_qf1": Product(
            "VNP09, VJ109: SurfReflect_QF1 (VIIRS Surface Reflectance User's Guide)",
            {
                "cloud": Bits(2, 2, (2, 3)),
                "probably_clear": Bits(2, 2, (1,)),
                "poor_mask": Bits(0, 2, (0,)),
                "night": _bit(4),
                "low_sun": _bit(5),
                "glint": Bits(6, 2, (1, 2, 3)),
            },
            ("cloud", "night"),
        ),
        "viirs_qf2": Product(
            "VNP09, VJ109: SurfReflect_QF2 (VIIRS Surface Reflectance User's Guide)",
            {
                "shadow": _bit(3),
                "heavy_aerosol": _bit(4),
                "snow": _bit(5),
                "cirrus": Bits(6, 2, (1, 2, 3)),
            },
            ("shadow", "heavy_aerosol", "cirrus"),
        ),
        "brdf": Product(
            "MCD43, VNP43: BRDF_Albedo_Band_Mandatory_Quality (MCD43 User's Guide)",
            {"fill": _word(255), "magnitude_inversion": _word(1)},
            ("fill",),
            ("fill",),
        ),
    }
)
