"""gpfuse against a dense Gaussian process in plain numpy, by known answers, and with gaps."""

import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles import gpfuse as oracle
from xstf.kernels.bilateral import belong, near_weights, smooth
from xstf.kernels.footprints import add_worth, footprints
from xstf.methods import _gp_model as model
from xstf.methods._gp_classes import find_classes
from xstf.methods._gp_error import find_error, standard
from xstf.methods._gp_features import find_look, kept_detail
from xstf.methods._gp_gain import find_gain, spread_gain
from xstf.methods._gp_members import members_of
from xstf.methods._gp_predict import Prediction, blend, describe
from xstf.methods._gp_sensor import Sensor, find_sensor, reach_of, seen_by
from xstf.methods._gp_solve import solve, tiles
from xstf.methods.gpfuse import TRUST, Gpfuse

SCALE = 4


@pytest.fixture(scope="module")
def scene():
    ds, truth = xstf.simulate(
        "mixed", size=(56, 48), scale=SCALE, dates=4, pairs=2, bands=("red", "nir"), seed=6
    )
    return ds.compute(), truth.compute()


@pytest.fixture(scope="module")
def series():
    """Three pairs, of which the first and the last are not near; dates 1 and 3 are wanted."""
    ds, truth = xstf.simulate(
        "mixed", size=(56, 48), scale=SCALE, dates=5, pairs=3, bands=("red", "nir"), seed=6
    )
    return ds.compute(), truth.compute()


def rmse(found, truth):
    return float(np.sqrt(((found - truth) ** 2).mean()))


GIVEN = []


@dataclass(frozen=True, kw_only=True)
class Watched(Gpfuse):
    """gpfuse that keeps the block it was given."""

    def block(self, b):
        GIVEN.append(b)
        return super().block(b)


@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_equals_a_dense_gaussian_process(scene, series, pairs):
    """The whole scene is one window and one tile, so nothing is approximated."""
    ds = (series if pairs == 3 else scene)[0]
    GIVEN.clear()
    options = {"pairs": {1: "nearest", 2: "auto", 3: 3}[pairs], "blocksize": 1000}
    date = ds.time.values[1]
    ds.stf.fuse(Watched(classes=5), dates=date, **options).compute(scheduler="sync")
    (b,) = GIVEN
    sensor, error = b.numbers.sensor, b.numbers.error
    rows, columns = b.target.shape[2:]
    inner = tuple(slice(1, size - 1) for size in (rows, columns))  # the halo is one cell
    place = tuple(at.ravel() for at in np.indices((rows - 2, columns - 2)))
    far = [gap[:, None] - gap for gap in place]
    apart = np.hypot(*far)
    members = members_of(b.times, b.target_times[0])
    assert len(members) == {1: 1, 2: 4, 3: 6}[pairs]
    for member in members:
        found = b.dated[0][member.name]
        if found.share == 0:
            assert member.name == "smooth"
            continue
        made = Prediction(b, 0, member, describe(b, [member])[member.look])
        look = b.numbers.looks[member.look]
        step = (b.target[0] - b.coarse[list(member.pairs)].astype(float).mean(axis=0))[:, *inner]
        seen = b.made[f"seen {member.look}"][0]
        spare = (seen.shape[1] - (rows - 2)) // 2
        means = seen[:, spare:-spare, spare:-spare].astype(float)
        trust = TRUST[min(pairs, 2)] * (2 if len(member.pairs) < min(pairs, 2) else 1)
        steps = model.find_steps(sensor, 16)
        again, _, gain = solve(step, means, look.sizes, steps, error, trust)
        np.testing.assert_allclose(again.variance, found.variance, rtol=1e-4)
        coarse = sum(
            v * np.exp(-0.5 * (apart / length) ** 2)
            for v, length in zip(error.variance, model.ERROR, strict=False)
        ) + error.variance[-1] * np.eye(len(apart))
        doubt = trust * (error.deviation / standard(step)[2]) ** 2
        level = np.where(doubt < 2e-3, 0, 2 ** (np.round(np.log2(doubt) * 4) / 4))
        expected = oracle.change(
            step, made.features.astype(float), means, np.repeat([0, 1], look.sizes),
            (SCALE, sensor.y, sensor.x, sensor.spread),
            (
                dict(zip(model.SMOOTH, found.variance, strict=False)),
                (model.LOCAL, found.variance[len(model.SMOOTH) :]), found.whole,
                found.white + model.JITTER,
            ),
            level[:, None, None] * coarse, (spread_gain(gain, steps)[0], made.gain()),
        )  # fmt: skip
        off = np.abs(made.change() - expected)
        # covariances end at three and a half lengths
        assert off.max() < 0.01 * expected.std()


