import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.false_negatives.candidates.ranking import Candidates
from recbole_dtlns.false_negatives.decide import Decision
from recbole_dtlns.false_negatives.inferred import InferredPositives, read_inferred, write_inferred


def literal():
    users, items = np.array(["9", "10", "10"]), np.array(["a", "é", "b c"])
    return InferredPositives(users, items, np.array([1.0, 1 / 3, 1e-7]), np.array([0.5, 1 / 6, 5e-8]))


def test_the_file_byte_by_byte(tmp_path):
    path = tmp_path / "run" / "inferred_positives.tsv"
    write_inferred(path, literal(), {"train_hash": "abc", "settings": {"judge": "rule"}})
    assert (
        path.read_bytes()
        == (
            "user\titem\tprobability\tweight\n10\tb c\t1e-07\t5e-08\n10\té\t0.333333\t0.166667\n9\ta\t1\t0.5\n"
        ).encode()
    )
    about = json.loads((tmp_path / "run" / "inferred_positives.tsv.json").read_text())
    assert about == {"train_hash": "abc", "settings": {"judge": "rule"}}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.text("ab é1", min_size=1), st.floats(0, 1), st.floats(0, 1e6)), unique_by=lambda row: row[0])
)
def test_writing_what_was_read_changes_no_byte(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("inferred") / "x.tsv"
    tokens = np.array([row[0] for row in rows], dtype=str)
    numbers = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
    write_inferred(path, InferredPositives(tokens, tokens, numbers[:, 0], numbers[:, 1]), {})
    first = path.read_bytes()
    back = read_inferred(path)
    assert back.users.tolist() == sorted(tokens.tolist())
    write_inferred(path, back, {})
    assert path.read_bytes() == first


def test_from_a_decision():
    view = TrainSplit.from_pairs(np.array(["9", "10", "10"]), np.array(["a", "b", "c"]))  # 10 sorts before 9
    candidates = Candidates(
        np.array([1, 2, 2]), np.array([1, 3, 2]), np.array([0, 0, 1]), np.zeros(3, np.float32), "test"
    )
    decision = Decision(np.array([0.4, 0.8, 1.0]), np.array([False, True, True]))
    inferred = InferredPositives.from_decision(view, candidates, decision, 0.5)
    assert inferred.users.tolist() == ["9", "9"]
    assert inferred.items.tolist() == ["b", "c"]
    assert inferred.probability.tolist() == [1.0, 0.8]
    assert inferred.weight.tolist() == [0.5, 0.4]
    assert len(inferred) == 2


def test_none_at_all(tmp_path):
    nothing = InferredPositives(np.array([], str), np.array([], str), np.zeros(0), np.zeros(0))
    write_inferred(tmp_path / "x.tsv", nothing, {})
    assert (tmp_path / "x.tsv").read_bytes() == b"user\titem\tprobability\tweight\n"
    assert len(read_inferred(tmp_path / "x.tsv")) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9\ta\t1\t0.5\n", "does not begin with the header user item probability weight"),
        ("", "does not begin with the header"),
        ("H\n9\ta\t1\n", "line 2: found '9 a 1'; expected 4 columns"),
        ("H\n9\ta\t1\t1\n9\tb\tx\t1\n", "line 3: found '9 b x 1'; expected a number as probability"),
        ("H\n9\ta\t1\t-1\n", "line 2: found '9 a 1 -1'; expected a weight of at least 0"),
        ("H\n9\ta\tnan\t1\n", "line 2: found '9 a nan 1'; expected a probability of at least 0"),
        ("H\n9\ta\t1\tinf\n", "expected a weight of at least 0"),
    ],
)
def test_malformed_files(tmp_path, text, message):
    path = tmp_path / "x.tsv"
    path.write_text(text.replace("H", "user\titem\tprobability\tweight"))
    with pytest.raises(UserError) as error:
        read_inferred(path)
    assert message in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        read_inferred(tmp_path / "none.tsv")


@pytest.mark.parametrize("token", ["a\tb", "a\nb", "a\rb"])
def test_tokens_that_the_file_cannot_hold(tmp_path, token):
    item = np.array(["x"])
    with pytest.raises(UserError, match="holds a tab or a line end"):
        write_inferred(tmp_path / "x.tsv", InferredPositives(item, np.array([token]), np.ones(1), np.ones(1)), {})
    assert list(tmp_path.iterdir()) == []
