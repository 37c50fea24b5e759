"""HCM against plain numpy, planted mappings, and real scenes."""

import numpy as np
import pytest
import xarray as xr

import xstf
from tests.oracles.hcm import hcm
from tests.speed.accuracy import boreas, lgc


@pytest.fixture(scope="module")
def scene():
    """One pair and two targets, with holes."""
    ds, _ = xstf.simulate("mixed", size=36, scale=4, dates=3, pairs=1, bands=("red", "nir"), seed=2)
    ds = ds.compute()
    ds["fine"][0, 0, 14:17, 9:12] = np.nan
    ds["coarse"][0, 1, 5, 2] = np.nan
    ds["coarse"][2, :, 3:5, 4:8] = np.nan
    return ds


PARAMETERS = [{"white": False}, {"white": True}, {"window": 7}, {"pull": 0.1, "white": True}]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_equals_the_oracle(scene, parameters):
    options = {"window": 5, **parameters}
    found = scene.stf.fuse("hcm", **options).compute()
    for date in range(2):
        expected = hcm(
            scene.fine.values[0], scene.coarse.values[0], scene.coarse.values[date + 1], 4,
            **options,
        )  # fmt: skip
        np.testing.assert_array_equal(np.isnan(found[date]), np.isnan(expected))
        np.testing.assert_allclose(found[date], expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("white", [False, True])
def test_band_by_band_is_each_band_alone(scene, white):
    apart = scene.stf.fuse("hcm", joint=False, white=white).compute()
    for band in range(2):
        alone = scene.isel(band=[band]).stf.fuse("hcm", white=white).compute()
        np.testing.assert_array_equal(apart.isel(band=[band]), alone)


def planted(mapping, constant, seed=3, cells=9, scale=4):
    """A scene whose target is a mapping of the pair's bands, and its true fine image."""
    rng = np.random.default_rng(seed)
    fine = rng.uniform(0.1, 0.5, (len(mapping), cells * scale, cells * scale))
    after = np.einsum("cb,cyx->byx", mapping, fine) + constant
    days = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    images = xr.DataArray(
        np.stack([fine, after]).astype("f4"),
        dims=("time", "band", "y", "x"),
        coords={"time": days},
    )
    return xstf.scene(images[:1], _block_means(images, scale), scale=scale), after


def _block_means(images, scale):
    return images.coarsen(y=scale, x=scale).mean()


@pytest.mark.parametrize("joint", [True, False])
def test_a_planted_mapping_is_found(joint):
    mapping = np.array([[0.9, 0.2], [-0.1, 0.7]]) if joint else np.diag([0.9, 0.7])
    ds, after = planted(mapping, 0)
    found = ds.stf.fuse("hcm", joint=joint, pull=1e-9).compute()[0]
    np.testing.assert_allclose(found, after, rtol=0, atol=2e-6)


def test_a_constant_needs_the_white_band():
    ds, after = planted(np.array([[0.9, 0.2], [-0.1, 0.7]]), 0.05)
    options = {"pull": 1e-9}
    found = ds.stf.fuse("hcm", white=True, **options).compute()[0]
    np.testing.assert_allclose(found, after, rtol=0, atol=5e-6)
    assert abs(ds.stf.fuse("hcm", **options).compute()[0] - after).max() > 0.01


@pytest.mark.parametrize("joint", [True, False])
def test_the_same_coarse_image_gives_the_same_fine_one(scene, joint):
    ds = scene.copy(deep=True)
    ds["coarse"][1] = ds["coarse"][0]
    found = ds.stf.fuse("hcm", joint=joint, dates=ds.time.values[1]).compute()[0]
    np.testing.assert_array_equal(found, ds.fine[0].where(found.notnull()))
    assert int(found.isnull().sum()) == int(ds.fine[0].isnull().sum()) * (2 if joint else 1)


def test_a_flat_window_with_a_constant_shifts():
    ds, _ = planted(np.eye(2), 0.04)
    ds = ds.copy(deep=True)
    ds["coarse"][0] = 0.3
    ds["coarse"][1] = 0.34
    found = ds.stf.fuse("hcm", white=True).compute()[0]
    np.testing.assert_allclose(found, ds.fine[0] + 0.04, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [{"window": 9}, {"joint": False, "upsample": "cubic"}, {"upsample": "nearest"}],
    ids=str,
)
def test_any_cut_gives_the_same_picture(scene, parameters):
    options = parameters
    whole = scene.stf.fuse("hcm", blocksize=1000, **options).compute()
    parts = scene.stf.fuse("hcm", blocksize=12, **options).compute()
    xr.testing.assert_identical(parts, whole)


@pytest.mark.parametrize("turn", ["flip", "transpose"])
def test_turning_the_scene_turns_the_prediction(scene, turn):
    ds = scene.copy(deep=True)
    for name in ("fine", "coarse"):
        values = ds[name].values
        ds[name][:] = values[..., ::-1, ::-1] if turn == "flip" else values.swapaxes(2, 3)
    a, b = (s.stf.fuse("hcm").compute().values for s in (scene, ds))
    a = a[..., ::-1, ::-1] if turn == "flip" else a.swapaxes(2, 3)
    np.testing.assert_allclose(b, a, rtol=0, atol=1e-6)


def test_other_units_give_the_same_picture(scene):
    ds = scene.copy().assign_attrs(valid_range=[0.0, 1024.0])
    for name in ("fine", "coarse"):
        ds[name] = scene[name] * np.float32(1024)
    a, b = (s.stf.fuse("hcm", white=True).compute() for s in (scene, ds))
    np.testing.assert_array_equal(b / 1024, a)


def test_coarse_images_on_the_fine_grid_need_the_cell(scene):
    coarse = scene.fine.copy(data=scene.coarse.values.repeat(4, 2).repeat(4, 3))
    ds = xstf.scene(scene.fine.isel(time=[0]), coarse.assign_coords(time=scene.time), scale=1)
    with pytest.raises(ValueError, match="cell=16"):
        ds.stf.fuse("hcm")
    found = ds.stf.fuse("hcm", cell=4).compute()
    np.testing.assert_allclose(found, scene.stf.fuse("hcm").compute(), atol=2e-6)


@pytest.mark.real
def test_on_the_real_scenes(real_data):
    ds, _ = lgc(real_data)
    cases = [(ds, {"dates": "2004-12-28"}, {}, [140, 188.5, 517])]
    cases.append((ds, {"dates": "2004-12-28"}, {"window": 3}, [117, 157, 424]))
    may = {"dates": "2001-07-11", "pairs": ["2001-05-24"]}
    cases.append((boreas(real_data, 16), may, {}, [52.5, 71.5, 183]))
    cases.append((boreas(real_data, 16), may, {"joint": False}, [62, 75, 197]))
    for scene_, dates, parameters, bounds in cases:
        fused = scene_.stf.fuse("hcm", **dates, **parameters).compute()
        off = fused - scene_.fine.sel(time=fused.time)
        assert not off.isnull().any()
        found = 1e4 * np.sqrt((off**2).mean(("time", "y", "x"))).values
        assert (found <= bounds).all(), (parameters, found)


@pytest.mark.real
def test_one_band_needs_the_white_band(real_data):
    folder, days = real_data / "saltonsea", ["2020-11-11", "2020-12-06"]
    fine = xstf.read_images([folder / "fine" / f"{d}_fine.tif" for d in days])
    coarse = xstf.read_images([folder / "coarse" / f"{d}_coarse.tif" for d in days])
    ds = xstf.find_observed(xstf.scene(fine, coarse), least=0.9).compute()
    found = []
    for white in (False, True):
        fused = ds.stf.fuse("hcm", dates=days[0], pairs=[days[1]], white=white).compute()
        assert not fused.isnull().any()
        off = fused - ds.fine.sel(time=fused.time)
        found.append(float(np.sqrt((off**2).mean())))
    assert found[1] < 0.0575
    assert found[1] < 0.95 * found[0]
