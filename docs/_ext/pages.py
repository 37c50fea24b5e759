"""Pages that are generated before the site is read: the gallery of methods, and the notebooks.

The gallery is made from the registry: a method that is registered has a page, with what its class
declares, its docstring, and the scores and the picture that ``make_results.py`` kept of it.
"""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import stored
from sphinx.application import Sphinx

from xstf.method import Method, learns, parameters_of
from xstf.parameters import rule_of
from xstf.registry import find, names

DOCS = Path(__file__).parents[1]
EXAMPLES = DOCS.parent / "examples"
# what a docstring says of when to use a method
ADVICE = re.compile(r"(?:^|[.:;] )[Uu](se it\b.*)")

GROUPS = {
    "Methods that need no training": lambda kind: not kind.trivial and not learns(kind),
    "Networks": learns,
    "Doing nothing": lambda kind: kind.trivial,
}


def template(name: str) -> str:
    """Return the frame of a page, or of a part of one."""
    return (DOCS / "_ext" / "templates" / f"{name}.md").read_text()


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", lambda _: write_all())
    return {"parallel_read_safe": True}


def write_all() -> None:
    """Write the pages of all methods, and copy the notebooks to where Sphinx finds them."""
    known = {name: find(name) for name in names()}
    pages = {name: page_of(name, kind) for name, kind in known.items()}
    _replace(DOCS / "methods", {**pages, "index": gallery_of(known)})
    _replace(DOCS / "examples", {path.stem: notebook_of(path) for path in EXAMPLES.glob("*.md")})


def _replace(folder: Path, pages: dict[str, str]) -> None:
    """Make a folder hold these pages and no others, touching only those that have changed."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.stem not in pages:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def notebook_of(path: Path) -> str:
    """Return the text of a notebook, which offers itself for download below its title."""
    text = path.read_text()
    if "kernelspec:" not in text:
        return text
    link = f"{{nb-download}}`{path.stem}.ipynb`"
    return re.sub(r"^(# .+\n)", rf"\1\n{link}\n", text, count=1, flags=re.MULTILINE)


def gallery_of(known: dict[str, type[Method]]) -> str:
    """Return the page of all methods."""
    errors = _errors()
    cards = []
    for title, belongs in GROUPS.items():
        found = [name for name, kind in known.items() if belongs(kind)]
        found.sort(key=lambda name: (errors.get(name, 1.0), name))
        inside = "\n".join(_card(name, known[name], errors.get(name)) for name in found)
        cards.append(f"\n## {title}\n\n:::::{{grid}} 1 1 2 2\n:gutter: 3\n\n{inside}\n:::::\n")
    return template("gallery").format(
        cards="".join(cards), pages="\n".join(sorted(known)), **stored.about("simulated")
    )


def _card(name: str, kind: type[Method], error: float | None) -> str:
    image = f":img-top: ../_results/pictures/{name}.webp\n" if _picture(name).exists() else ""
    foot = pairs_of(kind) + ("" if error is None else f" · RMSE {1e4 * error:.0f} x 10⁻⁴")
    summary = (advice_of(kind) or paragraphs_of(kind)[0]).split(". ")[0].rstrip(".") + "."
    return template("card").format(name=name, image=image, summary=summary, foot=foot)


def page_of(name: str, kind: type[Method]) -> str:
    """Return the page of one method."""
    facts = [f"**Pairs**: {pairs_of(kind)}", f"**Layers**: {', '.join(kind.layers)}"]
    facts.append(f"**Call**: `ds.stf.fuse({name!r})`")
    return template("method").format(
        name=name,
        module=kind.__module__,
        kind=kind.__name__,
        facts=" · ".join(facts),
        picture=template("picture").format(name=name) if _picture(name).exists() else "",
        parameters=parameters_table(kind),
        scores=scores_of(name),
    )


def parameters_table(kind: type[Method]) -> str:
    """Return the declared parameters as a table in Markdown."""
    rows = [
        (f"`{f.name}`", f"`{f.default!r}`", _what(f), rule_of(f) if f.metadata else "")
        for f in parameters_of(kind)
    ]
    if not rows:
        return "It has none."
    lines = [("name", "default", "what it is", "rule"), (":--",) * 4, *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _what(f: Any) -> str:
    """Return what a parameter is, its unit and its source."""
    told = f.metadata
    unit = f", {told['unit']}" if told.get("unit") else ""
    source = f" ({told['source']})" if told.get("source") else ""
    return f"{told.get('doc', '')}{unit}{source}"


def scores_of(name: str) -> str:
    """Return its row of each comparison that has one, below the row of `add`."""
    parts = []
    for comparison in stored.names():
        if name in stored.read(comparison)["name"]:
            rows = f"add {name}" if name != "add" else "add"
            parts.append(f"**{comparison}**\n\n```{{scores}} {comparison}\n:methods: {rows}\n```\n")
    return "\n".join(parts) or "None are kept yet: `python docs/make_results.py simulated`."


def pairs_of(kind: type[Method]) -> str:
    """Return how many pairs a method uses."""
    few, many = kind.pairs[0], kind.pairs[-1]
    if many > 9:
        return f"{few} pair and more" if few == 1 else f"{few} pairs and more"
    if few == many:
        return f"{few} pair{'s' * (few > 1)}"
    return f"{few} {'or' if many == few + 1 else 'to'} {many} pairs"


def paragraphs_of(kind: type[Method]) -> list[str]:
    """Return the paragraphs of a docstring, each on a line."""
    text = inspect.cleandoc(kind.__doc__ or "")
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]


def advice_of(kind: type[Method]) -> str:
    """Return what a docstring says of when to use the method, or nothing."""
    found = (ADVICE.search(part) for part in paragraphs_of(kind))
    return next((f"U{match[1]}" for match in found if match), "")


def _picture(name: str) -> Path:
    return stored.FOLDER / "pictures" / f"{name}.webp"


def _errors() -> dict[str, float]:
    """Return the RMSE of each method on the simulated date."""
    rmse = stored.read("simulated")["rmse"].mean(("time", "band"))
    return {
        str(name): float(value)
        for name, value in zip(rmse["name"].values, rmse.values, strict=True)
    }
