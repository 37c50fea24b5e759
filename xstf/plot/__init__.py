"""Pictures of scenes, results and scores, with matplotlib, without touching its backend.

Every function but `overview`, which writes a file, returns a `matplotlib.figure.Figure` that
pyplot does not know: a notebook shows it, ``.savefig("a.png")`` writes it.
"""

from xstf.plot.canvas import check_installed
from xstf.plot.charts import errors
from xstf.plot.colours import FALSE_COLOUR, MISSING, TRUE_COLOUR
from xstf.plot.density import scatter
from xstf.plot.diagram import apa
from xstf.plot.panels import triptych
from xstf.plot.sheet import overview
from xstf.plot.strips import series

__all__ = [
    "FALSE_COLOUR",
    "MISSING",
    "TRUE_COLOUR",
    "apa",
    "check_installed",
    "errors",
    "overview",
    "scatter",
    "series",
    "triptych",
]
