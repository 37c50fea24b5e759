"""What a run refuses: other inputs, outputs that are not its own, resumes of something else."""

import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.archive.faults import assert_same, result
from xstf.archive.checking import client_of
from xstf.archive.manifest import read_fingerprint
from xstf.methods.add import Add


def stop(done, *_):
    if done >= 3:
        raise KeyboardInterrupt


def begin(stored, out, **options):
    """Leave a run unfinished."""
    with pytest.raises(KeyboardInterrupt):
        xstf.fuse_store(stored, out, blocksize=32, progress=stop, workers=1, **options)


@pytest.fixture(scope="module")
def _begun(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    path, out = xstf.save(scene, folder / "s.zarr"), folder / "o.zarr"
    begin(path, out, method="starfm", window=11)
    return folder


@pytest.fixture
def begun(_begun, tmp_path):
    """Return a scene and the output of a run of it that was stopped."""
    shutil.copytree(_begun, tmp_path, dirs_exist_ok=True)
    return tmp_path / "s.zarr", tmp_path / "o.zarr"


def rewrite(scene, path, change):
    ds = scene.copy(deep=True)
    change(ds)
    xstf.save(ds, path, overwrite=True)


def shift(kind, date, value=0.25):
    def change(ds):
        ds[kind][date, 0, 3, 4] = value

    return change


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window": 13}, "parameters window: 11 then, 13 now"),
        ({"method": "add"}, r"method: 'starfm \(xstf.methods.starfm.Starfm\)' then, 'add"),
        ({"pairs": "nearest"}, r"pairs 2020-04-17: '2020-04-01 2020-05-19' then, '2020-04-01'"),
        ({"dates": ["2020-04-17"]}, r"pairs 2020-05-03: .* then, None now"),
        ({"dtype": "int16", "scale_factor": 1e-4}, "packing dtype: None then, 'int16' now"),
        ({"quality": True}, r"layers: \['fused'\] then, \['fused', 'similar', 'spread'\] now"),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else "",
)
def test_a_resume_with_something_else_is_refused(begun, changed, message):
    path, out = begun
    asked = {"method": "starfm", "window": 11} | changed
    if asked["method"] == "add":
        del asked["window"]
    with pytest.raises(ValueError, match=f"cannot be resumed, for something .*{message}"):
        xstf.fuse_store(path, out, resume=True, **asked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shift("fine", 3), "the fine images of 2020-05-19 have changed"),
        (shift("coarse", 2), "the coarse images of 2020-05-03 have changed"),
        (shift("coarse", 0, np.nan), "the coarse images of 2020-04-01 have changed"),
        (lambda ds: ds.attrs.update(valid_range=[0.0, 0.9]), r"grid valid_range: \[0.0, 1.0\]"),
    ],
)
def test_a_resume_with_other_images_is_refused(scene, begun, change, message):
    path, out = begun
    rewrite(scene, path, change)
    with pytest.raises(ValueError, match=message):
        xstf.fuse_store(path, out, "starfm", window=11, resume=True)


def test_a_resume_with_another_version_is_refused(begun, monkeypatch):
    path, out = begun
    monkeypatch.setattr(xstf, "__version__", "9.9")
    with pytest.raises(ValueError, match="xstf version: '0.1.0' then, '9.9' now"):
        xstf.fuse_store(path, out, "starfm", window=11, resume=True)


def test_a_resume_with_another_code_of_the_method_is_refused(stored, tmp_path):
    def made(sign):
        @dataclass(frozen=True)
        class Own(Add):
            def block(self, b):
                return {"fused": sign * super().block(b)["fused"]}

        return Own()

    begin(stored, tmp_path / "o.zarr", method=made(1))
    with pytest.raises(ValueError, match="changed since: code of the method: '.*' then, '.*' now"):
        xstf.fuse_store(stored, tmp_path / "o.zarr", made(-1), resume=True)
    xstf.fuse_store(stored, tmp_path / "o.zarr", made(1), resume=True)


def test_a_resume_with_other_tiles_is_refused(begun, scene):
    path, out = begun
    with pytest.raises(ValueError, match=r"blocksize=48, but .* tiles of 32 fine pixels"):
        xstf.fuse_store(path, out, "starfm", window=11, resume=True, blocksize=48)
    xstf.fuse_store(path, out, "starfm", window=11, resume=True, blocksize=30)  # the same tiles
    np.testing.assert_array_equal(result(out).fused, scene.stf.fuse("starfm", window=11).compute())


def test_how_the_images_are_cut_and_where_they_lie_does_not_matter(scene, begun, tmp_path):
    _, out = begun
    other = xstf.save(scene.chunk(time=3, y=30, x=7), tmp_path / "moved.zarr")
    xstf.fuse_store(other, out, "starfm", window=11, resume=True, dates_per_block=1)
    np.testing.assert_array_equal(result(out).fused, scene.stf.fuse("starfm", window=11).compute())


def test_images_that_do_not_serve_do_not_matter(scene, begun):
    path, out = begun
    rewrite(scene, path, shift("fine", 1))  # no observed date
    assert xstf.fuse_store(path, out, "starfm", window=11, resume=True) == out


