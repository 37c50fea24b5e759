"""Several pairs for a one-pair method, and what clouds hide."""

import pickle

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xstf
from tests.strategies import cuts_of
from xstf.combined import Combined
from xstf.method import build

SMALL = {"window": 9, "num_similar": 7, "min_classes": 2, "max_classes": 4, "small": 20}
RULES = ("temporal", "nearest")


@pytest.fixture(scope="module")
def scene():
    """Five dates; three pairs, the first and the last with clouds in the fine image."""
    ds, _ = xstf.simulate(
        "mixed", size=(56, 48), scale=4, dates=5, pairs=3, bands=("red", "nir"), seed=3
    )
    ds = ds.compute()
    ds["fine"].values[0, :, 10:20, 12:31] = np.nan
    ds["fine"].values[4, :, 15:30, 20:40] = np.nan
    ds["coarse"].values[1, :, 5:7, 4:6] = np.nan
    return ds


def fuse(ds, **options):
    return ds.stf.fuse("fsdaf", pairs=3, **SMALL, **options)


@pytest.fixture(scope="module")
def single(scene):
    """What each pair says alone, (pair, date, band, y, x)."""
    days = scene.time.values[scene.fine_observed.values]
    return np.stack([scene.stf.fuse("fsdaf", pairs=[day], **SMALL).values for day in days])


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.parametrize("rule", RULES)
def test_any_cut_gives_the_same_picture(scene, rule, data):
    cut = data.draw(cuts_of(scene))
    blocksize = data.draw(st.integers(1, 40))
    found = fuse(scene.chunk({**cut, "time": 2}), combine=rule, quality=True, blocksize=blocksize)
    whole = fuse(scene, combine=rule, quality=True, blocksize=1000)
    xr.testing.assert_identical(found.compute(), whole.compute())


@pytest.mark.parametrize("rule", RULES)
def test_one_date_at_a_time_is_many_together(scene, rule):
    together = fuse(scene, combine=rule).compute()
    for time in together.time.values:
        xr.testing.assert_identical(
            fuse(scene, combine=rule, dates=time).compute(), together.sel(time=[time])
        )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("method", ["add", "starfm", "fsdaf"])
def test_one_pair_is_the_method_itself(scene, rule, method):
    small = {"starfm": {"window": 9}, "fsdaf": SMALL}.get(method, {})
    alone = scene.stf.fuse(method, pairs="nearest", **small)
    np.testing.assert_allclose(
        scene.stf.fuse(method, pairs="nearest", combine=rule, **small), alone, rtol=3e-7
    )


def test_nearest_takes_the_next_where_the_nearest_is_missing(scene, single):
    found = fuse(scene, combine="nearest").compute()
    order = {0: (0, 1, 2), 1: (1, 2, 0)}  # the wanted dates are 1 and 3, the pairs 0, 2 and 4
    for date in range(2):
        expected = single[order[date][0], date]
        for pair in order[date][1:]:
            expected = np.where(np.isnan(expected), single[pair, date], expected)
        np.testing.assert_array_equal(found[date], expected)
    assert np.isnan(single[0, 0]).any()
    assert not np.isnan(found[0, :, 10:20, 12:20]).any()


def test_temporal_weighs_by_the_coarse_change(scene, single):
    found = fuse(scene, combine="temporal").compute()
    low, high = np.fmin.reduce(single), np.fmax.reduce(single)
    assert ((found >= low - 1e-6) | np.isnan(low)).all()
    assert ((found <= high + 1e-6) | np.isnan(low)).all()
    ds = scene.copy(deep=True)
    ds["coarse"][1] = ds.coarse[4]  # nothing has changed since the last pair
    last = fuse(ds, combine="temporal", dates=ds.time.values[1]).compute()[0]
    own = ds.fine[4].values
    clear = ~np.isnan(own)
    off = abs(last.values[clear] - own[clear])  # more where another pair has hardly changed either
    assert np.median(off) < 2e-6
    assert off.max() < 4e-3


