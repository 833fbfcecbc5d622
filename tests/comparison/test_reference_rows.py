"""Reference rows: other models and the judge's own order, run and tuned beside the rows that are compared."""

from pathlib import Path

import pytest
import yaml
from fake_runs import FIXED, small_plan, write_made

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.plan.cell_config import CellConfig, check_cells
from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.plan_file import make_plan
from recbole_dtlns.comparison.plan.rows import REFERENCES, make_row
from recbole_dtlns.comparison.run.campaign import write_plan
from recbole_dtlns.comparison.run.outlook import cost_text
from recbole_dtlns.comparison.run.records import read_comparison
from recbole_dtlns.comparison.run.reuse import so_far
from recbole_dtlns.comparison.run.runs import run_flags, runs_of, seeds_of
from recbole_dtlns.comparison.search.search import Space, number_of_trials, ranges_of, trial_keys
from recbole_dtlns.config import model_kinds
from recbole_dtlns.errors import UserError
from recbole_dtlns.files.shipped import PROPERTIES

PEERS = ("SLIMElastic", "RecVAE", "SimpleX", "NCL")
TRAINED = ("RecVAE", "SimpleX", "NCL")


def config_of(name: str, **fixed: object) -> CellConfig:
    plan = small_plan(name, fixed={**FIXED, **fixed})
    return CellConfig(plan, plan.cells()[0])


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_recboles_model_on_recboles_own_path(toy: Path, name: str) -> None:
    pinned = {"learning_rate": 0.5, "reg_weight": 7.0, "num_negatives": 9, "weight_decay": 0.1, "learner": "sgd"}
    config = config_of(name, **pinned, positives_loss="list", neg_candidates=3)
    assert config["model"] == name
    assert config.method.base is None
    assert config.method.judge == "none"
    assert config.method.effective == ("recbole:uniform" if name in ("SimpleX", "NCL") else None)
    if name in TRAINED:
        assert (config["learning_rate"], config["weight_decay"], config["learner"]) == (0.001, 0.0, "adam")
        assert config["train_batch_size"] == 2048
    if name in ("SimpleX", "NCL"):
        assert config["train_neg_sample_args"]["sample_num"] == 1
        assert config["reg_weight"] == {"SimpleX": 1e-5, "NCL": 1e-4}[name]
        assert config["embedding_size"] == 64


@pytest.mark.parametrize("name", REFERENCES)
def test_epochs_and_early_stopping_are_those_of_all_runs(toy: Path, name: str) -> None:
    config = config_of(name, epochs=7, stopping_step=3, eval_step=2, valid_metric="NDCG@10")
    assert [config[key] for key in ("epochs", "stopping_step", "eval_step", "valid_metric")] == [7, 3, 2, "NDCG@10"]


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_trains_and_is_tested_through_the_command_line(toy: Path, name: str) -> None:
    """NCL with its own 1000 prototypes of 60 users."""
    if name == "NCL":
        pytest.importorskip("faiss")
    plan = small_plan(name, fixed={})
    chosen = {"warm_up_step": 1} if name == "NCL" else {}
    given = run_flags(plan, seeds_of(plan, plan.cells()[0])[0], chosen)
    flags = [f"--{key}={value}" for key, value in {**given, "data_path": "data", "epochs": 2}.items()]
    assert main([*flags, "--run_dir=run"]) == 0
    result = yaml.safe_load(Path("run/result.json").read_text(encoding="utf-8"))
    assert result["model"] == name
    assert result["test_result"]["ndcg@20"] > 0.1
    assert all(check["passed"] for check in result["checks"])
    assert Path("run/per_user.npz").is_file()


def test_simplex_takes_many_negatives_from_recboles_loader(toy: Path) -> None:
    config = config_of("SimpleX")
    many = CellConfig(small_plan("SimpleX"), small_plan("SimpleX").cells()[0], {"num_negatives": 10})
    assert config["train_neg_sample_args"]["sample_num"] == 1
    assert many["train_neg_sample_args"]["sample_num"] == 10
    assert many.method.base is None
    assert (
        main(
            [
                "--model=SimpleX",
                "--dataset=toy",
                "--data_path=data",
                "--neg_sampler=recbole:uniform",
                "--num_negatives=10",
                "--epochs=1",
                "--run_dir=run",
            ]
        )
        == 0
    )


