"""Coarse images that lie off: found where they were put, mended without a trace."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

import xstf
from xstf.kernels.boxes import cell_means
from xstf.kernels.shifts import sums_by_shift

CELL = 8
DAYS = np.array(["2020-06-01", "2020-06-17", "2020-07-03"], "datetime64[ns]")


def landscape(shape, seed=0, grain=3.0):
    """Smooth random images (date, band, y, x), of other contents on each date."""
    noise = np.random.default_rng(seed).normal(size=(2, 2, *shape))
    smooth = gaussian_filter(noise, (0, 0, grain, grain), mode="wrap")
    return (0.3 + 0.05 * smooth / smooth.std()).astype("f4")


def off_by(dy, dx, *, cells=(20, 24), noise=0.0, parts=1, grain=3.0):
    """A scene whose coarse images lie (dy, dx) fine pixels off, and the same in place.

    `parts` are the subpixels of a fine pixel, so that shifts can be parts of pixels.
    """
    side, margin = CELL * parts, 2 * CELL * parts
    shape = tuple(n * side + 2 * margin for n in cells)
    truth = landscape(shape, grain=grain * parts)
    inner = [slice(margin, margin + n * side) for n in cells]
    moved = [
        slice(s.start + round(d * parts), s.stop + round(d * parts))
        for s, d in zip(inner, (dy, dx), strict=True)
    ]
    fine = cell_means(truth[(..., *inner)], parts)
    rng = np.random.default_rng(1)
    made = []
    for window in (moved, inner):
        coarse = cell_means(truth[(..., *window)], side)
        coarse = coarse + noise * rng.normal(size=coarse.shape).astype("f4")
        images = []
        for values, pixel in ((fine, 30.0), (coarse, 30.0 * CELL)):
            rows, columns = values.shape[2:]
            axes = {
                "y": 6e6 - (np.arange(rows) + 0.5) * pixel,
                "x": 5e5 + (np.arange(columns) + 0.5) * pixel,
            }
            coords = {"time": DAYS[:2], "band": ["red", "nir"], **axes}
            image = xr.DataArray(values, dims=("time", "band", "y", "x"), coords=coords)
            images.append(xstf.georeference(image, "EPSG:32633"))
        made.append(xstf.scene(*images))
    return made


# The sums


def test_sums_are_those_of_plain_means():
    rng = np.random.default_rng(0)
    rows, columns, search = 3, 4, 2
    fine = rng.uniform(0, 1, (2, rows * 3 + 2 * search, columns * 3 + 2 * search)).astype("f4")
    coarse = rng.uniform(0, 1, (2, rows, columns)).astype("f4")
    fine[0, 3:6, 2:5] = np.nan
    coarse[1, 1, 2] = np.nan
    got = sums_by_shift(fine, coarse, 3, search)
    for a in range(5):
        for b in range(5):
            window = fine[:, a : a + rows * 3, b : b + columns * 3]
            blocks = (
                window.reshape(2, rows, 3, columns, 3).swapaxes(2, 3).reshape(2, rows, columns, 9)
            )
            with np.errstate(invalid="ignore"):
                many = np.isfinite(blocks).sum(-1)
                mean = np.nansum(blocks.astype(float), -1) / many
            seen = (2 * many >= 9) & np.isfinite(coarse)
            for band in range(2):
                f, c = mean[band][seen[band]], coarse[band][seen[band]].astype(float)
                want = [len(f), f.sum(), c.sum(), (f * f).sum(), (c * c).sum(), (f * c).sum()]
                np.testing.assert_allclose(got[:, band, a, b], want, rtol=1e-6)


# Finding


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-11, 7), (6, 12)])
def test_a_shift_is_found_and_mended_to_the_last_bit(shift):
    ds, _ = off_by(*shift)
    found = xstf.estimate_shift(ds)
    assert [found.dy.item(), found.dx.item()] == pytest.approx(shift, abs=0.1)
    np.testing.assert_allclose(found.dy_of_date, shift[0], atol=0.3)
    np.testing.assert_allclose(found.dx_of_date, shift[1], atol=0.3)
    assert found.after.min() > 0.9999
    assert (found.before < 0.98).all() == any(shift)
    mended = xstf.mend_shift(ds, found)
    means = cell_means(mended.fine.values, CELL)
    np.testing.assert_allclose(mended.coarse, means, rtol=0, atol=1e-6)
    xstf.check(mended)
    lost = [-(-abs(s) // CELL) for s in shift]
    assert mended.coarse.shape[2:] == (20 - lost[0], 24 - lost[1])
    assert mended.y.values[0] == ds.y.values[max(0, shift[0]) if shift[0] >= 0 else shift[0] % CELL]
    np.testing.assert_allclose(mended.y_coarse.values, mended.y.values.reshape(-1, CELL).mean(1))
    if any(shift):
        assert mended.coarse.attrs["shift"] == list(map(float, shift))
    else:
        assert mended.identical(xstf.mend_shift(ds, (0, 0)))


def test_parts_of_pixels_are_found():
    ds, _ = off_by(2.25, -3.5, parts=4)
    found = xstf.estimate_shift(ds)
    assert [found.dy.item(), found.dx.item()] == pytest.approx([2.25, -3.5], abs=0.15)


def test_noise_shows_in_the_correlation_and_the_dates():
    ds, _ = off_by(4, -2, noise=0.02)
    found = xstf.estimate_shift(ds)
    assert [found.dy.item(), found.dx.item()] == pytest.approx([4, -2], abs=1)
    assert (found.after < 0.92).all()
    assert float(found.correlation.max()) == pytest.approx(float(found.after.mean()), abs=0.01)
    exact = xstf.estimate_shift(off_by(4, -2)[0])
    assert abs(found.dy_of_date - 4).max() > abs(exact.dy_of_date - 4).max()


def test_clouds_and_dates_without_a_pair_do_no_harm():
    ds, _ = off_by(3, 5)
    ds.fine[0, :, 40:80, 30:90] = np.nan
    ds.coarse[1, 0, 3:6, 2:9] = np.nan
    empty = xr.full_like(ds.isel(time=[0]), np.nan).assign_coords(time=DAYS[2:])
    empty["fine_observed"] = ("time", [False])
    longer = xr.concat([ds, empty], "time", data_vars="minimal")
    longer.attrs = ds.attrs
    found = xstf.estimate_shift(longer)
    assert [found.dy.item(), found.dx.item()] == pytest.approx([3, 5], abs=0.2)
    np.testing.assert_array_equal(found.time, DAYS[:2])


def test_tiles_add_up_whatever_the_chunks(monkeypatch):
    ds, _ = off_by(3, -5)
    want = xstf.estimate_shift(ds)
    monkeypatch.setattr("xstf.shifting._TILE", 30)
    monkeypatch.setattr("xstf.shifting._AT_ONCE", 3)
    lazy = ds.chunk(time=1, y=33, x=50, y_coarse=7, x_coarse=24)
    xr.testing.assert_allclose(xstf.estimate_shift(lazy), want, rtol=1e-9)


def test_each_pair_is_read_about_once():
    ds, _ = off_by(1, 1, cells=(40, 40))
    values, read = ds.fine.values, []

    class Counted:
        shape, ndim, dtype = values.shape, values.ndim, values.dtype

        def __getitem__(self, key):
            read.append(values[key].size)
            return values[key]

    lazy = da.from_array(Counted(), chunks=(1, 1, 64, 64), asarray=False)
    ds["fine"] = (ds.fine.dims, lazy)
    xstf.estimate_shift(ds)
    assert sum(read) <= 1.1 * values.size


def test_coarse_images_on_the_fine_grid_need_their_cell():
    ds, _ = off_by(3, -5)
    wide = ds.coarse.values.repeat(CELL, 2).repeat(CELL, 3)
    coarse = ds.fine.copy(data=wide)
    found = xstf.estimate_shift(xstf.scene(ds.fine, coarse, scale=1), cell=CELL)
    want = xstf.estimate_shift(ds)
    assert found.dy.item() == pytest.approx(want.dy.item(), abs=1e-4)
    mended = xstf.mend_shift(xstf.scene(ds.fine, coarse, scale=1), (3, -5))
    np.testing.assert_array_equal(mended.fine, ds.fine[..., 3:, :-5])
    np.testing.assert_array_equal(mended.coarse, wide[..., :-3, 5:])


def test_the_accessor_does_the_same():
    ds, _ = off_by(3, -5)
    found = ds.stf.estimate_shift(search=8)
    assert found.equals(xstf.estimate_shift(ds, search=8))
    assert ds.stf.mend_shift(found).equals(xstf.mend_shift(ds, found))


def test_mending_twice_adds_up_and_cuts_classes_along():
    ds, _ = off_by(3, -5)
    ds["classes"] = (("y", "x"), np.arange(ds.sizes["y"] * ds.sizes["x"]).reshape(160, 192) % 5)
    twice = xstf.mend_shift(xstf.mend_shift(ds, (2, 0)), (1, -5))
    assert twice.coarse.attrs["shift"] == [3.0, -5.0]
    at = {"y": twice.y, "x": twice.x}
    np.testing.assert_array_equal(twice.classes, ds.assign_coords(y=ds.y).classes.sel(at))


# Together with another grid


def test_align_finds_and_mends_a_shift_of_resampled_images():
    ds, right = off_by(0, 0, cells=(30, 30), grain=6.0)
    native = ds.coarse.rename(y_coarse="y", x_coarse="x").drop_vars("spatial_ref_coarse")
    native = native.isel(y=slice(1, None)).assign_coords(y=native.y[1:] + 100.0)
    native = xstf.georeference(native.assign_coords(x=native.x - 75.0), "EPSG:32633")
    # 100 m too far north, 75 m too far west: they fit 3.33 rows further down, 2.5 further right
    moved = xstf.align(ds.fine, native, shift="auto")
    assert moved.coarse.attrs["shift"] == pytest.approx([10 / 3, 2.5], abs=0.4)
    stated = xstf.align(ds.fine, native, shift=(10 / 3, 2.5))
    kept = right.coarse.sel(y_coarse=stated.y_coarse, x_coarse=stated.x_coarse, method="nearest")
    np.testing.assert_allclose(stated.coarse, kept, rtol=0, atol=1e-5)
    unmended = xstf.align(ds.fine, native)
    assert float(abs(unmended.coarse - right.coarse).mean()) > 0.01
    assert "shift" not in xstf.align(ds.fine, native, shift=(0.2, -0.4)).coarse.attrs


def test_align_cuts_where_pixels_are_taken_as_they_are():
    ds, _ = off_by(3, -5)
    coarse = ds.coarse.rename(y_coarse="y", x_coarse="x")
    moved = xstf.align(ds.fine, coarse, shift="auto")
    assert moved.equals(xstf.mend_shift(ds, (3, -5)))


# Refusals


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda ds: ds.isel(y=slice(0, 40), y_coarse=slice(0, 5)), {}, "too small.*larger scene"),
        (lambda ds: ds.assign(fine=0 * ds.fine + 0.2), {}, "nothing to correlate.*add a pair"),
        (lambda ds: ds.assign(fine_observed=("time", [False] * 2)), {}, "no date has both"),
        (lambda ds: ds, {"search": 3}, "edge of the search of 3.*such as search=6"),
        (lambda ds: ds, {"search": 0}, "not a whole number of fine pixels"),
        (lambda ds: ds, {"cell": 5}, "no side of a coarse cell"),
    ],
)
def test_what_cannot_be_estimated_is_refused(change, options, message):
    ds, _ = off_by(6, -5)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        xstf.estimate_shift(change(ds), **options)


@pytest.mark.parametrize("shift", [None, "auto", 3, (1,), (1, np.nan), {"dy": 1}])
def test_what_is_no_shift_is_refused(shift):
    ds, _ = off_by(0, 0)
    with pytest.raises(ValueError, match=r"is no shift; .*such as \(7, 17\)"):
        xstf.mend_shift(ds, shift)


def test_a_shift_beyond_the_scene_is_refused():
    ds, _ = off_by(0, 0)
    with pytest.raises(ValueError, match="leaves no cell of 8.*meant in fine pixels"):
        xstf.mend_shift(ds, (0, 190))


def test_dates_that_disagree_are_not_mended_by_themselves():
    ds, _ = off_by(8, 0)
    other, _ = off_by(-8, 0)
    ds.coarse[1] = other.coarse[1]
    coarse = ds.coarse.rename(y_coarse="y", x_coarse="x")
    with pytest.raises(ValueError, match=r"do not agree on a shift .*state shift="):
        xstf.align(ds.fine, coarse, shift="auto")


def test_a_peak_of_chance_is_not_mended_by_itself():
    ds, _ = off_by(3, -5)
    noise = np.random.default_rng(3).uniform(0, 1, ds.coarse.shape).astype("f4")
    noise = 0.2 * noise + 0.3 * ds.coarse.values  # a trace of the truth, and a peak
    coarse = ds.coarse.copy(data=noise).rename(y_coarse="y", x_coarse="x")
    with pytest.raises(ValueError, match=r"hardly look alike .*from chance.*state shift="):
        xstf.align(ds.fine, coarse, shift="auto")
