"""What a report says of a comparison, and that every format says it."""

import csv
import inspect
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made import FAILED_RUN, REFERENCE_MARK, make_comparison

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.report.plots.style import look_of
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections import sections_of
from recbole_dtlns.comparison.report.source import Source, best_of
from recbole_dtlns.comparison.run.records import RunRecord, read_comparison
from recbole_dtlns.comparison.run.summary import summary_text
from recbole_dtlns.comparison.statistics import OVER_SEEDS, OVER_USERS, over_seeds, over_users
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation.leaks import LeakChecks

GROUP = "ml-100k-BPR"


def lines_of(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "report" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page_of(report: Path) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


def section_of(page: str, key: str) -> str:
    return page.partition(f'<section id="{key}"')[2].partition("</section>")[0]


def sections(folder: Path, **options: str) -> dict[str, Section]:
    return {section.key: section for section in sections_of(Source(read_comparison(folder), **options))}


def test_accuracy_is_mean_and_spread_of_the_runs(made: Path, made_report: Path):
    found = {line["row"]: line for line in lines_of(made_report, f"accuracy-{GROUP}")}
    results = [
        json.loads((made / f"runs/ml-100k/BPR/dtl_ns@rule/seed-{seed}/result.json").read_text())["test_result"][
            "ndcg@20"
        ]
        for seed in (2020, 2021, 2022)
    ]
    assert float(found["dtl_ns@rule"]["test_ndcg@20"]) == pytest.approx(np.mean(results))
    assert float(found["dtl_ns@rule"]["test_ndcg@20_sd"]) == pytest.approx(np.std(results, ddof=1))
    assert found["dns"]["seeds"] == "2"  # one has failed
    assert found["EASE"]["judge"] == ""
    assert list(found)[-1] == "EASE"


def results_of(folder: Path, label: str, model: str = "BPR") -> list[dict]:
    """What the finished seeds of a row without noise have written, in their order."""
    cell = folder / "runs/ml-100k" / model / label.replace(":", "-")
    return [json.loads(path.read_text()) for path in sorted(cell.glob("seed-*/result.json"))]


def test_of_a_metric_neither_end_may_be_better():
    expected = {"ndcg@20": "max", "itemcoverage@10": "max", "giniindex@20": "min", "averagepopularity@20": None}
    assert {metric: best_of(metric) for metric in expected} == expected


def test_the_best_row_is_the_first_and_is_named_beside_the_plot(tmp_path: Path):
    folder = small(tmp_path / "c")
    (group,) = Source(read_comparison(folder)).groups
    for metric, sign in (("ndcg@20", -1), ("giniindex@20", 1)):
        means = [sign * row.test(metric).mean for row in group.ranked(metric)]
        assert means == sorted(means)
    (picture,) = sections(folder)["accuracy"].pictures
    best = group.ranked("ndcg@20")[0]
    assert f"The highest mean has {best.label} with {best.test('ndcg@20').mean:.4f}." in picture.alt


def test_the_summary_ranks_rows_without_marks(made: Path):
    """The marked rows have the highest means here."""
    labels = ["recbole:uniform", "dns", "mixgcf", "mixgcf+pos@rule", "dtl_ns@rule"]
    means = {label: np.mean([r["test_result"]["ndcg@20"] for r in results_of(made, label)]) for label in labels}
    means["EASE"] = np.mean([r["test_result"]["ndcg@20"] for r in results_of(made, "EASE", "EASE")])
    best = sorted(means, key=lambda label: -means[label])
    source = Source(read_comparison(made))
    assert source.groups[0].ranked("ndcg@20")[0].marks
    leaders, ours = sections(made)["summary"].points[:2]
    assert leaders.text.startswith("Highest mean test NDCG@20 of 6 rows without marks, over 2 to 3 seeds: ")
    assert re.findall(r"[:,] ([\w:+@]+) \.\d", leaders.text) == best[:3]
    other = next(label for label in best if label != "dtl_ns@rule")
    assert f"dtl_ns@rule and {other}: " in ours.text or re.search(
        rf"dtl_ns@rule is \w+ {re.escape(other)} by", ours.text
    )


def test_the_view_is_set_beside_the_same_positives_of_the_same_judge(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("keep_all", "rule"))
    leads = [point.lead for point in sections(folder)["summary"].points]
    view = [lead.partition(": ")[2].partition(",")[0] for lead in leads if lead.startswith("What the tree view gives")]
    assert view == ["dtl_ns@keep_all beside mixgcf+pos@keep_all", "dtl_ns@rule beside mixgcf+pos@rule"]
    for path in (folder / "runs/ml-100k/BPR/dtl_ns@rule").glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "neg_sampler_effective": "dns"}))
    leads = [point.lead for point in sections(folder)["summary"].points]
    assert not any("dtl_ns@rule beside mixgcf+pos@rule" in lead for lead in leads)  # there it is the view on dns


def test_a_mark_of_one_run_marks_its_row_everywhere(tmp_path: Path):
    folder = small(tmp_path / "c")
    path = folder / "runs/ml-100k/BPR/dns/seed-2022/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "marks": ["made elsewhere: codes"]}))
    found = sections(folder)
    tables = [
        table for key in ("accuracy", "significance", "hardness", "coverage", "cost") for table in found[key].tables
    ]
    for table in tables:
        for line in table.lines:
            named = "dns" in (line.values.get("row"), line.values.get("first"), line.values.get("second"))
            assert any("made elsewhere: codes" in mark for mark in line.marks) == named, table.name
    assert any("dns: made elsewhere: codes" in text for text in found["summary"].warnings)


def test_what_is_to_come_is_said_at_the_top(made_report: Path, tmp_path: Path):
    from recbole_dtlns.comparison.report import write_report

    folder = small(tmp_path / "c", trials=2)
    for seed in (2021, 2022):
        shutil.rmtree(folder / f"runs/ml-100k/BPR/dns/seed-{seed}")
    page = write_report(read_comparison(folder), tmp_path / "out").read_text(encoding="utf-8")
    assert re.findall(r"<li>(\d+ [^<]*)</li>", page) == ["16 finished runs and 10 trials", "2 not finished"]
    assert "2 runs not finished yet: means are over the seeds that are there." in section_of(page, "summary")
    assert "ml-100k/BPR/dns/seed-2021, ml-100k/BPR/dns/seed-2022." in section_of(page, "failed")
    assert "<li>1 failed</li>" in page_of(made_report)


