"""Marks, fingerprints, and one run at a time."""

import numpy as np
import pytest
import zarr

from xstf.archive import manifest
from xstf.archive.manifest import Marks, alone, differences, share_done, short
from xstf.archive.output import inner_side
from xstf.places.place import PAUSE


@pytest.fixture
def out(tmp_path):
    zarr.open_group(tmp_path / "o.zarr", mode="w")
    Marks.create(str(tmp_path / "o.zarr"), (130, 2, 3))
    return str(tmp_path / "o.zarr")


def test_marks_come_back(out):
    marks = Marks(out)
    assert not marks.done.any()
    marks.set([0, 129], 1, 2, [True, False])
    assert share_done(out)[[0, 129]].tolist() == [1 / 6, 1 / 6]
    marks.set([64, 0], 0, 0, [True, False])
    marks.write()
    again = Marks(out)
    np.testing.assert_array_equal(again.values, marks.values)
    assert again.done.sum() == 4
    assert again.full[[0, 64, 129]].tolist() == [1, 1, 0]


def test_quick_blocks_share_a_writing(out, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(manifest.time, "monotonic", lambda: now[0])
    marks = Marks(out)
    for column in range(3):
        marks.set([5], 0, column, [True])
        now[0] += PAUSE / 2.5
    assert share_done(out)[5] == pytest.approx(1 / 6)
    marks.set([5], 1, 0, [True])
    assert share_done(out)[5] == pytest.approx(4 / 6)


def test_what_has_no_marks_says_so(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w")
    assert share_done(str(tmp_path / "a.zarr")) is None
    assert manifest.read_fingerprint(tmp_path / "a.zarr") is None


def test_differences_name_what_is_not_the_same():
    old = {"method": "a", "parameters": {"w": 1, "v": 2}, "fine images": {"d1": "1", "d2": "2"}}
    new = {"method": "b", "parameters": {"w": 1, "v": 3}, "fine images": {"d1": "9", "d3": "3"}}
    assert differences(old, old) == []
    assert differences(old, new) == [
        "method: 'a' then, 'b' now",
        "parameters v: 2 then, 3 now",
        "the fine images of d1 have changed",
        "the fine images of d2 serve no longer",
        "the fine images of d3 serve only now",
    ]
    many = {"fine images": {f"d{n}": "x" for n in range(9)}}
    (text,) = differences({"fine images": dict.fromkeys(many["fine images"], "y")}, many)
    assert text == "the fine images of d0, d1, d2, d3 and 5 more have changed"


def test_a_short_fingerprint_does_not_depend_on_order():
    assert short({"a": 1, "b": 2}) == short({"b": 2, "a": 1}) != short({"a": 1, "b": 3})


def test_a_run_is_alone_and_leaves_no_lock(tmp_path):
    path = tmp_path / "o.zarr"
    with alone(path), pytest.raises(FileExistsError, match="another run is writing"), alone(path):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".o.zarr.lock").touch()  # of a run that was killed
    with alone(path):
        pass


@pytest.mark.parametrize(
    ("side", "inner"), [(16, 16), (250, 250), (262, 131), (496, 248), (992, 248), (514, 257)]
)
def test_chunks_divide_their_shard(side, inner):
    assert inner_side(side) == inner
