"""What a report concludes: its summary, tests, marks and warnings."""

import csv
import inspect
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from made import FAILED_RUN, REFERENCE_MARK, make_comparison
from report_parts import GROUP, change_results, lines_of, page_of, section_of, sections, small, texts_of

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
from recbole_dtlns.comparison.number_text import fraction_text
from recbole_dtlns.comparison.report.sections import sections_of
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.report.standings import standings_text
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.statistics import OVER_SEEDS, OVER_USERS, over_seeds, over_users, turned
from recbole_dtlns.evaluation.leaks import LeakChecks


def results_of(folder: Path, label: str, model: str = "BPR") -> list[dict]:
    """What the finished seeds of a row without noise have written, in their order."""
    cell = folder / "runs/ml-100k" / model / label.replace(":", "-")
    return [json.loads(path.read_text()) for path in sorted(cell.glob("seed-*/result.json"))]


def test_the_summary_ranks_rows_without_marks(made: Path):
    """The marked rows have the highest means here."""
    labels = ["recbole:uniform", "dns", "mixgcf", "mixgcf+pos@rule", "dtl_ns@rule"]
    means = {label: np.mean([r["test_result"]["ndcg@20"] for r in results_of(made, label)]) for label in labels}
    means["EASE"] = np.mean([r["test_result"]["ndcg@20"] for r in results_of(made, "EASE", "EASE")])
    best = sorted(means, key=lambda label: -means[label])
    source = Source(read_comparison(made))
    assert source.groups[0].ranked("ndcg@20")[0].marks
    parts = sections(made)
    (verdict,) = parts["summary"].verdicts
    place = best.index("dtl_ns@rule")
    rank = ("first", "second", "third")[place]
    assert verdict.sentence.startswith(f"dtl_ns@rule is {rank} of 6 on NDCG@20: +.0")
    assert " over RecBole's uniform sampling, certain over users, not yet over 3 seeds. " in verdict.sentence
    other = best[1] if place == 0 else best[0]
    assert re.search(
        rf" {re.escape(other)}, the {'next' if place == 0 else 'first'}, is \.\d+ (above|below) it, ", verdict.sentence
    )
    lines = [(line.values["rank"], line.values["row"]) for line in verdict.table.lines]
    assert [label for rank, label in lines if rank] == best
    assert [rank for rank, _ in lines if rank] == [1, 2, 3, 4, 5, 6]
    assert {label for rank, label in lines if not rank} == {"dtl_ns@llm", "mixgcf+pos@llm"}
    assert len(verdict.table.columns) == 6
    ours = parts["significance"].points[0]
    assert f"dtl_ns@rule and {other}: " in ours.text or re.search(
        rf"dtl_ns@rule is \w+ {re.escape(other)} by", ours.text
    )


def test_the_verdict_has_the_differences_of_the_tests(made: Path):
    """Not of the means in `result.json`, which are rounded: one number stands once on the page."""
    source = Source(read_comparison(made))
    tested = source.against_baseline(source.groups[0])
    verdict = sections(made)["summary"].verdicts[0]
    differences = {line.values["row"]: line.values.get("difference") for line in verdict.table.lines}
    assert len(tested) > 5
    assert {label: differences[label].value for label in tested} == {
        label: compared.users.difference for label, compared in tested.items()
    }
    assert f": {fraction_text(tested['dtl_ns@rule'].users.difference, sign=True)} over RecBole's" in verdict.sentence
    assert fraction_text(tested["dns"].users.difference, sign=True) in standings_text(source.comparison)


def test_the_view_is_set_beside_the_same_positives_of_the_same_judge(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("keep_all", "rule"))
    leads = [point.lead for point in sections(folder)["significance"].points]
    view = [lead.partition(": ")[2].partition(",")[0] for lead in leads if lead.startswith("What the tree view gives")]
    assert view == ["dtl_ns@keep_all beside mixgcf+pos@keep_all", "dtl_ns@rule beside mixgcf+pos@rule"]
    for path in (folder / "runs/ml-100k/BPR/dtl_ns@rule").glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "neg_sampler_effective": "dns"}))
    leads = [point.lead for point in sections(folder)["significance"].points]
    assert not any("dtl_ns@rule beside mixgcf+pos@rule" in lead for lead in leads)  # there it is the view on dns


def test_a_mark_of_one_run_marks_its_row_everywhere(tmp_path: Path):
    folder = small(tmp_path / "c")
    path = folder / "runs/ml-100k/BPR/dns/seed-2022/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "marks": ["made elsewhere: codes"]}))
    parts = sections(folder)
    tables = [
        table for key in ("accuracy", "significance", "hardness", "coverage", "cost") for table in parts[key].tables
    ]
    for table in tables:
        for line in table.lines:
            named = "dns" in (line.values.get("row"), line.values.get("first"), line.values.get("second"))
            assert any("made elsewhere: codes" in mark for mark in line.marks) == named, table.name
    assert any("dns: made elsewhere: codes" in text for text in parts["summary"].warnings)


