# %% [markdown]
# # From what you have to a scene
# Cubes in the shapes in which odc-stac, stackstac, rioxarray, satpy and eo-learn give them, here
# made up from one simulated scene whose truth is known, become images, lose their clouds, and are
# brought to one grid.

# %%
import datetime

import numpy as np
import xarray as xr
from pyproj import Transformer
from rasterio import Affine

import xstf
from xstf.report import table

UTM, SINUSOIDAL = "EPSG:32633", "+proj=sinu +lon_0=0 +R=6371007.181 +units=m"
WEST, NORTH, PIXEL = 500_000.0, 5_100_000.0, 30.0

scene, truth = xstf.simulate(
    "parcels", size=300, scale=15, dates=3, pairs=2, bands=["red", "nir"], seed=3
)
fine, coarse = truth.load(), scene.coarse.load()  # (time, band, y, x) each
days, target = truth.time.values, truth.time.values[1]
y = NORTH - PIXEL * (np.arange(300) + 0.5)
x = WEST + PIXEL * (np.arange(300) + 0.5)

# %% [markdown]
# **odc-stac**: `odc.stac.load(items, bands=[...], chunks={})` is a Dataset with a variable for each
# band, in stored numbers; here of Landsat, with its quality flags. A cloud lies over the second
# image.

# %%
stored = ((fine.values[[0, 2]] + 0.2) / 2.75e-5).round().astype("uint16")
flags = np.full((2, 300, 300), 21824, "uint16")  # clear
stored[1, :, 40:90, 100:180], flags[1, 40:90, 100:180] = 60000, 22280  # cloud
loaded = xr.Dataset(
    {
        "red": (("time", "y", "x"), stored[:, 0], {"nodata": 0}),
        "nir08": (("time", "y", "x"), stored[:, 1], {"nodata": 0}),
        "qa_pixel": (("time", "y", "x"), flags, {"nodata": 1}),
    },
    {"time": days[[0, 2]], "y": y, "x": x},
).chunk(time=1)
loaded = xstf.georeference(loaded, UTM)

images = xstf.to_images(loaded, bands=["red", "nir08"])
print("numbers:", xstf.sensors.recognise(images))
landsat = xstf.sensors.to_reflectance(images, "landsat-c2")
landsat = xstf.masks.hide(landsat, loaded.qa_pixel, "landsat", widen=2)
landsat = landsat.assign_coords(band=["red", "nir"])

# %% [markdown]
# **stackstac**: one array, bands along a dimension, pixels labelled by their upper left corners.

# %%
stacked = xr.DataArray(
    fine.values[[0, 2]],
    dims=("time", "band", "y", "x"),
    coords={"time": days[[0, 2]], "band": ["red", "nir"], "y": y + 15, "x": x - 15, "epsg": 32633},
    attrs={"transform": Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH)},
)
same = xstf.to_images(stacked.chunk(time=1))
print("stackstac:", same.dims, "first centre", float(same.x[0]), float(same.y[0]))

# %% [markdown]
# **rioxarray**: `open_rasterio` gives one file, without a date, bands by number. **eo-learn**: a
# plain array with a box and dates beside it. Both become what stackstac gave.

# %%
opened = xr.DataArray(
    (fine.values[0] * 1e4).round().astype("int16"),
    dims=("band", "y", "x"),
    coords={"band": [1, 2], "y": y, "x": x},
    attrs={"_FillValue": -9999, "scale_factor": 1e-4, "add_offset": 0.0},
)
one = xstf.to_images(xstf.georeference(opened, UTM), times=days[0])
box = (WEST, NORTH - 300 * PIXEL, WEST + 300 * PIXEL, NORTH)
patch = xstf.to_images(
    np.moveaxis(fine.values[[0, 2]], 1, -1),
    dims=("time", "y", "x", "band"),
    times=days[[0, 2]],
    bands=["red", "nir"],
    bounds=box,
    crs=UTM,
)
off = float(abs(one.values - same.values[:1]).max())
print("alike:", bool((patch == same).all()), "and, but for rounding,", off < 1e-4)

# %% [markdown]
# **satpy**: the coarse images, one scene a date on the sinusoidal grid of MODIS, y upwards, dates
# in the attributes.


# %%
def overpass(image: xr.DataArray) -> xr.DataArray:
    """Return a coarse image as satpy has it, on a grid that meets no fine pixel."""
    down = 5_111_400.0 + 463.3127 * np.arange(23)  # sinusoidal, upwards
    across = 1_157_000.0 + 463.3127 * np.arange(26)
    east, north = Transformer.from_crs(SINUSOIDAL, UTM, always_xy=True).transform(
        *np.meshgrid(across, down)
    )
    seen = image.interp(y_coarse=(("y", "x"), north), x_coarse=(("y", "x"), east))
    start = datetime.datetime.fromisoformat(str(image.time.values)[:10])
    return xr.DataArray(
        seen.values,
        dims=("bands", "y", "x"),
        coords={"bands": ["red", "nir"], "y": down, "x": across},
        attrs={"start_time": start},
    )


cells = {"y_coarse": y.reshape(-1, 15).mean(1), "x_coarse": x.reshape(-1, 15).mean(1)}
overpasses = [overpass(image) for image in coarse.assign_coords(cells)]
modis = xr.concat([xstf.to_images(one, crs=SINUSOIDAL) for one in overpasses], "time")
print("coarse:", modis.shape, "on a sinusoidal grid")

# %% [markdown]
# The grids do not meet, and `xstf.align` makes them: cells of whole fine pixels. Of the Landsat
# images nothing has been computed yet but a sample. FSDAF predicts the date between from the
# last, and what the cloud hides there from the first.

# %%
ds = xstf.align(landsat, modis)
print("scale", ds.attrs["scale"], ds.fine.shape, ds.coarse.shape)
fused = ds.stf.fuse("fsdaf", dates=target, pairs=2, combine="nearest")
print(table(xstf.score({"fsdaf": fused}, truth.assign_coords(y=y, x=x), scene=ds).compute()))
