"""The page as a whole: files, commands, what it says at the top, and where it cannot be made."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from made import FAILED_RUN, REFERENCE_MARK, make_comparison
from report_parts import GROUP, lines_of, page_of, section_of, sections, small

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
from recbole_dtlns.cli import main
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.errors import UserError


@pytest.fixture(scope="module")
def later_report(made_report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report that was written where an earlier one lay; its comparison is not finished."""
    from recbole_dtlns.comparison.report import write_report

    home = tmp_path_factory.mktemp("later")
    folder = small(home / "c", trials=2)
    for seed in (2021, 2022):
        shutil.rmtree(folder / f"runs/ml-100k/BPR/dns/seed-{seed}")
    shutil.copytree(made_report, home / "out")  # of a comparison with noise
    (home / "out" / "report" / "mine.md").write_text("notes")
    assert (home / "out" / "report" / f"noise-{GROUP}.svg").is_file()
    write_report(read_comparison(folder), home / "out")
    return home / "out"


def test_what_is_to_come_is_said_at_the_top(made_report: Path, later_report: Path):
    page = page_of(later_report)
    assert re.findall(r"<li>(\d+ [^<]*)</li>", page)[:2] == ["16 finished runs and 10 trials", "2 not finished"]
    assert "2 runs not finished yet: means are over the seeds that are there." in section_of(page, "summary")
    assert "ml-100k/BPR/dns/seed-2021, ml-100k/BPR/dns/seed-2022." in section_of(page, "failed")
    assert "<li>1 failed</li>" in page_of(made_report)


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
    parts = sections(folder)
    assert "Leak check not passed: no pair in two parts (0 shared pairs): dns; 1 run." in parts["summary"].warnings
    outcomes = [line.values["outcome"] for line in parts["checks"].tables[-2].lines]
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
        self.runs: list[str] = []
        self._svg: str | None = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        for key in ("href", "xlink:href", "src", "srcset", "data", "action", "poster"):
            value = given.get(key)
            if tag == "a" and value and not value.startswith("#"):
                self.runs.append(value)  # fetched only where a reader asks for it
            elif value and value.startswith("#"):
                self.links.append(value[1:])
            elif value and value != "data:,":
                self.fetched.append(value)
        if (
            tag == "svg"
            and given.get("aria-hidden") != "true"
            and (given.get("role") != "img" or not given.get("aria-labelledby"))
        ):
            self.unnamed.append(str(given))
        self.links += (given.get("aria-labelledby") or "").split() + (given.get("aria-describedby") or "").split()


def test_the_page_is_whole_and_fetches_nothing(made_report: Path):
    page, anchors = page_of(made_report), Anchors()
    anchors.feed(page)
    assert anchors.fetched == []
    assert anchors.unnamed == []
    assert len(anchors.ids) == len(set(anchors.ids))
    assert set(anchors.links) <= set(anchors.ids)
    references = re.findall(r"url\(([^)]*)\)", page)
    assert references
    assert {reference[0] for reference in references} == {"#"}
    assert {reference[1:] for reference in references} <= set(anchors.ids)
    assert "@import" not in page
    shown = re.findall(r'<desc id="([^"]+)-desc">(.*?)</desc>', page)
    assert len(shown) == page.count("<svg") - page.count('<svg class="icon"')
    assert anchors.runs
    tables = [run for run in anchors.runs if run.startswith("report/")]
    assert "report/checks-runs.csv" in tables
    assert all((made_report / unquote(table)).is_file() for table in tables)
    assert all((made_report / unquote(run)).is_dir() for run in anchors.runs if run not in tables)
    assert all(len(words) > 40 for _, words in shown)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert page.count("Bold: the best mean of a column among rows without marks.") == 2  # of one metric, and of all
    assert "All tests are two-sided; significant means below .05 after correction." in page
    assert page.count('role="img"') == len(shown) == len(list((made_report / "report").glob("*.svg")))


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
    keys = re.findall(r'<section id="(\w+)"', page)
    assert {"summary", "checks", "cost", "setup", "commands"} <= set(keys)
    assert {"significance", "accuracy", "coverage", "masks", "noise", "failed"}.isdisjoint(keys)
    assert 'class="legend"' not in page
    summary = section_of(page, "summary")
    result = json.loads((run / "result.json").read_text())
    assert f"best epoch {result['best_epoch']} of 12, counted from 0" in summary or row == "EASE"
    assert ("took 4,715 of 18,860 pairs" in summary) == (row == "dtl_ns@rule")
    assert "recommend" not in summary  # no model was kept
    text = re.sub(r"<[^>]+>", " ", page)
    assert "of the first seed" not in text
    assert "first seed:" not in text
    assert "BPR on ml-100k" not in "".join(re.findall(r"<(?:caption|figcaption).*?</", page, re.DOTALL))
    assert page.count("passed.</strong>") == len(result["checks"])
    assert ("positives" in keys) == (row == "dtl_ns@rule")
    assert "--config_files=" in section_of(page, "commands")


