import numpy as np
import pytest

from tests.plot.scores import compared

ODD = "starfm <i>\"31\" & '51'"  # what a label may hold


@pytest.fixture
def judged(tiny):
    """Return what a page is made of; the odd method lacks the last date."""
    pytest.importorskip("matplotlib")
    scene, truth = tiny
    truth = truth[1:3]
    add = scene.stf.fuse("add").compute()
    predicted = {
        "unchanged": scene.fine[:2].assign_coords(time=truth.time).fillna(0.2),
        "add": add,
        ODD: (add[:1] + 0.02).assign_attrs(add.attrs),
    }
    predicted["add"][0, :, :4, :4] = np.nan
    scores = compared(tuple(predicted), dates=2)
    assert (scores.time.values == truth.time.values).all()
    return {
        "compared": scores,
        "truth": truth,
        "predicted": predicted,
        "coarse": scene.coarse[1:3],
    }
