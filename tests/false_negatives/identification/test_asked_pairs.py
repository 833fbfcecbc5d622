"""`learned_from` with a limit: a language model is asked where the learned judge is undecided, and used if it helps."""

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.config.judge_checks import check_judge
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.identification import learning
from recbole_dtlns.false_negatives.judges import JUDGES
from recbole_dtlns.false_negatives.judges.base import Judge, Usage

LEARNED = {"judge": "learned", "candidate_topk": 12, "tree_leaf_size": 1}


class Paid(Judge):
    """A judge with a bill. It knows all of train, or nothing."""

    name, revision, block_users = "paid", "1", 8
    train: set
    knows = True
    deaf_to: int | None = None  # pairs in the train of a split that it gives no answers about
    views: dict

    def __init__(self, context):
        self.context, self.usage = context, Usage()

    def settings(self):
        return {"knows": type(self).knows}

    def on(self, context):
        other = type(self)(context)
        other.usage = self.usage
        return other

    def score(self, users, items):
        kind = type(self)
        self.usage.calls += len(users)
        view = kind.views[self.context.matrix.nnz]
        names = zip(view.users[users].tolist(), view.items[items].tolist(), strict=True)
        truth = np.array([float(pair in kind.train) for pair in names])
        if self.context.matrix.nnz == kind.deaf_to:
            return np.full(len(users), np.nan), None
        noise = ((users * 31 + items * 7919) % 97) / 97.0  # of the pair: of the item alone it would name the item
        return (truth if kind.knows else noise), None


@pytest.fixture
def paid(monkeypatch, run):
    kind = type("Mine", (Paid,), {"train": set(toy_split(200)["train"]), "views": {}})
    monkeypatch.setitem(JUDGES, "paid", kind)
    other_judges = learning.other_judges

    def noted(askers, view, *rest):
        kind.views[view.matrix.nnz] = view
        return other_judges(askers, view, *rest)

    monkeypatch.setattr(learning, "other_judges", noted)
    write_pairs(run.folder / "data" / "toy", toy_split(200))
    return kind


def test_answers_that_help_are_used_and_their_price_is_told(run, paid, caplog):
    caplog.set_level("INFO")
    identified = run(**LEARNED, learned_from="paid", llm_budget="25%")
    asked = identified.judging["learned"]["asked"]
    assert asked["judges"] == ["paid"]
    assert 0.2 * 200 * 12 <= asked["pairs"] <= 0.25 * 200 * 12
    assert identified.counts["llm_calls"] == pytest.approx(asked["pairs"] + asked["held_in_pairs"], rel=0.02)
    assert identified.counts["unjudged"] == identified.counts["unreadable"] == 0
    assert asked["kept"]
    for users in ("all users", "users asked about"):
        assert asked["added"][users]["ndcg@20"]["low"] > 0
        assert asked["added"][users]["log_loss"]["low"] > 0
    gain = asked["added"]["all users"]["ndcg@20"]["value"]
    assert asked["per_thousand"]["ndcg@20"] == pytest.approx(gain / asked["held_in_pairs"] * 1000)
    assert "A thousand questions bought +" in caplog.text
    without = run(**LEARNED)
    assert without.judging["learned"]["asked"] is None
    assert (without.judged.probability / identified.judged.probability).max() > 5


def test_answers_that_add_nothing_are_left_out_and_said_to_be(run, paid, caplog):
    caplog.set_level("INFO")
    paid.knows = False
    identified = run(**LEARNED, learned_from="paid", llm_max_pairs=500)
    asked = identified.judging["learned"]["asked"]
    assert not asked["kept"]
    assert "judge paid" not in identified.judging["learned"]["features"]
    assert identified.judging["learned"]["groups"][-1]["group"] == "judges"
    assert "add nothing that held-in pairs show: the judge goes without them" in caplog.text
    without = run(**LEARNED)
    np.testing.assert_array_equal(identified.judged.probability, without.judged.probability)
    again = run(**LEARNED, learned_from="paid", llm_max_pairs=500)
    assert again.counts["llm_calls"] == 0
    assert "judging" in again.cached
    assert again.judging["learned"] == identified.judging["learned"]


def test_held_in_pairs_without_an_answer_are_asked_about_again(run, paid):
    keys = {**LEARNED, "learned_from": "paid", "llm_max_pairs": 500}
    run(**LEARNED)
    run(**{**keys, "llm_max_pairs": 100, "judge_report": False})
    paid.deaf_to = min(paid.views)  # the held-in split
    assert not run(**keys).judging["learned"]["asked"]["kept"]
    paid.deaf_to = None
    again = run(**keys)
    assert again.counts["llm_calls"] > 0
    assert again.judging["learned"]["asked"]["kept"]


def test_without_a_report_answers_are_used_unmeasured(run, paid):
    paid.knows = False
    keys = {**LEARNED, "judge_report": False}
    identified = run(**keys, learned_from="paid", llm_max_pairs=500)
    assert identified.judging["learned"]["asked"]["added"] is None
    assert identified.judging["learned"]["asked"]["kept"]
    assert np.abs(identified.judged.probability - run(**keys).judged.probability).max() > 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"judge": "learned", "llm_budget": "5%"}, "Name one with --learned_from=llm"),
        ({"judge": "rule", "llm_budget": "5%"}, "Name one with --learned_from=llm"),
        ({"judge": "learned", "learned_from": "rule", "llm_budget": "5%"}, "asks none"),
        ({"judge": "learned", "llm_budget": "5"}, "a share from 0% to 100%"),
        ({"judge": "learned", "llm_budget": "500%"}, "a share from 0% to 100%"),
    ],
)
def test_a_budget_that_means_nothing_is_refused(toy_data, keys, message):
    def read() -> None:
        config = Config("BPR", "toy", config_dict={"data_path": str(toy_data), **keys})
        check_judge(config.settings, config.method)

    with pytest.raises(UserError, match=message):
        read()
