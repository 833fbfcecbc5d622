"""The judge's own order as a recommender."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction

from recbole_dtlns.cli import main
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.evaluation.per_user import read_per_user
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.lists import JudgedLists
from recbole_dtlns.training.judged import JudgedOrder, judged_order


@pytest.fixture
def lists() -> JudgedLists:
    """Of u1: i3 and i4 are tied, i1 is unlikely, i2 and i5 have 0 and no verdict; u2 has one item, u3 none."""
    view = TrainSplit.from_pairs(
        np.array(["u1", "u2", "u3", *["u3"] * 4]), np.array(["i6", "i6", "i5", "i1", "i2", "i3", "i4"])
    )
    item = {token: number for number, token in enumerate(view.items)}
    user = {token: number for number, token in enumerate(view.users)}
    items = np.array([item[f"i{number}"] for number in (5, 1, 2, 3, 4, 1)])
    users = np.array([user["u1"]] * 5 + [user["u2"]])
    ranks = np.array([0, 1, 2, 3, 4, 0])
    candidates = Candidates(users, items, ranks, -ranks.astype(np.float32), "made")
    return JudgedLists.whole(view, candidates, np.array([np.nan, 0.1, 0.0, 0.7, 0.7, 0.2]))


def test_a_whole_list_has_every_candidate_with_ties_and_silence_by_candidate_rank(lists: JudgedLists) -> None:
    assert lists.users.tolist() == ["u1"] * 5 + ["u2"]
    assert lists.items.tolist() == ["i3", "i4", "i1", "i5", "i2", "i1"]
    assert lists.values.tolist() == pytest.approx([0.7, 0.7, 0.1, 0.0, 0.0, 0.2])


class Data(SimpleNamespace):
    """A RecBole data set that numbers tokens in another order than the view."""

    def num(self, field: str) -> int:
        return len(self.field2id_token[field])


@pytest.fixture
def model(lists: JudgedLists) -> JudgedOrder:
    tokens = {"user": ["[PAD]", "u3", "u1", "u2"], "item": ["[PAD]", "i6", "i2", "i1", "i4", "i3", "i5", "i7"]}
    data = Data(uid_field="user", iid_field="item", field2id_token=tokens, user_num=4, item_num=8)
    config = {"USER_ID_FIELD": "user", "ITEM_ID_FIELD": "item", "NEG_PREFIX": "neg_", "device": "cpu"}
    made = JudgedOrder(config, data)
    made.order = judged_order(data, lists)
    return made


def ranking(model: JudgedOrder, user: int) -> list[int]:
    scores = model.full_sort_predict(Interaction({"user": torch.tensor([user])}))
    assert len(set(scores.tolist())) == model.n_items  # no ties: the ranking depends on nothing else
    return [number for number in scores.argsort(descending=True).tolist() if number > 0]


def test_items_are_ranked_as_listed_and_the_others_behind_them(model: JudgedOrder) -> None:
    assert ranking(model, 2) == [5, 4, 3, 6, 2, 1, 7]
    assert ranking(model, 3) == [3, 1, 2, 4, 5, 6, 7]
    assert ranking(model, 1) == [1, 2, 3, 4, 5, 6, 7]  # no list


def test_scores_of_pairs_are_those_of_the_ranking(model: JudgedOrder) -> None:
    whole = model.full_sort_predict(Interaction({"user": torch.tensor([2, 3])})).view(2, -1)
    pairs = Interaction({"user": torch.tensor([2, 3, 2]), "item": torch.tensor([5, 3, 7])})
    assert torch.equal(model.predict(pairs), whole[[0, 1, 0], [5, 3, 7]])


def run(*flags: str, folder: str = "run") -> dict:
    assert main(["--dataset=toy", "--data_path=data", f"--run_dir={folder}", *flags]) == 0
    return json.loads(Path(folder, "result.json").read_text(encoding="utf-8"))


def test_keep_all_ranks_as_its_candidate_source_does(toy: Path) -> None:
    """EASE at the strength of the candidate source (100), through RecBole's own model."""
    result = run("--model=JudgedOrder", "--judge=keep_all", "--candidate_topk=40")
    ease = run("--model=EASE", "--reg_weight=100.0", folder="ease")
    for part in ("best_valid_result", "test_result"):
        assert result[part] == ease[part]
    users, values = read_per_user(Path("run/per_user.npz"))
    others, expected = read_per_user(Path("ease/per_user.npz"))
    assert users.tolist() == others.tolist()
    assert np.array_equal(values["ndcg@20"], expected["ndcg@20"])


def test_a_run_is_like_any_other_and_trains_on_nothing(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run("--model=JudgedOrder", "--judge=rule", "--candidate_topk=15", "--positives_loss=list")
    assert (result["model"], result["judge"], result["neg_sampler"]) == ("JudgedOrder", "rule", None)
    assert result["checks"]
    assert all(check["passed"] for check in result["checks"])
    assert result["data"]["inferred_positives"] == 0
    assert result["identification"]["pairs"] == 60 * 15
    capsys.readouterr()
    assert main(["recommend", "run", "--topk=4"]) == 0  # the lists are in the checkpoint
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(lines) == 60 * 4
    assert all(0 < float(score) <= 15 for *_, score in lines)


def test_a_file_of_verdicts_is_ranked_by_its_probabilities(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines_of_all = "\n".join(
        Path(f"data/toy/{part}.txt").read_text(encoding="utf-8") for part in ("train", "valid", "test")
    )
    seen = {line.split()[1] for line in lines_of_all.splitlines() if line.startswith("u0 ")}
    free = sorted({f"i{item}" for item in range(40)} - seen)[:3]
    rows = [f"u0\t{item}\t{value}" for item, value in zip(free, (0.2, 0.9, 0.5), strict=True)]
    Path("verdicts.tsv").write_text("user\titem\tprobability\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run("--model=JudgedOrder", "--judge=file", "--judge_file=verdicts.tsv", "--allow_foreign=true")
    capsys.readouterr()
    assert main(["recommend", "run", "--topk=3", "--users=u0"]) == 0
    lines = [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines == [free[1], free[2], free[0]]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Add --judge=NAME"),
        (["--judge=rule", "--protocol=reference"], "Use protocol=honest"),
        (["--judge=rule", "--random_positives=true"], "has no loss"),
        (["--judge=rule", "--judge_refresh=2"], "needs a sampler of ours"),
        (["--judge=rule", "--neg_sampler=dns"], "Leave neg_sampler out"),
    ],
)
def test_what_it_cannot_have_is_refused(
    toy: Path, capsys: pytest.CaptureFixture[str], flags: list, message: str
) -> None:
    assert main(["--model=JudgedOrder", "--dataset=toy", "--data_path=data", *flags]) == 2
    assert message in capsys.readouterr().err


def test_it_is_no_source_of_candidates(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--model=BPR", "--judge=rule", "--candidate_source=JudgedOrder"]
    assert main([*flags, "--dataset=toy", "--data_path=data"]) == 2
    assert "JudgedOrder" in capsys.readouterr().err
