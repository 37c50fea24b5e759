"""How near resampled coarse images come to the true means of cells.

Run ``python -m tests.speed.resampling``. Fine images of a simulated scene in UTM are averaged over
the pixels of a sinusoidal grid, as a sensor would, and these are brought to cells of the fine grid.
"""

import sys

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

import xstf
from xstf.projection import Lattice, locate, side_of_cell
from xstf.warping import RESAMPLINGS, on_cells

SINUSOIDAL = CRS("+proj=sinu +lon_0=0 +R=6371007.181 +units=m").to_wkt()
SIZE, PIXEL, PARTS = 1920, 30.0, 3  # fine pixels, metres, points along a pixel
NATIVE = 231.65635826
RIM = 4  # cells at the edge, whose surroundings are not seen


def native_grid(fine, pixel):
    """A sinusoidal grid that covers a fine one."""
    edges = np.linspace(0, 1, 11)
    x, y = np.meshgrid(fine.x0 + edges * SIZE * PIXEL, fine.y0 - edges * SIZE * PIXEL)
    x, y = Transformer.from_crs(fine.crs, SINUSOIDAL, always_xy=True).transform(x, y)
    x0, y0 = (np.floor(x.min() / pixel) - 1) * pixel, (np.ceil(y.max() / pixel) + 1) * pixel
    shape = int((y0 - y.min()) / pixel) + 2, int((x.max() - x0) / pixel) + 2
    return Lattice(y0, -pixel, x0, pixel, shape, SINUSOIDAL)


def seen_by(native, fine, values):
    """The means of fine pixels over native ones, NaN where these are not covered."""
    at = (np.arange(SIZE * PARTS) + 0.5) / PARTS
    v, u = locate(native, fine, at, at)
    index = (v.astype(int) * native.shape[1] + u.astype(int)).ravel()
    weights = values.repeat(PARTS, 0).repeat(PARTS, 1).ravel()
    size = native.shape[0] * native.shape[1]
    count, total = np.bincount(index, minlength=size), np.bincount(index, weights, minlength=size)
    whole = count > 0.97 * (native.dx * PARTS / PIXEL) ** 2
    return np.where(whole, total / np.maximum(count, 1), np.nan).reshape(native.shape)


def main():
    ds, _ = xstf.simulate("mixed", size=SIZE, scale=16, dates=2, pairs=1, bands=("nir",), seed=5)
    values = ds.fine.values[0, 0]
    fine = Lattice(5_320_000.0, -PIXEL, 686_000.0, PIXEL, values.shape, CRS(32633).to_wkt())
    native = native_grid(fine, NATIVE)
    image = xr.DataArray(
        seen_by(native, fine, values)[None, None].astype("f4"),
        dims=("time", "band", "y", "x"), coords=native.centres,
    )  # fmt: skip
    sys.stdout.write("side in pixels" + "".join(f"{how:>10}" for how in RESAMPLINGS) + "\n")
    for scale in (8, 10, 12, 14, 16, 24, 32):
        cells = fine.coarsened(scale)
        cut = [size * scale for size in cells.shape]
        true = values[: cut[0], : cut[1]].reshape(cells.shape[0], scale, -1, scale).mean((1, 3))
        inner = np.s_[RIM:-RIM, RIM:-RIM]
        off = [(on_cells(image, native, cells, how)[0, 0] - true)[inner] for how in RESAMPLINGS]
        scores = "".join(f"{1e4 * np.sqrt(np.nanmean(o**2)):10.1f}" for o in off)
        sys.stdout.write(f"{side_of_cell(native, cells):14.2f}{scores}\n")


if __name__ == "__main__":
    main()
