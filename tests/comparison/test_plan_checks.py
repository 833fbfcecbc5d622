"""What a plan is checked for before any work: cells, judges' keys, ranges, shipped plans."""

from pathlib import Path

import pytest
import yaml
from plan_parts import plan, write

from recbole_dtlns.comparison.plan.cell_config import CellConfig, check_cells
from recbole_dtlns.comparison.plan.plan_file import make_plan, read_plan
from recbole_dtlns.comparison.run.campaign import write_plan
from recbole_dtlns.comparison.run.outlook import plan_text
from recbole_dtlns.comparison.run.records import Comparison
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JUDGES, RuleJudge
from recbole_dtlns.files.run_folder import config_hash
from recbole_dtlns.samplers import SAMPLERS

PLANS = sorted((Path(__file__).parents[2] / "benchmarks" / "plans").glob("*.yaml"))


def test_the_configuration_of_a_cell_is_that_of_its_runs() -> None:
    parsed = plan(samplers="dns+tree+pos", epochs="3", seed="4", split_seed="6", judges="keep_all")
    config = CellConfig(parsed, parsed.cells()[0], {"neg_candidates": 7, "alpha_se": 0.5})
    assert (config["model"], config["epochs"], config["seed"], config.split_seed) == ("BPR", 3, 4, 6)
    assert (config.method.effective, config.method.judge) == ("dns+tree", "keep_all")
    assert (config["neg_candidates"], config["alpha_se"]) == (7, 0.5)
    assert "ItemCoverage" in config["metrics"]


@pytest.mark.parametrize("name", ["dns", "dtl_ns", "recbole:dynamic", "EASE"])
def test_it_is_the_same_as_with_the_shared_keys_in_a_file_and_the_others_as_flags(name: str, tmp_path: Path) -> None:
    parsed = plan(samplers=name, n_layers="2", learning_rate="0.01", reg_weight="0.1", noise="0.1")
    cell = parsed.cells()[0]
    (tmp_path / "fixed.yaml").write_text(yaml.safe_dump(dict(parsed.fixed)))
    flags = {**cell.keys(), "seed": 2021, "split_seed": 2020, "evaluate_test": "false"}
    raw = {key: str(value) for key, value in flags.items()}
    ordinary = Config(cell.model, "ml-100k", [str(tmp_path / "fixed.yaml")], None, raw)
    config = CellConfig(parsed, cell, {"seed": 2021, "evaluate_test": False})
    assert config_hash(config.resolved()) == config_hash(ordinary.resolved())
    assert config["n_layers"] == 2
    assert "n_layers" in config.strangers
    assert config["reg_weight"] == (250.0 if name == "EASE" else 0.1)


def test_keys_for_all_runs_leave_reference_rows_their_own() -> None:
    parsed = plan(samplers="EASE", reg_weight="0.0001")
    assert CellConfig(parsed, parsed.cells()[0])["reg_weight"] == 250.0
    assert CellConfig(parsed, parsed.cells()[0], {"reg_weight": 10.0})["reg_weight"] == 10.0


def test_judge_keys_reach_the_cells_of_their_judge_alone(tmp_path: Path) -> None:
    parsed = make_plan(
        write(
            tmp_path,
            "datasets: [ml-100k]\nmodels: [BPR]\nsamplers: [dns+pos, dns]\njudges: [rule, keep_all]\n"
            "judge_keys: {keep_all: {positives_per_user: 2}}",
        )
    )
    assert [cell.keys().get("positives_per_user") for cell in parsed.cells()] == [None, "2", None]
    check_cells(parsed)


def test_a_judge_that_is_added_changes_no_run_of_the_others() -> None:
    """Keys of its model or of its file reach it alone, so that the runs that are finished stay usable."""
    rows = "uniform,dns+pos,judge=file"
    before = plan(samplers="uniform,dns+pos", judges="rule", llm_max_pairs="9")
    after = plan(
        samplers=rows, judges="rule,llm", judge_file="v.tsv", llm_model="m", student_share="0.1", llm_max_pairs="9"
    )
    assert after.fixed == before.fixed
    assert after.fixed["llm_max_pairs"] == 9  # any judge is asked about so many pairs at most
    assert after.judge_keys == {"llm": {"llm_model": "m", "student_share": 0.1}, "file": {"judge_file": "v.tsv"}}
    keys = {cell.label: cell.keys() for cell in after.cells()}
    assert {cell.label: cell.keys() for cell in before.cells()}.items() <= keys.items()
    assert keys["dns+pos@llm"]["llm_model"] == "m"
    assert keys["dtl_ns@file"]["judge_file"] == "v.tsv"


