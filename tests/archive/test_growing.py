"""Outputs that grow: as a run from scratch, with nothing computed that was known before."""

import importlib
import shutil
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
import zarr

import xstf
from tests.archive.faults import Counted, assert_same, calls, result
from tests.test_laws import SMALL
from xstf.archive import schedule
from xstf.archive.manifest import read_fingerprint, share_done
from xstf.method import Prepared
from xstf.methods.add import Add
from xstf.places.folder import Folder

TILES = 4  # of 32 pixels


@pytest.fixture(scope="module")
def whole():
    """Return a scene of 10 dates with both images on each."""
    ds, truth = xstf.simulate(
        "mixed", size=(48, 64), scale=8, dates=10, pairs=2, bands=("red", "nir"), seed=5
    )
    ds = ds.compute()
    fine = truth.compute().reindex(time=ds.time).fillna(ds.fine).assign_attrs(ds.fine.attrs)
    ds["fine"] = fine.transpose(*ds.fine.dims).assign_coords(ds.fine.coords)
    ds["fine"][0, :, 10:14, 20:31] = np.nan
    ds["fine"][4, :, 20:44, 30:50] = np.nan
    ds["coarse"][1, :, 3:5, 4:6] = np.nan
    return ds


@pytest.fixture(scope="module")
def series(whole):
    """Return the scene with fine images of dates 0, 4 and 9."""
    return observed(whole, (0, 4, 9))


def observed(ds, dates):
    """Return the scene with fine images of these dates alone."""
    seen = np.isin(np.arange(ds.sizes["time"]), dates)
    kept = xr.DataArray(seen, dims="time", coords={"time": ds.time})
    fine = ds.fine.where(kept).assign_attrs(ds.fine.attrs)
    return ds.assign(fine=fine, fine_observed=("time", seen))


def put(ds, path):
    return xstf.save(ds, path, overwrite=path.exists())


def growth(out):
    """Return where a grown output lies until it is complete."""
    return Folder(str(out)).growth().path


def days(ds, dates):
    return [str(t)[:10] for t in ds.time.values[list(dates)]]


@pytest.fixture
def notes(tmp_path):
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.fixture
def grown(tmp_path):
    """Return what fuses a scene, then appends with another one, and says what it wrote."""

    def grow(before, after, method, **options):
        out = tmp_path / "o.zarr"
        asked = {"blocksize": 32, **options}
        xstf.fuse_store(put(before, tmp_path / "s.zarr"), out, method, **asked)
        counts = []
        xstf.fuse_store(
            put(after, tmp_path / "s.zarr"),
            out,
            method,
            append=True,
            progress=lambda done, total, _: counts.append(total),
            **asked,
        )
        return out, counts[-1] / TILES if counts else 0

    return grow


def assert_as_from_scratch(out, stored, method, **options):
    """Raise unless the output is, file by file, that of a run over the scene as it is now."""
    fresh = xstf.fuse_store(
        stored, out.with_name("fresh.zarr"), method, blocksize=32, overwrite=True, **options
    )
    assert_same(out, result(fresh))
    for path in sorted(p.relative_to(fresh) for p in fresh.rglob("*") if p.is_file()):
        if str(path) == "zarr.json":
            ours, theirs = (zarr.open_group(p).attrs.asdict() for p in (out, fresh))
            assert ours.pop("history")
            assert ours == theirs
        else:
            assert (out / path).read_bytes() == (fresh / path).read_bytes(), path
    assert {p.relative_to(out) for p in out.rglob("*")} == {
        p.relative_to(fresh) for p in fresh.rglob("*")
    }
    assert read_fingerprint(out) == read_fingerprint(fresh)
    shutil.rmtree(fresh)
    assert not list(out.parent.glob(".*"))


METHODS = {  # and how many dates a fine image of date 7 changes, the new ones aside
    "add": ("add", {}, 2),
    "fsdaf": ("fsdaf", {}, 1),
    "estarfm": ("estarfm", {}, 2),
    "vipstf-fill": ("vipstf", {"fill": True}, 5),
    "starfm-sides": ("starfm", {"quality": True, "pairs": "nearest"}, 2),
    "fsdaf-combined": ("fsdaf", {"combine": "temporal", "pairs": 2}, 2),
    "add-all": (
        "add",
        {"fill": True, "quality": True, "dtype": "int16", "scale_factor": 1e-4},
        5,
    ),
}
every_method = pytest.mark.parametrize("name", METHODS)


