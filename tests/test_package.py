"""What the import statements say, and what importing costs."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import xstf

ROOT = Path(xstf.__file__).parent
FILES = {
    ".".join(("xstf", *path.relative_to(ROOT).with_suffix("").parts)): path
    for path in sorted(ROOT.rglob("*.py"))
}
# a module may import those of a lower rank only
RANK = {
    "xstf.grid": 0,
    "xstf.places": 0,
    "xstf.dates": 0,
    "xstf.pairing": 1,
    "xstf.raster": 0,
    "xstf.packing": 0,
    "xstf.registry": 1,
    "xstf.parameters": 0,
    "xstf.sizes": 0,
    "xstf.limits": 0,
    "xstf.rereading": 0,
    "xstf.reduction": 1,
    "xstf.kernels": 0,
    "xstf.conventions": 1,
    "xstf.crs": 0,
    "xstf.coordinates": 1,
    "xstf.placing": 2,
    "xstf.wording": 2,
    "xstf.cubes": 3,
    "xstf.checks": 2,
    "xstf.projection": 2,
    "xstf.warping": 3,
    "xstf.method": 2,
    "xstf.cutting": 3,
    "xstf.arrays": 3,
    "xstf.scenes": 4,
    "xstf.writing": 1,
    "xstf.source": 3,
    "xstf.statistics": 3,
    "xstf.methods": 3,
    "xstf.nn": 6,
    "xstf.portion": 3,
    "xstf.device": 3,
    "xstf.blocks": 4,
    "xstf.gathering": 5,
    "xstf.planning": 5,
    "xstf.whole": 6,
    "xstf.memory": 6,
    "xstf.engine": 7,
    "xstf.fitting": 7,
    "xstf.fingerprint": 0,
    "xstf.cluster": 0,
    "xstf.metrics": 1,
    "xstf.api": 8,
    "xstf.rows": 8,
    "xstf.archive": 9,
    "xstf.estimates": 10,
    "xstf.warming": 10,
    "xstf.degraded": 8,
    "xstf.datasets": 9,
    "xstf.flags": 0,
    "xstf.masks": 1,
    "xstf.sensors.bands": 0,
    "xstf.sensors": 9,
    "xstf.suspects": 9,
    "xstf.scoring": 9,
    "xstf.shifting": 9,
    "xstf.located": 4,
    "xstf.alignment": 10,
    "xstf.holdout": 9,
    "xstf.trials": 10,
    "xstf.comparison": 11,
    "xstf.advice": 10,
    "xstf.portrait": 5,
    "xstf.accessor": 12,
}
HEAVY = ("torch", "numba", "rasterio", "matplotlib", "sklearn", "scipy.stats", "rioxarray")


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def imports(path, top=False):
    """Return the modules that a file imports; only where it is loaded itself with `top`."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in inside if name in FILES or f"{name}.__init__" in FILES}
            if node.module != "xstf" or not found & inside:
                found.add(node.module)
    return found


def below(name, package):
    return name == package or name.startswith(package + ".")


def rank(name):
    return next((r for package, r in RANK.items() if below(name, package)), None)


def files(*packages):
    return [name for name in FILES if any(below(name, package) for package in packages)]


def test_the_reader_of_imports_sees_them():
    assert {"dask", "numpy", "xstf.grid", "dask._task_spec"} <= imports(FILES["xstf.gathering"])
    assert "xstf.methods" in imports(FILES["xstf.registry"])  # inside a function
    assert "xstf.methods" not in imports(FILES["xstf.registry"], top=True)
    assert "xstf.method" in imports(FILES["xstf.api"])  # from xstf import method
    assert "xstf.accessor" in imports(FILES["xstf.__init__"])


def test_importing_is_quick():
    code = "import time; t = time.process_time(); import xstf; print(time.process_time() - t)"
    assert min(float(run(code)[0]) for _ in range(3)) < 1.5


def test_importing_loads_nothing_heavy():
    loaded = run("import sys, xstf; print(*sys.modules)")
    assert "xarray" in loaded
    assert not set(HEAVY) & set(loaded)


