"""Small files in the layouts in which the benchmarks are published."""

import numpy as np
import pytest
import rasterio

import xstf
from xstf.datasets import BENCHMARKS, read

SIZE = (8, 12)
SIX, FOUR = 6, 4


def numbers(seed, bands=SIX, high=6000, dtype="int16"):
    return np.random.default_rng(seed).integers(100, high, (bands, *SIZE)).astype(dtype)


def put(path, values, driver="GTiff", **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": driver, "dtype": values.dtype, "count": len(values)} | how
    rows, columns = values.shape[1:]
    with rasterio.open(path, "w", height=rows, width=columns, **profile) as file:
        file.write(values)
    return values


def raw(path, values, interleave):
    """Write a file as the benchmarks ship it: raw numbers and an ENVI header beside."""
    order = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.ascontiguousarray(values.transpose(order)).astype("<i2").tobytes())
    path.with_name(path.name + ".hdr").write_text(
        f"ENVI\nsamples = {values.shape[2]}\nlines = {values.shape[1]}\nbands = {len(values)}\n"
        f"header offset = 0\ndata type = 2\ninterleave = {interleave}\nbyte order = 0\n"
    )
    return values


pytestmark = pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning"  # as published: without map information
)
CIA_FINE = "L71093084_084{}_HRF_modtran_surf_ref_agd66"


@pytest.fixture
def cia(tmp_path):
    """Two dates in their folders; the fine files are named by the day before."""
    files = {}
    for folder, name in (("2001_281_08oct", "20011007"), ("2002_005_05jan", "20020104")):
        day = folder[:8].replace("_", "")
        fine = raw(
            tmp_path / "Landsat" / folder / f"{CIA_FINE.format(name)}.bil", numbers(1), "bil"
        )
        coarse = raw(
            tmp_path / "MODIS" / folder / f"MOD09GA_A{day}.sur_refl.int", numbers(int(day)), "bsq"
        )
        files[day] = fine, coarse
    return tmp_path, files


def test_cia_pairs_by_folder_and_by_header(cia):
    folder, files = cia
    scene = read("CIA", folder)
    assert [str(t)[:10] for t in scene.time.values] == ["2001-10-08", "2002-01-05"]
    assert scene.fine_observed.all()
    assert scene.coarse_observed.all()
    assert scene.band.values.tolist() == ["blue", "green", "red", "nir", "swir1", "swir2"]
    for n, (fine, coarse) in enumerate(files.values()):
        np.testing.assert_allclose(scene.fine[n], fine * 1e-4, rtol=1e-6)
        np.testing.assert_allclose(scene.coarse[n], coarse * 1e-4, rtol=1e-6)
    assert scene.attrs["benchmark"] == "CIA"
    assert scene.fine.chunks is not None


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
def test_the_header_says_how_bands_lie(tmp_path, interleave):
    values = raw(tmp_path / "2004_107_Apr16" / "20040416_TM.int", numbers(2), interleave)
    raw(tmp_path / "2004_107_Apr16" / "MOD09GA_A2004107.sur_refl.int", values, "bsq")
    scene = read("LGC", tmp_path)
    np.testing.assert_allclose(scene.fine[0], values * 1e-4, rtol=1e-6)


def test_a_raw_file_without_header_is_refused_with_its_text(cia):
    folder, _ = cia
    for header in folder.rglob("L71*.hdr"):
        header.unlink()
    with pytest.raises(ValueError, match=r"has no header.*samples = 1720, lines = 2040, bands = 6"):
        read("CIA", folder)


def test_converted_files_in_one_folder_get_the_same_dates(tmp_path):
    fine = put(tmp_path / f"{CIA_FINE.format('20011007')}.tif", numbers(1))
    put(tmp_path / "MOD09GA_A2001281.sur_refl.tif", numbers(2))
    (tmp_path / "MOD09GA_A2001281.sur_refl.tif.aux.xml").write_text("<PAMDataset/>")
    scene = read("CIA", tmp_path)
    assert [str(t)[:10] for t in scene.time.values] == ["2001-10-08"]
    np.testing.assert_allclose(scene.fine[0], fine * 1e-4, rtol=1e-6)


def test_what_is_no_measurement_is_missing_in_all_bands(tmp_path):
    """Negative numbers, and negative ones that a conversion wrapped to large unsigned ones."""
    plain = numbers(3)
    plain[2, 1, 1] = -999
    put(tmp_path / "20040416_TM.tif", plain)
    wrapped = numbers(4, dtype="uint16")
    wrapped[0, 2, 5] = np.uint16(65536 - 28672)
    wrapped[5, 7, 11] = np.uint16(65535)
    put(tmp_path / "MOD09GA_A2004107.sur_refl.tif", wrapped)
    scene = read("LGC", tmp_path)
    lost = np.zeros(SIZE, bool)
    lost[1, 1] = True
    assert (np.isnan(scene.fine[0].values) == lost).all()
    lost[:] = False
    lost[2, 5] = lost[7, 11] = True
    assert (np.isnan(scene.coarse[0].values) == lost).all()