def test_members_are_of_the_pairs_around_the_date():
    times = np.array(["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"], "datetime64[ns]")
    for target, both in (("2020-02-15", (1, 2)), ("2020-05-01", (2, 3)), ("2019-12-01", (0, 1))):
        members = {m.name: m for m in members_of(times, np.datetime64(target))}
        assert members["both"].looks == members["both"].pairs == both
        assert members["all"].pairs == both
        assert members["all"].looks == (0, 1, 2, 3)
        assert [members[name].pairs for name in ("first", "last")] == [(p,) for p in both]
        alone = sorted(m.pairs[0] for m in members.values() if len(m.pairs) == 1)
        assert alone == [0, 1, 2, 3]
        assert members["smooth"].looks == ()
    assert [m.name for m in members_of(times[:1], times[1])] == ["one"]
    assert [m.share for m in members_of(times[:2], times[1])] == [0.5, 0.25, 0.25, 0]


def test_where_cells_tell_little_change_is_smooth(scene):
    """A coarse image that is mostly error: the smooth member counts, and the error falls."""
    ds, truth = scene[0].copy(deep=True), scene[1]
    rng = np.random.default_rng(4)
    date = ds.time.values[1]
    wrong = ds.copy(deep=True)
    wrong["coarse"] += rng.normal(0, 0.05, ds.coarse.shape).astype(np.float32)
    shares, errors = [], []
    for given in (ds, wrong):
        GIVEN.clear()
        given.stf.fuse(Watched(), dates=date, blocksize=1000).compute(scheduler="sync")
        shares.append(GIVEN[0].dated[0]["smooth"].share)
        fused = given.stf.fuse("gpfuse", dates=date).compute()
        errors.append(rmse(fused, truth.sel(time=[date])))
    assert shares[0] == 0
    assert 0.04 < shares[1] <= 0.49
    add = rmse(wrong.stf.fuse("add", dates=date).compute(), truth.sel(time=[date]))
    assert errors[0] < errors[1] < add


def test_blending_counts_those_that_say_something():
    images = [np.array([[[1.0, np.nan, np.nan]]], np.float32), np.full((1, 1, 3), 4, np.float32)]
    images[1][0, 0, 2] = np.nan
    weights = [np.full((1, 1, 3), w, np.float32) for w in (1, 2)]
    np.testing.assert_allclose(blend(weights, images), [[[3, 4, np.nan]]])
    np.testing.assert_array_equal(blend(weights[:1], images[:1]), images[0])


