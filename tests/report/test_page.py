"""The page: nothing from outside, pictures that decode, numbers that are those of the Dataset."""

import re

import dask
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback

from tests.plot.scores import compared
from tests.report.conftest import ODD
from tests.report.parsing import Page, picture
from xstf.plot.colours import coloured
from xstf.report import page, pictures, write_page


@pytest.fixture
def written(judged, tmp_path):
    """Return a function that writes a page, with some parts changed, and parses it."""

    def make(**changes):
        path = write_page(**(judged | {"path": tmp_path / "new" / "a.html"} | changes))
        text = path.read_text(encoding="utf-8")
        return Page(text), text

    return make


def test_nothing_comes_from_outside(written):
    read, text = written(title="A <b>title</b> & more", notes=["<script>alert(1)</script>", "two"])
    loading = ("src", "href", "srcset", "poster", "data", "action", "background", "ping")
    found = [(tag, name, value) for tag, name, value in read.attributes if name in loading]
    assert len(found) > 20
    assert all(value.startswith("data:") for _, _, value in found)
    bare = re.sub(r'"data:[^"]*"', '""', text)
    for word in ("http:", "https:", "//", "url(", "@import", "fetch(", "XMLHttp", "import("):
        assert word not in re.sub(r"(^|\s)// [^\n]*", "", bare), word
    assert not [n for _, n, _ in read.attributes if n.startswith("on")]
    (policy,) = [v for t, n, v in read.attributes if t == "meta" and v.startswith("default-src")]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "<script>alert" not in text
    assert "<b>title" not in text
    assert read.texts["h1"].strip() == read.texts["title"] == "A <b>title</b> & more"
    assert read.texts["p"].startswith("<script>alert(1)</script>")
    assert text.count("<script>") == text.count("</script>") == 1


def test_pictures_decode_and_show_what_they_say(written, judged):
    read, _ = written()
    truth, predicted = judged["truth"], judged["predicted"]
    roles = [(i.get("data-date"), i.get("data-role"), i.get("data-method")) for i in read.images]
    days = [str(t)[:10] for t in truth.time.values]
    for day, methods in zip(days, (list(predicted), ["unchanged", "add"]), strict=True):
        wanted = [(day, "truth", ""), (day, "coarse", "")]
        wanted += [(day, role, m) for role in ("image", "error") for m in methods]
        assert sorted(r for r in roles if r[0] == day) == sorted(wanted)
    for image in read.images:
        drawn = picture(image["src"])
        if "data-role" not in image:
            continue
        assert (drawn.width, drawn.height) == (int(image["width"]), int(image["height"]))
        true = truth.sel(time=image["data-date"]).values
        source = {"truth": truth, "coarse": judged["coarse"]}.get(image["data-role"])
        source = predicted[image["data-method"]] if source is None else source
        values = source.sel(time=image["data-date"]).values[[1, 0, 0]]  # nir, red
        if image["data-role"] == "error":
            values = (values[:2] - true[::-1]).mean(axis=0)
            red, _, blue = np.moveaxis(np.asarray(drawn, float), -1, 0)
            strong = np.abs(values) > 0.5 * float(image["data-top"])
            assert np.mean((red > blue)[strong] == (values > 0)[strong]) > 0.99
        else:
            low, high = np.percentile(true[[1, 0, 0]], (2, 98), axis=(1, 2))[..., None, None]
            expected = coloured(values, low, high).astype(float)
            assert np.abs(np.asarray(drawn, float) - expected).mean() < 12  # JPEG of noise
    sources = [v for t, n, v in read.attributes if n == "srcset"]
    assert len(sources) == 2 * 3
    widths = {picture(uri).width for uri in sources}
    assert len(widths) == 2