def test_an_output_is_refused_before_anything_is_read(stored, tmp_path, nothing_computes):
    out = tmp_path / "o.zarr"
    xr.Dataset({"fused": ("x", [1.0])}).to_zarr(out, consolidated=False)
    with pytest.raises(FileExistsError, match="exists; give another path, or replace it"):
        xstf.fuse_store(stored, out, "add")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="no Zarr store"):
        xstf.fuse_store(stored, tmp_path / "home", "add", overwrite=True)
    for wrong in (stored, stored / "fused.zarr"):
        with pytest.raises(ValueError, match="is the scene itself"):
            xstf.fuse_store(stored, wrong, "add", overwrite=True)


def test_another_scene_is_not_replaced(stored, scene, tmp_path):
    other = xstf.save(scene, tmp_path / "other.zarr")
    with pytest.raises(FileExistsError, match="holds coarse, fine, which would be lost"):
        xstf.fuse_store(stored, other, "add", overwrite=True)
    xr.testing.assert_identical(xstf.open_scene(other).compute(), scene)


def test_what_was_not_written_by_a_run_is_not_resumed(stored, scene, tmp_path):
    out = xstf.save(scene.stf.fuse("add"), tmp_path / "o.zarr")
    with pytest.raises(ValueError, match="was not written by fuse_store"):
        xstf.fuse_store(stored, out, "add", resume=True)


def test_the_old_output_stays_until_the_new_one_is_complete(stored, scene, tmp_path):
    out = xstf.fuse_store(stored, tmp_path / "o.zarr", "add")
    old, new = result(out), scene.stf.fuse("starfm", window=11).compute()
    begin(stored, out, method="starfm", window=11, overwrite=True)
    xr.testing.assert_identical(result(out), old)
    assert out.with_name(".o.zarr.replacing").exists()
    with pytest.raises(ValueError, match="cannot be resumed"):
        xstf.fuse_store(stored, out, "starfm", window=11, resume=True)
    counts = []
    xstf.fuse_store(
        stored,
        out,
        "starfm",
        window=11,
        resume=True,
        overwrite=True,
        progress=lambda done, total, _: counts.append(total),
    )
    assert counts[-1] < 4 * 3 * 4
    assert_same(out, new)
    assert [p.name for p in tmp_path.iterdir()] == ["o.zarr"]


def test_a_replacement_that_is_begun_anew_leaves_nothing_of_the_last(stored, scene, tmp_path):
    out = xstf.fuse_store(stored, tmp_path / "o.zarr", "add")
    begin(stored, out, method="starfm", window=11, overwrite=True)
    xstf.fuse_store(stored, out, "unchanged", overwrite=True)
    assert_same(out, scene.stf.fuse("unchanged").compute())
    assert [p.name for p in tmp_path.iterdir()] == ["o.zarr"]


def test_a_folder_in_the_way_of_the_replacement_is_left_alone(stored, tmp_path):
    out = xstf.fuse_store(stored, tmp_path / "o.zarr", "add")
    out.with_name(".o.zarr.replacing").mkdir()
    with pytest.raises(FileExistsError, match="is in the way"):
        xstf.fuse_store(stored, out, "unchanged", overwrite=True)
    assert result(out).fused.attrs["method"] == "add"


def test_resume_and_overwrite_together_go_on_with_what_is_the_same(begun):
    path, out = begun
    xstf.fuse_store(path, out, "starfm", window=11, resume=True, overwrite=True)
    assert read_fingerprint(out)["parameters"]["window"] == 11
    assert result(out).fused.notnull().any(("band", "y", "x")).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.isel(time=slice(0, 4)),
        lambda ds: ds.assign(fine=ds.fine * np.float32(0.5)),
        lambda ds: ds.assign_attrs(valid_range=None),
        lambda ds: ds.load(),
    ],
)
def test_a_scene_that_was_changed_after_it_was_opened_is_refused(stored, tmp_path, change):
    with pytest.raises(ValueError, match=r"scene (is not any more what lies|does not lie).*save"):
        change(xstf.open_scene(stored)).stf.fuse_store(tmp_path / "o.zarr", "add")


def test_what_is_no_store_is_refused(scene, tmp_path):
    with pytest.raises(ValueError, match="does not lie in a Zarr store"):
        scene.stf.fuse_store(tmp_path / "o.zarr", "add")
    with pytest.raises(TypeError, match="not as DataArray"):
        xstf.fuse_store(scene.fine, tmp_path / "o.zarr", "add")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        xstf.fuse_store(tmp_path / "none.zarr", tmp_path / "o.zarr", "add")


@pytest.mark.parametrize("workers", [0, True, 1.5])
def test_workers_are_a_number(workers):
    with pytest.raises(ValueError, match="workers="):
        client_of(None, workers)


def test_threads_and_a_cluster_exclude_each_other():
    with pytest.raises(ValueError, match="leave one out"):
        client_of(object(), 2)


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "a"])
def test_dates_per_block_is_a_number(stored, tmp_path, most):
    with pytest.raises(ValueError, match="dates_per_block="):
        xstf.fuse_store(stored, tmp_path / "o.zarr", "add", dates_per_block=most)
