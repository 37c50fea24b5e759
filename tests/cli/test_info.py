"""``xstf info`` on files, folders and scenes: what is wrong is said, with options that mend it."""

import re
import shlex

import numpy as np
import pytest
import rasterio
import xarray as xr

import xstf
from tests.test_cli import run

DAYS = ["2020-04-01", "2020-04-17", "2020-05-03", "2020-05-19"]  # the first and last are pairs
SINUSOIDAL = "+proj=sinu +lon_0=0 +R=6371007.181 +units=m"
UTM = "EPSG:32633"
NORTH, WEST = 5_100_000.0, 500_000.0


@pytest.fixture(scope="module")
def cubes():
    """Return fine images of the pairs and coarse images of every date."""
    ds, _ = xstf.simulate("parcels", size=96, scale=8, dates=4, pairs=2, bands=("red", "nir"))
    ds = ds.load()
    fine = ds["fine"].values[ds["fine_observed"].values]
    return fine, ds["coarse"].values


def write(folder, values, days, pixel, *, factor=1.0, dtype="float32", crs=UTM, corner=(0, 0)):
    """Write images as GeoTIFFs whose tags say nothing of scale, offset and bands."""
    folder.mkdir()
    dy, dx = corner
    where = rasterio.Affine(pixel, 0, WEST + dx, 0, -pixel, NORTH + dy)
    how = {"driver": "GTiff", "dtype": dtype, "crs": crs, "transform": where}
    for day, image in zip(days, values, strict=True):
        size = dict(zip(("count", "height", "width"), image.shape, strict=True))
        with rasterio.open(folder / f"{folder.name}_{day}.tif", "w", **how, **size) as file:
            file.write((image * factor).round() if dtype != "float32" else image)


@pytest.fixture
def fits(cubes, tmp_path):
    """Return a folder of files that make a scene as they are."""
    write(tmp_path / "fine", cubes[0], [DAYS[0], DAYS[3]], 30.0)
    write(tmp_path / "coarse", cubes[1], DAYS, 240.0)
    return tmp_path


def both(folder):
    return ["--fine", folder / "fine" / "*.tif", "--coarse", folder / "coarse" / "*.tif"]


def command(said, name):
    """Return the words of a command that a report suggests."""
    line = next(n for n in said.splitlines() if n.startswith(f"  xstf {name} "))
    return shlex.split(line, comments=True)[1:]


def wrong(said):
    """Return the names of the rows that are marked."""
    return [line.split()[0] for line in said.splitlines() if re.match(r" *\S+ +! ", line)]


def test_files_that_fit(fits):
    said = run("info", *both(fits)).stdout
    assert wrong(said) == []
    assert "96 x 96 pixels, 2 bands: 1 2, 30 wide, EPSG:32633" in said
    assert "meet: 12 x 12 cells of 8 fine pixels" in said
    assert "2 dates with both images" in said
    assert f"48 days at most between fine images, {DAYS[0]} and {DAYS[3]}; 2 dates with a" in said
    assert "without names: taken to be alike in this order" in said
    assert " ".join(said.split()).count("can run, from") > 5
    assert "--align" not in said
    assert run("info", fits).stdout.splitlines()[1:] == said.splitlines()


def test_what_is_wrong_comes_with_options_that_mend_it(cubes, tmp_path):
    """Numbers, and pixels that do not fit: the suggested commands run, as they stand."""
    write(tmp_path / "fine", cubes[0], [DAYS[0], DAYS[3]], 30.0, factor=1e4, dtype="int16")
    write(tmp_path / "coarse", cubes[1], DAYS, 250.0, factor=1e4, dtype="int16", corner=(60, -60))
    said = run("info", *both(tmp_path)).stdout
    assert wrong(said) == ["units", "units", "grids"]
    assert "--coarse-scale-factor 0.0001" in said
    assert "8 fine pixels; a coarse pixel is 8.333 fine pixels wide" in said
    assert re.search(r"ground +100 % of the fine images", said)
    mended = run(*command(said, "info")).stdout
    assert "shift" in mended
    assert wrong(mended) in ([], ["shift"])
    fuse = command(said, "fuse")
    fuse[fuse.index("--out") + 1] = str(tmp_path / "fused.zarr")
    assert "2 dates" in run(*fuse).stdout


def test_another_crs(fits, cubes):
    for path in (fits / "coarse").iterdir():
        path.unlink()
    (fits / "coarse").rmdir()
    write(fits / "coarse", cubes[1], DAYS, 463.0, crs=SINUSOIDAL)
    said = run("info", *both(fits)).stdout
    assert wrong(said) == ["grids"]
    assert "do not overlap" in said
    assert "Sinusoidal" in said
    assert "once what is marked with ! is mended" in said


