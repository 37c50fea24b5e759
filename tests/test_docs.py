"""The pages of the site: what they are generated from, and that they leave nothing out."""

import importlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xstf
from xstf.accessor import SceneAccessor
from xstf.method import Method, param, parameters_of
from xstf.registry import find, names
from xstf.report import table

ROOT = Path(__file__).parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
NOTEBOOKS = [p for p in sorted(EXAMPLES.glob("*.md")) if p.stem != "index"]
CELL = re.compile(r"^```\{code-cell\} python\n(?::.*\n+)?(.*?)^```$", re.DOTALL | re.MULTILINE)


def extension(name):
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


@pytest.fixture
def stored():
    return extension("stored")


@pytest.fixture
def pages():
    pytest.importorskip("sphinx")
    return extension("pages")


def test_the_reference_names_every_public_function():
    text = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    left_out = [n for n in xstf.__all__ if not re.search(rf":: xstf\.{n}$", text, re.MULTILINE)]
    assert left_out == ["__version__"]


def test_accessor_methods_say_what_they_are():
    public = [n for n in vars(SceneAccessor) if not n.startswith("_")]
    assert "fuse" in public
    assert all(getattr(SceneAccessor, n).__doc__ for n in public)


@pytest.fixture(scope="module")
def found():
    scene, _ = xstf.simulate("parcels", size=64, scale=16, dates=4, pairs=3, bands=("red", "nir"))
    return xstf.compare(scene, ["starfm", "hcm"])


def test_kept_scores_come_back_as_they_were(stored, found, tmp_path):
    stored.keep(found, tmp_path / "kept.json", command="none")
    again = stored.read("kept", tmp_path).sel(name=found["name"])
    for metric in again:
        xr.testing.assert_allclose(again[metric], found[metric], rtol=1e-5)
    assert {"rmse", "ssim", "sam"} <= set(again)
    assert table(again).splitlines()[-3:] == table(found).splitlines()[-3:]
    assert str(xstf.recommend(again)) == str(xstf.recommend(found))


def test_keeping_one_method_leaves_the_others(stored, found, tmp_path):
    path = tmp_path / "kept.json"
    stored.keep(found.drop_sel(name="hcm"), path)
    stored.keep(found.drop_sel(name="starfm"), path)
    names_kept = list(stored.read("kept", tmp_path)["name"].values)
    assert names_kept == [*found["name"].values[:-2], "hcm", "starfm"]
    stored.keep(found.drop_sel(name="starfm").isel(time=[0]), path)  # other dates
    assert "starfm" not in stored.read("kept", tmp_path)["name"].values


def test_a_page_has_every_parameter_of_every_method(pages):
    for name in names(networks=False):
        kind = find(name)
        text = pages.page_of(name, kind)
        rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", text, re.MULTILINE)
        assert rows == [(f.name, repr(f.default)) for f in parameters_of(kind)]
        assert f".. autoclass:: {kind.__name__}" in text


def test_a_method_that_nobody_has_scored_has_a_page(pages):
    @dataclass(frozen=True, kw_only=True)
    class Toy(Method):
        """Nothing much.

        Do not use it often. Use it where nothing
        else is.
        """

        pairs = range(2, 3)
        floor: float = param(0.5, gt=0, unit="K", doc="a | b", source="eq 1")

    text = pages.page_of("toy", Toy)
    assert "| `floor` | `0.5` | a / b, K (eq 1) | a number > 0 |" in text
    assert "**Pairs**: 2 pairs" in text
    assert "None are kept yet" in text
    card = pages.gallery_of({"toy": Toy})
    assert "Use it where nothing else is." in card


@pytest.mark.parametrize("name", [n for n in names(networks=False) if not find(n).trivial])
def test_a_method_says_when_to_use_it(name, pages):
    assert pages.advice_of(find(name)), f"the docstring of {name} has no 'Use it where ...'"


@pytest.mark.parametrize("path", [*NOTEBOOKS, DOCS / "tutorial.md"], ids=lambda p: p.stem)
def test_code_of_a_notebook_is_clean(path, tmp_path):
    cells = [cell for cell in CELL.findall(path.read_text()) if not cell.startswith("!")]
    assert cells
    (tmp_path / "cells").mkdir()
    for n, cell in enumerate(cells):
        (tmp_path / "cells" / f"cell_{n}.py").write_text(cell)
    whole = tmp_path / "notebook.py"
    whole.write_text("\n\n".join(cells))
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(ROOT / "pyproject.toml")]
    shown = "D,T20,E402,B018,I001"  # imports where they are needed, a value as the last line
    lint = [*ruff, "check", *config, "--ignore", shown, whole]
    for command in lint, [*ruff, "format", *config, "--diff", tmp_path / "cells"]:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_every_notebook_is_listed():
    listed = (EXAMPLES / "index.md").read_text().split("```{toctree}")[1].split()
    assert set(listed) >= {p.stem for p in NOTEBOOKS}


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {xstf.__version__}\n" in text


def test_pictures_are_of_methods_that_exist():
    pictures = {p.stem for p in (DOCS / "_results" / "pictures").glob("*.webp")}
    assert pictures - {"truth", "pairs"} <= set(names())
    assert np.isin(["fsdaf", "starfm"], list(pictures)).all()