@pytest.mark.parametrize("name", ["AHB", "Daxing", "Tianjin"])
def test_dates_without_padding_and_numbers_to_255(tmp_path, name):
    fine = put(tmp_path / "Landsat" / "L_2015-6-21.tif", numbers(1, high=255, dtype="uint8"))
    put(tmp_path / "Landsat" / "L_2015-10-1.tif", numbers(2, high=255, dtype="uint8"))
    put(tmp_path / "MODIS" / "M_2015-6-21.tif", numbers(3, high=255, dtype="uint8"))
    put(tmp_path / "MODIS" / "M_2015-10-1.tif", numbers(4, high=255, dtype="uint8"))
    scene = read(name, tmp_path)
    assert [str(t)[:10] for t in scene.time.values] == ["2015-06-21", "2015-10-01"]
    np.testing.assert_allclose(scene.fine[0], fine / 255, rtol=1e-6)


def test_wuhan(tmp_path):
    fine = put(tmp_path / "Landsat" / "G_20180109.tif", numbers(1, FOUR))
    coarse = put(tmp_path / "MODIS" / "L_20180109.tif", numbers(2, FOUR))
    scene = read("Wuhan", tmp_path, scale=4)
    assert scene.band.values.tolist() == ["blue", "green", "red", "nir"]
    np.testing.assert_allclose(scene.fine[0], fine * 1e-4, rtol=1e-6)
    cells = coarse.reshape(4, 2, 4, 3, 4).mean((2, 4)) * 1e-4
    np.testing.assert_allclose(scene.coarse[0], cells, rtol=1e-5)


@pytest.mark.parametrize("name", ["IC", "BC"])
def test_reflectance_as_it_is(tmp_path, name):
    values = np.random.default_rng(1).random((4, *SIZE), dtype="f4")
    put(tmp_path / "S2_20220405.tif", values)
    put(tmp_path / "S3_20220405_real.tif", values)
    put(tmp_path / "S3_20220604_real.tif", values)
    scene = read(name, tmp_path)
    assert scene.fine_observed.values.tolist() == [True, False]
    np.testing.assert_array_equal(scene.fine[0], values)


def test_the_middle_is_kept(cia):
    folder, files = cia
    fine, coarse = next(iter(files.values()))
    scene = read("CIA", folder, size=(4, 6))
    np.testing.assert_allclose(scene.fine[0], fine[:, 2:6, 3:9] * 1e-4, rtol=1e-6)
    np.testing.assert_allclose(scene.coarse[0], coarse[:, 2:6, 3:9] * 1e-4, rtol=1e-6)
    cells = read("CIA", folder, scale=5)
    assert cells.fine.shape[-2:] == (5, 10)
    assert cells.coarse.shape[-2:] == (1, 2)
    for how in ({"size": (9, 6)}, {"size": (4, 6), "scale": 4}, {"size": (0, 6)}, {"scale": 20}):
        with pytest.raises(ValueError, match=r"size: .* pixels along .* with scale="):
            read("CIA", folder, **how)
    with pytest.raises(ValueError, match="scale=0 is no side"):
        read("CIA", folder, scale=0)


def test_other_files_and_places_are_refused(cia, tmp_path):
    folder, _ = cia
    with pytest.raises(ValueError, match="benchmark 'cia' is none of CIA, LGC"):
        read("cia", folder)
    with pytest.raises(FileNotFoundError, match="no folder; give the one that holds Coleambally"):
        read("CIA", folder / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no fine images of this benchmark"):
        read("LGC", folder)
    twice = folder / "Landsat" / "2001_281_08oct" / f"{CIA_FINE.format('20011007')}.tif"
    put(twice, numbers(1))
    with pytest.raises(ValueError, match="are both of 2001-10-08; keep one"):
        read("CIA", folder)
    twice.unlink()
    put(folder / f"{CIA_FINE.format('20011008')}.tif", numbers(1))
    with pytest.raises(ValueError, match="is of 2001-10-09, which is none of the 17 days"):
        read("CIA", folder)


def test_a_benchmark_is_fused_and_scored(cia):
    folder, _ = cia
    scene = xstf.datasets.read("CIA", folder)
    fused = scene.stf.fuse("starfm", dates="2002-01-05", pairs="2001-10-08", window=5)
    assert np.isfinite(fused.values).all()


def test_tables_are_sound():
    for name, of in BENCHMARKS.items():
        assert of.low < of.high, name
        assert "?P<date>" in of.fine
        assert "?P<date>" in of.coarse
        assert list(of.dates) == sorted(of.dates)
    assert len(BENCHMARKS["CIA"].dates) == 17
    assert len(BENCHMARKS["LGC"].dates) == 14