def test_marked_rows_show_their_mark_in_every_table_and_format(made_report: Path):
    seen = 0
    for path in (made_report / "report").glob("*.csv"):
        for line in csv.DictReader(path.open(newline="", encoding="utf-8")):
            names = [line.get(key) or "" for key in ("row", "first", "second", "run")]
            if any(name.endswith("@llm") or "@llm/" in name for name in names) and "trial" not in names[3]:
                assert REFERENCE_MARK in line["marks"], path.name
                for ending in (".md", ".tex") if not path.name.startswith("epochs-") else ():  # those are data alone
                    assert REFERENCE_MARK in path.with_suffix(ending).read_text(encoding="utf-8")
                seen += 1
    assert seen > 30
    for row in re.findall(r"<tr>.*?</tr>", page_of(made_report), re.DOTALL):
        if re.search(r'scope="row"[^>]*>(<a [^>]*>)?[^<]*@llm<', row):
            assert REFERENCE_MARK in row


def test_summary_says_what_holds_and_what_does_not(made_report: Path):
    page = page_of(made_report)
    text = (section_of(page, "summary") + section_of(page, "significance")).replace("\u00a0", " ")
    assert "No significant difference between dtl_ns@rule and mixgcf+pos@rule" in text
    assert "What the inferred positives give: mixgcf+pos@rule beside mixgcf, BPR on ml-100k" in text
    assert "mixgcf+pos@rule is above mixgcf by" in text  # the row that the lead names first
    assert "What the tree view gives: dtl_ns@rule beside mixgcf+pos@rule" in text
    assert "beside mixgcf, BPR on ml-100k" in text
    assert "mixgcf+pos@llm beside mixgcf," not in text  # one under test labels, one not
    assert f"1 failed run, not in any number here: {FAILED_RUN}" in text
    assert f"dtl_ns@llm, mixgcf+pos@llm: {REFERENCE_MARK}" in text


def test_tests_over_users_and_over_seeds_stand_apart(made_report: Path):
    users, seeds = (lines_of(made_report, f"ours-{GROUP}-{over}") for over in ("users", "seeds"))
    assert {line["first"] for line in users} == {"dtl_ns@rule"}
    assert len(users) == 7
    assert {line["n"] for line in users} == {"200"}
    assert {line["n"] for line in seeds} == {"2", "3"}
    assert len(lines_of(made_report, f"pairs-{GROUP}-users")) == 8 * 7 / 2
    assert "Holm" in (made_report / "report" / f"ours-{GROUP}-users.md").read_text(encoding="utf-8")


def test_tables_of_tests_hold_the_corrected_p_values(made: Path):
    source = Source(read_comparison(made))
    section = {section.key: section for section in sections_of(source)}["significance"]
    tables = {table.name: table for table in section.tables}
    for name, compared in (
        ("ours", source.against_ours(source.groups[0])),
        ("pairs", source.all_pairs(source.groups[0])),
    ):
        users, seeds = (tables[f"{name}-{GROUP}-{over}"].lines for over in ("users", "seeds"))
        keys = ("first", "second", "t_p", "permutation_p")
        expected = [(each.first, each.second, each.users_t_p, each.users_permutation_p) for each in compared]
        assert [tuple(line.values[key] for key in keys) for line in users] == expected
        assert any(each.users_t_p > each.users.t_p for each in compared)
        expected = [(each.first, each.second, each.seeds_p) for each in compared]
        assert [tuple(line.values[key] for key in ("first", "second", "p")) for line in seeds] == expected
    pairs = [*source.against_ours(source.groups[0]), *source.all_pairs(source.groups[0])]
    pairs += [turned(pair) for pair in pairs]
    sentences = {f"Over users: {over_users(each)} Over seeds: {over_seeds(each)}" for each in pairs}
    assert section.points
    # Words say what tables say, of the parts of the method.
    assert {point.text for point in section.points} <= sentences
    assert section.text[:2] == [OVER_USERS, OVER_SEEDS]


