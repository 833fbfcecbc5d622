"""The real command line: what works, what is refused with status 2, what is written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_parts import SMALL, train
from toy import toy_split, write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.commands.pages import SUBCOMMANDS
from recbole_dtlns.evaluation.loading import load_data_and_model
from recbole_dtlns.false_negatives.judges import RuleJudge
from recbole_dtlns.files.cache import file_hash
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.quick_start import objective_function

ENTRY = Path(__file__).resolve().parent.parent / "run_recbole_dtlns.py"


def test_the_script_runs_the_whole_pipeline_in_a_process_of_its_own(toy: Path) -> None:
    flags = ["-m", "LightGCN", "-d", "toy", "--data_path", "data", "--epochs=2", "--run_dir=run", *SMALL]
    flags.append("--judge_report=false")
    done = subprocess.run(
        [sys.executable, str(ENTRY), *flags],
        env={**os.environ, "PYTHONPATH": str(ENTRY.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (toy / "run").iterdir()}
    assert {"result.json", "config.yaml", "run.log", "checkpoint.pth", "inferred_positives.tsv"} <= names
    assert "ray" not in done.stderr
    result = json.loads((toy / "run" / "result.json").read_text())
    fields = (
        "model dataset neg_sampler neg_sampler_effective judge protocol eval_mask seed split_seed best_epoch "
        "best_valid_result test_result data identification overlap external seconds cached peak_memory_mb versions "
        "machine config"
    )
    assert set(fields.split()) <= set(result)
    assert result["model"] == "LightGCN"
    assert result["machine"]["gpu"] is None
    assert result["machine"]["cores"] >= 1 <= result["machine"]["threads"]
    assert all(result["machine"][name] for name in ("system", "cpu", "memory_gb"))
    assert result["dataset"] == "toy"
    assert result["neg_sampler"] == result["neg_sampler_effective"] == "dtl_ns"
    assert result["judge"] == "learned"
    assert set(result["seconds"]) == {"trees", "candidates", "judging", "training", "sampling", "evaluation"}
    assert all(value > 0 for value in result["seconds"].values())
    assert set(result["identification"]) == {
        *("pairs", "llm_calls", "prompt_tokens", "unreadable", "unjudged", "accepted")
    }
    parts = toy_split()
    counts = {name: len(pairs) for name, pairs in parts.items()}
    assert {name: result["data"][name] for name in counts} == counts
    assert result["data"]["users"] == 60
    assert result["data"]["inferred_positives"] == result["identification"]["accepted"] > 0
    assert "recall@20" in result["test_result"]


def test_the_resolved_configuration_can_be_fed_back(toy: Path) -> None:
    base = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=2", *SMALL]  # judge and loss by default
    assert main([*base, "--neg_candidates=7", "--run_dir=run"]) == 0
    assert main(["--config_files=run/config.yaml", "--run_dir=again"]) == 0
    first, second = read_result(toy / "run"), read_result(toy / "again")
    assert first["test_result"] == second["test_result"]
    assert first["config"] == second["config"]
    assert second["config"]["neg_candidates"] == 7


def test_a_run_without_negatives_can_be_fed_back_too(toy: Path) -> None:
    base = ["--model=MultiVAE", "--dataset=toy", "--data_path=data", "--epochs=1", "--train_neg_sample_args=None"]
    assert main([*base, "--run_dir=run"]) == 0
    assert main(["--config_files=run/config.yaml", "--run_dir=again"]) == 0
    assert read_result(toy / "run")["test_result"] == read_result(toy / "again")["test_result"]
    assert read_result(toy / "run")["neg_sampler"] is None


def test_command_line_wins_over_files_and_shipped_presets_are_found(toy: Path) -> None:
    Path("mine.yaml").write_text("epochs: 9\nneg_candidates: 4\nmade_up_key: 1\n")
    flags = ["--config_files=preset/paper.yaml mine.yaml", "--judge=keep_all", "--candidate_config={epochs: 1}"]
    assert main(["--model=LightGCN", "--dataset=toy", "--data_path=data", "--run_dir=run", "--epochs=1", *flags]) == 0
    result = read_result(toy / "run")
    config = result["config"]
    assert (config["epochs"], config["neg_candidates"], config["n_layers"]) == (1, 4, 3)
    assert (config["augment_graph"], config["positive_weight"], config["require_pow"]) == (True, 1.0, True)
    assert result["candidate_source"] == "LightGCN"
    assert result["identification"]["accepted"] == result["identification"]["pairs"]
    assert result["trees"]["item_vectors"] == "LightGCN"


def test_an_interrupted_identification_keeps_what_it_made(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RuleJudge, "score", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert train() == 130
    assert train() == 0
    assert {"candidates", "trees"} <= set(read_result(toy / "run")["cached"])


def test_recommend_lists_unseen_items_by_token(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train() == 0
    capsys.readouterr()
    assert main(["recommend", "run", "--topk=5", "--users=u1,u2"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["user", "item", "rank", "score"]
    assert [row[0] for row in rows[1:]] == ["u1"] * 5 + ["u2"] * 5
    assert [row[2] for row in rows[1:6]] == list("12345")
    scores = [float(row[3]) for row in rows[1:6]]
    assert scores == sorted(scores, reverse=True)
    parts = toy_split()
    assert not {(row[0], row[1]) for row in rows[1:]} & set(parts["train"] + parts["valid"])
    assert main(["recommend", "run", "--topk=3", "--output=lists.tsv"]) == 0
    assert len(Path("lists.tsv").read_text().splitlines()) == 1 + 60 * 3
    assert main(["recommend", "run", "--topk=40", "--output=all.tsv"]) == 0
    listed = {tuple(line.split("\t")[:2]) for line in Path("all.tsv").read_text().splitlines()[1:]}
    inferred = Path("run/inferred_positives.tsv").read_text().splitlines()[1:]
    seen = set(parts["train"] + parts["valid"])
    assert listed == {(f"u{user}", f"i{item}") for user in range(60) for item in range(40)} - seen
    assert {tuple(line.split("\t")[:2]) for line in inferred} - seen <= listed
    assert not Path("log_tensorboard").exists()  # nothing was trained
    assert main(["recommend", "run", "--users=stranger"]) == 2
    assert "stranger" in capsys.readouterr().err
    assert main(["recommend", "nowhere"]) == 2
    assert main(["recommend"]) == 2


def test_a_loaded_run_evaluates_as_it_did(toy: Path) -> None:
    from recbole_dtlns.training.trainer import make_trainer

    assert train("--augment_graph=true") == 0
    config, model, _, train_data, _, test_data = load_data_and_model("run")
    trainer = make_trainer(config, model)
    trainer.eval_collector.data_collect(train_data)
    again = trainer.evaluate(test_data, load_best_model=False)
    assert {name: float(value) for name, value in again.items()} == read_result(toy / "run")["test_result"]


def test_a_run_is_a_candidate_source_and_marked_external(toy: Path) -> None:
    assert train() == 0
    assert train("--run_dir=next", "--candidate_checkpoint=run", "--judge=keep_all") == 2  # run_dir given twice
    flags = [flag for flag in SMALL if "run_dir" not in flag]
    command = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=1", "--run_dir=next", *flags]
    assert main([*command, "--candidate_checkpoint=run", "--judge=keep_all"]) == 0
    result = read_result(toy / "next")
    assert result["candidate_source"] == "BPR of run"
    assert [entry["kind"] for entry in result["external"]] == ["candidate_checkpoint"]
    assert result["external"][0]["train_hash"] == result["data"]["train_hash"]


def test_verdicts_travel_as_files(toy: Path) -> None:
    for suffix in ("tsv", "parquet"):
        assert (
            main(
                [
                    "identify",
                    "--dataset=toy",
                    "--data_path=data",
                    f"--export_verdicts=v.{suffix}",
                    f"--run_dir={suffix}",
                    SMALL[0],
                ]
            )
            == 0
        )
        flags = ["identify", "--dataset=toy", "--data_path=data", "--judge=file", f"--judge_file=v.{suffix}"]
        assert main([*flags, f"--run_dir=from_{suffix}"]) == 0
        again = (toy / f"from_{suffix}" / "inferred_positives.tsv").read_bytes()
        assert again == (toy / suffix / "inferred_positives.tsv").read_bytes()
    assert read_result(toy / "from_tsv")["external"][0]["kind"] == "judge_file"


def test_a_trial_never_reads_test(toy: Path) -> None:
    keys = {"model": "BPR", "dataset": "toy", "data_path": "data", "epochs": 1, "embedding_size": 8, "run_dir": "trial"}
    trial = objective_function({**keys, "judge": "rule", "tree_leaf_size": 4})
    assert trial["test_result"] == {}
    assert set(trial) == {"model", "best_valid_score", "valid_score_bigger", "best_valid_result", "test_result"}
    assert trial["model"] == "BPR"
    assert trial["best_valid_score"] == trial["best_valid_result"]["ndcg@20"]
    result = read_result(toy / "trial")
    assert result["test_result"] is None
    assert result["overlap"] is None


def test_plugins_bring_samplers_and_judges(toy: Path) -> None:
    Path("mine.py").write_text(
        "import numpy as np\n"
        "from recbole_dtlns.samplers import SAMPLERS\n"
        "from recbole_dtlns.samplers.base import BaseSampler\n"
        "from recbole_dtlns.false_negatives.judges import JUDGES\n"
        "class Easiest(BaseSampler):\n"
        "    def score(self, batch):\n"
        "        return -batch.scores\n"
        "class Even:\n"
        "    name, revision = 'even', '1'\n"
        "    def __init__(self, context): pass\n"
        "    def settings(self): return {}\n"
        "    def score(self, users, items): return (items % 2 == 0).astype(float), None\n"
        "SAMPLERS['easiest'] = Easiest\n"
        "JUDGES['even'] = Even\n"
    )
    assert train("--plugins=mine.py", "--neg_sampler=easiest", "--judge=even") == 0
    result = read_result(toy / "run")
    assert (result["neg_sampler_effective"], result["judge"]) == ("easiest", "even")
    assert 0 < result["identification"]["accepted"] < result["identification"]["pairs"]
    assert result["plugins"] == [{"file": "mine.py", "sha256": file_hash(Path("mine.py"))}]


@pytest.mark.parametrize(
    ("flags", "effective"),
    [
        (["--neg_sampler=dns", "--tree_view=true"], "dns+tree"),
        (["--neg_sampler=mixgcf", "--tree_view=true"], "mixgcf+tree"),
        (["--neg_sampler=uniform", "--tree_view=true"], "uniform+tree"),
        (["--neg_sampler=popularity", "--tree_view=true"], "popularity+tree"),
        (["--neg_sampler=dtl_ns", "--tree_view=false", "--judge=rule"], "mixgcf"),
        (["--neg_sampler=uniform"], "uniform"),
        (["--model=LINE"], "dns+tree"),
        (["--model=SimpleX", "--judge=rule"], "dns+tree"),
        (["--neg_sampler=recbole:dynamic", "--judge=keep_all"], "recbole:dynamic"),
        (["--neg_sampler=mixgcf", "--num_negatives=3"], "mixgcf"),
    ],
)
def test_every_combination_trains_and_says_what_ran(toy: Path, flags: list[str], effective: str) -> None:
    model = [] if any(flag.startswith("--model") for flag in flags) else ["--model=NGCF"]
    assert main(["--dataset=toy", "--data_path=data", "--epochs=1", "--run_dir=run", *SMALL, *model, *flags]) == 0
    assert read_result(toy / "run")["neg_sampler_effective"] == effective


def test_ready_codes_replace_the_trees(toy: Path) -> None:
    items = sorted({item for _, item in toy_split()["train"]})
    Path("codes.txt").write_text("".join(f"{item}: {number % 3}-{number % 2}\n" for number, item in enumerate(items)))
    assert train("--codes_co=codes.txt", "--codes_se=codes.txt") == 0
    result = read_result(toy / "run")
    assert [entry["kind"] for entry in result["external"]] == ["codes_co", "codes_se"]
    assert result["trees"]["agreement"] == 1
    assert "the two views are one" in (toy / "run" / "run.log").read_text()


def test_convert_makes_files_that_train(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "data/toy", "atomic", "--name=tiny"]) == 0
    assert (toy / "atomic" / "tiny" / "tiny.train.inter").is_file()
    base = ["--model=BPR", "--epochs=2", "--judge=rule", *SMALL]
    assert main([*base, "--dataset=tiny", "--data_path=atomic", "--run_dir=from_atomic"]) == 0
    assert main([*base, "--dataset=toy", "--data_path=data", "--run_dir=from_text"]) == 0
    first, second = read_result(toy / "from_atomic"), read_result(toy / "from_text")
    assert first["test_result"] == second["test_result"]
    assert first["data"] == second["data"]
    assert main(["convert", "data/toy"]) == 2
    assert "Usage" in capsys.readouterr().err


def test_doctor_and_help(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--dataset=toy", "--data_path=data", "--model=DGCF"]) == 0
    out = capsys.readouterr().out
    for word in ("recbole", "1.2.1", "4-bit", "dns+tree", "text"):
        assert word in out
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in SUBCOMMANDS:
        assert name in out
    assert main(["--help_keys"]) == 0
    assert "neg_candidates" in capsys.readouterr().out
    assert main(["train_it"]) == 2
    assert "identify, recommend, export, convert, doctor" in capsys.readouterr().err


def test_auto_encoders_are_trained_on_inferred_positives(toy: Path) -> None:
    base = ["--model=MultiVAE", "--dataset=toy", "--data_path=data", "--epochs=3", "--learning_rate=0.01"]
    for judge in ("none", "keep_all"):
        assert main([*base, f"--judge={judge}", f"--run_dir=with_{judge}"]) == 0
    first, second = read_result(toy / "with_none"), read_result(toy / "with_keep_all")
    assert first["best_valid_result"] != second["best_valid_result"]
    assert second["data"]["inferred_positives"] > 0


def test_models_evaluated_by_value_and_knowledge_models_run_as_stock(toy: Path) -> None:
    write_timed(toy / "data")
    base = ["--dataset=timed", "--data_path=data", "--embedding_size=8"]
    by_value = "--load_col={'inter': ['user_id', 'item_id', 'rating']}"
    assert main([*base, "--model=FM", by_value, "--threshold={'rating': 2}", "--epochs=1", "--run_dir=fm"]) == 0
    assert "auc" in read_result(toy / "fm")["test_result"]
    columns = "{'inter':['user_id','item_id'],'kg':['head_id','relation_id','tail_id'],'link':['item_id','entity_id']}"
    flags = [*base, "--model=CFKG", "--epochs=2", "--checkpoint_seconds=0", "--run_dir=kg"]
    assert main([*flags, f"--load_col={columns}", "--neg_sampler=recbole:uniform"]) == 0
    assert read_result(toy / "kg")["neg_sampler_effective"] == "recbole:uniform"


def test_a_model_class_of_ones_own(toy: Path) -> None:
    from recbole.model.general_recommender import BPR

    from recbole_dtlns.quick_start import run_recbole_dtlns

    class MyBPR(BPR):  # type: ignore[misc]
        pass

    keys = {"data_path": "data", "epochs": 1, "embedding_size": 8, "run_dir": "mine", "tree_leaf_size": 4}
    keys["judge"] = "rule"
    run_recbole_dtlns(MyBPR, "toy", config_dict=keys, saved=False)
    assert read_result(toy / "mine")["neg_sampler_effective"] == "dns+tree"


def test_a_stock_yaml_that_would_pickle_its_data_runs(toy: Path) -> None:
    Path("stock.yaml").write_text("save_dataset: true\nsave_dataloaders: true\ncheckpoint_dir: mine\neval_step: 1\n")
    assert train("--config_files=stock.yaml") == 0
    assert not list(Path("run").glob("*Dataset.pth"))
    assert not Path("mine").exists()
