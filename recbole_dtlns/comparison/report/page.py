"""The page: one HTML file that holds everything and asks nothing of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from recbole_dtlns.comparison.report.formats import cells
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.table import MISSING, Table, plain_number
from recbole_dtlns.version import __version__

_PACKAGE = "recbole_dtlns.comparison.report"


def page(title: str, facts: Sequence[str], sections: Sequence[Section], figures: Mapping[str, str]) -> str:
    """The page as text.

    Args:
        title: its heading.
        facts: short statements below it.
        sections: in order; empty ones have been left out.
        figures: inline SVG by the name of its picture.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals["table_cells"] = _cells
    environment.filters["whole"] = _unbroken
    template = environment.from_string(_shipped("page.html.j2"))
    return template.render(
        title=title,
        facts=facts,
        sections=sections,
        figures={name: Markup(svg) for name, svg in figures.items()},
        style=Markup(_shipped("page.css")),
        script=Markup(_shipped("page.js")),
        version=__version__,
    )


def _shipped(name: str) -> str:
    return (files(_PACKAGE) / name).read_text(encoding="utf-8")


def _cells(table: Table) -> dict[str, Any]:
    """Heads and lines of a table as the template wants them; `sort` is the raw number, empty for text."""
    columns, lines = cells(table)
    shown = []
    for line, row in zip(table.lines, lines, strict=True):
        numbers = [plain_number(line.values.get(column.key)) for column in columns]
        shown.append(
            [
                {
                    "text": text,
                    "bold": bold,
                    "sort": "" if number is None else repr(number),
                    "kind": _kind(column.kind, column.key, text),
                }
                for (text, bold), number, column in zip(row, numbers, columns, strict=True)
            ]
        )
    heads = [{"title": column.title, "kind": "text" if column.kind == "text" else "number"} for column in columns]
    return {"heads": heads, "lines": shown}


def _unbroken(text: str) -> str:
    """Text in which `p = .03` and `.33 ± .01` do not fall apart at the end of a line."""
    return re.sub(r" ([=<±]) ", "\u00a0\\1\u00a0", text)


def _kind(kind: str, key: str, text: str) -> str:
    if kind != "text":
        return "number"
    if text == MISSING:
        return "text none"
    if key == "marks":
        return "text mark"
    if text == "NOT PASSED":
        return "text bad"
    return "text long" if len(text) > 40 else "text short"
