"""The replay of the best checkpoint, and what inferred positives and trees bar from the draws of a run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hardness_parts import train

from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.augmented import InferredIds, is_stored, positives_matrix
from recbole_dtlns.data.build import build_split
from recbole_dtlns.data.tokens import internal_ids, tokens_of
from recbole_dtlns.false_negatives.candidates.sources import CandidateSettings, find_candidates
from recbole_dtlns.false_negatives.identification.stage import identify
from recbole_dtlns.files.cache import StageCache
from recbole_dtlns.files.epoch_log import HARDNESS
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.quick_start import objective_function, run_recbole_dtlns
from recbole_dtlns.samplers.batch import Choice
from recbole_dtlns.samplers.parts.exclude import HistorySimilarity
from recbole_dtlns.training.assemble import prepare
from recbole_dtlns.training.hardness import replay
from recbole_dtlns.training.hardness.held_out import HeldOut
from recbole_dtlns.training.resume import RunPlace


def test_no_replay_in_trials_nor_without_a_checkpoint(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("replayed")

    monkeypatch.setattr(replay, "replayed_share", never)
    keys = {"dataset": "toy", "data_path": "data", "epochs": 2, "neg_sampler": "dns", "embedding_size": 8}
    objective_function({"model": "BPR", "run_dir": "trial", **keys})
    field = read_result(toy / "trial")["hardness"]
    assert field["test_share"] is field["test_chance"] is None
    assert field["valid_share"] is not None
    run_recbole_dtlns("BPR", config_dict={"run_dir": "unsaved", **keys}, saved=False)
    assert set(read_result(toy / "unsaved")["hardness"].values()) == {None}
    assert train("stock", "--neg_sampler=recbole:uniform") == 0
    assert read_result(toy / "stock")["hardness"] is None
    assert not (toy / "stock" / HARDNESS).exists()


def ready(folder: Path, model: str = "BPR", **keys: Any) -> Any:
    """Configuration, split, what identification found and a trainer that has not begun."""
    given = {"data_path": str(folder / "data"), "tree_leaf_size": 4, "embedding_size": 8, "epochs": 2, **keys}
    config = Config(model, "toy", config_dict={**given, "show_progress": False})
    config["checkpoint_dir"] = str(folder / "saved")
    split = build_split(config, folder / "cache")
    identified = identify(split.view, config.settings, config.method, folder / "cache")
    prepared = prepare(
        config, split, identified.inferred, identified.trees, online=identified.online, place=RunPlace(folder / "work")
    )
    (folder / "work").mkdir()
    return config, split, identified, prepared


@pytest.mark.parametrize("keys", [{"model": "NGCF"}, {"judge": "rule", "judge_refresh": 1}], ids=["NGCF", "refresh"])
def test_a_replay_leaves_no_trace_and_repeats_itself(toy: Path, keys: dict[str, Any]) -> None:
    config, split, _, prepared = ready(toy, **keys)
    trainer = prepared.trainer
    trainer.fit(prepared.train_data, prepared.valid_data, show_progress=False)
    trainer.evaluate(prepared.test_data, show_progress=False)

    def state() -> list[Any]:
        loader = trainer.current(prepared.train_data)
        weights = [value.clone() for value in trainer.model.state_dict().values()]
        step = trainer.step.state_dict()
        rest = [torch.tensor([trainer.model.training, step["sampling_seconds"], trainer.step.epoch])]
        return [*weights, torch.get_rng_state(), step["generator"], loader.generator.get_state(), *rest]

    before, bars = state(), None if trainer.refresher is None else vars(trainer.refresher.extra)
    first = replay.replayed_share(config, prepared, split)
    assert all(torch.equal(earlier, later) for earlier, later in zip(before, state(), strict=True))
    if bars is not None:
        assert all(np.array_equal(bars[name], value) for name, value in vars(trainer.refresher.extra).items())
    assert first == replay.replayed_share(config, prepared, split)
    assert 0 <= first[0] < 0.5


@pytest.mark.parametrize("keys", [{"judge": "none"}, {"judge": "rule", "judge_refresh": 1}], ids=["none", "refresh"])
def test_a_replay_draws_as_the_best_checkpoint_would_in_training(
    toy: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    config, split, _, prepared = ready(toy, neg_sampler="dns", **keys)
    trainer, test = prepared.trainer, split.test.inter_feat
    trainer.fit(prepared.train_data, prepared.valid_data, show_progress=False)
    weight = trainer.model.user_embedding.weight
    best = torch.load(trainer.saved_model_file, weights_only=False)["state_dict"]["user_embedding.weight"]
    refresher = trainer.refresher
    if refresher is not None:
        now = HeldOut(split.train, split.valid, refresher.extra, True, "cpu")
        assert torch.equal(trainer.step.hardness.valid.chance, now.chance)  # it has followed
        refresher.best = InferredIds(*(values[:3] for values in vars(refresher.extra).values()))
    seen, drawn = [], []

    def note(meter: Any, view: Any, choice: Choice) -> None:
        pairs = meter._held_out.contains(test["user_id"], test["item_id"].unsqueeze(1)).all()
        seen.append((view.epoch, trainer.model.training, bool(pairs), refresher is None or len(refresher.extra) == 3))
        drawn.append(choice.ids)
        trainer.model.user_embedding.weight.data.add_(1)  # as running statistics would move

    monkeypatch.setattr(replay, "BATCHES", 1)
    monkeypatch.setattr(replay.ShareMeter, "add", note)
    for seed in range(2):  # whatever model and generator are by now
        weight.data.mul_(-seed)
        trainer.step.generator.manual_seed(seed)
        trainer.step.epoch = 77
        trainer.model.eval()
        replay.replayed_share(config, prepared, split)
        assert (trainer.step.epoch, trainer.model.training) == (77, False)
        assert torch.equal(weight, best)
    assert seen == [(trainer.best_epoch, True, True, True)] * 2
    assert torch.equal(*drawn)


def test_a_replay_sees_at_most_so_many_batches(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "BATCHES", 2)
    assert train("run", "--neg_sampler=dns") == 0
    assert "from 2 training batches replayed" in (toy / "run" / "run.log").read_text()


@pytest.mark.parametrize("sampler", ["dns", "uniform", "popularity", "dtl_ns"])
def test_tree_exclude_holds_for_every_sampler_and_is_named(toy: Path, sampler: str) -> None:
    config, split, identified, prepared = ready(toy, neg_sampler=sampler, judge="none", tree_exclude=0.4)
    names = tokens_of(split.dataset, "item")
    codes = [tree.for_tokens(names).codes for tree in (identified.trees.co, identified.trees.se)]
    similarity = HistorySimilarity(positives_matrix(split.train), codes)
    users = torch.arange(1, split.train.user_num).repeat_interleave(20)
    above = similarity(users, prepared.trainer.step.sampler.propose(users, 10)) > 0.4
    drawn, kept = map(sum, zip(*(source.counts() for source in prepared.trainer.step.hardness._excluding), strict=True))
    assert drawn == len(users) * 10
    assert int(above.sum()) == kept < 0.5 * drawn
    plain = torch.randint(1, split.train.item_num, (len(users), 10), generator=torch.Generator().manual_seed(0))
    assert (similarity(users, plain) > 0.4).double().mean() > 0.5  # a uniform draw is mostly above the bound
    assert config.method.needs_trees


def test_tree_exclude_in_a_run(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("run", "--neg_sampler=dns", "--tree_exclude=0.5") == 0
    assert read_result(toy / "run")["neg_sampler_effective"] == "dns+exclude"
    assert json.loads((toy / "run" / "result.json").read_text())["trees"] is not None
    assert (toy / "run" / "run.log").read_text().count("kept above tree_exclude: ") == 3
    assert train("again", "--tree_exclude=0.5", "--judge=rule", "--judge_refresh=1") == 0
    assert train("stock", "--neg_sampler=recbole:uniform", "--tree_exclude=0.5") == 2
    assert "tree_exclude=0.5" in capsys.readouterr().err
    assert not (toy / "stock").exists()


@pytest.mark.parametrize("augment_loss", [True, False])
@pytest.mark.parametrize("sampler", ["dns", "popularity", "dtl_ns"])
def test_accepted_pairs_are_never_drawn_and_rejected_ones_are(toy: Path, sampler: str, augment_loss: bool) -> None:
    keys = {"neg_sampler": sampler, "judge": "rule", "positives_per_user": 2, "augment_loss": augment_loss, "epochs": 3}
    _, split, identified, prepared = ready(toy, **keys)
    train_part = split.train
    accepted = positives_matrix(train_part, prepared.extra) - positives_matrix(train_part)
    assert accepted.nnz == len(prepared.extra) == len(identified.inferred) > 0
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    step = prepared.trainer.step
    choose = step.choose

    def noting(*arguments: Any) -> Any:
        view, picked, choice = choose(*arguments)
        seen.append((view.users, view.candidates, choice.ids.flatten(1)))
        return view, picked, choice

    step.choose = noting
    prepared.trainer.fit(prepared.train_data, saved=False)
    drawable = set()
    for users, candidates, chosen in seen:
        for items in (candidates, chosen):
            rows = users.repeat_interleave(items.shape[1]).numpy()
            assert not is_stored(accepted.tocsr(), rows, items.reshape(-1).numpy()).any()
            drawable |= set(zip(rows.tolist(), items.reshape(-1).tolist(), strict=True))
    free = {(user, item) for user in range(1, train_part.user_num) for item in range(1, train_part.item_num)}
    free -= set(zip(*positives_matrix(train_part, prepared.extra).nonzero(), strict=True))
    assert len(free & drawable) > 0.5 * len(free)
    rejected = set(zip(*(ids.tolist() for ids in judged_pairs(split, toy)), strict=True)) & free
    assert len(rejected) == identified.counts["pairs"] - accepted.nnz > 0
    assert len(rejected & drawable) > 0.5 * len(rejected)


def judged_pairs(split: Any, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Internal ids of every candidate of the judge."""
    pairs = find_candidates(split.view, CandidateSettings(), StageCache(folder / "cache")).candidates
    users, items = split.view.users[pairs.users], split.view.items[pairs.items]
    return internal_ids(split.dataset, "user", users), internal_ids(split.dataset, "item", items)
