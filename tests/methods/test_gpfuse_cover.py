"""What covers the land between the dates: found, placed, and laid over what gpfuse predicts."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import binary_erosion, gaussian_filter

import xstf
from tests.methods.test_gpfuse import GIVEN, Watched
from tests.oracles import gpfuse as oracle
from xstf.methods import _gp_cover, gpfuse
from xstf.methods._gp_cover import find_cover, uncovered
from xstf.methods._gp_extent import EDGES, LENGTH, REACH, place_cover
from xstf.methods._gp_sensor import Sensor, seen_by
from xstf.methods.gpfuse import Gpfuse

WATER = np.array([0.06, 0.05, 0.02])
ERROR = np.full(3, 0.002)


def cells(share, seed=0):
    """Change and spectra before of cells (rows, columns) of which a share is under water."""
    rng = np.random.default_rng(seed)
    classes = rng.dirichlet(np.full(4, 0.5), share.shape).transpose(2, 0, 1)
    spectra = np.array([[0.05, 0.3, 0.2], [0.08, 0.2, 0.3], [0.03, 0.45, 0.15], [0.1, 0.15, 0.2]])
    effect = np.array([[0.0, 0.1, -0.05], [0.02, 0.02, 0.02], [0.01, -0.1, 0.05], [0, 0, 0]])
    before = np.einsum("kb,kij->bij", spectra, classes)
    change = np.einsum("kb,kij->bij", effect, classes)
    change = (1 - share) * change + share * (WATER[:, None, None] - before)
    return change + rng.normal(0, 0.003, change.shape), before, classes


def flood(level=0.7, scale=8, seed=1):
    """Land below a smooth surface, (y, x), and its share of cells."""
    height = gaussian_filter(np.random.default_rng(seed).normal(size=(192, 160)), 3 * scale)
    wet = (height > np.quantile(height, level)).astype(float)
    return wet, wet.reshape(192 // scale, scale, 160 // scale, scale).mean(axis=(1, 3))


@pytest.mark.parametrize("level", [0.8, 0.55])
def test_shares_of_a_flood_are_found(level):
    _, true = flood(level)
    change, before, classes = cells(true)
    cover, share = find_cover(change, before, classes, ERROR)
    np.testing.assert_allclose(cover.value, WATER, atol=0.005)
    apart = (share - true)[share > 0]
    assert np.sqrt((apart**2).mean()) < 0.03
    assert abs(apart).max() < 0.1
    assert true[share == 0].sum() < 0.1 * true.sum()  # ponds of a cell or two
    # of the change of the rest of a cell, nothing is water
    rest = uncovered(change, before, cover, share)
    np.testing.assert_array_equal(np.isnan(rest[0]), share > 0.5)
    dry, _, _ = cells(np.zeros_like(true))
    part = (true > 0.05) & (share < 0.4)
    off = abs(rest - dry)[:, part]
    assert np.median(off) < 0.02
    assert np.median(off) < 0.3 * np.median(abs(change - dry)[:, part])


def test_cells_that_do_not_tell_are_as_their_neighbours():
    _, true = flood()
    change, before, classes = cells(true)
    holes = np.random.default_rng(2).uniform(size=true.shape) < 0.15
    change[1, holes] = np.nan
    _, share = find_cover(change, before, classes, ERROR)
    np.testing.assert_array_equal(np.isnan(share), holes & (share != 0))
    inside = holes & (gaussian_filter(true, 0.7) > 0.99)
    assert inside.sum() > 3
    field = place_cover(share, Sensor(8))
    assert (field[inside] > 0.5).all()
    wet = 1 / (1 + np.exp(-oracle.interpolated(field, (8, 0, 0, 0), LENGTH, REACH) / EDGES[-1]))
    assert abs(wet - flood()[0]).mean() < 0.04


def test_nothing_covers_land_that_only_changes():
    dry = np.zeros((24, 20))
    change, before, classes = cells(dry)
    for given in (change, 0 * change, np.full_like(change, np.nan)):
        cover, share = find_cover(given, before, classes, ERROR)
        assert cover is None
        assert not share.any()


def test_single_cells_are_no_cover():
    """Harvested fields here and there are classes that part, not a cover."""
    true = (np.random.default_rng(3).uniform(size=(24, 20)) < 0.06).astype(float)
    assert true.sum() > 20
    assert find_cover(*cells(true), ERROR)[0] is None


@pytest.mark.parametrize(("rule", "value"), [("VAGUE", 0.001), ("UNIFORM", 0.01), ("SHOWN", 1.1)])
def test_what_cells_tell_or_show_too_little_of_is_no_cover(monkeypatch, rule, value):
    given = *cells(flood()[1]), ERROR
    assert find_cover(*given)[0] is not None
    monkeypatch.setattr(_gp_cover, rule, value)
    assert find_cover(*given)[0] is None


def test_water_that_recedes_is_no_cover():
    """What was alike before and parts is no cover, though it is the same for most of the cells."""
    change, before, classes = cells(flood()[1])
    wet = np.concatenate([classes, flood()[1][None]])
    assert find_cover(-change, before + change, wet, ERROR)[0] is None


def test_a_class_that_is_harvested_is_no_cover(monkeypatch):
    """Its features foretell where it lies."""
    _, share = flood()
    change, before, classes = cells(np.zeros_like(share))
    field = np.concatenate([(1 - share) * classes, share[None]])
    before = (1 - share) * before + share * np.array([0.04, 0.25, 0.2])[:, None, None]
    before += np.random.default_rng(8).normal(0, 0.03, before.shape)
    after = share * np.array([0.09, 0.12, 0.3])[:, None, None] + (1 - share) * (before + change)
    assert find_cover(after - before, before, field, ERROR)[0] is None
    monkeypatch.setattr(_gp_cover, "FORETOLD", 2)
    assert find_cover(after - before, before, field, ERROR)[0] is not None


def test_a_band_that_says_nothing_changes_nothing():
    change, before, classes = cells(flood()[1])
    _, expected = find_cover(change, before, classes, ERROR)
    for level in (0.0, 0.25):
        more = (np.concatenate([change, 0 * change[:1]]),
                np.concatenate([before, 0 * before[:1] + level]))  # fmt: skip
        cover, share = find_cover(*more, classes, np.append(ERROR, 0))
        assert cover.value[3] == level
        np.testing.assert_allclose(share, expected, atol=1e-3)


def test_below_a_cloud_a_flood_goes_on():
    _, true = flood()
    change, before, classes = cells(true)
    inside = np.argwhere(binary_erosion(true > 0.99, np.ones((5, 5))))[0]
    cloud = np.zeros(true.shape, bool)
    cloud[tuple(slice(max(0, at - 3), at + 4) for at in inside)] = True
    change[:, cloud] = np.nan
    _, share = find_cover(change, before, classes, ERROR)
    assert np.isnan(share[cloud]).all()
    field = place_cover(share, Sensor(8))
    assert (field[cloud] > 0).mean() > 0.7 * (true[cloud] > 0.5).mean()


@pytest.mark.parametrize("sensor", [Sensor(8), Sensor(8, 3.0, -4.0, 2.5)])
def test_cells_see_their_share_of_the_placed_cover(sensor):
    wet, share = flood()
    true = np.nan_to_num(seen_by(sensor, wet, 1)) if sensor.y else share
    field = place_cover(true, sensor)
    given = sensor.scale, sensor.y, sensor.x, sensor.spread
    image = oracle.interpolated(field.astype(float), given, LENGTH, REACH)
    covered = 1 / (1 + np.exp(-image / EDGES[-1]))
    seen = seen_by(sensor, covered, 1)
    inner, pixels = (slice(2, -2),) * 2, (slice(16, -16),) * 2
    assert np.sqrt(((seen - true)[inner] ** 2).mean()) < 0.02
    # and it lies where the water is
    assert abs(covered - wet)[pixels].mean() < 0.02
    assert (place_cover(np.zeros((4, 5)), sensor) < -1).all()


@pytest.fixture(scope="module")
def flooded():
    ds, truth = xstf.simulate(
        "flood", size=192, scale=12, dates=4, pairs=1, bands=("green", "nir", "swir1"), seed=43
    )
    return ds.compute(), truth.compute()


def off(made, truth):
    return float(np.sqrt(((made - truth.sel(time=made.time)) ** 2).mean()))


def nothing(step, *rest):
    """Find no cover."""
    return None, np.zeros(step.shape[1:])


def test_a_flood_gets_its_edge(flooded, monkeypatch):
    ds, truth = flooded
    date = ds.time.values[1]
    made = ds.stf.fuse("gpfuse", dates=date, quality=True).compute()
    other = ds.stf.fuse("sfsdaf", dates=date).compute()
    monkeypatch.setattr(gpfuse, "find_cover", nothing)
    without = ds.stf.fuse("gpfuse", dates=date, quality=True).compute()
    assert off(made.fused, truth) < 0.7 * off(without.fused, truth)
    assert off(made.fused, truth) < 0.7 * off(other, truth)
    inside = (abs(made.fused - truth.sel(time=[date])) < 1.645 * made.sd).values
    assert 0.85 < inside.mean() < 0.97
    assert float(made.sd.mean()) < float(without.sd.mean())


def test_laid_over_the_land_by_its_share(flooded):
    """Value and variance of a pixel are those of a mixture of the land and what covers it."""
    ds = flooded[0]
    GIVEN.clear()
    options = {"dates": ds.time.values[1], "blocksize": 1000, "quality": True}
    made = ds.stf.fuse(Watched(), **options).compute(scheduler="sync")
    (b,) = GIVEN
    own = b.dated[0]
    cover, sensor = own["cover"], b.numbers.sensor
    own["cover"] = None
    below = Gpfuse().block(b)
    own["cover"] = cover
    plane = b.made["cover"][0, 0]
    rows, columns = (size // 12 for size in made.fused.shape[2:])
    spare = tuple((n - count) // 2 for n, count in zip(plane.shape, (rows, columns), strict=True))
    field = plane[spare[0] : spare[0] + rows, spare[1] : spare[1] + columns].astype(float)
    image = oracle.interpolated(field, (12, sensor.y, sensor.x, sensor.spread), LENGTH, REACH)
    share = 1 / (1 + np.exp(-image / EDGES[-1]))
    assert 0.1 < share.mean() < 0.6
    value, spread = cover.value[:, None, None], cover.deviation[:, None, None]
    land, variance = below["fused"][0], below["sd"][0] ** 2
    mixed = share * value + (1 - share) * land
    np.testing.assert_allclose(made.fused[0], mixed, atol=2e-4)
    expected = share * (spread**2 + value**2) + (1 - share) * (variance + land**2) - mixed**2
    np.testing.assert_allclose(made.sd[0] ** 2, expected, atol=2e-5)


def test_a_cover_in_any_cut_and_one_date_at_a_time(flooded):
    ds = flooded[0]
    expected = ds.stf.fuse("gpfuse", quality=True, blocksize=1000).compute()
    cut = ds.chunk(y=48, x=36, time=2).stf.fuse("gpfuse", quality=True, blocksize=40).compute()
    xr.testing.assert_identical(cut, expected)
    for time in expected.time.values:
        one = ds.stf.fuse("gpfuse", dates=time, quality=True, blocksize=100).compute()
        xr.testing.assert_identical(one, expected.sel(time=[time]))


def test_a_cover_with_holes_in_every_input(flooded, monkeypatch):
    ds, truth = flooded[0].copy(deep=True), flooded[1]
    date = ds.time.values[1]
    rng = np.random.default_rng(5)
    for time in (0, 1):
        ds["coarse"].values[time, :, rng.uniform(size=(16, 16)) < 0.08] = np.nan
    ds["fine"].values[0, :, 60:75, 80:100] = np.nan
    made = ds.stf.fuse("gpfuse", dates=date, quality=True).compute()
    hole = np.isnan(ds.fine.values[0])
    np.testing.assert_array_equal(made.fused.isnull().values[0], hole)
    np.testing.assert_array_equal(made.sd.isnull().values[0], hole)
    monkeypatch.setattr(gpfuse, "find_cover", nothing)
    without = ds.stf.fuse("gpfuse", dates=date).compute()
    assert off(made.fused, truth) < 0.8 * off(without, truth)


def test_bands_that_are_alike_surprise_less():
    """A band that its features explain changes less than the common variances say."""
    rng = np.random.default_rng(6)
    features = rng.normal(size=(2, 24, 24))
    wild = gaussian_filter(rng.normal(size=(24, 24)), 1)
    step = np.stack([features[0] + 0.02 * rng.normal(size=(24, 24)), wild / wild.std()])
    steps = gpfuse.find_steps(Sensor(8), gpfuse.STEPS)
    error = gpfuse.find_error(1e-6 * rng.normal(size=(1, 2, 24, 24)), steps)
    found, _, _ = gpfuse.solve(step, features, (1, 1), steps, error, 0.5)
    tame, surprising = found.surprise
    assert tame < 0.3 * surprising
    assert 0.5 < found.surprise.mean() < 1.5
