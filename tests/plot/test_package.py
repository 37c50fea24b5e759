"""What the package promises as a whole: matplotlib at the leaf, no backend, no clash of names."""

import pickle
import pkgutil
import subprocess
import sys

import matplotlib
import pytest

import xstf.plot
import xstf.report
from tests.plot.scores import compared
from xstf import plot


def calls(scene, truth, fused, folder):
    """Return one call of each public function that draws."""
    return [
        plot.check_installed,
        lambda: plot.triptych(scene, fused),
        lambda: plot.series(scene, fused),
        lambda: plot.scatter(fused["add"], truth),
        lambda: plot.apa(compared()),
        lambda: plot.errors(compared()),
        lambda: plot.overview({"a": truth[0]}, folder / "a.png"),
    ]


def test_without_matplotlib_the_install_line(fused, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for call in calls(*fused, tmp_path):
        with pytest.raises(ImportError, match=r'pip install "xstf\[plot\]"'):
            call()


def test_the_users_backend_and_figures_are_left_alone(fused, tmp_path):
    import matplotlib.pyplot as plt

    before = matplotlib.get_backend(), plt.get_fignums(), dict(matplotlib.rcParams)
    for call in calls(*fused, tmp_path):
        figure = call()
        if hasattr(figure, "savefig"):
            figure.savefig(tmp_path / "b.png")
    assert (matplotlib.get_backend(), plt.get_fignums(), dict(matplotlib.rcParams)) == before


def test_nothing_imports_pyplot_and_matplotlib_comes_late(tmp_path):
    code = (
        "import sys, xarray as xr, numpy as np, xstf.plot, xstf.report\n"
        "assert not {'matplotlib', 'PIL'} & set(sys.modules)\n"
        "image = xr.DataArray(np.ones((1, 4, 4)), dims=('band', 'y', 'x'))\n"
        f"xstf.plot.overview({{'a': image}}, {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", [xstf.plot, xstf.report])
def test_no_public_name_is_a_module(package):
    assert not {m.name for m in pkgutil.iter_modules(package.__path__)} & set(package.__all__)


def test_a_notebook_shows_a_figure_without_pyplot():
    figure = plot.apa(compared())
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert pickle.loads(pickle.dumps(figure))._repr_png_() == figure._repr_png_()
