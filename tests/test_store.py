"""Zarr: exact round trips, whole or not at all, nothing stored where nothing is known."""

import warnings
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr
import zarr

import xstf
from xstf.coordinates import MAPPING


@pytest.fixture
def scene():
    made, _ = xstf.simulate("parcels", size=64, dates=4, pairs=2, bands=("red", "nir"))
    return made


def chunk_files(path, name):
    """The dates of which the store holds any chunk file."""
    folder = path / name / "c"
    return sorted({p.relative_to(folder).parts[0] for p in folder.rglob("*") if p.is_file()})


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


def open_result(path):
    return xr.open_zarr(path, decode_coords="all", consolidated=False)


@pytest.mark.parametrize("limits", [None, [0.0, 1.0]])
@pytest.mark.parametrize("lazy", [False, True])
def test_scene_comes_back_exactly(scene, tmp_path, limits, lazy):
    scene = scene.assign(classes=(("y", "x"), np.arange(64 * 64).reshape(64, 64) % 5))
    scene.attrs["valid_range"] = limits
    scene["fine"][0, 1, 3:7, 5:9] = np.nan
    given = scene.chunk(y=32, x=32, time=1) if lazy else scene
    path = xstf.save(given, str(tmp_path / "deep" / "s.zarr"))
    back = xstf.open_scene(path)
    assert back.fine.chunks is not None
    assert back.coarse.chunks is not None
    assert [back[k].encoding["grid_mapping"] for k in MAPPING] == list(MAPPING.values())
    xr.testing.assert_identical(back.compute(), scene)
    assert back.fine.dtype == back.coarse.dtype == np.float32
    assert back.band.values.tolist() == ["red", "nir"]
    assert "valid_range" in back.attrs
    assert back.attrs == scene.attrs


def test_opened_scene_gives_the_same_picture(scene, tmp_path):
    back = xstf.open_scene(xstf.save(scene, tmp_path / "s.zarr"))
    xr.testing.assert_identical(back.stf.fuse("add").compute(), scene.stf.fuse("add").compute())


def test_unobserved_dates_are_not_stored(scene, tmp_path):
    path = xstf.save(scene, tmp_path / "s.zarr")
    assert chunk_files(path, "fine") == ["0", "3"]
    assert chunk_files(path, "coarse") == ["0", "1", "2", "3"]


def test_opening_computes_nothing(scene, tmp_path):
    path = xstf.save(scene, tmp_path / "s.zarr")
    with dask.config.set(scheduler=refuse):
        back = xstf.open_scene(path)
        fused = back.stf.fuse("add")
        with pytest.raises(AssertionError, match="computed"):
            fused.compute()


@pytest.mark.parametrize("chunks", [{"y": (24, 40)}, {"time": (1, 3)}, {"x": (7, 50, 7)}])
def test_uneven_chunks_are_made_regular(scene, tmp_path, chunks):
    path = xstf.save(scene.chunk(chunks), tmp_path / "s.zarr")
    xr.testing.assert_identical(xstf.open_scene(path).compute(), scene)


def test_regular_chunks_are_kept(scene, tmp_path):
    path = xstf.save(scene.chunk(time=1, y=48, x=16), tmp_path / "s.zarr")
    assert zarr.open_array(path / "fine").chunks == (1, 2, 48, 16)


def test_missing_map_on_dask_stays_missing(scene, tmp_path):
    scene["extra"] = scene.fine[0, 0].chunk(y=32) * np.nan
    back = xstf.open_scene(xstf.save(scene, tmp_path / "s.zarr"))
    assert np.isnan(back.extra).all()
    assert not (tmp_path / "s.zarr" / "extra" / "c").exists()


def test_result_keeps_its_coordinates_and_provenance(scene, tmp_path):
    fused = scene.stf.fuse("add")
    fused.attrs["valid_range"] = None
    back = open_result(xstf.save(fused, tmp_path / "f.zarr"))
    assert back.pair_dates.values.tolist() == fused.pair_dates.values.tolist()
    assert back.fused.attrs == fused.attrs
    assert back.fused.encoding["grid_mapping"] == "spatial_ref"
    xr.testing.assert_equal(back.fused.compute(), fused.compute())
    again = open_result(xstf.save(back, tmp_path / "g.zarr"))
    xr.testing.assert_identical(again.compute(), back.compute())


