"""Which dates papers trained on and tested on, so that numbers can be compared at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from xstf.datasets.benchmarks import CIA_DATES, LGC_DATES
from xstf.dates import find_dates, text_of


@dataclass(frozen=True)
class Protocol:
    """A published way to split a benchmark.

    Attributes
    ----------
    benchmark : str
        Of `BENCHMARKS`.
    train : tuple of str
        Dates whose pairs a method may learn from.
    tests : mapping of str to tuple of str
        Each date to predict, and the dates of the pairs that it is predicted from.
    size : tuple of int or None
        Rows and columns that were used; None: all. Papers do not say where they cut, `read` takes
        the middle, so scores differ a little for that reason alone.
    source : str
        Who used it, and what to beware of.
    """

    benchmark: str
    train: tuple[str, ...]
    tests: Mapping[str, tuple[str, ...]]
    size: tuple[int, int] | None
    source: str

    @property
    def dates(self) -> list[str]:
        """The dates to predict: ``fuse(..., dates=protocol.dates, pairs=protocol.pairs)``."""
        return list(self.tests)

    @property
    def pairs(self) -> dict[str, list[str]]:
        """The dates of the pairs of each date to predict."""
        return {date: list(pairs) for date, pairs in self.tests.items()}


def _between(dates: tuple[str, ...], tested: slice) -> dict[str, tuple[str, ...]]:
    """Return each date of a stretch, predicted from the one before and the one after."""
    places = range(len(dates))[tested]
    return {dates[n]: (dates[n - 1], dates[n + 1]) for n in places}


def _following(dates: tuple[str, ...], first: int) -> dict[str, tuple[str, ...]]:
    """Return each date from a place on, predicted from the one before."""
    return {dates[n]: (dates[n - 1],) for n in range(first, len(dates))}


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "dlsdfm-lgc": Protocol(
            "LGC",
            ("2004-11-26", "2004-12-28"),
            {"2004-12-12": ("2004-11-26", "2004-12-28")},
            None,
            "Jia et al. 2020; patch and learning rate were chosen on the test image",
        ),
        "biastf-lgc": Protocol(
            "LGC",
            (*LGC_DATES[:6], *LGC_DATES[12:]),
            _between(LGC_DATES, slice(6, 12)),
            (2000, 2000),
            "Li Y.F. et al. 2020; SSIM over the whole image without windows",
        ),
        "heterogeneity-cia": Protocol(
            "CIA",
            ("2002-01-12", "2002-02-22"),
            {"2002-02-13": ("2002-01-12", "2002-02-22")},
            (1000, 1000),
            "Li, Liu et al., IGARSS; SSIM over the whole image with constants of 0.001",
        ),
        "swinstfm-lgc": Protocol(
            "LGC",
            tuple(date for date in LGC_DATES if date not in LGC_DATES[6:9]),
            {"2004-12-12": ("2004-11-26",)},
            None,
            "the code of SwinSTFM; its best epoch was chosen by SSIM on the test image",
        ),
        "survey-cia": Protocol(
            "CIA",
            CIA_DATES[:11],
            _following(CIA_DATES, 11),
            None,
            "LibSTF; checkpoints were chosen by PSNR on the test images",
        ),
        "survey-lgc": Protocol(
            "LGC",
            LGC_DATES[:9],
            _following(LGC_DATES, 9),
            None,
            "LibSTF; checkpoints were chosen by PSNR on the test images",
        ),
    }
)


def protocol(name: str, times: np.ndarray | None = None) -> Protocol:
    """Return a published split, or the chronological one of a set whose dates are not fixed.

    Parameters
    ----------
    name
        One of `PROTOCOLS`, or ``"survey-ahb"``, ``"survey-daxing"``, ``"survey-tianjin"`` (the
        first 20 dates to train, each later one predicted from the one before).
    times
        The scene's dates; needed for the latter, and checked for the others.

    Raises
    ------
    ValueError
        For an unknown name, or dates that the scene does not have.
    """
    late = {"survey-ahb": "AHB", "survey-daxing": "Daxing", "survey-tianjin": "Tianjin"}
    if name in PROTOCOLS:
        found = PROTOCOLS[name]
    elif name in late:
        if times is None or len(times) <= 20:
            have = "none were given" if times is None else f"there are {len(times)}"
            raise ValueError(
                f"{name} tests the dates after the first 20, and {have}; give times=ds.time.values "
                "of the whole set"
            )
        dates = tuple(text_of(time) for time in np.sort(times))
        source = "LibSTF; checkpoints were chosen by PSNR on the test images"
        return Protocol(late[name], dates[:20], _following(dates, 20), None, source)
    else:
        raise ValueError(f"protocol {name!r} is none of {', '.join([*PROTOCOLS, *late])}")
    if times is not None:
        for test, pairs in found.tests.items():
            find_dates(times, [test, *pairs])
    return found
