"""What every method obeys, run over the whole registry."""

import dataclasses
import pickle
from functools import cache

import dask
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xstf
from tests.networks import TINY, trained
from tests.strategies import cuts_of
from xstf.registry import find, names

CLASSES = {"min_classes": 2, "max_classes": 4, "small": 20}
SMALL = {
    "fitfc": {"window": 9, "num_similar": 7},
    "hcm": {"window": 3, "white": True},
    "stnlffm": {"window": 11, "tolerance": 0.03, "patch": 3},
    "sfsdaf": {"num_similar": 7, "min_classes": 3, "max_classes": 3, "small": 20},
    "vipstf": {"window": 9, "num_similar": 7},
    "ubdf": {"window": 3, **CLASSES},
    "stdfa": {"window": 3, **CLASSES},
    "strum": {"window": 5, **CLASSES},
    "starfm": {"window": 11, "classes": 8},
    "estarfm": {"window": 11, "classes": 2},
    "fsdaf": {"window": 9, "num_similar": 7, "min_classes": 2, "max_classes": 4, "small": 20},
}
SHIFT = {"stdfa": {"rule": "paper"}}  # bounds of the values themselves do not shift along
METHODS = names()
HARD = [(m, p) for m in METHODS for p in (1, 2) if p in find(m).pairs]
SCALE = 4
NO_COARSE = {"unchanged", "interpolated"}  # do-nothing predictions that look at no coarse image
NO_FINE = {"upsampled"}  # and at no fine one


@cache
def scene(gaps=True, pairs=2):
    """A scene of 56 x 48 pixels; with gaps, some fine pixels and coarse cells are missing."""
    ds, _ = xstf.simulate(
        "mixed", size=(56, 48), scale=SCALE, dates=5, pairs=pairs, bands=("red", "nir"), seed=3
    )
    ds = ds.compute()
    if gaps:
        ds["fine"][0, :, 10:14, 20:31] = np.nan
        ds["fine"][0, 1, 40, 3] = np.nan
        ds["coarse"][1, :, 5:7, 4:6] = np.nan
        ds["coarse"][0, 0, 11, 9] = np.nan
    return ds


def same(found, expected, method):
    """Compare two predictions bit by bit; those of networks to 1e-5."""
    if method in TINY:
        xr.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    else:
        xr.testing.assert_identical(found, expected)


def fuse(method, ds, pairs=None, **options):
    """Fuse with the small parameters of the law tests, networks trained."""
    if pairs is not None:
        options["pairs"] = pairs
    method = trained(method) if method in TINY else method
    parameters = {**SMALL.get(method, {}), **options} if isinstance(method, str) else options
    return ds.stf.fuse(method, **parameters)


def chosen(pairs):
    return "nearest" if pairs == 1 else "auto"


def fewest(method):
    """Return what makes a method use as few pairs as it can."""
    return chosen(find(method).pairs[0])


def with_layers(method, pairs, ds, **options):
    """Fuse with all layers that the method has."""
    return fuse(method, ds, pairs, quality=len(find(method).layers) > 1, **options)


@pytest.fixture(scope="module", params=HARD, ids=lambda p: f"{p[0]}-{p[1]}")
def whole(request):
    method, pairs = request.param
    return method, chosen(pairs), fuse(method, scene(), chosen(pairs), blocksize=1000).compute()


@cache
def whole_layers(method, pairs):
    return with_layers(method, pairs, scene(), blocksize=1000).compute()


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_cut_gives_the_same_picture(whole, data):
    method, pairs, _ = whole
    cut = data.draw(cuts_of(scene()))
    blocksize = data.draw(st.integers(1, 40))
    found = with_layers(method, pairs, scene().chunk({**cut, "time": 2}), blocksize=blocksize)
    same(found.compute(), whole_layers(method, pairs), method)


def test_one_date_at_a_time_is_many_together(whole):
    method, pairs, expected = whole
    for time in expected.time.values:
        one = fuse(method, scene(), pairs, dates=time, blocksize=16).compute()
        same(one, expected.sel(time=[time]), method)


def test_threads_processes_and_one_worker_agree(whole):
    method, pairs, expected = whole
    lazy = fuse(method, scene(), pairs, blocksize=16)
    for options in ({"scheduler": "sync"}, {"scheduler": "threads", "num_workers": 4}):
        same(lazy.compute(**options), expected, method)


def test_a_wider_halo_changes_nothing(whole):
    method, pairs, expected = whole
    kind = find(method)

    class Wider(kind):
        def halo(self, scale):
            return super().halo(scale) + 2 * scale

    given = vars(trained(method)) if method in TINY else SMALL.get(method, {})
    found = fuse(Wider(**given), scene(), pairs, blocksize=12).compute()
    same(found, expected.assign_attrs(found.attrs), method)


