"""ESTARFM against plain numpy, scenes with known answers, and the authors' own program."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles.estarfm import estarfm as oracle

DAYS = np.array(["2020-05-01", "2020-06-01", "2020-07-01"], "datetime64[ns]")
FREE = {"valid_range": None}


def made(fine, coarse, **options):
    """Return a scene of pairs 0 and 2 and target 1: fine (2, band, y, x), coarse (3, band, ...)."""
    dims = ("time", "band", "y", "x")
    bands = [f"b{i}" for i in range(fine.shape[1])]
    pairs, dates = (
        xr.DataArray(a.astype("f4"), dims=dims, coords={"time": t, "band": bands})
        for a, t in ((fine, DAYS[[0, 2]]), (coarse, DAYS))
    )
    return xstf.scene(pairs, dates, scale=1, **options)


def fuse(ds, **options):
    return ds.stf.fuse("estarfm", **{"window": 9, **options}).compute().values[0]


def random_scene(bands=2, gaps=True, seed=0):
    """A simulated scene with the coarse images on the fine grid, and holes on each side."""
    ds, _ = xstf.simulate(
        "mixed", size=28, scale=4, dates=3, pairs=2, bands=("red", "nir", "blue")[:bands], seed=seed
    )
    fine = ds.fine.values[[0, 2]].copy()
    coarse = ds.coarse.values.repeat(4, 2).repeat(4, 3)
    if gaps:
        fine[0, 0, 14:17, 9:12] = np.nan
        fine[1, :, 3:9, 20:] = np.nan
        fine[:, 0, 22, 22] = np.nan
        coarse[1, :, 3, 20:23] = np.nan
        coarse[0, :, 12:26, 14:28] = np.nan  # wider than the window
    return made(fine, coarse)


PARAMETERS = [
    {},
    {"slope": "code", "least_change": 0.005},
    {"slope": "paper"},
    {"slope": "one", "classes": 2},
    {"classes": 1, "doubt": 0.01},
    {"classes": 1, "num_similar": 7},
    {"classes": 2, "num_similar": 12, "slope": "code", "least_change": 0.0},
]


@pytest.mark.parametrize("bands", [1, 2, 3])
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_equals_the_oracle(parameters, bands):
    ds = random_scene(bands)
    found = ds.stf.fuse("estarfm", window=9, quality=True, **parameters).compute()
    expected, count = oracle(
        ds.fine.values[[0, 2]], ds.coarse.values[[0, 2]], ds.coarse.values[1], window=9,
        valid=(0, 1), **parameters,
    )  # fmt: skip
    np.testing.assert_array_equal(found.similar[0, 0], count)
    np.testing.assert_array_equal(np.isnan(found.fused[0]), np.isnan(expected))
    np.testing.assert_allclose(found.fused[0], expected, rtol=0, atol=5e-6)
    assert (count > 5).mean() > 0.2


def test_a_target_alike_a_pair_gives_the_fine_image_of_the_pair():
    ds = random_scene(gaps=False)
    for pair in (0, 2):
        ds["coarse"][1] = ds["coarse"][pair]
        for slope in ("change", "code", "one"):
            np.testing.assert_allclose(fuse(ds, slope=slope), ds.fine[pair], rtol=0, atol=1e-7)


def test_a_uniform_shift_shifts_the_fine_image():
    ds = random_scene(gaps=False)
    ds["fine"][2], ds["coarse"][2] = ds["fine"][0], ds["coarse"][0]
    ds["coarse"][1] = ds["coarse"][0] + 0.04
    for slope in ("change", "code", "paper"):
        # without any change between the pairs no slope but the paper's can be told from 1
        found = fuse(ds, slope=slope) - ds.fine.values[0]
        if slope == "paper":
            assert np.ptp(found) > 1e-3
        else:
            np.testing.assert_allclose(found, 0.04, atol=1e-6)


def test_a_bias_of_the_coarse_sensor_cancels():
    ds = random_scene(bands=3, gaps=False)
    biased = ds.assign(coarse=ds.coarse + np.float32(0.0625))
    for slope in ("change", "code"):
        a, b = fuse(ds, slope=slope), fuse(biased, slope=slope)
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6)


def test_swapped_pairs_turned_images_and_other_units_give_the_same_picture():
    ds = random_scene(bands=3)
    fine, coarse = ds.fine.values[[0, 2]], ds.coarse.values
    for slope in ("change", "code"):
        whole = fuse(ds, slope=slope)
        swapped = fuse(made(fine[::-1], coarse[[2, 1, 0]]), slope=slope)
        np.testing.assert_allclose(swapped, whole, rtol=0, atol=2e-6)
        for turn in (
            lambda a: a[..., ::-1],
            lambda a: a[..., ::-1, :],
            lambda a: a.swapaxes(-1, -2),
        ):
            turned = fuse(made(turn(fine), turn(coarse)), slope=slope)
            np.testing.assert_allclose(turned, turn(whole), rtol=0, atol=2e-6)
        kelvin = made(256 * fine, 256 * coarse, valid_range=None)
        scaled = fuse(kelvin, slope=slope, doubt=256 * 0.05, least_change=256 * 0.02)
        np.testing.assert_allclose(scaled / 256, whole, rtol=0, atol=2e-6)


def test_missing_pixels_are_not_seen_beyond_half_a_window():
    ds = random_scene(gaps=False)
    holed = ds.copy(deep=True)
    holed["fine"][:, :, 12:15, 12:15] = np.nan
    # everything is similar, so that the deviation of the scene, which the hole changes, is nothing
    a, b = fuse(ds, classes=1e-3), fuse(holed, classes=1e-3)
    far, hole = np.ones((2, 28, 28), bool)
    far[8:19, 8:19] = False
    hole[:] = False
    hole[12:15, 12:15] = True
    np.testing.assert_array_equal(a[:, far], b[:, far])
    np.testing.assert_array_equal(np.isnan(b), [hole, hole])
    assert (a != b)[:, ~far & ~hole].any()


def line_scene(slope, change=0.06, offset=0.05, beyond=-0.03):
    """Fields of two kinds; fine values lie on one line of the coarse ones on both dates."""
    kind = np.indices((24, 24)).sum(axis=0) // 6 % 2
    first = np.where(kind, 0.1, 0.13) * min(1, 1 / abs(slope))
    coarse = np.stack([first, first + beyond, first + change])
    fine = slope * coarse[[0, 2]] + offset + (0.9 if slope < 0 else 0)
    return made(fine[:, None], coarse[:, None]), kind


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5, 4.9])
def test_the_regression_finds_a_line(slope):
    """Beyond the pairs, where the slope counts: F = a C + c on all dates."""
    ds, _ = line_scene(slope)
    ds = ds.assign_attrs(FREE)
    expected = ds.fine.values[0] + slope * (ds.coarse.values[1] - ds.coarse.values[0])
    np.testing.assert_allclose(fuse(ds, slope="code"), expected, atol=2e-6)
    np.testing.assert_allclose(fuse(ds, slope="paper"), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("slope", "change"), [(2.5, 0.0199), (2.5, -0.0199), (5.1, 0.06), (-1.0, 0.06)]
)
def test_the_programs_gates(slope, change):
    """Change below 2 %, slopes above 5 or below 0: coarse change is fine change."""
    ds, _ = line_scene(slope, change)
    ds = ds.assign_attrs(FREE)
    np.testing.assert_array_equal(fuse(ds, slope="code"), fuse(ds, slope="one"))
    assert not np.allclose(fuse(ds, slope="paper"), fuse(ds, slope="one"), atol=1e-4)


def test_the_2_percent_gate_opens_at_2_percent():
    ds, _ = line_scene(2.5, 0.0201)
    assert not np.allclose(fuse(ds, slope="code"), fuse(ds, slope="one"), atol=1e-3)


@pytest.mark.parametrize(("true", "change"), [(1.6, 0.06), (0.7, -0.1), (4.0, 0.06)])
def test_the_slope_of_changes_is_believed_by_their_size(true, change):
    """Towards 1 by doubt^2 / (change^2 + doubt^2), and never beyond 1/2 and 2."""
    doubt = 0.05
    slope = np.clip(1 + (true - 1) * change**2 / (change**2 + doubt**2), 0.5, 2)
    ds, _ = line_scene(true, change, beyond=-0.04 * np.sign(change))
    ds = ds.assign_attrs(FREE)
    fine, coarse = ds.fine.values[[0, 2]], ds.coarse.values
    step = coarse[1] - coarse[[0, 2]]
    near = 1 / abs(step)
    expected = (near * (fine + slope * step)).sum(axis=0) / near.sum(axis=0)
    np.testing.assert_allclose(fuse(ds, doubt=doubt), expected, atol=2e-6)


def test_five_similar_pixels_are_too_few():
    """Islands of five pixels move by the mean change of the window, of six by their own."""
    coarse = np.full((3, 1, 30, 30), 0.1)
    fine = np.full((2, 1, 30, 30), 0.1)
    coarse[1] += np.linspace(0, 0.02, 900).reshape(30, 30)
    islands = {5: (slice(8, 9), slice(5, 10)), 6: (slice(20, 22), slice(20, 23))}
    for rows, columns in islands.values():
        fine[:, :, rows, columns] = 0.5
        coarse[1, :, rows, columns] += 0.1
    ds = made(fine, coarse)
    found = ds.stf.fuse("estarfm", window=9, slope="one", quality=True).compute()
    step = (coarse[1] - coarse[0])[0]
    for number, at in islands.items():
        assert (found.similar[(0, 0, *at)] == number).all()
        rows, columns = at
        y, x = rows.start, columns.start
        plain = step[y - 4 : y + 5, x - 4 : x + 5].mean()
        moved = found.fused.values[0, 0, y, x] - 0.5
        if number == 5:
            np.testing.assert_allclose(moved, plain, atol=1e-6)
        else:
            assert step[at].min() - 1e-6 < moved < step[at].max() + 1e-6
            assert abs(moved - plain) > 0.02


def test_predictions_off_the_valid_range_become_the_mean_of_the_similar_pixels():
    ds = random_scene(gaps=False)
    ds["fine"] = (ds.fine - ds.fine.min()) * 0.9  # down to 0, which is no error
    ds["coarse"][1] = ds["coarse"][0] - 0.15
    found, free = fuse(ds), fuse(ds.assign_attrs(FREE))
    off = free < 0
    assert 0.01 < off.mean() < 0.9
    assert found.min() >= 0
    np.testing.assert_array_equal(found[~off], free[~off])
    expected, _ = oracle(
        ds.fine.values[[0, 2]],
        ds.coarse.values[[0, 2]],
        ds.coarse.values[1],
        window=9,
        valid=(0, 1),
    )
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_a_flat_band_is_similar_everywhere():
    ds = random_scene(bands=2, gaps=False)
    ds["fine"][:, 1] = 0.25
    assert np.isfinite(fuse(ds, slope="code")).all()
    alone = ds.isel(band=[0])
    both, one = (
        d.stf.fuse("estarfm", window=9, quality=True).compute().similar.values[0, 0]
        for d in (ds, alone)
    )
    np.testing.assert_array_equal(both, one)


@pytest.mark.parametrize("bands", [4, 6, 7])
def test_many_bands(bands):
    rng = np.random.default_rng(4)
    fine = rng.uniform(0.1, 0.3, (2, bands, 14, 14))
    coarse = rng.uniform(0.1, 0.3, (3, bands, 14, 14))
    ds = made(fine, coarse)
    expected, count = oracle(
        *(a.astype("f4") for a in (fine, coarse[[0, 2]], coarse[1])), window=9, classes=0.8
    )
    found = ds.stf.fuse("estarfm", window=9, classes=0.8, quality=True).compute()
    np.testing.assert_array_equal(found.similar[0, 0], count)
    np.testing.assert_allclose(found.fused[0], expected, rtol=0, atol=5e-6)


def test_two_pairs_are_needed():
    ds = random_scene(gaps=False)
    with pytest.raises(ValueError, match="the method uses exactly 2"):
        ds.stf.fuse("estarfm", window=9, pairs="nearest")
    with pytest.raises(ValueError, match="num_similar=5 breaks its rule.*>= 6"):
        ds.stf.fuse("estarfm", window=9, num_similar=5)


@pytest.fixture(scope="module")
def boreas(real_data):
    days = {"2001-05-24": "0524", "2001-07-11": "0711", "2001-08-12": "0812"}
    fine, coarse = (
        xstf.read_images(
            [real_data / "boreas" / f"{kind}{d}" for d in days.values()],
            dates=list(days), bands=["green", "red", "nir"], scale_factor=1e-4,
        ).compute()
        for kind in ("tm", "modis")
    )  # fmt: skip
    return xstf.scene(fine, coarse, scale=1)


def error(fused, ds):
    """RMSE x 10^4 of each band."""
    return 1e4 * np.sqrt(((fused - ds.fine.values[1]) ** 2).mean(axis=(1, 2)))


@pytest.mark.real
@pytest.mark.parametrize(
    ("run", "most", "expected"),
    [
        ("estarfm_boreas", None, [53.8, 48.3, 125.2]),
        ("estarfm_fast_boreas", 20, [54.3, 49.1, 129.5]),
    ],
)
def test_the_authors_program_on_boreas(boreas, real_data, run, most, expected):
    """Within 0.1 of 10000; correlations next to 1, in single precision there, explain the rest."""
    found = boreas.stf.fuse(
        "estarfm", dates="2001-07-11", slope="code", num_similar=most, quality=True
    ).compute()
    np.testing.assert_allclose(error(found.fused.values[0], boreas), expected, atol=0.06)
    with np.load(real_data / "gold" / "samples.npz") as gold:
        at, values, count = (gold[f"{run}_{what}"] for what in ("index", "value", "ncand"))
    off = abs(1e4 * found.fused.values[0].reshape(3, -1)[:, at] - values)
    assert (off > 0.1).mean() <= 1e-3
    np.testing.assert_array_equal(found.similar.values[0, 0].ravel()[at], count[0])


@pytest.mark.real
def test_the_slope_of_changes_is_better_on_boreas(boreas):
    for target, others in ((1, [0, 2]), (0, [1, 2])):
        date, pairs = boreas.time.values[target], list(boreas.time.values[others])
        scores = [
            1e4 * np.sqrt(((f - boreas.fine.values[target]) ** 2).mean(axis=(1, 2)))
            for f in (
                boreas.stf.fuse("estarfm", dates=date, pairs=pairs, slope=s).compute().values[0]
                for s in ("change", "code")
            )
        ]
        assert (scores[0] < scores[1] + 0.1).all()
        assert scores[0][2] < 0.92 * scores[1][2]