@every_method
def test_new_dates_and_a_new_fine_image(whole, series, grown, name):
    """Dates 2 and 8 are new, and 7 has a fine image, nearer than 4 and 9 to those around it."""
    method, asked, changed = METHODS[name]
    asked = {**asked, **SMALL.get(method, {})}
    fill = "fill" in asked
    before = series.isel(time=[0, 1, 3, 4, 5, 6, 7, 9])
    with nullcontext() if fill else pytest.warns(UserWarning, match="there is a fine image now"):
        out, dates = grown(before, observed(whole, (0, 4, 7, 9)), method, **asked)
    assert dates == 2 + changed
    assert_as_from_scratch(out, out.parent / "s.zarr", method, **asked)
    (line,) = result(out).attrs["history"].splitlines()
    kept, left = (8, "") if fill else (4, ", 1 left out (2020-07-22)")
    told = f"2 added (2020-05-03, 2020-08-07), {changed} computed anew, {kept - changed} kept"
    assert line.endswith(f"Z dates: {told}{left}")


@pytest.mark.parametrize(
    ("kind", "date", "concerned"),
    [
        ("coarse", 2, [2]),
        ("coarse", 4, [1, 2, 3, 5, 6, 7, 8]),
        ("fine", 9, [5, 6, 7, 8]),
        ("fine", 2, []),  # it is no observed date
    ],
)
def test_an_image_that_was_replaced(series, tmp_path, notes, kind, date, concerned):
    path, out, method = tmp_path / "s.zarr", tmp_path / "o.zarr", Counted(folder=str(notes))
    asked = {"blocksize": 32, "dates_per_block": 1}
    xstf.fuse_store(put(series, path), out, method, **asked)
    before = calls(notes)
    inodes = {p: p.stat().st_ino for p in out.glob("fused/c/**/*") if p.is_file()}
    other = series.copy(deep=True)
    other[kind][date, 0, 3, 4] = 0.25
    with pytest.raises(ValueError, match="changed") if concerned else nullcontext():
        xstf.fuse_store(put(other, path), out, method, resume=True, **asked)
    xstf.fuse_store(path, out, method, append=True, **asked)
    again = {name for name, times in calls(notes).items() if times > before.get(name, 0)}
    assert {name.split("-", 2)[2] for name in again} == set(days(series, concerned))
    assert len(again) == len(concerned) * TILES
    targets = [1, 2, 3, 5, 6, 7, 8]
    for p, inode in inodes.items():
        stays = targets[int(p.relative_to(out).parts[2])] not in concerned
        assert (p.stat().st_ino == inode) == stays  # no pixel of it was written
    np.testing.assert_array_equal(result(out).fused, other.stf.fuse("add").compute())


def test_a_fine_image_that_is_kept_where_it_has_pixels(series, grown):
    """It has changed, and is the pair of others; those that it does not serve stay."""
    other = series.copy(deep=True)
    other["fine"][4, :, 30, 40] = 0.5  # a cloud's place
    out, dates = grown(series, other, "unchanged", fill=True)
    assert dates == 1 + sum("2020-06-04" in str(p) for p in result(out).pair_dates.values)
    assert_as_from_scratch(out, out.parent / "s.zarr", "unchanged", fill=True)


def test_what_is_not_there_is_begun_and_what_was_stopped_goes_on(series, tmp_path, notes):
    path, out = tmp_path / "s.zarr", tmp_path / "o.zarr"
    asked = {"append": True, "blocksize": 32, "dates_per_block": 1, "workers": 1}
    method = Counted(folder=str(notes))
    with pytest.raises(KeyboardInterrupt):
        xstf.fuse_store(
            put(series.isel(time=slice(0, 8)), path), out, method, progress=stop_after(5), **asked
        )
    assert share_done(str(out)).sum() * TILES >= 5
    xstf.fuse_store(put(series, path), out, method, **asked)
    both = [n for name, n in calls(notes).items() if name.endswith(tuple(days(series, [1, 2, 3])))]
    assert both == [1] * 3 * TILES  # whose pairs are 0 and 4 then and now
    np.testing.assert_array_equal(result(out).fused, series.stf.fuse("add").compute())
    assert result(out).attrs["history"].count("\n") == 0


def stop_after(count):
    def tell(done, *_):
        if done >= count:
            raise KeyboardInterrupt

    return tell


