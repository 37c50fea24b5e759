"""The page in a browser: no error on the console, and its table and pictures answer."""

import json
import re
import shutil
import subprocess

import pytest

from tests.report.conftest import ODD
from xstf.report import write_page

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on the path")


def opened(path, folder, *, width=1200):
    """Return the DOM of a page once it is drawn, and what was written to the console."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900",
               "--virtual-time-budget=5000", "--dump-dom", path.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def asked(path, folder, script, **options):
    """Return what a script finds on a copy of the page, by way of the DOM."""
    copy = folder / "asked.html"
    added = f"<script>{script}\nconst pre = document.createElement('pre'); pre.id = 'found';\n"
    added += "pre.textContent = JSON.stringify(found); document.body.append(pre);</script></body>"
    text = path.read_text(encoding="utf-8")
    assert text.count("</body>") == 1
    copy.write_text(text.replace("</body>", added), encoding="utf-8")
    dom, console = opened(copy, folder, **options)
    assert console == []
    (said,) = re.findall(r'<pre id="found">(.*?)</pre>', dom, re.S)
    for escaped, plain in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        said = said.replace(escaped, plain)
    return json.loads(said)


@pytest.fixture
def page(judged, tmp_path):
    return write_page(**judged, path=tmp_path / "a.html")


LOOK = """
const found = {}, by = (id) => document.getElementById(id);
const names = () => [...document.querySelectorAll("#scores tbody:not([hidden]) th")]
  .map((th) => th.firstChild.textContent.trim());