def test_equal_grids_need_a_scale(fits, cubes):
    for path in (fits / "coarse").iterdir():
        path.unlink()
    (fits / "coarse").rmdir()
    write(fits / "coarse", np.repeat(cubes[0], 2, axis=0), DAYS, 30.0)
    said = run("info", *both(fits)).stdout
    assert wrong(said) == ["grids"]
    assert "--scale 16" in said
    said = run("info", *both(fits), "--scale", 16).stdout
    assert wrong(said) == []
    assert "--scale 16" in " ".join(command(said, "fuse"))


def test_numbers_of_landsat_are_read_as_such(cubes, tmp_path):
    numbers = (cubes[0] + 0.2) / 2.75e-5
    write(tmp_path / "fine", numbers, [DAYS[0], DAYS[3]], 30.0, dtype="uint16")
    write(tmp_path / "coarse", cubes[1], DAYS, 240.0)
    said = run("info", *both(tmp_path)).stdout
    assert "! numbers of Landsat Collection 2: --fine-product landsat-c2" in said
    out = tmp_path / "fused.zarr"
    run("fuse", *both(tmp_path), "--fine-product", "landsat-c2", "-m", "unchanged", "-o", out)
    fused = xr.open_zarr(out, consolidated=False)["fused"]
    np.testing.assert_allclose(fused.values[0], cubes[0][0], atol=2e-5)
    given = ["--fine-product", "landsat-c2", "--fine-scale-factor", "1e-4"]
    assert "say the same" in run("info", *both(tmp_path), *given, code=2).stderr


def test_units_that_are_none_and_those_of_temperatures(cubes, tmp_path):
    write(tmp_path / "fine", 280 + 20 * cubes[0], [DAYS[0], DAYS[3]], 30.0)
    write(tmp_path / "coarse", 280 + 20 * cubes[1], DAYS, 240.0)
    said = run("info", *both(tmp_path)).stdout
    assert wrong(said) == ["units", "units"]
    assert "fit neither reflectance nor a number of the known products" in said
    assert "--valid-range none for temperature" in said
    assert wrong(run("info", *both(tmp_path), "--valid-range", "none").stdout) == []
    said = run("info", *both(tmp_path), "--valid-range", "250,330").stdout
    assert wrong(said) == []
    assert "--valid-range 250,330" in " ".join(command(said, "fuse"))


def test_bands_that_differ_are_chosen_in_python(fits):
    for path in (fits / "coarse").iterdir():
        with rasterio.open(path, "r+") as file:
            file.descriptions = ("sur_refl_b01", "sur_refl_b02")
    for path in (fits / "fine").iterdir():
        with rasterio.open(path, "r+") as file:
            file.descriptions = ("SR_B4", "SR_B5")
    said = run("info", *both(fits)).stdout
    assert wrong(said) == ["bands"]
    assert "name them: --bands a,b" in said
    code = said.split("next, in Python\n")[1].replace('"scene.zarr"', repr(str(fits / "a.zarr")))
    exec("import xstf\n" + re.sub("^  ", "", code, flags=re.M))
    assert wrong(run("info", fits / "a.zarr").stdout) == []
    assert wrong(run("info", *both(fits), "--bands", "red,nir").stdout) == []


def test_names_without_dates_and_files_of_two_sizes(fits, cubes):
    (fits / "fine" / f"fine_{DAYS[0]}.tif").rename(fits / "fine" / "first.tif")
    said = run("info", *both(fits)).stdout
    assert wrong(said) == ["dates"]
    assert "first.tif holds no date" in said
    assert "--fine-dates" in said
    assert "meet: 12 x 12 cells" in said
    write(fits / "other", cubes[1][:1], [DAYS[1]], 240.0)
    next((fits / "other").iterdir()).rename(fits / "fine" / "2020-04-17.tif")
    said = run("info", *both(fits)).stdout
    assert wrong(said) == ["files", "files"]
    assert "differ in rows and columns" in said


def test_no_pair_is_said(fits):
    for day in (DAYS[0], DAYS[3]):
        (fits / "coarse" / f"coarse_{day}.tif").unlink()
    said = run("info", *both(fits)).stdout
    assert wrong(said) == ["scene"]
    assert "no date has both a fine and a coarse image" in said


def test_look_finds_a_shift_a_suspect_and_missing_pixels(tmp_path):
    ds, _ = xstf.simulate("parcels", size=256, scale=8, dates=6, pairs=5, bands=("red",), seed=2)
    ds = ds.isel(time=ds.fine_observed).load()
    moved = ds.assign(fine=ds["fine"].roll(y=5, x=-3))
    moved["fine"][2] = moved["fine"].values[2, :, ::-1, ::-1]
    moved["fine"][4, :, :32] = np.nan
    xstf.save(moved, tmp_path / "scene.zarr")
    result = run("info", tmp_path / "scene.zarr", "--look")
    said = result.stdout
    assert "reading the 5 pairs" in result.stderr
    rows, columns = map(float, re.search(r"shift +! (\S+) rows, (\S+) columns", said).groups())
    assert abs(rows - 5) < 1
    assert abs(columns + 3) < 1
    assert "fine 2.5 %, coarse 0 % of the pixels" in said
    day = str(ds["time"].values[2])[:10]
    assert re.search(rf"suspects +! .*\n  {day}  correlation", said)
    assert "xstf.mend_shift(ds, (" in said


