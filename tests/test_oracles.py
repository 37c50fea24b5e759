"""Coverage of compiled functions, which no tracer sees: tests, or what has tests, lead to each one.

Kernels are compared with slow oracles in plain numpy, and methods with others (tests/oracles), with
numbers of papers or with known answers. So a compiled function counts as covered if a test names
it, or something that is so counted uses it.
"""

import ast
from pathlib import Path

import pytest

import xstf

ROOT = Path(xstf.__file__).parent
TESTS = Path(__file__).parent


def words_of(node):
    """Return the names that a piece of code uses."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def texts_of(node):
    """Return what a piece of code spells: `getattr` finds some kernels by their names."""
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}


def is_compiled(node):
    return any("njit" in words_of(decorator) for decorator in node.decorator_list)


def named(tree):
    """Yield what a file names, and how: functions wherever they are, and what is assigned."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))


FILES = [p for p in sorted(ROOT.rglob("*.py")) if "gpu" not in p.parts]
MADE = {path: list(named(ast.parse(path.read_text()))) for path in FILES}
COMPILED = [
    (path, node)
    for path, nodes in MADE.items()
    for _, node in nodes
    if isinstance(node, ast.FunctionDef) and is_compiled(node)
]


def led_to(start):
    """Return the names that are used by what is named in `start`, and so on."""
    uses = {}
    for nodes in MADE.values():
        for name, node in nodes:
            uses.setdefault(name, set()).update(words_of(node) | texts_of(node))
    known, left = set(start), list(start)
    while left:
        new = uses.get(left.pop(), set()) - known
        known |= new
        left += new
    return known


@pytest.fixture(scope="module")
def tested():
    """Return the names that tests lead to: those they use, and those of methods with tests."""
    trees = [ast.parse(p.read_text()) for p in TESTS.rglob("test_*.py") if p != Path(__file__)]
    start = set().union(*map(words_of, trees))
    for path in MADE:
        if (TESTS / path.relative_to(ROOT).with_name(f"test_{path.name}")).exists():
            start |= words_of(ast.parse(path.read_text()))
    return led_to(start)


@pytest.mark.parametrize(
    ("path", "node"), COMPILED, ids=[f"{p.stem}.{n.name}" for p, n in COMPILED]
)
def test_a_compiled_function_is_led_to(path, node, tested):
    assert node.name in tested, f"no test leads to {path.stem}.{node.name}"


def test_what_nothing_uses_is_not_led_to(tested):
    assert len(COMPILED) > 100
    assert "similar_means" in tested
    assert "a_function_that_nobody_calls" not in tested
    assert led_to({"nobody"}) == {"nobody"}
