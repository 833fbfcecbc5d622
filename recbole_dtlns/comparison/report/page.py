"""The page: one HTML file that holds everything and asks nothing of a network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recbole_dtlns.comparison.report.chips import Chip
from recbole_dtlns.comparison.report.formats import cells
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.svg import Drawn
from recbole_dtlns.comparison.report.table import MISSING, Table, plain_number
from recbole_dtlns.comparison.report.together import for_page
from recbole_dtlns.version import __version__

_PACKAGE = "recbole_dtlns.comparison.report"
# Columns that paper has room for in the usual size of tables, and with a smaller one; lines and commands that it has.
_WIDE, _TOO_WIDE, _TOO_LONG, _TOO_MANY_COMMANDS = 8, 14, 200, 10


@dataclass(frozen=True)
class Head:
    """What stands above the sections.

    Attributes:
        title: the heading.
        facts: short statements beside it.
        ours: label of the row that is set off in every table.
        chips: a button for each row that figures show; empty where there is nothing to choose from.
        folder: where the page is written; links to runs are relative to it.
        subject: `BPR on ml-100k` where the page is of that alone, so that no heading need repeat it; else empty.
    """

    title: str
    facts: Sequence[str]
    ours: str | None
    chips: Sequence[Chip]
    folder: Path
    subject: str = ""


def page(head: Head, sections: Sequence[Section], figures: Mapping[str, Drawn]) -> str:
    """The page as text.

    Args:
        head: what stands above the sections.
        sections: in order; empty ones have been left out.
        figures: what was drawn, by the name of its picture.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"table_cells": partial(_cells, head), "most_commands": _TOO_MANY_COMMANDS}
    environment.filters |= {"whole": _unbroken, "breaking": _breaking, "name": _name, "brief": partial(_brief, head)}
    template = environment.from_string(_shipped("page.html.j2"))
    return template.render(
        head=head,
        chips=[(chip, Markup(chip.icon)) for chip in head.chips],
        sections=sections,
        figures={name: Markup(drawn.svg) for name, drawn in figures.items()},
        values={name: drawn.values for name, drawn in figures.items()},
        style=Markup(_shipped("page.css")),
        script=Markup(_shipped("page.js")),
        version=__version__,
    )


def _shipped(name: str) -> str:
    return (files(_PACKAGE) / name).read_text(encoding="utf-8")


def _cells(head: Head, table: Table) -> dict[str, Any]:
    """A table as the template wants it; `sort` is the raw number, empty for text.

    A folded table that no paper has room for is not `printed`: Chromium would shrink the whole page to it.
    """
    table = for_page(table, head.ours, not head.chips)
    columns, lines = cells(table, with_marks=False)
    shown = []
    for line, row in zip(table.lines, lines, strict=True):
        numbers = [plain_number(line.values.get(column.key)) for column in columns]
        shown_cells = [
            {
                "text": text,
                "bold": bold,
                "sort": "" if number is None else repr(number),
                "kind": _kind(column.kind, text),
                "title": column.title,
            }
            for (text, bold), number, column in zip(row, numbers, columns, strict=True)
        ]
        shown_cells[table.names - 1] |= {"marks": line.marks, "link": _link(line.link, head.folder)}
        name = line.values.get(columns[table.names - 1].key)
        shown.append({"cells": shown_cells, "ours": head.ours is not None and _names(str(name), head.ours)})
    heads = [{"title": column.title, "kind": "text" if column.kind == "text" else "number"} for column in columns]
    printed = not table.folded or (len(heads) <= _TOO_WIDE and len(shown) <= _TOO_LONG)
    wide = len(heads) > _WIDE
    return {"heads": heads, "lines": shown, "wide": wide, "printed": printed, "note": table.note}


def _names(name: str, ours: str) -> bool:
    """Whether the name of a line is that of our row, alone or before rows that are the same."""
    return name == ours or name.startswith(f"{ours} and ")


def _link(target: Path | None, folder: Path) -> str:
    """The address of a folder of runs, relative to that of the page."""
    return "" if target is None else quote(Path(os.path.relpath(target, folder)).as_posix()) + "/"


def _unbroken(text: str) -> str:
    """Text in which `p = .03` and `.33 ± .01` do not fall apart at the end of a line."""
    return re.sub(r" ([=<±]) ", "\u00a0\\1\u00a0", text)


def _breaking(text: str) -> str:
    """The name of a metric, which may fall apart behind its @ and between its words on paper, as the style has it."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"@|(?<=[a-z])(?=[A-Z])", r"\g<0><wbr>", str(escape(text))))


def _name(label: str) -> str:
    """The label of a row, which may fall apart between its words, `uniform+list@learned`."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"(?=[+@])", "<wbr>", str(escape(label))))


def _brief(head: Head, title: str) -> str:
    """A heading without what the whole page is about."""
    return title.removesuffix(f": {head.subject}") if head.subject else title


def _kind(kind: str, text: str) -> str:
    if kind != "text":
        return "number"
    if text == MISSING:
        return "text none"
    if text == "NOT PASSED":
        return "text bad"
    return "text long" if len(text) > 40 else "text short"
