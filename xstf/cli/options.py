"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import click


def examples(*lines: str) -> str:
    """Return the examples that end the help of a command, as click keeps their lines.

    Parameters
    ----------
    lines
        What to type.
    """
    return "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)])


def listen(ctx: click.Context) -> None:
    """Show where errors come from and, while the command runs, what the library logs.

    Parameters
    ----------
    ctx
        Of the command.
    """
    if ctx.meta.get("xstf.debug"):
        return
    ctx.meta["xstf.debug"] = True
    log, handler = logging.getLogger("xstf"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    root = ctx.find_root()
    root.call_on_close(partial(log.removeHandler, handler))
    root.call_on_close(partial(log.setLevel, before))


def debug(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take ``--debug`` after its name too."""

    def keep(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            listen(ctx)

    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Show where an error comes from, and the log.",
    )(command)


class Names(click.ParamType):
    """Names with commas between them: ``green,red,nir``."""

    name = "a,b,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        """Return the list of names."""
        if isinstance(value, list):
            return value
        found = [part.strip() for part in value.split(",")]
        if not all(found):
            self.fail(f"{value!r} has an empty name; write a,b,c", param, ctx)
        return found


class Dates(Names):
    """Dates with commas between them, or, where allowed, ``start/stop``."""

    name = "dates"

    def __init__(self, spans: bool = False) -> None:
        self.spans = spans

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a list of dates or a slice, as text that numpy reads."""
        if isinstance(value, list | slice):
            return value
        if self.spans and "/" in value:
            ends = [part.strip() or None for part in value.split("/")]
            if len(ends) != 2 or ends == [None, None]:
                self.fail(f"{value!r} is no span of dates; write 2020-06-01/2020-08-31", param, ctx)
            return slice(*(end and self._date(end, param, ctx) for end in ends))
        return [self._date(part, param, ctx) for part in super().convert(value, param, ctx)]

    def _date(self, text: str, param: Any, ctx: Any) -> str:
        import numpy as np

        try:
            known = not np.isnat(np.datetime64(text)) and "-" in text
        except ValueError:
            known = False
        if not known:
            self.fail(f"{text!r} is no date; write it as 2020-07-11", param, ctx)
        return text


class Pairs(Dates):
    """``auto``, ``nearest``, ``similar``, a number, or dates."""

    name = "pairs"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return what `xstf.fuse` takes as `pairs`."""
        if value in ("auto", "nearest", "similar") or isinstance(value, int):
            return value
        if isinstance(value, str) and value.isdigit():
            return int(value)
        return super().convert(value, param, ctx)


class Range(click.ParamType):
    """Two numbers with a comma, or ``none``."""

    name = "low,high|none"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return (low, high), or the word ``none``."""
        if isinstance(value, tuple) or value == "none":
            return value
        try:
            low, high = map(float, value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no range; write 0,1 or none", param, ctx)
        if not low < high:
            self.fail(f"{value!r}: the first number must be the smaller one", param, ctx)
        return low, high


class Shift(click.ParamType):
    """``auto``, or rows and columns with a comma."""

    name = "auto|rows,columns"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return what `xstf.align` takes as `shift`."""
        if isinstance(value, tuple) or value == "auto":
            return value
        try:
            rows, columns = map(float, value.split(","))
        except ValueError:
            self.fail(
                f"{value!r} is no shift; write auto, or rows,columns such as 7,17", param, ctx
            )
        return rows, columns


class Setting(click.ParamType):
    """``name=value``; the value is a number, true, false, none, or text."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Return (name, value)."""
        if isinstance(value, tuple):
            return value
        name, sign, text = (part.strip() for part in value.partition("="))
        if not (sign and name and text):
            self.fail(f"{value!r} is no name=value, as in window=41", param, ctx)
        return name, value_of(text)


def value_of(text: str) -> Any:
    """Return the number, bool or None that a text stands for, else the text.

    Parameters
    ----------
    text
        What stands after the ``=``.
    """
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def limits(value: Any) -> Any:
    """Return a valid range as the library takes it: (low, high) or None.

    Parameters
    ----------
    value
        What `Range` gave.
    """
    return None if value == "none" else value
