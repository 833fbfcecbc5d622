"""The table of most sections: a line a row of a group, with means over the seeds of the row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from recbole_dtlns.comparison.report.row import Row
from recbole_dtlns.comparison.report.source import Group
from recbole_dtlns.comparison.report.table import Column, Line, Table, Value, filled


def mean_table(
    name: str,
    title: str,
    group: Group,
    columns: Iterable[Column],
    values_of: Callable[[Row], Mapping[str, Value]],
    rows: Iterable[Row] | None = None,
    note: str = "",
    keep: int = 1,
    **shown_as: bool,
) -> Table | None:
    """A table with a line for each row.

    Args:
        name, title, group, note, keep, shown_as: as in `group_table`.
        columns: those behind the label of the row.
        values_of: the values of a row by column key; a row without any has no line.
        rows: some rows of the group; None: all.

    Returns:
        As `group_table`.
    """
    pairs = [(row, values_of(row)) for row in (group.rows if rows is None else rows)]
    lines = [Line({"row": row.label, **values}, row.marks) for row, values in pairs if values]
    return group_table(name, title, group, (Column("row", "Row"), *columns), lines, note, keep, **shown_as)


def group_table(
    name: str,
    title: str,
    group: Group,
    columns: Iterable[Column],
    lines: list[Line],
    note: str = "",
    keep: int = 1,
    **shown_as: bool,
) -> Table | None:
    """A table of a group, without the columns that no line has a value for.

    Args:
        name: of its files; data set and model are added.
        title: its caption; data set, model and noise rate are added.
        group: that the lines are of.
        columns: the first names the line.
        lines: from top to bottom.
        note: a sentence below the table.
        keep: how many columns stay without a value, from the left.
        shown_as: `folded`, `shared` and `in_file`, as a Table has them.

    Returns:
        None where no line has anything but its name.
    """
    shown = filled(columns, lines, keep)
    caption = f"{title}: {group.title}"
    table = Table(f"{name}-{group.slug}", caption, shown, tuple(lines), note, **shown_as)
    return table if lines and shown[1:] else None