def test_a_judges_keys_on_the_command_line_win_over_the_plans_and_those_over_the_ones_for_all(tmp_path: Path) -> None:
    text = (
        "datasets: [a]\njudges: [llm, server]\nfixed: {llm_model: for-all, candidate_topk: 9}\n"
        "judge_keys: {llm: {llm_model: its-own, candidate_topk: 3}}"
    )
    given = write(tmp_path, text)
    parsed = make_plan(given)
    assert parsed.judge_keys == {
        "llm": {"llm_model": "its-own", "candidate_topk": "3"},
        "server": {"llm_model": "for-all"},
    }
    parsed = make_plan({**given, "llm_model": "flag", "candidate_topk": "5"})
    assert parsed.judge_keys == {"llm": {"llm_model": "flag"}, "server": {"llm_model": "flag"}}
    assert parsed.fixed["candidate_topk"] == "5"


def test_a_judge_of_a_plugin_that_declares_no_keys_may_read_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, "mine", type("Mine", (RuleJudge,), {"keys": None, "asks_model": True}))
    parsed = plan(judges="rule,mine", llm_model="m", judge_file="f")
    assert parsed.judge_keys == {"mine": {"llm_model": "m", "judge_file": "f"}}


def test_cells_that_can_run_pass_with_the_keys_of_several_models_and_a_preset(caplog) -> None:
    flags = {"datasets": "ml-100k", "models": "BPR,LightGCN", "samplers": "recbole:uniform,dens,dtl_ns,Pop,EASE"}
    assert check_cells(make_plan({**flags, "n_layers": "2", "noise": "0,0.1"})) == []
    assert "Unknown key" not in caplog.text
    # A preset for LightGCN on the reference rows: its sampler and judge are not theirs.
    check_cells(make_plan(flags, ["preset/paper.yaml"]))


def test_what_cannot_run_is_found_before_any_work_and_names_its_cells() -> None:
    with pytest.raises(UserError) as error:
        check_cells(plan(samplers="dns,dens,mixgcf,mixgcf+pos,Pop", models="BPR,DGCF"))
    text = str(error.value)
    assert text.startswith("3 cells of the plan cannot run:")
    assert "ml-100k/DGCF/dens: neg_sampler=dens" in text
    assert "ml-100k/DGCF/mixgcf and 1 more" in text
    assert "BPR/" not in text
    assert "DGCF/dns" not in text


def test_a_level_of_noise_that_a_model_cannot_have_is_found_though_it_can_run_without() -> None:
    flags = {"models": "SASRec", "samplers": "dns", "loss_type": "BPR"}
    check_cells(plan(**flags))
    with pytest.raises(UserError, match=r"2 cells.*\n  ml-100k/SASRec/dns/noise-0.1: noise_rate=0.1"):
        check_cells(plan(**{**flags, "models": "SASRec,GRU4Rec"}, noise="0,0.1"))


def test_a_data_set_that_is_not_there_is_said_once() -> None:
    with pytest.raises(UserError, match="no-such-data") as error:
        check_cells(plan(datasets="no-such-data,ml-100k", samplers="dns,uniform,ahns"))
    assert str(error.value).count("no-such-data/BPR") == 1
    assert "3 cells" in str(error.value)
    assert "no-such-data/BPR/dns and 2 more" in str(error.value)


def test_only_the_first_problems_are_listed(tmp_path: Path) -> None:
    names = [f"no-data-{number}" for number in range(7)]
    with pytest.raises(UserError) as error:
        check_cells(plan(datasets=",".join(names), samplers="dns,uniform"))
    assert [name in str(error.value) for name in names] == [True] * 5 + [False] * 2
    assert "and 4 more, for other reasons" in str(error.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"learnig_rate": "0.1"}, "Unknown key 'learnig_rate'.*did you mean learning_rate"),
        ({"learning_rate": "-1"}, "learning_rate=-1"),
        ({"judges": "file"}, "judge_file"),
        ({"judges": "llm"}, "llm_model"),
        ({"tree_exclude": "0.5", "samplers": "recbole:uniform"}, "tree_exclude"),
        ({"train_batch_size": "none"}, "train_batch_size"),
    ],
)
def test_keys_that_cannot_be_had_are_found_before_any_work(flags: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_cells(plan(**{"samplers": "dns+pos", **flags}))


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ("{n_layers: 'choice [1,2]'}", "Range of n_layers: ml-100k/BPR/dns has no such key"),
        ("{learning_rate: 'choice [0.1,-1.0]'}", r"Range of learning_rate, value -1.0: learning_rate=-1.0"),
    ],
)
def test_a_shared_range_must_fit_every_model(ranges: str, message: str, tmp_path: Path) -> None:
    text = f"datasets: [ml-100k]\nmodels: [BPR, LightGCN]\nsamplers: [dns, EASE]\ntrials: 2\nranges: {ranges}"
    with pytest.raises(UserError, match=message):
        check_cells(make_plan(write(tmp_path, text)))


