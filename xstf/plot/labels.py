"""Names beside points so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xstf.plot.canvas import Theme

_SIZE = 8.0  # of the letters, points
_FAR = (4, 11, 20, 31, 44, 60)  # distances from the marker that are tried, points
_AROUND = 16  # directions that are tried
_ROUNDS = 4


def name_points(
    axes: Any,
    points: np.ndarray,
    names: Sequence[str],
    radii: np.ndarray,
    theme: Theme,
    avoid: np.ndarray,
) -> list[Any]:
    """Write a name beside each point; a thin line leads to one that had to go further away.

    Parameters
    ----------
    axes
        Where the points are, with their limits set.
    points
        (n, 2) x and y.
    names
        n texts.
    radii
        (n,) of the markers, points.
    theme
        Colours of the letters and the lines.
    avoid
        (m, 4) boxes x0, y0, x1, y1 that had better stay free, such as range bars.

    Returns
    -------
    list
        The n annotations.
    """
    from matplotlib.patheffects import withStroke

    figure = axes.figure
    figure.draw_without_rendering()  # the layout is known after that
    per_point = figure.dpi / 72
    centres = axes.transData.transform(points) / per_point
    frame = axes.bbox.get_points().ravel() / per_point
    lines = [axes.transData.transform(np.reshape(b, (2, 2))).ravel() / per_point for b in avoid]
    lines = [line + (-1.5, -1.5, 1.5, 1.5) for line in lines]
    sizes = [_size(name) for name in names]
    markers = np.hstack([centres - radii[:, None], centres + radii[:, None]])
    boxes = [_boxes(c, r, s) for c, r, s in zip(centres, radii, sizes, strict=True)]
    chosen = _chosen(boxes, centres, markers, np.reshape(lines, (-1, 4)), frame)
    texts: list[Any] = []
    for name, centre, radius, box in zip(names, centres, radii, chosen, strict=True):
        offset = (box[:2] + box[2:]) / 2 - centre
        gap = np.hypot(*(np.clip(centre, box[:2], box[2:]) - centre)) - radius
        lead = {"arrowstyle": "-", "lw": 0.7, "color": theme.muted, "shrinkA": 1,
                "shrinkB": float(radius)}  # fmt: skip
        text = axes.annotate(
            name, points[len(texts)], offset, textcoords="offset points", ha="center", va="center",
            fontsize=_SIZE, color=theme.ink, arrowprops=lead if gap > 9 else None, zorder=6,
        )  # fmt: skip
        text.set_in_layout(False)
        text.set_path_effects([withStroke(linewidth=2.5, foreground=theme.paper)])
        texts.append(text)
    return texts


def _size(name: str) -> tuple[float, float]:
    """Return width and height of a text in points, with some air."""
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), name, size=_SIZE).get_extents().width + 3, _SIZE * 1.25


def _boxes(centre: np.ndarray, radius: float, size: tuple[float, float]) -> np.ndarray:
    """Return the places that are tried for one name, (place, 4), the nearest and rightmost first.

    Each box touches the circle of its distance from outside.
    """
    width, height = size
    found = []
    for far in _FAR:
        for turn in np.arange(_AROUND) * (2 * np.pi / _AROUND):
            way = np.array([np.cos(turn), np.sin(turn)])
            middle = centre + (radius + far - 2) * way + way * (width / 2, height / 2)
            found.append([*(middle - (width / 2, height / 2)), *(middle + (width / 2, height / 2))])
    return np.array(found)


def _chosen(
    boxes: Sequence[np.ndarray],
    centres: np.ndarray,
    markers: np.ndarray,
    lines: np.ndarray,
    frame: np.ndarray,
) -> np.ndarray:
    """Return one box for each name, chosen by turns so that the overlap falls."""
    fixed = []
    for i, tried in enumerate(boxes):
        outside = _area(tried) - _overlap(tried, frame[None])
        distance = np.repeat(np.arange(len(_FAR)), _AROUND)
        sideways = np.tile(np.abs(np.sin(np.arange(_AROUND) * (2 * np.pi / _AROUND))), len(_FAR))
        cost = 50 * outside + 10 * _overlap(tried, markers) + 6 * _overlap(tried, lines)
        away = _distance(tried, centres)  # a name nearer to another point is misread
        cost += 5 * np.clip(
            away[:, i] + 5 - np.delete(away, i, 1).min(axis=1, initial=np.inf), 0, None
        )
        fixed.append(cost + 12 * distance + 2 * sideways)
    chosen = np.array([tried[cost.argmin()] for tried, cost in zip(boxes, fixed, strict=True)])
    for _ in range(_ROUNDS):
        for i, tried in enumerate(boxes):
            others = np.arange(len(boxes)) != i
            cost = fixed[i] + 20 * _overlap(tried, chosen[others])
            ours = _leads(np.broadcast_to(centres[i], (len(tried), 2)), tried)
            theirs = _leads(centres[others], chosen[others]).reshape(-1, 2)
            cost = cost + 8 * _within(ours, chosen[others]).sum(axis=(1, 2))
            cost = cost + 8 * _within(theirs[None], tried).sum(axis=(0, 1))
            chosen[i] = tried[cost.argmin()]
    return chosen


def _distance(boxes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return how far each box is from each centre, (box, centre)."""
    nearest = np.clip(centres, boxes[:, None, :2], boxes[:, None, 2:])
    return np.hypot(*np.moveaxis(nearest - centres, -1, 0))


def _leads(centres: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return points on the way from each centre to its box, (box, step, 2)."""
    ends = np.clip(centres, boxes[:, :2], boxes[:, 2:])
    return centres[:, None] + np.linspace(0.1, 0.9, 9)[:, None] * (ends - centres)[:, None]


def _within(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which points (n, step, 2) lie in which boxes, (n, step, box)."""
    points = points[:, :, None]
    return np.all((points > boxes[:, :2]) & (points < boxes[:, 2:]), axis=-1)


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the area that each box shares with all others together."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2).sum(axis=1)
