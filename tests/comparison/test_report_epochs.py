"""What the report has beside its tables: every epoch as CSV, what plots leave out, machines, commands of trials."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from made import make_comparison

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from recbole_dtlns.comparison.report.plots import lines
from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections import sections_of
from recbole_dtlns.comparison.report.source import Source
from recbole_dtlns.comparison.run.records import read_comparison

NAME = "epochs-ml-100k-BPR.csv"


def sections(folder: Path) -> dict[str, Section]:
    return {section.key: section for section in sections_of(Source(read_comparison(folder)))}


def small(folder: Path, **changes) -> Path:
    given = {"models": ("BPR",), "noise": (0.0,), "trials": 0, "judges": ("rule",), "failed": None}
    return make_comparison(folder, **{**given, **changes})


def test_every_epoch_of_every_seed_is_in_one_file(made: Path, made_report: Path):
    with (made_report / "report" / NAME).open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    by_epoch = {(line["row"], float(line["noise"]), line["seed"], line["epoch"]): line for line in lines}
    assert len(by_epoch) == len(lines)
    runs = [run for run in read_comparison(made).runs if run.trial is None]
    assert len(lines) == sum(len(run.epochs()) for run in runs) > 100
    for run in runs:
        for epoch, values in run.epochs().items():
            line = by_epoch[run.label, run.noise, str(run.seed), str(epoch)]
            assert float(line["train_loss"]) == values["train_loss"]
            assert float(line["valid_ndcg@20"]) == values["ndcg@20"]
            gap = run.hardness().get(epoch, {}).get("score_gap")
            assert line["score_gap"] == ("" if gap is None else repr(gap))
    assert any("reference protocol" in line["marks"] for line in lines)
    assert NAME in (made_report / "report" / "files.txt").read_text().splitlines()
    assert any(f"report/{NAME}" in text for text in sections(made)["curves"].text)


def test_rows_without_a_curve_are_named(made: Path):
    assert any("Without a curve" in text and "EASE" in text for text in sections(made)["curves"].text)


def test_a_row_without_seconds_has_its_curve_by_epoch(tmp_path: Path):
    folder = small(tmp_path / "c")
    for path in folder.glob("runs/ml-100k/BPR/dns/*/epochs.csv"):
        path.write_text(path.read_text().replace("seconds", "unknown", 1))
    (paragraph,) = [paragraph for paragraph in sections(folder)["curves"].text if "Without a curve" in paragraph]
    by_epoch, _, by_second = paragraph.partition("Without a curve of valid NDCG@20 by second")
    assert "it or the seconds were not recorded in two epochs of all seeds" in by_second
    assert re.search(r"\bdns\b", by_second)
    assert not re.search(r"\bdns\b", by_epoch)


def test_of_many_rows_ours_and_the_best_are_in_front(made: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "MANY", 2)
    source = Source(read_comparison(made))
    (group,) = source.groups
    front = {row.label for row in source.foremost(group, group.rows, 2)}
    (picture,) = [each for each in sections(made)["curves"].pictures if each.name.startswith("curve-valid")]
    chart = picture.draw()
    legend = {text.get_text().removesuffix(" (marked)") for text in chart.legends[0].get_texts()}
    assert legend == front
    assert {value.row for value in chart.values} > {source.labels.index(label) for label in front}


def test_machines_are_told_where_results_tell_them(tmp_path: Path):
    folder = small(tmp_path / "c")
    assert "machines" not in [table.name for table in sections(folder)["setup"].tables]
    machine = {"system": "Linux-6", "cpu": "Tiny CPU", "cores": 4, "threads": 2, "memory_gb": 15.5, "gpu": None}
    for seed, gpu in ((2020, None), (2021, None), (2022, "Big GPU")):
        path = folder / f"runs/ml-100k/BPR/dns/seed-{seed}/result.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "machine": {**machine, "gpu": gpu}}))
    (table,) = [table for table in sections(folder)["setup"].tables if table.name == "machines"]
    assert [dict(line.values) for line in table.lines] == [
        {**machine, "gpu": "none", "runs": 2},
        {**machine, "gpu": "Big GPU", "runs": 1},
    ]
    assert table.note.startswith("3 of ")


def test_trials_have_commands_with_the_keys_that_they_tried(tmp_path: Path):
    folder = small(tmp_path / "c", trials=2)
    assert not any("trials" in each.title for each in sections(folder)["commands"].commands)  # searches go on
    path = folder / "runs/ml-100k/BPR/dns/chosen.json"
    scores = [{"trial": 0, "keys": {}, "score": 0.1}, {"trial": 1, "keys": {"neg_candidates": 20}, "score": 0.2}]
    path.write_text(json.dumps({"trial": 1, "keys": {"neg_candidates": 20}, "scores": scores}))
    section = sections(folder)["commands"]
    (trials,) = [each for each in section.commands if each.title == "BPR on ml-100k, trials of the search"]
    assert "-again" in section.text[0]
    first, second = (shlex.split(line) for line in trials.lines)
    for number, words in enumerate((first, second)):
        place = folder / f"runs/ml-100k/BPR/dns/trial-{number}-again"
        assert {f"--run_dir={place}", "--evaluate_test=false"} <= set(words)
    assert ("--neg_candidates=20" in first, "--neg_candidates=20" in second) == (False, True)
    missing = count_without_command(folder)
    for damaged in ([{"score": 1.0}], {"trial": 0}, [{"trial": 0, "keys": 3}]):
        path.write_text(json.dumps({"trial": 1, "keys": {}, "scores": damaged}))
        assert count_without_command(folder) == missing + 2
    for path in folder.glob("runs/**/chosen.json"):
        path.write_text(json.dumps({"trial": 1, "keys": {}, "scores": scores}))
    assert count_without_command(folder) == 0


def count_without_command(folder: Path) -> int:
    text = " ".join(sections(folder)["commands"].text)
    counted = re.search(r"Without a command: (\d+) trials", text)
    return int(counted[1]) if counted else 0