def test_building_computes_nothing(whole, nothing_computes):
    method, pairs, _ = whole
    lazy = fuse(method, scene().chunk(y=13, x=11, y_coarse=3, x_coarse=5), pairs)
    assert dask.is_dask_collection(lazy)


def test_equal_parameters_make_an_equal_graph(whole):
    method, pairs, _ = whole
    lazy = [fuse(method, scene().chunk(y=13), pairs) for _ in range(2)]
    assert lazy[0].data.name == lazy[1].data.name
    assert lazy[0].data.name != fuse(method, scene().chunk(y=14), pairs).data.name


def test_float32_and_inputs_untouched(whole):
    method, pairs, expected = whole
    ds = scene().copy(deep=True)
    found = fuse(method, ds, pairs).compute()
    assert found.dtype == np.float32
    xr.testing.assert_identical(ds, scene())
    same(found, expected, method)


@pytest.mark.parametrize("method", METHODS)
def test_methods_pickle_hash_and_tokenise(method):
    made = trained(method) if method in TINY else find(method)(**SMALL.get(method, {}))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert hash(again) == hash(made)
    assert tokenize(again) == tokenize(made)
    for field in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, 1)


@pytest.mark.parametrize(("method", "pairs"), HARD)
def test_no_coarse_change_leaves_untouched_what_is_declared(method, pairs):
    declared = find(method).unchanged
    assert declared in ("texture", "flat", "")
    if not declared:
        pytest.skip("the method promises nothing without coarse change")
    ds = scene(gaps=False).copy(deep=True)
    if declared == "flat":
        rounded = (ds["fine"][0, :, ::8, ::8] * 4).round() / 4
        flat = rounded.values.repeat(8, axis=1).repeat(8, axis=2)
        ds["fine"][:] = flat
    else:
        ds["fine"][:] = ds["fine"][0]
    ds["coarse"][:] = ds["coarse"][0]
    found = fuse(method, ds, chosen(pairs)).compute()
    tolerance = 0 if declared == "texture" else 1e-6
    np.testing.assert_allclose(found, ds["fine"].values[:1].repeat(3, 0), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("method", "pairs"), HARD)
def test_a_missing_coarse_cell_leaves_no_hole_far_from_it(method, pairs):
    """NaN comes out only where the fine pixels are missing, or in and around missing cells."""
    ds = scene(gaps=False).copy(deep=True)
    ds["coarse"][:, :, 6, 6] = np.nan
    found = fuse(method, ds, chosen(pairs)).compute()
    hole = np.isnan(found.values).any(axis=(0, 1))
    cell = np.zeros_like(hole)
    cell[6 * SCALE : 7 * SCALE, 6 * SCALE : 7 * SCALE] = True
    assert not (hole & ~cell).any()


