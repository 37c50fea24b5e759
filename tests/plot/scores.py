"""Scores of some methods on some dates, as a comparison gives them."""

import numpy as np
import xarray as xr

BEST = {
    "rmse": "small",
    "bias": "zero",
    "cc": "large",
    "edge": "zero",
    "lbp": "zero",
    "sam": "small",
    "seconds": "small",
}


def compared(names=("unchanged", "add", "starfm"), *, dates=3, bands=("red", "nir"), trivial=1,
             seed=0):  # fmt: skip
    """Return random scores; the first `trivial` do nothing, the last lacks the last date."""
    draw = np.random.default_rng(seed)
    shape = len(names), dates, len(bands)
    values = {
        "rmse": draw.uniform(0.005, 0.05, shape),
        "bias": draw.normal(0, 0.01, shape),
        "cc": draw.uniform(0.5, 1, shape),
        "edge": draw.uniform(-0.6, 0.2, shape),
        "lbp": draw.uniform(-0.2, 0.2, shape),
        "sam": draw.uniform(1, 8, shape[:2]),
        "seconds": draw.uniform(0.1, 9, shape[:2]),
    }
    if dates > 1:
        for array in values.values():
            array[-1, -1] = np.nan
    dims = "name", "time", "band"
    days = np.datetime64("2020-04-17", "ns") + 16 * np.arange(dates) * np.timedelta64(1, "D")
    pairs = np.full(shape[:2], "2020-04-01", object)
    return xr.Dataset(
        {
            **{n: (dims[: a.ndim], a, {"best": BEST[n], "long_name": f"long {n}"})
               for n, a in values.items()},
            "pair_dates": (dims[:2], pairs),
        },
        {
            "name": np.array(names, object),
            "time": days,
            "band": list(bands),
            "trivial": ("name", np.arange(len(names)) < trivial),
        },
        {"scale": 8, "scene_range": [0.0, 1.0]},
    )  # fmt: skip
