"""Mean and covariance of the classes of a fine image, and which classes are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xstf.method import Block, Whole
from xstf.methods._classes import Model, lattice, stride_of

STIFF = 1e-9  # share of a class's variance that keeps its covariance from being singular


@dataclass(frozen=True)
class Spectra:
    """What the sampled pixels of each class are like."""

    mean: np.ndarray  # (class, band); NaN for a class without a sampled pixel
    inverse: np.ndarray  # (class, band, band): of their covariance
    alike: np.ndarray  # (class, class - 1) int64: the other classes, the most alike one first


def defer_spectra(scene: Whole, model: Any) -> Any:
    """Return the deferred `Spectra` of a scene's first pair.

    Parameters
    ----------
    scene
        The whole scene.
    model
        The deferred `Model` of its classes.
    """
    return scene.once(find_spectra, scene.each(sampled, stride_of(scene), model), model)


def sampled(b: Block, stride: int, model: Model) -> dict[str, np.ndarray]:
    """Return pixels of an even lattice and their classes, each (..., y, x)."""
    names = model.classify(b)
    return {"fine": lattice(b, stride), "names": lattice(b, stride, names)}


def find_spectra(sample: dict[str, np.ndarray], model: Model) -> Spectra:
    """Return what the classes are like in a sample.

    Parameters
    ----------
    sample
        From `sampled`.
    model
        The classes.
    """
    from xstf.kernels.solve import one_thread

    pixels = sample["fine"].reshape(len(sample["fine"]), -1).astype(np.float64)
    names = sample["names"].ravel()
    bands = len(pixels)
    mean = np.full((model.classes, bands), np.nan)
    covariance = np.zeros((model.classes, bands, bands))
    inverse = covariance.copy()
    for name in range(model.classes):
        inside = pixels[:, names == name + 1]
        if inside.shape[1]:
            mean[name] = inside.mean(axis=1)
            apart = inside - mean[name][:, None]
            for p in range(bands):
                # not by BLAS, whose sums depend on its number of threads
                covariance[name, p] = (apart[p] * apart).sum(axis=1) / max(1, len(inside[0]) - 1)
        # a class of one value, or of too few pixels, has no inverse of its own
        least = STIFF * max(np.trace(covariance[name]), STIFF)
        with one_thread():
            inverse[name] = np.linalg.inv(covariance[name] + least * np.eye(bands))
    return Spectra(mean, inverse, _alike(mean))


def _alike(mean: np.ndarray) -> np.ndarray:
    """Return the other classes of each class by falling cosine; by distance in one band."""
    classes, bands = mean.shape
    size = np.sqrt((mean**2).sum(axis=1))
    out = np.empty((classes, max(0, classes - 1)), np.int64)
    for c in range(classes):
        apart = np.abs(mean - mean[c]).sum(axis=1)
        if bands > 1:
            apart = -(mean * mean[c]).sum(axis=1) / np.maximum(size * size[c], 1e-30)
        order = np.argsort(np.nan_to_num(apart, nan=np.inf), kind="stable")
        out[c] = order[order != c]
    return out
