"""The judge and the loss of inferred positives where the user names none, and what stands in the way of others."""

from pathlib import Path
from typing import Any

import pytest
from toy import write_timed

from recbole_dtlns.config.judge_checks import check_judge
from recbole_dtlns.config.positives_loss import default_judge, list_obstacle
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges.not_asked import learned_obstacle
from recbole_dtlns.training.preflight import OFFLINE_CHECKS, check_before_work

GRAPH = {"inter": ["user_id", "item_id"], "kg": ["head_id", "relation_id", "tail_id"], "link": ["item_id", "entity_id"]}
SASREC = {"loss_type": "BPR"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_timed(tmp_path_factory.mktemp("data"))


def config_of(data: Path, model: str, keys: dict[str, Any]) -> Config:
    graph = {"load_col": GRAPH} if model == "CKE" else {}
    return Config(model, "timed", config_dict={"data_path": str(data), **graph, **keys})


@pytest.mark.parametrize(
    ("model", "keys", "judge", "loss"),
    [
        ("BPR", {}, "learned", "list"),
        ("LightGCN", {"neg_sampler": "dtl_ns"}, "learned", "list"),
        ("DGCF", {}, "learned", "list"),
        ("CKE", {}, "learned", "list"),
        ("SASRec", SASREC, "rule", "pairs"),
        ("BPR", {"judge_refresh": 2}, "rule", "pairs"),
        ("BPR", {"protocol": "reference"}, "rule", "pairs"),
        ("BPR", {"positives_loss": "pairs"}, "rule", "pairs"),
        ("BPR", {"positives_loss": "list"}, "learned", "list"),
        ("BPR", {"candidate_source": "file", "candidate_file": "c.tsv"}, "rule", "pairs"),
        ("BPR", {"candidate_checkpoint": "run"}, "rule", "pairs"),
        ("BPR", {"candidate_source": "file", "candidate_file": "c.tsv", "positives_loss": "list"}, "rule", "list"),
        ("BPR", {"judge_decision": "calibrated"}, "rule", "pairs"),
        ("BPR", {"shard": "1/2"}, "rule", "pairs"),
        ("BPR", {"random_positives": True}, "learned", "list"),
        ("BPR", {"neg_sampler": "dns"}, "none", None),
        ("BPR", {"neg_sampler": "mixgcf", "judge": "learned"}, "learned", "list"),
        ("BPR", {"neg_sampler": "mixgcf", "judge": "learned", "positives_loss": "pairs"}, "learned", "pairs"),
        ("BPR", {"judge": "learned", "protocol": "reference"}, "learned", "pairs"),
        ("BPR", {"neg_sampler": "recbole:uniform", "judge": "learned"}, "learned", "pairs"),
        ("SASRec", {**SASREC, "judge": "learned"}, "learned", "pairs"),
        ("BPR", {"judge": "rule"}, "rule", "pairs"),
        ("BPR", {"judge": "keep_all"}, "keep_all", "pairs"),
        ("BPR", {"judge": "rule", "positives_loss": "list"}, "rule", "list"),
        ("BPR", {"judge": "file", "judge_file": "v.tsv"}, "file", "pairs"),
        ("BPR", {"judge": "none"}, "none", None),
    ],
    ids=str,
)
def test_judge_and_loss_by_model_and_keys(
    data: Path, model: str, keys: dict[str, Any], judge: str, loss: str | None
) -> None:
    config = config_of(data, model, keys)
    assert (config.method.judge, config.method.positives_loss) == (judge, loss)
    if "judge" not in keys and "neg_sampler" not in keys:
        chosen, why = default_judge(config.settings, config)
        assert chosen == judge
        assert (why is None) == (judge == "learned")
        assert why is None or why in config.method.notes


@pytest.mark.parametrize(
    ("model", "keys", "message"),
    [
        ("BPR", {"judge": "file", "judge_file": "v.tsv"}, "a file of verdicts has no candidates.*positives_loss=pairs"),
        ("SASRec", {**SASREC, "judge": "learned"}, "here SASRec has the negatives of dns.*choose another model"),
        ("BPR", {"judge": "rule", "judge_refresh": 2}, "leave judge_refresh out"),
        ("BPR", {"judge": "rule", "protocol": "reference"}, "Use positives_loss=pairs with it"),
        ("BPR", {"judge": "rule", "neg_sampler": "recbole:uniform"}, "negatives of recbole:uniform"),
    ],
    ids=str,
)
def test_lists_that_cannot_be_had_are_refused_when_they_are_asked_for(
    data: Path, model: str, keys: dict[str, Any], message: str
) -> None:
    config = config_of(data, model, keys)
    plan = config.method
    assert plan.positives_loss == "pairs"
    assert list_obstacle(config.settings, config, plan.judge, plan.effective, plan.base is not None)
    with pytest.raises(UserError, match=message):
        config_of(data, model, {**keys, "positives_loss": "list"})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"judge_decision": "calibrated"}, "judge_decision=calibrated"),
        ({"candidate_source": "file", "candidate_file": "c.tsv"}, "--candidate_source=EASE"),
        ({"candidate_checkpoint": "run"}, "candidate_checkpoint does not allow"),
        ({"shard": "1/2"}, "Leave shard out"),
    ],
    ids=str,
)
def test_the_learned_judge_is_refused_where_it_cannot_be_fitted(data: Path, keys: dict[str, Any], message: str) -> None:
    obstacle = learned_obstacle(config_of(data, "BPR", keys).settings.as_dict())
    assert obstacle is not None
    assert message in obstacle
    assert learned_obstacle(config_of(data, "BPR", {}).settings.as_dict()) is None