def test_chosen_keys_and_trials_are_told(made_report: Path):
    found = {line["row"]: line for line in lines_of(made_report, f"training-{GROUP}")}
    assert found["dns"]["chosen"] == "neg_candidates 20"
    assert found["dns"]["trials"] == "2"
    assert found["recbole:uniform"]["trials"] == "0"


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
        if re.search(r'<th scope="row"[^>]*>[^<]*@llm<', row):
            assert REFERENCE_MARK in row


def test_summary_says_what_holds_and_what_does_not(made_report: Path):
    text = section_of(page_of(made_report), "summary").replace("\u00a0", " ")
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
    for name, found in (("ours", source.against_ours(source.groups[0])), ("pairs", source.all_pairs(source.groups[0]))):
        users, seeds = (tables[f"{name}-{GROUP}-{over}"].lines for over in ("users", "seeds"))
        keys = ("first", "second", "t_p", "permutation_p")
        held = [(each.first, each.second, each.users_t_p, each.users_permutation_p) for each in found]
        assert [tuple(line.values[key] for key in keys) for line in users] == held
        assert any(each.users_t_p > each.users.t_p for each in found)
        held = [(each.first, each.second, each.seeds_p) for each in found]
        assert [tuple(line.values[key] for key in ("first", "second", "p")) for line in seeds] == held
    said = [
        f"Over users: {over_users(each)} Over seeds: {over_seeds(each)}"
        for each in source.against_ours(source.groups[0])
    ]
    assert [point.text for point in section.points] == said
    assert section.text[:2] == [OVER_USERS, OVER_SEEDS]


def test_masks_stand_side_by_side_with_their_difference(made_report: Path):
    found = [line for line in lines_of(made_report, f"masks-{GROUP}") if line["metric"] == "NDCG@20"]
    assert [line["row"] for line in found] == ["dtl_ns@llm", "mixgcf+pos@llm"]
    for line in found:
        honest, reference = float(line["honest"]), float(line["reference"])
        assert float(line["difference"]) == pytest.approx(reference - honest)
        assert float(line["relative"]) == pytest.approx(0.3)
    assert "The mask alone changes it by +30.0 %" in page_of(made_report)


def test_noise_and_its_drop(made_report: Path):
    found = {line["row"]: line for line in lines_of(made_report, f"noise-{GROUP}")}
    clean, noisy = (float(found["mixgcf"][f"noise_{level}"]) for level in ("0", "0.1"))
    assert float(found["mixgcf"]["drop_0.1"]) == pytest.approx(noisy / clean - 1)
    assert "noise_0.1_sd" in found["mixgcf"]


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


def test_trees_cost_versions_and_data(made_report: Path):
    trees = {line["row"]: line for line in lines_of(made_report, f"trees-{GROUP}")}["dtl_ns@rule"]
    assert [trees[key] for key in ("leaves_co", "depth_co", "leaves_se", "depth_se")] == ["64", "3", "60", "5"]
    keys = [key for key in trees if not key.endswith("_sd")]
    assert keys[1:6] == ["items", "leaves_co", "depth_co", "leaves_se", "depth_se"]  # as their heads say
    costs = {line["row"]: line for line in lines_of(made_report, f"cost-{GROUP}")}["dtl_ns@rule"]
    stages = {"trees": 4.1, "candidates": 1.2, "judging": 0.4, "sampling": 4.2, "evaluation": 3, "memory": 812.4}
    assert {key: float(costs[key]) for key in stages} == pytest.approx(stages)
    assert {"package": "torch", "version": "2.13.0"} in lines_of(made_report, "versions")
    assert {"package": "bitsandbytes", "version": "not installed"} in lines_of(made_report, "versions")
    data = lines_of(made_report, "data")[0]
    assert float(data["density"]) == pytest.approx((80808 + 2 * 9596) / (943 * 1682))
    every = {line["row"]: line for line in lines_of(made_report, f"metrics-{GROUP}")}["dns"]
    assert {"test_recall@10", "test_giniindex@20", "valid_recall@10", "valid_giniindex@20"} <= set(every)
    assert any("/trial-0" in line["run"] for line in lines_of(made_report, "checks-runs"))


def test_hardness_is_a_mean_over_seeds_beside_its_own_chance(made: Path, tmp_path: Path):
    folder = small(tmp_path / "c")
    for seed, value in ((2020, 0.1), (2021, 0.2), (2022, 0.6)):
        path = folder / f"runs/ml-100k/BPR/dns/seed-{seed}/result.json"
        result = json.loads(path.read_text())
        hardness = {
            "score_gap": value,
            "valid_share": value,
            "valid_chance": 0.01,
            "test_share": 0.4,
            "test_chance": 0.02,
        }
        path.write_text(json.dumps({**result, "hardness": hardness}))
    (table,) = sections(folder)["hardness"].tables
    line = next(line for line in table.lines if line.values["row"] == "dns")
    assert line.values["score_gap"] == line.values["valid_share"] == pytest.approx(0.3)
    heads = [column.title for column in table.columns]
    for share, chance in (("Valid", 0.01), ("Test", 0.02)):
        beside = table.columns[heads.index(f"{share} positives among negatives") + 1]
        assert beside.title == "... by chance"
        assert line.values[beside.key] == pytest.approx(chance)


def test_coverage_is_that_of_the_same_cutoff(made_report: Path):
    names = ["row", "marks", "test_ndcg@20", "test_itemcoverage@20", "test_averagepopularity@20", "test_giniindex@20"]
    assert {key.removesuffix("_sd") for key in lines_of(made_report, f"coverage-{GROUP}")[0]} == set(names)