def test_temporal_weights_by_hand():
    """Flat images: two pairs whose coarse images are 0.1 and 0.3 away share 3 to 1."""
    times = np.array(["2020-01-01", "2020-01-11", "2020-01-21"], "datetime64[ns]")
    levels = np.array([0.2, 0.3, 0.6], np.float32)
    dims = ("time", "band", "y", "x")

    def flat(at, side):
        values = np.ones((len(at), 1, side, side), np.float32) * levels[at][:, None, None, None]
        pixel = 32 / side
        axis = (np.arange(side) + 0.5) * pixel
        return xr.DataArray(values, dims=dims, coords={"time": times[at], "y": axis, "x": axis})

    fine = flat([0, 2], 32).copy()
    fine[0] += np.float32(0.04)  # the first pair's fine image does not fit its coarse one
    ds = xstf.scene(fine, flat([0, 1, 2], 8))
    found = ds.stf.fuse("add", combine="temporal").compute()
    np.testing.assert_allclose(found, 0.3 + 0.04 * 0.75, atol=1e-5)


def test_it_says_how_it_was_made(scene):
    found = fuse(scene, combine="temporal")
    assert found.attrs["method"] == "fsdaf"
    assert found.attrs["parameter_combine"] == "temporal"
    assert all(len(text.split()) == 3 for text in found.pair_dates.values)


def test_it_pickles_hashes_and_tokenises():
    made = Combined(build("fsdaf", SMALL), "nearest")
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert hash(again) == hash(made)
    assert tokenize(again) == tokenize(made)
    assert made.halo(4) == made.inner.halo(4)


def test_nonsense_is_refused(scene):
    with pytest.raises(ValueError, match="combine='mean' must be one of 'temporal', 'nearest'"):
        fuse(scene, combine="mean")
    with pytest.raises(ValueError, match="interpolated needs 2; leave combine out"):
        scene.stf.fuse("interpolated", combine="temporal")


# pairs by likeness


def test_similar_pairs_are_those_of_the_most_similar_coarse_images(scene):
    ds = scene.copy(deep=True)
    ds["coarse"][3] = ds.coarse[0] + np.float32(0.001)
    assert ds.stf.fuse("fsdaf", pairs="similar", **SMALL).pair_dates.values[1] == "2020-04-01"
    two = ds.stf.fuse("add", pairs="similar").pair_dates.values[1].split()
    assert len(two) == 2
    assert "2020-04-01" in two


def test_likeness_weighs_bands_alike(scene):
    from xstf.planning import differences

    ds = scene.isel(time=[0, 2, 3, 4])
    found = differences(ds.coarse, [2], np.array([True, True, False, True]))
    images = ds.coarse.values.astype(float)
    for n, pair in enumerate([0, 1, 3]):
        rmse = np.sqrt(np.nanmean((images[pair] - images[2]) ** 2, axis=(1, 2)))
        expected = (rmse / np.nanstd(images[2], axis=(1, 2))).mean()
        assert found[0, [0, 1, 3][n]] == pytest.approx(expected, rel=1e-4)
    assert found[0, 2] == np.inf


def test_images_that_share_few_cells_are_not_alike(scene):
    ds = scene.copy(deep=True)
    ds["coarse"].values[0] = np.nan
    ds["coarse"].values[0, :, 3, 3] = ds["coarse"].values[3, :, 3, 3]  # one cell, the very same
    found = ds.stf.fuse("fsdaf", pairs="similar", dates=ds.time.values[3], **SMALL)
    assert found.pair_dates.item() != "2020-04-01"


def test_equally_similar_images_go_by_time(scene):
    ds = scene.copy(deep=True)
    ds["coarse"][:] = ds.coarse[0]
    found = ds.stf.fuse("fsdaf", pairs="similar", dates=ds.time.values[3], **SMALL)
    assert found.pair_dates.item() == "2020-05-03"
    flat = ds.copy(deep=True)
    flat["coarse"][:] = np.float32(0.2)
    found = flat.stf.fuse("fsdaf", pairs="similar", dates=ds.time.values[3], **SMALL)
    assert found.pair_dates.item() == "2020-05-03"


