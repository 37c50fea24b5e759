"""How a run says that some of its blocks failed."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

SHOWN = 3
HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no other block could be written either


class BlocksFailed(RuntimeError):
    """Some blocks of a run have failed; all others are on disk.

    Attributes
    ----------
    failures : list of (str, BaseException)
        Place and dates of each block, and why it failed.
    """

    def __init__(
        self, failures: Sequence[tuple[str, BaseException]], total: int, cure: str
    ) -> None:
        self.failures = list(failures)
        shown = "; ".join(f"{place}: {said(error)}" for place, error in self.failures[:SHOWN])
        more = f"; and {len(failures) - SHOWN} more" if len(failures) > SHOWN else ""
        super().__init__(
            f"{len(failures)} of {total} blocks failed, all others are written ({shown}{more}); "
            f"when the cause is gone, {cure} computes these alone"
        )


def stopped(error: OSError, name: str, cure: str) -> OSError:
    """Return what ended a run, with what to do where nothing can be written any more.

    Parameters
    ----------
    error
        What was raised.
    name
        Of the output.
    cure
        With what a run goes on.
    """
    if error.errno not in HOPELESS:
        return error
    told = f"what is done is kept, and when that is mended {cure} goes on"
    return OSError(error.errno, f"{os.strerror(error.errno)}; {told}", name)


def said(error: BaseException) -> str:
    """Return an error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