def test_dates_that_are_named_stay_though_they_have_a_fine_image_now(whole, series, grown):
    named = list(series.time.values[[1, 2, 3, 5, 6, 7, 8]])
    out, dates = grown(series, observed(whole, (0, 4, 7, 9)), "add", dates=named)
    assert dates == 3
    assert result(out).sizes["time"] == 7
    assert_as_from_scratch(out, out.parent / "s.zarr", "add", dates=named)


def other_range(ds):
    return ds.assign_attrs(valid_range=[0.0, 0.9])


REFUSED = [
    ({"method": "unchanged"}, None, r"method: 'add \(xstf.methods.add.Add\)' then, 'unchanged "),
    ({"upsample": "nearest"}, None, "parameters upsample: 'cubic' then, 'nearest' now"),
    ({"dtype": "int16", "scale_factor": 1e-4}, None, "packing dtype: None then"),
    ({"fill": True}, None, r"layers: \['fused'\] then, \['fused', 'filled'\] now"),
    ({"dates": ["2020-04-17"]}, None, "2020-05-03, .* would not be predicted any more"),
    ({}, other_range, r"grid valid_range: \[0.0, 1.0\] then"),
    ({}, lambda ds: ds.isel(time=[0, 1, 3, 4, 9]), "2020-05-03, .* would not be predicted"),
    ({}, lambda ds: ds.isel(band=[0]), r"grid bands: \['red', 'nir'\] then, \['red'\] now"),
    ({}, lambda ds: ds.stf.isel(y=slice(0, 40)), r"grid shape: \[48, 64\] then, \[40, 64\] now"),
]


@pytest.fixture(scope="module")
def made(series, tmp_path_factory):
    """Return the paths of the scene and of its output."""
    home = tmp_path_factory.mktemp("made")
    path = put(series, home / "s.zarr")
    return path, xstf.fuse_store(path, home / "o.zarr", "add")


@pytest.mark.parametrize(("changed", "change", "message"), REFUSED)
def test_something_else_is_refused_and_left_alone(series, made, tmp_path, changed, change, message):
    path, out = made
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    if change:
        path = put(change(series), tmp_path / "other.zarr")
    asked = {"method": "add"} | changed
    with pytest.raises(ValueError, match=f"cannot be extended, for more than .*{message}"):
        xstf.fuse_store(path, out, append=True, **asked)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in out.parent.iterdir()) == ["o.zarr", "s.zarr"]


def test_nothing_new_is_nothing_to_do(made):
    path, out = made
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    xstf.fuse_store(path, out, "add", append=True)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_what_no_run_has_written_is_not_extended(series, made, tmp_path):
    path, _ = made
    out = xstf.save(series.stf.fuse("add"), tmp_path / "o.zarr")
    with pytest.raises(ValueError, match="not written by fuse_store, so it cannot be extended"):
        xstf.fuse_store(path, out, "add", append=True)
    with pytest.raises(ValueError, match="leave one out"):
        xstf.fuse_store(path, out, "add", append=True, overwrite=True)


def test_a_resume_says_that_an_output_can_be_extended(before_and_after):
    home, _, _ = before_and_after
    with pytest.raises(ValueError, match="extend it with append=True, give another path"):
        xstf.fuse_store(home / "s.zarr", home / "o.zarr", "add", resume=True)
    with pytest.raises(ValueError, match="now; give another path"):
        xstf.fuse_store(home / "s.zarr", home / "o.zarr", "unchanged", resume=True)


@dataclass(frozen=True)
class Social(Add):
    """Breaks the law: what it finds of a date, or of all of them, depends on the other dates."""

    of: str = "dated"

    def prepare(self, scene):
        count = scene.once(float, scene.dates)
        many = [count] * scene.dates
        if self.of == "planes":
            plane = scene.once(np.full, (scene.bands, 6, 8), count)
            return Prepared(planes={"count": [plane] * scene.dates})
        return Prepared(numbers=count) if self.of == "numbers" else Prepared(dated=many)

    def block(self, b):
        counts = {"numbers": b.numbers, "dated": b.dated and b.dated[0]}
        count = b.made["count"].max() if self.of == "planes" else counts[self.of]
        return {"fused": super().block(b)["fused"] * np.float32(count)}


@pytest.mark.parametrize("of", ["dated", "numbers", "planes"])
def test_what_a_method_prepares_for_a_date_is_compared(series, grown, of):
    out, dates = grown(series.isel(time=[0, 1, 2, 4, 5, 6, 8, 9]), series, Social(of=of))
    assert dates == 7  # 3 and 7 are new, and with them all others are different
    np.testing.assert_array_equal(result(out).fused, series.stf.fuse(Social(of=of)).compute())


