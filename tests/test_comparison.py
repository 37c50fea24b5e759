"""Holding out dates: the same footing, no look at what is held out, and going on after a stop."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import xstf
from xstf import trials
from xstf.method import Block, Method

NOTHING = ["unchanged", "upsampled", "interpolated", "add", "add, both sides"]
PLAIN = {"metrics": ["rmse"]}
STARFM = {"starfm": ("starfm", {"window": 9})}
BOTH = {**STARFM, "fsdaf": ("fsdaf", {"window": 9})}


@pytest.fixture(scope="module")
def _known():
    ds, _ = xstf.simulate("mixed", size=56, scale=8, dates=5, pairs=4, bands=("red", "nir"), seed=6)
    return ds.compute()


@pytest.fixture
def known(_known):
    """Return a scene of five dates, four of them pairs."""
    return _known.copy(deep=True)


@pytest.fixture(scope="module")
def one_band(_known):
    """Return a comparison of all methods on one date of a scene of one band."""
    return _known.isel(band=[0]).stf.compare(dates=days(_known)[1], **PLAIN)


def days(ds):
    return ds.time.values[ds.fine_observed.values]


def test_each_known_date_is_held_out_in_turn(known):
    found = known.stf.compare(STARFM, **PLAIN)
    np.testing.assert_array_equal(found.time, days(known))
    assert found["name"].values.tolist() == [*NOTHING, "starfm"]
    assert found["trivial"].values.tolist() == [True] * 5 + [False]
    assert found.rmse.dims == ("name", "time", "band")
    ends = found.rmse.sel(name="add, both sides").isnull().all("band").values
    assert ends.tolist() == [True, False, False, True]
    assert found.rmse.sel(name=["add", "unchanged", "starfm"]).notnull().all()


def test_scores_are_those_of_the_predictions(known):
    first, second, third, _ = days(known)
    found = known.stf.compare(STARFM, dates=second, metrics=["rmse", "ssim", "ergas"])
    fused = known.stf.fuse("starfm", window=9, dates=second, pairs=[first, third])
    expected = xstf.score(fused, known.fine, metrics=["rmse", "ssim", "ergas"])
    for metric in ("rmse", "ssim", "ergas"):
        ours = found[metric].sel(name="starfm", time=[second])
        np.testing.assert_allclose(ours, expected[metric], rtol=1e-6)
        assert ours.attrs == expected[metric].attrs
    agree = known.stf.consistency(fused, metrics=["rmse"])["rmse"]
    np.testing.assert_allclose(found.coarse_rmse.sel(name="starfm", time=[second]), agree)
    own = known.stf.consistency(known.fine.sel(time=[second]), metrics=["rmse"])["rmse"]
    np.testing.assert_allclose(found.coarse_rmse_truth.sel(time=[second]), own)
    assert found.pair_dates.sel(name="starfm", time=second).item() == " ".join(
        str(d.astype("datetime64[D]")) for d in (first, third)
    )


def test_all_are_judged_on_the_same_pixels(known):
    @dataclass(frozen=True, kw_only=True)
    class Gaps(Method):
        def block(self, b: Block) -> dict:
            fused = np.repeat(b.fine[(..., *b.inner)], len(b.target), axis=0)
            fused[..., :20] = np.nan
            return {"fused": fused}

    date = days(known)[1]
    alone = known.stf.compare(STARFM, dates=date, **PLAIN).sel(name="starfm")
    beside = known.stf.compare({**STARFM, "gaps": Gaps()}, dates=date, **PLAIN)
    right = xstf.score(
        known.stf.fuse("starfm", window=9, dates=date)[..., 20:],
        known.fine[..., 20:],
        metrics=["rmse"],
    )
    np.testing.assert_allclose(beside.rmse.sel(name="starfm"), right.rmse, rtol=1e-6)
    assert (beside.rmse.sel(name="starfm") != alone.rmse).any()
    np.testing.assert_allclose(beside.valid.sel(name="gaps"), 36 / 56)


def test_a_method_that_predicts_nothing_spoils_no_other_score(known):
    @dataclass(frozen=True, kw_only=True)
    class Empty(Method):
        def block(self, b: Block) -> dict:
            return {"fused": np.full_like(b.fine[(..., *b.inner)], np.nan)}

    found = known.stf.compare({**STARFM, "empty": Empty()}, dates=days(known)[1], **PLAIN)
    assert found.rmse.sel(name="empty").isnull().all()
    assert found.valid.sel(name="empty").item() == 0
    alone = known.stf.compare(STARFM, dates=days(known)[1], **PLAIN)
    np.testing.assert_array_equal(found.rmse.sel(name="starfm"), alone.rmse.sel(name="starfm"))


def test_pairs_keep_the_gap(known):
    times = days(known)
    step = int((times[1] - times[0]) / np.timedelta64(1, "D"))
    near = known.stf.compare(STARFM, gap=step, **PLAIN)
    far = known.stf.compare(STARFM, gap=step + 1, **PLAIN)
    for found, least in ((near, step), (far, step + 1)):
        for time in found.time.values:
            for text in found.pair_dates.sel(time=time).values:
                gaps = [abs(np.datetime64(day) - time) for day in text.split()]
                assert all(g >= np.timedelta64(least, "D") for g in gaps)
    assert (near.pair_dates != far.pair_dates).any()
    with pytest.raises(
        ValueError, match="starfm cannot be compared: no date has enough pairs at least 1000"
    ):
        known.stf.compare(STARFM, gap=1000)


@dataclass(frozen=True, kw_only=True)
class Learned(Method):
    """Knows the fine images of its scene by their means, and predicts from the nearest."""

    seen: tuple = ()

    def fit(self, scene):
        means = scene.fine.mean(("band", "y", "x")).values
        assert np.isfinite(means[scene.fine_observed.values]).all()
        return Learned(seen=tuple(np.flatnonzero(np.isfinite(means)).tolist()))

    def block(self, b: Block) -> dict:
        assert self.seen
        held = np.zeros((len(b.target), *b.fine[(0, ..., *b.inner)].shape), np.float32)
        return {"fused": held + np.float32(sum(2.0**i for i in self.seen) / 64)}


def test_what_learns_never_sees_the_date_that_is_held_out(known, tmp_path):
    observed = np.flatnonzero(known.fine_observed.values)
    for gap, hidden in ((0, 0), (17, 1)):
        found = known.stf.compare([Learned()], gap=gap, folder=tmp_path / str(gap), **PLAIN)
        images = xstf.open_predictions(found)["learned"]
        for time, image in zip(found.time.values, images, strict=True):
            bits = int(round(64 * float(image[0, 0, 0])))
            seen = [i for i in range(5) if bits >> i & 1]
            days_off = abs(known.time.values - time) / np.timedelta64(1, "D")
            assert seen == [
                i for i in observed if days_off[i] >= gap and known.time.values[i] != time
            ]
            assert len(seen) <= 3 - hidden


def test_a_stopped_comparison_goes_on(known, tmp_path, monkeypatch):
    asked = {"dates": days(known)[1:3], **PLAIN}
    whole = known.stf.compare(BOTH, **asked)
    made = []
    save = trials.save

    def stop(fused, path, **options):
        made.append(path.name)
        if len(made) == 9:
            raise KeyboardInterrupt
        return save(fused, path, **options)

    monkeypatch.setattr(trials, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        known.stf.compare(BOTH, folder=tmp_path, **asked)
    before = set(made[:-1])
    assert len(list(tmp_path.glob("*.json"))) == 8
    made.clear()
    monkeypatch.setattr(trials, "save", lambda f, p, **o: (made.append(p.name), save(f, p, **o)))
    found = known.stf.compare(BOTH, folder=tmp_path, **asked)
    assert made
    assert not before & set(made)
    xr.testing.assert_equal(found.drop_vars(["seconds", "kept"]), whole.drop_vars("seconds"))
    made.clear()
    again = known.chunk(y=16).stf.compare(BOTH, folder=tmp_path, **asked)
    assert not made  # the images are the same, however they are cut
    xr.testing.assert_allclose(again, found, rtol=1e-12)


@pytest.mark.parametrize("change", ["fine", "coarse", "target", "parameter", "classes"])
def test_what_changed_is_made_again(known, tmp_path, monkeypatch, change):
    date = days(known)[1]
    method = {"mine": ("starfm", {"window": 9})}
    known.stf.compare(method, dates=date, folder=tmp_path, **PLAIN)
    made = []
    save = trials.save
    monkeypatch.setattr(
        trials, "save", lambda f, p, **o: (made.append(f.attrs["method"]), save(f, p, **o))
    )
    if change == "fine":
        known["fine"].values[0, 0, 0, 0] += 0.01
    elif change == "coarse":
        known["coarse"].values[0, 0, 0, 0] += 0.01
    elif change == "target":
        at = int(np.flatnonzero(known.time.values == date)[0])
        known["coarse"].values[at, 0, 0, 0] += 0.01
    elif change == "parameter":
        method = {"mine": ("starfm", {"window": 11})}
    else:
        known["classes"] = (("y", "x"), np.ones((56, 56), np.int32))
    known.stf.compare(method, dates=date, folder=tmp_path, **PLAIN)
    assert "starfm" in made
    assert (made == ["starfm"]) == (change == "parameter")


def test_half_written_predictions_are_made_again(known, tmp_path):
    date = days(known)[1]
    found = known.stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN)
    name = found.kept.sel(name="starfm").item()
    (tmp_path / name).with_suffix(".json").unlink()
    (tmp_path / name / "fused" / "zarr.json").unlink()
    again = known.stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN)
    np.testing.assert_array_equal(again.rmse, found.rmse)


@pytest.mark.parametrize("change", ["bands", "place", "source"])
def test_what_a_prediction_carries_is_part_of_its_key(known, tmp_path, monkeypatch, change):
    date = days(known)[1]
    first = known.stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN)
    if change == "bands":
        known = known.assign_coords(band=["nir", "red"])
    elif change == "place":
        known = known.assign_coords(x=known.x + 30, x_coarse=known.x_coarse + 30)
    else:
        monkeypatch.setattr(trials, "code_of", lambda method: "another code")
    again = known.stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN)
    assert (again.kept != first.kept).all()
    np.testing.assert_array_equal(again.rmse, first.rmse)


def test_a_class_map_is_known_by_its_pixels(known, tmp_path):
    names = xr.DataArray(np.ones((56, 56), np.int32), dims=("y", "x"))
    names[:, 20:] = 2
    ds = known.assign(classes=names.chunk(y=8))
    date = days(known)[1]
    first = ds.stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN)
    same = known.assign(classes=names.chunk(x=5))
    np.testing.assert_array_equal(
        same.stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN).kept, first.kept
    )
    names = names.copy()
    names[0, 0] = 2
    other = known.assign(classes=names).stf.compare(STARFM, dates=date, folder=tmp_path, **PLAIN)
    assert (other.kept != first.kept).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": ["rmes"]}, "rmse"),
        ({"metrics": ["ms_ssim"]}, "176"),
        ({"regions": np.ones((3, 3), bool)}, "region"),
        ({"cell": 7}, "cell=7 is no side of a coarse cell"),
        ({"cell": 8.5}, "cell=8.5 is no side"),
        ({"methods": []}, "methods is empty"),
        ({"methods": ["hcm"], "pairs": 2}, 'combine="temporal" gives it several'),
        ({"gap": "20"}, "gap='20' is a number of days"),
        ({"pairs": 9}, "no date can be held out"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_prediction(known, options, said, monkeypatch):
    monkeypatch.setattr(trials, "save", None)
    with pytest.raises((ValueError, TypeError), match=said):
        known.stf.compare(**{"methods": STARFM, **options} if "pairs" not in options or
                          "methods" in options else options)  # fmt: skip


def test_methods_that_cannot_use_so_many_pairs_are_left_out(known):
    found = known.stf.compare(dates=days(known)[1], pairs=2, **PLAIN)
    assert "fsdaf: " in found.left_out
    assert "starfm" in found["name"].values


def test_several_pairs_for_a_method_of_one(known):
    methods = {"two": ("hcm", {"combine": "temporal"})}
    found = known.stf.compare(methods, dates=days(known)[1], **PLAIN)
    assert len(found.pair_dates.sel(name="two").item().split()) == 2


def test_the_methods_own_cell_stays(known):
    coarse = known.fine.copy(data=known.coarse.values.repeat(8, 2).repeat(8, 3))
    at = np.flatnonzero(known.fine_observed)
    shipped = xstf.scene(known.fine[at], coarse[at], scale=1)
    methods = {f"c{c}": ("hcm", {"cell": c}) for c in (4, 8)} | {"none": "hcm"}
    found = shipped.stf.compare(methods, dates=days(known)[1], cell=8, **PLAIN).rmse
    np.testing.assert_array_equal(found.sel(name="c8"), found.sel(name="none"))
    assert (found.sel(name="c4") != found.sel(name="c8")).any()


def test_doing_nothing_may_be_compared_alone(known):
    asked = {"dates": days(known)[1], **PLAIN}
    found = known.stf.compare({"linear": ("add", {"upsample": "linear"})}, **asked)
    assert found["name"].values.tolist() == [*NOTHING, "linear"]
    assert known.stf.compare("add", **asked)["name"].values.tolist() == NOTHING


def test_dates_may_be_a_slice(known):
    times = days(known)
    found = known.stf.compare(STARFM, dates=slice(times[1], times[2]), **PLAIN)
    np.testing.assert_array_equal(found.time, times[1:3])


def test_a_held_out_image_that_is_empty_is_named(known):
    date = days(known)[1]
    known["fine"].loc[{"time": date}] = np.nan
    with pytest.raises(ValueError, match="counts as observed, but its fine image holds nothing"):
        known.stf.compare(STARFM, dates=date, **PLAIN)


def test_a_scene_without_names_of_bands(known):
    bare = known.drop_vars("band")
    found = bare.stf.compare(STARFM, dates=days(known)[1], **PLAIN)
    assert found.rmse.notnull().all()


def test_a_comparison_is_a_file_like_any_other(one_band, tmp_path):
    one_band.to_netcdf(tmp_path / "a.nc")
    read = xr.open_dataset(tmp_path / "a.nc")
    np.testing.assert_array_equal(read.rmse, one_band.rmse)
    assert read.attrs["left_out"] == one_band.left_out


def test_a_tree_is_compared_like_a_scene(known):
    tree = xr.DataTree.from_dict(
        {
            "/fine": known[["fine"]].isel(time=np.flatnonzero(known.fine_observed)),
            "/coarse": known[["coarse"]].rename(y_coarse="y", x_coarse="x"),
        }
    )
    date = days(known)[1]
    found = tree.stf.compare(STARFM, dates=date, **PLAIN)
    np.testing.assert_array_equal(found.rmse, known.stf.compare(STARFM, dates=date, **PLAIN).rmse)


def test_the_page_needs_no_more_than_the_comparison(known, tmp_path):
    found = known.stf.compare(STARFM, dates=days(known)[1], folder=tmp_path / "kept")
    page = known.stf.report(found, tmp_path / "a.html", title="Here")
    assert "<title>Here</title>" in page.read_text()


def test_progress_is_told(known):
    said = []
    known.stf.compare(STARFM, dates=days(known)[1], progress=lambda *a: said.append(a), **PLAIN)
    assert [s[:2] for s in said] == [(n, 6) for n in range(7)]
    assert said[5][2].startswith("starfm 2020-")


def test_progress_is_shown(known, capsys):
    known.stf.compare(STARFM, dates=days(known)[1], progress=True, **PLAIN)
    assert capsys.readouterr().err == ""  # a log hears nothing of what is quick


def test_labels_parameters_and_instances(known):
    methods = {"small": ("starfm", {"window": 9}), "fsdaf": "fsdaf"}
    found = known.stf.compare(methods, dates=days(known)[1], **PLAIN)
    assert found["name"].values.tolist()[5:] == ["small", "fsdaf"]


def test_regions_are_scored_apart(known):
    left = np.zeros((56, 56), bool)
    left[:, :24] = True
    regions = {"left": xr.DataArray(left, dims=("y", "x"), coords={"y": known.y, "x": known.x})}
    date = days(known)[1]
    found = known.stf.compare(STARFM, dates=date, regions=regions, **PLAIN)
    assert found.rmse.sizes["region"] == 1
    fused = known.stf.fuse("starfm", window=9, dates=date)[..., :24]
    right = xstf.score(fused, known.fine[..., :24], **PLAIN).rmse
    np.testing.assert_allclose(found.rmse.sel(name="starfm", region="left"), right, rtol=1e-6)
    assert xstf.recommend(found).name in found["name"].values


def test_every_method_joins_by_existing(one_band):
    from xstf.registry import find, names

    left_out = {line.split(":")[0] for line in one_band.left_out.splitlines()}
    assert set(names(networks=False)) <= set(one_band["name"].values) | left_out
    assert {n for n in names() if find(n).trivial} <= set(NOTHING)


def test_a_method_that_the_scene_cannot_serve_is_left_out_unless_it_is_named(known, one_band):
    assert "sfsdaf: sfsdaf cannot work on one band" in one_band.left_out
    assert "fsdaf" in one_band["name"].values
    with pytest.raises(ValueError, match="sfsdaf cannot work on one band"):
        known.isel(band=[0]).stf.compare("sfsdaf", dates=days(known)[1], **PLAIN)


def test_scenes_of_scale_1_leave_out_what_needs_cells(known):
    coarse = known.fine.copy(data=known.coarse.values.repeat(8, 2).repeat(8, 3))
    at = np.flatnonzero(known.fine_observed)
    shipped = xstf.scene(known.fine[at], coarse[at], scale=1)
    date = days(known)[1]
    found = shipped.stf.compare(dates=date, **PLAIN)
    assert "starfm" in found["name"].values
    assert "fsdaf" not in found["name"].values
    assert "say the cell's side in fine pixels: cell=16" in found.left_out
    with pytest.raises(ValueError, match="fsdaf works on coarse cells"):
        shipped.stf.compare(["starfm", "fsdaf"], dates=date, **PLAIN)
    with_cells = shipped.stf.compare(["fsdaf"], dates=date, cell=8, **PLAIN)
    native = known.isel(time=at).stf.compare(["fsdaf"], dates=date, **PLAIN)
    np.testing.assert_allclose(
        with_cells.rmse.sel(name="fsdaf"), native.rmse.sel(name="fsdaf"), rtol=1e-3
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"methods": "nonsense"}, "there is no method 'nonsense'"),
        ({"methods": {"add": "starfm"}}, "'add' is there twice"),
        ({"methods": ["starfm"], "gap": -1}, "gap=-1 is a number of days"),
        ({"methods": ["starfm"], "gap": float("nan")}, "gap=nan is a number of days"),
        ({"methods": ["starfm"], "pairs": ["2020-04-01"]}, "pairs of its own"),
        ({"methods": ["starfm"], "pairs": True}, "pairs=True must be"),
        ({"methods": ["starfm"], "dates": "1999-01-01"}, "1999-01-01 is not a date of the scene"),
    ],
)
def test_nonsense_is_refused(known, options, said):
    with pytest.raises(ValueError, match=said):
        known.stf.compare(**options)


def test_dates_without_a_fine_image_are_refused(known):
    date = known.time.values[~known.fine_observed.values][0]
    with pytest.raises(ValueError, match="has no fine or no coarse image, so it cannot be held"):
        known.stf.compare(STARFM, dates=date)


def test_one_pair_is_not_enough(known):
    at = np.flatnonzero(known.fine_observed)[:1]
    with pytest.raises(ValueError, match="starfm cannot be compared: no date has enough pairs"):
        known.isel(time=at).stf.compare(STARFM)


def test_predictions_that_were_not_kept_are_not_opened(known):
    found = known.stf.compare(STARFM, dates=days(known)[1], **PLAIN)
    with pytest.raises(ValueError, match="no prediction was kept"):
        xstf.open_predictions(found)


def test_notes_are_plain(known, tmp_path):
    known.stf.compare(STARFM, dates=days(known)[1], folder=tmp_path, **PLAIN)
    note = json.loads(next(tmp_path.glob("*starfm*.json")).read_text())
    assert set(note) == {"label", "date", "pairs", "seconds"}
