"""The command line: what it writes and prints, and how it fails."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import xstf
from tests.cli.runner import invoke
from xstf import cli
from xstf.cli import inputs, main, options, words
from xstf.report import table

DATA = Path(__file__).parents[2] / "shared" / "data"
DAYS = ["2020-04-01", "2020-04-17", "2020-05-03", "2020-05-19"]  # of the scene; ends are pairs


def run(*arguments, code=0):
    """Run a command; return its result once its exit code is right."""
    result = invoke(arguments)
    assert result.exit_code == code, result.stdout + result.stderr
    if code in (1, 2):
        assert "Traceback" not in result.stdout + result.stderr
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stderr.startswith("Error: ")
    return result


def python(*arguments, **options):
    """Run the command line in a process of its own."""
    call = [sys.executable, "-c", "from xstf.cli import main; main()", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=60, **options)


@pytest.fixture
def scene(tiny, tmp_path):
    """Return the path of the tiny scene in Zarr."""
    return xstf.save(tiny[0], tmp_path / "scene.zarr")


@pytest.fixture
def truth(tiny, tmp_path):
    return xstf.save(tiny[1].to_dataset(name="fine"), tmp_path / "truth.zarr")


@pytest.fixture
def known(tiny, tmp_path):
    """Return the path of a scene whose dates all have a fine image, and the scene."""
    ds, truth = tiny
    ds = ds.assign(fine=truth, fine_observed=("time", np.ones(4, bool))).compute()
    return xstf.save(ds, tmp_path / "known.zarr"), ds


def fused_of(path):
    return inputs.open_zarr(path)["fused"].load()


def partial(folder):
    return [p.name for p in folder.rglob(".*")]


# fuse


def test_fuse_writes_what_the_library_predicts(scene, tiny, tmp_path):
    said = run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr").output
    expected = xstf.fuse(tiny[0], "add").compute()
    xr.testing.assert_equal(fused_of(tmp_path / "a.zarr").drop_vars("pair_dates"),
                            expected.drop_vars("pair_dates"))  # fmt: skip
    assert f"wrote {tmp_path / 'a.zarr'}: 2 dates, 2 bands, 48 x 64 pixels" in said
    assert f"  {DAYS[1]}  from {DAYS[0]} {DAYS[3]}" in said


def test_fuse_writes_geotiffs(scene, tiny, tmp_path):
    out = tmp_path / "tifs"
    run("fuse", scene, "-m", "add", "-o", out, "--dtype", "int16", "--out-scale-factor", "1e-4")
    assert sorted(p.name for p in out.iterdir()) == [f"fused_{d}.tif" for d in DAYS[1:3]]
    read = xstf.read_images(f"{out}/*.tif")
    np.testing.assert_allclose(read.values, xstf.fuse(tiny[0], "add").values, atol=0.51e-4)
    assert list(read.band.values) == ["red", "nir"]


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        (["--dates", DAYS[2]], {"dates": [DAYS[2]]}),
        (["--dates", f"{DAYS[1]}/{DAYS[1]}"], {"dates": slice(DAYS[1], DAYS[1])}),
        (["--dates", f"{DAYS[2]}/"], {"dates": slice(DAYS[2], None)}),
        (["--dates", f"{DAYS[0]},{DAYS[1]}", "--pairs", DAYS[3]],
         {"dates": [DAYS[0], DAYS[1]], "pairs": [DAYS[3]]}),
        (["--pairs", "nearest"], {"pairs": "nearest"}),
        (["--pairs", "1"], {"pairs": 1}),
        (["-p", "upsample=nearest"], {"upsample": "nearest"}),
        (["--blocksize", "32", "--workers", "1"], {}),
    ],
)  # fmt: skip
def test_options_reach_the_library(scene, tiny, tmp_path, arguments, keywords):
    run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", *arguments)
    found, expected = fused_of(tmp_path / "a.zarr"), xstf.fuse(tiny[0], "add", **keywords)
    np.testing.assert_array_equal(found.values, expected.values)
    assert list(found.pair_dates.values) == list(expected.pair_dates.values)
    side = (32, 32) if "--blocksize" in arguments else (48, 64)
    assert found.encoding["chunks"][2:] == side
    assert found.attrs["parameter_upsample"] == keywords.get("upsample", "cubic")


def test_workers_reach_dask(scene, tmp_path, monkeypatch):
    import dask

    from xstf import geotiff
    from xstf.archive import schedule

    seen, write, threads = [], geotiff.write_images, schedule.Threads.__init__

    def watched(*given, **options):
        seen.append(dask.config.get("num_workers"))
        return write(*given, **options)

    def counted(self, job, workers):
        seen.append(workers)
        threads(self, job, workers)

    monkeypatch.setattr(geotiff, "write_images", watched)
    monkeypatch.setattr(schedule.Threads, "__init__", counted)
    run("fuse", scene, "-m", "add", "-o", tmp_path / "tifs", "--workers", 3)
    run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", "--workers", 2)
    assert seen == [3, 2]


def test_quality_writes_the_other_layers(tmp_path):
    simulated, _ = xstf.simulate("parcels", size=48, scale=8, dates=3, bands=("red", "nir"))
    path = xstf.save(simulated, tmp_path / "scene.zarr")
    small = ["-p", "window=11", "-p", "small=10"]
    run("fuse", path, "-m", "fsdaf", "-o", tmp_path / "a.zarr", "--quality", *small)
    assert {"fused", "similar"} <= set(inputs.open_zarr(tmp_path / "a.zarr").data_vars)
    run("fuse", path, "-m", "fsdaf", "-o", tmp_path / "t", "--quality", code=2)


def test_fill_keeps_what_was_observed(known, tmp_path):
    path, ds = known
    ds["fine"].values[1, :, 5:9, 5:9] = np.nan
    xstf.save(ds, path, overwrite=True)
    given = ["--fill", "--combine", "nearest", "--pairs", 2]
    run("fuse", path, "-m", "add", *given, "-o", tmp_path / "a.zarr")
    found = inputs.open_zarr(tmp_path / "a.zarr").load()
    expected = ds.stf.fuse("add", fill=True, combine="nearest", pairs=2).compute()
    np.testing.assert_array_equal(found.fused, expected.fused)
    assert int(found.filled.sum()) == 2 * 16
    said = run("fuse", path, "-m", "add", "--fill", "-o", tmp_path / "tifs", code=2).stderr
    assert "--fill writes several layers" in said


def test_names_range_and_classes_of_a_scene(scene, tiny, tmp_path):
    other = tmp_path / "other.zarr"
    xstf.save(tiny[0].rename(fine="landsat", coarse="modis"), other)
    names = ["--fine-name", "landsat", "--coarse-name", "modis"]
    run("fuse", other, "-m", "add", "-o", tmp_path / "a.zarr", *names, "--valid-range", "none")
    assert fused_of(tmp_path / "a.zarr").attrs.get("scene_range") is None
    run("fuse", scene, "-m", "add", "-o", tmp_path / "b.zarr", "--valid-range", "0,0.5")
    assert fused_of(tmp_path / "b.zarr").attrs["scene_range"] == [0, 0.5]


def test_classes_come_from_a_file(tmp_path):
    simulated, _ = xstf.simulate("parcels", size=48, scale=8, dates=3, bands=("red", "nir"))
    path = xstf.save(simulated, tmp_path / "scene.zarr")
    classes = np.where(np.arange(48) < 24, 1, 2) * np.ones((48, 1), int)
    image = simulated.fine.isel(time=[0], band=[0]).copy(data=classes[None, None].astype("f4"))
    (file,) = xstf.write_images(image, tmp_path, prefix="classes")
    given = ["-m", "fsdaf", "-p", "window=11", "-p", "small=10"]
    run("fuse", path, *given, "-o", tmp_path / "a.zarr", "--classes", file)
    run("fuse", path, *given, "-o", tmp_path / "b.zarr")
    expected = xstf.fuse(
        simulated.assign(classes=(("y", "x"), classes)), "fsdaf", window=11, small=10
    )
    np.testing.assert_array_equal(fused_of(tmp_path / "a.zarr").values, expected.values)
    assert not np.array_equal(fused_of(tmp_path / "b.zarr").values, expected.values)


@pytest.fixture
def files(tiny, tmp_path):
    """Write the tiny scene as integer GeoTIFFs: the pairs and a fine date without a pixel."""
    scene = tiny[0]
    fine = scene.fine.isel(time=[0, 2, 3])
    coarse = scene.coarse.rename(y_coarse="y", x_coarse="x").drop_vars("spatial_ref_coarse")
    packed = {"dtype": "int16", "scale_factor": 1e-4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the middle date is missing everywhere
        xstf.write_images(fine, tmp_path / "fine", prefix="f", **packed)
    xstf.write_images(coarse, tmp_path / "coarse", prefix="c", **packed)
    return ["--fine", f"{tmp_path}/fine/*.tif", "--coarse", f"{tmp_path}/coarse/*.tif"]


def test_fuse_reads_files(files, tiny, tmp_path):
    given = ["-m", "add", "-o", tmp_path / "a.zarr", "--min-seen", "0.5", "--dates", DAYS[1]]
    run("fuse", *files, *given)
    found, expected = fused_of(tmp_path / "a.zarr"), xstf.fuse(tiny[0], "add", dates=DAYS[1])
    np.testing.assert_allclose(found.values, expected.values, atol=4e-4)
    assert found.pair_dates.values[0] == f"{DAYS[0]} {DAYS[3]}"


def test_an_empty_pair_names_the_flag(files, tmp_path):
    result = run("fuse", *files, "-m", "add", "-o", tmp_path / "a.zarr", "--dates", DAYS[1], code=1)
    assert f"{DAYS[2]} is all missing" in result.stderr
    assert "--min-seen 0" in result.stderr
    assert not (tmp_path / "a.zarr").exists()
    assert not partial(tmp_path)


def test_several_files_and_their_dates(files, tmp_path):
    names = [f"{tmp_path}/{kind}_{day}.tif" for kind in ("fine/f", "coarse/c") for day in DAYS]
    ours = ["--fine", names[0], "--fine", names[3], "--coarse", names[4], "--coarse", names[5]]
    dates = ["--fine-dates", "2021-01-01,2021-01-09", "--coarse-dates", "2021-01-01,2021-01-05"]
    run("fuse", *ours, *dates, "-m", "fsdaf", "-p", "window=11", "-p", "small=10",
        "-o", tmp_path / "a.zarr", "--bands", "r,n")  # fmt: skip
    found = fused_of(tmp_path / "a.zarr")
    assert [inputs.day(t) for t in found.time.values] == ["2021-01-05"]
    assert list(found.band.values) == ["r", "n"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either SCENE.zarr, or --fine and --coarse"),
        (["--fine", "a"], "either SCENE.zarr, or --fine and --coarse"),
        (["s.zarr", "--fine", "a", "--coarse", "b"], "not both"),
        (["b.tif", "--fine", "a.tif"], "Put patterns in quotes"),
        (["s.zarr", "--scale", "16"], "--scale is for image files"),
        (["--fine", "a", "--coarse", "b", "--fine-name", "f"], "are for SCENE.zarr"),
        (["s.zarr", "-p", "window"], "is no name=value"),
        (["s.zarr", "--dates", "2020-13-01"], "is no date"),
        (["s.zarr", "--dates", "20200101"], "is no date"),
        (["s.zarr", "--dates", "/"], "no span of dates"),
        (["s.zarr", "--dates", "a,,b"], "empty name"),
        (["s.zarr", "--pairs", "best"], "is no date"),
        (["s.zarr", "--valid-range", "1,0"], "must be the smaller one"),
        (["s.zarr", "--valid-range", "all"], "is no range"),
        (["s.zarr", "--workers", "0"], "not in the range"),
    ],
)
def test_usage_errors(arguments, said, tmp_path):
    result = run("fuse", *arguments, "-m", "add", "-o", tmp_path / "a.zarr", code=2)
    assert said in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def test_out_is_checked_before_any_work(scene, tmp_path, nothing_computes, monkeypatch):
    monkeypatch.setattr("xstf.api.fuse", None)
    monkeypatch.setattr("xstf.store.open_scene", None)
    (tmp_path / "a.txt").write_text("mine")
    there = tmp_path / "a.zarr"
    there.mkdir()
    result = run("fuse", scene, "-m", "add", "-o", there, code=1)
    assert "replace it with --overwrite" in result.stderr
    (tmp_path / "plain").write_text("mine")
    assert "is a file" in run("fuse", scene, "-m", "add", "-o", tmp_path / "plain", code=1).stderr
    for out in ("a.nc", "a.zar", ""):
        said = run("fuse", scene, "-m", "add", "-o", out and tmp_path / out, code=2).stderr
        assert "a .zarr" in said
    assert "lies in it" in run("fuse", scene, "-m", "add", "-o", scene / "x", code=2).stderr
    assert "the scene itself" in run("fuse", scene, "-m", "add", "-o", scene, code=2).stderr
    result = run("fuse", scene, "-m", "add", "-o", tmp_path / "a.tif", code=2)
    assert "one GeoTIFF a date" in result.stderr
    (tmp_path / "a.png").write_text("mine")
    given = ["-m", "add", "-o", tmp_path / "b.zarr", "--png"]
    assert "another --png" in run("fuse", scene, *given, tmp_path / "a.png", code=1).stderr
    assert "must end in .png" in run("fuse", scene, *given, tmp_path / "b.xyz", code=2).stderr
    assert "no folder for --png" in run("fuse", scene, *given, tmp_path / "c/b.png", code=1).stderr
    assert (tmp_path / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("out", ["a.zarr", "tifs"])
def test_overwrite(scene, tmp_path, out):
    given = ["fuse", scene, "-m", "add", "-o", tmp_path / out, "--dates", DAYS[1]]
    run(*given)
    assert "--overwrite" in run(*given, code=1).stderr
    run(*given, "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "starfn"], "did you mean 'starfm'"),
        (["-m", "add", "-p", "upsamble=linear"], "did you mean 'upsample'"),
        (["-m", "add", "-p", "upsample=best"], "breaks its rule"),
        (["-m", "starfm", "-p", "window=4"], "an odd whole number"),
        (["-m", "starfm", "-p", "window=99"], "--param window=47"),
        (["-m", "add", "--dates", "2020-04-02"], "is not a date of the scene"),
        (["-m", "add", "--quality", "--pairs", DAYS[0]], "--quality asks for more layers"),
        (["-m", "add", "--dtype", "int16"], "without a scale_factor"),
    ],
)
def test_the_librarys_errors_are_one_line(scene, tmp_path, arguments, said):
    assert said in run("fuse", scene, "-o", tmp_path / "a.zarr", *arguments, code=1).stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scene.zarr"]


def test_missing_inputs(tmp_path):
    out = ["-m", "add", "-o", tmp_path / "a.zarr"]
    assert "no.zarr" in run("fuse", tmp_path / "no.zarr", *out, code=1).stderr
    files = ["--fine", tmp_path / "f*.tif", "--coarse", tmp_path / "c*.tif"]
    assert "f*.tif" in run("fuse", *files, *out, code=1).stderr


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_shows_where(scene, tmp_path, where):
    call = ["fuse", str(scene), "-m", "none-such", "-o", str(tmp_path / "a.zarr")]
    call = ["--debug", *call] if where == "before" else [*call, "--debug"]
    result = invoke(call)
    assert isinstance(result.exception, ValueError)


def test_warnings_are_one_line(scene, tmp_path, tiny):
    cloudy = tiny[0].copy()
    cloudy["coarse"][1] = np.nan
    xstf.save(cloudy, tmp_path / "cloudy.zarr")
    result = run("fuse", tmp_path / "cloudy.zarr", "-m", "add", "-o", tmp_path / "a.zarr")
    assert result.stderr.splitlines() == [
        line for line in result.stderr.splitlines() if line.startswith("Warning: ")
    ]
    assert f"missing everywhere on {DAYS[1]}" in result.stderr
    assert "UserWarning" not in result.stderr


def test_png_with_truth_and_without(scene, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = []
    monkeypatch.setattr(
        "xstf.plot.overview", lambda images, path, **k: (drawn.append((images, k)), path)[1]
    )
    given = ["fuse", scene, "-m", "add", "--png", tmp_path / "a.png"]
    run(*given, "-o", tmp_path / "a.zarr", "--dates", DAYS[1])
    run(*given, "-o", tmp_path / "tifs", "--dates", DAYS[0])
    (images, others), (again, known) = drawn
    assert list(images) == [
        f"fine {DAYS[0]}",
        f"fine {DAYS[3]}",
        f"coarse {DAYS[1]}",
        f"add {DAYS[1]}",
    ]
    assert others["errors"] == {}
    assert list(again) == [
        f"fine {DAYS[3]}",
        f"coarse {DAYS[0]}",
        f"add {DAYS[0]}",
        f"true {DAYS[0]}",
    ]
    error = known["errors"]["error of add"]
    expected = again[f"add {DAYS[0]}"].values - again[f"true {DAYS[0]}"].values
    np.testing.assert_array_equal(error.values, expected)
    assert 0 < float(abs(error).mean()) < 0.2


def test_png_is_a_picture(scene, tmp_path):
    pytest.importorskip("matplotlib")
    run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", "--png", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_png_without_matplotlib_fails_first(scene, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    given = ["-m", "add", "-o", tmp_path / "a.zarr", "--png", tmp_path / "a.png"]
    assert 'pip install "xstf[plot]"' in run("fuse", scene, *given, code=1).stderr
    assert not (tmp_path / "a.zarr").exists()


# score


def test_score_prints_the_librarys_table(scene, truth, tiny, tmp_path):
    run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", "--dates", DAYS[1])
    found = xstf.score(xstf.fuse(tiny[0], "add", dates=DAYS[1]), tiny[1], scale=8).compute()
    expected = table({DAYS[1]: found})
    said = run("score", tmp_path / "a.zarr", truth, "--scale", 8).stdout
    assert said.strip("\n") == expected.strip("\n")


def test_score_leaves_out_dates_without_truth(scene, truth, tmp_path):
    run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", "--dates", f"{DAYS[0]},{DAYS[1]}")
    result = run("score", tmp_path / "a.zarr", scene)
    assert f"left out, without a true image: {DAYS[1]}" in result.stderr
    own, beside = result.stdout.split("\n\n")
    assert [line.split()[0] for line in own.splitlines()[2:]] == [DAYS[0]]
    for row in ("unchanged", "upsampled", "add"):  # what the scene says without a method
        assert f"\n{row} " in beside
    both = run("score", tmp_path / "a.zarr", truth).stdout.splitlines()
    assert [line.split()[0] for line in both[2:]] == [DAYS[0], DAYS[1], "all"]


def test_score_of_files(scene, tiny, tmp_path):
    run("fuse", scene, "-m", "add", "-o", tmp_path / "tifs", "--dates", DAYS[1])
    raw = tiny[1].isel(time=[1]).assign_coords(band=[1, 2])
    xstf.write_images(raw * 1e4, tmp_path, prefix="true")
    truth, scaled = tmp_path / f"true_{DAYS[1]}.tif", ["--scale-factor", "1e-4"]
    named = run("score", tmp_path / "tifs", truth, *scaled, "--bands", "red,nir").stdout
    found = xstf.score(xstf.fuse(tiny[0], "add", dates=DAYS[1]), tiny[1]).compute()
    assert f"{float(found.rmse[0, 0]) * 1e4:.1f}" in named
    assert "red" in named
    wrong = run("score", tmp_path / "tifs", truth, "--bands", "blue,nir", code=1).stderr
    assert "--bands red,nir" in wrong
    assert "no date in common" in run(
        "score", tmp_path / "tifs", truth, *scaled, "--dates", "2019-01-01", code=1
    ).stderr  # fmt: skip


def test_score_refuses(scene, tmp_path):
    assert "no variable 'fused'" in run("score", scene, scene, code=1).stderr
    run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", "--dates", DAYS[1])
    assert "no date in common" in run("score", tmp_path / "a.zarr", scene, code=1).stderr
    stated = run("score", tmp_path / "a.zarr", scene, "--scale-factor", "1", code=1).stderr
    assert "knows its own scale factor" in stated


def test_score_of_temperatures_is_in_kelvin(scene, truth, tmp_path):
    given = ["-o", tmp_path / "a.zarr", "--dates", DAYS[1], "--valid-range", "none"]
    run("fuse", scene, "-m", "add", *given)
    said = run("score", tmp_path / "a.zarr", truth).stdout
    assert "RMSE\n" in said
    assert "10^4" not in said
    assert "x 10^2" in run("score", tmp_path / "a.zarr", truth, "--factor", 100).stdout


def test_score_beside_doing_nothing_in_another_scene(scene, truth, tmp_path):
    run("fuse", scene, "-m", "starfm", "-p", "window=9", "-o", tmp_path / "a.zarr")
    said = run("score", tmp_path / "a.zarr", truth, "--scene", scene).stdout
    rows = [line[:16].strip() for line in said.split("\n\n")[1].splitlines()]
    assert {"unchanged", "add, both sides", "starfm"} <= set(rows)


# compare


def test_compare_prints_what_the_library_finds(known, tmp_path):
    path, ds = known
    out = tmp_path / "scores.csv"
    given = ["-m", "starfm:window=9", "--csv", out, "--metrics", "rmse,cc"]
    said = run("compare", path, *given).stdout
    found = ds.stf.compare({"starfm:window=9": ("starfm", {"window": 9})}, metrics=["rmse", "cc"])
    ours, printed = (
        next(line for line in text.splitlines() if line.startswith("starfm"))
        for text in (table(found), said)
    )
    assert ours == printed
    assert str(xstf.recommend(found)) in said
    lines = [line.split(",") for line in out.read_text().splitlines()]
    assert lines[0] == ["method", "date", "band", "metric", "value"]
    nir = {
        line[1]: float(line[4])
        for line in lines
        if line[0] == "starfm:window=9" and line[2:4] == ["nir", "rmse"]
    }
    expected = found.rmse.sel(name="starfm:window=9", band="nir")
    np.testing.assert_allclose([nir[inputs.day(t)] for t in found.time.values], expected)


def test_compare_keeps_and_goes_on(known, tmp_path):
    path, _ = known
    given = [path, "-m", "starfm:window=9", "--keep", tmp_path / "kept", "--dates", DAYS[1]]
    first = run("compare", *given).stdout
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "kept").glob("*.json")}
    assert len(files) == 6
    again = run("compare", *given).stdout
    assert first == again
    assert files == {p: p.stat().st_mtime_ns for p in (tmp_path / "kept").glob("*.json")}


def test_compare_writes_a_page(known, tmp_path):
    path, _ = known
    page = tmp_path / "a.html"
    given = [path, "-m", "starfm:window=9", "--report", page, "--title", "Fields <1>"]
    assert f"wrote {page}" in run("compare", *given).stdout
    text = page.read_text()
    assert "Fields &lt;1&gt;" in text
    assert "starfm:window=9" in text
    assert "exists" in run("compare", *given, code=1).stderr
    run("compare", *given, "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-m", "starfmm"], 1, "did you mean 'starfm'"),
        (["-m", "starfm:window"], 2, "is no name=value"),
        (["-m", "starfm", "-m", "starfm"], 2, "is there twice"),
        (["--report", "a.pdf"], 2, "must end in .html"),
        (["--csv", "nowhere/a.csv"], 1, "there is no folder for --csv"),
        (["--gap", "-1"], 2, "gap"),
        (["--pairs", "2020-04-01"], 1, "pairs of its own"),
        (["-m", "starfm:window=9", "--metrics", "rmsee"], 1, "rmse"),
        (["-m", "starfm:window=9", "--gap", "500"], 1, "smaller gap"),
    ],
)
def test_compare_refuses(known, arguments, code, said):
    assert said in run("compare", known[0], *arguments, code=code).stderr


# info, methods


def test_info_of_a_scene(scene):
    said = run("info", scene).stdout
    assert "48 x 64 pixels, 2 bands: red nir, 30 wide, EPSG:32633" in said
    assert "6 x 8 cells, scale 8" in said
    assert "2 dates with both images" in said
    assert "  2020-04  #.\n  2020-05  .#\n" in said
    narrow = " ".join(said.split())
    assert f" add can run, from {DAYS[0]} {DAYS[3]}" in narrow
    assert " starfm no: the window of 51 fine pixels is larger" in narrow


def test_info_of_a_result(scene, tmp_path):
    given = ["-m", "starfm", "-p", "window=31", "--dtype", "int16", "--out-scale-factor", "1e-4"]
    run("fuse", scene, *given, "-o", tmp_path / "a.zarr")
    said = run("info", tmp_path / "a.zarr").stdout
    assert f"fused by starfm, xstf {xstf.__version__}" in said
    assert "window=31" in said
    assert "int16" in said
    assert f"  {DAYS[1]}  from {DAYS[0]} {DAYS[3]}" in said


def test_a_run_goes_on(scene, tiny, tmp_path):
    given = ["fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", "--blocksize", 16]
    run(*given)
    assert "done        all\n" in run("info", tmp_path / "a.zarr").stdout
    said = run(*given, code=1).stderr
    assert "go on with a run that was stopped with --resume" in said
    marks = zarr.open_array(tmp_path / "a.zarr" / "xstf" / "done", mode="r+")
    marks[0, 1, 2] = 0
    said = run("info", tmp_path / "a.zarr").stdout
    assert re.search("done +95 %; --resume goes on", said)
    assert f"  {DAYS[1]}  from {DAYS[0]} {DAYS[3]}  91 % done" in said
    run(*given, "--resume")
    assert "done        all\n" in run("info", tmp_path / "a.zarr").stdout
    np.testing.assert_array_equal(fused_of(tmp_path / "a.zarr"), xstf.fuse(tiny[0], "add"))
    said = run(*given, "--resume", "--pairs", "nearest", code=1).stderr
    assert "cannot be resumed" in said
    assert "replace it with --overwrite" in said
    for more in (["--valid-range", "0,1"], ["--min-seen", "0"]):
        assert "belong into the scene" in run(*given, "--resume", *more, code=2).stderr
    given[5] = tmp_path / "tifs"
    assert "--resume goes on from SCENE.zarr" in run(*given, "--resume", code=2).stderr


def test_an_output_grows(tiny, tmp_path):
    ds, path, out = tiny[0], tmp_path / "s.zarr", tmp_path / "a.zarr"
    given = ["fuse", path, "-m", "add", "-o", out]
    xstf.save(ds.isel(time=[0, 1, 3]), path)
    run(*given, "--append")
    assert "history" not in run("info", out).stdout
    xstf.save(ds, path, overwrite=True)
    assert "extend it to what the scene has become with --append" in run(*given, code=1).stderr
    assert "changed since: " in (said := run(*given, "--resume", code=1).stderr)
    assert "extend it with --append, give another path, or replace it with --overwrite" in said
    run(*given, "--append")
    told = rf"history +\S+Z dates: 1 added \({DAYS[2]}\), 0 computed anew, 1 kept"
    said = run("info", out).stdout
    assert re.search(told, said)
    assert "growing" not in said
    np.testing.assert_array_equal(fused_of(out), xstf.fuse(ds, "add"))
    shutil.copytree(out, tmp_path / ".a.zarr.growing")  # as if another had been stopped
    assert re.search("growing +100 % of what it becomes; --append goes on", run("info", out).stdout)
    said = run(*given, "--append", "--overwrite", code=1).stderr
    assert "--append keeps what still holds, and --overwrite replaces everything" in said
    given[5] = tmp_path / "tifs"
    assert "--append goes on from SCENE.zarr" in run(*given, "--append", code=2).stderr


def test_blocks_that_fail_are_an_error(scene, tmp_path):
    given = ["--dtype", "uint8", "--out-scale-factor", "1e-4"]
    call = ["fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", *given]
    result = invoke(call)
    assert result.exit_code == 1
    said = result.stderr
    assert re.search(r"Error: \d+ of \d+ blocks failed", said)
    assert "--resume computes these alone" in said
    assert re.search(r"done +0 %", run("info", tmp_path / "a.zarr").stdout)


def test_info_of_what_a_run_would_take(scene, nothing_computes):
    said = run("info", scene, "--plan", "-m", "starfm", "-p", "window=9", "--workers", 2).stdout
    assert re.search(r"starfm\n  tiles +\d+ x \d+, \d+ fine pixels wide\n  blocks", said)
    assert "on 2 threads" in said
    said = run("info", scene, "--plan", "-m", "starfm", "-p", "window=9", "--memory", "9GB").stdout
    assert "of 9.0 GB" in said
    failed = run("info", scene, "--plan", "-m", "add", "--memory", "1MB", code=1).stderr
    assert re.search(r'--memory .1 MB. is too little for add: .*; give --memory "\d+MB"', failed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plan"], "--plan needs a --method"),
        (["--method", "add"], "--method is for --plan"),
        (["--memory", "1GB"], "--memory is for --plan"),
        (["--dates", "2020-06-01/2020-07-01"], "no span"),
    ],
)
def test_info_refuses_what_does_not_go_together(scene, options, said):
    assert said in run("info", scene, *options, code=2).stderr


def test_memory_is_for_runs_from_store_to_store(scene, tmp_path):
    options = ["-m", "add", "--memory", "9GB", "-o"]
    run("fuse", scene, *options, tmp_path / "a.zarr")
    assert "from SCENE.zarr" in run("fuse", scene, *options, tmp_path / "tifs", code=2).stderr


def test_warmup_says_what_was_compiled():
    said = run("warmup", "-m", "unchanged").stdout
    assert "this process on" in said
    assert "versions agree" in said
    assert "no method 'nothing'" in run("warmup", "-m", "nothing", code=1).stderr


def test_info_of_files(files, tmp_path):
    said = run("info", tmp_path / "coarse").stdout
    assert "4 images" in said
    assert "6 x 8 pixels, 2 bands: red nir, 240 wide, EPSG:32633" in said
    assert "  2020-04  oo\n" in said
    assert "no.zarr" in run("info", tmp_path / "no.zarr", code=1).stderr


def test_strip_has_a_character_for_every_date():
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    lines = words.strip(days, ["."] * len(days))
    assert [len(line.split()[1]) for line in lines] == [31, 29]
    years = np.arange("2018-01-01", "2023-01-01", dtype="datetime64[D]")
    lines = words.strip(years, list("#-.o" * (len(years) // 4)) + ["-"] * (len(years) % 4))
    assert max(map(len, lines)) <= 80
    assert sum(len(line.split()[-1]) for line in lines) == len(years)
    assert [line[:4] for line in lines if line[0] == "2"] == [str(y) for y in range(2018, 2023)]


def test_methods():
    said = run("methods").stdout
    for name in xstf.registry.names():
        assert f"\n{name}" in said
    one = run("methods", "starfm").stdout
    assert (
        "window=51\n  side of the search window\n  rule: an odd whole number >= 3; fine pixels"
        in one
    )
    assert "source: 1500 m" in one
    assert "1 to 2 pairs" in one
    assert "did you mean 'fsdaf'" in run("methods", "fsdaff", code=1).stderr


# demo


def test_demo(tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "demo"
    said = run("demo", "--out", folder, "--size", 64).stdout
    for row in ("unchanged", "upsampled", "interpolated", "add, both sides", "starfm", "fsdaf"):
        assert f"\n{row}  " in said
    names = {p.name for p in folder.iterdir()}
    zarrs = {"scene.zarr", "truth.zarr", "starfm.zarr", "fsdaf.zarr"}
    tifs = {"starfm_2020-05-03.tif", "fsdaf_2020-05-03.tif"}
    assert names == {*zarrs, *tifs, "demo.png"}
    row = next(line for line in said.splitlines() if line.startswith("fsdaf"))
    scored = folder / "fsdaf.zarr", folder / "truth.zarr", "--scene", folder / "scene.zarr"
    again = run("score", *scored).stdout.splitlines()
    last = next(line for line in reversed(again) if line.startswith("fsdaf"))
    assert last.replace("*", " ").split()[1:4] == row.replace("*", " ").split()[1:4]
    assert "--overwrite" in run("demo", "--out", folder, "--size", 64, code=1).stderr
    other = run("demo", "--out", folder, "--size", 64, "--seed", 1, "--overwrite").stdout
    assert row not in other


def test_demo_without_matplotlib_writes_the_rest(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run("demo", "--out", tmp_path / "demo", "--size", 64)
    assert (
        'no picture: pictures need matplotlib; install it: pip install "xstf[plot]"'
        in result.output
    )
    assert (tmp_path / "demo" / "fsdaf.zarr").exists()
    assert not (tmp_path / "demo" / "demo.png").exists()


def test_demo_refuses_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("xstf.simulation.simulate", None)
    run("demo", "--out", tmp_path, code=1)
    assert not list(tmp_path.iterdir())


# the group


def test_version_and_help():
    assert run("--version").stdout.strip() == f"xstf, version {xstf.__version__}"
    for name in main.commands:
        assert f"\n  {name}" in run("--help").stdout
        said = run(name, "--help").stdout
        assert f"Examples:\n    xstf {name}" in said
        assert "--debug" in said
    assert run("fusee", code=2).stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [("41", 41), ("1e-3", 1e-3), ("0.5", 0.5), ("true", True), ("False", False), ("none", None),
     ("cubic", "cubic"), ("-3", -3)],
)  # fmt: skip
def test_values(text, value):
    found = options.value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_errors_of_the_system_are_readable():
    assert cli.line_of(PermissionError(13, "Permission denied", "/x")) == "Permission denied: /x"
    assert cli.line_of(ValueError("two\n  lines")) == "two lines"
    assert cli.line_of(ValueError("")) == "ValueError"
    found = "keep what was found: ds = xstf.find_observed(ds)"
    assert cli.line_of(UserWarning(found)) == found
    dated = ValueError("name the dates: dates=['2020-07-11']")
    assert cli.line_of(dated) == "name the dates: --dates 2020-07-11"
    assert cli.line_of(ValueError("say valid_range=None")) == "say --valid-range none"


def test_an_interrupt_exits_with_130(scene, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("xstf.archive.running.identity", stop)
    result = run("fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", code=130)
    assert result.stderr.splitlines()[-1] == "Interrupted"
    assert "--resume" not in result.stderr  # nothing is there yet


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("changed", [["--valid-range", "0,1"], []])
def test_a_signal_leaves_nothing_half_written(tmp_path, sent, changed):
    simulated, _ = xstf.simulate("parcels", size=512, dates=6, bands=("red", "nir"))
    scene = xstf.save(simulated, tmp_path / "scene.zarr")
    before = sorted(os.listdir(tmp_path))
    command = ["fuse", scene, "-m", "starfm", "-p", "window=301", "-o", tmp_path / "a.zarr"]
    call = [sys.executable, "-c", "from xstf.cli import main; main()", *map(str, command)]
    with subprocess.Popen(
        [*call, "--blocksize", "64", *changed], stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while sorted(os.listdir(tmp_path)) == before and time.monotonic() < until:
            time.sleep(0.05)
        assert sorted(os.listdir(tmp_path)) != before  # it is writing
        while not (changed or list(tmp_path.glob("a.zarr/xstf/done/c/**/0"))):
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(sent)
        stderr = process.communicate(timeout=40)[1]
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "Interrupted"
    if changed:
        assert sorted(os.listdir(tmp_path)) == before
        return
    assert sorted(os.listdir(tmp_path)) == ["a.zarr", *before]
    assert "What is done is kept; --resume goes on." in stderr
    said = run("info", tmp_path / "a.zarr").stdout
    assert re.search(r"done +[1-9]\d* %; --resume goes on", said)
    assert re.search(r"  20[-\d]{8}  from .*  \d+ % done", said)


def test_a_process_of_its_own(scene, tmp_path):
    done = python(
        "fuse", scene, "-m", "add", "-o", tmp_path / "a.zarr", env={**os.environ, "NO_COLOR": "1"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    failed = python("info", tmp_path / "no.zarr")
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: ")
    assert failed.stderr.count("\n") == 1


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom xstf.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('numba', 'matplotlib', 'rasterio', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


# real scenes


real = pytest.mark.real
absent = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real scenes are not at {DATA}")


@real
@absent
@pytest.mark.parametrize("out", ["a.zarr", "tifs"])
def test_boreas(tmp_path, out):
    folder, dates = DATA / "boreas", "2001-05-24,2001-07-11,2001-08-12"
    numbers = ["--scale-factor", "1e-4", "--bands", "green,red,nir"]
    run("fuse", "--fine", folder / "tm*", "--coarse", folder / "modis*", "--fine-dates", dates,
        "--coarse-dates", dates, "--scale", 16, *numbers, "-m", "fsdaf", "--dates", "2001-07-11",
        "-o", tmp_path / out)  # fmt: skip
    truth = [folder / "tm0711", "--dates", "2001-07-11", *numbers]
    said = run("score", tmp_path / out, *truth, "--scale", 16).stdout
    green, red, nir, cc = map(float, said.splitlines()[-1].split()[1:5])
    assert (green, red, nir) < (45.6, 51.6, 172.6)  # fine + coarse change, in data/README.md
    assert green < 45.6
    assert red < 51.6
    assert nir < 172.6
    assert cc > 0.9


@real
@absent
def test_boreas_with_its_shift_mended(tmp_path):
    folder, dates = DATA / "boreas", "2001-05-24,2001-07-11,2001-08-12"
    said = run("fuse", "--fine", folder / "tm*", "--coarse", folder / "modis*", "--fine-dates",
        dates, "--coarse-dates", dates, "--scale", 16, "--scale-factor", "1e-4", "--shift", "auto",
        "-m", "add", "--dates", "2001-07-11", "-o", tmp_path / "a.zarr").stdout  # fmt: skip
    assert re.search("moved by 8.0 rows, 17.0 columns of fine pixels", said)
    assert "384 x 368 pixels" in said


@real
@absent
def test_saltonsea(tmp_path):
    days = ("2020-10-17", "2020-11-11")
    files = [
        part
        for kind in ("fine", "coarse")
        for day in days
        for part in (f"--{kind}", DATA / "saltonsea" / kind / f"{day}_{kind}.tif")
    ]
    run("fuse", *files, "--bands", "nir", "-m", "starfm", "--dates", days[1], "--pairs", days[0],
        "-o", tmp_path / "tifs")  # fmt: skip
    truth = DATA / "saltonsea" / "fine" / f"{days[1]}_fine.tif"
    said = run("score", tmp_path / "tifs", truth, "--bands", "nir", "--scale", 7).stdout
    assert 400 < float(said.splitlines()[-1].split()[1]) < 762  # the pair unchanged: 762
    assert "EPSG:32611" in run("info", tmp_path / "tifs").stdout


def test_files_on_other_grids_are_aligned_where_asked(tmp_path):
    """The refusal names the option, and the option does it."""
    rng = np.random.default_rng(0)
    for kind, size, pixel, north, days in (
        ("fine", 60, 30.0, 5_100_000.0, DAYS[:1]),
        ("coarse", 12, 250.0, 5_100_600.0, DAYS),
    ):
        axis = (np.arange(size) + 0.5) * pixel
        image = xr.DataArray(
            rng.uniform(0, 0.5, (len(days), 1, size, size)).astype("f4"),
            dims=("time", "band", "y", "x"),
            coords={"time": np.array(days, "datetime64[ns]"), "band": ["red"],
                    "y": north - axis, "x": 499_500.0 + (kind == "fine") * 500 + axis},
        )  # fmt: skip
        xstf.write_images(xstf.georeference(image, "EPSG:32633"), tmp_path / kind, prefix=kind)
    files = ["--fine", tmp_path / "fine" / "*.tif", "--coarse", tmp_path / "coarse" / "*.tif"]
    call = ["fuse", *files, "-m", "add", "-o", tmp_path / "fused.zarr"]
    assert "--align" in run(*call, code=1).stderr
    assert "3 dates, 1 band, 56 x 56 pixels" in run(*call, "--align").stdout
    said = run(*call, "--overwrite", "--align", "--shift", "1.5,-2").stdout
    assert "moved by 1.5 rows, -2.0 columns" in said
    assert "no shift; write auto" in run(*call, "--shift", "far", code=2).stderr
    assert "is for image files" in run("fuse", "s.zarr", "--align", "-m", "add", "-o", "b.zarr",
                                       code=2).stderr  # fmt: skip


def test_info_of_images_whose_names_hold_no_date_and_of_a_truth(truth, files, tmp_path):
    assert "4 images" in run("info", truth).stdout
    plain = tmp_path / "plain.tif"
    plain.write_bytes(next((tmp_path / "coarse").glob("*.tif")).read_bytes())
    assert "files       ! the name plain.tif holds no date" in run("info", plain).stdout
    assert "2020-07-11" in run("info", plain, "--dates", "2020-07-11").stdout


def test_a_pattern_that_the_shell_spelt_out(tmp_path):
    given = [
        "fuse",
        "--fine",
        "a.tif",
        "b.tif",
        "--coarse",
        "c.tif",
        "d.tif",
        "-m",
        "add",
        "-o",
        "x",
    ]
    assert "Put patterns in quotes" in run(*given, code=2).stderr


def test_addresses_and_zip_files_are_scenes_and_outputs(scene, tmp_path):
    from fsspec.implementations.memory import MemoryFileSystem

    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "scene.zarr")
    assert run("info", packed).output == run("info", scene).output.replace(str(scene), packed)
    try:
        out, given = "memory://bucket/fused", ("fuse", packed, "-m", "add", "-o")
        assert run(*given, out).output.startswith(f"wrote {out}: 2 dates")
        run(*given, tmp_path / "a.zarr")
        xr.testing.assert_equal(
            inputs.open_zarr(out).fused.load(), inputs.open_zarr(tmp_path / "a.zarr").fused.load()
        )
        said = run("info", out).output
        assert f"{out}: fused by add" in said
        assert re.search(r"done +all", said)
        said = run(*given, out, code=1).stderr
        assert "go on with a run that was stopped with --resume, or delete it yourself" in said
        said = run(*given, out, "--append", code=1).stderr
        assert "--append is for folders" in said
        plan = ("--plan", "-m", "add", "--workers", 2, "--memory", "8GB")
        xstf.open_scene(scene).drop_encoding().to_zarr("memory://s.zarr", consolidated=False)
        for place in (packed, "memory://s.zarr"):
            assert "one block " in run("info", place, *plan).output
        assert "fine" in run("info", out, *plan, code=1).stderr  # it is no scene
        run(*given, out, "--resume")
        said = run(*given, out, "--overwrite", code=1).stderr
        assert "nothing can be renamed there" in said
        assert "has the ending .zip" in run(*given, tmp_path / "o.zip", code=2).stderr
        assert run("info", "memory://bucket/none", code=1).stderr
    finally:
        MemoryFileSystem.store.clear()


def test_repositories_are_outputs_and_say_how_far_they_are(scene, tmp_path):
    pytest.importorskip("icechunk", reason="icechunk is not installed").set_logs_filter("error")
    out = f"icechunk://{tmp_path}/repository"
    run("fuse", scene, "-m", "add", "-o", out)
    assert re.search(r"done +all", run("info", out).output)
    run("fuse", scene, "-m", "unchanged", "-o", out, "--overwrite")
    assert "fused by unchanged" in run("info", out).output
    assert (
        "--append is for folders"
        in run("fuse", scene, "-m", "unchanged", "-o", out, "--append", code=1).stderr
    )
    assert "does not exist" in run("fuse", f"{out}2", "-m", "add", "-o", f"{out}3", code=1).stderr