def test_what_was_prepared_for_the_same_dates_is_not_computed_again(series, grown, monkeypatch):
    from xstf.methods.fsdaf import Fsdaf

    groups = []
    prepare = Fsdaf.prepare

    def counted(self, scene):
        groups.append(scene.dates)
        return prepare(self, scene)

    monkeypatch.setattr(Fsdaf, "prepare", counted)
    asked = {"pairs": "nearest", **SMALL["fsdaf"]}
    out, _ = grown(series.isel(time=[0, 1, 2, 3, 4, 5, 6, 7, 9]), series, "fsdaf", **asked)
    first = [dates for pairs, dates in pair_sizes(result(out)).items()]
    assert groups[:3] == [first[0], first[1], first[2] - 1]
    assert groups[3:] == [first[2]]  # date 8 is nearest to 9


def pair_sizes(ds):
    names = ds.pair_dates.values.tolist()
    return {name: names.count(name) for name in dict.fromkeys(names)}


class Killed(BaseException):
    """The process is gone."""


STEPS = (
    "xstf.archive.output.create",
    "xstf.archive.making.prepare",
    "xstf.archive.taking.home_of",
    "os.link",
    "xstf.archive.manifest.Marks.put",
    "xstf.archive.taking.Growing._note",
    "pathlib.Path.rename",
    "shutil.rmtree",
    "xstf.archive.schedule.do",
    "xstf.archive.manifest.Marks.set",
    "xstf.archive.manifest.Marks.write",
)


LAST = ("os.link", "pathlib.Path.rename", "shutil.rmtree", "xstf.archive.manifest.Marks.write")


def kill_at(patch, last):
    """Let the process die before its step of this number; after that it does nothing at all."""
    done = []

    def before(name, step):
        def stepped(*arguments, **options):
            if len(done) >= last:
                raise Killed
            done.append(name)
            return step(*arguments, **options)

        return stepped

    for name in STEPS:
        above, _, attribute = name.rpartition(".")
        try:
            home = importlib.import_module(above)
        except ModuleNotFoundError:
            module, _, kind = above.rpartition(".")
            home = getattr(importlib.import_module(module), kind)
        patch.setattr(home, attribute, before(name, getattr(home, attribute)))
    return done


@pytest.fixture(scope="module")
def before_and_after(whole, tmp_path_factory):
    """Return the folder of a grown scene and the output of what it was, and both results."""
    home = tmp_path_factory.mktemp("grows")
    was = observed(whole, (0, 4)).isel(time=[0, 1, 2, 3, 4, 6, 7, 8])
    xstf.fuse_store(put(was, home / "s.zarr"), home / "o.zarr", "add", blocksize=32)
    old, now = result(home / "o.zarr"), observed(whole, (0, 4, 9))
    put(now, home / "s.zarr")
    return home, old.drop_attrs(deep=False), now.stf.fuse("add").compute()


def test_a_kill_at_any_step_leaves_the_old_or_the_new(before_and_after, tmp_path, monkeypatch):
    home, old, new = before_and_after
    path = home / "s.zarr"

    def append(out):
        xstf.fuse_store(path, out, "add", append=True, blocksize=32, workers=1, progress=False)

    def killed(last):
        out = tmp_path / f"{last}" / "o.zarr"
        shutil.copytree(home / "o.zarr", out)
        with monkeypatch.context() as patch:
            patch.setattr("xstf.places.place.PAUSE", 0.0)  # as many steps on a busy machine
            steps = kill_at(patch, last)
            with pytest.raises(Killed) if last < 9999 else nullcontext():
                append(out)
        return out, steps

    _, steps = killed(9999)
    assert set(steps) == set(STEPS)
    chosen = {steps.index(s) for s in STEPS} | {
        len(steps) - 1 - steps[::-1].index(s) for s in STEPS
    }
    for last in sorted(chosen):
        out, _ = killed(last)
        if out.exists():
            found = result(out).drop_attrs(deep=False)
            assert found.equals(old) or found.equals(new.to_dataset()), steps[last]
        else:
            assert share_done(str(growth(out))).min() == 1
        append(out)
        assert_same(out, new)
        assert not growth(out).exists()
        history = result(out).attrs["history"].splitlines()
        assert [line.split(" ", 1)[1] for line in history] == [
            "dates: 1 added (2020-06-20), 3 computed anew, 3 kept"
        ]
        shutil.rmtree(out.parent)


