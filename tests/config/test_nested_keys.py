"""Mappings among RecBole's keys: names, words and numbers inside them are checked before any work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from recbole_dtlns.cli import main
from recbole_dtlns.config.nested_keys import check_nested_keys
from recbole_dtlns.errors import UserError
from recbole_dtlns.quick_start import Inputs

BAD = [
    ("eval_args", {"splt": {"RS": [8, 1, 1]}}, r"Unknown key eval_args.splt; did you mean split\?"),
    ("eval_args", "full", "expected a mapping such as {split:"),
    ("eval_args", {"order": "T0"}, "eval_args.order='T0': expected one of RO, TO"),
    ("eval_args", {"order": None}, "expected one of RO, TO"),
    ("eval_args", {"group_by": "item"}, "eval_args.group_by='item': expected one of user, none"),
    ("eval_args", {"split": {"RS": [0.8, 0.2]}}, r"RS=\[0.8, 0.2\]: expected three ratios"),
    ("eval_args", {"split": {"RS": [0.8, -0.1, 0.3]}}, "expected three ratios"),
    ("eval_args", {"split": {"RS": [0, 1, 1]}}, "expected three ratios"),
    ("eval_args", {"split": {"RS": [1, "1", 1]}}, "expected three ratios"),
    ("eval_args", {"split": {"RS": "8,1,1"}}, "expected three ratios"),
    ("eval_args", {"split": {"rs": [8, 1, 1]}}, "Unknown key eval_args.split.rs"),
    ("eval_args", {"split": {"RS": [8, 1, 1], "LS": "valid_and_test"}}, "expected one of RS"),
    ("eval_args", {"split": {"LS": "valid_test"}}, "LS='valid_test': expected one of valid_and_test"),
    ("eval_args", {"split": None}, "eval_args.split=None: expected a mapping"),
    ("eval_args", {"mode": "ful"}, "eval_args.mode='ful': expected full, labeled, uniN"),
    ("eval_args", {"mode": "uni"}, "expected full, labeled, uniN"),
    ("eval_args", {"mode": {"valid": "full", "tets": "full"}}, "Unknown key eval_args.mode.tets; did you mean test"),
    ("eval_args", {"mode": {"test": "unix"}}, "eval_args.mode.test='unix'"),
    (
        "train_neg_sample_args",
        {"num": 4},
        "Unknown key train_neg_sample_args.num. Expected distribution, sample_num",
    ),
    ("train_neg_sample_args", {"distribution": "unifrom"}, "expected one of uniform, popularity, none"),
    ("train_neg_sample_args", {"sample_num": 0}, "sample_num=0: expected a whole number from 1"),
    ("train_neg_sample_args", {"alpha": "big"}, "alpha='big': expected a number from 0"),
    ("train_neg_sample_args", {"dynamic": "yes"}, "dynamic='yes': expected true or false"),
    ("train_neg_sample_args", {"dynamic": True}, "set candidate_num from 1 too"),
    ("train_neg_sample_args", 4, "expected a mapping such as {distribution: uniform, sample_num: 1}, or None"),
    ("load_col", ["user_id"], "expected a mapping such as {inter:"),
    ("load_col", {"inter": "user_id"}, "load_col.inter='user_id': expected a list of names"),
    ("load_col", {"inter": []}, "expected the fields of users and items at least"),
    ("load_col", {"item": ["item_id"]}, "names no fields of interactions"),
    ("unload_col", {"inter": [1]}, "unload_col.inter=.*expected a list of names"),
    ("user_inter_num_interval", "5", "user_inter_num_interval='?5'?: '5' is no interval"),
    ("user_inter_num_interval", 5, "'5' is no interval"),
    ("item_inter_num_interval", "[5,", "is no interval"),
    ("item_inter_num_interval", "[9,5]", "with the lower end first"),
    ("item_inter_num_interval", "[nan,5]", "is no interval"),
    ("item_inter_num_interval", "[1,2];3", "'3' is no interval"),
    ("entity_kg_num_interval", "[5,x)", "is no interval"),
    ("val_interval", {"rating": 4}, "val_interval.rating=4: '4' is no interval"),
    ("val_interval", "[4,5]", "expected a mapping"),
    ("threshold", 4, "threshold=4: expected a mapping such as {rating: 4}"),
    ("threshold", {"rating": 4, "x": 1}, "expected one field and a number"),
    ("threshold", {"rating": "high"}, "expected one field and a number"),
    ("seq_len", {"title": 0}, "seq_len.title=0: expected a whole number from 1"),
    ("metrics", ["NDGC"], "RecBole has no metric 'NDGC'; did you mean ndcg"),
    ("metrics", 5, "RecBole has no metric None"),
]

GOOD = [
    ("eval_args", {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": {"valid": "uni100", "test": "full"}}),
    ("eval_args", {"split": {"RS": [8, 1, 1]}, "group_by": None, "order": "RO", "mode": "pop10"}),
    ("eval_args", {"group_by": "None"}),
    ("train_neg_sample_args", None),
    ("train_neg_sample_args", "None"),
    ("train_neg_sample_args", {"distribution": None}),
    ("train_neg_sample_args", {"distribution": "popularity", "sample_num": 2, "alpha": 0.5}),
    ("train_neg_sample_args", {"dynamic": True, "candidate_num": 5}),
    ("load_col", None),
    ("load_col", {"inter": "*", "item": ["item_id"]}),
    ("user_inter_num_interval", "[5,inf)"),
    ("user_inter_num_interval", [5, 10]),
    ("user_inter_num_interval", "(0,1]; [3,4)"),
    ("user_inter_num_interval", None),
    ("val_interval", {"rating": "[-inf,3)", "label": ["1"]}),
    ("threshold", {"rating": 4}),
    ("metrics", "ndcg"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD)
def test_a_wrong_value_is_named(key, value, expected):
    with pytest.raises(UserError, match=expected):
        check_nested_keys({key: value}, presplit=False)


@pytest.mark.parametrize(("key", "value"), GOOD)
def test_what_recbole_understands_passes(key, value):
    check_nested_keys({key: value}, presplit=False)


def test_an_empty_interval_is_no_interval():
    with pytest.raises(UserError, match="is no interval"):
        check_nested_keys({"user_inter_num_interval": ""}, presplit=False)


def test_files_that_are_split_need_no_split():
    check_nested_keys({"eval_args": {"split": None}}, presplit=True)


def test_filters_and_splits_of_files_that_are_split_are_said_to_be_unread(toy, caplog):
    keys = {"val_interval": {"rating": "[3,inf)"}, "item_inter_num_interval": "[5,inf)"}
    keys["eval_args"] = {"split": {"RS": [5, 3, 2]}}
    resolved = Inputs("BPR", "toy", None, {"data_path": "data", **keys}).config().resolved()
    assert "val_interval, item_inter_num_interval, eval_args.split: not read here" in caplog.text
    caplog.clear()
    resolved.update(dict.fromkeys(("val_interval", "item_inter_num_interval")))
    resolved["eval_args"]["split"] = {"RS": [0.8, 0.1, 0.1]}
    Inputs("BPR", "toy", None, resolved).config()
    assert "not read here" not in caplog.text


@pytest.mark.parametrize(("key", "value", "expected"), BAD[::6])
def test_the_command_line_a_dict_and_a_file_are_checked(toy, capsys, key, value, expected):
    flags = ["--model=BPR", "--dataset=toy", "--data_path=data", "--run_dir=run"]
    assert main([*flags, f"--{key}={value}"]) == 2
    assert re.search(expected, capsys.readouterr().err)
    assert not Path("run").exists()
    given = {"data_path": "data"}
    with pytest.raises(UserError, match=expected):
        Inputs("BPR", "toy", None, {**given, key: value}).config()
    Path("keys.yaml").write_text(yaml.safe_dump({key: value}))
    with pytest.raises(UserError, match=expected):
        Inputs("BPR", "toy", ["keys.yaml"], given).config()


def test_a_configuration_in_force_passes_again(toy):
    first = Inputs("BPR", "toy", None, {"data_path": "data"}).config().resolved()
    again = Inputs("BPR", "toy", None, first).config().resolved()
    assert again == first


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "SASRec"])
def test_pairwise_models_without_negatives_are_refused(toy, model):
    keys = {"data_path": "data", "train_neg_sample_args": None}
    sequential = {"loss_type": "BPR"} if model == "SASRec" else {}
    with pytest.raises(UserError, match=f"{model}.* (compares|takes negatives)"):
        Inputs(model, "toy", None, {**keys, **sequential}).config()
    for other in ("EASE", "MultiVAE", "Pop"):
        Inputs(other, "toy", None, keys).config()
