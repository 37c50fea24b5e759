"""Training from the door: `fit`, `load`, and the fit that `fuse` makes where none was made."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xstf import registry
from xstf.checks import Parts
from xstf.dates import text_of
from xstf.method import Method, build, learns
from xstf.scenes import as_dataset


def fit(
    data: xr.Dataset | xr.DataTree,
    method: str | Method,
    *,
    init: Any = None,
    device: str = "cpu",
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Any = True,
    fine: str = "fine",
    coarse: str = "coarse",
    **parameters: Any,
) -> Any:
    """Train a method that learns on the known pairs of a scene.

    Every two dates with both images teach how the fine image follows from the other date's and from
    the coarse change, both ways. Some squares of the scene are held out: they say when to stop, and
    whether the method beats trivial predictions. Chunks are read whole, once a pass where the scene
    is larger than 1 GB, and once in all where it is not.

    Parameters
    ----------
    data
        The scene; cut it with ``ds.sel(time=...)`` to train on some dates alone.
    method
        Name of a method that learns, or an instance of one.
    init
        A trained method or its file to go on from, at a tenth of the learning rate.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
    checkpoint
        A file in which the training is kept after each pass.
    resume
        Go on with the training in `checkpoint` if it is there. It is refused where the scene, its
        images, or a parameter have changed.
    progress
        True: a bar on a terminal, lines in a log. Or a function, called with passes done, passes
        in all, and seconds.
    fine, coarse
        Names of the two variables or nodes.
    **parameters
        Parameters of the method, such as ``epochs``, ``width`` and ``seed``.

    Returns
    -------
    Method
        The trained method, to be given to `xstf.fuse`. ``save(path)`` keeps it, ``history`` says
        how the training went. On a CPU the seed and the number of threads decide every bit of it.

    Raises
    ------
    ValueError
        If the method learns nothing, the scene has fewer than two pairs, or `init` or `checkpoint`
        are of something else; the message says what differs.

    Warns
    -----
    UserWarning
        If the network does not beat the best trivial prediction of what was held out.

    Examples
    --------
    >>> import warnings, xstf
    >>> scene, truth = xstf.simulate("parcels", size=96, scale=8, bands=("red", "nir"))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # one pass is no training
    ...     fitted = xstf.fit(scene, "hcnn", width=2, patch=24, epochs=1, progress=False)
    >>> dict(fitted.history.sizes)
    {'epoch': 1, 'band': 2, 'name': 3}
    """
    found = build(method, parameters)
    if not learns(found):
        raise ValueError(f"{found.label} learns nothing; give it to fuse as it is")
    how = {"init": init, "device": device, "checkpoint": checkpoint, "resume": resume}
    trainer: Any = found
    return trainer.fit(as_dataset(data, fine, coarse), progress=progress, **how)


def load(path: str | os.PathLike[str]) -> Any:
    """Read a trained method that ``fitted.save(path)`` wrote. No code in the file is ever run.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Method
        The trained method.

    Raises
    ------
    ValueError
        If the file is damaged or holds something else.
    """
    from xstf.nn.checkpoint import read

    weights = read(path)
    known = weights.known
    if "course" in known:
        raise ValueError(
            f"{os.fspath(path)} holds a training that is under way; go on with it: "
            f"ds.stf.fit(..., checkpoint={os.fspath(path)!r}, resume=True)"
        )
    kind: Any = registry.find(known["method"])
    return kind(**known["parameters"], weights=weights)


def unfitted(method: Method) -> bool:
    """Return whether a method must be fitted before it predicts."""
    return learns(method) and not getattr(method, "fitted", True)


def fitted_for(method: Method, parts: Parts, targets: Sequence[int], device: str) -> Method:
    """Return the method trained on a scene without the fine images of the wanted dates.

    Parameters
    ----------
    method
        One that is not fitted.
    parts
        The scene.
    targets
        Positions of the dates whose fine images must not be seen.
    device
        Where to train.
    """
    seen = parts.observed("fine").copy()
    seen[list(targets)] = False
    days = ", ".join(text_of(t) for t in parts.times[seen & parts.observed("coarse")])
    warnings.warn(
        f"{method.label} is not trained, so it is now, on {days or 'no date'}; to keep what it "
        f"learns: fitted = ds.stf.fit({method.label!r}, ...), fitted.save(path)",
        UserWarning,
        stacklevel=4,
    )
    trainer: Any = method
    fitted: Method = trainer.fit(_without(parts, seen), device=device, progress=True)
    return fitted


def _without(parts: Parts, seen: np.ndarray) -> xr.Dataset:
    """Return the scene with the fine images of some dates alone."""
    kept = xr.DataArray(seen, dims="time", coords={"time": parts.ds["time"]})
    fine = parts.ds["fine"].where(kept)
    return parts.ds.assign(fine=fine, fine_observed=("time", seen))
