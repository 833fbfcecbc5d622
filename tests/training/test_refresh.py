"""judge_refresh: inferred positives that follow the model in training."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cut_off import cut_off_in_epoch, losses
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, is_stored, positives_matrix
from recbole_dtlns.data.build import build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.false_negatives.inferred import read_inferred
from recbole_dtlns.files.run_folder import CHECKPOINT, read_result
from recbole_dtlns.training.assemble import prepare
from recbole_dtlns.training.refresh import REFRESHED
from recbole_dtlns.training.resume import RESUME, RunPlace


def train(name: str, *flags: str) -> int:
    given = {flag.partition("=")[0] for flag in flags}
    start = ["--model=BPR", "--dataset=toy", "--data_path=data", "--cache_dir=cache", f"--run_dir={name}"]
    start += ["--tree_leaf_size=4", "--embedding_size=8", "--train_batch_size=100", "--learning_rate=0.01"]
    start += ["--epochs=6", "--judge_refresh=2", "--checkpoint_seconds=0"]
    return main([*(flag for flag in start if flag.partition("=")[0] not in given), *flags])


def ready(folder: Path, model: str = "BPR", **keys: Any) -> Any:
    """A trainer that has not begun, its split and its loader."""
    given = {"data_path": str(folder / "data"), "tree_leaf_size": 4, "embedding_size": 8, "judge_refresh": 2, **keys}
    config = Config(model, "toy", config_dict={**given, "positives_per_user": 2})
    config["checkpoint_dir"] = str(folder / "saved")
    split = build_split(config, folder / "cache")
    identified = identify(split.view, config.settings, config.method, folder / "cache")
    prepared = prepare(
        config, split, identified.inferred, identified.trees, online=identified.online, place=RunPlace(folder)
    )
    return prepared, split


def pairs_of(extra: InferredIds) -> set[tuple[int, int]]:
    return set(zip(extra.users.tolist(), extra.items.tolist(), strict=True))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--judge=none"], "judge=none cannot. Use one of keep_all, rule, student"),
        (["--judge=file", "--judge_file=v.tsv"], "judge=file cannot"),
        (["--neg_sampler=recbole:uniform", "--judge=rule"], "needs a sampler of ours; neg_sampler is recbole:uniform"),
        (["--augment_graph=true"], "augment_graph=false and protocol=honest"),
        (["--protocol=reference"], "augment_graph=false and protocol=honest"),
        (["--judge_refresh=0"], "judge_refresh='0'"),
    ],
)
def test_where_judging_again_cannot_work_it_is_refused(
    toy: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert train("run", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (toy / "run").exists()


def test_a_language_model_is_too_slow(toy: Path, tiny_llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("accelerate")
    assert train("run", "--judge=llm", f"--llm_model={tiny_llama}") == 2
    assert "judge=llm cannot" in capsys.readouterr().err


def test_positives_change_every_n_epochs_and_stay_in_train(toy: Path) -> None:
    keys = ["--positives_per_user=3", "--judge_threshold=0.9"]
    assert train("run", *keys) == 0
    assert read_result(toy / "run")["judge"] == "rule"  # where no judge is named: the learned one cannot judge again
    log = (toy / "run" / "run.log").read_text()
    refreshed = re.findall(r"Before epoch (\d+): (\d+) inferred positives .*, (\d+) of them new", log)
    assert [int(epoch) for epoch, _, _ in refreshed] == [2, 4]
    assert all(int(new) > 0 for _, _, new in refreshed)
    first, last = (read_inferred(toy / "run" / name) for name in ("inferred_positives.tsv", REFRESHED))
    assert len(last) == int(refreshed[-1][1]) > 0
    train_pairs = set(toy_split()["train"])
    pairs = list(zip(last.users.tolist(), last.items.tolist(), strict=True))
    assert set(pairs) != set(zip(first.users.tolist(), first.items.tolist(), strict=True))
    assert not set(pairs) & train_pairs
    assert {user for user, _ in pairs} <= {user for user, _ in train_pairs}
    assert {item for _, item in pairs} <= {item for _, item in train_pairs}
    assert np.unique(last.users, return_counts=True)[1].max() <= 3
    result = read_result(toy / "run")
    assert result["data"]["inferred_positives"] == len(last)
    assert result["identification"]["accepted"] == len(first)
    assert result["data"]["inferred_positives"] != result["identification"]["accepted"]
    assert train("without", *keys, "--judge=rule", "--judge_refresh=") == 0
    assert not (toy / "without" / REFRESHED).exists()
    assert losses(toy / "without")[:2] == losses(toy / "run")[:2]  # alike until the first refresh
    assert losses(toy / "without")[2:] != losses(toy / "run")[2:]


def test_held_out_tokens_never_become_positives(toy: Path) -> None:
    parts = toy_split()
    parts["valid"] += [("newcomer", "i1"), ("u3", "unheard")]
    parts["test"] += [("u4", "aaa")]
    write_pairs(toy / "data" / "toy", parts)
    assert train("run", "--judge=keep_all", "--judge_refresh=1", "--epochs=3") == 0
    last = read_inferred(toy / "run" / REFRESHED)
    assert len(last) == 60 * 5
    assert not {"newcomer"} & set(last.users)
    assert not {"unheard", "aaa"} & set(last.items)


@pytest.mark.parametrize("sampler", ["dtl_ns", "popularity"])
def test_the_sampler_follows_and_the_evaluator_does_not(toy: Path, sampler: str) -> None:
    prepared, split = ready(toy, neg_sampler=sampler, judge="keep_all")
    refresher, train_part = prepared.trainer.refresher, split.train
    before = refresher.extra
    masks = [loader.uid2history_item for loader in (prepared.valid_data, prepared.test_data)]
    kept = [[None if items is None else items.tolist() for items in mask] for mask in masks]
    loader = refresher.before_epoch(1, prepared.train_data, toy)
    assert loader is prepared.train_data
    assert refresher.extra is before
    next(iter(loader))  # its shuffling goes on from here
    training = prepared.model.training
    loader = refresher.before_epoch(2, prepared.train_data, toy)
    assert prepared.model.training == training
    states = [owner.generator.get_state() for owner in (loader, prepared.train_data)]
    assert torch.equal(*states)
    after = refresher.extra
    assert pairs_of(after) != pairs_of(before)
    assert not is_stored(positives_matrix(train_part), after.users, after.items).any()
    rows = loader.dataset.inter_feat
    assert len(rows) == len(train_part) + len(after)
    extra_rows = set(zip(rows["user_id"].tolist(), rows["item_id"].tolist(), strict=True))
    assert pairs_of(after) <= extra_rows
    assert not (pairs_of(before) - pairs_of(after)) & extra_rows
    users = torch.arange(1, train_part.user_num)
    drawn = prepared.trainer.step.sampler.propose(users, 500).reshape(-1).numpy()
    rows_of = np.repeat(users.numpy(), 500)
    assert not is_stored(positives_matrix(train_part, after), rows_of, drawn).any()
    given_up = InferredIds(before.users, before.items, before.weights).without(positives_matrix(train_part, after))
    free_again = set(zip(rows_of.tolist(), drawn.tolist(), strict=True)) & pairs_of(given_up)
    assert len(free_again) > 0.5 * len(given_up)  # what is no positive any more may be drawn
    masks = [loader.uid2history_item for loader in (prepared.valid_data, prepared.test_data)]
    assert [[None if items is None else items.tolist() for items in mask] for mask in masks] == kept


def test_the_bars_and_the_rows_are_keys_of_their_own(toy: Path) -> None:
    prepared, split = ready(toy, judge="keep_all", exclude_inferred=False, neg_sampler="dns")
    refresher = prepared.trainer.refresher
    refresher.before_epoch(2, prepared.train_data, toy)
    users = torch.arange(1, split.train.user_num)
    drawn = prepared.trainer.step.sampler.propose(users, 500).reshape(-1).numpy()
    extra = positives_matrix(split.train, refresher.extra) - positives_matrix(split.train)
    assert is_stored(extra.tocsr(), np.repeat(users.numpy(), 500), drawn).any()
    prepared, _ = ready(toy, judge="keep_all", augment_loss=False, neg_sampler="dns")
    assert prepared.trainer.refresher.before_epoch(2, prepared.train_data, toy) is prepared.train_data


def test_a_model_without_a_bpr_loss_draws_rows_by_the_new_weights(toy: Path) -> None:
    prepared, split = ready(toy, "LINE", judge="keep_all")
    assert prepared.train_data.draws_by_weight
    refresher = prepared.trainer.refresher
    extra = refresher.extra
    refresher._use(InferredIds(extra.users[:5], extra.items[:5], np.full(5, 200.0)), prepared.train_data)
    loader = refresher.current(prepared.train_data)
    assert loader.draws_by_weight
    drawn = set()
    for batch in loader:
        drawn |= set(zip(batch["user_id"].tolist(), batch["item_id"].tolist(), strict=True))
    real = positives_matrix(split.train).nnz
    assert set(zip(extra.users[:5].tolist(), extra.items[:5].tolist(), strict=True)) <= drawn
    assert len(drawn) < 0.6 * real  # nearly two draws of three go to the five heavy rows


def test_a_refresh_that_leaves_nothing_to_draw_is_refused(toy: Path) -> None:
    prepared, split = ready(toy, judge="rule")
    refresher = prepared.trainer.refresher
    user = 1
    items = np.setdiff1d(np.arange(1, split.dataset.item_num), positives_matrix(split.train)[user].indices)
    everything = InferredIds(np.full(len(items), user), items, np.ones(len(items)))
    with pytest.raises(UserError, match="no negatives"):
        refresher._use(everything, prepared.train_data)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`undisturbed(*flags)`: the folder of a run that nothing cuts off, trained once; do not change it."""
    home = tmp_path_factory.mktemp("undisturbed")
    write_pairs(home / "data" / "toy", toy_split())

    @cache
    def folder(*flags: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(home)
            assert train(flags[0].removeprefix("--model="), *flags) == 0
        return home / flags[0].removeprefix("--model=")

    return folder


@pytest.mark.parametrize(
    ("number", "flags"),  # cut off in the epoch of a refresh, and in the one after it
    [
        (2, ["--model=BPR"]),
        (2, ["--model=NGCF", "--hidden_size_list=[8,8]", "--train_batch_size=200"]),
        (2, ["--model=SimpleX"]),
        (3, ["--model=BPR"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else str(value),
)
def test_resumed_equals_undisturbed(toy: Path, undisturbed: Callable[..., Path], flags: list[str], number: int) -> None:
    folders = [undisturbed(*flags), toy / "broken"]
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, number)
        assert train("broken", *flags) == 130
    assert (toy / "broken" / RESUME).is_file()
    assert train("broken", *flags) == 0
    assert f"Resumed at epoch {number}" in (toy / "broken" / "run.log").read_text()
    whole, resumed = map(read_result, folders)
    for key in ("test_result", "best_valid_result", "best_epoch", "data"):
        assert whole[key] == resumed[key]
    states = [torch.load(folder / CHECKPOINT, weights_only=False)["state_dict"] for folder in folders]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert losses(folders[1])[-3:] == losses(folders[0])[-3:]
    assert (folders[1] / REFRESHED).read_bytes() == (folders[0] / REFRESHED).read_bytes()


def test_a_runs_counts_are_those_of_its_best_epoch(toy: Path) -> None:
    assert train("run", "--judge_decision=threshold", "--judge_threshold=0.9", "--judge_refresh=1", "--epochs=8") == 0
    result = read_result(toy / "run")
    log = (toy / "run" / "run.log").read_text()
    counts = {int(epoch): int(count) for epoch, count in re.findall(r"Before epoch (\d+): (\d+) inferred", log)}
    assert len(set(counts.values())) > 1
    best = result["best_epoch"]
    first = len(read_inferred(toy / "run" / "inferred_positives.tsv"))
    assert result["data"]["inferred_positives"] == counts.get(best, first)


def test_the_positives_that_count_are_those_of_the_best_epoch(toy: Path) -> None:
    prepared, _ = ready(toy, judge="rule")
    refresher = prepared.trainer.refresher
    first = refresher.extra
    assert prepared.used is first
    refresher.best = first  # as a checkpoint has it
    prepared.model.user_embedding.weight.data.neg_()
    refresher.before_epoch(2, prepared.train_data, toy)
    assert prepared.used is first
    assert refresher.extra is not first
