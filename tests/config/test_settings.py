"""Our keys: one table, typed, never evaluated."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from recbole_dtlns.config import run_config
from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.config_files import typed
from recbole_dtlns.config.declared import declared_keys
from recbole_dtlns.config.run_config import PROPERTIES, Config
from recbole_dtlns.config.settings import Settings, meaning, our_keys
from recbole_dtlns.errors import UserError
from recbole_dtlns.quick_start import Inputs

# DESIGN's table of start values, as YAML writes them.
START = """
neg_sampler: ~
neg_candidates: 10
num_negatives: 1
tree_view: ~
alpha_co: 0.1
alpha_se: 0.3
tree_branching: 4
tree_leaf_size: 30
item_vectors: auto
codes_co: ~
codes_se: ~
candidate_source: EASE
candidate_topk: ~
candidate_config: ~
candidate_file: ~
candidate_memory_gb: 4
judge: ~
judge_decision: per_user
judge_threshold: ~
judge_rate: 0.2
positives_per_user: "5"
judge_report: ~
judge_report_pairs: 2000
judge_refresh: ~
judge_file: ~
export_verdicts: ~
student_teacher: llm
student_users: 150
student_share: 0.2
llm_model: ~
llm_revision: ~
llm_quantization: ~
llm_double_quantization: true
llm_compute_dtype: ~
llm_device_map: ~
llm_memory_gb: ~
llm_offline: false
llm_prompt: compact
llm_method: auto
llm_max_history: 30
llm_max_pairs: ~
llm_batch_tokens: ~
server_url: ~
server_model: ~
server_api: auto
server_concurrency: 8
server_timeout: 60
server_retries: 5
shard: ~
positive_weight: 0.5
positives_loss: ~
list_weight: 1
list_size: 50
list_negatives: 512
list_users: 256
list_temperature: 1
augment_loss: true
augment_graph: false
exclude_inferred: true
protocol: honest
eval_mask: train_valid
split_seed: ~
run_dir: ~
cache_dir: ~
"""


def test_start_values_are_the_documented_ones() -> None:
    values = Settings().as_dict()
    for key, value in yaml.safe_load(START).items():
        assert values[key] == value, key


def test_keys_of_samplers_are_typed_and_keep_what_is_given() -> None:
    settings = Settings.parse({"srns_warmup": "7"})
    assert settings.declared["srns_warmup"] == settings.as_dict()["srns_warmup"] == 7
    assert settings.declared["srns_alpha"] == 5.0


def test_overall_yaml_repeats_the_start_values_and_names_every_key() -> None:
    text = (PROPERTIES / "overall.yaml").read_text()
    given = yaml.safe_load(text)
    assert given.pop("topk") == [10, 20]
    assert given.pop("valid_metric") == "NDCG@20"
    values = Settings().as_dict()
    assert {key: str(value) for key, value in given.items()} == {key: str(values[key]) for key in given}
    commented = set(re.findall(r"^# (\w+) +\(", text, flags=re.MULTILINE))
    assert set(given) | commented == our_keys() - set(declared_keys("samplers"))


@pytest.mark.parametrize("path", sorted(PROPERTIES.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_line_of_a_shipped_yaml_says_its_type_and_meaning(path: Path) -> None:
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith(("#", " ")):
            assert re.search(r"# \([a-z ]+\) \S", line), line


def test_every_key_has_a_meaning_and_parses_its_own_text() -> None:
    values = Settings().as_dict()
    assert Settings.parse({key: str(value) for key, value in values.items() if value is not None}) == Settings()
    assert set(values) == our_keys()
    for key in values:
        assert len(meaning(key)) > 10


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ({"neg_candidates": "64"}, 64),
        ({"alpha_se": "1e-1"}, 0.1),
        ({"tree_view": "false"}, False),
        ({"tree_view": None}, None),
        ({"judge": "none"}, "none"),
        ({"judge": None}, None),
        ({"neg_sampler": "~"}, None),
        ({"candidate_topk": "5+50%"}, Budget.parse("5+50%")),
        ({"positives_per_user": 3}, Budget(3)),
        ({"candidate_config": "{epochs: 3}"}, {"epochs": 3}),
        ({"judge_report": "false"}, False),
        ({"judge_report": None}, None),
        ({"judge_refresh": "3"}, 3),
        ({"llm_quantization": "none"}, "none"),  # a value, while no value at all leaves it to the device
        ({"llm_quantization": None}, None),
        ({"llm_max_pairs": "0"}, 0),
        ({"shard": "2/5"}, "2/5"),
        ({"candidate_config": "keys.yaml"}, "keys.yaml"),
        ({"codes_co": "__import__('os').getcwd()"}, "__import__('os').getcwd()"),  # text stays text
    ],
)
def test_values_are_typed_by_the_table(given: dict[str, Any], typed: Any) -> None:
    (key,) = given
    assert Settings.parse(given)[key] == typed


@pytest.mark.parametrize(
    "given",
    [
        {"neg_candidates": "0"},
        {"neg_candidates": True},
        {"alpha_co": "-1"},
        {"alpha_co": "nan"},
        {"judge_threshold": 1.5},
        {"judge_rate": "-0.1"},
        {"judge_decision": "best"},
        {"judge_refresh": "0"},
        {"judge_report_pairs": 1},
        {"student_users": 7},
        {"llm_quantization": "int4"},
        {"llm_method": "magic"},
        {"llm_max_history": 0},
        {"server_timeout": 0},
        {"shard": "0/2"},
        {"shard": "3/2"},
        {"shard": "half"},
        {"augment_loss": "maybe"},
        {"protocol": "paper"},
        {"candidate_topk": "a few"},
        {"judge": ["rule"]},
        {"candidate_config": "{broken"},
    ],
)
def test_wrong_types_name_key_value_and_expectation(given: dict[str, Any]) -> None:
    (key,) = given
    with pytest.raises(UserError, match=rf"{key}=.*"):
        Settings.parse(given)


def test_recbole_keys_are_literals_and_never_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = {"learning_rate": "1e-4", "topk": "[5,10]", "use_gpu": "False", "wandb_project": "open('spoiled','w')"}
    config = Config("BPR", "ml-100k", command_line=flags)
    assert (config["learning_rate"], config["topk"], config["use_gpu"]) == (1e-4, [5, 10], False)
    assert not (tmp_path / "spoiled").exists()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("load_col", "{inter: [user_id, item_id]}", {"inter": ["user_id", "item_id"]}),
        ("load_col", "{'inter': ['user_id', 'item_id']}", {"inter": ["user_id", "item_id"]}),
        ("clip_grad_norm", " {max_norm: 5, norm_type: 2}", {"max_norm": 5, "norm_type": 2}),
        ("user_inter_num_interval", "[5,inf]", "[5,inf]"),  # RecBole's own notation, no list
    ],
)
def test_a_flag_may_spell_a_mapping_as_yaml_or_as_python(key: str, text: str, value: Any) -> None:
    """The first two are what messages and YAML files show."""
    assert typed(key, text) == value


@pytest.mark.parametrize(
    ("keys", "metric"),
    [
        ({}, "NDCG@20"),
        ({"topk": [10]}, "MRR@10"),  # a stock configuration stops as it did
        ({"topk": 5}, "NDCG@5"),
        ({"topk": [5, 7], "metrics": ["Recall", "Hit"]}, "Recall@7"),
        ({"topk": [5], "valid_metric": "Hit@5"}, "Hit@5"),
        ({"metrics": "MRR"}, "MRR@10"),
    ],
)
def test_the_users_topk_and_metrics_win_over_our_valid_metric(keys: dict[str, Any], metric: str) -> None:
    assert Config("BPR", "ml-100k", config_dict=keys)["valid_metric"] == metric


def test_the_dict_that_was_given_is_not_changed() -> None:
    given = {"epochs": "3", "neg_candidates": "5"}
    config = Config("BPR", "ml-100k", config_dict=given)
    assert given == {"epochs": "3", "neg_candidates": "5"}
    assert (config["epochs"], config["neg_candidates"]) == (3, 5)


def test_python_gives_numbers_of_numpy_tuples_and_paths(tmp_path: Path) -> None:
    keys = {
        "embedding_size": np.int64(8),
        "topk": (np.int64(5), 10),
        "metrics": ("Recall",),
        "neg_candidates": np.int32(3),
    }
    (tmp_path / "a.yaml").write_text("epochs: 2\n")
    config = Inputs("BPR", "ml-100k", [tmp_path / "a.yaml"], {**keys, "learning_rate": np.float32(0.5)}).config()
    assert (config["embedding_size"], config["topk"], config["learning_rate"]) == (8, [5, 10], 0.5)
    assert (config["metrics"], config["neg_candidates"], config["epochs"]) == (["Recall"], 3, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"config_file_list": "a.yaml"}, r"config_file_list='a.yaml': expected a list of files, such as \['a.yaml'\]"),
        ({"config_dict": ["epochs"]}, "config_dict=.* expected a mapping"),
        ({"config_dict": {3: 4}}, "config_dict=.* expected a mapping"),
    ],
)
def test_what_python_gives_is_checked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Inputs("BPR", "ml-100k", **given)


def test_an_unknown_key_in_a_file_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.yaml").write_text("neg_candidate: 5\nconfig_files: b.yaml\n")
    (tmp_path / "empty.yaml").write_text("")
    Config("BPR", "ml-100k", [str(tmp_path / "a.yaml"), str(tmp_path / "empty.yaml")])
    assert "neg_candidate" in caplog.text
    assert "did you mean neg_candidates" in caplog.text
    assert "Unknown key 'config_files' in a configuration file; nothing reads it" in caplog.text


@pytest.mark.parametrize("text", ["a: [1\n", "- 1\n- 2\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"a\.yaml"):
        Config("BPR", "ml-100k", [str(tmp_path / "a.yaml")])


def test_a_fault_of_our_own_is_no_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("a bug")

    with pytest.raises(UserError, match=r"The configuration cannot be used.*--loss_type=BPR"):  # raised inside RecBole
        Config("SASRec", "ml-100k")
    monkeypatch.setattr(run_config, "check_nested_keys", broken)
    with pytest.raises(KeyError, match="a bug"):
        Config("BPR", "ml-100k")
