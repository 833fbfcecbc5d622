import numpy as np
import pytest

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.data.train_split import TrainSplit
from recbole_dtlns.errors import UserError
from recbole_dtlns.evaluation import model_source
from recbole_dtlns.evaluation.model_source import RecBoleSource, recbole_source


class Trained:
    """Prefers items of larger numbers."""

    def __init__(self, view):
        self.width = view.n_items + 1

    def score_block(self, users):
        return np.tile(np.arange(self.width, dtype=np.float32), (len(users), 1))


def test_scores_and_candidates_come_from_the_model_fitted_on_the_view(monkeypatch):
    monkeypatch.setattr(model_source, "train_candidate_model", lambda name, view, keys: Trained(view))
    view = TrainSplit.from_pairs(np.array(["a", "b"]), np.array(["1", "2"]))
    source = RecBoleSource("BPR", {})
    for too_early in (lambda: source.score_block(np.array([1])), lambda: source.top(view, Budget(1))):
        with pytest.raises(ValueError, match="fit first"):
            too_early()
    np.testing.assert_array_equal(source.fit(view).score_block(np.array([1, 2])), [[0, 1, 2]] * 2)
    assert source.top(view, Budget(1)).items.tolist() == [2, 1]


def test_which_names_are_models():
    assert recbole_source("EASE", None) is None
    assert recbole_source("file", None) is None
    source = recbole_source("BPR", {"epochs": 3})
    assert (source.name, source.settings()["epochs"]) == ("BPR", 3)
    with pytest.raises(UserError, match="no source 'Nobody'"):
        recbole_source("Nobody", None)
