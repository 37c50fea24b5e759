"""What users may ask for beside a method: other rules, class maps, several pairs, gaps filled."""

import numpy as np
import pytest

from tests.gpu.scenes import assert_close, fuse, scene


def with_classes():
    ds = scene().copy(deep=True)
    labels = (ds.fine.values[-1, 0] > np.nanmedian(ds.fine.values[-1, 0])) + 1
    labels[3, 3] = 0
    return ds.assign(classes=(("y", "x"), labels.astype("uint8")))


@pytest.mark.parametrize(
    ("method", "pairs", "options"),
    [
        ("estarfm", 2, {"slope": "code", "num_similar": 9, "window": 3}),
        ("fsdaf", 1, {"ds": with_classes, "spatial": "cubic", "window": 3}),
        ("vipstf", 2, {"search": "pairs", "window": 3}),
        ("hcm", 2, {"combine": "temporal"}),
        ("hcm", 2, {"combine": "nearest"}),
        ("add", 1, {"fill": True}),
    ],
)
def test_the_same_picture_as_on_the_cpu(method, pairs, options):
    options = {"quality": False, **options, "ds": options.get("ds", scene)()}
    found, expected = (fuse(method, pairs, device, **options) for device in ("cuda", "cpu"))
    assert_close(found, expected, method)