def test_simulating_and_building_load_no_torch():
    code = (
        "import sys, xstf; s, _ = xstf.simulate(size=32, dates=3); s.stf.fuse('add');"
        "print(*sys.modules)"
    )
    assert not {"torch", "rasterio", "matplotlib"} & set(run(code))


@pytest.mark.parametrize("name", xstf.__all__)
def test_public_names_are_there(name):
    assert getattr(xstf, name) is not None
    assert name in dir(xstf)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="'xstf' has no attribute 'nonsense'"):
        xstf.nonsense  # noqa: B018 - to ask for it is the test


def test_no_public_name_is_a_module():
    modules = {m.name for m in pkgutil.iter_modules(xstf.__path__)}
    assert not modules & set(xstf.__all__)


def test_public_names_stay_after_importing_every_module():
    modules = [n for n in FILES if n.count(".") == 1 and n != "xstf.__init__"]
    code = f"""
import importlib, types, xstf
for name in {modules}:
    importlib.import_module(name)
for name in xstf.__all__:
    try:
        value = getattr(xstf, name)
    except ModuleNotFoundError:
        continue
    if isinstance(value, types.ModuleType):
        print(name)
"""
    assert run(code) == []


@pytest.mark.parametrize("name", files(*RANK))
def test_imports_go_one_way(name):
    for other in imports(FILES[name]):
        theirs = rank(other)
        # the registry finds methods by name, and says of what type they are
        finds = [("xstf.registry", f"xstf.{found}") for found in ("methods", "nn", "method")]
        if theirs is None or (name, other) in finds:
            continue
        package = next(p for p in RANK if below(name, p))
        assert theirs < rank(name) or below(other, package), f"{name} imports {other}"


@pytest.mark.parametrize("name", files("xstf.methods"))
def test_methods_know_neither_dask_nor_xarray(name):
    for other in imports(FILES[name]):
        assert other.split(".")[0] not in ("dask", "distributed", "xarray", "zarr", "torch"), other
        if below(other, "xstf"):
            allowed = (
                "xstf.method",
                "xstf.methods",
                "xstf.parameters",
                "xstf.sizes",
                "xstf.kernels",
                "xstf.grid",
            )
            assert any(below(other, p) for p in allowed), f"{name} imports {other}"


@pytest.mark.parametrize("name", files("xstf.kernels"))
def test_kernels_know_only_kernels(name):
    for other in imports(FILES[name]):
        assert other.split(".")[0] not in ("dask", "distributed", "xarray", "zarr", "torch"), other
        assert not below(other, "xstf") or below(other, "xstf.kernels"), f"{name} imports {other}"


@pytest.mark.parametrize("name", ["xstf.grid", "xstf.dates", "xstf.pairing"])
def test_geometry_and_dates_are_arithmetic_alone(name):
    assert {n.split(".")[0] for n in imports(FILES[name])} <= {
        "__future__", "collections", "dataclasses", "datetime", "re", "typing", "numpy", "xstf",
    }  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_only_networks_import_torch(name):
    if not below(name, "xstf.nn"):
        assert "torch" not in {n.split(".")[0] for n in imports(FILES[name])}


@pytest.mark.parametrize("name", FILES)
def test_nobody_reaches_up_to_the_door(name):
    if name != "xstf.__init__":
        assert "xstf.accessor" not in imports(FILES[name])


@pytest.mark.parametrize("name", files("xstf.methods"))
def test_a_file_of_methods_registers_its_own_name(name):
    file = name.rsplit(".", 1)[1]
    if file.startswith("_"):
        return
    from xstf.methods import SHARED
    from xstf.registry import find, names

    importlib.import_module(name)
    for own in SHARED.get(file, (file,)):
        assert own in names()
        assert find(own).name == own
        assert find(own).__module__ == name


def test_naming_the_methods_imports_none_of_them():
    loaded = run("import sys, xstf.registry; xstf.registry.names(); print(*sys.modules)")
    assert "xstf.methods" in loaded
    assert not [n for n in loaded if n.startswith("xstf.methods.") or n == "numba"]
