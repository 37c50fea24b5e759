"""Networks as small as they come, trained once for all tests that only need some weights."""

import warnings
from functools import cache

import xstf

TINY = {
    "biastf": {"width": 2, "patch": 32, "epochs": 2},
    "dcstfn": {"width": 2, "patch": 32, "epochs": 2},
    "dlsdfm": {"width": 2, "patch": 32, "epochs": 2},
    "edcstfn": {"width": 2, "patch": 32, "epochs": 2},
    "hcnn": {"width": 2, "patch": 32, "epochs": 2},
    "stf3dcnn": {"width": 2, "patch": 32, "epochs": 2},
    "stfdcnn": {"width": 2, "patch": 32, "epochs": 2},
}


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
