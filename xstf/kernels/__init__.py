"""Compiled loops: what the methods spend their time in. Imports numba, so import it at the leaf."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numba


def _nothing() -> None:
    pass


def _keep_compiled() -> bool:
    """Return whether numba keeps what it compiles for later; else see that it can compile at all.

    It writes beside the sources, or into the user's home; where both are read-only, as on some
    clusters, compiled code goes to a folder of this user's among the temporary files.
    """
    try:
        numba.njit(cache=True)(_nothing)
    except RuntimeError:  # no place to write to
        user = os.getuid() if hasattr(os, "getuid") else 0
        home = Path(tempfile.gettempdir()) / f"xstf-numba-{user}"
        home.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and (home.stat().st_uid != user or home.stat().st_mode & 0o022):
            raise PermissionError(  # compiled code is run: nobody else may have put it there
                f"{home} can be written by others; set NUMBA_CACHE_DIR to a folder of your own"
            ) from None
        numba.config.CACHE_DIR = str(home)
        warnings.warn(
            f"numba cannot keep compiled code beside xstf nor in the home folder; it goes to "
            f"{home}, which other machines and restarts do not see; set NUMBA_CACHE_DIR to a "
            "folder that can be written",
            UserWarning,
            stacklevel=2,
        )
        return False
    return True


LASTING = _keep_compiled()
