"""What a judge declares decides what is built, asked and allowed for it; no other place knows its name."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from recbole_dtlns.cli import main
from recbole_dtlns.comparison.plan.plan_keys import deal_out
from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.declared import all_judges, asked_judges, declared
from recbole_dtlns.config.parsers import Key, whole
from recbole_dtlns.config.settings import Settings, our_keys
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.judges import JUDGES, Judge, JudgeContext, judge_class
from recbole_dtlns.files.run_folder import read_result
from recbole_dtlns.training.refresh import REFRESHED


class Parity(Judge):
    """Even items are positives; it is fast, reads no codes and has a key of its own."""

    name, revision = "parity", "1"
    keys: ClassVar[dict[str, Key]] = {"parity_step": Key(2, whole(1), "every n-th item is a positive")}
    reads_codes = False
    asks_model = False
    online = True
    candidate_topk = Budget(7)

    def __init__(self, context: JudgeContext) -> None:
        self.step = context.options["parity_step"]

    def settings(self) -> dict[str, Any]:
        return {"step": self.step}

    def score(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, None]:
        return (items % self.step == 0).astype(float), None


def test_keys_of_a_judge_are_keys_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "parity_step" not in our_keys()
    monkeypatch.setitem(JUDGES, "parity", Parity)
    assert Settings.parse({"parity_step": "3"})["parity_step"] == 3
    assert Settings()["parity_step"] == 2
    with pytest.raises(UserError, match="parity_step='0'"):
        Settings.parse({"parity_step": "0"})


def test_every_declared_key_belongs_to_its_judge_and_no_two_judges_differ_on_one() -> None:
    declarations: dict[str, Key] = {}
    for judge in all_judges().values():
        for name, key in (judge.keys or {}).items():
            assert declarations.setdefault(name, key) is key
    assert {"llm_model", "server_url", "student_users", "learned_from", "judge_file"} <= set(declarations)
    assert set(declarations) <= our_keys()


def test_a_judge_of_ones_own_is_refreshed_without_trees_on_its_own_number_of_candidates(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(JUDGES, "parity", Parity)
    flags = ["--model=BPR", "--dataset=toy", "--data_path=data", "--run_dir=run", "--embedding_size=4", "--epochs=2"]
    flags += ["--neg_sampler=dns", "--judge=parity", "--judge_refresh=1", "--parity_step=3"]
    assert main(flags) == 0
    result = read_result(toy / "run")
    assert result["trees"] is None
    assert result["identification"]["pairs"] == 7 * 60
    assert result["config"]["parity_step"] == 3
    assert (toy / "run" / REFRESHED).is_file()


def test_a_judge_that_declares_nothing_is_not_refreshed(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(JUDGES, "slow", type("Slow", (Parity,), {"online": False}))
    flags = ["--model=BPR", "--dataset=toy", "--data_path=data", "--judge=slow", "--judge_refresh=1"]
    assert main(flags) == 2
    assert "judge=slow cannot. Use one of keep_all, rule, student" in capsys.readouterr().err


def test_keys_of_a_plan_go_to_the_judges_that_declare_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, "parity", Parity)
    judges = ["rule", "llm", "server", "student", "learned", "file", "parity"]
    shared = {"llm_model": "m", "judge_file": "v", "parity_step": 3, "llm_max_pairs": 9}
    dealt = deal_out(shared, {}, judges, ())
    assert shared == {"llm_max_pairs": 9}  # for every judge
    assert dealt == {
        **{judge: {"llm_model": "m"} for judge in ("llm", "server", "student")},
        **{"file": {"judge_file": "v"}, "parity": {"parity_step": 3}},
    }


def test_who_is_asked_in_the_end() -> None:
    options = {"student_teacher": "server", "learned_from": "rule, student"}
    assert asked_judges("learned", options) == {"learned", "rule", "student", "server"}
    assert asked_judges("rule", options) == {"rule"}


def test_a_plain_class_gets_what_it_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {"settings": lambda self: {}, "score": lambda self, users, items: (np.ones(len(users)), None)}
    plain = type("Plain", (), {"name": "plain", "revision": "1", "__init__": lambda self, context: None, **methods})
    monkeypatch.setitem(JUDGES, "plain", plain)
    assert (declared("plain").online, declared("plain").reads_codes) == (False, True)
    made = judge_class("plain")(None)  # type: ignore[arg-type]
    assert isinstance(made, plain)
    assert (made.gives_log_odds, made.usage, made.block_users) == (False, None, 2000)


def test_what_would_be_misread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"Old.margins is called gives_log_odds now"):
        type("Old", (Parity,), {"margins": True})
    monkeypatch.setitem(JUDGES, "made", lambda context: Parity(context))
    with pytest.raises(UserError, match="must be a class"):
        judge_class("made")


class OldPlain:
    """A plugin's judge of before, derived from nothing."""

    name, revision = "old", "1"

    def __init__(self, context: JudgeContext | None) -> None:
        self.margins = True

    settings, score = Parity.settings, Parity.score


def test_the_former_name_of_log_odds_is_refused_wherever_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JUDGES, "plain", type("Plain", (OldPlain,), {"margins": True}))
    with pytest.raises(UserError, match=r"Plain.margins is called gives_log_odds now"):
        declared("plain")  # before any work
    monkeypatch.setitem(JUDGES, "old", OldPlain)
    with pytest.raises(UserError, match=r"OldPlain.margins is called gives_log_odds now"):
        judge_class("old")(None)  # type: ignore[arg-type]


def test_a_judge_that_lacks_a_method_or_has_other_keys_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(JUDGES, "half", type("Half", (Judge,), {"name": "half", "settings": Parity.settings}))
    with pytest.raises(UserError, match="'half' of a plugin lacks __init__, score"):
        declared("half")
    assert declared("rule") is JUDGES["rule"]  # another judge can still be named
    monkeypatch.setitem(JUDGES, "half", type("Half", (Parity,), {"keys": lambda self: []}))
    with pytest.raises(UserError, match=r"Half.keys is <function"):
        our_keys()
