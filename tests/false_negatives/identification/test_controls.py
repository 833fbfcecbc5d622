"""The controls: random positives, and judges that read shuffled codes."""

from pathlib import Path

import numpy as np
import pytest
from toy import toy_split, write_pairs

from recbole_dtlns.cli import main
from recbole_dtlns.config.judge_checks import check_judge
from recbole_dtlns.config.run_config import Config
from recbole_dtlns.data.build import build_split
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.control import random_candidates, random_instead
from recbole_dtlns.false_negatives.inferred import InferredPositives, read_inferred


def pairs(inferred):
    return list(zip(inferred.users.tolist(), inferred.items.tolist(), strict=True))


def test_random_positives_are_as_many_of_each_user_with_the_same_weights(run, oracle):
    keys = {"judge": "oracle", "judge_report": False, "judge_decision": "calibrated"}
    real, control = run(**keys), run(**keys, random_positives=True)
    assert control.counts["accepted"] == real.counts["accepted"] == len(control.inferred) > 60
    np.testing.assert_array_equal(control.inferred.users, real.inferred.users)
    assert pairs(control.inferred) == sorted(set(pairs(control.inferred)))
    train = set(toy_split()["train"])
    assert not train & set(pairs(control.inferred))
    assert {item for _, item in pairs(control.inferred)} <= {item for _, item in train}
    for user in set(real.inferred.users.tolist()):
        for name in ("probability", "weight"):
            values = [
                sorted(getattr(inferred, name)[inferred.users == user])
                for inferred in (real.inferred, control.inferred)
            ]
            assert values[0] == values[1]
    assert len(set(pairs(real.inferred)) & set(pairs(control.inferred))) < len(real.inferred) / 3


def test_weights_stay_with_their_user_whatever_the_order_of_the_pairs(toy_data: Path):
    view = build_split(Config("BPR", "toy", config_dict={"data_path": str(toy_data)}), toy_data / "cache").view
    users = np.array(["u3", "u1", "u3", "u2", "u1", "u3"])
    weights = np.array([0.3, 0.1, 0.3, 0.2, 0.1, 0.3])
    control = random_instead(view, InferredPositives(users, view.items[1:7], weights, weights / 2))
    assert control.users.tolist() == sorted(users)
    assert control.probability.tolist() == sorted(weights)
    assert control.weight.tolist() == sorted(weights / 2)
    assert len(set(pairs(control))) == 6
    assert not set(pairs(control)) & set(toy_split()["train"])


def test_random_candidates_are_as_many_of_each_user_and_none_in_train(toy_data: Path):
    view = build_split(Config("BPR", "toy", config_dict={"data_path": str(toy_data)}), toy_data / "cache").view
    users = np.repeat([1, 2, 4], [5, 1, 9])  # user 3 has none
    ranks, scores = np.concatenate([np.arange(5), [0], np.arange(9)]), np.linspace(1, 0, 15)
    control = random_candidates(view, Candidates(users, np.arange(15) % 40 + 1, ranks, scores, "EASE"))
    for name, kept in (("users", users), ("ranks", ranks), ("scores", scores)):
        np.testing.assert_array_equal(getattr(control, name), kept)
    assert len(set(zip(control.users.tolist(), control.items.tolist(), strict=True))) == 15
    assert control.items.min() >= 1
    assert not np.asarray(view.matrix[control.users, control.items]).any()


def test_random_positives_replace_the_items_of_judged_lists_and_keep_their_values(run, oracle):
    keys = {"judge": "oracle", "judge_report": False, "positives_loss": "list", "list_size": 7}
    real, control, again = run(**keys), run(**keys, random_positives=True), run(**keys, random_positives=True, seed=9)
    np.testing.assert_array_equal(control.lists.users, real.lists.users)
    np.testing.assert_array_equal(control.lists.values, real.lists.values)  # of each user, from the best down
    np.testing.assert_array_equal(control.lists.items, again.lists.items)
    listed, drawn = pairs(real.lists), pairs(control.lists)
    assert len(set(drawn)) == len(drawn) == len(listed) > 300
    assert not set(toy_split()["train"]) & set(drawn)
    assert len(set(listed) & set(drawn)) < len(listed) / 2


def test_random_positives_are_the_same_each_time_and_ask_nothing_more(run, oracle):
    first = run(judge="oracle", judge_report=False, random_positives=True)
    asked = len(oracle.asked)
    second = run(judge="oracle", judge_report=False, random_positives=True, seed=7)
    assert pairs(first.inferred) == pairs(second.inferred)
    assert len(oracle.asked) == asked


def test_exported_verdicts_are_the_judges_own(run, oracle):
    path = run.folder / "v.tsv"
    run(judge="oracle", judge_report=False, export_verdicts=str(path), random_positives=True)
    real, read = run(judge="oracle", judge_report=False), run(judge="file", judge_file=str(path))
    assert pairs(read.inferred) == pairs(real.inferred)
    control = run(judge="file", judge_file=str(path), random_positives=True)
    assert pairs(control.inferred) != pairs(real.inferred)


def test_a_judge_of_shuffled_codes_is_asked_anew_and_reported_on_with_them(run, oracle):
    real = run(judge="oracle")
    asked = len(oracle.asked)
    control = run(judge="oracle", shuffle_codes=True)
    assert "judging" not in control.cached
    assert control.counts["llm_calls"] > 0.8 * asked
    assert pairs(control.inferred) != pairs(real.inferred)
    auc = [identified.judging["report"]["rows"][0]["auc"] for identified in (real, control)]
    assert auc[0] > 0.7
    assert abs(auc[1] - 0.5) < 0.1
    assert control.trees.co.n_leaves == real.trees.co.n_leaves
    again = run(judge="oracle", shuffle_codes=True)
    assert again.counts["llm_calls"] == 0
    assert pairs(again.inferred) == pairs(control.inferred)


def test_the_control_knows_train_alone(tmp_path: Path):
    other = {"valid": [("newcomer", "i1"), ("u4", "aaa")], "test": [("z", "i7"), ("u1", "0")]}
    files = []
    for name, parts in (("one", toy_split()), ("two", toy_split() | other)):
        write_pairs(tmp_path / name / "toy", parts)
        given = ["--model=BPR", "--dataset=toy", f"--data_path={tmp_path / name}", f"--run_dir={tmp_path / name}/run"]
        given += [f"--cache_dir={tmp_path / name}/cache", "--tree_leaf_size=4", "--embedding_size=8", "--epochs=1"]
        assert main([*given, "--random_positives=true", "--shuffle_codes=true"]) == 0
        files.append((tmp_path / name / "run" / "inferred_positives.tsv").read_bytes())
    assert files[0] == files[1]
    assert len(read_inferred(tmp_path / "one" / "run" / "inferred_positives.tsv")) > 50


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"random_positives": True, "judge": "rule", "judge_refresh": 2}, "random_positives=true replaces"),
        ({"random_positives": True, "judge": "none"}, "judge=none infers none"),
        ({"shuffle_codes": True, "neg_sampler": "dns"}, "nothing reads codes"),
    ],
)
def test_controls_that_cannot_be_had_are_refused(toy_data: Path, keys, message: str):
    config = Config("BPR", "toy", config_dict={"data_path": str(toy_data), **keys})
    with pytest.raises(UserError, match=message):
        check_judge(config.settings, config.method)
