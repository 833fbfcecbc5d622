"""A table as Markdown, CSV and LaTeX, and its values as text for the page."""

from __future__ import annotations

import csv
import io
import re

from recbole_dtlns.comparison.report.table import MISSING, Column, Interval, Spread, Table, Value, plain_number
from recbole_dtlns.files.csv_text import text_row

MARKS = "Marks"
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
    """A value as readers see it: `.3363 ± .0043`, `.0042 [.0031, .0053]`; an en dash where it is missing."""
    if isinstance(value, Spread):
        text = _number(value.mean, kind)
        alone = value.sd is None or (kind == "count" and value.sd == 0)
        return text if alone else f"{text} ± {_number(value.sd or 0.0, 'metric' if kind == 'signed' else kind)}"
    if isinstance(value, Interval):
        text = _number(value.value, kind)
        if value.low is None or value.high is None:
            return text
        return f"{text} [{_number(value.low, kind)}, {_number(value.high, kind)}]"
    if isinstance(value, str):
        return value or MISSING
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value, kind)


def _number(value: float, kind: str) -> str:
    if value != value:
        return MISSING
    if kind == "p":
        return "< .0001" if value < 0.0001 else _fraction(value)
    if kind == "percent":
        return f"{_signed(100 * value, 1)} %"
    if kind == "effect":
        return _signed(value, 2)
    if kind == "count":
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    if kind == "seconds":
        return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
    if kind == "signed":
        return ("+" if value > 0 else "") + _fraction(value)
    return _fraction(value) if kind == "metric" else f"{value:.4g}".replace("-", "−")


def _fraction(value: float) -> str:
    """Four decimals without the zero in front; fewer for large numbers."""
    size = abs(value)
    text = f"{size:.4f}".removeprefix("0") if size < 10 else f"{size:,.1f}"
    return f"−{text}" if value < 0 and text.strip(".0") else text


def _signed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")


def cells(table: Table) -> tuple[list[Column], list[list[tuple[str, bool]]]]:
    """Columns and, for each line, (text, bold) of each cell; where any line has marks, they stand behind its name."""
    best = table.best()
    behind = table.names if table.marked else len(table.columns)
    marks = [Column("marks", MARKS)] if table.marked else []
    lines = []
    for number, line in enumerate(table.lines):
        row = [
            (shown(line.values.get(column.key), column.kind), (number, column.key) in best) for column in table.columns
        ]
        said = [("; ".join(line.marks) or MISSING, False)] if table.marked else []
        lines.append([*row[:behind], *said, *row[behind:]])
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
    held: dict[str, list[Value]] = {c.key: [line.values.get(c.key) for line in table.lines] for c in table.columns}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads, columns = [], []
    for key, values in held.items():
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
    body = "\n".join(f"{' & '.join(row)} " + r"\\" for row in rows)
    note = f"\n\\par\\footnotesize {escaped(table.note)}" if table.note else ""
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
        f"\\caption{{{escaped(table.title)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\begin{{tabular}}{{{spec}}}\n\\toprule\n{head} " + "\\\\\n\\midrule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}{note}\n\\end{{table}}\n"
    )


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in text)
