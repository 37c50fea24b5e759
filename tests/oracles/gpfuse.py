"""gpfuse in plain numpy: one dense Gaussian process over all cells, and what it is made of."""

import numpy as np
from scipy.special import erf


def smoothed(images, radius, alike):
    """Joint bilateral means of images (band, y, x) without NaN, window cut at the edge."""
    bands, height, width = images.shape
    out = np.empty(images.shape)
    for y in range(height):
        for x in range(width):
            rows = np.arange(max(0, y - radius), min(height, y + radius + 1))
            columns = np.arange(max(0, x - radius), min(width, x + radius + 1))
            part = images[:, rows[:, None], columns].astype(float)
            apart = ((part - images[:, y, x][:, None, None]) ** 2).sum(axis=0)
            far = (rows[:, None] - y) ** 2 + (columns - x) ** 2
            weight = np.exp(-alike * apart - 0.5 * far / (0.6 * radius + 0.3) ** 2)
            out[:, y, x] = (part * weight).sum(axis=(1, 2)) / weight.sum()
    return out


def shares(spectra, centres, sharp):
    """Soft classes (class, y, x) of spectra (band, y, x)."""
    apart = ((spectra[None] - centres[:, :, None, None]) ** 2).sum(axis=1)
    share = np.exp(-sharp * (apart - apart.min(axis=0)))
    return share / share.sum(axis=0)


def footprints(size, scale, shift, spread):
    """Weights of pixels in cells along one axis, (cell, pixel), where whole footprints lie inside
    or are cut and scaled."""
    cells = size // scale
    centre = (np.arange(cells) + 0.5) * scale - 0.5 + shift
    away = np.arange(size) - centre[:, None]
    if spread:
        root = spread * 2**0.5
        weight = erf((away + scale / 2) / root) - erf((away - scale / 2) / root)
        weight[abs(away) > np.ceil(scale / 2 + 2.5 * spread)] = 0
    else:
        low = np.maximum(away - 0.5, -scale / 2)
        weight = np.clip(np.minimum(away + 0.5, scale / 2) - low, 0, 1)
    return weight / weight.sum(axis=1, keepdims=True)


def gaussian(a, b, length):
    return np.exp(-0.5 * ((a[:, None] - b) / length) ** 2)


def along(size, scale, shift, spread, length, beyond):
    """Covariance of pixels with cells and of cells with cells along one axis, unbounded plane."""
    wide = footprints(size + 2 * beyond * scale, scale, shift, spread)
    inner = slice(beyond, beyond + size // scale)
    at = np.arange(size + 2 * beyond * scale)
    seen = gaussian(at, at, length * scale) @ wide.T
    pixel = seen[beyond * scale : beyond * scale + size][:, inner]
    return pixel, (wide @ seen)[inner][:, inner]


def interpolated(cells, sensor, length, reach):
    """Pixels (y, x) as means of cells (rows, columns), weighted by their covariance in each axis.

    sensor: (scale, dy, dx, spread) in pixels; cells more than `reach` off do not count, and beyond
    the edge they are as at the edge."""
    scale, dy, dx, spread = sensor
    rows, columns = cells.shape
    padded = np.pad(cells, reach, mode="edge")

    def weights(count, shift):
        size = (count + 2 * reach) * scale
        pixel, _ = along(size, scale, shift, spread, length, 4)
        far = abs(np.arange(size)[:, None] // scale - np.arange(count + 2 * reach)) > reach
        pixel[far] = 0
        return (pixel / pixel.sum(axis=1, keepdims=True))[reach * scale : -reach * scale]

    return weights(rows, dy) @ padded @ weights(columns, dx).T


def change(step, features, means, kinds, sensor, variances, noise, gains):
    """Change of the pixels, (band, y, x), from the exact posterior of a dense Gaussian process.

    step (band, rows, columns); features (feature, y, x) and their means over cells (feature, rows,
    columns); kinds (feature,); sensor (scale, dy, dx, spread) in pixels. Variances: {length:
    variance of smooth change}, (length, variance of each kind), and that of each kind all over the
    scene, white. noise: covariance (band, cell, cell) of the coarse error, of that of the change.
    gains: factors of change of finite length, of cells (rows, columns) and of pixels (y, x).
    """
    scale, dy, dx, spread = sensor
    smooth, (local, of_kind), whole, white = variances
    bands, rows, columns = step.shape
    height, width = features.shape[1:]
    flat = means.reshape(len(means), -1)

    def both(length):
        py, ky = along(height, scale, dy, spread, length, 4)
        px, kx = along(width, scale, dx, spread, length, 4)
        return py, px, np.kron(ky, kx)

    total = np.zeros((rows * columns,) * 2)
    tables = {length: both(length) for length in (*smooth, local)}
    for length, variance in smooth.items():
        total += variance * tables[length][2]
    for k, kind in enumerate(kinds):
        total += of_kind[kind] * tables[local][2] * np.outer(flat[k], flat[k])
    total *= np.outer(gains[0], gains[0])
    for k, kind in enumerate(kinds):
        total += whole[kind] * np.outer(flat[k], flat[k])
    total += 1e6  # the mean may be anything
    total[np.diag_indices(len(total))] += white
    out = np.zeros((bands, height, width))
    for band in range(bands):
        y = step[band].ravel()
        scaled = (y - y.mean()) / y.std()
        weights = np.linalg.solve(total + noise[band], scaled).reshape(rows, columns)
        image = np.zeros((height, width))
        for length, variance in smooth.items():
            py, px, _ = tables[length]
            image += variance * py @ (gains[0] * weights) @ px.T
        for k, kind in enumerate(kinds):
            py, px, _ = tables[local]
            image += features[k] * (of_kind[kind] * py @ (gains[0] * weights * means[k]) @ px.T)
        image = gains[1] * image + 1e6 * weights.sum()
        for k, kind in enumerate(kinds):
            image += features[k] * whole[kind] * (weights * means[k]).sum()
        out[band] = y.mean() + y.std() * image
    return out