def test_variances_maximise_the_likelihood():
    rng = np.random.default_rng(0)
    place = tuple(at.ravel() for at in np.indices((12, 12)))
    steps = model.find_steps(Sensor(8), 12)
    parts = [model.between(table, place) for table in steps.smooth[[0, 2]]]
    true = np.array([0.5, 1.0, 0.2])
    covariance = sum(v * p for v, p in zip(true, parts, strict=False)) + 0.2 * np.eye(144)
    values = (np.linalg.cholesky(covariance) @ rng.normal(size=(144, 40))).T
    found = model.find_variances([parts], [values], None)

    def likelihood(variance):
        total = sum(v * p for v, p in zip(variance, parts, strict=False))
        total = total + (variance[-1] + model.JITTER) * np.eye(144)
        fit = np.einsum("bi,ij,bj", values, np.linalg.inv(total), values) / len(values)
        size = [np.trace(p) / 144 for p in parts] + [1]
        first = np.log([0.25, 0.25, model.FIRST])
        prior = ((np.log(variance * size) - first) ** 2).sum() / model.VAGUE**2
        return -0.5 * (np.linalg.slogdet(total)[1] + fit + prior)

    best = likelihood(found)
    for n in range(3):
        for factor in (0.95, 1.05):
            other = found.copy()
            other[n] *= factor
            assert likelihood(other) < best
    np.testing.assert_allclose(found, true, rtol=0.35)


@pytest.mark.parametrize(("y", "x", "spread"), [(0, 0, 0), (4, -6, 4), (0, 8, 8)])
def test_the_sensor_is_found(y, x, spread):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(1)
    side, scale = 320, 8
    fine = gaussian_filter(rng.normal(size=(2, side, side)), (0, 3, 3)).astype(np.float32)
    down, across = (oracle.footprints(side, scale, at, spread) for at in (y, x))
    coarse = np.einsum("iy,byx,jx->bij", down, fine, across)
    parts = fine.reshape(2, side // 2, 2, side // 2, 2).mean(axis=(2, 4))[None]
    found = find_sensor(parts, [coarse], scale)
    assert abs(found.y - y) <= 1
    assert abs(found.x - x) <= 1
    assert abs(found.spread - spread) <= 0.2 * scale
    exact = seen_by(Sensor(scale, y, x, spread), fine, 1)
    inner = (slice(None), slice(5, -5), slice(5, -5))
    # both end the spread, not at the very same pixel
    np.testing.assert_allclose(exact[inner], coarse[inner], atol=0.02 * coarse.std())


@pytest.mark.parametrize("scale", [2, 3, 8, 30])
def test_the_widest_footprint_lies_within_reach(scale):
    for shift in (-1.25, 0.3, 1.25):
        (first, taps), _ = Sensor(scale, shift * scale, 0.0, scale).taps
        assert -first <= reach_of(scale)
        assert first + len(taps) - scale <= reach_of(scale)


def test_where_no_pixel_has_every_band_no_class_is_found():
    windows = np.full((1, 2, 25, 4, 4), np.nan)
    windows[0, 0] = 0.2
    known = SimpleNamespace(mean=np.full((1, 2), 0.2), deviation=np.full((1, 2), 0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look = find_look(windows, known, (0,), 5)
    assert look.sizes == (2, 1)


def test_denoising_and_classes_equal_the_oracle():
    rng = np.random.default_rng(2)
    images = rng.normal(size=(3, 9, 11)).astype(np.float32)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2)], constant_values=np.nan)
    out = np.empty_like(images)
    smooth(padded, near_weights(2), np.float32(0.3), out)
    np.testing.assert_allclose(out, oracle.smoothed(images, 2, 0.3), atol=1e-5)
    centres = rng.normal(size=(4, 3)).astype(np.float32)
    share = np.empty((4, 9, 11), np.float32)
    belong(images, centres, np.float32(0.7), share)
    np.testing.assert_allclose(share, oracle.shares(images, centres, 0.7), atol=1e-5)


def test_a_band_that_is_missing_alone_is_filled_by_alike_neighbours():
    images = np.zeros((2, 5, 7), np.float32)
    images[:, :, 4:] = 10
    images[1, 2, 2] = np.nan
    images[:, 0, 0] = np.nan
    out = np.empty((2, 1, 3), np.float32)
    smooth(images, near_weights(2), np.float32(1), out)
    np.testing.assert_allclose(out[:, 0], [[0, 0, 10], [0, 0, 10]], atol=1e-6)