const choose = (id, value) => { by(id).value = value; by(id).dispatchEvent(new Event("change")); };
"""


def test_an_error_would_be_seen(page, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("update();\n})", "nonsense();\n})"))
    assert any("nonsense" in line for line in opened(broken, tmp_path)[1])
    loading = tmp_path / "loading.html"
    outside = '<img src="http://127.0.0.1:9/a.png"></main>'
    loading.write_text(page.read_text().replace("</main>", outside))
    assert any("Content Security Policy" in line for line in opened(loading, tmp_path)[1])


def test_the_table_sorts_and_shows_one_date(page, judged, tmp_path):
    script = (
        LOOK
        + """
    const heads = [...document.querySelectorAll("#scores thead tr:last-child th")];
    const head = (text) => heads.find((th) => th.textContent.trim() === text);
    const press = (text) => {
      head(text).querySelector("button").click();
      return [names(), head(text).ariaSort];
    };
    found.before = names();
    found.mean = [press("mean"), press("mean")];
    found.others = heads.filter((th) => th.ariaSort !== "none").length;
    found.cc = press("CC");
    found.bias = press("AD");
    found.name = press("method");
    choose("table-date", "2020-05-03");
    const seen = [...document.querySelectorAll("#scores tbody")].filter((b) => b.offsetHeight);
    found.visible = seen.map((body) => body.dataset.date);
    found.last = [press("mean"), press("mean")];
    found.status = by("sorted").textContent;
    head("CC").querySelector("button").focus();
    found.focus = document.activeElement.textContent;
    """
    )
    found = asked(page, tmp_path, script)
    scores = judged["compared"]
    names = list(scores["name"].values)
    assert found["before"] == names

    def order(values):
        return [names[i] for i in values.values.argsort(kind="stable")]

    mean = order(scores.rmse.mean(("band", "time")))
    assert found["mean"] == [[mean, "ascending"], [mean[::-1], "descending"]]
    assert found["others"] == 1
    assert found["cc"] == [order(-scores.cc.mean(("band", "time"))), "descending"]
    assert found["bias"] == [order(abs(scores.bias.mean(("band", "time")))), "ascending"]
    assert found["name"] == [sorted(names, key=str.lower), "ascending"]
    assert found["visible"] == ["2020-05-03"]
    (up, _), (down, _) = found["last"]
    assert up[2] == down[2] == ODD  # it lacks that date
    assert up[:2] == down[:2][::-1]
    assert found["status"] == "sorted by mean, descending"
    assert found["focus"] == "CC"


def test_the_divider_and_the_choices_work(page, judged, tmp_path):
    script = (
        LOOK
        + """
    const options = (id) => [...by(id).options].filter((o) => !o.disabled).map((o) => o.text);
    const figures = [...document.querySelectorAll("#gallery figure")];
    const is = (id, role, method) => by(id).src === figures.find(({ dataset }) =>
      dataset.role === role && dataset.method === method && dataset.date === by("date").value
    )?.querySelector("img").src;
    const other = () => by("beside").value;
    const shown = () => ({
      left: other().startsWith("method ")
        ? is("left", "image", other().slice(7)) : is("left", other(), ""),
      right: is("right", "image", by("method").value),
      error: is("error", "error", by("method").value),
      coarse: is("coarse", "coarse", ""),
      tags: [by("left-tag").textContent, by("right-tag").textContent],
      said: by("said").textContent,
      clip: getComputedStyle(by("right")).clipPath,
      divider: by("stage").querySelector(".divider").offsetLeft / by("stage").offsetWidth,
    });
    found.hidden = [by("gallery").hidden, by("viewer").hidden];
    found.methods = options("method");
    found.first = shown();
    by("at").value = 30;
    by("at").dispatchEvent(new Event("input"));
    found.moved = shown();
    found.spoken = by("at").getAttribute("aria-valuetext");
    by("stage").scrollIntoView();
    const box = by("stage").getBoundingClientRect();
    found.hit = [0.1, 0.5, 0.9].map((part) =>
      document.elementFromPoint(box.x + part * box.width, box.y + 40).id);
    choose("method", "unchanged");
    found.method = shown();
    choose("beside", "method add");
    found.beside = shown();
    choose("method", found.methods.find((m) => m.startsWith("starfm")));
    choose("date", "2020-05-03");
    found.date = shown();
    found.offered = options("method");
    choose("beside", "coarse");
    found.cells = shown();
    found.same = [by("left"), by("right")].map((i) => [i.clientWidth, i.clientHeight]);
    """
    )
    found = asked(page, tmp_path, script)
    scores = judged["compared"]
    means = scores.rmse.mean(("band", "time"))[1:]
    better = [str(n) for n in means.sortby(means)["name"].values]
    assert found["hidden"] == [True, False]
    assert found["methods"] == [*better, "unchanged"]
    for step in ("first", "moved", "method", "beside", "date", "cells"):
        for part in ("left", "right", "error", "coarse"):
            assert found[step][part], (step, part)
    assert found["first"]["tags"] == ["truth", better[0]]
    assert found["first"]["clip"] == "inset(0px 0px 0px 50%)"
    assert found["moved"]["clip"] == "inset(0px 0px 0px 30%)"
    assert found["moved"]["divider"] == pytest.approx(0.3, abs=0.01)
    assert found["spoken"] == "30 % truth"
    assert found["hit"] == ["at"] * 3
    assert found["method"]["tags"] == ["truth", "unchanged"]
    assert found["beside"]["tags"] == ["add", "unchanged"]
    assert found["beside"]["clip"] == "inset(0px 0px 0px 30%)"
    assert found["offered"] == ["add", "unchanged"]  # the third lacks that date
    assert found["date"]["tags"][1] == "add"
    assert found["date"]["said"].startswith("add, 2020-05-03: from 2020-04-01; RMSE ")
    assert found["cells"]["tags"] == ["coarse", "add"]
    assert found["same"][0] == found["same"][1]


def test_a_narrow_window_is_not_wider_than_itself(page, tmp_path):
    script = """const stage = document.getElementById("stage"), root = document.documentElement;
    const found = [innerWidth, root.scrollWidth, stage.offsetWidth];"""
    window, content, stage = asked(page, tmp_path, script, width=500)
    assert content <= window <= 500
    assert stage > 0.85 * window