def test_the_table_has_the_numbers_of_the_dataset(written, judged):
    read, _ = written()
    scores = judged["compared"]
    heads = ["method", "red", "nir", "mean", "AD", "CC", "Edge", "LBP", "SAM deg", "seconds"]
    assert read.heads == [*heads, "dates"]
    days = [str(t)[:10] for t in scores.time.values]
    assert list(read.views) == ["all", *days]
    for view, rows in read.views.items():
        at = scores if view == "all" else scores.sel(time=[view])
        numbers = at.drop_vars("pair_dates")
        mean = {n: a.mean([d for d in a.dims if d != "name"]).values for n, a in numbers.items()}
        expected = [
            *(at.rmse.mean("time") * 1e4).values.T, mean["rmse"] * 1e4, mean["bias"] * 1e4,
            *(mean[n] for n in ("cc", "edge", "lbp", "sam", "seconds")),
            np.isfinite(at.sam).sum("time").values,
        ]  # fmt: skip
        digits = [1, 1, 1, 1, 3, 3, 3, 2, 1, 0]
        expected[-2] = np.where(scores.trivial, np.nan, expected[-2])  # doing nothing is no feat
        assert [r["cells"][0]["text"].split(" does")[0] for r in rows] == list(
            scores["name"].values
        )
        assert [r["nothing"] for r in rows] == scores.trivial.values.tolist()
        for i, row in enumerate(rows):
            for cell, values, n in zip(row["cells"][1:], expected, digits, strict=True):
                if np.isnan(values[i]):
                    assert (cell["text"], cell["value"]) == ("-", "")
                else:
                    assert cell["text"] == f"{values[i]:.{n}f}"
                    assert float(cell["value"]) == pytest.approx(values[i])


def test_the_best_are_bold_but_not_among_fewer_dates(written, judged):
    scores = judged["compared"]
    scores["rmse"][2] = 0.001  # of the method that lacks a date
    scores["rmse"][2, 1] = np.nan
    read, text = written()
    best = {v: [r["cells"][3]["best"] for r in rows] for v, rows in read.views.items()}
    first, last = (str(t)[:10] for t in scores.time.values)
    means = scores.rmse.mean(("band", "time")).values[:2]
    assert best["all"] == [*(means == means.min()), False]
    assert best[first] == [False, False, True]
    assert best[last].count(True) == 1
    assert "only among methods that have all 2 of them" in text
    zero = [abs(float(r["cells"][4]["value"])) for r in read.views[first]]
    assert [r["cells"][4]["best"] for r in read.views[first]] == [z == min(zero) for z in zero]


def test_only_one_image_of_a_lazy_comparison_is_computed_at_a_time(judged, tmp_path):
    began = []

    class Watch(Callback):
        def _start(self, dsk):
            began.append(set())

        def _pretask(self, key, dsk, state):
            if isinstance(key, tuple) and str(key[0]).startswith("image-"):
                began[-1].add(key[:2])

    def lazy(images, name):
        from dask.array import map_blocks

        held = images.chunk({"time": 1, "y": 16}).data
        return images.copy(data=map_blocks(np.copy, held, dtype="f4", name=f"image-{name}"))

    predicted = {n: lazy(a, i) for i, (n, a) in enumerate(judged["predicted"].items())}
    changes = {"truth": lazy(judged["truth"], "truth"), "predicted": predicted}
    with dask.config.set({"optimization.fuse.active": False}), Watch():
        write_page(**(judged | changes), path=tmp_path / "a.html")
    used = [sorted(keys) for keys in began if keys]
    assert all(len(keys) == 1 for keys in used)
    assert len(used) == 2 + 5  # truths and predictions, each once
    write_page(**judged, path=tmp_path / "b.html")
    assert (tmp_path / "a.html").read_text() == (tmp_path / "b.html").read_text()


