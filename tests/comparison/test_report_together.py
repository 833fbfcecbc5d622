"""The page says once what is the same for several rows or lines; files keep every line."""

from pathlib import Path

import pytest
from report_parts import GROUP, lines_of, page_of, section_of

pytest.importorskip("matplotlib")
from recbole_dtlns.comparison.report.table import Column, Line, Spread, Table
from recbole_dtlns.comparison.report.together import for_page

COLUMNS = (
    Column("row", "Row"),
    Column("bin", "Bin"),
    Column("pairs", "Pairs", "count"),
    Column("users", "Users", "count"),
)


def made_table(shared: bool = True, **pairs: int) -> Table:
    """Two lines a row, with the number of pairs of each."""
    lines = tuple(
        Line(
            {"row": row, "bin": name, "pairs": count, "users": Spread(943.0, 0.0)}, ("marked",) if row == "bad" else ()
        )
        for row, count in pairs.items()
        for name in ("low", "high")
    )
    return Table("t", "T", COLUMNS, lines, "A note.", shared=shared)


def test_rows_with_the_same_lines_stand_together_under_the_name_of_ours():
    table = for_page(made_table(dns=3, dtl_ns=3, other=4, bad=3), "dtl_ns")
    named = [(line.values["row"], line.values["bin"], line.values["pairs"]) for line in table.lines]
    alike, other, bad = "dtl_ns and 1 more", "other", "bad"
    assert named == [(row, name, 4 if row == other else 3) for row in (alike, other, bad) for name in ("low", "high")]
    assert table.note == "A note. dtl_ns and 1 more: the same for dns. Users: 943 in every line."
    assert [column.key for column in table.columns] == ["row", "bin", "pairs"]
    assert table.lines[-1].marks == ("marked",)  # a row with marks stands with none without


def test_what_all_rows_share_needs_no_names():
    table = for_page(made_table(dns=3, dtl_ns=3), None)
    assert [line.values["row"] for line in table.lines] == ["all 2 rows"] * 2
    assert table.note == "A note."  # of two lines no column is taken away


def test_other_tables_keep_their_rows_and_counts_that_vary():
    table = for_page(made_table(shared=False, dns=3, dtl_ns=4), "dtl_ns")
    assert [line.values["row"] for line in table.lines] == ["dns", "dns", "dtl_ns", "dtl_ns"]
    assert [column.key for column in table.columns] == ["row", "bin", "pairs"]
    varying = Table("t", "T", COLUMNS[::3], tuple(Line({"row": "a", "users": Spread(3.0, 1.0)}) for _ in range(4)))
    assert len(for_page(varying, None).columns) == 2


def test_the_page_has_less_than_the_files(made_report: Path):
    page = page_of(made_report)
    assert len(lines_of(made_report, f"overlap-{GROUP}")) > 2
    positives = section_of(page, "positives")
    assert " the same for " in positives or "all 2 rows" in positives
    assert "valid_recall@10" in lines_of(made_report, f"metrics-{GROUP}")[0]
    assert "Valid Recall@<wbr>10" not in page
    assert 'href="report/checks-runs.csv"' in section_of(page, "checks")
    assert "table-checks-runs" not in page
