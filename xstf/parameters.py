"""Parameters that carry their rule: the check, the tables and the tests of bad values read it."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import Any

import numpy as np


def param(
    default: Any,
    *,
    doc: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    odd: bool = False,
    choices: tuple[Any, ...] | None = None,
    also: type | None = None,
    none: bool = False,
    unit: str = "",
    source: str = "",
) -> Any:
    """Declare a parameter: its default, its rule, its unit and where it comes from.

    Parameters
    ----------
    default
        A bool, int, float, str or None; its type is part of the rule.
    doc
        One line for the tables.
    ge, gt, le
        Bounds.
    odd
        The number must be odd.
    choices
        The only values allowed.
    also
        Beside the choices, an instance of this class.
    none
        Whether None is allowed too.
    unit
        Unit of the value.
    source
        Paper and equation, or the program it comes from.
    """
    bounds = {"ge": ge, "gt": gt, "le": le, "odd": odd}
    rule = {**bounds, "choices": choices, "also": also, "none": none}
    return field(default=default, metadata={"doc": doc, "unit": unit, "source": source, **rule})


def rule_of(f: dataclasses.Field[Any]) -> str:
    """Return the rule of a parameter in words."""
    m, kind = f.metadata, _kind(f)
    if m["choices"]:
        words = "one of " + ", ".join(repr(c) for c in m["choices"])
        if m["also"]:
            words += f", or an instance of {m['also'].__name__}"
    elif kind in ("bool", "str"):
        words = "True or False" if kind == "bool" else "a text"
    else:
        whole = kind == "int"
        bounds = [
            f"{sign} {m[key]:g}"
            for key, sign in (("ge", ">="), ("gt", ">"), ("le", "<="))
            if m[key] is not None
        ]
        number = ("an odd whole number" if m["odd"] else "a whole number") if whole else "a number"
        words = " ".join([number, " and ".join(bounds)]).strip()
    return words + (", or None" if m["none"] and None not in (m["choices"] or ()) else "")


def check_parameters(method: Any) -> None:
    """Raise ValueError for the first parameter that breaks its rule, naming value, rule, cure.

    Numbers are kept as the type that they are declared with, so that equal parameters make equal
    graphs however they were written.
    """
    for f in dataclasses.fields(method):
        if not f.metadata or f.metadata.get("found"):  # what training found is no parameter
            continue
        value = getattr(method, f.name)
        if not _obeys(value, f):
            raise ValueError(
                f"{f.name}={value!r} breaks its rule for {method.label}: "
                f"{rule_of(f)} ({f.metadata['doc']}); the default is {f.default!r}"
            )
        make = {"int": int, "float": float, "bool": bool}.get(_kind(f))
        if make is not None and value is not None:
            object.__setattr__(method, f.name, make(value))


def _kind(f: dataclasses.Field[Any]) -> str:
    """Return the name of a parameter's type, however its module writes annotations."""
    name = f.type if isinstance(f.type, str) else getattr(f.type, "__name__", str(f.type))
    return name.removeprefix("Optional[").split(" ")[0].removesuffix("]")


def _obeys(value: Any, f: dataclasses.Field[Any]) -> bool:
    m, kind = f.metadata, _kind(f)
    if value is None:
        return bool(m["none"]) or None in (m["choices"] or ())
    if m["also"] and isinstance(value, m["also"]):
        return True
    if m["choices"]:
        return any(value is c or (isinstance(value, str) and value == c) for c in m["choices"])
    if kind in ("bool", "str"):
        return isinstance(value, str if kind == "str" else bool | np.bool_)
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        finite = bool(np.isfinite(float(value)))
    except OverflowError:
        finite = False
    if not finite or (kind == "int" and value % 1):
        return False
    return bool(
        (m["ge"] is None or value >= m["ge"])
        and (m["gt"] is None or value > m["gt"])
        and (m["le"] is None or value <= m["le"])
        and (not m["odd"] or value % 2 == 1)
    )