def test_integers_come_back_within_half_a_step(scene, tmp_path):
    scene["fine"][0, 1, 3:7, 5:9] = np.nan
    path = xstf.save(scene, tmp_path / "s.zarr", dtype="int16", scale_factor=1e-4)
    stored = zarr.open_array(path / "fine")
    assert stored.dtype == np.int16
    assert stored.fill_value == stored.attrs["_FillValue"] == -32768
    assert chunk_files(path, "fine") == ["0", "3"]
    back = xstf.open_scene(path)
    assert back.fine.dtype == np.float32
    assert back.fine.encoding["grid_mapping"] == "spatial_ref"
    for name in ("fine", "coarse"):
        np.testing.assert_allclose(back[name], scene[name], atol=0.51e-4, rtol=0)
    assert back.fine_observed.values.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("dtype", "value"), [("int16", 3.5), ("int16", -3.2769), ("uint8", 0.0255)]
)
def test_what_does_not_fit_is_refused(scene, tmp_path, dtype, value):
    scene["fine"][:] = 0.01
    scene["coarse"][:] = 0.01
    scene["fine"][3, 1, 60, 60] = value
    with pytest.raises(ValueError, match=f"fine holds {value}, .* {dtype} .*scale_factor"):
        xstf.save(scene, tmp_path / "s.zarr", dtype=dtype, scale_factor=1e-4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("edge", [-3.2767, 3.2767])
def test_the_largest_integers_fit(scene, tmp_path, edge):
    scene["fine"][0, 0, 0, 0] = edge
    path = xstf.save(scene, tmp_path / "s.zarr", dtype="int16", scale_factor=1e-4)
    assert xstf.open_scene(path).fine[0, 0, 0, 0] == np.float32(edge)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int16"}, "scale_factor=1e-4"),
        ({"dtype": "int16", "scale_factor": 0.0}, "not above 0"),
        ({"scale_factor": 1e-4}, 'dtype="int16"'),
        ({"dtype": "float32", "scale_factor": 1e-4}, 'dtype="int16"'),
        ({"dtype": "complex64"}, "float32"),
        ({"dtype": "int64", "scale_factor": 1.0}, "int32"),
    ],
)
def test_packings_that_lose_the_picture_are_refused(scene, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        xstf.save(scene, tmp_path / "s.zarr", **options)
    assert list(tmp_path.iterdir()) == []


def test_existing_path_is_refused_before_anything_is_computed(scene, tmp_path):
    path = xstf.save(scene, tmp_path / "s.zarr")
    with (
        dask.config.set(scheduler=refuse),
        pytest.raises(FileExistsError, match=r"s\.zarr exists.*overwrite=True"),
    ):
        xstf.save(scene.chunk(), path)


def test_overwrite_replaces_a_store_even_by_its_own_data(scene, tmp_path):
    path = xstf.save(scene, tmp_path / "s.zarr")
    opened = xstf.open_scene(path)
    opened["fine"] = opened.fine * 0.5
    xstf.save(opened, path, overwrite=True)
    np.testing.assert_array_equal(xstf.open_scene(path).fine, scene.fine * 0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_overwrite_leaves_other_folders_alone(scene, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="no Zarr store"):
        xstf.save(scene, tmp_path / "home", overwrite=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "mine"


def test_blocks_that_still_run_after_a_failure_leave_nothing(scene, tmp_path):
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"] == (0, 0, 2, 2):
            raise RuntimeError("the worker died")
        return block

    data = scene.fine[[0, 3]].chunk(time=1, y=8, x=8).data
    broken = scene.fine[[0, 3]].copy(data=data.map_blocks(fail, meta=data._meta))
    for _ in range(5):
        with (
            dask.config.set(scheduler="threads", num_workers=4),
            pytest.raises(RuntimeError, match="the worker died"),
        ):
            xstf.save(broken, tmp_path / "s.zarr")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [False, True])
def test_a_failing_block_leaves_nothing_or_the_old_store(scene, tmp_path, before):
    path = tmp_path / "s.zarr"
    if before:
        xstf.save(scene, path)

    def fail(block, block_info=None):
        if block_info[0]["chunk-location"][2:] == (1, 1):
            raise RuntimeError("the worker died")
        return block

    data = scene.fine.chunk(time=1, y=32, x=32).data
    broken = scene.assign(fine=scene.fine.copy(data=data.map_blocks(fail, meta=data._meta)))
    with (
        dask.config.set(scheduler="synchronous"),
        pytest.raises(RuntimeError, match="the worker died"),
    ):
        xstf.save(broken, path, overwrite=before)
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"] * before
    if before:
        xr.testing.assert_identical(xstf.open_scene(path).compute(), scene)


def test_a_failing_rename_brings_the_old_store_back(scene, tmp_path, monkeypatch):
    path = xstf.save(scene, tmp_path / "s.zarr")
    rename = Path.rename

    def flaky(self, target):
        if Path(target) == path and "thrown" not in state:
            state.add("thrown")
            raise OSError("the disk is full")
        return rename(self, target)

    state = set()
    monkeypatch.setattr(Path, "rename", flaky)
    with pytest.raises(OSError, match="the disk is full"):
        xstf.save(scene * 0.5, path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]
    xr.testing.assert_identical(xstf.open_scene(path).compute(), scene)


def test_empty_date_of_a_result_is_told(scene, tmp_path):
    fused = scene.stf.fuse("add").compute()
    fused[1] = np.nan
    with pytest.warns(UserWarning, match="fused is missing everywhere on 2020-05-03"):
        path = xstf.save(fused, tmp_path / "f.zarr")
    assert chunk_files(path, "fused") == ["0"]


def test_each_block_is_computed_once(scene, tmp_path):
    calls = []

    def note(block):
        calls.append(block.shape)
        return block

    data = scene.coarse.chunk(time=1).data
    counted = scene.coarse.copy(data=data.map_blocks(note, meta=data._meta))
    xstf.save(counted, tmp_path / "c.zarr")
    assert len(calls) == 4


def test_save_leaves_its_input_alone(scene, tmp_path):
    scene.fine.encoding["scale_factor"] = 7.0
    scene["fine"].encoding["chunks"] = (3, 1, 5, 5)
    before = {n: (dict(v.encoding), dict(v.attrs)) for n, v in scene.variables.items()}
    xstf.save(scene, tmp_path / "s.zarr")
    assert {n: (dict(v.encoding), dict(v.attrs)) for n, v in scene.variables.items()} == before
    back = xstf.open_scene(tmp_path / "s.zarr")
    np.testing.assert_array_equal(back.fine, scene.fine)


def test_stale_packing_attributes_are_not_applied_again(scene, tmp_path):
    scene["fine"].attrs |= {"scale_factor": 1e-4, "_FillValue": -9999.0}
    back = xstf.open_scene(xstf.save(scene, tmp_path / "s.zarr"))
    np.testing.assert_array_equal(back.fine, scene.fine)


def test_missing_store_names_path_and_cure(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.zarr does not exist.*xstf\.save"):
        xstf.open_scene(tmp_path / "none.zarr")


def test_store_that_is_no_scene_is_refused(scene, tmp_path):
    path = xstf.save(scene.coarse, tmp_path / "c.zarr")
    with pytest.raises(ValueError, match="no variable 'fine'"):
        xstf.open_scene(path)


def test_other_names_become_fine_and_coarse(scene, tmp_path):
    path = xstf.save(scene.rename(fine="landsat", coarse="modis"), tmp_path / "s.zarr")
    back = xstf.open_scene(path, fine="landsat", coarse="modis")
    xr.testing.assert_identical(back.compute(), scene)


def test_tree_of_two_groups_is_a_scene(scene, tmp_path):
    nodes = {
        "/fine": scene[["fine"]].sel(time=scene.fine_observed),
        "/coarse": scene[["coarse"]].rename(y_coarse="y", x_coarse="x"),
    }
    nodes["/fine"] = nodes["/fine"].drop_vars("spatial_ref_coarse")
    coarse = nodes["/coarse"].drop_vars("spatial_ref").rename(spatial_ref_coarse="spatial_ref")
    coarse.coarse.encoding["grid_mapping"] = "spatial_ref"
    for name, ds in (("fine", nodes["/fine"]), ("coarse", coarse)):
        ds = ds.drop_encoding().assign_coords(band=ds.band.astype(object))
        ds.to_zarr(tmp_path / "t.zarr", group=name, mode="a", zarr_format=3, consolidated=False)
    back = xstf.open_scene(tmp_path / "t.zarr")
    np.testing.assert_array_equal(back.fine, scene.fine)
    np.testing.assert_array_equal(back.coarse, scene.coarse)
    assert back.fine_observed.values.tolist() == [True, False, False, True]
    assert back.fine.chunks is not None


def test_scene_saves_from_worker_processes(scene, tmp_path):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with warnings.catch_warnings(), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        warnings.simplefilter("ignore", ResourceWarning)
        with dask.config.set(scheduler="processes", pool=pool):
            path = xstf.save(scene.chunk(time=1), tmp_path / "s.zarr")
    xr.testing.assert_identical(xstf.open_scene(path).compute(), scene)


DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.real
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real scenes at {DATA}")
def test_real_scene_comes_back_exactly(tmp_path):
    days = ["2020-10-02", "2020-10-17", "2020-11-11"]
    scene = xstf.scene(
        xstf.read_images([DATA / f"saltonsea/fine/{d}_fine.tif" for d in days]),
        xstf.read_images(str(DATA / "saltonsea/coarse/2020-1[01]-*.tif")),
    )
    path = xstf.save(scene, tmp_path / "s.zarr")
    back = xstf.open_scene(path)
    xr.testing.assert_identical(back.compute(), scene.compute())
    assert len(chunk_files(path, "fine")) == 3


def test_a_result_does_not_replace_the_scene_that_it_was_made_from(scene, tmp_path):
    path = xstf.save(scene, tmp_path / "s.zarr")
    fused = xstf.open_scene(path).stf.fuse("add")
    with pytest.raises(FileExistsError, match="holds coarse, fine, which would be lost"):
        xstf.save(fused, path, overwrite=True)
    xr.testing.assert_identical(xstf.open_scene(path).compute(), scene)
    xstf.save(xstf.open_scene(path), path, overwrite=True)
    xr.testing.assert_identical(xstf.open_scene(path).compute(), scene)


def test_addresses_and_files_on_the_way_are_refused(scene, tmp_path):
    with pytest.raises(ValueError, match="is an address, and save writes folders"):
        xstf.save(scene, "s3://bucket/s.zarr")
    with pytest.raises(TypeError, match="not ndarray"):
        xstf.save(scene.fine.values, tmp_path / "s.zarr")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file, so"):
        xstf.save(scene, tmp_path / "file" / "s.zarr")


def test_plain_xarray_opens_what_was_saved_without_a_warning(scene, tmp_path):
    path = xstf.save(scene.stf.fuse("add"), tmp_path / "f.zarr")
    back = xr.open_zarr(path, decode_coords="all")
    xr.testing.assert_equal(back.fused.compute(), scene.stf.fuse("add").compute())


def test_counts_are_not_packed_like_reflectance(scene, tmp_path):
    found = scene.stf.fuse("fsdaf", window=9, quality=True)
    path = xstf.save(found, tmp_path / "q.zarr", dtype="int16", scale_factor=1e-4)
    back = open_result(path).compute()
    np.testing.assert_array_equal(back.similar, found.similar)
    np.testing.assert_allclose(back.fused, found.fused, atol=5.1e-5)
