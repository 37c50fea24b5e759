"""Small scenes and parameters on which the CPU and a GPU are compared."""

from functools import cache

import numpy as np

import xstf
from xstf.registry import find, names

# largest difference of a pixel between the CPU and a GPU, in the units of the scene
TOLERANCE = {
    "unchanged": 0.0,
    "interpolated": 1e-7,
    "upsampled": 3e-7,
    "add": 3e-7,
    "starfm": 2e-6,
    "estarfm": 2e-6,
    "fitfc": 2e-6,
    "fsdaf": 2e-6,
    "sfsdaf": 2e-6,
    "vipstf": 2e-6,
    "stnlffm": 5e-6,
    "hcm": 2e-6,
    "ubdf": 2e-6,
    "stdfa": 2e-6,
    "strum": 2e-6,
}
SMALL = {
    "starfm": {"window": 5, "classes": 8},
    "estarfm": {"window": 5, "classes": 2},
    "fsdaf": {"window": 5, "num_similar": 5, "min_classes": 2, "max_classes": 3, "small": 9},
    "sfsdaf": {"num_similar": 5, "min_classes": 3, "max_classes": 3, "small": 9},
    "fitfc": {"window": 5, "num_similar": 5},
    "hcm": {"window": 3, "white": True},
    "stnlffm": {"window": 5, "tolerance": 0.03, "patch": 3},
    "vipstf": {"window": 5, "num_similar": 5},
    "ubdf": {"window": 3, "min_classes": 2, "max_classes": 3, "small": 9},
    "stdfa": {"window": 3, "min_classes": 2, "max_classes": 3, "small": 9},
    "strum": {"window": 3, "min_classes": 2, "max_classes": 3, "small": 9},
}
METHODS = [name for name in names() if find(name).on_gpu and not find(name).moves]
CASES = [(name, pairs) for name in METHODS for pairs in (1, 2) if pairs in find(name).pairs]


@cache
def scene(size=(16, 24), scale=4):
    """Return a scene of two pairs and two dates, with missing pixels and cells."""
    bands = ("red", "nir")
    ds, _ = xstf.simulate("mixed", size=size, scale=scale, dates=4, pairs=2, bands=bands, seed=3)
    ds = ds.compute()
    ds["fine"][0, :, 9:12, 15:21] = np.nan
    ds["fine"][0, 1, 2, 3] = np.nan
    ds["coarse"][1, :, 2, 3] = np.nan
    ds["coarse"][0, 0, 1, 1] = np.nan
    return ds


def fuse(method, pairs, device, ds=None, **options):
    """Return all layers of a method."""
    ds = scene() if ds is None else ds
    options = {"blocksize": 1000, **SMALL.get(method, {}), **options}
    if len(find(method).layers) > 1 and pairs == max(find(method).pairs[:2]):
        options.setdefault(
            "quality", True
        )  # with one pair of two, it would predict from either side too
    found = ds.stf.fuse(
        method, pairs="nearest" if pairs == 1 else "auto", device=device, **options
    ).compute(scheduler="sync")
    return found if "fused" in getattr(found, "data_vars", ()) else found.to_dataset(name="fused")


def assert_close(found, expected, method):
    """Check that two predictions differ by no more than the method's tolerance."""
    for layer in expected.data_vars:
        one, other = found[layer].values, expected[layer].values
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[method], err_msg=layer)
