"""How the site is built: ``sphinx-build -W docs docs/_build/html``."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import xstf  # noqa: E402 - after the path, as all that follows

# for the kernels of the notebooks: libraries start no threads, and `!xstf` is this environment's
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

project = "xstf"
author = copyright = "The xstf developers"
version = release = xstf.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "pages",
    "scores",
]
exclude_patterns = ["_build", "_ext", "_results", "**/.ipynb_checkpoints"]
suppress_warnings = ["mystnb.unknown_mime_type"]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 600  # seconds for a cell; kernels may have to be compiled
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_output_stderr = "warn"  # what a notebook says there, such as a warning, fails the build
nb_merge_streams = True
nb_ipywidgets_js = {}  # which would be fetched from the network

default_role = "py:obj"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries_show_parents = "hide"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = "xstf"
html_static_path = ["_static"]
html_css_files = ["xstf.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "xstf"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
ALONE = "index tutorial which_method benchmarks gpfuse design changelog cite"
html_sidebars = {name: [] for name in ALONE.split()}  # pages without others beside them
copybutton_exclude = ".linenos, .gp, .go"