def test_a_shared_range_that_fits_passes(tmp_path: Path) -> None:
    ranges = "{learning_rate: 'loguniform -8,-3', n_layers: 'choice [1,2]'}"
    text = f"datasets: [ml-100k]\nmodels: [LightGCN]\nsamplers: [dns, EASE]\ntrials: 2\nranges: {ranges}"
    check_cells(make_plan(write(tmp_path, text)))


def test_a_key_of_a_file_that_no_cell_reads_is_warned_of_once(tmp_path: Path, caplog) -> None:
    """Files are shared between models: a key that one of them reads is none of these."""
    (tmp_path / "c.yaml").write_text("epocsh: 3\nn_layers: 2\n")
    flags = {"datasets": "ml-100k", "models": "BPR,LightGCN", "samplers": "dns,uniform"}
    (warning,) = check_cells(make_plan(flags, [str(tmp_path / "c.yaml")]))
    assert warning == "Unknown key 'epocsh' in a configuration file; nothing reads it; did you mean epochs?"
    assert "Unknown key" not in caplog.text


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("loguniform -7,-2", None),
        ("uniform 0.001,0.1", None),
        (
            "loguniform 0.001,0.1",
            "Range of learning_rate: loguniform 0.001,0.1 holds powers of e and tries values from 1.001 to 1.10517. "
            "For values from 0.001 to 0.1 write loguniform -6.91,-2.3.",
        ),
    ],
)
def test_a_loguniform_range_of_values_in_place_of_powers_is_warned_of(
    text: str, warning: str | None, tmp_path: Path
) -> None:
    lines = f"datasets: [ml-100k]\nmodels: [BPR]\nsamplers: [dns]\nranges: {{learning_rate: '{text}'}}\ntrials: "
    parsed = make_plan(write(tmp_path, f"{lines}2"))
    assert check_cells(parsed) == ([warning] if warning else [])
    if text.startswith("log"):
        ends = "from 0.000911882 to 0.135335" if warning is None else "from 1.001 to 1.10517"
        told = plan_text(Comparison(tmp_path, "", parsed), parsed)
        assert f"\nrange of every row: learning_rate {text}, {ends}\n" in told
    assert check_cells(make_plan(write(tmp_path, f"{lines}0"))) == []  # nothing is tried


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_shipped_plan_can_be_read_and_its_cells_on_the_bundled_data_can_run(path: Path) -> None:
    parsed = make_plan({"plan": str(path)})
    cells = parsed.cells()
    assert len({cell.folder for cell in cells}) == len(cells)
    asks = "llm" in parsed.judges or any("llm_model" in keys for keys in parsed.judge_keys.values())
    if parsed.datasets == ("ml-100k",) and not asks:  # a plan cannot bring a language model
        check_cells(parsed)


@pytest.mark.parametrize("name", ["ml-100k-bpr", "ml-100k-lightgcn", "amazon-sports", "full"])
def test_shipped_plans_have_baselines_references_and_ablations(name: str) -> None:
    path = next(path for path in PLANS if path.stem == name)
    names = [cell.row.name for cell in make_plan({"plan": str(path)}).cells()]
    assert {"recbole:uniform", "recbole:popularity", "recbole:dynamic", "Pop", "ItemKNN", "EASE"} <= set(names)
    assert {"dtl_ns", "mixgcf+pos", "mixgcf+tree", "shuffled_codes", "random_positives"} <= set(names)
    if name == "full":
        assert set(SAMPLERS) | {"exclude_only"} <= set(names)


def test_a_plan_can_be_read_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are stored with full paths; shipped ones keep their names."""
    for folder in ("here", "elsewhere", "with space"):
        (tmp_path / folder).mkdir()
    (tmp_path / "here" / "c.yaml").write_text("plugins: plug.py\n")
    (tmp_path / "here" / "plug.py").write_text("")
    monkeypatch.chdir(tmp_path / "here")
    flags = {"datasets": "ml-100k", "models": "BPR", "allow_plugins": "true"}
    parsed = make_plan(flags, ["preset/paper.yaml", "c.yaml"])
    assert parsed.config_files == ("preset/paper.yaml", str(tmp_path / "here" / "c.yaml"))
    assert parsed.fixed["plugins"] == str(tmp_path / "here" / "plug.py")
    write_plan(parsed, tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_plan(tmp_path / "plan.yaml") == parsed
    monkeypatch.chdir(tmp_path / "with space")  # config_files is a list that spaces separate
    Path("c.yaml").write_text("epochs: 3\n")
    assert make_plan({"datasets": "ml-100k", "models": "BPR"}, ["c.yaml"]).config_files == ("c.yaml",)
