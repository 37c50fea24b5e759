"""Every CUDA grid compiles to PTX without a GPU, and works on float64 only where it says so."""

import importlib
import pkgutil
from functools import cache

import pytest

pytest.importorskip("numba_cuda", reason='PTX is made by numba-cuda: pip install "xstf[test]"')
import xstf.kernels.gpu

for part in pkgutil.iter_modules(xstf.kernels.gpu.__path__):
    importlib.import_module(f"xstf.kernels.gpu.{part.name}")
from xstf.kernels.gpu.launch import GRIDS, SIMULATED  # noqa: E402 - filled by the imports above

if SIMULATED:
    pytest.skip("the simulator compiles nothing", allow_module_level=True)
CARDS = {"sm_80": (8, 0), "sm_90": (9, 0)}
CASES = [
    pytest.param(name, variant, id="-".join([name, *(f"{k}={v}" for k, v in variant.items())]))
    for name, grid in sorted(GRIDS.items())
    for variant in grid.variants or [{}]
]


def doubles(ptx):
    """Return the lines of PTX that work on float64; moving one about is none of them."""
    lines = (line.split() for line in ptx.splitlines())
    return [words for words in lines if words and ".f64" in words[0] and words[0] != ".reg"]


@cache
def ptx_of(name, card, **variant):
    from numba import cuda

    grid = GRIDS[name]
    made, _ = cuda.compile_ptx(grid.function(**variant), grid.types, cc=CARDS[card])
    return made


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_it_compiles_and_works_on_float64_only_where_it_says_so(name, variant):
    first = (GRIDS[name].variants or [{}])[0]  # the others differ alike on both cards
    for card in CARDS if variant == first else ["sm_90"]:
        made = ptx_of(name, card, **variant)
        assert f".target {card}" in made
        assert len(doubles(made)) <= GRIDS[name].doubles


def test_every_declared_number_of_doubles_is_reached():
    """A number that is too large would hide a promotion."""
    for name, grid in GRIDS.items():
        most = max(len(doubles(ptx_of(name, "sm_90", **v))) for v in grid.variants or [{}])
        assert most == grid.doubles, name


def test_a_literal_that_promotes_is_seen():
    from numba import cuda, types

    def promoted(image):
        x = cuda.grid(1)
        image[x] = image[x] * 0.1

    made, _ = cuda.compile_ptx(promoted, (types.float32[::1],), cc=(9, 0))
    assert doubles(made)