def test_a_shard_without_a_named_judge_and_learned_from_without_the_learned_judge_are_refused(data: Path) -> None:
    for keys, message in (
        ({"shard": "1/2"}, "shard=1/2 divides the questions"),
        ({"learned_from": "rule", "judge": "rule"}, "learned_from=rule is read by judge=learned alone"),
    ):
        config = config_of(data, "BPR", keys)
        with pytest.raises(UserError, match=message):
            check_judge(config.settings, config.method)


def test_lists_without_a_judge_are_said_to_change_nothing(data: Path) -> None:
    notes = config_of(data, "BPR", {"neg_sampler": "dns", "positives_loss": "list"}).method.notes
    assert any("positives_loss=list changes nothing" in note for note in notes)


@pytest.mark.parametrize(
    "keys",
    [
        {"judge": "file", "judge_file": "none.tsv"},
        {"judge": "rule", "candidate_source": "file", "candidate_file": "none.tsv"},
        {"codes_co": "none.txt"},
        {"item_vectors": "none.npy"},
    ],
    ids=lambda keys: next(reversed(keys)),
)
def test_a_missing_file_is_told_before_data_and_trees(data: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(reversed(keys))}: there is no file none"):
        check_before_work(config_of(data, "BPR", keys), OFFLINE_CHECKS)


def test_keys_that_nothing_reads_are_named(data: Path) -> None:
    for keys, expected in (
        ({}, []),
        ({"neg_sampler": "dns", "positives_per_user": 9}, ["positives_per_user: not read here; for inferred"]),
        ({"neg_sampler": "dns", "alpha_co": 0.5, "tree_branching": 8}, ["alpha_co: not read", "tree_branching: not"]),
        ({"judge": "rule", "judge_file": "v.tsv"}, ["judge_file: not read here; for judge=file alone"]),
        ({"judge": "rule", "list_size": 9}, ["list_size: not read here; for positives_loss=list alone"]),
        ({"dns_mn_m": 3}, ["dns_mn_m: not read here; for neg_sampler=dns_mn alone"]),
        ({"neg_sampler": "dns_mn", "dns_mn_m": 3}, []),
        ({"candidate_memory_gb": 2}, []),  # the learned judge fits every source
        ({"judge": "rule", "candidate_source": "ItemKNN", "candidate_memory_gb": 2}, ["candidate_memory_gb: not read"]),
        ({"judge": "learned", "learned_from": "llm", "llm_model": "m"}, []),
        ({"judge": "file", "judge_file": "v.tsv", "candidate_source": "ItemKNN", "candidate_memory_gb": 1}, []),
        ({"noise_kind": "false_negatives"}, ["noise_kind: not read here; noise_rate is 0"]),
    ):
        notes = [note for note in config_of(data, "BPR", keys).method.notes if "not read here" in note]
        assert len(notes) == len(expected), keys
        assert all(note.startswith(start) for note, start in zip(notes, expected, strict=True)), notes