# filling


@pytest.fixture(scope="module")
def filled(scene):
    return scene.stf.fuse("fsdaf", fill=True, combine="nearest", pairs=2, **SMALL).compute()


def test_what_was_observed_stays_and_gaps_are_predicted(scene, filled):
    np.testing.assert_array_equal(filled.time, scene.time)
    assert filled.fused[[0, 2, 3, 4]].notnull().all()  # date 1 lacks coarse cells
    for date in (0, 2, 4):
        seen = scene.fine[date].notnull()
        np.testing.assert_array_equal(filled.fused[date].where(seen), scene.fine[date])
        np.testing.assert_array_equal(filled.filled[date], (~seen).astype(float))
    assert (filled.filled[3] == 1).all()
    np.testing.assert_array_equal(filled.filled[1] == 1, filled.fused[1].notnull())


def test_gaps_get_the_prediction_without_the_own_image(scene, filled):
    alone = scene.stf.fuse(
        "fsdaf", dates=scene.time.values[4], combine="nearest", pairs=2, **SMALL
    ).compute()[0]
    gap = scene.fine[4].isnull().values
    assert gap.any()
    np.testing.assert_array_equal(filled.fused[4].values[gap], alone.values[gap])


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_filling_is_the_same_however_it_is_cut(scene, filled, data):
    cut = data.draw(cuts_of(scene))
    found = scene.chunk({**cut, "time": 1}).stf.fuse(
        "fsdaf", fill=True, combine="nearest", pairs=2, blocksize=data.draw(st.integers(1, 40)),
        **SMALL,
    )  # fmt: skip
    xr.testing.assert_identical(found.compute(), filled)


def test_blocks_with_nothing_to_fill_are_not_predicted(scene, monkeypatch):
    from xstf.methods.add import Add

    ran = []
    block = Add.block
    monkeypatch.setattr(Add, "block", lambda self, b: (ran.append(b.place), block(self, b))[1])
    found = scene.stf.fuse("add", fill=True, dates=scene.time.values[[2, 4]], blocksize=16)
    with_gaps = scene.fine[4].isnull().any("band").values
    found.compute(scheduler="sync")
    tiles = {(y // 16, x // 16) for y, x in zip(*np.nonzero(with_gaps), strict=True)}
    assert len(ran) == len(tiles)
    assert 0 < len(ran) < 12


def test_other_layers_are_silent_where_pixels_were_seen(scene):
    found = scene.stf.fuse(
        "fsdaf", fill=True, quality=True, combine="nearest", pairs=2, dates=scene.time.values[4],
        **SMALL,
    ).compute()  # fmt: skip
    assert set(found.data_vars) >= {"fused", "filled", "similar"}
    np.testing.assert_array_equal(found.similar[0].isnull(), scene.fine[4].notnull())


def test_digital_numbers_in_the_image_that_is_filled_are_refused(scene):
    ds = scene.copy(deep=True)
    ds["fine"].values[2, 0, 3, 3] = 5000
    with pytest.raises(ValueError, match="digital numbers"):
        ds.stf.fuse("add", fill=True, dates=ds.time.values[2], pairs=[ds.time.values[4]]).compute()


def test_the_spread_is_silent_too_where_pixels_were_seen(scene):
    found = scene.stf.fuse("add", fill=True, quality=True, dates=scene.time.values[2]).compute()
    assert found.spread.isnull().all()
    assert found.fused.attrs["keeps_observed"] == 1


def test_what_no_pair_can_fill_stays_missing(scene):
    ds = scene.copy(deep=True)
    ds["fine"].values[[0, 2, 4], :, 30:34, 30:34] = np.nan
    found = ds.stf.fuse("fsdaf", fill=True, combine="nearest", pairs=2, **SMALL).compute()
    assert found.fused[:, :, 30:34, 30:34].isnull().all()
    assert found.filled[:, :, 30:34, 30:34].isnull().all()