def test_from_pixels_to_cells_and_back():
    rng = np.random.default_rng(3)
    images = rng.normal(size=(2, 20, 24)).astype(np.float32)
    taps_y, taps_x = (rng.uniform(size=n).astype(np.float32) for n in (6, 5))
    sums = np.empty((2, 3, 4), np.float32)
    footprints(images, 4, 2, taps_y, 3, taps_x, sums)
    for i, j in np.ndindex(3, 4):
        part = images[:, 2 + 4 * i : 8 + 4 * i, 3 + 4 * j : 8 + 4 * j].astype(float)
        np.testing.assert_allclose(
            sums[:, i, j], np.einsum("kyx,y,x->k", part, taps_y, taps_x), rtol=1e-4, atol=1e-5
        )
    cells = rng.normal(size=(2, 5 + 2, 6 + 2)).astype(np.float32)
    down, across = rng.uniform(size=(2, 3, 4)).astype(np.float32)
    effect = np.array([0.5, -1], np.float32)
    out = np.ones((20, 24), np.float32)
    add_worth(cells, down, across, images, effect, out)
    expected = np.ones((20, 24))
    for y, x in np.ndindex(20, 24):
        near = cells[:, y // 4 : y // 4 + 3, x // 4 : x // 4 + 3].astype(float)
        worth = np.einsum("kij,i,j->k", near, down[:, y % 4], across[:, x % 4]) + effect
        expected[y, x] += (images[:, y, x] * worth).sum()
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_kept_detail_of_noise_and_of_what_stays():
    products = np.array([[1.0, 0.25], [1.0, 1.0], [1.0, 1.0]])[:, :, None, None]
    mean, *alone = kept_detail(products.astype(np.float32))
    np.testing.assert_allclose(mean, [1, 2 * 0.375 / 1.25])
    np.testing.assert_allclose(alone, [[1, 0.375]] * 2)


def test_classes_are_found_without_chance():
    rng = np.random.default_rng(7)
    middles = rng.normal(0, 5, (6, 3))
    points = (middles[rng.integers(6, size=900)] + rng.normal(0, 0.1, (900, 3))).astype(np.float32)
    centres, sharp = find_classes(points, 6)
    apart = np.linalg.norm(middles[:, None] - centres, axis=2)
    assert (np.sort(apart.argmin(axis=1)) == np.arange(6)).all()
    assert apart.min(axis=1).max() < 0.05
    # three bands of deviation 0.1: half of the squared distances are below 2.37 * 0.01
    assert sharp == pytest.approx(1 / (2 * 3 * 0.0237), rel=0.1)
    again, _ = find_classes(points, 6)
    np.testing.assert_array_equal(again, centres)
    assert len(find_classes(np.repeat(points[:2], 50, axis=0), 6)[0]) == 2


def test_the_error_is_that_of_all_differences():
    rng = np.random.default_rng(8)
    white = rng.normal(size=(2, 3, 2, 30, 30)) * np.array([1.0, 3.0])[:, None, None]
    steps = model.find_steps(Sensor(8), 32)
    error = find_error(white[0], steps)
    np.testing.assert_allclose(error.deviation, [1, 3], rtol=0.05)
    assert error.variance[-1] > 0.9
    assert error.variance.sum() == pytest.approx(1)
    mixed = np.stack([white[0, 0], 2 * white[0, 1]])
    np.testing.assert_allclose(
        find_error(mixed, steps).deviation, np.sqrt(2.5) * error.deviation, rtol=0.05
    )


def test_gains_follow_change_unless_it_may_be_error():
    values = np.full((2, 20, 20), 0.5)
    values[:, 8:12, 8:12] = 3
    values[0, 3, 3] = np.nan
    sure, unsure = (find_gain(values, np.array([e, e]))[0] for e in (0.0, 0.6))
    assert sure[9, 9] > 2 > 1 > sure[3, 3]
    np.testing.assert_allclose(unsure, 1, atol=0.02)
    np.testing.assert_allclose(find_gain(np.ones((1, 5, 5)), np.zeros(1)), 1)
    steps = model.find_steps(Sensor(4, 2, -1, 3), 20)
    np.testing.assert_allclose(spread_gain(np.ones((1, 7, 9)), steps), 1)
    smooth_ = spread_gain(sure[None], steps)[0]
    assert sure[0, 0] < smooth_[7, 9] < sure[9, 9]


def test_tiles_cover_every_cell_once():
    count = np.zeros((37, 50), int)
    for inner, outer in tiles((37, 50)):
        count[inner] += 1
        assert all(
            o.start <= i.start and o.stop >= i.stop for i, o in zip(inner, outer, strict=True)
        )
        assert all(o.stop - o.start <= 32 for o in outer)
    assert (count == 1).all()


def two_classes(size=96, scale=8, seed=0):
    """Two classes that change each in its own way, seen by a perfect coarse sensor."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    name = gaussian_filter(rng.normal(size=(size, size)), 5) > 0
    before = np.where(name, [[[0.1]], [[0.4]]], [[[0.3]], [[0.2]]])
    after = before + np.where(name, [[[0.05]], [[-0.1]]], [[[-0.05]], [[0.15]]])
    images = np.stack([before, after]) + rng.normal(0, 1e-3, (2, 2, size, size))
    cells = images.reshape(2, 2, size // scale, scale, size // scale, scale).mean(axis=(3, 5))
    times = np.array(["2020-05-01", "2020-06-01"], "datetime64[ns]")
    dims = ("time", "band", "y", "x")
    fine, coarse = (
        xr.DataArray(a.astype("float32"), dims=dims, coords={"time": t, "band": ["red", "nir"]})
        for a, t in ((images[:1], times[:1]), (cells, times))
    )
    return xstf.scene(fine, coarse, scale=scale), after


def test_the_change_of_classes_is_found():
    ds, after = two_classes()
    fused = ds.stf.fuse("gpfuse").compute().values[0]
    still = rmse(ds.fine.values[0], after)
    assert rmse(fused, after) < 0.1 * still
    added = ds.stf.fuse("add").compute().values[0]
    assert rmse(fused, after) < 0.2 * rmse(added, after)


def test_two_pairs_beat_one_and_doing_nothing(scene):
    ds, truth = scene
    date = ds.time.values[1]
    two, one, add = (
        rmse(ds.stf.fuse(m, dates=date, pairs=p).compute(), truth.sel(time=[date]))
        for m, p in (("gpfuse", "auto"), ("gpfuse", "nearest"), ("add", "auto"))
    )
    assert two < one
    assert two < 0.9 * add


def test_the_deviation_covers_the_error():
    ds, truth = xstf.simulate(
        "mixed", size=192, scale=12, dates=3, pairs=2, bands=("red", "nir"), seed=55
    )
    ds, date = ds.compute(), ds.time.values[1]
    for pairs in ("nearest", "auto"):
        made = ds.stf.fuse("gpfuse", dates=date, pairs=pairs, quality=True).compute()
        off = abs(made.fused - truth.sel(time=[date])).values.ravel()
        sd = made.sd.values.ravel()
        inside = off <= 1.645 * sd
        assert 0.85 < inside.mean() < 0.97
        order = np.argsort(sd)
        low, high = (off[part].mean() for part in np.array_split(order, 3)[::2])
        assert low < 0.6 * high


def test_what_one_pair_lacks_comes_from_the_other(scene):
    ds = scene[0].copy(deep=True)
    date = ds.time.values[1]
    ds["fine"][0, :, 20:26, 12:19] = np.nan
    ds["fine"][0, 1, 40, 30] = np.nan
    made = ds.stf.fuse("gpfuse", dates=date, quality=True).compute()
    assert not made.fused.isnull().any()
    assert not made.sd.isnull().any()
    alone = ds.stf.fuse("gpfuse", dates=date, pairs="nearest", quality=True).compute()
    hole = np.zeros((2, 56, 48), bool)
    hole[:, 20:26, 12:19] = True
    hole[1, 40, 30] = True
    np.testing.assert_array_equal(alone.fused.isnull().values[0], hole)
    np.testing.assert_array_equal(alone.sd.isnull().values[0], hole)


@pytest.fixture(scope="module")
def from_three(series):
    ds = series[0].copy(deep=True)
    ds["fine"][0, :, 20:26, 12:19] = np.nan
    ds["fine"][2, 1, 40, 30] = np.nan
    return ds, ds.stf.fuse("gpfuse", pairs=3, quality=True, blocksize=1000).compute()


def test_three_pairs_in_any_cut_and_one_date_at_a_time(from_three):
    """Both dates have other pairs around them."""
    ds, expected = from_three
    options = {"pairs": 3, "quality": True}
    cut = ds.chunk(y=20, x=12, time=2).stf.fuse("gpfuse", blocksize=16, **options).compute()
    xr.testing.assert_identical(cut, expected)
    assert expected.sizes["time"] == 2
    for time in expected.time.values:
        one = ds.stf.fuse("gpfuse", dates=time, blocksize=24, **options).compute()
        xr.testing.assert_identical(one, expected.sel(time=[time]))


def test_what_one_of_three_pairs_lacks_comes_from_the_others(from_three, series):
    _, made = from_three
    assert not made.fused.isnull().any()
    assert not made.sd.isnull().any()
    whole = series[0].stf.fuse("gpfuse", pairs=3).compute()
    truth = series[1].sel(time=whole.time)
    assert rmse(made.fused, truth) < 1.1 * rmse(whole, truth)


def test_a_third_pair_helps_on_the_whole(series):
    ds, truth = series
    three, two = (ds.stf.fuse("gpfuse", pairs=p).compute() for p in (3, "auto"))
    truth = truth.sel(time=two.time)
    assert rmse(three, truth) < rmse(two, truth)


def test_bands_that_are_never_there_together(scene):
    ds = scene[0].copy(deep=True)
    ds["coarse"][1, 0, :, ::2] = np.nan
    ds["coarse"][1, 1, :, 1::2] = np.nan
    date = ds.time.values[1]
    found = ds.stf.fuse("gpfuse", dates=date, pairs="nearest").compute()
    assert rmse(found, scene[1].sel(time=[date])) < 0.05


def test_from_store_to_store_it_is_the_same(scene, series, tmp_path):
    """Features are kept once for all dates, weights for each."""
    path = xstf.save(series[0].chunk(y=16, x=24, time=1), tmp_path / "series.zarr")
    xstf.fuse_store(path, tmp_path / "three.zarr", "gpfuse", pairs=3, blocksize=16)
    found = xr.open_zarr(tmp_path / "three.zarr", decode_coords="all", consolidated=False)
    expected = series[0].stf.fuse("gpfuse", pairs=3).compute()
    np.testing.assert_array_equal(found.fused.values, expected.values)
    ds = scene[0].chunk(y=16, x=24, time=1)
    path = xstf.save(ds, tmp_path / "scene.zarr")
    xstf.fuse_store(path, tmp_path / "fused.zarr", "gpfuse", blocksize=16)
    kept = sorted(p.name for p in (tmp_path / "fused.zarr/xstf/prepared/fused/0").glob("*"))
    assert "seen 0-1" in kept
    assert len(list((tmp_path / "fused.zarr/xstf/prepared/fused/0/seen 0-1").glob("[0-9]*"))) == 1
    found = xr.open_zarr(tmp_path / "fused.zarr", decode_coords="all", consolidated=False)
    expected = scene[0].stf.fuse("gpfuse").compute()
    np.testing.assert_array_equal(found.fused.values, expected.values)


def test_the_number_of_classes_is_checked():
    with pytest.raises(ValueError, match="classes=0"):
        Gpfuse(classes=0)