def test_positives_their_cost_and_the_language_model(made_report: Path):
    overlap = lines_of(made_report, f"overlap-{GROUP}")[0]
    assert (overlap["test"], overlap["test_chance"], overlap["source"]) == ("970", "31.8", "EASE")
    precision = lines_of(made_report, f"precision-{GROUP}")
    assert precision[0]["precision"] == "0.05"  # (20 + 0) / 400, the same in three seeds
    assert precision[0]["pairs"] == "400"  # each pair once
    assert {line["row"] for line in lines_of(made_report, f"llm-card-{GROUP}")} == {"dtl_ns@llm", "mixgcf+pos@llm"}
    card = lines_of(made_report, f"llm-card-{GROUP}")[0]
    named = {name: card[name] for name in ("model", "revision", "quantization", "answers", "prompt", "prompt_hash")}
    assert list(named.values()) == ["made/Tiny-1B", "abc123", "nf4", "label scores", "compact", "0123abcd"]
    assert [line["scorer"] for line in lines_of(made_report, f"judge-report-{GROUP}")][:2] == ["llm", "rule"]
    assert lines_of(made_report, f"judged-{GROUP}")[0]["accepted"] == "4715"
    assert "Memorisation" in section_of(page_of(made_report), "positives")


def change_results(folder: Path, pattern: str, change) -> None:
    """Write what `change` makes of each `result.json` below the runs of BPR."""
    paths = sorted((folder / "runs/ml-100k/BPR").glob(f"{pattern}/result.json"))
    assert paths
    for path in paths:
        result = json.loads(path.read_text())
        change(result, path.parent.name)
        path.write_text(json.dumps(result))


def test_the_cost_of_judging_is_what_all_runs_have_paid(tmp_path: Path):
    """Here a trial of one row has asked, and every other run of the judge found the verdicts ready."""
    folder = small(tmp_path / "c", judges=("rule", "llm"), trials=2)

    def ready(result, name):
        result["identification"] |= {"llm_calls": 0, "prompt_tokens": 0, "unreadable": 0}

    def paid(result, name):
        result["identification"] |= {"llm_calls": 9450, "prompt_tokens": 316_167, "unreadable": 2}
        result["seconds"]["judging"] = 1800.0

    change_results(folder, "*@*/*", ready)
    change_results(folder, "mixgcf+pos@llm/trial-0", paid)
    tables = {table.name: table for table in sections(folder)["positives"].tables}
    held = {line.values["judge"]: line for line in tables["judging"].lines}
    assert list(held) == ["rule", "llm"] or list(held) == ["llm", "rule"]
    llm = held["llm"].values
    assert {key: llm[key] for key in ("llm_calls", "prompt_tokens", "unreadable", "asking")} == {
        "llm_calls": 9450,
        "prompt_tokens": 316_167,
        "unreadable": 2,
        "asking": 1,
    }
    runs = [run for run in read_comparison(folder).runs if run.judge == "llm"]
    assert any(run.trial is not None for run in runs)
    assert llm["runs"] == len(runs)
    assert llm["seconds"] == pytest.approx(1800 + 0.4 * (len(runs) - 1))
    assert held["rule"].values["llm_calls"] == 0
    assert f"mixgcf+pos@llm: {REFERENCE_MARK}" in held["llm"].marks
    assert "Verdicts found ready cost nothing" in tables["judging"].note
    judged = {line.values["row"]: line.values for line in tables[f"judged-{GROUP}"].lines}
    assert (judged["dtl_ns@llm"]["pairs"].mean, judged["dtl_ns@llm"]["accepted"].mean) == (18860, 4715)
    assert "llm_calls" not in judged["dtl_ns@llm"]


def test_judges_of_other_settings_are_paid_apart(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("llm",))

    def other(result, name):
        result["judging"]["judge"] = {**result["judging"]["judge"], "revision": "another"}

    change_results(folder, "dtl_ns@llm/*", other)
    table = next(table for table in sections(folder)["positives"].tables if table.name == "judging")
    assert {(line.values["rows"], line.values["llm_calls"]) for line in table.lines} == {
        ("dtl_ns@llm", 3 * 590),
        ("mixgcf+pos@llm", 3 * 590),
    }


def test_heads_of_a_table_can_be_told_apart(made: Path):
    for table in sections(made)["positives"].tables:
        heads = [column.title for column in table.columns]
        assert len(heads) == len(set(heads)), table.name


def test_few_pairs_are_not_drawn_and_other_seeds_are_told(tmp_path: Path):
    folder = small(tmp_path / "c")

    def few(result, name):
        result["precision"][3] = {"low": 0.3, "high": 0.4, "pairs": 19, "valid": 19, "test": 0}
        if name == "seed-2021":
            result["precision"][0]["pairs"] = 500

    change_results(folder, "dtl_ns@rule/*", few)
    (axes,) = drawn(folder, "positives", "precision")
    y = ends(axes)["dtl_ns@rule"][1]
    assert [place for place, value in enumerate(y) if np.isnan(value)] == [3]
    table = next(t for t in sections(folder)["positives"].tables if t.name == f"precision-{GROUP}")
    pairs = [line.values["pairs"] for line in table.lines if line.values["row"] == "dtl_ns@rule"]
    assert pairs == [400, 400, 400, 19, *[400] * 6]  # those of the first seed
    assert "Pairs of the first seed; those of other seeds differ for dtl_ns@rule." in table.note
    assert "fewer than 20 pairs" in table.note

    def none(result, name):
        result["precision"] = [{**entry, "pairs": 19} for entry in result["precision"]]

    change_results(folder, "*@rule/*", none)
    found = sections(folder)["positives"]
    assert found.pictures == []
    assert any(t.name == f"precision-{GROUP}" for t in found.tables)


def test_words_beside_figures_name_the_reasons_of_marks(made: Path):
    pictures = {picture.name: picture for section in sections(made).values() for picture in section.pictures}
    for kind in ("accuracy", "precision", "masks"):
        alt = pictures[f"{kind}-{GROUP}"].alt
        assert re.search(rf"Marked: [^.]*dtl_ns@llm[^.]*: {re.escape(REFERENCE_MARK)}\.", alt), kind
    marked = {name: any("(marked)" in text for text in texts_of(one.draw())) for name, one in pictures.items()}
    assert {name: "Marked:" in one.alt for name, one in pictures.items()} == marked
    assert sum(marked.values()) > 8


