"""The judge's own order as a recommender: nothing is trained, its lists are ranked as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from scipy import sparse

from recbole_dtlns.config.choices import JUDGED_ORDER
from recbole_dtlns.data.tokens import internal_ids
from recbole_dtlns.false_negatives.candidates.topk import position_in_run
from recbole_dtlns.false_negatives.lists import JudgedLists


class JudgedOrder(GeneralRecommender):
    """Ranks the candidates of each user as the judge does, and all other items behind them.

    Trained, evaluated and saved by RecBole like its own models without training (Pop, EASE).

    Attributes:
        order: places in the lists as `judged_order` gives them; empty until it is set, or loaded from a checkpoint.
    """

    input_type = InputType.POINTWISE
    type = ModelType.TRADITIONAL

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.nothing = torch.nn.Parameter(torch.zeros(1))  # an optimiser wants a parameter
        self.order = sparse.csr_matrix((self.n_users, self.n_items), dtype=np.int32)
        self.other_parameter_name = ["order"]

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """0: there is nothing to learn."""
        return self.nothing.sum() * 0

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        """Scores of all items, float32 [n * I]: places from the last of a list up, then items by their number, below 0.

        No two scores of a user are equal (up to 2^24 items), so the ranking depends on nothing else. O(n I).
        """
        users = interaction[self.USER_ID].cpu().numpy()
        places = torch.from_numpy(self.order[users].toarray().astype(np.float32))
        behind = -torch.arange(self.n_items, dtype=torch.float32)
        return torch.where(places > 0, places, behind).to(self.device).view(-1)

    def predict(self, interaction: Any) -> torch.Tensor:
        """Scores of pairs, float32 [n]: those of `full_sort_predict`."""
        users, items = (np.array(interaction[field].cpu()) for field in (self.USER_ID, self.ITEM_ID))
        places = torch.from_numpy(np.asarray(self.order[users, items]).reshape(-1).astype(np.float32))
        return torch.where(places > 0, places, -torch.from_numpy(items).float()).to(self.device)


OWN_MODELS: dict[str, Any] = {JUDGED_ORDER: JudgedOrder}
"""Models of ours by name; all others are RecBole's."""


def judged_order(dataset: Any, lists: JudgedLists) -> sparse.csr_matrix:
    """Places in the lists in a data set's internal numbers: CSR int32 [U, I], the length of the longest list for the
    first item of each list, one less for the next; 0 = not in the list. Row and column 0 are padding. O(n log n).
    """
    users, items = internal_ids(dataset, "user", lists.users), internal_ids(dataset, "item", lists.items)
    places = position_in_run(users)
    values = (places.max(initial=-1) + 1 - places).astype(np.int32)
    return sparse.csr_matrix((values, (users, items)), shape=(dataset.user_num, dataset.item_num))
