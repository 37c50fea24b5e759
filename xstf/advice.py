"""Which method suits a scene, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

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
    >>> ds, truth = xstf.simulate("parcels", size=64, scale=16, dates=3, pairs=3)
    >>> advice = xstf.recommend(xstf.compare(ds, ["fsdaf"], metrics="plain"))
    >>> advice.gains["dates"].sel(name="fsdaf").item()
    3
    """
    if metric not in compared or compared[metric].attrs.get("best") != "small":
        able = [
            n for n, v in compared.items() if v.attrs.get("best") == "small" and "name" in v.dims
        ]
        raise ValueError(
            f"metric={metric!r} is no error in this comparison; it has {', '.join(map(str, able))}"
        )
    error: xr.DataArray = xr.ufuncs.log(compared[metric].where(compared[metric] > 0))
    error = error.mean([dim for dim in error.dims if dim not in ("name", "time")])
    reference, least = _reference(error.sel(name=compared["trivial"].values))
    by_date = error - least
    served = by_date.notnull().sum("time")
    gains = xr.Dataset(
        {
            "gain": 1 - np.exp(by_date.mean("time")),
            "spread": by_date.std("time", ddof=1).where(served > 1),
            "dates": served,
            "wins": (by_date < 0).sum("time"),
        }
    )
    enough = gains["gain"].where(served > SHARE * by_date.sizes["time"])
    name = str(enough.idxmax("name").item())
    text = _text(name, reference, gains, by_date, metric.upper())
    return Advice(name, reference, gains, text)


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


def _text(name: str, reference: str, gains: xr.Dataset, by_date: xr.DataArray, metric: str) -> str:
    """Return the advice in words."""
    dates, spread = by_date.sizes["time"], float("nan")
    said = []
    if bool(gains["trivial"].sel(name=name)):
        said.append(
            f"No method beats doing nothing here; of that, {reference} is best by {metric}."
        )
        methods = gains["gain"].where(~gains["trivial"]).dropna("name")
        if methods.size:
            best = gains.sel(name=methods.idxmax("name").item())
            said.append(
                f"The best method, {best['name'].item()}, is {-float(best.gain):.0%} worse."
            )
            spread = float(best["spread"])
    else:
        one = gains.sel(name=name)
        wins = f", and below it on {int(one['wins'])} of {int(one['dates'])} dates"
        said.append(
            f"{name} suits this scene: its {metric} is {float(one['gain']):.0%} below that of "
            f"{reference}, the best of doing nothing{wins if dates > 1 else ''}."
        )
        spread = float(one["spread"])
    if np.isfinite(spread):
        said.append(f"From date to date this varies by {spread:.0%} (one sigma).")
    said += _rivals(name, by_date)
    if dates < FEW:
        days = " and ".join(np.datetime_as_string(by_date["time"].values, "D"))
        said.append(f"The evidence is thin: only {days}. Add pairs and compare again.")
    return " ".join(said)


def _rivals(name: str, by_date: xr.DataArray) -> list[str]:
    """Return a sentence on those whose difference is within twice its standard error."""
    if by_date.sizes["time"] < 2:
        return []
    behind = by_date - by_date.sel(name=name, drop=True)
    count = behind.notnull().sum("time")
    error = behind.std("time", ddof=1) / np.sqrt(count.where(count > 1))
    close = (behind.mean("time") < 2 * error) & (behind["name"] != name)
    names = [str(n) for n in behind["name"].values[close.values]]
    return [f"Not clearly worse: {', '.join(names)}."] if names else []
