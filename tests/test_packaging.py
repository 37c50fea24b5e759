"""What is said of the package in several places is the same, and packages of others add methods."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import xstf

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = {"dask": "dask-core"}  # what conda calls dask[array], whose numpy is asked for anyway


def bounds_of(requirements):
    """Return the lower bounds of requirements such as "dask[array]>=2025.1" by their names."""
    found = {}
    for text in requirements:
        name, version = re.fullmatch(r"([\w-]+)(?:\[\w+\])? ?>=([\d.]+)", text).groups()
        found[name] = version
    return found


def recipe():
    """Return the recipe for conda, its few templates filled in."""
    text = (ROOT / "recipe" / "meta.yaml").read_text()
    version = re.search(r'{% set version = "(.*)" %}', text)[1]
    text = re.sub(r"{%.*%}", "", text).replace("{{ version }}", version)
    return yaml.safe_load(text.replace("{{ PYTHON }}", "python"))


def test_the_version_is_the_same_everywhere():
    assert PROJECT["version"] == xstf.__version__ == recipe()["package"]["version"]
    assert f"## {xstf.__version__}" in (ROOT / "docs" / "changelog.md").read_text()


def test_the_recipe_needs_what_the_package_needs():
    made = recipe()
    needed = {CONDA.get(k, k): v for k, v in bounds_of(PROJECT["dependencies"]).items()}
    python = {"python": PROJECT["requires-python"].removeprefix(">=")}
    assert bounds_of(made["requirements"]["run"]) == needed | python
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    host = [r for r in made["requirements"]["host"] if r != "pip"]
    assert bounds_of(host) == bounds_of(build) | python
    scripts = [f"{name} = {place}" for name, place in PROJECT["scripts"].items()]
    assert made["build"]["entry_points"] == scripts
    assert made["about"]["license"] == PROJECT["license"]
    assert made["about"]["summary"] == PROJECT["description"]


def test_the_oldest_versions_are_the_lower_bounds():
    extras = PROJECT["optional-dependencies"]
    bounds = bounds_of([*PROJECT["dependencies"], *extras["deep"], *extras["plot"]])
    lines = (ROOT / "constraints-minimum.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert set(pinned) == set(bounds)
    for name, version in bounds.items():
        if name != "torch":  # whose CPU build is newer
            assert re.fullmatch(rf"{re.escape(version)}(\.0)*", pinned[name]), name


@pytest.mark.parametrize("tool", ["ruff check", "ruff format", "mypy"])
def test_commits_are_checked_as_ci_checks(tool):
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = {hook["name"]: hook["entry"] for repo in config["repos"] for hook in repo["hooks"]}
    command = " ".join(w for w in hooks[tool].split() if not w.startswith("--"))
    assert command.removesuffix(" .") in (ROOT / ".ci" / "run").read_text()


TOY = {
    "pyproject.toml": """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "xstf-toy"
version = "1.0"
[project.entry-points."xstf.methods"]
toy = "xstf_toy:Toy"
lost = "xstf_toy_that_is_gone:Lost"
""",
    "xstf_toy.py": '''
from dataclasses import dataclass

import numpy as np

from xstf.method import Method, param


@dataclass(frozen=True, kw_only=True)
class Toy(Method):
    """The fine image, brighter."""

    more: float = param(0.1, ge=0, doc="added to each pixel")

    def block(self, b):
        return {"fused": np.repeat(b.fine[(slice(1), ..., *b.inner)], len(b.target), 0) + self.more}
''',
}
USE = """
import numpy as np, xstf
ds, _ = xstf.simulate("parcels", size=32, dates=3, pairs=1)
fused = ds.stf.fuse("toy", more=np.float32(0.25)).compute()
assert np.array_equal(fused[0], ds.fine.compute()[0] + np.float32(0.25))
assert fused.attrs["method"] == "toy"
assert "toy" in repr(ds.stf) and "lost" not in repr(ds.stf)
assert "toy" in xstf.list_methods().name
try:
    ds.stf.fuse("toy", more=-1.0)
except ValueError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return a folder into which a package was installed that adds a method."""
    source, target = (tmp_path_factory.mktemp(name) for name in ("toy", "site"))
    for name, text in TOY.items():
        (source / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    pip += ["--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", target, source], check=True)
    return target


def installed(site, *arguments):
    """Return what a Python that has the package says, in a folder of its own."""
    environment = {"PYTHONPATH": f"{site}:{ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=site, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_an_installed_package_adds_a_method(site):
    code, said, error = installed(site, "-c", USE)
    assert code == 0, error
    assert "more=-1.0" in said
    code, said, error = installed(site, "-c", "from xstf.cli import main; main()", "methods", "toy")
    assert code == 0, error
    assert "added to each pixel" in said


def test_a_package_that_is_broken_spoils_no_other(site):
    code, said, _ = installed(site, "-c", "from xstf.cli import main; main()", "methods")
    assert code == 0
    assert re.search(r"lost.*xstf_toy_that_is_gone", said)