@pytest.mark.parametrize("name", [*PEERS, "EASE", "ItemKNN"])
@pytest.mark.parametrize("search", ["random", "grid"])
def test_a_reference_row_gets_as_many_trials_as_any_other(name: str, search: str) -> None:
    settings = yaml.safe_load((PROPERTIES / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    plan = small_plan(name, "dns", trials=6, search=search, fixed={"learning_rate": 0.003})
    row = make_row(name)
    assert set(ranges_of(row, plan)) == set(settings["search"])
    keys = trial_keys(row, plan)
    assert len(keys) == number_of_trials(row, plan) == 6
    assert keys[0] == {}
    assert all(keys.count(each) == 1 for each in keys)
    start = Space(row, plan).start
    assert set(start) == set(settings["search"])  # so that no trial repeats the start values
    assert start not in keys


@pytest.mark.parametrize("name", TRAINED)
def test_shared_ranges_are_of_the_rows_compared_and_trained_references_have_their_own(
    name: str,
) -> None:
    plan = small_plan(name, "dns", trials=3, shared_search={"learning_rate": "choice [0.7]"})
    assert ranges_of(make_row("dns"), plan)["learning_rate"].values == (0.7,)
    assert 0.001 in ranges_of(make_row(name), plan)["learning_rate"].values
    assert 0.7 not in ranges_of(make_row(name), plan)["learning_rate"].values


def test_ncl_without_faiss_is_refused_before_any_work(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_kinds, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"faiss, which is not installed.*peers"):
        check_cells(small_plan("NCL"))
    check_cells(small_plan("SimpleX"))
    assert main(["--model=NCL", "--dataset=toy", "--data_path=data", "--run_dir=run"]) == 2
    assert not Path("run").exists()


def test_every_value_of_their_ranges_is_accepted(toy: Path) -> None:
    for name in PEERS:
        plan = small_plan(name, fixed={"data_path": "data"})
        for key, each in ranges_of(make_row(name), plan).items():
            for value in each.values:
                assert CellConfig(plan, plan.cells()[0], {key: value})[key] == value


def test_models_with_negatives_may_be_compared_and_others_may_not(toy: Path) -> None:
    keys = {"datasets": "toy", "data_path": "data", "samplers": "dns,NCL"}
    plan = make_plan({**keys, "models": "NCL,SimpleX"})
    labels = [(cell.model, cell.label) for cell in plan.cells()]
    assert labels == [("NCL", "dns"), ("SimpleX", "dns"), ("NCL", "NCL")]
    check_cells(plan)
    for model in ("RecVAE", "SLIMElastic", "EASE"):
        with pytest.raises(UserError, match="reference row"):
            make_plan({**keys, "models": model})
    with pytest.raises(UserError, match="no model 'JudgedOrder'"):
        make_plan({**keys, "models": "JudgedOrder"})


def judge_plan(**changes: object) -> ComparisonPlan:
    return small_plan("dns+pos", "judge", "EASE", judges=("rule", "keep_all"), **{"noise": (0.0, 0.1), **changes})


def test_the_judge_crosses_with_the_judges_once_a_data_set() -> None:
    plan = judge_plan(models=("BPR", "LightGCN"), noise=(0.0,), trials=5)
    folders = [cell.folder.as_posix() for cell in plan.cells() if cell.row.model]
    assert folders == ["toy/JudgedOrder/judge@rule", "toy/JudgedOrder/judge@keep_all", "toy/EASE/EASE"]
    assert number_of_trials(make_row("judge"), plan) == 1  # nothing to tune


def test_the_judge_ranks_under_the_keys_of_all_judged_rows(toy: Path) -> None:
    plan = judge_plan(fixed={**FIXED, "candidate_topk": 15}, judge_keys={"keep_all": {"candidate_topk": 7}})
    check_cells(plan)
    configs = [CellConfig(plan, cell) for cell in plan.cells() if cell.row.name == "judge" and not cell.noise]
    assert [str(config.settings.candidate_topk) for config in configs] == ["15", "7"]
    assert all(config.method.ranks_lists and config.method.positives_loss is None for config in configs)


def test_the_judge_stands_beside_every_model_in_the_report(tmp_path: Path) -> None:
    plan = judge_plan(models=("BPR", "LightGCN"))
    write_plan(plan, tmp_path)
    for cell in plan.cells():
        for run in runs_of(plan, cell):
            write_made(tmp_path, run)
    comparison = read_comparison(tmp_path)
    assert comparison.groups() == [("toy", "BPR"), ("toy", "LightGCN")]
    assert {label: len(runs) for label, runs in comparison.references("toy", 0.1).items()} == {
        "judge@rule": 2,
        "judge@keep_all": 2,
        "EASE": 2,
    }


def test_a_trained_reference_row_is_timed_by_its_epochs(toy: Path) -> None:
    plan = small_plan("RecVAE", seeds=(3,), fixed={**FIXED, "epochs": 100, "latent_dimension": 8})
    text = cost_text(so_far(toy / "compared", plan)[0], plan, 1, [])
    low, high = text.partition("estimated cost: ")[2].partition(" (early")[0], text.partition(" to ")[2]
    assert not high.startswith(low)


def test_rows_that_train_on_lists_try_the_ranges_of_the_list_loss() -> None:
    lists = {"list_weight", "list_temperature"}
    assert set(yaml.safe_load((PROPERTIES / "loss/list.yaml").read_text(encoding="utf-8"))["search"]) == lists
    plain = small_plan(trials=4, judges=("rule",))
    for listed in (
        small_plan(trials=4, judges=("rule",), fixed={"positives_loss": "list"}),
        small_plan(trials=4),  # the learned judge
        small_plan(trials=4, models=("SASRec", "BPR")),
    ):
        for name in ("dtl_ns", "exclude_only"):
            row = make_row(name)
            assert not lists & set(ranges_of(row, plain))
            assert set(ranges_of(row, listed)) == lists | set(ranges_of(row, plain))
    assert not lists & set(ranges_of(make_row("judge=keep_all"), small_plan(trials=4)))
    assert not lists & set(ranges_of(make_row("dtl_ns"), small_plan(trials=4, fixed={"positives_loss": "pairs"})))
    assert not lists & set(ranges_of(make_row("dtl_ns+reference"), small_plan(trials=4)))
    assert not lists & set(ranges_of(make_row("dtl_ns"), small_plan(trials=4, models=("SASRec",))))
    assert lists < set(ranges_of(make_row("dns+list"), plain))
    assert not lists & set(ranges_of(make_row("dns+pos"), listed))
    for name in ("dns", "judge", "EASE", "recbole:uniform"):
        assert not lists & set(ranges_of(make_row(name), listed))
    start = Space(make_row("dtl_ns"), listed).start
    assert (start["list_weight"], start["list_temperature"]) == (1.0, 1.0)