def test_words_beside_the_plot_of_accuracy_tell_what_it_has(tmp_path: Path):
    folder = small(tmp_path / "c")
    name = "giniindex@20"
    (table, *_) = sections(folder, metric=name)["accuracy"].tables
    assert f"test_{name}" in {column.key for column in table.columns}
    assert "bootstrap interval" in sections(folder)["accuracy"].pictures[0].alt
    for path in folder.glob("runs/**/per_user.npz"):
        path.unlink()
    section = sections(folder)["accuracy"]
    assert "interval" not in section.pictures[0].alt + section.tables[0].note


def test_a_row_with_marks_is_not_praised(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("rule", "llm"))
    (group,) = Source(read_comparison(folder)).groups
    ranked = group.ranked("ndcg@20")
    assert ranked[0].marks
    best = next(row for row in ranked if not row.marks)
    (picture,) = sections(folder)["accuracy"].pictures
    assert (
        f"The highest mean of rows without marks has {best.label} with {best.test('ndcg@20').mean:.4f}." in picture.alt
    )
    change_results(folder, "*/*", lambda result, name: result.update(marks=["uses held-out counts"]))
    shutil.rmtree(folder / "runs/ml-100k/EASE")
    (picture,) = sections(folder)["accuracy"].pictures
    assert f"The highest mean has {ranked[0].label} [uses held-out counts] with" in picture.alt


def test_the_accuracy_table_has_the_interval_of_one_metric(made: Path, made_report: Path):
    from recbole_dtlns.comparison.report.plots.accuracy import user_interval

    group = Source(read_comparison(made)).groups[0]
    found = {line["row"]: line for line in lines_of(made_report, f"accuracy-{GROUP}")}
    for row in group.rows:
        ends = [float(found[row.label][f"test_ndcg@20_{end}"]) for end in ("low", "high")]
        assert ends == pytest.approx(user_interval(row, "ndcg@20"))
        assert ends[0] < row.test("ndcg@20").mean < ends[1]
    keys = [key for key in found["dns"] if key.endswith(("_low", "_high"))]
    assert keys == ["test_ndcg@20_low", "test_ndcg@20_high"]
    for ending in ("md", "tex"):
        text = (made_report / "report" / f"accuracy-{GROUP}.{ending}").read_text(encoding="utf-8")
        assert "NDCG@20, low" in text
        assert "bootstrap interval of the mean test NDCG@20 over users" in text


def test_positives_that_look_filtered_are_told_once_and_in_these_words(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("rule", "keep_all"))
    name = "inferred positives were not filtered by test"
    assert 'f"inferred positives were not filtered by {part}"' in inspect.getsource(LeakChecks.finish)

    def filtered(result, run):
        found = "0 are in test, by chance 42.4"
        result["checks"] = [{"when": "after", "name": name, "passed": False, "found": found}]

    change_results(folder, "*@*/*", filtered)
    found = sections(folder)
    said = [text for text in found["summary"].warnings if "filtered" in text]
    assert len(said) == 1
    assert said[0].startswith(
        "The inferred positives' overlap with test looks filtered by held-out labels (0 are in test, by chance 42.4): "
    )
    assert said[0].endswith("; 12 runs.")
    assert {"dtl_ns@rule", "dtl_ns@keep_all"} <= set(re.findall(r"[\w+]+@\w+", said[0]))
    words = [str(value) for table in found["checks"].tables for line in table.lines for value in line.values.values()]
    assert not any("not filtered" in text for text in words)
    assert "overlap of inferred positives with test: looks filtered by held-out labels" in words


def test_many_findings_are_told_in_a_few_lines(tmp_path: Path):
    folder = small(tmp_path / "c", judges=("rule", "keep_all"))

    def failed(result, run):
        result["checks"] = [{"when": "after", "name": "test is read once", "passed": False, "found": run}]

    change_results(folder, "*/*", failed)
    (said,) = [text for text in sections(folder)["summary"].warnings if "read once" in text]
    assert said.startswith("Leak check not passed: test is read once (seed-2020; seed-2021; seed-2022): ")
    assert said.endswith(", and 2 more; 21 runs.")


def test_failed_runs_and_leak_checks(made_report: Path):
    assert lines_of(made_report, "failed") == [{"run": FAILED_RUN, "reason": "MemoryError: out of | memory & <time>"}]
    assert "&lt;time&gt;" in section_of(page_of(made_report), "failed")
    kinds = lines_of(made_report, "checks")
    assert [line["when"] for line in kinds] == ["before", "after"]
    assert {line["outcome"] for line in kinds} == {"passed"}
    assert lines_of(made_report, "checks-comparison")


def test_a_check_that_failed_is_said_at_the_top(tmp_path: Path):
    folder = make_comparison(tmp_path / "c", models=("BPR",), noise=(0.0,), trials=0, judges=("rule",))
    path = folder / "runs/ml-100k/BPR/dns/seed-2020/result.json"
    result = json.loads(path.read_text())
    result["checks"][0]["passed"] = False
    path.write_text(json.dumps(result))
    found = sections(folder)
    assert "Leak check not passed: no pair in two parts (0 shared pairs): dns; 1 run." in found["summary"].warnings
    outcomes = [line.values["outcome"] for line in found["checks"].tables[-2].lines]
    assert outcomes == ["NOT PASSED", "passed"]


def test_commands_are_those_of_the_runs(made: Path, made_report: Path):
    page = section_of(page_of(made_report), "commands")
    words = [shlex.split(line) for line in re.findall(r"python -m recbole_dtlns --[^\n<]*", page)]
    ours = next(line for line in words if "--neg_sampler=dtl_ns" in line and "--seed=2021" in line)
    assert {"--model=BPR", "--dataset=ml-100k", "--judge=rule", "--neg_candidates=20", "--split_seed=2020"} <= set(ours)
    assert f"compare --plan={made / 'plan.yaml'}" in page