@pytest.mark.parametrize(("method", "pairs"), HARD)
def test_missing_fine_pixels_come_from_the_other_pair_or_stay_missing(method, pairs):
    ds = scene(gaps=False).copy(deep=True)
    times = ds.time.values[ds.fine_observed.values]
    at = {"time": int(np.flatnonzero(ds.fine_observed.values)[0])}
    hole = np.zeros(ds.fine.shape[2:], bool)
    hole[20:26, 12:19] = True
    ds["fine"].values[at["time"], :, hole] = np.nan
    date = ds.time.values[1]
    served = list(times) if pairs == 2 else [times[0]]
    found = fuse(method, ds, served, dates=date).compute()[0]
    expected = hole if pairs == 1 and method not in NO_FINE else np.zeros_like(hole)
    np.testing.assert_array_equal(np.isnan(found.values).all(axis=0), expected)
    np.testing.assert_array_equal(np.isnan(found.values).any(axis=0), expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_shift_of_the_coarse_image_shifts_the_fine_one(method):
    if method in NO_COARSE or not find(method).unchanged:
        pytest.skip("the method promises nothing without coarse change, or reads no coarse image")
    ds = scene(gaps=False).copy(deep=True)
    if find(method).unchanged == "flat":
        ds["fine"][:] = (ds["fine"][0, :, ::8, ::8] * 4).round().values.repeat(8, 1).repeat(
            8, 2
        ) / 4
    else:
        ds["fine"][:] = ds["fine"][0]
    ds["fine"][:] = ds["fine"].clip(0.02, 0.9)
    ds["coarse"][:] = ds["coarse"][0]
    date = ds.time.values[2]
    ds["coarse"].loc[{"time": date}] += 0.03
    options = SHIFT.get(method, {})
    found = fuse(method, ds, fewest(method), dates=date, **options).compute()[0]
    np.testing.assert_allclose(found, ds["fine"][0] + 0.03, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster inside this process, which is nobody's default."""
    from distributed import Client

    options = {"n_workers": 1, "dashboard_address": ":0", "set_as_default": False}
    with Client(processes=False, **options) as made:
        yield made


@pytest.mark.parametrize(("method", "pairs"), HARD)
def test_a_persisted_scene_gives_the_same_picture(method, pairs, cluster, monkeypatch):
    expected = fuse(method, scene(), chosen(pairs)).compute()
    with cluster.as_current():
        kept = scene().chunk(y=16).persist()
        assert cluster.futures  # which hold it
        same(fuse(method, kept, chosen(pairs)).compute(), expected, method)
        monkeypatch.setattr("xstf.engine.HELD", 0)
        same(fuse(method, kept, chosen(pairs)).compute(), expected, method)


@pytest.mark.parametrize(
    ("method", "pairs", "kept"),
    [(*hard, "lazy") for hard in HARD]
    + [(m, 1, kept) for kept in ("numpy", "zarr", "union") for m in ("starfm", "fsdaf", "gpfuse")],
)
def test_reading_apart_for_the_first_pass_changes_nothing(
    method, pairs, kept, monkeypatch, tmp_path
):
    ds = scene()
    if kept == "lazy":
        ds = ds.chunk(y=16)
    elif kept == "zarr":
        ds = xstf.open_scene(xstf.save(ds.chunk(y=16, x=24, time=1), tmp_path / "s.zarr"))
    elif kept == "union":  # built of images on disk with dates of their own
        observed = ds.fine.isel(time=np.flatnonzero(ds.fine_observed)).chunk(y=16)
        coarse = ds.coarse.rename(y_coarse="y", x_coarse="x").drop_vars("spatial_ref_coarse")
        ds = xstf.scene(observed, coarse.chunk())
    expected = fuse(method, ds, chosen(pairs))
    monkeypatch.setattr("xstf.engine.HELD", 0)
    apart = fuse(method, ds, chosen(pairs))
    assert apart.data.name == fuse(method, ds, chosen(pairs)).data.name
    same(apart.compute(), expected.compute(), method)
    tasks = dict(apart.data.__dask_graph__())
    assert all(getattr(task, "key", key) == key for key, task in tasks.items())
    if kept != "numpy":
        blocks = [t for k, t in tasks.items() if str(k[0]).startswith("stf-block")]
        survey = [t for k, t in tasks.items() if str(k[0]).startswith("stf-prep") and len(k) == 5]
        first, second = ({k[0] for t in part for k in t.dependencies} for part in (survey, blocks))
        assert ds.fine.data.name in second
        assert ds.fine.data.name not in first


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_target_is_announced(method):
    if method in NO_COARSE:
        pytest.skip("the method reads no coarse image, so none can be missing")
    ds = scene(gaps=False).copy(deep=True)
    ds["coarse"][2] = np.nan
    lazy = fuse(method, ds, fewest(method))
    with pytest.warns(UserWarning, match="coarse image of 2020-05-03 is all missing"):
        found = lazy.compute(scheduler="sync")
    assert found[1].isnull().all()
    assert not found[0].isnull().any()


@pytest.mark.parametrize("method", METHODS)
def test_infinite_values_are_refused(method):
    ds = scene(gaps=False).copy(deep=True)
    if method not in TINY:  # which know the range that they were trained on
        ds.attrs["valid_range"] = None
    ds["fine"][0, 0, 3, 3] = np.inf
    with pytest.raises(ValueError, match="to inf; what is missing is NaN"):
        fuse(method, ds, fewest(method)).compute()


@pytest.mark.parametrize("method", METHODS)
def test_digital_numbers_on_disk_are_refused_when_they_are_read(method):
    ds = scene(gaps=False).chunk()
    targets = xr.where(ds.fine_observed, 1, 1e4).astype("float32")
    for name, factor in (("fine", 1e4), ("coarse", 1e4), ("coarse", targets)):
        lazy = fuse(method, ds.assign({name: ds[name] * factor}), fewest(method))
        with pytest.raises(ValueError, match="look like digital numbers"):
            lazy.compute()


@pytest.mark.parametrize("method", METHODS)
def test_sides_of_different_units_are_refused(method):
    ds = scene(gaps=False)
    for name, factor, message in (
        ("coarse", 1e-4, "cannot be in the same units"),
        ("fine", 1e-4, "cannot be in the same units"),
        ("both", 1e-4, "as if they had been scaled twice"),
    ):
        kinds = ("fine", "coarse") if name == "both" else (name,)
        wrong = ds.assign({k: ds[k] * np.float32(factor) for k in kinds})
        with pytest.raises(ValueError, match=message):
            fuse(method, wrong, fewest(method)).compute()
