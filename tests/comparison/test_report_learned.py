"""What the page says of the learned judge: each kind of evidence, and whether probabilities mean what they say."""

import json
from pathlib import Path

import pytest
from test_report import GROUP, lines_of, page_of, section_of, sections, small

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.plan.rows import make_row
from recbole_dtlns.comparison.report.table import Interval


def measure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def worth(group: str, lost: float, alone: float) -> dict:
    measured = {name: measure(lost) for name in ("log_loss", "auc", "ndcg@20")}
    return {"group": group, "features": 3, "lost": measured, "without": measured, "alone": {"auc": measure(alone)}}


BINS = [
    {"low": 0.003, "high": 0.01, "pairs": 900, "predicted": 0.006, "found": 0.007},
    {"low": 0.3, "high": 0.5, "pairs": 40, "predicted": 0.4, "found": 0.35},
]

GAINS = {"ndcg@20": measure(0.002), "log_loss": measure(-0.001), "auc": measure(0.0)}
ASKED = {"judges": ["llm"], "pairs": 900, "held_in_pairs": 800, "added": {"all users": GAINS}, "kept": False}
ASKED["per_thousand"] = {"ndcg@20": 0.0025, "log_loss": -0.00125}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rows with a judge; that of `dtl_ns` is the learned one, `mixgcf+pos` has reliability on valid alone."""
    rows = tuple(make_row(name) for name in ("dns", "dtl_ns"))
    home = small(tmp_path / "c", rows=rows)
    for path in sorted((home / "runs").glob("**/result.json")):
        result = json.loads(path.read_text())
        if result["judge"] == "none":
            continue
        seed = int(path.parent.name[-1])  # other seeds have another table, which is not shown
        result["reliability"] = {"valid": [{**BINS[0], "pairs": 100 + seed}]}
        if result["neg_sampler"] == "dtl_ns":
            groups = [{"group": "all", "features": 6, "all": {}}]
            groups += [worth("semantic tree", 0.05, 0.6), worth("structural tree", -0.002, 0.5)]
            for row in groups[1:]:
                row["lost"]["auc"] = measure(row["lost"]["auc"]["value"] + seed)
            learned = {"groups": groups, "reliability": BINS, "asked": ASKED}
            result["judging"] = {**result["judging"], "learned": learned}
        path.write_text(json.dumps(result))
    return home


def test_each_kind_of_evidence_has_a_line_with_its_intervals(folder: Path):
    tables = {table.name: table for table in sections(folder)["positives"].tables}
    lines = [line.values for line in tables[f"judge-groups-{GROUP}"].lines]
    assert [(line["row"], line["group"]) for line in lines] == [
        ("dtl_ns@rule", "semantic tree"),
        ("dtl_ns@rule", "structural tree"),
    ]
    assert lines[0]["ndcg_lost"] == Interval(0.05, pytest.approx(0.04), pytest.approx(0.06))
    assert lines[0]["auc_lost"].value == pytest.approx(0.05)  # of the first seed, 2020
    assert lines[1]["auc_alone"].value == 0.5
    assert lines[1]["log_loss_lost"].low < 0 < lines[1]["log_loss_lost"].high
    assert "one that holds 0 that it may be left out" in tables[f"judge-groups-{GROUP}"].note


def test_questions_to_a_language_model_stand_beside_what_they_bought(folder: Path):
    tables = {table.name: table for table in sections(folder)["positives"].tables}
    (line,) = (line.values for line in tables[f"questions-{GROUP}"].lines)
    assert (line["judges"], line["pairs"], line["held_in_pairs"], line["used"]) == ("llm", 900, 800, "no")
    assert line["ndcg_gained"] == Interval(0.002, pytest.approx(-0.008), pytest.approx(0.012))
    assert line["log_loss_gained"].value == -0.001
    assert line["bought"] == 0.0025


def test_predicted_stands_beside_found_for_held_in_pairs_and_valid(folder: Path):
    tables = {table.name: table for table in sections(folder)["positives"].tables}
    table = tables[f"reliability-{GROUP}"]
    rows = [(*(line.values[key] for key in ("row", "on", "probability", "pairs")),) for line in table.lines]
    assert sorted(rows) == sorted(
        [
            ("dtl_ns@rule", "held-in pairs", "0.003 to 0.01", 900),
            ("dtl_ns@rule", "held-in pairs", "0.3 to 0.5", 40),
            ("dtl_ns@rule", "valid", "0.003 to 0.01", 100),
            ("mixgcf+pos@rule", "valid", "0.003 to 0.01", 100),
        ]
    )
    held_in = next(line.values for line in table.lines if line.values["pairs"] == 40)
    assert (held_in["predicted"], held_in["found"]) == (0.4, 0.35)


def test_the_page_and_its_files_have_both_tables(folder: Path):
    assert main(["report", str(folder)]) == 0
    page = section_of(page_of(folder), "positives")
    assert "What each kind of evidence is worth to the learned judge" in page
    assert "+.0500 [+.0400, +.0600]" in page
    line = lines_of(folder, f"judge-groups-{GROUP}")[0]
    assert [float(line[f"ndcg_lost{end}"]) for end in ("", "_low", "_high")] == pytest.approx([0.05, 0.04, 0.06])
    assert lines_of(folder, f"reliability-{GROUP}")[0]["found"]


def test_judges_that_tell_neither_have_no_empty_tables(tmp_path: Path):
    rows = tuple(make_row(name) for name in ("dns", "dtl_ns"))
    home = small(tmp_path / "c", rows=rows)
    names = {table.name for table in sections(home)["positives"].tables}
    assert not names & {f"judge-groups-{GROUP}", f"reliability-{GROUP}"}
