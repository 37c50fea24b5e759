"""What `ds.stf` shows of a scene, as text and in notebooks, without reading a pixel."""

import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from xstf.accessor import SceneAccessor
from xstf.portrait import portrait_of
from xstf.registry import find, names

VERBS = {
    "check", "compare", "consistency", "estimate", "estimate_shift", "find_observed",
    "find_suspects", "fit", "fuse", "fuse_store", "isel", "mend_shift", "plot", "recommend",
    "report", "score", "sel",
}  # fmt: skip


class Reader(HTMLParser):
    """Keeps the cells of tables, and what is drawn."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.paths, self.inside, self.open = [], [], None, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag in ("th", "td"):
            self.inside = ""
        elif tag == "path":
            self.paths.append(dict(attrs)["d"])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("th", "td"):
            self.cells.append(self.inside)
            self.inside = None

    def handle_data(self, text):
        if self.inside is not None:
            self.inside += text

    @property
    def rows(self):
        return dict(zip(self.cells[::2], self.cells[1::2], strict=True))


def rows_of(text):
    """Return the rows of a text by their names."""
    lines = [line for line in text.splitlines()[1:] if not line.startswith(" ")]
    return {line[:12].strip(): line[12:] for line in lines}


def test_text_and_page_say_the_same_of_grids_and_dates(tiny, nothing_computes):
    ds = tiny[0].chunk()
    page = Reader(ds.stf._repr_html_())
    said = rows_of(repr(ds.stf))
    assert said["fine"] == "48 x 64 pixels, 2 bands: red nir, 30 wide, EPSG:32633"
    assert said["coarse"] == "6 x 8 cells, scale 8"
    assert said["pairs"] == "2 dates with both images"
    assert {name: page.rows[name] for name in said if name != "can run"} == {
        name: value for name, value in said.items() if name != "can run"
    }
    assert page.open == []


def test_the_strip_marks_each_date_in_its_place(tiny):
    ds = tiny[0]
    assert "#..#" in "".join(
        line.split()[-1] for line in repr(ds.stf).splitlines() if "20-" in line
    )
    fine, coarse = Reader(ds.stf._repr_html_()).paths
    at = [[float(tick.split()[0]) for tick in path.split("M")[1:]] for path in (fine, coarse)]
    days = (ds.time - ds.time[0]).values / np.timedelta64(1, "D")
    assert np.allclose(np.diff(at[1]) / np.diff(days), np.diff(at[1])[0] / np.diff(days)[0], 0.01)
    assert at[0] == [at[1][0], at[1][-1]]


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_methods_are_those_that_so_many_pairs_are_enough_for(tiny, pairs):
    ds = tiny[0].isel(time=[0, 1, 3][: pairs + 1] if pairs else [1, 2])
    ds["fine_observed"] = ("time", np.arange(ds.sizes["time"]) < pairs)
    told = portrait_of(ds).methods
    found = {name for label, able in told if label != "trained first" for name in able.split(", ")}
    assert found == {n for n in names(networks=False) if find(n).pairs[0] <= pairs}
    assert ("trained first" in dict(told)) == (pairs > 1)


def test_labels_say_how_many_pairs_a_method_uses(tiny):
    by_name = {n: label for label, able in portrait_of(tiny[0]).methods for n in able.split(", ")}
    assert by_name["fsdaf"] == "1 pair"
    assert by_name["estarfm"] == "2 pairs"
    assert by_name["starfm"] == "1 or 2 pairs"
    assert by_name["vipstf"] == "1 pair or more"


def test_dates_that_are_not_known_are_not_looked_for(tiny, nothing_computes):
    ds = tiny[0].drop_vars(["fine_observed", "coarse_observed"]).chunk()
    assert rows_of(repr(ds.stf))["pairs"].startswith("not known; ds = xstf.find_observed(ds)")
    assert Reader(ds.stf._repr_html_()).paths == []


def test_what_is_no_scene_says_why(tiny):
    other = xr.Dataset({"a<b": ("t", [1.0])})
    assert repr(other.stf).startswith("<not an xstf scene>\nbecause")
    assert "build one with xstf.scene" in repr(other.stf)
    page = other.stf._repr_html_()
    assert "a<b" not in page
    assert "a&lt;b" in page


def test_a_tree_and_a_scene_of_one_date_are_shown(tiny):
    one = tiny[0].isel(time=[0])
    assert rows_of(repr(one.stf))["dates"] == "2020-04-01"
    assert Reader(one.stf._repr_html_()).paths[0].count("M") == 1
    tree = xr.DataTree.from_dict({f"/{kind}": tiny[0][[kind]] for kind in ("fine", "coarse")})
    assert "6 x 8 cells, scale 8" in repr(tree.stf)


def test_the_drawing_is_well_formed(tiny):
    page = tiny[0].stf._repr_html_()
    drawing = ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert drawing.get("aria-label") == "2 fine and 4 coarse images on 4 dates"
    assert [node.text for node in drawing.iter("text")][:2] == ["fine", "coarse"]


def test_verbs_complete():
    assert {name for name in dir(SceneAccessor) if not name.startswith("_")} == VERBS
    for verb in VERBS:
        assert getattr(SceneAccessor, verb).__doc__


def test_showing_a_scene_imports_no_torch():
    code = (
        "import sys, xstf; ds, _ = xstf.simulate(size=32, dates=3, pairs=2); repr(ds.stf);"
        "ds.stf._repr_html_(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
