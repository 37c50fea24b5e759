"""Networks as small as they come, trained once for all tests that only need some weights."""

import warnings
from functools import cache

import xstf
from xstf.nn import NETWORKS
from xstf.nn.method import Network
from xstf.registry import find

TINY = {
    "biastf": {"width": 2, "patch": 32, "epochs": 2},
    "cyclegan": {"width": 2, "blocks": 1, "snapshots": 2, "patch": 32, "epochs": 2, "window": 9},
    "dcstfn": {"width": 2, "patch": 32, "epochs": 2},
    "dlsdfm": {"width": 2, "patch": 32, "epochs": 2},
    "edcstfn": {"width": 2, "patch": 32, "epochs": 2},
    "hcnn": {"width": 2, "patch": 32, "epochs": 2},
    "msisr": {"width": 4, "blocks": 1, "patch": 8, "epochs": 2, "rate": 1e-2, "window": 9},
    "stf3dcnn": {"width": 2, "patch": 32, "epochs": 2},
    "stfdcnn": {"width": 2, "patch": 32, "epochs": 2},
}
FORECASTS = [name for name in NETWORKS if issubclass(find(name), Network)]  # from a pair


@cache
def lesson(scale=4):
    """A scene to learn from: 96 x 80 pixels, three dates of which two are pairs."""
    ds, truth = xstf.simulate(
        "mixed", size=(96, 80), scale=scale, dates=3, pairs=2, bands=("red", "nir"), seed=5
    )
    return ds.compute(), truth.compute()


@cache
def trained(name):
    """Return a network that has seen `lesson` for a moment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so short a training beats nothing
        return xstf.fit(lesson()[0], name, progress=False, **TINY[name])
