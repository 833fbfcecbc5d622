"""A table as the page has it: no columns for files alone, and what rows or lines share is said once."""

from __future__ import annotations

from dataclasses import replace

from recbole_dtlns.comparison.report.formats import shown
from recbole_dtlns.comparison.report.table import Column, Line, Spread, Table

_FEWEST = 4
"""Lines from which on a count that is the same in all of them is no column of its own."""


def for_page(table: Table, ours: str | None, single: bool = False) -> Table:
    """The table for the page; its files have every line and column.

    Args:
        table: of a section.
        ours: label of our row.
        single: there is one row alone, whose label needs no column where the next one names the lines too.
    """
    columns = [column for column in table.columns if not column.in_file]
    if single and len(columns) > 1 and columns[0].key == "row" and columns[1].kind == "text" and len(table.lines) > 1:
        columns = columns[1:]
    kept = replace(table, columns=tuple(columns))
    return _without_constants(_together(kept, ours) if kept.shared else kept)


def _without_constants(table: Table) -> Table:
    """Counts that are the same in every line are told in the note."""
    if len(table.lines) < _FEWEST:
        return table
    constant = [column for column in table.columns[table.names :] if _is_constant(table, column)]
    sentences = [
        f"{column.title}: {shown(table.lines[0].values[column.key], column.kind)} in every line." for column in constant
    ]
    columns = tuple(column for column in table.columns if column not in constant)
    return replace(table, columns=columns, note=" ".join(filter(None, [table.note, *sentences])))


def _is_constant(table: Table, column: Column) -> bool:
    values = [line.values.get(column.key) for line in table.lines]
    varies = isinstance(values[0], Spread) and bool(values[0].sd)
    return column.kind == "count" and values[0] is not None and not varies and len(set(values)) == 1


def _together(table: Table, ours: str | None) -> Table:
    """Rows whose lines are the same as one, `dns and 2 more`, and a note that names them, or `all 7 rows`.

    Ours, or else the first row, gives them its name.
    """
    key = table.columns[0].key
    by_row: dict[str, list[Line]] = {}
    for line in table.lines:
        by_row.setdefault(str(line.values[key]), []).append(line)
    alike: dict[tuple[object, ...], list[str]] = {}
    for label, own_lines in by_row.items():
        content = tuple((tuple(line.values.get(c.key) for c in table.columns[1:]), line.marks) for line in own_lines)
        alike.setdefault(content, []).append(label)
    lines, notes = [], []
    for labels in alike.values():
        first = ours if ours in labels else labels[0]
        others = [label for label in labels if label != first]
        name = f"{first} and {len(others)} more" if others else first
        if others and len(alike) == 1:
            name = f"all {len(labels)} rows"
        elif others:
            notes.append(f"{name}: the same for {', '.join(others)}.")
        lines += [replace(line, values={**line.values, key: name}) for line in by_row[first]]
    return replace(table, lines=tuple(lines), note=" ".join(filter(None, [table.note, *notes])))