def test_a_scene_in_numbers_and_a_group_that_is_none(tiny, tmp_path):
    ds = tiny[0].load()
    numbers = ds.assign(fine=ds["fine"] * 1e4, coarse=ds["coarse"] * 1e4)
    numbers.to_zarr(tmp_path / "numbers.zarr", consolidated=False)
    said = run("info", tmp_path / "numbers.zarr").stdout
    assert wrong(said) == ["units", "units"]
    unknown = ds.drop_vars("fine_observed")
    unknown.to_zarr(tmp_path / "unknown.zarr", consolidated=False)
    assert wrong(run("info", tmp_path / "unknown.zarr").stdout) == ["pairs"]
    assert "pairs       2 dates" in run("info", tmp_path / "unknown.zarr", "--look").stdout
    cube = xr.Dataset({"red": (("time", "lat", "lon"), np.zeros((1, 2, 3)))})
    cube.to_zarr(tmp_path / "cube.zarr", consolidated=False)
    said = run("info", tmp_path / "cube.zarr").stdout
    assert "no scene" in said
    assert "float64 (time 1, lat 2, lon 3)" in said
    assert "xstf.to_images(held" in said


def test_a_benchmark(tmp_path):
    values = np.random.default_rng(0).integers(0, 5000, (6, 12, 12)) * 1.0
    for day, number in (("2004-04-16", "2004107"), ("2004-05-02", "2004123")):
        compact = day.replace("-", "")
        for name in (f"{compact}_TM", f"MOD09GA_A{number}.sur_refl"):
            write(tmp_path / name, values[None], [day], 25.0, dtype="int16")
            next((tmp_path / name).iterdir()).rename(tmp_path / f"{name}.tif")
            (tmp_path / name).rmdir()
    assert xstf.datasets.recognise(tmp_path) == ["LGC"]
    said = run("info", tmp_path).stdout
    assert "files as of the benchmark LGC" in said
    assert "12 x 12 pixels, 6 bands: blue green red nir swir1 swir2" in said
    assert "xstf.datasets.read('LGC'" in said


def test_files_named_as_in_a_benchmark_are_none_of_it_unless_of_its_size(tmp_path):
    for name in ("S2_20200601", "S3_20200601"):
        write(tmp_path / name, np.zeros((1, 4, 12, 12)), ["a"], 10.0)
        next((tmp_path / name).iterdir()).rename(tmp_path / f"{name}.tif")
        (tmp_path / name).rmdir()
    assert xstf.datasets.recognise(tmp_path) == []
    assert xstf.datasets.recognise(tmp_path / "nothing") == []


def test_nonsense_is_refused(fits):
    assert "there is no scene" in run("info", code=2).stderr
    assert "there is no scene" in run("info", "--fine", "a*.tif", code=2).stderr
    assert "not both" in run("info", "a.zarr", *both(fits), code=2).stderr
    assert "finds no file" in run("info", "--fine", "a*", "--coarse", "b*", code=1).stderr
    assert "--look" in run("info", "--help").stdout
    given = ["--fine-product", "nothing"]
    assert "is none of landsat-c2" in run("info", *both(fits), *given, code=2).stderr
    assert "one scene in Zarr" in run("info", *both(fits), "--plan", "-m", "add", code=2).stderr


def test_empty_files_are_found_and_left_out(fits, cubes):
    for path in (fits / "fine").iterdir():
        path.unlink()
    (fits / "fine").rmdir()
    values = np.repeat(cubes[0][:1], 4, axis=0)
    values[[1, 2]] = np.nan
    write(fits / "fine", values, DAYS, 30.0)
    assert "4 dates with both images" in run("info", *both(fits)).stdout
    said = run("info", *both(fits), "--look").stdout
    assert "fine 50 %, coarse 0 % of the pixels" in said
    assert "! 2 of 4 pairs hold next to nothing: --min-seen 0.1" in said
    suggested = command(said, "fuse")
    assert "--min-seen 0.1" in " ".join(suggested)
    again = run("info", *both(fits), "--min-seen", 0.1).stdout
    assert "2 dates with both images" in again


@pytest.mark.real
def test_saltonsea_is_seen_as_it_is(real_data):
    """Mostly empty fine files, and one cloud that nobody masked."""
    said = run("info", real_data / "saltonsea", "--look").stdout
    assert wrong(said) == ["empty", "suspects"]
    assert "71 of 92 pairs hold next to nothing" in said
    assert re.findall(r"^  (2020-\S+)  correlation", said, re.M) == ["2020-11-26"]
    assert "71 dates" in said.splitlines()[-1]
