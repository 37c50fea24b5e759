"""What is prepared comes back exactly, and nothing runs to read it."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from xstf.archive.codec import decode, encode
from xstf.method import Statistics
from xstf.methods._classes import Model
from xstf.pairing import Group

ARRAY = np.array([[0.1, np.nan], [-0.0, np.inf]], "f4")


def back(value):
    return decode(encode(value), {"xstf", "tests"})


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(2**70), "a", 0.1, -0.0, float("inf"), (), [], {}, (1, (2.5, [None])),
        {"a": 1, 2: (3,), ("b", 1): [4]}, ["array", "f4", [1], "x"],
    ],
)  # fmt: skip
def test_plain_values_come_back(value):
    found = back(value)
    assert repr(found) == repr(value)
    assert type(found) is type(value)


def test_a_missing_number_comes_back():
    assert np.isnan(back(float("nan")))


@pytest.mark.parametrize(
    "array",
    [
        ARRAY, ARRAY.T, ARRAY[:, ::-1], np.zeros((0, 3)), np.array(2.5), np.arange(3, dtype="u1"),
        np.array(["2020-01-01", "NaT"], "M8[ns]"), np.array([True, False]), np.array(["ab", "c"]),
        np.array([1, 2], ">i2"),
    ],
)  # fmt: skip
def test_arrays_come_back_bit_by_bit(array):
    found = back({"x": (array,)})["x"][0]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


@pytest.mark.parametrize("value", [np.float32(0.1), np.int64(3), np.datetime64("2020-01-01")])
def test_scalars_keep_their_type(value):
    assert back(value) == value
    assert type(back(value)) is type(value)


def test_dataclasses_come_back():
    model = Model(None, np.arange(3, dtype="u1"), 3, ARRAY, ARRAY[0])
    found = back((model, Group((1,), (2, 3))))
    assert isinstance(found[0], Model)
    assert found[0].centres is None
    np.testing.assert_array_equal(found[0].ends, ARRAY)
    assert found[1] == Group((1,), (2, 3))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({1, 2}, "found a set, which cannot be stored"),
        (lambda: 0, "found a function"),
        (np.array([None]), "array of object"),
        (Statistics, "found a type"),
    ],
)
def test_what_cannot_be_kept_is_refused(value, said):
    with pytest.raises(TypeError, match=said):
        encode([value])


def test_a_class_that_cannot_be_found_again_is_refused():
    @dataclass
    class Local:
        x: int

    with pytest.raises(TypeError, match="define the class in a module"):
        encode(Local(1))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (["os", "system"], "is no class of this method"),
        (["subprocess", "Popen"], "is no class of this method"),
        (["xstf.store", "save"], "is no dataclass"),
        (["xstfx", "A"], "is no class of this method"),
    ],
)
def test_only_dataclasses_of_the_method_are_made(name, said):
    with pytest.raises(ValueError, match=said):
        decode(json.dumps(["class", *name, {}]).encode(), ["xstf"])