def test_every_run_has_its_own_command(made: Path):
    (_, commands, *_) = sections(made)["commands"].commands
    words = [shlex.split(line) for line in commands.lines]
    places = [next(word for word in line if word.startswith("--run_dir=")) for line in words]
    assert len(set(places)) == len(places)
    for line, place in zip(words, places, strict=True):
        assert f"--seed={place.rpartition('seed-')[2].removesuffix('-again')}" in line
        assert ("--noise_rate=0.1" in line) == ("/noise-0.1/" in place)


def test_configuration_common_and_by_row(made_report: Path):
    common = {line["key"]: line["value"] for line in lines_of(made_report, "configuration")}
    assert common["learning_rate"] == "0.003"
    assert "seed" not in common
    differing = {line["row"]: line["differs"] for line in lines_of(made_report, f"differences-{GROUP}")}
    assert "judge=llm" in differing["dtl_ns@llm"]
    assert "learning_rate" not in "".join(differing.values())


class Anchors(HTMLParser):
    """Ids, targets of links, and what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.unnamed: list[str] = []
        self._svg: str | None = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        for key in ("href", "xlink:href", "src", "srcset", "data", "action", "poster"):
            value = given.get(key)
            if value and value.startswith("#"):
                self.links.append(value[1:])
            elif value and value != "data:,":
                self.fetched.append(value)
        if tag == "svg" and (given.get("role") != "img" or not given.get("aria-labelledby")):
            self.unnamed.append(str(given))
        self.links += (given.get("aria-labelledby") or "").split() + (given.get("aria-describedby") or "").split()


def test_the_page_is_whole_and_fetches_nothing(made_report: Path):
    page, found = page_of(made_report), Anchors()
    found.feed(page)
    assert found.fetched == []
    assert found.unnamed == []
    assert len(found.ids) == len(set(found.ids))
    assert set(found.links) <= set(found.ids)
    references = re.findall(r"url\(([^)]*)\)", page)
    assert references
    assert {reference[0] for reference in references} == {"#"}
    assert {reference[1:] for reference in references} <= set(found.ids)
    assert "@import" not in page
    shown = re.findall(r'<desc id="([^"]+)-desc">(.*?)</desc>', page)
    assert len(shown) == page.count("<svg")
    assert all(len(words) > 40 for _, words in shown)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert page.count("Bold: the best mean of a column among rows without marks.") == 2  # of one metric, and of all
    assert "All tests are two-sided; significant means below .05 after correction." in page
    assert page.count('role="img"') == page.count("<svg") == len(list((made_report / "report").glob("*.svg")))


def test_figures_follow_the_colours_of_the_page_and_have_words(made_report: Path):
    page = page_of(made_report)
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "currentColor" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn.lower())) <= {"#ffffff", "#000000"}
    for path in (made_report / "report").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<title>" in text
        assert "<desc>" in text
        assert "<text" in text  # text stays text
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_rows_look_different_and_the_same_everywhere():
    labels = [str(number) for number in range(60)]
    looks = {(look.colour, look.marker) for look in (look_of(labels, label) for label in labels)}
    assert len(looks) == 60


def test_the_same_runs_give_the_same_page(made: Path, made_report: Path, tmp_path: Path):
    from recbole_dtlns.comparison.report import write_report

    again = write_report(read_comparison(made), tmp_path)
    assert again.read_text(encoding="utf-8") == page_of(made_report)


@pytest.mark.parametrize("row", ["dtl_ns@rule", "recbole:uniform", "EASE"])
def test_a_single_run_has_a_report_of_what_it_has(made: Path, tmp_path: Path, row: str, capsys):
    model = "EASE" if row == "EASE" else "BPR"
    run = tmp_path / "run"
    shutil.copytree(made / "runs/ml-100k" / model / row.replace(":", "-") / "seed-2020", run)
    assert main(["report", str(run), f"--out={tmp_path / 'out'}"]) == 0
    assert str(tmp_path / "out" / "report.html") in capsys.readouterr().out
    page = page_of(tmp_path / "out")
    held = re.findall(r'<section id="(\w+)"', page)
    assert {"summary", "accuracy", "checks", "cost", "setup", "commands"} <= set(held)
    assert {"significance", "masks", "noise", "failed"}.isdisjoint(held)
    assert ("positives" in held) == (row == "dtl_ns@rule")
    assert "--config_files=" in section_of(page, "commands")


def test_a_run_without_test_is_reported_by_its_valid_metrics(made: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(made / "runs/ml-100k/BPR/dns/trial-0", run)
    found = sections(run)
    keys = [column.key for column in found["accuracy"].tables[0].columns]
    assert keys == ["row", "valid_ndcg@20", "seeds"]


def test_popularity_and_coverage_stand_beside_accuracy(made: Path):
    table = sections(made)["accuracy"].tables[0]
    keys = [column.key for column in table.columns]
    spread = ["test_itemcoverage@20", "test_averagepopularity@20"]
    assert keys[keys.index("valid_ndcg@20") - 2 :][:2] == spread
    assert not {"test_hit@20", "test_precision@20"} & set(keys)  # for which the table of all metrics has room
    assert not any(column.best for column in table.columns if column.key in spread)  # neither more nor less is better
    assert all(line.values[key] is not None for line in table.lines for key in spread)
    assert "popular items to everybody" in table.note
    assert "popular items" not in sections(made, metric="itemcoverage@20")["accuracy"].tables[0].note
    lines = [line.split(",") for line in summary_text(read_comparison(made)).splitlines()]
    assert set(spread) <= set(lines[0])


def test_another_row_and_metric(made: Path):
    found = sections(made, ours="mixgcf", metric="Recall@10")
    assert found["significance"].tables[0].lines[0].values["first"] == "mixgcf"
    assert "Recall@10" in found["accuracy"].tables[0].columns[2].title


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--ours=dtl_ns@rul", "Did you mean dtl_ns@rule?"),
        ("--metric=ndgc@20", "Did you mean ndcg@20?"),
        ("--colour=red", "--metric"),
    ],
)
def test_bad_flags_are_named(made: Path, flag: str, expected: str, capsys):
    assert main(["report", str(made), flag]) == 2
    assert expected in capsys.readouterr().err


def test_a_report_is_not_written_into_a_file(made: Path, tmp_path: Path, capsys):
    (tmp_path / "page.html").write_text("mine")
    assert main(["report", str(made), f"--out={tmp_path / 'page.html'}"]) == 2
    assert "is a file. Name a folder" in capsys.readouterr().err
    assert (tmp_path / "page.html").read_text() == "mine"


def test_a_folder_without_runs_is_refused(tmp_path: Path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "plan.yaml" in capsys.readouterr().err


def test_a_comparison_without_a_finished_run_still_has_a_page(made: Path, tmp_path: Path):
    from recbole_dtlns.comparison.report import write_report

    shutil.copy(made / "plan.yaml", tmp_path / "plan.yaml")
    page = write_report(read_comparison(tmp_path), tmp_path).read_text(encoding="utf-8")
    assert "not finished" in page


def test_rows_on_other_users_cost_the_tests_and_no_more(tmp_path: Path):
    folder = make_comparison(tmp_path / "c", models=("BPR",), noise=(0.0,), trials=0, judges=("rule",))
    path = folder / "runs/ml-100k/BPR/dns/seed-2020/per_user.npz"
    with np.load(path) as held:
        columns = {name: held[name] for name in held.files}
    columns["users"][0] = "somebody"
    np.savez_compressed(path, **columns)
    found = sections(folder)
    assert any("different users" in text for text in found["significance"].warnings)
    assert found["accuracy"].tables


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, made: Path):
    from recbole_dtlns.comparison import report

    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"recbole-dtlns\[report\]"):
        report.write_report(read_comparison(made), made)


def test_many_rows_get_small_plots(made: Path):
    """Above nine rows each gets a panel of its own with the others behind it."""
    from recbole_dtlns.comparison.report.plots import curves
    from recbole_dtlns.comparison.report.source import Group, Row

    source = Source(read_comparison(made))
    base = source.groups[0].rows[0]

    def renamed(run: RunRecord, label: str) -> RunRecord:
        return RunRecord(**{**vars(run), "label": label})

    rows = [Row(f"row {n}", [renamed(run, f"row {n}") for run in base.runs], []) for n in range(28)]
    source.labels = [row.label for row in rows]
    figure = curves.draw(source, Group("d", "m", rows), "ndcg@20", "Valid NDCG@20 by epoch")
    assert [axes.get_title(loc="left") for axes in figure.axes[:28]] == source.labels


def texts_of(figure) -> list[str]:
    """Titles of panels, tick labels of rows and the legend."""
    found = [axes.get_title(loc="left") for axes in figure.axes]
    found += [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    return found + [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("many", [9, 2])
def test_every_figure_of_rows_shows_which_are_marked(made: Path, monkeypatch: pytest.MonkeyPatch, many: int):
    from recbole_dtlns.comparison.report.plots import curves

    monkeypatch.setattr(curves, "MANY", many)
    pictures = {
        picture.name.removesuffix(f"-{GROUP}"): picture
        for section in sections(made).values()
        for picture in section.pictures
    }
    kinds = ("accuracy", "curve-valid", "curve-loss", "curve-seconds", "hardness", "precision", "coverage", "seconds")
    for kind in kinds:
        assert any(text.endswith("@llm (marked)") for text in texts_of(pictures[kind].draw())), kind


def drawn(folder: Path, key: str, name: str):
    """The axes of a figure, and the means of a test metric or stage by row."""
    (picture,) = [each for each in sections(folder)[key].pictures if each.name == f"{name}-{GROUP}"]
    return picture.draw().axes


def ends(axes) -> dict[str, tuple[list[float], list[float]]]:
    """x and y of every line by its label."""
    found = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        line = handle if hasattr(handle, "get_xdata") else handle.lines[0]
        found[label] = ([float(x) for x in line.get_xdata()], [float(y) for y in line.get_ydata()])
    return found


def test_curves_are_means_over_seeds_of_valid_and_loss(tmp_path: Path):
    folder = small(tmp_path / "c")
    cut = folder / "runs/ml-100k/BPR/dns/seed-2021/epochs.csv"
    cut.write_text("".join(cut.read_text().splitlines(keepends=True)[:8]))  # seven epochs
    logs = [run.epochs() for run in read_comparison(folder).seeds_of("ml-100k", "BPR", "dns")]
    for name, column in (("curve-valid", "ndcg@20"), ("curve-loss", "train_loss")):
        (axes,) = drawn(folder, "curves", name)
        x, y = ends(axes)["dns"]
        assert x == list(range(7))
        assert y == pytest.approx([np.mean([log[epoch][column] for log in logs]) for epoch in range(7)])
        assert len(ends(axes)["mixgcf"][0]) == 12
        assert "EASE" not in ends(axes)
    slow = folder / "runs/ml-100k/BPR/dns/seed-2022/epochs.csv"
    lines = [line.split(",") for line in slow.read_text().splitlines()]
    twice = [[line[0], line[1], str(2 * float(line[2])), *line[3:]] for line in lines[1:]]
    slow.write_text("\n".join(",".join(line) for line in [lines[0], *twice]) + "\n")
    (axes,) = drawn(folder, "seconds", "curve-seconds")
    assert ends(axes)["dns"][0] == pytest.approx([1.5 * (epoch + 1) * 4 / 3 for epoch in range(7)])


def test_points_stand_at_test_values_and_training_seconds(made: Path):
    group = Source(read_comparison(made)).groups[0]
    (axes,) = drawn(made, "seconds", "seconds")
    for label, (x, y) in ends(axes).items():
        row = group.row(label.removesuffix(" (marked)"))
        assert (x, y) == ([row.seconds("training").mean], [row.test("ndcg@20").mean])
    panels = drawn(made, "coverage", "coverage")
    names = ("itemcoverage@20", "averagepopularity@20", "giniindex@20")
    for panel, name in zip(panels, names, strict=True):
        for label, (x, y) in ends(panel).items():
            row = group.row(label.removesuffix(" (marked)"))
            assert (x, y) == ([row.test(name).mean], [row.test("ndcg@20").mean])


def test_the_plot_of_accuracy_has_means_intervals_and_every_seed(made: Path):
    from recbole_dtlns.comparison.report.plots.accuracy import user_interval

    group = Source(read_comparison(made)).groups[0]
    (axes,) = drawn(made, "accuracy", "accuracy")
    labels = [label.get_text().removesuffix(" (marked)") for label in axes.get_yticklabels()]
    assert labels == [row.label for row in group.ranked("ndcg@20")]
    for place, label in enumerate(labels):
        row = group.row(label)
        lines = [(line, [float(x) for x in line.get_xdata()]) for line in axes.lines if line.get_ydata()[0] == place]
        assert [x for line, x in lines if line.get_linewidth() == 6] == [list(user_interval(row, "ndcg@20"))]
        assert [row.test("ndcg@20").mean] in [x for _, x in lines]
        dots = [list(line.get_xdata()) for line in axes.lines if line.get_ydata()[0] == place + 0.3]
        assert dots == [[run.result["test_result"]["ndcg@20"] for run in row.runs]]


def test_the_plot_of_hardness_has_false_negatives_beside_chance(made: Path):
    panels = {axes.get_title(loc="left"): axes for axes in drawn(made, "hardness", "hardness")}
    held = panels["Valid positives (dotted: by chance)"]
    dotted = [line for line in held.lines if line.get_linestyle() == ":" and set(line.get_ydata()) == {0.012}]
    shown = {label: y for label, (_, y) in ends(held).items()}
    assert len(dotted) == len(shown) == 6
    log = read_comparison(made).seeds_of("ml-100k", "BPR", "dns")[0].hardness()
    assert shown["dns"] == pytest.approx([log[epoch]["valid_share"] for epoch in range(12)])


def test_the_plot_of_precision_is_the_share_that_is_held_out(made: Path):
    (axes,) = drawn(made, "positives", "precision")
    x, y = ends(axes)["dtl_ns@rule"]
    assert x == pytest.approx([low / 10 + 0.05 for low in range(10)])
    assert y == pytest.approx([(20 + 9 * low) / 400 for low in range(10)])


def test_the_plot_of_masks_is_filled_where_it_is_honest(made: Path):
    group = Source(read_comparison(made)).groups[0]
    (axes,) = drawn(made, "masks", "masks")
    for place, label in enumerate(label.get_text().removesuffix(" (marked)") for label in axes.get_yticklabels()):
        reference = group.row(label).test("ndcg@20").mean  # made so, and 1.3 times the honest one
        points = [line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_ydata()[0] == place]
        found = {line.get_fillstyle(): float(line.get_xdata()[0]) for line in points}
        assert found == {"none": pytest.approx(reference), "full": pytest.approx(reference / 1.3)}


def test_the_plot_of_noise_has_the_test_value_of_every_row_at_every_rate(made: Path):
    source = Source(read_comparison(made))
    (axes,) = drawn(made, "noise", "noise")
    found = ends(axes)
    assert {label.removesuffix(" (marked)") for label in found} == {row.label for row in source.groups[0].rows}
    for label, (_, y) in found.items():
        rows = [source.at_noise(source.groups[0], level).row(label.removesuffix(" (marked)")) for level in (0.0, 0.1)]
        assert y == pytest.approx([row.test("ndcg@20").mean for row in rows])


def test_where_there_is_room_for_few_rows_ours_is_among_them(made: Path):
    source = Source(read_comparison(made))
    group = source.groups[0]
    best = [row.label for row in group.ranked("ndcg@20")]
    assert best.index("dtl_ns@rule") > 1
    kept = {row.label for row in source.foremost(group, group.rows, 2)}
    assert kept == {"dtl_ns@rule", best[0]}


def test_the_plot_of_hardness_says_that_it_is_of_one_seed(made: Path):
    (picture,) = sections(made)["hardness"].pictures
    assert "first seed" in picture.title
    assert "first seed" in picture.alt
    assert "the plot shows the first seed" in sections(made)["hardness"].text[0]


def small(folder: Path, **changes) -> Path:
    return make_comparison(
        folder, **{"models": ("BPR",), "noise": (0.0,), "trials": 0, "judges": ("rule",), "failed": None, **changes}
    )


def test_a_damaged_file_of_users_costs_one_row_its_tests(tmp_path: Path):
    folder = small(tmp_path / "c")
    path = folder / "runs/ml-100k/BPR/dns/seed-2021/per_user.npz"
    path.write_bytes(path.read_bytes()[:-300])
    found = sections(folder)["significance"]
    assert [
        text for text in found.warnings if "dns, BPR on ml-100k: left out of all tests" in text and str(path) in text
    ]
    pairs = {(line.values["first"], line.values["second"]) for line in found.tables[0].lines}
    assert pairs == {("dtl_ns@rule", row) for row in ("recbole:uniform", "mixgcf", "mixgcf+pos@rule", "EASE")}
    assert {line.values["row"] for line in sections(folder)["accuracy"].tables[0].lines} >= {"dns", "mixgcf"}
    path = folder / "runs/ml-100k/BPR/dtl_ns@rule/seed-2021/per_user.npz"
    path.write_bytes(b"")
    found = sections(folder)["significance"]
    assert len(found.warnings) == 2
    assert found.points == []  # ours is tested against none
    assert len(found.tables[0].lines) == 4 * 3 / 2


@pytest.mark.parametrize(("name", "key"), [("epochs.csv", "curves"), ("hardness.csv", "hardness")])
def test_a_damaged_record_by_epoch_costs_one_run_its_curve(tmp_path: Path, name: str, key: str):
    from recbole_dtlns.comparison.report import write_report

    folder = small(tmp_path / "c")
    path = folder / "runs/ml-100k/BPR/dns/seed-2020" / name
    path.write_text(path.read_text()[:-4])
    page = write_report(read_comparison(folder), tmp_path).read_text(encoding="utf-8")
    assert f"{path} is damaged" in section_of(page, key)
    row = Source(read_comparison(folder)).groups[0].row("dns")
    assert len(row.logs(name.removesuffix(".csv"))) == 2


def test_a_plan_without_a_clean_run_is_reported_at_its_lowest_noise(tmp_path: Path):
    folder = small(tmp_path / "c", noise=(0.1, 0.3))
    found = sections(folder)
    assert found["accuracy"].tables[0].title == "Accuracy: BPR on ml-100k at 10 % noise"
    assert len(found["accuracy"].tables[0].lines) == 6
    assert found["significance"].tables[0].lines
    assert any("no finished run without noise" in text for text in found["summary"].warnings)
    (noise,) = found["noise"].tables
    assert [column.key for column in noise.columns] == ["row", "noise_0.1", "noise_0.3", "drop_0.3"]
    assert noise.note.endswith("the same row at 10 % noise.")
    clean = sections(small(tmp_path / "clean"))
    assert clean["accuracy"].tables[0].title == "Accuracy: BPR on ml-100k"
    assert not any("without noise" in text for text in clean["summary"].warnings)


def test_files_of_an_earlier_report_go_and_others_stay(tmp_path: Path):
    from recbole_dtlns.comparison.report import write_report

    small(tmp_path / "c", noise=(0.0, 0.1))
    write_report(read_comparison(tmp_path / "c"), tmp_path)
    (tmp_path / "report" / "mine.md").write_text("notes")
    assert (tmp_path / "report" / f"noise-{GROUP}.svg").is_file()
    small(tmp_path / "d")
    write_report(read_comparison(tmp_path / "d"), tmp_path)
    left = {path.name for path in (tmp_path / "report").iterdir()}
    assert not [name for name in left if name.startswith("noise-")]
    assert left == {"mine.md", "files.txt", *(tmp_path / "report" / "files.txt").read_text().splitlines()}
    assert {f"accuracy-{GROUP}.{ending}" for ending in ("md", "csv", "tex", "svg", "png")} <= left


def test_data_sets_that_are_spelt_alike_have_files_of_their_own():
    from recbole_dtlns.comparison.report.source import slug

    names = ["a_b", "a-b", "a b", "a+b", "a+20+b", "ä-b", "a.b", "-a-b", "a-b-"]
    assert len({slug(name, "BPR") for name in names}) == len(names)
    assert slug("ml-100k", "BPR") == GROUP
    assert all(re.fullmatch(r"[A-Za-z0-9._+-]+", slug(name)) for name in names)


def test_commands_do_not_run_into_finished_folders(made: Path, made_report: Path):
    page = section_of(page_of(made_report), "commands")
    words = [word for line in re.findall(r"python -m [^\n<]*", page) for word in shlex.split(line)]
    places = [word for word in words if word.startswith("--run_dir=")]
    assert len(places) > 20
    assert all(word.endswith("-again") and word.startswith(f"--run_dir={made}") for word in places)


def test_commands_of_a_folder_with_a_space_say_what_to_do(made: Path, tmp_path: Path):
    run = tmp_path / "my run"
    shutil.copytree(made / "runs/ml-100k/BPR/dns/seed-2020", run)
    (command,) = sections(run)["commands"].commands
    assert "config_files takes no path with a space: copy config.yaml" in command.title
    assert {"--config_files=config.yaml", f"--run_dir={run}-again"} <= set(shlex.split(command.lines[0]))
    whole = sections(small(tmp_path / "my comparison"))["commands"].commands
    assert all("config_files takes no path with a space: rename" in command.title for command in whole)
    assert all("space" not in command.title for command in sections(made)["commands"].commands)


def test_mask_checks_of_the_reference_protocol_stand_apart(tmp_path: Path):
    folder = small(tmp_path / "c")
    name = "the ranking of test leaves out seen pairs alone"

    def change(row: str, **fields) -> None:
        path = folder / f"runs/ml-100k/BPR/{row}/seed-2020/result.json"
        result = json.loads(path.read_text())
        check = {"when": "before", "name": name, "passed": False, "found": "9 further pairs"}
        path.write_text(json.dumps({**result, **fields, "checks": [check]}))

    change("dtl_ns@rule", protocol="reference", marks=[REFERENCE_MARK])
    found = sections(folder)
    outcomes = {line.values["name"]: line.values["outcome"] for line in found["checks"].tables[-2].lines}
    assert outcomes[f"{name} (reference protocol)"] == "not passed, as expected"
    assert "NOT PASSED" not in outcomes.values()
    assert not any("not passed" in text.lower() for text in found["summary"].warnings + found["checks"].warnings)
    change("dns")
    found = sections(folder)
    outcomes = {line.values["name"]: line.values["outcome"] for line in found["checks"].tables[-2].lines}
    assert (outcomes[name], outcomes[f"{name} (reference protocol)"]) == ("NOT PASSED", "not passed, as expected")
    assert found["checks"].warnings == ["Not passed: checks of every run"]
    assert "any other check that is not passed is told here" in found["checks"].text[0]


def test_rows_under_another_mask_do_not_stand_beside_both_masks(tmp_path: Path):
    """Both masks of a reference run leave valid items in; a run with eval_mask=train_valid leaves them out."""
    folder = make_comparison(tmp_path / "c", models=("BPR",), noise=(0.0,), trials=0)
    (picture,) = sections(folder)["masks"].pictures
    both = ["dtl_ns@llm (marked)", "mixgcf+pos@llm (marked)"]
    assert sorted(label.get_text() for label in picture.draw().axes[0].get_yticklabels()) == both
    path = folder / "runs/ml-100k/BPR/dns/seed-2020/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eval_mask": "train"}))
    (picture,) = sections(folder)["masks"].pictures
    assert sorted(label.get_text() for label in picture.draw().axes[0].get_yticklabels()) == ["dns", *both]
