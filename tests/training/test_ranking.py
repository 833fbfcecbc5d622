"""Scores of all items, from models that rank at once and from models that only score pairs."""

import numpy as np
import torch
from recbole.data.interaction import Interaction

from recbole_dtlns.training.ranking import all_scores


class ScoresPairs:
    """A model whose score of user u and item i is 10 u + i."""

    device = "cpu"

    def full_sort_predict(self, rows: Interaction) -> torch.Tensor:
        raise NotImplementedError

    def predict(self, rows: Interaction) -> torch.Tensor:
        return 10 * rows["user"] + rows["item"]


class Ranks(ScoresPairs):
    """The same scores, flat, as RecBole's models return them."""

    def full_sort_predict(self, rows: Interaction) -> torch.Tensor:
        return (10 * rows["user"].unsqueeze(1) + torch.arange(4)).double().flatten()


def test_models_without_a_ranking_of_their_own_score_every_pair() -> None:
    expected = [[30, 31, 32, 33], [10, 11, 12, 13]]
    for model in (ScoresPairs(), Ranks()):
        scores = all_scores(model, np.array([3, 1]), "user", "item", 4)
        assert (scores.dtype, scores.tolist()) == (torch.float32, expected)
