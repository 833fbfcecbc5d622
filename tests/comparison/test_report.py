"""What a report says of a comparison, and that every format says it."""

import json
from pathlib import Path

import numpy as np
import pytest
from made import REFERENCE_MARK, make_comparison
from report_parts import GROUP, change_results, lines_of, page_of, section_of, sections, small

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
from recbole_dtlns.comparison.report.sections.positives import positives
from recbole_dtlns.comparison.report.source import Source, best_of
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.run.summary import summary_text


def test_accuracy_is_mean_and_spread_of_the_runs(made: Path, made_report: Path):
    by_row = {line["row"]: line for line in lines_of(made_report, f"accuracy-{GROUP}")}
    results = [
        json.loads((made / f"runs/ml-100k/BPR/dtl_ns@rule/seed-{seed}/result.json").read_text())["test_result"][
            "ndcg@20"
        ]
        for seed in (2020, 2021, 2022)
    ]
    assert float(by_row["dtl_ns@rule"]["test_ndcg@20"]) == pytest.approx(np.mean(results))
    assert float(by_row["dtl_ns@rule"]["test_ndcg@20_sd"]) == pytest.approx(np.std(results, ddof=1))
    assert by_row["dns"]["seeds"] == "2"  # one has failed
    assert by_row["EASE"]["judge"] == ""
    assert list(by_row)[-1] == "EASE"


def test_of_a_metric_neither_end_may_be_better():
    expected = {"ndcg@20": "max", "itemcoverage@10": "max", "giniindex@20": "min", "averagepopularity@20": None}
    assert {metric: best_of(metric) for metric in expected} == expected


def test_chosen_keys_and_trials_are_told(made_report: Path):
    by_row = {line["row"]: line for line in lines_of(made_report, f"training-{GROUP}")}
    assert by_row["dns"]["chosen"] == "neg_candidates 20"
    assert by_row["dns"]["trials"] == "2"
    assert by_row["recbole:uniform"]["trials"] == "0"


def test_masks_stand_side_by_side_with_their_difference(made_report: Path):
    lines = [line for line in lines_of(made_report, f"masks-{GROUP}") if line["metric"] == "NDCG@20"]
    assert [line["row"] for line in lines] == ["dtl_ns@llm", "mixgcf+pos@llm"]
    for line in lines:
        honest, reference = float(line["honest"]), float(line["reference"])
        assert float(line["difference"]) == pytest.approx(reference - honest)
        assert float(line["relative"]) == pytest.approx(0.3)
    assert "The mask alone changes it by +30.0 %" in page_of(made_report)


def test_noise_and_its_drop(made_report: Path):
    by_row = {line["row"]: line for line in lines_of(made_report, f"noise-{GROUP}")}
    clean, noisy = (float(by_row["mixgcf"][f"noise_{level}"]) for level in ("0", "0.1"))
    assert float(by_row["mixgcf"]["drop_0.1"]) == pytest.approx(noisy / clean - 1)
    assert "noise_0.1_sd" in by_row["mixgcf"]


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


def test_a_row_whose_positives_were_not_looked_up_has_no_line_that_says_none(made: Path):
    comparison = read_comparison(made)
    for run in comparison.runs:
        if run.label == "dtl_ns@rule":
            run.result["overlap"] = None
    tables = {table.name: table for table in positives(Source(comparison)).tables}
    rows = {line.values["row"] for line in tables[f"overlap-{GROUP}"].lines}
    assert "mixgcf+pos@rule" in rows
    assert "dtl_ns@rule" not in rows


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
    by_judge = {line.values["judge"]: line for line in tables["judging"].lines}
    assert list(by_judge) == ["rule", "llm"] or list(by_judge) == ["llm", "rule"]
    llm = by_judge["llm"].values
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
    assert by_judge["rule"].values["llm_calls"] == 0
    assert f"mixgcf+pos@llm: {REFERENCE_MARK}" in by_judge["llm"].marks
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


def test_the_accuracy_table_has_the_interval_of_one_metric(made: Path, made_report: Path):
    source = Source(read_comparison(made))
    group = source.groups[0]
    by_row = {line["row"]: line for line in lines_of(made_report, f"accuracy-{GROUP}")}
    for row in group.rows:
        ends = [float(by_row[row.label][f"test_ndcg@20_{end}"]) for end in ("low", "high")]
        assert ends == pytest.approx(source.intervals(group)[row.label])
        assert ends[0] < row.test("ndcg@20").mean < ends[1]
    keys = [key for key in by_row["dns"] if key.endswith(("_low", "_high"))]
    assert keys == ["test_ndcg@20_low", "test_ndcg@20_high"]
    for ending in ("md", "tex"):
        text = (made_report / "report" / f"accuracy-{GROUP}.{ending}").read_text(encoding="utf-8")
        assert "NDCG@20, low" in text
        assert "bootstrap interval of the mean test NDCG@20 over users" in text


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
    parts = sections(made, ours="mixgcf", metric="Recall@10")
    assert parts["significance"].tables[0].lines[0].values["first"] == "mixgcf"
    assert "Recall@10" in parts["accuracy"].tables[0].columns[2].title


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
