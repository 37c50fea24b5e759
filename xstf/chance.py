"""Random numbers that depend on a seed and a place alone, so that no cut of a scene shows."""

from __future__ import annotations

import zlib

import numpy as np


def step(at: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 at 0 to 1 at 1."""
    at = np.clip(at, 0, 1)
    return at * at * (3 - 2 * at)


def uniform(seed: int, name: str, *keys: np.ndarray) -> np.ndarray:
    """Return numbers 0..1 that depend on seed, name and whole-number keys only (splitmix64)."""
    start = (seed * 0x9E3779B97F4A7C15 + zlib.crc32(name.encode())) & (2**64 - 1)
    mixed = mix(np.array([start], np.uint64))
    for key in keys:
        mixed = mix(mixed ^ (np.asarray(key).astype(np.int64).view(np.uint64) + np.uint64(1)))
    return (mixed >> np.uint64(11)) * 2.0**-53


def mix(z: np.ndarray) -> np.ndarray:
    """Return the next number of the splitmix64 generator for each state, uint64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def noise(seed: int, name: str, rows: np.ndarray, columns: np.ndarray, length: float) -> np.ndarray:
    """Return noise of mean 0 and variance 1 that varies over about `length` pixels, (y, x).

    Random numbers on a grid of this spacing, smoothed by cubic B-splines along both axes.
    """
    (i, wi), (j, wj) = _taps(rows, length), _taps(columns, length)
    grid = np.arange(i.min(), i.max() + 4)[:, None], np.arange(j.min(), j.max() + 4)[None, :]
    table = uniform(seed, name, *grid) - 0.5
    half = np.zeros((len(rows), table.shape[1]))
    for k in range(4):
        half += table[i - i.min() + k] * wi[k][:, None]
    full = np.zeros((len(rows), len(columns)))
    for k in range(4):
        full += half[:, j - j.min() + k] * wj[k]
    return full * (np.sqrt(12.0) * 315 / 151)


def _taps(at: np.ndarray, length: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the first of the four knots around each place and the weights of all four."""
    whole = np.floor(at / length)
    t = at / length - whole
    s = 1 - t
    near = (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6
    return whole.astype(np.int64) - 1, [s * s * s / 6, *near, t * t * t / 6]
