"""The spectral angle and ERGAS."""

from importlib import import_module

import numpy as np
import pytest
import xarray as xr

from tests.metrics.images import each, flat, image, scene
from xstf.metrics import ergas, sam


def spectra(predicted, truth, one):
    p, t = predicted.values.astype(float), truth.values.astype(float)
    found = []
    for date in range(p.shape[0]):
        vectors = [
            (p[date, :, i, j], t[date, :, i, j]) for i, j in np.ndindex(p.shape[2], p.shape[3])
        ]
        values = [
            one(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
            for a, b in vectors
            if np.isfinite(a).all() and np.isfinite(b).all() and a.any() and b.any()
        ]
        found.append(np.mean(values) if values else np.nan)
    return np.array(found)


@pytest.mark.parametrize(
    ("unit", "one"),
    [
        ("rad", np.arccos),
        ("deg", lambda c: np.degrees(np.arccos(c))),
        ("cos", lambda c: c),
    ],
)
def test_sam_is_the_mean_angle_over_pixels_seen_in_all_bands(unit, one):
    p, t = scene()
    p[2, :, 5, 5] = 0
    t[0, :, 6, 6] = 0
    found = sam(p, t, unit=unit)
    assert found.dims == ("time",)
    np.testing.assert_allclose(found, spectra(p, t, one), rtol=1e-10)
    assert np.isnan(found[1])
    assert found.attrs["units"] == {"rad": "radian", "deg": "degree", "cos": "1"}[unit]
    assert found.attrs["best"] == ("large" if unit == "cos" else "small")


def test_sam_of_the_same_direction_is_zero_and_of_orthogonal_spectra_ninety():
    red = image(np.stack([np.ones((4, 4)), np.zeros((4, 4))]), bands=["red", "nir"])
    nir = red.copy(data=red.values[::-1])
    assert float(sam(red, 3 * red)) == pytest.approx(0, abs=1e-6)
    assert float(sam(red, nir)) == pytest.approx(90)
    assert float(sam(red, -red)) == pytest.approx(180)


@pytest.mark.parametrize("lazy", [False, True])
def test_maps_of_angles(lazy):
    p, t = scene()
    if lazy:
        p, t = p.chunk(time=1, band=1, y=9), t
    angles = sam(p, t, over="band")
    assert angles.dims == ("time", "y", "x")
    np.testing.assert_allclose(angles.mean(("y", "x")), sam(p, t), rtol=1e-10)
    a, b = p.values[0, :, 2, 2].astype(float), t.values[0, :, 2, 2].astype(float)
    angle = np.degrees(np.arccos(a @ b / np.sqrt((a @ a) * (b @ b))))
    assert float(angles[0, 2, 2]) == pytest.approx(angle)
    mean = sam(p, t, over="time")
    assert mean.dims == ("y", "x")
    np.testing.assert_allclose(mean, angles.mean("time"), rtol=1e-10)


def test_angles_have_the_same_bits_on_any_chunks():
    p, t = scene(shape=(3, 3, 26, 300))
    whole = sam(p, t, over="band")
    cut = sam(p.chunk(band=1, y=(1, 25), x=(7, 290, 3)), t, over="band")
    np.testing.assert_array_equal(cut, whole)


def test_torchmetrics_agrees_on_angle_and_ergas():
    functional = import_module("torchmetrics.functional.image")
    torch = import_module("torch")
    p, t = (i.astype(float) for i in scene(holes=False))
    ours, theirs = torch.tensor(p.values), torch.tensor(t.values)
    angle = [
        functional.spectral_angle_mapper(a[None], b[None])
        for a, b in zip(ours, theirs, strict=True)
    ]
    np.testing.assert_allclose(sam(p, t, unit="rad"), angle, rtol=1e-10)
    error = functional.error_relative_global_dimensionless_synthesis
    found = error(ours, theirs, ratio=16.0, reduction="none")  # coarse over fine
    np.testing.assert_allclose(ergas(p, t, ratio=1 / 16), found, rtol=1e-10)
    ours[0, :, 3, 3] = 0
    assert np.isnan(float(functional.spectral_angle_mapper(ours, theirs)))
    assert np.isfinite(sam(p.copy(data=ours.numpy()), t)).all()


def test_ergas_is_the_mean_over_bands_of_relative_errors():
    p, t = scene()
    square = each(p, t, flat(lambda a, b: np.mean((a - b) ** 2) / b.mean() ** 2))
    expected = 100 / 16 * np.sqrt(square.mean(axis=1))
    found = ergas(p, t, ratio=1 / 16)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(found[1])  # a band is missing
    assert found.attrs["ratio"] == 1 / 16
    zero = t.copy(data=np.zeros(t.shape))
    assert np.isnan(ergas(p, zero, ratio=1)).all()


def test_the_ratio_may_be_a_scale_or_what_the_prediction_says():
    p, t = scene()
    expected = ergas(p, t, ratio=1 / 20)
    xr.testing.assert_identical(ergas(p, t, scale=20), expected)
    said = p.assign_attrs(scale=20)
    xr.testing.assert_identical(ergas(said, t), expected)
    xr.testing.assert_identical(ergas(said, t, scale=10), ergas(p, t, scale=10))


def test_ergas_over_dates_is_a_map():
    p, t = scene(holes=False)
    a, b = p.values.astype(float), t.values.astype(float)
    square = ((a - b) ** 2).mean(axis=0) / b.mean(axis=0) ** 2
    expected = 100 / 8 * np.sqrt(square.mean(axis=0))
    for cut in ({}, {"time": 1, "band": 1, "y": 20}):
        found = ergas(p.chunk(cut) if cut else p, t, scale=8, over="time")
        assert found.dims == ("y", "x")
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, t: sam(p, t, unit="degree"), "unit='degree'.*'deg', 'rad' or 'cos'"),
        (lambda p, t: sam(p[:, :1], t[:, :1]), "1 band: .* needs 2 or more"),
        (lambda p, t: sam(p, t, over="bands"), "over='bands': metrics reduce 'space'"),
        (lambda p, t: ergas(p, t), "has no 'scale'; give scale=16 or ratio=1/16"),
        (lambda p, t: ergas(p, t, ratio=1 / 16, scale=16), "takes one; leave out scale="),
        (lambda p, t: ergas(p, t, ratio=0), "ratio=0 must be positive.*1/16"),
        (lambda p, t: ergas(p, t, scale=-4), "scale=-4 must be positive"),
        (lambda p, t: ergas(p, t, scale=4, over="band"), "joins the bands by itself"),
    ],
)
def test_bad_options_are_refused_with_the_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call(*scene())
