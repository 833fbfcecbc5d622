"""Hardness in the log, which decides nothing, and the keys that keep likely positives out of the negatives."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from cut_off import cut_off_in_epoch
from hardness_parts import train
from recbole.data.interaction import Interaction
from samplers import small
from toy import toy_split, write_pairs

from recbole_dtlns.data.augmented import InferredIds
from recbole_dtlns.files.epoch_log import HARDNESS, read_epochs, write_row
from recbole_dtlns.files.run_folder import CHECKPOINT, read_result
from recbole_dtlns.samplers.batch import Choice
from recbole_dtlns.training.epoch_line import hardness_line
from recbole_dtlns.training.hardness.held_out import HeldOut
from recbole_dtlns.training.hardness.meter import FIELDS, HardnessMeter, ShareMeter, is_hardest


def part(users: list[int], items: list[int], n_users: int = 3, n_items: int = 7) -> Any:
    """What `HeldOut` and `positives_matrix` read of a part of a data set."""
    rows = Interaction({"user_id": torch.tensor(users), "item_id": torch.tensor(items)})
    return SimpleNamespace(
        inter_feat=rows, uid_field="user_id", iid_field="item_id", user_num=n_users, item_num=n_items
    )


def held_out(extra: InferredIds | None = None, bars: bool = True) -> HeldOut:
    """User 1 has 1 in train and 3, 4 held out; user 2 has 2 in train, and held out too (it is barred) with 6."""
    return HeldOut(part([1, 2], [1, 2]), part([1, 1, 2, 2], [3, 4, 2, 6]), extra, bars, "cpu")


def test_membership_and_chance() -> None:
    pairs = held_out()
    inside = pairs.contains(torch.tensor([1, 2]), torch.tensor([[3, 4, 6, 1], [2, 6, 3, 4]]))
    assert inside.tolist() == [[True, True, False, False], [True, True, False, False]]
    assert pairs.chance.tolist() == pytest.approx([0, 2 / 5, 1 / 5])


def test_pairs_behind_the_last_held_out_one_are_none() -> None:
    pairs = HeldOut(part([1], [1]), part([1], [3]), None, True, "cpu")
    assert pairs.contains(torch.tensor([1, 2]), torch.tensor([[3, 6], [3, 6]])).tolist() == [[True, False], [False] * 2]


def test_chance_follows_what_is_barred() -> None:
    extra = InferredIds(np.array([1, 1]), np.array([3, 5]), np.ones(2))
    assert held_out(extra).chance.tolist() == pytest.approx([0, 1 / 3, 1 / 5])
    assert held_out(extra, bars=False).chance.tolist() == pytest.approx([0, 2 / 5, 1 / 5])
    pairs = held_out()
    pairs.follow(extra)
    assert pairs.chance.tolist() == pytest.approx([0, 1 / 3, 1 / 5])


def test_an_epoch_by_hand() -> None:
    scores = torch.tensor([[1.0, 5.0, 2.0], [3.0, 3.0, 0.0]])
    seen = small.batch(candidates=torch.tensor([[3, 2, 5], [4, 5, 6]]), scores=scores, positives=torch.tensor([1, 4]))
    meter = HardnessMeter(held_out(), small.context().similarities)
    assert seen.scores.tolist() == scores.tolist()
    meter.add(seen, torch.tensor([[1], [0]]), Choice(torch.tensor([[2], [4]])), torch.tensor(0.25))
    means = meter.means()
    assert means["score_gap"] == 0.25
    assert means["hardest_share"] == 1
    assert means["similarity_co"] == 1  # 1 and 2 share a leaf, 4 is itself
    assert means["similarity_se"] == 0.5  # 0-0 and 1-0; 4 is itself
    assert means["valid_share"] == 0.5  # 4 of user 1
    assert means["valid_chance"] == pytest.approx(0.4)
    meter.add(seen, torch.tensor([[0], [1]]), Choice(torch.tensor([[3], [5]])), torch.tensor(0.75))
    means = meter.means()
    assert (means["score_gap"], means["hardest_share"], means["valid_share"]) == (0.5, 0.75, 0.5)  # 5 ties with 4
    meter.begin()
    assert meter.means() == dict.fromkeys(FIELDS)


def test_a_weighted_row_counts_by_its_weights() -> None:
    seen = small.batch(candidates=torch.tensor([[3, 5]]), scores=torch.tensor([[1.0, 2.0]]))
    assert seen.scores.shape == (1, 2)
    meter = HardnessMeter(held_out())
    choice = Choice(torch.tensor([[3, 5]]), weights=torch.tensor([[3.0, 1.0]]))
    meter.add(seen, torch.tensor([[0, 1]]), choice, None)
    means = meter.means()
    assert (means["valid_share"], means["hardest_share"]) == (0.75, 0.25)
    assert means["score_gap"] is means["similarity_co"] is None


def test_a_weight_counts_for_every_layer_of_its_negative() -> None:
    meter = HardnessMeter(held_out())
    choice = Choice(torch.tensor([[[5, 3], [5, 5]]]), weights=torch.tensor([[3.0, 1.0]]))
    meter.add(small.batch(rows=1), torch.zeros(1, 2, 2, dtype=torch.long), choice, None)
    assert meter.means()["valid_share"] == pytest.approx(3 / 8)


def test_asking_between_batches_counts_none_twice() -> None:
    seen, picked, test = small.batch(rows=1), torch.zeros(1, 1, dtype=torch.long), ShareMeter(held_out())
    meter = HardnessMeter(held_out())
    for item, share in ((3, 1), (5, 0.5)):
        choice = Choice(torch.tensor([[item]]))
        meter.add(seen, picked, choice, None)
        test.add(seen, choice)
        assert meter.means()["valid_share"] == share
        assert test.means() == pytest.approx((share, 0.4))


def test_a_new_epoch_counts_from_its_beginning() -> None:
    begun: list[int] = []
    excluding: Any = [
        SimpleNamespace(begin=lambda: begun.append(1), counts=lambda counts=counts: counts)
        for counts in ((10, 2), (30, 8))
    ]
    meter = HardnessMeter(held_out(), excluding=excluding)
    assert meter.kept_share() == 0.25
    meter.add(small.batch(rows=1), torch.zeros(1, 1, dtype=torch.long), Choice(torch.tensor([[3]])), None)
    begun.clear()
    meter.begin()
    assert len(begun) == 2
    assert meter.means() == dict.fromkeys(FIELDS)


def test_a_zero_is_shown_and_the_unknown_is_not() -> None:
    assert hardness_line(4, {"score_gap": 0.0, "hardest_share": None}, 0.0) == (
        "epoch 4 hardness [score gap: 0, kept above tree_exclude: 0]"
    )


def test_what_was_chosen_instead_of_the_hardest_is_not_the_hardest() -> None:
    seen = small.batch(candidates=torch.tensor([[3, 5]]), scores=torch.tensor([[1.0, 2.0]]))
    assert seen.scores.shape == (1, 2)
    picked = torch.tensor([[1]])
    assert [is_hardest(seen, picked, Choice(torch.tensor([[item]]))).item() for item in (5, 3)] == [True, False]


def test_each_layer_has_a_hardest_of_its_own() -> None:
    seen = small.batch(rows=40, n=5)
    layers = seen.layer_scores
    picked = torch.stack([layers[..., 0].argmax(1), layers[..., 1].argmin(1)], 1).unsqueeze(1)
    ids = seen.candidates.gather(1, picked.flatten(1)).reshape(picked.shape)
    hardest = is_hardest(seen, picked, Choice(ids))
    assert hardest is not None
    assert hardest[..., 0].all()
    assert not hardest[..., 1].all()


def test_scores_are_never_computed_for_the_log() -> None:
    seen = small.batch(rows=3, n=5)
    picked = torch.zeros(3, 1, dtype=torch.long)
    choice = Choice(seen.candidates[:, :1])
    assert is_hardest(seen, picked, choice) is None
    assert "layer_scores" not in vars(seen)
    single = small.batch(rows=3, n=1)
    assert single.scores.shape == (3, 1)
    assert is_hardest(single, picked, Choice(single.candidates)) is None


def test_rows_from_a_resumed_epoch_on_are_written_again(tmp_path: Path) -> None:
    path = tmp_path / HARDNESS
    for epoch in range(4):
        write_row(path, epoch, dict.fromkeys(FIELDS, float(epoch)))
    write_row(path, 2, {**dict.fromkeys(FIELDS, 9.0), "score_gap": None})
    rows = read_epochs(path)
    assert list(rows) == [0, 1, 2]
    assert rows[1]["score_gap"] == 1
    assert (rows[2]["score_gap"], rows[2]["valid_share"]) == (None, 9)
    assert read_epochs(tmp_path / "none.csv") == {}


@pytest.mark.parametrize(
    ("flags", "empty"),
    [
        (["--neg_sampler=dtl_ns"], set()),
        (["--neg_sampler=uniform"], {"hardest_share", "similarity_co", "similarity_se"}),
        (["--neg_sampler=dns"], {"similarity_co", "similarity_se"}),
        (["--neg_sampler=softmax_rho", "--model=LINE"], {"score_gap", "similarity_co", "similarity_se"}),
    ],
)
def test_every_run_says_how_hard_its_negatives_were(toy: Path, flags: list[str], empty: set[str]) -> None:
    assert train("run", *flags) == 0
    with (toy / "run" / HARDNESS).open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", *FIELDS]
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert {name for name in FIELDS if rows[0][name] == ""} == empty
    result = read_result(toy / "run")
    best = rows[result["best_epoch"]]
    assert {name: result["hardness"][name] for name in FIELDS} == {
        name: float(best[name]) if best[name] else None for name in FIELDS
    }
    assert set(result["hardness"]) == {*FIELDS, "test_share", "test_chance"}
    assert 0 < result["hardness"]["test_chance"] < 0.1
    log = (toy / "run" / "run.log").read_text()
    assert log.count("hardness [") == 3
    assert log.count("replayed without updates") == 1
    if "dns" in flags[0]:
        assert float(best["hardest_share"]) == 1


def test_what_valid_holds_changes_no_negative_and_no_weight(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["--neg_sampler=dtl_ns", "--eval_step=3"]  # one evaluation, so the last epoch is saved either way
    assert train("run", *flags) == 0
    parts = toy_split()
    taken = {pair for pairs in parts.values() for pair in pairs}
    items = sorted({item for _, item in parts["train"]})
    parts["valid"] = [(user, next(item for item in items if (user, item) not in taken)) for user, _ in parts["valid"]]
    write_pairs(toy / "data" / "toy", parts)
    assert train("other", *flags) == 0
    monkeypatch.setattr(HardnessMeter, "add", lambda *arguments: None)
    assert train("without", *flags) == 0
    states = [torch.load(toy / name / CHECKPOINT, weights_only=False) for name in ("run", "other", "without")]
    for name, value in states[0]["state_dict"].items():
        assert all(torch.equal(value, other["state_dict"][name]) for other in states[1:]), name
    generators = [state["other_parameter"]["dtlns_sampler_state"]["generator"] for state in states]
    assert torch.equal(generators[0], generators[1])
    assert torch.equal(generators[0], generators[2])
    first, second = (read_epochs(toy / name / HARDNESS) for name in ("run", "other"))
    assert [row["score_gap"] for row in first.values()] == [row["score_gap"] for row in second.values()]
    assert [row["valid_share"] for row in first.values()] != [row["valid_share"] for row in second.values()]


@pytest.mark.parametrize("flags", [["--neg_sampler=dns", "--tree_exclude=0.6"], ["--neg_sampler=dtl_ns"]])
def test_resumed_equals_undisturbed(toy: Path, flags: list[str]) -> None:
    flags = [*flags, "--epochs=6", "--checkpoint_seconds=0"]
    assert train("whole", *flags) == 0
    with pytest.MonkeyPatch.context() as patch:
        cut_off_in_epoch(patch, 3)
        assert train("broken", *flags) == 130
    assert list(read_epochs(toy / "broken" / HARDNESS)) == [0, 1, 2, 3]  # kept although the run was cut off
    assert train("broken", *flags) == 0
    assert (toy / "broken" / HARDNESS).read_bytes() == (toy / "whole" / HARDNESS).read_bytes()
    assert read_result(toy / "broken")["hardness"] == read_result(toy / "whole")["hardness"]