def test_a_page_appears_whole_or_not_at_all(judged, tmp_path, monkeypatch):
    path = tmp_path / "a.html"
    path.write_text("before")
    with pytest.raises(ValueError, match="no band 'blue' to draw; there are red, nir"):
        write_page(**judged, path=path, bands="blue")

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(page.os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_page(**judged, path=path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
    assert path.read_text() == "before"


def test_large_images_are_thinned_and_it_is_said(written, monkeypatch):
    monkeypatch.setattr(pictures, "SIDE", 20)
    monkeypatch.setattr(pictures, "_FEWEST", 10)
    read, text = written()
    sizes = {
        (i["width"], i["height"])
        for i in read.images
        if i.get("data-role") in ("truth", "image", "error")
    }
    assert sizes == {("16", "12")}
    assert "Of the fine images one pixel of 4 along each side is drawn." in text
    assert "every pixel is drawn" not in text


@pytest.mark.parametrize(("dates", "methods", "side"), [(1, 5, 900), (6, 10, 476), (365, 20, 300)])
def test_many_pictures_are_smaller(dates, methods, side):
    assert pictures.side_of(dates, methods) == side


def test_kelvin_is_not_scaled(written, judged):
    scores = judged["compared"]
    del scores.attrs["scene_range"]
    scores.rmse.attrs["units"] = "kelvin"
    read, text = written()
    value = float(scores.rmse.sel(band="red")[1].mean())
    assert read.views["all"][1]["cells"][1]["text"] == f"{value:.4f}"
    assert "RMSE (kelvin)" in text
    assert "10<sup>" not in text


def test_facts_notes_pairs_and_what_was_left_out(written, judged):
    judged["compared"].attrs["left_out"] = "estarfm: it needs more pairs"
    read, text = written(notes="Use add.")
    facts = dict(
        zip(re.findall(r"<dt>(.*?)</dt>", text), re.findall(r"<dd>(.*?)</dd>", text), strict=True)
    )
    assert facts["Fine image"] == "48 × 64 pixels"
    assert facts["Scale"] == "8 fine pixels a coarse cell (6 × 8 cells)"
    assert facts["Bands"] == "red, nir"
    assert facts["Dates"] == "2, 2020-04-17 to 2020-05-03"
    assert facts["Methods"] == "2, beside 1 that do nothing"
    assert facts["AD"].startswith("long bias, mean over bands; best at zero")
    assert "Left out: estarfm: it needs more pairs." in text
    assert "<p>Use add.</p>" in text
    said = {v for t, n, v in read.attributes if n == "data-said" and v}
    rmse = float(judged["compared"].rmse[1, 0].mean()) * 1e4
    assert any(s.startswith(f"from 2020-04-01; RMSE {rmse:.1f} × 10⁻⁴, CC 0.") for s in said)


def test_without_coarse_edges_pictures_or_dates(written, judged):
    scores = judged["compared"]
    read, _ = written(coarse=None, compared=scores.drop_vars("edge"))
    assert "coarse" not in {i.get("data-role") for i in read.images}
    assert len([n for _, n, _ in read.attributes if n == "srcset"]) == 3  # one chart
    read, text = written(predicted={})
    assert 'id="viewer"' not in text
    assert not [i for i in read.images if i.get("data-role")]
    read, _ = written(compared=compared(dates=2).isel(time=0))
    assert list(read.views) == ["all", "2020-04-17"]
    assert ODD not in read.views["all"][-1]["cells"][0]["text"]


def test_what_has_no_score_is_offered_last(judged):
    scores = judged["compared"]
    shown = pictures.Shown(
        tuple(pictures.Picture("image", m, "", 1, 1) for m in ("x", "add", "unchanged", ODD)), 1.0
    )
    scores["rmse"][1] = 0.2
    scores["rmse"][2, 0] = 0.1
    assert page._offered(scores, {"d": shown}) == [ODD, "add", "unchanged", "x"]


def test_refusals(judged, tmp_path):
    scores = judged["compared"]
    for changes, message in (
        ({"compared": scores.isel(name=0)}, "need the dimension name"),
        ({"compared": scores.drop_vars("rmse")}, "no 'rmse'"),
        (
            {"predicted": {"add": judged["truth"][..., :8]}},
            "'add' is 48 x 8 pixels, the scene 48 x 64",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            write_page(**(judged | changes), path=tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_the_files_of_the_page_lie_in_the_package():
    from importlib.resources import files

    for name in ("page.html.j2", "page.css", "page.js"):
        assert files("xstf.report").joinpath(name).is_file()


def test_the_largest_error_is_dark_and_the_missing_have_their_colour():
    error = np.array([[-1.0, 0.0, 1.0, np.nan]], "f4")
    blue, white, red, missing = pictures._diverging(error, 1.0)[0].astype(int).tolist()
    assert blue[2] > blue[0] + 50
    assert min(white) > 240
    assert red[0] > red[2] + 50
    assert missing == [0xC9, 0xD3, 0xE6]


def test_uris_are_exact_where_png_is_smaller():
    flat = np.zeros((40, 40, 3), np.uint8)
    flat[10:20] = (200, 10, 30)
    assert pictures.uri_of(flat).startswith("data:image/png")
    np.testing.assert_array_equal(np.asarray(picture(pictures.uri_of(flat))), flat)
    noisy = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    assert pictures.uri_of(noisy).startswith("data:image/jpeg")


def test_images_of_one_date_without_a_time_dimension(judged, tmp_path):
    one = {"compared": judged["compared"].isel(time=[0]), "truth": judged["truth"].isel(time=0),
           "predicted": {"add": judged["predicted"]["add"].isel(time=0)},
           "coarse": judged["coarse"].isel(time=0)}  # fmt: skip
    assert isinstance(one["truth"], xr.DataArray)
    read = Page(write_page(**one, path=tmp_path / "a.html").read_text())
    assert {i["data-role"] for i in read.images if i.get("data-role")} == {
        "truth",
        "coarse",
        "image",
        "error",
    }
