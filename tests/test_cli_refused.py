"""The real command line: what is refused with status 2, and the message."""

import re
from pathlib import Path

import pytest
from cli_parts import SMALL, train
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.files.run_folder import read_result


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--neg_candidate=4"], r"Unknown key 'neg_candidate' .* did you mean neg_candidates"),
        (["--neg_sampler=mixgfc"], "There is no sampler 'mixgfc'"),
        (["--judge=lllm"], "There is no judge 'lllm'"),
        (["--candidate_source=NoSuchModel"], "candidate_source"),
        (["--neg_candidates=many"], "neg_candidates='many': expected a whole number from 1"),
        (["--neg_candidates=41"], "neg_candidates=41, but there are only 40 items"),
        (["--judge_threshold=2"], "expected a number from 0 to 1"),
        (["--tree_view=perhaps"], "expected true or false"),
        (["--positives_per_user=lots"], "positives_per_user='lots'"),
        (["--neg_sampler=dns", "--train_neg_sample_args={'distribution': 'uniform'}"], "Both neg_sampler=dns and"),
        (["--neg_sampler=recbole:uniform", "--tree_view=true"], "needs a sampler of ours"),
        (["--model=NoSuchModel"], "NoSuchModel"),
        (["--model=NeuMF", "--neg_sampler=dns"], "needs a pairwise general recommender"),
        (["--model=DGCF", "--neg_sampler=mixgcf"], "It works with BPR, LightGCN, NGCF"),
        (["--dataset=nowhere"], "nowhere was not found"),
        (["--config_files=absent.yaml"], "no configuration file 'absent.yaml'"),
        (["--codes_co=absent.txt"], "codes_co: there is no file absent.txt"),
        (["--judge=file"], "name it with --judge_file"),
        (["--judge=file", "--judge_file=verdicts.tsv"], "nobody"),
        (["--candidate_source=file"], "candidate_file"),
        (["--plugins=absent.py"], "there is no file absent.py"),
        (["--plugins=broken.py"], "importing broken.py raised ZeroDivisionError"),
        (["--export_verdicts=verdicts.csv"], r"\.tsv or \.parquet"),
        (["--epochs"], "--epochs has no value"),
        (["--seed=1", "--seed=2"], "given twice"),
        (["identify", "--dataset=toy"], "is not a flag"),
        (["--run_dir=data/toy/train.txt"], "is a file"),
        (["--topk=[0]"], "topk"),
        (["--topk=[]"], "topk"),
        (["--valid_metric=NDCG@7"], "valid_metric=NDCG@7: it is not computed"),
        (["--epochs=many"], "epochs='many': expected a whole number"),
        (["--epochs=-1"], "expected a whole number from 0"),
        (["--learning_rate=fast"], "learning_rate='fast': expected a number"),
        (["--train_batch_size=0"], "train_batch_size=0"),
        (["--seed=-1"], "seed=-1"),
        (["--learner=foo"], "learner='foo'"),
        (["--positive_weight=inf"], "positive_weight='inf'"),
        (["--model=bpr"], "did you mean BPR"),
        (["--model=EASE", "--judge=rule"], "need a general recommender"),
        (["--candidate_source=BPR", "--candidate_config={epoch: 1}"], "unknown key 'epoch'"),
        (["--candidate_source=FM"], "candidate_source=FM"),
    ],
)
def test_bad_input_is_status_2_with_a_message_and_no_traceback(
    toy: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    Path("broken.py").write_text("1 / 0\n")
    Path("verdicts.tsv").write_text("nobody\ti1\t0.5\n")
    given = {flag.partition("=")[0] for flag in flags}
    defaults = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=1", "--run_dir=run", SMALL[0]]
    assert main([flag for flag in defaults if flag.partition("=")[0] not in given] + flags) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert re.search(message, error), error


def test_a_user_who_has_everything_is_named(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = toy_split()
    items = sorted({item for pairs in parts.values() for _, item in pairs})
    parts["train"] += [("greedy", item) for item in items]
    write_pairs(toy / "data" / "toy", parts)
    assert train("--neg_sampler=dns", "--judge=none") == 2
    assert "1 user with every item (greedy)" in capsys.readouterr().err


def test_verdicts_of_another_split_are_refused_unless_allowed(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["identify", "--dataset=toy", "--data_path=data", SMALL[0]]
    assert main([*flags, "--judge=rule", "--export_verdicts=v.tsv", "--run_dir=a"]) == 0
    parts = toy_split()
    parts["train"].append(("u0", parts["test"][-1][1]))
    write_pairs(toy / "data" / "toy", parts)
    use = [*flags, "--judge=file", "--judge_file=v.tsv"]
    assert main([*use, "--run_dir=b"]) == 2
    assert "another training split" in capsys.readouterr().err
    assert main([*use, "--run_dir=c", "--allow_foreign=true"]) == 0
    assert read_result(toy / "c")["external"][0]["foreign"] is True


def test_a_run_whose_data_changed_is_not_loaded(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train() == 0
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.chdir(toy / "data")
        assert main(["recommend", "../run"]) == 2
        assert "../run was trained on data in data, and seen from here" in capsys.readouterr().err
    parts = toy_split()
    swapped = {name: [(f"u{59 - int(user[1:])}", item) for user, item in pairs] for name, pairs in parts.items()}
    write_pairs(toy / "data" / "toy", swapped)
    assert main(["recommend", "run"]) == 2
    assert "no longer what run was trained on" in capsys.readouterr().err


def test_a_checkpoint_of_the_reference_protocol_is_no_honest_source(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--protocol=reference") == 0
    base = ["--model=BPR", "--dataset=toy", "--data_path=data", "--epochs=1", *SMALL, "--judge=keep_all"]
    use = [*base, "--candidate_checkpoint=run"]
    assert main([*use, "--run_dir=next"]) == 2
    assert "reference protocol" in capsys.readouterr().err
    assert main([*use, "--run_dir=allowed", "--allow_foreign=true"]) == 0
    assert "reference protocol (uses test labels)" in read_result(toy / "allowed")["marks"]


def test_an_empty_part_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "data/toy", "atomic", "--name=tiny"]) == 0
    Path("atomic/tiny/tiny.valid.inter").write_text("user_id:token\titem_id:token\n")
    assert main(["--model=BPR", "--dataset=tiny", "--data_path=atomic", "--run_dir=run"]) == 2
    assert "tiny.valid.inter has a header but no rows" in capsys.readouterr().err
    rows = [f"u{user}\ti{item}" for user in range(9) for item in range(user, user + 30)]
    Path("atomic/tiny/tiny.inter").write_text("\n".join(["user_id:token\titem_id:token", *rows]))
    split = "--eval_args={'split': {'RS': [0.8, 0.0, 0.2]}}"
    assert main(["--model=BPR", "--dataset=tiny", "--data_path=atomic", "--run_dir=whole", split]) == 2
    assert "The valid part of tiny holds no interaction" in capsys.readouterr().err