def test_the_old_output_stays_until_the_new_one_is_complete(
    before_and_after, tmp_path, monkeypatch
):
    home, old, new = before_and_after
    out = tmp_path / "o.zarr"
    shutil.copytree(home / "o.zarr", out)
    do = schedule.do

    def failing(job, work):
        if (work.row, work.column) == (1, 0):
            raise RuntimeError("the node has no memory left")
        return do(job, work)

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "do", failing)
        with pytest.raises(xstf.BlocksFailed, match="is gone, append=True computes these alone"):
            xstf.fuse_store(home / "s.zarr", out, "add", append=True, blocksize=32)
    xr.testing.assert_equal(result(out), old)
    counts = []
    xstf.fuse_store(
        home / "s.zarr", out, "add", append=True, progress=lambda *a: counts.append(a[1])
    )
    assert counts[-1] == 4
    assert_same(out, new)


def test_a_scene_that_grows_again_goes_on_from_what_was_stopped(series, tmp_path, notes):
    path, out, method = tmp_path / "s.zarr", tmp_path / "o.zarr", Counted(folder=str(notes))
    asked = {"append": True, "blocksize": 32, "dates_per_block": 1, "workers": 1}
    xstf.fuse_store(put(series.isel(time=[0, 1, 4, 5, 9]), path), out, method, **asked)
    old = result(out)
    put(series.isel(time=[0, 1, 2, 4, 5, 9]), path)
    with pytest.raises(KeyboardInterrupt):
        xstf.fuse_store(path, out, method, progress=stop_after(2), **asked)
    xr.testing.assert_identical(result(out), old)
    assert share_done(str(growth(out)))[1] >= 0.5
    xstf.fuse_store(put(series, path), out, method, **asked)
    assert sum(calls(notes).values()) <= 7 * TILES + 1
    np.testing.assert_array_equal(result(out).fused, series.stf.fuse("add").compute())
    assert [line.split(" ", 1)[1] for line in result(out).attrs["history"].splitlines()] == [
        "dates: 1 added (2020-05-03), 0 computed anew, 2 kept",
        "dates: 4 added (2020-05-19, 2020-07-06, 2020-07-22, 2020-08-07), 0 computed anew, 3 kept",
    ]


def test_what_was_stopped_and_cannot_serve_is_left(series, tmp_path):
    """A date that was asked for meanwhile, and is not wanted any more."""
    path, out = put(series, tmp_path / "s.zarr"), tmp_path / "o.zarr"
    asked = {"blocksize": 32, "workers": 1}
    xstf.fuse_store(path, out, "add", dates=days(series, [1, 2]), **asked)
    more = {"append": True, "dates": days(series, [1, 2, 3])}
    with pytest.raises(KeyboardInterrupt):
        xstf.fuse_store(path, out, "add", progress=stop_after(1), **more, **asked)
    more["dates"] = days(series, [1, 2, 5])
    xstf.fuse_store(path, out, "add", **more, **asked)
    assert not growth(out).exists()
    assert_as_from_scratch(out, path, "add", dates=more["dates"])


def test_a_folder_in_the_way_is_left_alone(before_and_after, tmp_path):
    home, old, _ = before_and_after
    out = tmp_path / "o.zarr"
    shutil.copytree(home / "o.zarr", out)
    growth(out).mkdir()
    with pytest.raises(FileExistsError, match="is in the way"):
        xstf.fuse_store(home / "s.zarr", out, "add", append=True)
    xr.testing.assert_equal(result(out), old)