def test_noise_says_of_what_kind_it_is_and_keeps_the_marks_of_noisy_runs(tmp_path: Path):
    folder = small(tmp_path / "c", noise=(0.0, 0.1))
    path = folder / "runs/ml-100k/BPR/dns/noise-0.1/seed-2020/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "marks": ["made elsewhere: codes"]}))
    section = sections(folder)["noise"]
    assert section.text == [
        "Noise: random pairs were added to train, as a share of it. Valid and test are as they were."
    ]
    marks = {line.values["row"]: line.marks for line in section.tables[0].lines}
    assert marks == dict.fromkeys(marks, ()) | {"dns": ("made elsewhere: codes",)}
    assert len(marks) == 6
    (picture,) = section.pictures
    assert picture.alt.endswith("Marked: dns: made elsewhere: codes.")
    assert "dns (marked)" in texts_of(picture.draw())


def test_a_row_with_marks_is_not_praised(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("rule", "llm"))
    (group,) = Source(read_comparison(folder)).groups
    ranked = group.ranked("ndcg@20")
    assert ranked[0].marks
    best = next(row for row in ranked if not row.marks)
    (picture,) = sections(folder)["summary"].all_pictures
    assert (
        f"The highest mean of rows without marks has {best.label} with {best.test('ndcg@20').mean:.4f}." in picture.alt
    )
    change_results(folder, "*/*", lambda result, name: result.update(marks=["uses held-out counts"]))
    shutil.rmtree(folder / "runs/ml-100k/EASE")
    (picture,) = sections(folder)["summary"].all_pictures
    assert f"The highest mean has {ranked[0].label} [uses held-out counts] with" in picture.alt


def test_positives_that_look_filtered_are_told_once_and_in_these_words(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("rule", "keep_all"))
    name = "inferred positives were not filtered by test"
    assert 'f"inferred positives were not filtered by {part}"' in inspect.getsource(LeakChecks.finish)

    def filtered(result, run):
        counted = "0 are in test, by chance 42.4"
        result["checks"] = [{"when": "after", "name": name, "passed": False, "found": counted}]

    change_results(folder, "*@*/*", filtered)
    parts = sections(folder)
    warnings = [text for text in parts["summary"].warnings if "filtered" in text]
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "The inferred positives' overlap with test looks filtered by held-out labels (0 are in test, by chance 42.4): "
    )
    assert warnings[0].endswith("; 12 runs.")
    assert {"dtl_ns@rule", "dtl_ns@keep_all"} <= set(re.findall(r"[\w+]+@\w+", warnings[0]))
    words = [str(value) for table in parts["checks"].tables for line in table.lines for value in line.values.values()]
    assert not any("not filtered" in text for text in words)
    assert "overlap of inferred positives with test: looks filtered by held-out labels" in words


def test_many_findings_are_told_in_a_few_lines(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("rule", "keep_all"))

    def failed(result, run):
        result["checks"] = [{"when": "after", "name": "test is read once", "passed": False, "found": run}]

    change_results(folder, "*/*", failed)
    (warning,) = [text for text in sections(folder)["summary"].warnings if "read once" in text]
    assert warning.startswith("Leak check not passed: test is read once (seed-2020; seed-2021; seed-2022): ")
    assert warning.endswith(", and 2 more; 21 runs.")


def test_rows_on_other_users_cost_the_tests_and_no_more(tmp_path: Path):
    folder = make_comparison(tmp_path / "c", models=("BPR",), noise=(0.0,), trials=0, judges=("rule",))
    path = folder / "runs/ml-100k/BPR/dns/seed-2020/per_user.npz"
    with np.load(path) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    columns["users"][0] = "somebody"
    np.savez_compressed(path, **columns)
    parts = sections(folder)
    assert any("different users" in text for text in parts["significance"].warnings)
    assert parts["accuracy"].tables


def test_a_damaged_file_of_users_costs_one_row_its_tests(tmp_path: Path):
    folder = small(tmp_path / "c")
    path = folder / "runs/ml-100k/BPR/dns/seed-2021/per_user.npz"
    path.write_bytes(path.read_bytes()[:-300])
    section = sections(folder)["significance"]
    assert [
        text for text in section.warnings if "dns, BPR on ml-100k: left out of all tests" in text and str(path) in text
    ]
    pairs = {(line.values["first"], line.values["second"]) for line in section.tables[0].lines}
    assert pairs == {("dtl_ns@rule", row) for row in ("recbole:uniform", "mixgcf", "mixgcf+pos@rule", "EASE")}
    assert {line.values["row"] for line in sections(folder)["accuracy"].tables[0].lines} >= {"dns", "mixgcf"}
    path = folder / "runs/ml-100k/BPR/dtl_ns@rule/seed-2021/per_user.npz"
    path.write_bytes(b"")
    section = sections(folder)["significance"]
    assert len(section.warnings) == 2
    assert not [point for point in section.points if point.lead.startswith("Ours against")]  # tested against none
    pairs = next(table for table in section.tables if table.name.startswith("pairs-"))
    assert len(pairs.lines) == 4 * 3 / 2
