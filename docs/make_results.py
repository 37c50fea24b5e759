"""Make what the site is generated from: scores and pictures, kept in ``docs/_results``.

``python docs/make_results.py simulated [NAME ...]`` predicts the middle date of a simulated scene
with all methods, or those named, networks among them, and keeps scores and a picture of each.

``python docs/make_results.py real FOLDER [NAME ...]`` compares all methods that need no training on
the real scenes in FOLDER, by the commands that the page of benchmarks prints, or those named.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.image import imsave

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import stored

import xstf
from xstf.method import learns, parameters_of
from xstf.plot.colours import choose_bands, coloured, pick, stretch_of
from xstf.registry import find, names

PICTURES = stored.FOLDER / "pictures"
SCENE = {
    "kind": "mixed",
    "size": 256,
    "scale": 16,
    "dates": 5,
    "pairs": 3,
    "bands": ("green", "red", "nir"),
    "seed": 0,
}
SMALL = {"width": 8, "epochs": 20, "patch": 32}  # of a network
WORST = 0.06  # mean absolute error that is drawn brightest, reflectance


def show_methods(chosen: list[str]) -> None:
    """Keep scores and a picture of each method."""
    scene, _ = xstf.simulate(**SCENE)
    scene = scene.load()
    date = scene["time"].values[2]
    wanted = {name: (name, small(name)) for name in chosen or names() if not find(name).trivial}
    with tempfile.TemporaryDirectory() as folder:
        found = xstf.compare(scene, wanted, dates=[date], folder=folder, progress=True)
        predicted = {n: image[0].compute() for n, image in xstf.open_predictions(found).items()}
    stored.keep(
        found,
        stored.FOLDER / "simulated.json",
        scene=f"simulate({', '.join(f'{key}={value!r}' for key, value in SCENE.items())})",
        command="python docs/make_results.py simulated",
    )
    true = scene["fine"].sel(time=date)
    bands = choose_bands(true, None)
    stretch = stretch_of([pick(true, bands, "true")])
    PICTURES.mkdir(exist_ok=True)
    for name in set(predicted) & set(names()):
        image = predicted[name]
        error = abs(image - true).mean("band").values
        drawn = mpl.colormaps["magma"](error / WORST)[..., :3]
        write(name, coloured(pick(image, bands, name), *stretch), np.rint(drawn * 255))
    coarse = scene["coarse"].sel(time=date)
    cells = coloured(pick(coarse, bands, "coarse"), *stretch).repeat(16, 0).repeat(16, 1)
    write("truth", coloured(pick(true, bands, "true"), *stretch), cells)
    before, after = scene["fine"].isel(time=[0, -1])
    write("pairs", *(coloured(pick(image, bands, "pair"), *stretch) for image in (before, after)))


def small(name: str) -> dict[str, int]:
    """Return parameters by which a network trains in a minute or two on one core, else none."""
    kind = find(name)
    declared = {f.name for f in parameters_of(kind)}
    return {key: value for key, value in SMALL.items() if learns(kind) and key in declared}


def write(name: str, *images: np.ndarray) -> None:
    """Write images beside each other as one small file."""
    gap = np.full((len(images[0]), 4, 3), 255)
    sheet = np.concatenate([images[0], gap, images[1]], axis=1).astype(np.uint8)
    imsave(PICTURES / f"{name}.webp", sheet, pil_kwargs={"quality": 80})


def compare_real(folder: Path, chosen: list[str]) -> None:
    """Keep the scores of all methods, or those named, on the real scenes."""
    envi = {"bands": ["green", "red", "nir"], "scale_factor": 1e-4}

    def read(pattern: str, dates: list[str]) -> xr.DataArray:
        return xstf.read_images(sorted(folder.glob(pattern)), dates=dates, **envi)

    days = ["2001-05-24", "2001-07-11", "2001-08-12"]
    boreas = xstf.scene(read("boreas/tm????", days), read("boreas/modis????", days), scale=16)
    days = ["2004-11-26", "2004-12-28"]
    lgc = xstf.scene(
        read("lgc_flood/Landsat????????", days), read("lgc_flood/MODIS????????", days), scale=16
    )
    patterns = (f"{folder}/saltonsea/{kind}/*.tif" for kind in ("fine", "coarse"))
    series = (xstf.read_images(pattern, bands=["nir"]) for pattern in patterns)
    saltonsea = xstf.find_observed(xstf.scene(*series), least=0.9)
    for name, scene, gap in (
        ("boreas", boreas, 0),
        ("lgc_flood", lgc, 0),
        ("saltonsea", saltonsea, 10),
    ):
        found = xstf.compare(scene, chosen or None, gap=gap, progress=True)
        path = stored.FOLDER / f"{name}.json"
        if not chosen:
            path.unlink(missing_ok=True)
        stored.keep(found, path, command="python docs/make_results.py real FOLDER")


if __name__ == "__main__":
    if sys.argv[1:2] == ["simulated"]:
        show_methods(sys.argv[2:])
    elif len(sys.argv) >= 3 and sys.argv[1] == "real":
        compare_real(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(__doc__)
