"""Which method suits a scene, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import xarray as xr

from xstf.metrics import METRICS

TINY = 1e-6  # of the date's largest error: what counts as none
FEW = 3  # dates below which the evidence is called thin
SHARE = 0.5  # a method is recommended only if it could predict more than this share of the dates


@dataclass(frozen=True)
class Advice:
    """What `recommend` found; printed, it says so in words.

    Attributes
    ----------
    name
        The recommended method, or do-nothing prediction.
    reference
        The do-nothing prediction that all are measured by: that of least error over all dates.
    gains
        Per method, dims (name): ``gain``, the share by which its error is below the reference's
        (geometric mean over dates and bands); ``spread`` of that over the dates; ``dates``
        predicted; and ``wins``, those on which it was better.
    text
        Sentences.
    """

    name: str
    reference: str
    gains: xr.Dataset
    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.text)}</p>"


def recommend(compared: xr.Dataset, metric: str = "rmse") -> Advice:
    """Return which method suits a scene, by how it predicted the images that were held out.

    The error of each method is divided, date by date, by that of the do-nothing prediction which is
    best over all dates, so that no date of large change outweighs the others; bands enter by their
    logarithm, likewise. Where that prediction lacks a pair on one side, the best that needs none
    stands in.

    Parameters
    ----------
    compared
        From `xstf.compare`.
    metric
        A metric that is small where a prediction is good: rmse, mae, sam, ergas.

    Raises
    ------
    ValueError
        If the metric is not there, or a large value of it is good.

    Examples
    --------
    >>> import xstf
    >>> ds, truth = xstf.simulate("parcels", size=64, scale=16, dates=4, pairs=3)
    >>> advice = xstf.recommend(xstf.compare(ds, ["fsdaf"], metrics="plain"))
    >>> advice.gains["dates"].sel(name="fsdaf").item()
    3
    """
    _check(compared, metric)
    compared = compared.compute()
    error = _logarithm(compared[metric])
    reference, least = _reference(error.sel(name=compared["trivial"].values))
    by_date = error - least
    served = by_date.notnull().sum("time")
    gains = xr.Dataset(
        {
            "gain": 1 - np.exp(by_date.mean("time")),
            "spread": _deviation(by_date),
            "dates": served,
            "wins": (by_date < 0).sum("time"),
        }
    )
    methods = gains["gain"].where((served > SHARE * by_date.sizes["time"]) & ~gains["trivial"])
    best = str(methods.idxmax("name").item()) if methods.notnull().any() else ""
    name = best if best and gains["gain"].sel(name=best) > 0 else reference
    said = _found(name, best, reference, gains, by_date.sizes["time"], metric.upper())
    said += (_rivals(name, by_date) if name == best else []) + _doubts(compared)
    return Advice(name, reference, gains, " ".join(said))


def _check(compared: xr.Dataset, metric: str) -> None:
    """Raise for what is no error of methods beside doing nothing."""
    small = [n for n, known in METRICS.items() if known.best == "small" and n in compared]
    if metric not in small:
        raise ValueError(
            f"metric={metric!r} is no error in this comparison; it has {', '.join(small) or 'none'}"
        )
    if "trivial" not in compared.coords or not compared["trivial"].any():
        raise ValueError("no row does nothing, so there is no measure; give what compare returned")


def _logarithm(errors: xr.DataArray) -> xr.DataArray:
    """Return the mean over bands of the logarithm, (name, time); no error counts as a tiny one."""
    over = [dim for dim in errors.dims if dim not in ("name", "time")]
    least = TINY * errors.max("name")
    floor = xr.where(least > 0, least, TINY)
    return xr.ufuncs.log(xr.ufuncs.fmax(errors, floor).where(errors.notnull())).mean(over)


def _reference(nothing: xr.DataArray) -> tuple[str, xr.DataArray]:
    """Return the do-nothing prediction of least error over all dates, and its error on each.

    One that needs a pair on each side gives way, where it lacks one, to the best that does not.
    """
    whole = nothing.sel(name=nothing.notnull().all("time"))
    spare = whole if whole.sizes["name"] else nothing
    other = nothing.sel(name=spare.mean("time").idxmin("name"), drop=True)
    filled = nothing.fillna(other)
    name = str(filled.mean("time").idxmin("name").item())
    return name, filled.sel(name=name, drop=True)


def _found(
    name: str, best: str, reference: str, gains: xr.Dataset, dates: int, metric: str
) -> list[str]:
    """Return sentences on the best method and how it stands to doing nothing."""
    if not best:
        return [f"No method predicts more than half of the dates; of doing nothing, {reference} is "
                f"best by {metric}."]  # fmt: skip
    one = gains.sel(name=best)
    gain, spread = float(one["gain"]), float(one["spread"])
    wins = f", and below it on {int(one['wins'])} of {int(one['dates'])} dates" * (dates > 1)
    if name == best:
        said = [
            f"{best} suits this scene: its {metric} is {gain:.0%} below that of {reference}, the "
            f"best of doing nothing{wins} (geometric means)."
        ]
    else:
        said = [
            f"No method beats doing nothing here; of that, {reference} is best by {metric}.",
            f"The best method, {best}, is {-gain:.0%} worse."
            if round(-gain, 2)
            else f"The best method, {best}, is as good.",
        ]
    if np.isfinite(spread):
        said.append(f"From date to date this varies by {spread:.0%} (one sigma).")
    return said


def _doubts(compared: xr.Dataset) -> list[str]:
    """Return sentences on what makes the evidence thin."""
    said = []
    times = compared["time"].values
    if times.size < FEW:
        days = " and ".join(np.datetime_as_string(np.atleast_1d(times), "D"))
        said.append(f"The evidence is thin: only {days}. Add pairs and compare again.")
    if "judged" in compared and (compared["judged"] < SHARE).any():
        least = float(compared["judged"].min())
        said.append(
            f"On some date only {least:.0%} of the true pixels are predicted by all methods and "
            "judged; leave out the method that predicts few (see valid)."
        )
    return said


def _deviation(values: xr.DataArray) -> xr.DataArray:
    """Return the standard deviation over the dates, NaN for one; numpy's would warn of it."""
    count = values.notnull().sum("time")
    squares = ((values - values.mean("time")) ** 2).sum("time")
    variance: xr.DataArray = squares / (count - 1).where(count > 1)
    return variance**0.5


def _rivals(name: str, by_date: xr.DataArray) -> list[str]:
    """Return a sentence on those whose difference is within twice its standard error."""
    if by_date.sizes["time"] < 2:
        return []
    behind = by_date - by_date.sel(name=name, drop=True)
    count = behind.notnull().sum("time")
    error = _deviation(behind) / np.sqrt(count)
    close = (behind.mean("time") < 2 * error) & (behind["name"] != name)
    names = [str(n) for n in behind["name"].values[close.values]]
    if not names:
        return []
    nothing = any(bool(by_date["trivial"].sel(name=n)) for n in names)
    doubt = ", so it is not clearly better than doing nothing" * nothing
    return [f"Not clearly worse: {', '.join(names)}{doubt}."]