def test_a_replacement_leaves_nothing_of_a_growth_that_was_stopped(before_and_after, tmp_path):
    home, _, new = before_and_after
    out = tmp_path / "o.zarr"
    shutil.copytree(home / "o.zarr", out)
    with pytest.raises(KeyboardInterrupt):
        xstf.fuse_store(home / "s.zarr", out, "add", append=True, workers=1, progress=stop_after(1))
    assert growth(out).exists()
    xstf.fuse_store(home / "s.zarr", out, "add", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["o.zarr"]
    assert_same(out, new)


def test_a_file_that_is_lost_is_computed_again(before_and_after, tmp_path):
    home, _, new = before_and_after
    out = tmp_path / "o.zarr"
    shutil.copytree(home / "o.zarr", out)
    (out / "fused" / "c" / "1" / "0" / "1" / "0").unlink()
    counts = []
    xstf.fuse_store(
        home / "s.zarr", out, "add", append=True, progress=lambda *a: counts.append(a[1])
    )
    assert counts[-1] == 4 * TILES + 1
    assert_same(out, new)


def test_files_of_another_kind_are_not_taken_over(before_and_after, tmp_path):
    home, old, _ = before_and_after
    out = tmp_path / "o.zarr"
    shutil.copytree(home / "o.zarr", out)
    told = (out / "fused" / "zarr.json").read_text()
    assert '"zstd"' in told
    (out / "fused" / "zarr.json").write_text(told.replace('"level": 0', '"level": 3'))
    with pytest.raises(
        ValueError, match="another version of zarr or xarray wrote it: fused codecs"
    ):
        xstf.fuse_store(home / "s.zarr", out, "add", append=True)
    assert [p.name for p in tmp_path.iterdir()] == ["o.zarr"]


def test_a_block_of_a_run_that_is_gone_does_not_write_into_the_next(
    before_and_after, tmp_path, monkeypatch
):
    """As where a client has died, and its workers have not noticed."""
    home, _, new = before_and_after
    out = tmp_path / "o.zarr"
    shutil.copytree(home / "o.zarr", out)
    late = []
    do = schedule.do

    def kept(job, work):
        late.append((job, work))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "do", kept)
        with pytest.raises(KeyboardInterrupt):
            xstf.fuse_store(home / "s.zarr", out, "add", append=True, workers=1, blocksize=32)
    xstf.fuse_store(home / "s.zarr", out, "add", append=True)
    with pytest.raises(FileNotFoundError):
        do(*late[0])
    assert not growth(out).exists()
    shutil.copytree(home / "o.zarr", growth(out))
    with pytest.raises(RuntimeError, match="has been replaced since by another run"):
        do(*late[0])
    shutil.rmtree(growth(out))
    assert_same(out, new)


def test_what_a_run_within_a_limit_has_written_grows(series, tmp_path, monkeypatch):
    """Its tiles stay, and what is computed keeps to a limit too."""
    monkeypatch.setattr("xstf.limits._held", lambda: 0.0)
    path, out, asked = tmp_path / "s.zarr", tmp_path / "o.zarr", {"workers": 1, "window": 11}
    put(series.isel(time=[0, 1, 4, 5, 9]), path)
    least = xstf.estimate(path, "starfm", blocksize=32, dates_per_block=1, **asked)
    asked["memory_limit"] = least.worker_bytes
    assert xstf.estimate(path, "starfm", workers=1, window=11).blocksize > 32
    xstf.fuse_store(path, out, "starfm", **asked)
    assert result(out).fused.encoding["shards"][-2:] == (32, 32)
    old = result(out)
    put(series, path)
    with pytest.raises(ValueError, match="too little for starfm: a block of 32 x 32 pixels"):
        xstf.fuse_store(path, out, "starfm", append=True, **asked | {"memory_limit": "1MB"})
    xr.testing.assert_identical(result(out), old)
    assert not growth(out).exists()
    counts = []
    asked |= {"append": True, "progress": lambda *n: counts.append(n)}
    xstf.fuse_store(path, out, "starfm", **asked)
    assert counts[-1][1] == 5 * TILES
    assert len(counts) == 5 * TILES  # one date a block
    np.testing.assert_array_equal(result(out).fused, series.stf.fuse("starfm", window=11).compute())


def test_what_a_cluster_has_written_grows_on_it(series, client, tmp_path, monkeypatch):
    """Quick blocks share a task, in both runs."""
    path, out, tasks = tmp_path / "s.zarr", tmp_path / "o.zarr", []
    submit = schedule.Cluster.submit

    def counted(self, works):
        tasks.append(works)
        return submit(self, works)

    monkeypatch.setattr(schedule.Cluster, "submit", counted)
    asked = {"blocksize": 16, "dates_per_block": 1, "client": client}
    xstf.fuse_store(put(series.isel(time=[0, 1, 4, 5, 8, 9]), path), out, "add", **asked)
    assert len({work for works in tasks for work in works}) == 3 * 12
    assert max(map(len, tasks)) > 1
    tasks.clear()
    xstf.fuse_store(put(series, path), out, "add", append=True, **asked)
    assert len({work for works in tasks for work in works}) == 4 * 12
    assert max(map(len, tasks)) > 1
    np.testing.assert_array_equal(result(out).fused, series.stf.fuse("add").compute())
