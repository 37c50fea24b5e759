"""What stored comparisons say: the directive ``scores`` as a table, the role ``advice`` in words.

Both are given the name of a comparison; ``:methods:`` leaves all but some methods out of a table.
"""

from __future__ import annotations

from typing import Any, ClassVar

import stored
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from xstf.advice import recommend
from xstf.plot.numbers import trivial_of
from xstf.report.columns import columns_of, dates_of


def table_of(name: str, only: list[str] | None = None) -> str:
    """Return the scores of a comparison as a table in Markdown, the best of each column bold."""
    found = stored.read(name)
    columns = columns_of(found, [m for m in stored.KEPT if m in found])
    means, best = [c.on(None) for c in columns], [c.best(None) for c in columns]
    nothing, dates = trivial_of(found), dates_of(found)
    errors = ("RMSE " if c.metric == "rmse" else "" for c in columns)
    heads = [before + c.head for before, c in zip(errors, columns, strict=True)]
    lines = [["", *(h.replace("RMSE RMSE", "RMSE") for h in heads), "dates"]]
    lines.append([":--", *("--:" for _ in columns), "--:"])
    for i, method in enumerate(map(str, found["name"].values)):
        if only and method not in only:
            continue
        cells = [
            f"**{column.text(mean[i])}**" if star[i] else column.text(mean[i])
            for column, mean, star in zip(columns, means, best, strict=True)
        ]
        shown = f"*{method}*" if nothing[i] else method
        lines.append([shown, *cells, str(dates[i])])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Scores(SphinxDirective):
    """A stored comparison as a table: RMSE x 10^4 of each band, other metrics as means."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"methods": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the table, which scrolls where it is wider than the page."""
        name = self.arguments[0]
        self.env.note_dependency(str(stored.FOLDER / f"{name}.json"))
        only = self.options.get("methods", "").split() or None
        return self.parse_text_to_nodes(table_of(name, only))


class Advice(SphinxRole):
    """What `xstf.recommend` makes of a stored comparison."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return its sentences."""
        self.env.note_dependency(str(stored.FOLDER / f"{self.text}.json"))
        return [nodes.Text(str(recommend(stored.read(self.text))))], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Make both known."""
    app.add_directive("scores", Scores)
    app.add_role("advice", Advice())
    return {"parallel_read_safe": True}
