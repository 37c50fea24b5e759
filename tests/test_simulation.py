import subprocess
import sys

import dask
import numpy as np
import pytest
import xarray as xr

from xstf.chance import mix, noise, uniform
from xstf.landscape import BANDS, World
from xstf.simulation import KINDS, _images, simulate


def block_means(images, scale):
    """Plain numpy."""
    rows, columns = (n // scale for n in images.shape[-2:])
    cells = images.reshape(*images.shape[:-2], rows, scale, columns, scale)
    return cells.mean(axis=(-3, -1), dtype=float)


def rmse(error):
    return float(np.sqrt(np.mean(np.square(error, dtype="float64"))))


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


@pytest.fixture(scope="module")
def mixed():
    scene, truth = simulate("mixed", size=256, seed=1)
    return scene.load(), truth


def test_equal_arguments_give_equal_bits():
    for first, second in zip(simulate(size=64), simulate(size=64), strict=True):
        xr.testing.assert_identical(first, second)


def test_seeds_give_other_land_and_other_noise():
    (a, land_a), (b, land_b) = simulate(size=64, seed=1), simulate(size=64, seed=2)
    assert rmse(land_a - land_b) > 0.02
    noise = [(s.fine - t).values[0].ravel() for s, t in ((a, land_a), (b, land_b))]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.05


@pytest.mark.parametrize(("kind", "scale", "chunk"), [("mixed", 16, 48), ("flood", 5, 20)])
def test_every_cut_gives_the_same_bits(kind, scale, chunk):
    shape = 11 * scale, 13 * scale
    world = World(kind, shape, scale, (0, 16, 32), (0, 2), BANDS[2:5], 0.3, 7)
    for whole, cut in zip(_images(world, None), _images(world, chunk), strict=True):
        assert cut.numblocks[2] > 2
        assert cut.numblocks[3] > 2
        pieces = cut.compute(scheduler="sync")
        assert pieces.dtype == whole.dtype == np.float32
        np.testing.assert_array_equal(pieces, whole)


def test_a_large_scene_is_lazy():
    with dask.config.set(scheduler=refuse):
        scene, truth = simulate(size=2048, scale=32, bands=("red", "nir"), clouds=0.1)
        again, _ = simulate(size=2048, scale=32, bands=("red", "nir"), clouds=0.1)
        with pytest.raises(AssertionError, match="computed"):
            truth[0, 0, 0, 0].compute()
    assert truth.chunks == ((1,) * 5, (2,), (512,) * 4, (512,) * 4)
    assert scene.coarse.data.numblocks == (5, 1, 4, 4)
    assert scene.coarse.data.name == again.coarse.data.name
    block = truth[:1, :, 512:1024, 512:1024].compute(scheduler="sync").values
    cells = scene.coarse[:1, :, 16:32, 16:32].compute(scheduler="sync").values
    seen = np.isfinite(cells)
    assert np.corrcoef(cells[seen], block_means(block, 32)[seen])[0, 1] > 0.99


def test_a_small_scene_is_in_memory():
    scene, truth = simulate(size=(32, 48))
    assert isinstance(truth.data, np.ndarray)
    assert isinstance(scene.coarse.data, np.ndarray)


def test_the_chunks_of_a_large_scene_are_whole_cells():
    _, truth = simulate(size=(1040, 1300), scale=20, bands=("nir",))
    assert truth.chunks[2:] == ((500, 500, 40), (500, 500, 300))


def test_scene_has_the_stated_axes():
    scene, truth = simulate(size=(64, 96), scale=8, dates=4, bands=("nir", "red"))
    assert truth.name == "fine"
    assert truth.dims == ("time", "band", "y", "x")
    assert truth.shape == (4, 2, 64, 96)
    assert scene.coarse.shape == (4, 2, 8, 12)
    assert scene.fine.dtype == scene.coarse.dtype == truth.dtype == np.float32
    assert list(scene.band.values) == ["nir", "red"]
    days = np.array(["2020-04-01", "2020-04-17", "2020-05-03", "2020-05-19"], "datetime64[ns]")
    np.testing.assert_array_equal(scene.time.values, days)
    np.testing.assert_array_equal(np.diff(truth.y), -30.0)
    np.testing.assert_array_equal(np.diff(truth.x), 30.0)
    # one shared corner
    assert truth.y[0] + 15 == scene.y_coarse[0] + 120 == 5_700_000
    assert truth.x[0] - 15 == scene.x_coarse[0] - 120 == 399_960
    assert "32633" in scene.spatial_ref.attrs["crs_wkt"]
    assert "32633" in truth.spatial_ref.attrs["crs_wkt"]
    assert tuple(scene.attrs["valid_range"]) == tuple(truth.attrs["valid_range"]) == (0, 1)


@pytest.mark.parametrize(
    ("dates", "pairs", "observed"),
    [
        (3, 1, [0]),
        (5, 2, [0, 4]),
        (5, 3, [0, 2, 4]),
        (6, 3, [0, 3, 5]),
        (7, 4, [0, 2, 4, 6]),
        (5, 4, [0, 1, 3, 4]),
    ],
)
def test_pairs_enclose_the_targets(dates, pairs, observed):
    scene, _ = simulate("parcels", size=32, dates=dates, pairs=pairs, bands=("red",))
    assert np.flatnonzero(scene.fine_observed).tolist() == observed
    seen = scene.fine.notnull().any(["band", "y", "x"])
    assert np.flatnonzero(seen).tolist() == observed


def test_values_are_reflectance(mixed):
    scene, truth = mixed
    for images in (scene.fine[[0, 4]], scene.coarse, truth):
        assert float(images.min()) > 0
        assert float(images.max()) < 0.7
        assert images.notnull().all()


def test_spectra_are_those_of_water_and_plants(mixed):
    last = mixed[1].isel(time=-1).sel(band=["green", "red", "nir", "swir1"])
    green, red, nir, swir = last.values
    ndvi = (nir - red) / (nir + red)
    plants, water = ndvi > 0.8, green > nir
    assert plants.mean() > 0.2
    assert nir[plants].min() > 0.25
    assert red[plants].max() < 0.1
    assert 0.005 < water.mean() < 0.1
    assert np.median(swir[water]) < 0.03
    bare = (ndvi < 0.3) & ~water
    assert np.median(swir[bare]) > np.median(red[bare]) + 0.05


def test_the_fine_sensor_adds_only_noise(mixed):
    scene, truth = mixed
    noise = (scene.fine - truth)[[0, 4]]
    np.testing.assert_allclose(noise.std(["y", "x"]), 0.003, rtol=0.03)
    np.testing.assert_allclose(noise.mean(["y", "x"]), 0, atol=1e-4)
    flat = noise.values.reshape(12, -1)
    others = np.corrcoef(flat) - np.eye(12)
    assert abs(others).max() < 0.02  # of its own on every date and in every band


def test_the_coarse_sensor_sees_block_means_with_gain_and_bias(mixed):
    scene, truth = mixed
    means = block_means(truth.values, 16)
    np.testing.assert_allclose(
        means, truth.values.reshape(5, 6, 16, 16, 16, 16).mean((3, 5), dtype="float64"), rtol=1e-12
    )
    gains = []
    for band in range(6):
        x, y = means[:, band].ravel(), scene.coarse.values[:, band].ravel()
        (bias, gain), residual, *_ = np.linalg.lstsq(
            np.stack([np.ones_like(x), x], 1), y, rcond=None
        )
        assert 0.965 < gain < 1.035
        assert -0.011 < bias < 0.011
        assert np.sqrt(residual[0] / x.size) == pytest.approx(0.002, rel=0.08)
        gains.append(gain)
    assert np.ptp(gains) > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_neither_doing_nothing_nor_the_coarse_change_suffices(kind):
    scene, truth = simulate(kind, size=256, seed=1)
    fine, coarse = scene.fine.values[0], scene.coarse.values
    for date in (2, 3):
        change = np.kron(coarse[date] - coarse[0], np.ones((1, 16, 16)))
        unchanged = rmse(truth.values[date] - fine)
        moved = rmse(truth.values[date] - fine - change)
        assert unchanged > 0.04
        assert 0.012 < moved < 0.7 * unchanged


def test_fields_of_one_class_change_unevenly():
    _, truth = simulate("parcels", size=256, bands=("nir",), seed=1)
    change = (truth[2, 0] - truth[0, 0]).values
    pieces = change.reshape(32, 8, 32, 8).std((1, 3))
    # most 8 x 8 pixels do not move as one, not even inside a field
    assert np.quantile(pieces, 0.25) > 0.004


def test_growth_is_smooth_in_time():
    _, truth = simulate("parcels", size=128, dates=23, bands=("nir",))
    steps = np.abs(np.diff(truth.values, axis=0))
    assert steps.max() < 0.26
    assert np.abs(truth.values[-1] - truth.values[0]).mean() < 0.1  # a year later, nearly the same
    assert (truth.values.max(0) - truth.values.min(0)).mean() > 0.1


def flooded(truth):
    """Share of dark water that was land on the first date, per date."""
    nir = truth.sel(band="nir").values
    return ((nir < 0.08) & (nir[0] > 0.12)).mean((1, 2))


def test_the_flood_rises_and_recedes_between_the_pairs():
    _, truth = simulate("flood", size=256, seed=1)
    share = flooded(truth)
    assert share[0] == share[4] == 0
    assert share[1] > 0.05
    assert share[2] > share[1]
    assert share[2] > share[3] > 0.05
    assert flooded(simulate("parcels", size=256, seed=1)[1]).max() == 0


def test_the_flood_ignores_field_borders_and_leaves_traces():
    _, truth = simulate("flood", size=256, seed=1)
    _, dry = simulate("parcels", size=256, seed=1)
    nir = truth.sel(band="nir").values
    water = (nir[2] < 0.08) & (nir[0] > 0.12)
    np.testing.assert_array_equal(truth[0], dry[0])
    after = np.abs(truth[4] - dry[4]).sel(band="nir").values
    assert after[water].mean() > 0.05
    # where the shore runs, the dry land has no edge
    shore = (water[:, 1:] != water[:, :-1]) & (nir[0] > 0.12)[:, 1:] & (nir[0] > 0.12)[:, :-1]
    steps = np.abs(np.diff(dry.sel(band="nir").values[0], axis=1))
    assert np.median(steps[shore]) < 2 * np.median(steps)


def test_with_more_pairs_the_flood_keeps_to_one_gap():
    _, truth = simulate("flood", size=128, dates=7, pairs=3, seed=1)
    share = flooded(truth)
    assert share[[0, 3, 4, 5, 6]].max() == 0
    assert share[1] > 0.02


def test_with_one_pair_the_flood_comes_after_it():
    _, truth = simulate("flood", size=128, dates=2, pairs=1, seed=1)
    assert flooded(truth)[1] > 0.05


def test_mixed_floods_one_part_and_harvests():
    _, truth = simulate("mixed", size=512, seed=1)
    left, right = flooded(truth[..., :180]), flooded(truth[..., 340:])
    assert left[2] > 0.05
    assert right.max() < 1e-4  # bank pixels where a field was cut
    ndvi = []
    for kind in ("mixed", "parcels"):
        _, truth = simulate(kind, size=512, seed=1, bands=("red", "nir"))
        red, nir = truth.values[..., 340:].transpose(1, 0, 2, 3)
        ndvi.append((nir - red) / (nir + red))
    bare = (ndvi[1] - ndvi[0] > 0.1).mean((1, 2))
    assert bare[0] == 0
    assert (np.diff(bare) > 0.02).all()  # some in every interval
    assert 0.15 < bare[-1] < 0.35
    assert np.median(ndvi[0][-1][ndvi[1][-1] - ndvi[0][-1] > 0.1]) < 0.3


def test_clouds_hide_the_wanted_share():
    scene, truth = simulate(size=512, bands=("red", "nir"), clouds=0.3, seed=1)
    missing = scene.fine[[0, 4]].isnull()
    assert (missing[:, 0] == missing[:, 1]).all()
    np.testing.assert_allclose(missing[:, 0].mean(["y", "x"]), 0.3, atol=0.03)
    cells = scene.coarse.isnull()
    np.testing.assert_allclose(cells[:, 0].mean(["y_coarse", "x_coarse"]), 0.3, atol=0.06)
    assert truth.notnull().all()
    # as patches: most cells are all cloud or all clear, in both images
    share = block_means(missing.values, 16)
    assert ((share == 0) | (share == 1)).mean() > 0.6
    assert ((share > 0.5) == cells[[0, 4]].values).mean() > 0.97
    assert not (missing[0, 0] == missing[1, 0]).all()


def test_a_band_is_the_same_whatever_others_are_asked_for(mixed):
    scene, truth = simulate("mixed", size=256, bands=("swir1", "red"), seed=1)
    for few, many in ((truth, mixed[1]), (scene.fine, mixed[0].fine)):
        np.testing.assert_array_equal(few, many.sel(band=["swir1", "red"]))
    np.testing.assert_array_equal(scene.coarse, mixed[0].coarse.sel(band=["swir1", "red"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "desert"}, "kind='desert'.*parcels"),
        ({"size": 500}, "size=500 .* 16 pixels.*give 496"),
        ({"size": (64, 72)}, r"size=\(64, 72\) .* instead of 72"),
        ({"size": 16}, "size=16 .*two or more.*give 32"),
        ({"size": -64}, "size=-64 .*give 32"),
        ({"size": (64, 64, 64)}, "one number of fine pixels"),
        ({"scale": 1}, "scale=1 must be.*2 or more"),
        ({"scale": 16.0}, "scale=16.0 must be a whole number"),
        ({"dates": 1}, "dates=1 must be.*2 or more"),
        ({"pairs": 0}, "pairs=0 must be.*1 or more"),
        ({"pairs": 5}, "pairs=5 of dates=5 leave no date.*at most 4"),
        ({"bands": ("red", "thermal")}, "thermal.*blue, green"),
        ({"bands": ("red", "red")}, "each once"),
        ({"bands": ()}, "one or more names"),
        ({"bands": "red"}, "bands='red'.*tuple"),
        ({"clouds": 1.0}, "clouds=1.0.*0 <= clouds < 1"),
        ({"clouds": float("nan")}, "clouds=nan"),
        ({"kind": "zhu", "size": 256}, "size=256 does not fit kind='zhu'.*leave it out"),
        ({"kind": "gao_b", "clouds": 0.2}, "clouds=0.2 does not fit.*xstf.papers.gao_b"),
    ],
)
def test_errors_name_value_and_cure(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(**arguments)


def test_hash_is_splitmix64():
    # first output of the published generator (Steele et al. 2014) from state 0
    assert int(mix(np.zeros(1, np.uint64))[0]) == 0xE220A8397B1DCDAF


def test_uniform_numbers_are_uniform_and_unrelated():
    at = np.arange(-200, 200)
    drawn = uniform(3, "a", at[:, None], at)
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert counts.sum() == drawn.size
    assert abs(counts - 8000).max() < 400
    for other in (
        drawn[1:, 1:],
        drawn.T[:-1, 1:],
        uniform(4, "a", at[:, None], at)[:-1, :-1],
        uniform(3, "b", at[:, None], at)[:-1, :-1],
    ):
        assert abs(np.corrcoef(drawn[:-1, :-1].ravel(), other.ravel())[0, 1]) < 0.015


def test_noise_has_unit_variance_and_no_seams():
    at = np.arange(-300, 300)
    field = noise(3, "a", at, at, 6.0)
    assert abs(field.mean()) < 0.05
    assert field.var() == pytest.approx(1, rel=0.05)
    assert np.abs(np.diff(field, axis=0)).max() < 0.8
    np.testing.assert_array_equal(noise(3, "a", at[37:90], at[5:6], 6.0), field[37:90, 5:6])


def test_importing_is_light():
    code = (
        "import sys, xstf.simulation; "
        "print([m for m in ('numba', 'torch', 'rasterio', 'dask.array') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
