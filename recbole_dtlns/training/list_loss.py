"""A soft target beside a model's own loss: the judge's values over a user's list (ListNet, Cao et al., ICML 2007).

ListNet's top-one cross-entropy compares two distributions over one list. Here the model's softmax also holds items that
are drawn at random, as in a sampled softmax, so that the scores of the list as a whole are learnt too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_dtlns.samplers.parts.history import History

JointScores = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(rows int64 [S] of a batch, each row's items int64 [S, L], shared items int64 [N]) -> scores float [S, L], [S, N]."""


@dataclass(frozen=True)
class ListSettings:
    """How lists are trained on.

    Attributes:
        weight: of this loss beside the model's own.
        temperature: scores are divided by it.
        n_users: most users of a batch whose lists are trained on.
        n_drawn: random items in every softmax.
    """

    weight: float
    temperature: float
    n_users: int
    n_drawn: int


class ListLoss:
    """Mean over users of the cross-entropy between the values of their lists and the model's softmax, times a weight.

    U users, I items, S users of a step, L items of the longest list, N drawn items, E training pairs. Memory
    O(U L + E), state O(1); a step takes O(S (L + N) + I) and the histories of its S users, beside the model's scores.

    Args:
        items: the list of each user, int32 [U, L]; 0 is padding, and a user without a list has nothing else.
        values: of these items, float32 [U, L], never negative, 0 at padding; brought to sum 1 here.
        history: training pairs of each user. Drawn items that are among them, or in the user's list, are left out of
            the softmax of that user.
        n_items: I, padding included.
        settings: how they are trained on.
        generator: of this loss alone, on the device of the tables.
    """

    def __init__(
        self,
        items: Tensor,
        values: Tensor,
        history: History,
        n_items: int,
        settings: ListSettings,
        generator: torch.Generator,
    ) -> None:
        totals = values.sum(1, keepdim=True)
        self.items, self.targets = items, values / totals.clamp_min(torch.finfo(values.dtype).tiny)
        self.history, self.n_items, self.settings, self.generator = history, n_items, settings, generator
        self._listed = totals.squeeze(1) > 0
        self.begin()

    def begin(self) -> None:
        """Forget the mean of an earlier epoch."""
        self._sum = torch.zeros((), dtype=torch.float64, device=self.items.device)
        self._batches = 0

    def mean(self) -> float | None:
        """Mean loss of the batches since `begin`, without the weight; None where no batch had a list."""
        return self._sum.item() / self._batches if self._batches else None

    def __call__(self, users: Tensor, scores_of: JointScores) -> Tensor | None:
        """The loss of one batch, a scalar with gradient; None where none of its users has a list.

        Args:
            users: of each row of the batch, int64 [R].
            scores_of: the model's own scores with gradient.
        """
        rows = self._choose(users)
        drawn = torch.randint(
            *(1, self.n_items, (self.settings.n_drawn,)), device=users.device, generator=self.generator
        )
        if len(rows) == 0:
            return None
        chosen = users[rows]
        listed = self.items[chosen].long()
        own, shared = (scores / self.settings.temperature for scores in scores_of(rows, listed, drawn))
        hit = (self.targets[chosen] * own).sum(1)
        nothing = torch.finfo(own.dtype).min  # not -inf: where all drawn items are left out, its gradient is NaN
        own = own.masked_fill(listed == 0, nothing)
        shared = shared.masked_fill(self._is_positive(chosen, listed, drawn), nothing)
        whole = torch.logaddexp(own.logsumexp(1), shared.logsumexp(1))
        loss = (whole - hit).mean()  # as the targets of a user sum to 1
        self._sum += loss.detach()
        self._batches += 1
        return self.settings.weight * loss

    def _choose(self, users: Tensor) -> Tensor:
        """A row for each of up to n_users different users that have a list, chosen at random: int64 [S]."""
        ordered, rows = users.sort(stable=True)
        wanted = self._listed[ordered]
        wanted[1:] &= ordered[1:] != ordered[:-1]
        rows = rows[wanted]
        order = torch.randperm(len(rows), device=users.device, generator=self.generator)
        return rows[order[: self.settings.n_users]]

    def _is_positive(self, users: Tensor, listed: Tensor, drawn: Tensor) -> Tensor:
        """Whether each drawn item is in a user's history or list: int64 [S], [S, L] and [N] -> bool [S, N]."""
        n_drawn, device = len(drawn), drawn.device
        place = torch.full((self.n_items,), n_drawn, device=device)  # of items that were not drawn
        place[drawn] = torch.arange(n_drawn, device=device)  # an item that was drawn twice has one place
        positive = torch.zeros(len(users), n_drawn + 1, dtype=torch.bool, device=device)
        positive.scatter_(1, place[listed], True)
        rows, items = self.history.pairs(users)
        positive[rows, place[items]] = True
        return positive.index_select(1, place[drawn])
