"""Tables as plain data and in every format."""

import csv
import io

import pytest

from recbole_dtlns.comparison.report.formats import escaped, latex, markdown, raw_csv, shown
from recbole_dtlns.comparison.report.table import Column, Interval, Line, Spread, Table, spread

COLUMNS = (
    Column("row", "Row"),
    Column("ndcg", "NDCG@20", "metric", "max"),
    Column("gini", "Gini", "metric", "min"),
    Column("p", "p", "p"),
)
LINES = (
    Line({"row": "a_b|c", "ndcg": Spread(0.3363, 0.0043), "gini": 0.5, "p": 0.00001}),
    Line({"row": "mixgcf", "ndcg": Spread(0.31, None), "gini": 0.4, "p": None}),
    Line({"row": "marked", "ndcg": Spread(0.9, 0.1), "gini": 0.1}, ("uses test labels",)),
)
TABLE = Table("t", "A & B", COLUMNS, LINES, "A note.")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Spread(0.3363, 0.0043), "metric", ".3363 ± .0043"),
        (Spread(0.3363), "metric", ".3363"),
        (Interval(0.0042, 0.0031, 0.0053), "signed", "+.0042 [+.0031, +.0053]"),
        (Interval(-0.0042), "signed", "−.0042"),
        (Spread(0.051, 0.0014), "signed", "+.0510 ± .0014"),
        (None, "metric", "–"),
        (float("nan"), "metric", "–"),
        ("", "text", "–"),
        (1.0, "metric", "1.0000"),
        (-0.00001, "metric", ".0000"),
        (0.00001, "p", "< .0001"),
        (0.03, "p", ".0300"),
        (18860, "count", "18,860"),
        (Spread(31.84, 0.0), "count", "31.8"),
        (0.125, "percent", "12.5 %"),
        (0.000172, "percent", "0.017 %"),
        (0.0, "percent", "0.0 %"),
        (Interval(0.00105, 0.0004, 0.0019), "signed", "+.0010 [+.0004, +.0019]"),
        (Interval(-0.000049, -0.0001, 0.000019), "signed", "−.00005 [−.00010, +.00002]"),
        (Interval(0.7341, 0.7210, 0.7472), "metric", ".7341 [.7210, .7472]"),
        (-0.000049, "signed", "−.000049"),
        (1234.56, "seconds", "1,235"),
        (125.04, "metric", "125.0"),
        (-1.071, "effect", "−1.07"),
        (0.35, "effect", ".35"),
        (Spread(107.77, 1.035), "metric", "107.8 ± 1.0"),
        (Spread(0.52612, 0.0354), "metric", ".526 ± .035"),
        (Spread(0.1105, 0.0), "metric", ".1105 ± 0"),
        (Spread(180.2, 26.5), "seconds", "180 ± 26"),
        (Spread(0.125, 0.0213), "percent", "12.5 ± 2.1 %"),
    ],
)
def test_values_look_as_in_the_readme(value, kind, text):
    assert shown(value, kind) == text


def test_spread_is_that_of_a_sample_and_skips_what_is_missing():
    assert spread([0.1, None, 0.3]) == Spread(pytest.approx(0.2), pytest.approx(0.1 * 2**0.5))
    assert spread([101.756] * 3).sd == 0  # not what rounding leaves
    assert spread([0.5]) == Spread(0.5, None)
    assert spread([None, float("nan")]) is None


def test_the_best_is_never_a_marked_line_and_ties_are_all_best():
    assert TABLE.best() == {(0, "ndcg"), (1, "gini")}
    tied = Table("t", "", COLUMNS, (LINES[0], LINES[0], LINES[1]))
    assert {(0, "ndcg"), (1, "ndcg")} <= tied.best()
    assert Table("t", "", COLUMNS, LINES[:1]).best() == set()


def test_markdown_has_bold_bests_marks_and_escaped_pipes():
    lines = markdown(TABLE).splitlines()
    assert lines[2] == "| Row | Marks | NDCG@20 | Gini | p |"
    assert lines[4] == r"| a_b\|c | – | **.3363 ± .0043** | .5000 | < .0001 |"
    assert lines[6] == "| marked | uses test labels | .90 ± .10 | .1000 | – |"
    assert lines[-1] == "A note."


def test_markdown_shows_text_that_looks_like_markup():
    line = Line({"row": "<b>|</b> <!-- x", "p": 0.00001})
    lines = markdown(Table("t", "a <i> | b", COLUMNS, (line,), "See <http://x>.")).splitlines()
    assert lines[0] == r"**a &lt;i> \| b**"
    assert lines[4] == r"| &lt;b>\|&lt;/b> &lt;!-- x | – | – | < .0001 |"
    assert lines[-1] == "See &lt;http://x>."


def test_csv_has_raw_numbers():
    rows = list(csv.DictReader(io.StringIO(raw_csv(TABLE))))
    assert rows[0] == {"row": "a_b|c", "ndcg": "0.3363", "ndcg_sd": "0.0043", "gini": "0.5", "p": "1e-05", "marks": ""}
    assert rows[1]["ndcg_sd"] == ""
    assert rows[2]["marks"] == "uses test labels"
    ends = Table("t", "", (Column("d", "d", "signed"),), (Line({"d": Interval(0.1, -0.2, 0.3)}), Line({})))
    assert raw_csv(ends).splitlines() == ["d,d_low,d_high", "0.1,-0.2,0.3", ",,"]


def test_latex_is_escaped_and_ruled():
    text = latex(TABLE)
    assert r"\caption{A \& B}" in text
    assert r"\begin{tabular}{llrrr}" in text
    assert r"a\_b|c & -- & \textbf{.3363 $\pm$ .0043} & .5000 & $<$ .0001 \\" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert "uses test labels" in text
    assert "\\par\\footnotesize A note." in text
    assert escaped("100 % #1_{x}^~\\") == r"100 \% \#1\_\{x\}\textasciicircum{}\textasciitilde{}\textbackslash{}"


@pytest.mark.parametrize("name", ["[12pt] title", "*"])
def test_the_name_of_a_line_is_no_option_of_latex(name: str):
    text = latex(Table("t", "T", (Column("row", "Row"),), (Line({"row": name}), Line({"row": name}))))
    assert text.count("\n{}" + name) == 2


def test_a_table_without_marks_has_no_column_for_them():
    plain = Table("t", "", COLUMNS, LINES[:2])
    assert "Marks" not in markdown(plain)
    assert "marks" not in raw_csv(plain)
