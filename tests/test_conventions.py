"""What results say of themselves, as other programs read it."""

import numpy as np
import pytest
import xarray as xr

import xstf
from xstf.archive import output
from xstf.planning import plan


@pytest.fixture
def placed(tiny):
    ds, _ = tiny
    rows, columns = ds.sizes["y"], ds.sizes["x"]

    def on(crs, pixel):
        axes = {"y": 50 - (np.arange(rows) + 0.5) * pixel, "x": (np.arange(columns) + 0.5) * pixel}
        fine = xstf.georeference(ds.fine.isel(time=[0, 3]).assign_coords(axes), crs)
        coarse = ds.coarse.rename(y_coarse="y", x_coarse="x")
        means = {d: v.reshape(-1, 8).mean(axis=1) for d, v in axes.items()}
        return xstf.scene(fine, xstf.georeference(coarse.assign_coords(means), crs))

    return on


@pytest.mark.parametrize(
    ("crs", "pixel", "names", "units"),
    [
        ("EPSG:32633", 30.0, ("projection_y_coordinate", "projection_x_coordinate"), "metre"),
        ("EPSG:4326", 0.01, ("latitude", "longitude"), "degrees"),
    ],
)
def test_results_follow_the_conventions(placed, tmp_path, crs, pixel, names, units):
    path = xstf.save(xstf.fuse(placed(crs, pixel), "add"), tmp_path / "fused.zarr")
    ds = xr.open_zarr(path, decode_coords="all")
    assert ds.attrs["Conventions"].startswith("CF-1.")
    for dim, name in zip(("y", "x"), names, strict=True):
        assert ds[dim].attrs["standard_name"] == name
        assert ds[dim].attrs["axis"] == dim.upper()
        assert ds[dim].attrs["units"].startswith(units)
    assert ds.time.attrs["standard_name"] == "time"
    assert ds.fused.attrs["units"] == "1"
    assert ds.fused.attrs["long_name"]
    raw = xr.open_zarr(path, decode_coords=False)
    mapping = raw.fused.attrs["grid_mapping"]
    assert {"crs_wkt", "grid_mapping_name", "GeoTransform"} <= set(raw[mapping].attrs)


def test_what_the_fine_images_say_is_kept(tiny):
    ds, _ = tiny
    said = {"standard_name": "surface_temperature", "units": "K", "long_name": "skin"}
    ds.fine.attrs |= said
    ds.attrs["valid_range"] = None
    found = ds.stf.fuse("starfm", window=9, quality=True)
    assert {k: found.fused.attrs[k] for k in said} == said
    assert found.fused.attrs["ancillary_variables"].split() == [n for n in found if n != "fused"]
    assert found.similar.attrs["units"] == "1"
    assert found.spread.attrs["units"] == "K"
    assert "standard_name" not in found.spread.attrs
    assert found.y.attrs["axis"] == "Y"
    assert ds.y.attrs == {}
    del ds.fine.attrs["units"]
    assert "units" not in ds.stf.fuse("add").attrs  # nobody knows


def test_a_store_says_the_same(tiny):
    """Layers of a run to a store, without running it."""
    ds, _ = tiny
    options = {"dates": None, "pairs": "auto", "combine": None, "quality": True, "fill": False}
    layers = output.layers_of(plan(ds, "starfm", {"window": 9}, **options))
    found = ds.stf.fuse("starfm", window=9, quality=True)
    assert layers.attrs == found.attrs
    for name in found.variables:
        assert layers[name].attrs == found[name].attrs
