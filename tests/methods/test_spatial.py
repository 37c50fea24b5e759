"""The slot of FSDAF's spatial prediction, filled with toys."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import xstf
from xstf.kernels.resample import upsample
from xstf.kernels.spline import continuation, extend
from xstf.method import Block, Method, Prepared, param

DEPTH = 11  # cells: more than a spline needs
WINDOWS = {"fsdaf": {"window": 9, "num_similar": 7}, "sfsdaf": {"num_similar": 7}}


@dataclass(frozen=True, kw_only=True)
class OwnSpline(Method):
    """The spline anew, from a plane of the whole scene that reaches further than it must."""

    def prepare(self, scene):
        cells = scene.shape[0] // scene.scale, scene.shape[1] // scene.scale
        ring = scene.once(continuation, cells, DEPTH)
        planes = [scene.once(extend, scene.target(d), ring, DEPTH) for d in range(scene.dates)]
        dated = [scene.once(np.nanmean, scene.target(d)) for d in range(scene.dates)]
        return Prepared(
            numbers=scene.statistics, dated=dated, planes={"wide": planes}, margin=DEPTH
        )

    def block(self, b: Block):
        assert b.numbers.mean.shape[0] == 1
        assert len(b.dated) == len(b.target)
        spare = DEPTH - 8
        return {"fused": upsample(b.made["wide"][..., spare:-spare, spare:-spare], "tps", b.scale)}


@dataclass(frozen=True, kw_only=True)
class Blurred(Method):
    """Looks at fine pixels and coarse cells around: the mean of both in a box, sharpened."""

    radius: int = param(3, ge=1, doc="of the box")

    def halo(self, scale):
        return self.radius

    @property
    def reach(self):
        return 1

    def prepare(self, scene):
        return Prepared()

    def block(self, b: Block):
        rows, columns = b.inner
        box = np.zeros((b.fine.shape[1], rows.stop - rows.start, columns.stop - columns.start))
        for y in range(-self.radius, self.radius + 1):
            for x in range(-self.radius, self.radius + 1):
                part = (
                    slice(rows.start + y, rows.stop + y),
                    slice(columns.start + x, columns.stop + x),
                )
                box = box + np.nan_to_num(b.fine[0][(slice(None), *part)])
        far = b.halo // b.scale
        cells = np.nan_to_num(b.target)
        around = (cells[..., :-2, 1:-1] + cells[..., 2:, 1:-1] + cells[..., 1:-1, 1:-1]) / 3
        around = around[..., far : around.shape[-2] - far, far : around.shape[-1] - far]
        fine = around.repeat(b.scale, -2).repeat(b.scale, -1)
        return {"fused": fine + 0.3 * (b.fine[0][(slice(None), *b.inner)] - box / 49)}


@dataclass(frozen=True, kw_only=True)
class Wrong(Method):
    """Forgets the dates."""

    def block(self, b: Block):
        return {"fused": b.fine[0]}


@dataclass(frozen=True, kw_only=True)
class Two(Method):
    """Wants two pairs."""

    pairs = range(2, 3)


@pytest.fixture(scope="module")
def scene():
    ds, _ = xstf.simulate("mixed", size=56, scale=4, dates=4, pairs=1, bands=("red", "nir"), seed=4)
    return ds.compute()


def fuse(ds, method, spatial, **options):
    classes = {"min_classes": 2, "max_classes": 3, "small": 20}
    return ds.stf.fuse(method, spatial=spatial, **WINDOWS[method], **classes, **options)


@pytest.mark.parametrize("method", ["fsdaf", "sfsdaf"])
def test_a_method_in_the_slot_replaces_the_spline(scene, method):
    found = fuse(scene, method, OwnSpline()).compute()
    np.testing.assert_array_equal(found, fuse(scene, method, "tps").compute())
    assert not np.array_equal(found, fuse(scene, method, "cubic").compute())


@pytest.mark.parametrize("method", ["fsdaf", "sfsdaf"])
@pytest.mark.parametrize("toy", [OwnSpline(), Blurred(), "cubic", "tps"], ids=str)
def test_any_cut_and_one_date_give_the_same_picture(scene, method, toy):
    whole = fuse(scene, method, toy, blocksize=1000).compute()
    cut = fuse(scene.chunk(y=13, x=7), method, toy, blocksize=16)
    xr.testing.assert_identical(cut.compute(), whole)
    one = fuse(scene, method, toy, dates=scene.time.values[2]).compute()
    xr.testing.assert_identical(one, whole.isel(time=[1]))
    assert not whole.isnull().any()


def test_what_the_slot_says_decides_where_the_residual_goes(scene):
    plain, sharp = (fuse(scene, "fsdaf", s).compute() for s in ("tps", Blurred()))
    assert 1e-4 < float(abs(plain - sharp).mean()) < 0.05


def test_a_filled_slot_is_part_of_the_value(scene):
    from xstf.methods.fsdaf import Fsdaf

    made, other = Fsdaf(spatial=Blurred()), Fsdaf(spatial=Blurred(radius=2))
    again = pickle.loads(pickle.dumps(made))
    assert again == made != other
    assert hash(again) == hash(made)
    assert tokenize(again) == tokenize(made) != tokenize(other)
    assert made.halo(4) == Fsdaf().halo(4) + 4
    assert made.reach == 1
    names = [fuse(scene, "fsdaf", s).data.name for s in (Blurred(), Blurred(), Blurred(radius=2))]
    assert names[0] == names[1] != names[2]


def test_the_result_says_and_files_keep_what_was_in_the_slot(scene, tmp_path):
    fused = fuse(scene, "fsdaf", Blurred())
    assert fused.attrs["parameter_spatial"] == "Blurred(radius=3)"
    kept = xr.open_zarr(xstf.save(fused, tmp_path / "fused.zarr"))
    assert kept.fused.attrs["parameter_spatial"] == "Blurred(radius=3)"


def test_a_slot_filled_with_the_wrong_shape_is_refused(scene):
    with pytest.raises(ValueError, match=r"wrong returned shape .*\(date, band, y, x\)"):
        fuse(scene, "fsdaf", Wrong()).compute()


@pytest.mark.parametrize("bad", ["spline", 3, OwnSpline])
def test_other_things_do_not_fit_the_slot(scene, bad):
    with pytest.raises(ValueError, match="'tps', 'cubic', or an instance of Method"):
        fuse(scene, "fsdaf", bad)


def test_a_method_of_two_pairs_does_not_fit_the_slot(scene):
    with pytest.raises(ValueError, match="needs 2 pairs, and there is one"):
        fuse(scene, "fsdaf", Two())
