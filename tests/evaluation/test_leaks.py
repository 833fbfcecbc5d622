"""Leak checks: they pass for an honest run, and each of them can fail."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_honest import pairs_of, prepared, run
from toy import toy_split, write_pairs

from recbole_dtlns.evaluation.leaks import LeakChecks
from recbole_dtlns.false_negatives.inferred import InferredPositives
from recbole_dtlns.files.run_folder import INFERRED, read_result

OVERLAP = {"valid": 12, "valid_chance": 11.0, "test": 0, "test_chance": 9.0}


def checks(data: Path, inferred: Any = None, **keys: Any) -> tuple[LeakChecks, Any]:
    config, split, identified, ready = prepared(data, **keys)
    return LeakChecks(config, split, ready, inferred or identified.inferred, data), ready


def failed(outcomes: list[dict[str, Any]]) -> list[str]:
    return [f"{outcome['when']}: {outcome['name']}" for outcome in outcomes if not outcome["passed"]]


def test_an_honest_run_passes_all_of_them(toy_data: Path) -> None:
    outcomes = read_result(run(toy_data, toy_data, "--model=BPR", "--epochs=1"))["checks"]
    assert failed(outcomes) == []
    assert [outcome["when"] for outcome in outcomes] == ["before"] * 4 + ["after"] * 4


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_mask_that_leaves_out_too_much_or_too_little(toy_data: Path, part: str) -> None:
    config, split, identified, ready = prepared(toy_data)
    loader = getattr(ready, f"{part}_data")
    user = int(loader.uid_list[0])
    history = loader.uid2history_item[user]
    unseen = next(item for item in range(1, 40) if item not in history and item not in loader.uid2positive_item[user])
    for changed, counted in (
        (torch.cat([history, torch.tensor([unseen])]), "1 further pairs are left out, 0 are not"),
        (history[1:], "0 further pairs are left out, 1 are not"),
    ):
        loader.uid2history_item[user] = changed
        outcomes = LeakChecks(config, split, ready, identified.inferred, toy_data).outcomes
        assert failed(outcomes) == [f"before: the ranking of {part} leaves out seen pairs alone"]
        assert counted in [outcome["found"] for outcome in outcomes]


def test_the_reference_protocol_does_not_pass(toy_data: Path) -> None:
    outcomes = checks(toy_data, protocol="reference")[0].outcomes
    assert len(failed(outcomes)) == 2
    assert all("leaves out" in name for name in failed(outcomes))


def test_inferred_positives_from_elsewhere(toy_data: Path) -> None:
    train = toy_split()["train"][0]
    users, items = np.array([train[0], "newcomer"]), np.array([train[1], "i1"])
    strange = InferredPositives(users, items, np.ones(2), np.ones(2))
    outcomes = checks(toy_data, strange)[0].outcomes
    assert failed(outcomes) == ["before: inferred positives are unseen pairs of train's own users and items"]
    assert outcomes[-1]["found"] == "1 of 2 are in train, 1 have a user or an item that train lacks"


@pytest.mark.parametrize(("user", "item"), [("newcomer", "i1"), ("u1", "unheard")])
def test_an_inferred_positive_whose_user_or_item_train_lacks(toy_data: Path, user: str, item: str) -> None:
    outcomes = checks(toy_data, InferredPositives(np.array([user]), np.array([item]), np.ones(1), np.ones(1)))[
        0
    ].outcomes
    assert failed(outcomes) == ["before: inferred positives are unseen pairs of train's own users and items"]
    assert outcomes[-1]["found"] == "0 of 1 are in train, 1 have a user or an item that train lacks"


def test_what_must_not_change_during_training(toy_data: Path) -> None:
    made, ready = checks(toy_data)
    ready.trainer.times_evaluated[id(ready.test_data._dataset)] = 1
    assert failed(made.finish(OVERLAP, readings=1)) == []
    (toy_data / INFERRED).write_text("other")
    assert failed(made.finish(None, readings=1)) == ["after: masks and inferred positives are as before training"]
    (toy_data / INFERRED).unlink()
    ready.test_data.uid2history_item[int(ready.test_data.uid_list[0])] = torch.tensor([1])
    made.outcomes.clear()
    assert failed(made.finish(None, readings=1)) == ["after: masks and inferred positives are as before training"]


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_mask_that_changes_during_training(toy_data: Path, part: str) -> None:
    made, ready = checks(toy_data)
    ready.trainer.times_evaluated[id(ready.test_data._dataset)] = 1
    loader = getattr(ready, f"{part}_data")
    loader.uid2history_item[int(loader.uid_list[0])] = torch.tensor([1])
    assert failed(made.finish(OVERLAP, readings=1)) == ["after: masks and inferred positives are as before training"]


def test_test_is_read_as_often_as_it_may_be(toy_data: Path) -> None:
    made, ready = checks(toy_data)
    assert failed(made.finish(None, readings=1)) == ["after: test is read once"]  # it has not been
    made.outcomes.clear()
    ready.trainer.times_evaluated[id(ready.test_data._dataset)] = 2
    assert failed(made.finish(None, readings=1)) == ["after: test is read once"]
    made.outcomes.clear()
    assert failed(made.finish(None, readings=2)) == []
    ready.trainer.times_evaluated[id(ready.test_data._dataset)] = 3
    assert failed(made.finish(None, readings=2)) == ["after: test is read once under each mask"]


def test_no_overlap_where_chance_gives_some_looks_filtered(toy_data: Path) -> None:
    made, ready = checks(toy_data)
    ready.trainer.times_evaluated[id(ready.test_data._dataset)] = 1
    outcomes = made.finish({**OVERLAP, "test_chance": 30.0}, readings=1)
    assert failed(outcomes) == ["after: inferred positives were not filtered by test"]


@pytest.mark.parametrize("place", [1, 2], ids=["valid", "test"])
@pytest.mark.parametrize("keys", [{}, {"noise_rate": 0.5, "noise_kind": "false_negatives"}], ids=["train", "hidden"])
def test_pairs_in_two_parts(tmp_path: Path, keys: dict[str, Any], place: int) -> None:
    """Pairs that noise hides from train are of the real train all the same."""
    write_pairs(tmp_path / "toy", toy_split())
    config, split, identified, ready = prepared(tmp_path, **keys)
    held_out = split.parts[place].inter_feat
    hidden = pairs_of(split.real_train) - pairs_of(split.train)
    user, item = min(hidden or pairs_of(split.real_train))
    held_out[split.dataset.uid_field][0], held_out[split.dataset.iid_field][0] = user, item
    outcomes = LeakChecks(config, split, ready, identified.inferred, tmp_path).outcomes
    assert outcomes[0] == {
        "when": "before",
        "name": "no pair stands in two of train, valid, test",
        "passed": False,
        "found": "1 pair",
    }


def test_a_reference_run_shows_both_masks_of_one_model(toy_data: Path) -> None:
    folder = run(toy_data, toy_data, "--model=BPR", "--epochs=2", "--protocol=reference", "--judge=keep_all")
    result = read_result(folder)
    masks = result["masks"]
    assert masks["reference"] == result["test_result"] != masks["honest"]
    assert masks["honest"].keys() == masks["reference"].keys()
    (read,) = [check for check in result["checks"] if check["name"].startswith("test is")]
    assert (read["name"], read["found"], read["passed"]) == ("test is read once under each mask", "2 readings", True)
    honest = run(toy_data / "honest", toy_data, "--model=BPR", "--epochs=2", "--judge=keep_all")
    assert read_result(honest)["masks"] is None


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_both_masks_differ_by_the_inferred_positives_alone(toy_data: Path, noise: float) -> None:
    """Without any they are one mask, although the honest protocol (`eval_mask=train_valid`) leaves out valid too."""
    flags = ["--model=BPR", "--epochs=1", "--judge=none", "--neg_sampler=mixgcf", f"--noise_rate={noise}"]
    result = read_result(run(toy_data, toy_data, *flags, "--protocol=reference"))
    assert result["eval_mask"] == "train_valid"
    assert result["masks"]["honest"] == result["masks"]["reference"]
