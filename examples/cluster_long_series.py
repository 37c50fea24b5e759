# %% [markdown]
# # A long series, on a laptop or on a cluster
# From Zarr to Zarr, block by block, and on again after a stop. As it stands, two workers of this
# machine do it; with `--scheduler tcp://HOST:8786` those of a cluster, all of which must see
# `--folder`.

# %%
import argparse
from pathlib import Path

import xarray as xr
from distributed import Client

import xstf
from xstf.report import table

METHOD = {"method": "starfm", "window": 21}


def make_scene(folder: Path, size: int, dates: int) -> Path:
    """Write a scene and its truth, in chunks of one date and about a tile."""
    scene, truth = xstf.simulate(
        "parcels", size=size, scale=16, dates=dates, pairs=3, bands=("red", "nir"), seed=1
    )
    xstf.save(truth.rename("truth").chunk(time=1), folder / "truth.zarr", overwrite=True)
    return xstf.save(scene.chunk(time=1), folder / "scene.zarr", overwrite=True)


def stop_early(done: int, total: int, seconds: float) -> None:
    """Stop a run half way, as Ctrl-C does, or the end of a job's time."""
    if done >= total // 2:
        raise KeyboardInterrupt


# %% [markdown]
# Workers are processes that import this file, so what it does stands in a function.


# %%
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scheduler", help="address of a Dask cluster")
    parser.add_argument("--folder", type=Path, default=Path("long_series"))
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--dates", type=int, default=7)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = make_scene(options.folder, options.size, options.dates)
    out = options.folder / "fused.zarr"

    here = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with Client(**({"address": options.scheduler} if options.scheduler else here)) as client:
        run = {"client": client, "blocksize": options.size // 3, "resume": True, **METHOD}
        try:
            xstf.fuse_store(path, out, progress=stop_early, **run)
        except KeyboardInterrupt:
            print("stopped half way")
        xstf.fuse_store(path, out, **run)  # the same again: what is done is kept

        # what was written is opened lazily, and scored on the same workers
        fused = xr.open_zarr(out, decode_coords="all").fused
        print(fused.method, dict(fused.sizes))
        truth = xr.open_zarr(options.folder / "truth.zarr", decode_coords="all").truth
        whole = fused.chunk(band=-1, y=-1, x=-1)  # few large tasks; metrics look past tiles
        found = xstf.score(
            whole, truth, scene=xstf.open_scene(path), metrics=["rmse", "cc", "ssim"]
        )
        print(table(found.compute()))


if __name__ == "__main__":
    main()
