"""RecBole's keys take values of their kind, through the command line: exit status 2 and one line."""

from pathlib import Path
from typing import Any

import pytest
from toy import write_timed

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.errors import UserError


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("use_gpu=maybe", "expected true or false"),
        ("embedding_size=1000000000000", "expected a whole number from 1 to 65536"),
        ("train_batch_size=99999999999999999999", "too large"),
        ("topk=[10,'20']", "expected one or more whole numbers from 1"),
        ("topk=5,10", "expected one or more whole numbers from 1"),
        ("metrics=Recall,NDCG", "a list such as ['Recall', 'NDCG']"),
        ("metrics=[]", "expected one or more metrics"),
        ("metrics=3", "Expected one name or a list"),
        ("metrics=[1]", "RecBole has no metric 1"),
        ("gpu_id=abc", "expected the number of a GPU"),
        ("state=FOO", "expected one of DEBUG"),
        ("clip_grad_norm={'foo':5}", "expected a mapping such as {max_norm: 5"),
        ("clip_grad_norm={'max_norm':5,'foo':1}", "Unknown key clip_grad_norm.foo"),
        ("clip_grad_norm={'max_norm':0}", "clip_grad_norm.max_norm=0: expected a number above 0"),
        ("rm_dup_inter=middle", "expected first or last"),
        ("normalize_field=rating", "expected a list of names"),
        ("seed=[[1],[99999999999999999999]]", "too large"),
        ("NEG_PREFIX=", "expected a text that is not empty"),
        ("LABEL_FIELD=user_id", "Give each field a name of its own"),
        ("learner=sparse_adam", "Use adam"),
        ("dataset_save_path=foo", "never unpickled"),
        ("data_path=/nope", "there is no such folder"),
        ("valid_metric=NDCG", "it is not computed"),
        ("load_col={'inter':['user_id','item_id'],'foo':['a']}", "Unknown key load_col.foo"),
        ("split_seed=99999999999999999999", "from 0 to 4294967295"),
        ("teacher=__import__('os').getcwd()", "expected the name of a class"),
        ("transform=crop_itemseq", "changes sequences, and BPR reads none"),
        ("benchmark_filename=['a','b']", "expected three names"),
    ],
)
def test_a_value_of_another_kind(flag: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model=BPR", "--dataset=ml-100k", "--epochs=1", f"--{flag}"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize(
    "key", ["epochs", "eval_step", "train_batch_size", "embedding_size", "metrics", "topk", "seed"]
)
def test_nothing_in_place_of_a_number_or_a_list(key: str) -> None:
    with pytest.raises(UserError, match=f"^{key}=None: expected a value such as .* Leave the key out"):
        Config("BPR", "ml-100k", config_dict={key: None})


@pytest.mark.parametrize(
    "key", ["clip_grad_norm", "load_col", "val_interval", "benchmark_filename", "threshold", "loss_decimal_place"]
)
def test_keys_that_may_be_nothing(key: str) -> None:
    Config("BPR", "ml-100k", config_dict={key: None})


@pytest.mark.parametrize(
    ("model", "keys", "message"),
    [
        ("NGCF", {"hidden_size_list": 5}, "expected a list"),
        ("NGCF", {"hidden_size_list": [8, "wide"]}, "'wide' is no number"),
        ("SINE", {"loss_type": True}, "expected a word, such as 'CE'"),
        ("BERT4Rec", {"mask_ratio": "abc"}, "expected a number, such as 0.2"),
        ("LightGCN", {"n_layers": -1}, "expected a whole number from 0"),
        ("LightGCN", {"reg_weight": "1e-4"}, None),
        ("NeuMF", {"mlp_hidden_size": [8, 4]}, None),
        ("DMF", {"inter_matrix_type": "rating"}, None),
    ],
)
def test_keys_of_models_by_their_start_values(model: str, keys: dict[str, Any], message: str | None) -> None:
    if message is None:
        Config(model, "ml-100k", config_dict=keys)
    else:
        with pytest.raises(UserError, match=message):
            Config(model, "ml-100k", config_dict=keys)


def test_models_that_recbole_evaluates_by_value_keep_its_metric() -> None:
    assert Config("DIN", "ml-100k")["valid_metric"] == "AUC"
    assert Config("BPR", "ml-100k")["valid_metric"] == "NDCG@20"


@pytest.mark.parametrize(
    ("model", "message"),
    [("GRU4RecCPR", "ended the program without a result"), ("CORE", "cannot be made with these keys")],
)
def test_a_model_that_does_not_take_bpr(
    model: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_timed(tmp_path)
    monkeypatch.chdir(tmp_path)
    keys = ["--dataset=timed", f"--data_path={data}", "--load_col={'inter':['user_id','item_id','timestamp']}"]
    split = "--eval_args={'order':'TO','split':{'LS':'valid_and_test'}}"
    assert main([f"--model={model}", "--loss_type=BPR", "--topk=[5]", "--neg_sampler=uniform", *keys, split]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_repeatnet_says_that_it_takes_negatives_for_positives() -> None:
    plain, mended = (
        Config("RepeatNet", "ml-100k"),
        Config("RepeatNet", "ml-100k", config_dict={"train_neg_sample_args": None}),
    )
    assert "takes every negative" in " ".join(plain.method.notes)
    assert mended.method.effective is None
    assert "takes every negative" not in " ".join(mended.method.notes)