def test_a_run_without_test_is_reported_by_its_valid_metrics(made: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(made / "runs/ml-100k/BPR/dns/trial-0", run)
    parts = sections(run)
    (table,) = parts["summary"].tables
    assert [column.key for column in table.columns] == ["metric", "valid"]
    assert ": valid NDCG@20 ." in parts["summary"].verdicts[0].sentence
    (run / "checkpoint.pth").write_text("weights")
    use, load = sections(run)["summary"].commands
    assert shlex.split(use.lines[0])[2:5] == ["recbole_dtlns", "recommend", str(run)]
    assert "load_run" in load.lines[0]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--ours=dtl_ns@rul", "did you mean dtl_ns@rule"),
        ("--metric=ndgc@20", "did you mean ndcg@20"),
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


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, made: Path):
    from recbole_dtlns.comparison import report

    find = report.importlib.util.find_spec
    absent = ("matplotlib", "jinja2")
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None if name in absent else find(name))
    with pytest.raises(UserError, match=r"recbole-dtlns\[report\]"):
        report.write_report(read_comparison(made), made)


def test_a_plan_without_a_clean_run_is_reported_at_its_lowest_noise(tmp_path: Path):
    folder = small(tmp_path / "c", noise=(0.1, 0.3))
    parts = sections(folder)
    assert parts["accuracy"].tables[0].title == "Accuracy: BPR on ml-100k at 10 % noise"
    assert len(parts["accuracy"].tables[0].lines) == 6
    assert parts["significance"].tables[0].lines
    assert any("no finished run without noise" in text for text in parts["summary"].warnings)
    (noise,) = parts["noise"].tables
    assert [column.key for column in noise.columns] == ["row", "noise_0.1", "noise_0.3", "drop_0.3"]
    assert noise.note.endswith("the same row at 10 % noise.")
    clean = sections(small(tmp_path / "clean"))
    assert clean["accuracy"].tables[0].title == "Accuracy: BPR on ml-100k"
    assert not any("without noise" in text for text in clean["summary"].warnings)


def test_a_report_of_runs_without_trials_imports_neither_torch_nor_recbole(tmp_path: Path):
    folder = small(tmp_path / "made")
    heavy = {"torch", "recbole", "pandas", "sklearn", "scipy.stats", "matplotlib.pyplot"}
    code = "import sys; from recbole_dtlns.cli import main\n"
    code += f"assert main(['report', {str(folder)!r}]) == 0\n"
    code += f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "report.html").is_file()


def test_files_of_an_earlier_report_go_and_others_stay(later_report: Path):
    left = {path.name for path in (later_report / "report").iterdir()}
    assert not [name for name in left if name.startswith("noise-")]
    assert left == {"mine.md", "files.txt", *(later_report / "report" / "files.txt").read_text().splitlines()}
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


def test_commands_allow_the_plugins_that_their_files_name(made: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(made / "runs/ml-100k/BPR/dns/seed-2020", run)
    (run / "checkpoint.pth").write_text("weights")
    result = json.loads((run / "result.json").read_text())
    (run / "checksums.json").unlink(missing_ok=True)
    for plugins in ("mine.py", None):
        (run / "result.json").write_text(json.dumps({**result, "config": {**result["config"], "plugins": plugins}}))
        parts = sections(run)
        use, load = parts["summary"].commands
        (again,) = parts["commands"].commands
        for line in (use.lines[0], again.lines[0]):
            assert ("--allow_plugins=true" in shlex.split(line)) == (plugins is not None)
        assert ("allow_plugins=True)" in load.lines[1]) == (plugins is not None)
    plan = small(tmp_path / "compared", fixed={"plugins": "mine.py"})
    lines = [line for command in sections(plan)["commands"].commands for line in command.lines]
    assert len(lines) > 2
    assert all(shlex.split(line).count("--allow_plugins=true") == 1 for line in lines)


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
    parts = sections(folder)
    outcomes = {line.values["name"]: line.values["outcome"] for line in parts["checks"].tables[-2].lines}
    assert outcomes[f"{name} (reference protocol)"] == "not passed, as expected"
    assert "NOT PASSED" not in outcomes.values()
    assert not any("not passed" in text.lower() for text in parts["summary"].warnings + parts["checks"].warnings)
    change("dns")
    parts = sections(folder)
    outcomes = {line.values["name"]: line.values["outcome"] for line in parts["checks"].tables[-2].lines}
    assert (outcomes[name], outcomes[f"{name} (reference protocol)"]) == ("NOT PASSED", "not passed, as expected")
    assert parts["checks"].warnings == ["Not passed: checks of every run."]
    assert "any other check that is not passed is told here" in parts["checks"].text[0]
