"""What sensors have in common and what sets them apart: bands, units, point spread, radiometry."""

from xstf.sensors.bands import SENSORS, Band, select_bands
from xstf.sensors.radiometry import fit_normalisation, normalise
from xstf.sensors.spread import degrade
from xstf.sensors.units import PRODUCTS, Packed, recognise, to_reflectance

__all__ = [
    "PRODUCTS",
    "SENSORS",
    "Band",
    "Packed",
    "degrade",
    "fit_normalisation",
    "normalise",
    "recognise",
    "select_bands",
    "to_reflectance",
]
