"""A table as Markdown, CSV and LaTeX, and its values as text for the page."""

from __future__ import annotations

import csv
import io
import re

from recbole_dtlns.comparison.number_text import (
    decimals_of,
    fraction_text,
    interval_text,
    number_text,
    p_text,
    percent_text,
    tick_text,
)
from recbole_dtlns.comparison.report.table import MISSING, Column, Interval, Spread, Table, Value, plain_number
from recbole_dtlns.files.csv_text import text_row

MARKS = "Marks"
_DECIMALS = {"seconds": 2, "count": 1, "percent": 1}  # most of a mean with a spread; of others 4
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "×": r"$\times$",
}


def shown(value: Value, kind: str = "text") -> str:
    """A value as readers see it: `.3363 ± .0043`, `.0042 [.0031, .0053]`; an en dash where it is missing.

    The decimals of a mean follow its spread, of which two digits are shown.
    """
    if isinstance(value, Spread):
        return _spread(value, kind)
    if isinstance(value, Interval):
        if value.low is None or value.high is None:
            return _number(value.value, kind)
        if kind in {"metric", "signed"} and abs(value.value) < 10:
            return interval_text(value.value, value.low, value.high, kind == "signed")
        return f"{_number(value.value, kind)} [{_number(value.low, kind)}, {_number(value.high, kind)}]"
    if isinstance(value, str):
        return value or MISSING
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value, kind)


def _spread(value: Spread, kind: str) -> str:
    if value.sd == 0 and kind not in {"count", "number"}:
        return f"{_number(value.mean, kind)} ± 0"
    decimals = decimals_of(value.sd, _DECIMALS.get(kind, 4))
    if value.sd is None or decimals is None:
        return _number(value.mean, kind)
    if kind == "percent":
        return f"{percent_text(value.mean, decimals)[:-2]} ± {percent_text(value.sd, decimals)}"
    return f"{number_text(value.mean, decimals, kind == 'signed')} ± {number_text(value.sd, decimals)}"


def _number(value: float, kind: str) -> str:
    if value != value:
        return MISSING
    if kind == "p":
        return p_text(value)
    if kind == "percent":
        return percent_text(value, 1 if abs(value) >= 0.01 else max(1, decimals_of(100 * value, 4) or 1))
    if kind == "effect":
        return number_text(value, 2)
    if kind == "count":
        return number_text(value, 0 if float(value).is_integer() else 1)
    if kind == "seconds":
        return number_text(value, 1 if abs(value) < 100 else 0)
    if kind == "signed":
        return fraction_text(value, sign=True)
    if kind == "metric":
        return number_text(value, 4 if abs(value) < 10 else 1)
    return tick_text(value)


def cells(table: Table, with_marks: bool = True) -> tuple[list[Column], list[list[tuple[str, bool]]]]:
    """Columns and, for each line, (text, bold) of each cell; where any line has marks, they stand behind its name."""
    best, marked = table.best(), with_marks and table.marked
    behind = table.names if marked else len(table.columns)
    marks = [Column("marks", MARKS)] if marked else []
    lines = []
    for number, line in enumerate(table.lines):
        row = [
            (shown(line.values.get(column.key), column.kind), (number, column.key) in best) for column in table.columns
        ]
        marks_of_line = [("; ".join(line.marks) or MISSING, False)] if marked else []
        lines.append([*row[:behind], *marks_of_line, *row[behind:]])
    return [*table.columns[:behind], *marks, *table.columns[behind:]], lines


def markdown(table: Table) -> str:
    """A GitHub table under its caption."""
    columns, lines = cells(table)
    rows = [[_piped(f"**{text}**" if bold else text) for text, bold in line] for line in lines]
    rule = ["---" if column.kind == "text" else "---:" for column in columns]
    head = [_piped(column.title) for column in columns]
    text = "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])
    note = f"\n\n{_piped(table.note)}" if table.note else ""
    return f"**{_piped(table.title)}**\n\n{text}{note}\n"


def _piped(text: str) -> str:
    """One line in which nothing ends a cell or begins a tag."""
    return _TAG.sub("&lt;", " ".join(text.split())).replace("|", r"\|")


def raw_csv(table: Table) -> str:
    """Raw numbers: a spread takes the columns KEY and KEY_sd, an interval KEY, KEY_low and KEY_high."""
    values_of: dict[str, list[Value]] = {c.key: [line.values.get(c.key) for line in table.lines] for c in table.columns}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads, columns = [], []
    for key, values in values_of.items():
        heads.append(key)
        columns.append([value if isinstance(value, str) else _raw(value) for value in values])
        for kind, ends in ((Spread, ("sd",)), (Interval, ("low", "high"))):
            for end in ends if any(isinstance(value, kind) for value in values) else ():
                heads.append(f"{key}_{end}")
                columns.append([_raw(getattr(value, end, None)) for value in values])
    if table.marked:
        heads.append("marks")
        columns.append(["; ".join(line.marks) for line in table.lines])
    writer.writerow(text_row(heads))
    writer.writerows(map(text_row, zip(*columns, strict=True)))
    return text.getvalue()


def _raw(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    number = plain_number(value)
    return "" if number is None else str(int(number)) if number.is_integer() else repr(number)


def latex(table: Table) -> str:
    r"""A `table` with booktabs rules; needs `\usepackage{booktabs}`."""
    columns, lines = cells(table)
    spec = "".join("l" if column.kind == "text" else "r" for column in columns)
    rows = [[rf"\textbf{{{escaped(text)}}}" if bold else escaped(text) for text, bold in line] for line in lines]
    head = " & ".join(escaped(column.title) for column in columns)
    body = "\n".join(f"{_no_option(' & '.join(row))} " + r"\\" for row in rows)
    note = f"\n\\par\\footnotesize {escaped(table.note)}" if table.note else ""
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
        f"\\caption{{{escaped(table.title)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\begin{{tabular}}{{{spec}}}\n\\toprule\n{head} " + "\\\\\n\\midrule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}{note}\n\\end{{table}}\n"
    )


def _no_option(line: str) -> str:
    r"""A line whose first sign LaTeX does not take for an option of the `\midrule` or the `\\` before it."""
    return "{}" + line if line.startswith(("[", "*")) else line


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in text)
