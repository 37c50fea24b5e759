"""What is told of the code of a method changes with what it does, and with nothing else."""

import copy
import pickle
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest

from xstf.combined import Combined
from xstf.registry import find, names
from xstf.source import code_of

PLAIN = """
from dataclasses import dataclass
from functools import cached_property, partial
import numpy as np
from numba import njit
from xstf.method import Method

SHARE = 0.5
WORDS = frozenset({"north", "south", "east", "west"})
TABLE = np.arange(3)
RULES = {"half": lambda v: v / 2, "third": (partial(round, ndigits=2), lambda v: v / 3)}

def half(values):
    return SHARE * values

@njit
def kernel(values):
    return values + 1

@dataclass(frozen=True, kw_only=True)
class Own(Method):
    pairs = range(1, 2)
    gain: float = 1.0

    @cached_property
    def more(self):
        return kernel(1)

    def block(self, b):
        if b.where in {"a", "b"} or b.where in WORDS:
            return {"fused": RULES[b.rule](half(b.fine[:1]) * TABLE[0])}
        return {"fused": [half(f) for f in b.fine] * self.more}
"""


def code_in(text, name="scratch"):
    """Return what is told of the method that a text defines, as a notebook would define it."""
    home = {"__name__": name}
    exec(compile(text, "<cell>", "exec", dont_inherit=True), home)
    return code_of(home["Own"]())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("half(b.fine[:1])", "half(b.fine[:2])"),
        ("SHARE * values", "SHARE + values"),
        ("SHARE = 0.5", "SHARE = 0.25"),
        ("values + 1", "values + 2"),
        ("range(1, 2)", "range(1, 3)"),
        ("kernel(1)", "kernel(2)"),
        ("np.arange(3)", "np.arange(1, 4)"),
        ('"north"', '"up"'),
        ('{"a", "b"}', '{"a", "c"}'),
        ("half(f) for", "-half(f) for"),
        ("v / 3", "v / 4"),
        ("ndigits=2", "ndigits=3"),
    ],
)
def test_a_change_of_what_it_does_shows(before, after):
    assert before in PLAIN
    assert code_in(PLAIN) != code_in(PLAIN.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SHARE = 0.5", "OTHER = 7\n\nSHARE = 0.5  # of the whole"),
        ("class Own(Method):\n", 'class Own(Method):\n    """Mine."""\n'),
        ("gain: float = 1.0", "gain: float = 1.0  # a comment"),
    ],
)
def test_what_does_not_matter_does_not_show(before, after):
    assert before in PLAIN
    assert code_in(PLAIN) == code_in(PLAIN.replace(before, after))


def test_it_is_the_same_in_every_process():
    code = textwrap.dedent(
        """
        from tests.test_source import PLAIN, code_in
        from xstf.registry import find
        from xstf.source import code_of
        print(code_in(PLAIN, "__main__"), code_of(find("fsdaf")()))
        """
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_it_stays_the_same_when_a_method_is_used():
    method = find("add")()
    before = code_of(method)
    copy.deepcopy(pickle.loads(pickle.dumps(method)))
    assert "__slotnames__" in vars(type(method))
    assert code_of(method) == before


def test_every_method_has_code_of_its_own():
    told = [code_of(find(name)()) for name in names()]
    assert len(set(told)) == len(told)


def test_a_method_among_the_parameters_counts():
    @dataclass(frozen=True)
    class Other(find("add")):
        def block(self, b):
            return {"fused": -super().block(b)["fused"]}

    known = {code_of(Combined(find("add")())), code_of(Combined(Other())), code_of(Other())}
    assert len(known) == 3
