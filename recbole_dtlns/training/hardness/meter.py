"""Sums over the chosen negatives of an epoch, kept on the device until the epoch has ended."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbole_dtlns.samplers.base import take
from recbole_dtlns.samplers.batch import Batch, Choice
from recbole_dtlns.samplers.parts.exclude import FarFromHistory
from recbole_dtlns.training.hardness.held_out import HeldOut
from recbole_dtlns.trees.similarity import TreeSimilarity

FIELDS = ("score_gap", "hardest_share", "similarity_co", "similarity_se", "valid_share", "valid_chance")
_BLOCK = 1 << 15  # ids that are looked up together


class HardnessMeter:
    """Means over the rows of an epoch; a row with several negatives counts once, by their weights if they have any.

    - `score_gap`: s_p - s_n as the loss computes it, made-up negatives included; not for models without BPRLoss.
    - `hardest_share`: chosen negatives whose model score is that of the hardest candidate of their row, or in their
      layer where each layer has its own. Not where one candidate is drawn or the sampler needed no scores.
    - `similarity_co`, `similarity_se`: tree similarity to the positive, where trees were made.
    - `valid_share`, `valid_chance`: chosen negatives that are valid positives of the user, and what a uniform draw from
      the drawable items gives.

    A batch costs O(R N H) for the hardest, O(R K H log pairs) for the rest, no second scoring, and no wait for the
    device. Nothing is drawn at random.

    Args:
        valid: the pairs of valid.
        similarities: the two trees as (structural, semantic); None where no trees were made.
        excluding: proposals that leave out candidates above `tree_exclude`.
    """

    def __init__(
        self,
        valid: HeldOut,
        similarities: tuple[TreeSimilarity, TreeSimilarity] | None = None,
        excluding: Sequence[FarFromHistory] = (),
    ) -> None:
        self.valid, self._similarities, self._excluding = valid, similarities, excluding
        self.begin()

    def begin(self) -> None:
        """Forget what was summed."""
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, int] = {}
        self._waiting: list[tuple[Tensor, ...]] = []  # users [R], positives [R], ids [R, C], weights [R, C]
        self._n_waiting = 0
        for proposal in self._excluding:
            proposal.begin()

    @torch.no_grad()
    def add(self, batch: Batch, picked: Tensor, choice: Choice, margin: Tensor | None) -> None:
        """Count one batch.

        Args:
            batch: the batch, after the sampler has seen it.
            picked: positions of the chosen candidates, of the shape of `choice.ids` where the sampler takes them.
            choice: the negatives.
            margin: mean of s_p - s_n, a scalar; None where it is not known.
        """
        rows, ids, weights = len(batch.users), choice.ids.flatten(1), _weights(choice)
        if margin is not None:
            self._add("score_gap", margin * rows, rows)
        hardest = is_hardest(batch, picked, choice)
        if hardest is not None:
            self._add("hardest_share", _sum(hardest.flatten(1), weights), rows)
        weights = torch.full_like(ids, 1 / ids.shape[1], dtype=torch.float32) if weights is None else weights
        self._waiting.append((batch.users, batch.positives, ids, weights))
        self._n_waiting += ids.numel()
        if self._n_waiting >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        """Look up what waits, together: calls cost more than the rows of a batch."""
        if not self._waiting:
            return
        users, positives, ids, weights = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._n_waiting = [], 0
        if self._similarities is not None:
            for name, similarity in zip(FIELDS[2:4], self._similarities, strict=True):
                self._add(name, _sum(similarity(positives, ids), weights), len(users))
        self._add("valid_share", _sum(self.valid.contains(users, ids), weights), len(users))
        self._add("valid_chance", self.valid.chance[users].sum(), len(users))

    def _add(self, name: str, value: Tensor, rows: int) -> None:
        self._sums[name] = value + self._sums[name] if name in self._sums else value.double()
        self._rows[name] = self._rows.get(name, 0) + rows

    @torch.no_grad()
    def means(self) -> dict[str, float | None]:
        """The mean of each of `FIELDS` since `begin`, None where nothing was measured. Waits for the device once."""
        self._flush()
        values = torch.stack(list(self._sums.values())).tolist() if self._sums else []
        means = {name: value / self._rows[name] for name, value in zip(self._sums, values, strict=True)}
        return {name: means.get(name) for name in FIELDS}

    def kept_share(self) -> float | None:
        """Share of the candidates since `begin` that are above `tree_exclude` for want of others; None without it."""
        counts = [proposal.counts() for proposal in self._excluding]
        return sum(kept for _, kept in counts) / max(sum(drawn for drawn, _ in counts), 1) if counts else None


class ShareMeter:
    """The share of chosen negatives that are held-out positives of the user, beside chance, and nothing else.

    Args:
        held_out: the pairs.
    """

    def __init__(self, held_out: HeldOut) -> None:
        self._held_out, self._sums, self._rows = held_out, torch.zeros(2, dtype=torch.float64), 0

    @torch.no_grad()
    def add(self, batch: Batch, choice: Choice) -> None:
        """Count one batch."""
        hits = _sum(self._held_out.contains(batch.users, choice.ids.flatten(1)), _weights(choice))
        chance = self._held_out.chance[batch.users].sum()
        self._sums += torch.stack([hits.double(), chance.double()]).cpu()
        self._rows += len(batch.users)

    def means(self) -> tuple[float, float]:
        """(share, chance)."""
        share, chance = (self._sums / max(self._rows, 1)).tolist()
        return share, chance


def is_hardest(batch: Batch, picked: Tensor, choice: Choice) -> Tensor | None:
    """Whether the model scores each chosen negative as high as its row's hardest candidate: bool [R, K] or [R, K, H].

    None where the sampler asked for no scores (they are never computed for this), where there is nothing to choose
    from, and where what was chosen is not what was picked.
    """
    if "layer_scores" not in vars(batch) or batch.candidates.shape[1] == 1 or picked.shape != choice.ids.shape:
        return None
    scores = batch.layer_scores if picked.dim() == 3 else batch.scores
    chosen = scores.gather(1, picked) == scores.amax(1, keepdim=True)
    return chosen & (take(batch.candidates, picked) == choice.ids)


def _weights(choice: Choice) -> Tensor | None:
    """Share of each id in its row, [R, K] or [R, K H]; None: all alike."""
    if choice.weights is None:
        return None
    weights = choice.weights.detach()
    if choice.ids.dim() == 3:
        weights = weights.repeat_interleave(choice.ids.shape[2], dim=1)
    return weights / weights.sum(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


def _sum(values: Tensor, weights: Tensor | None) -> Tensor:
    """Sum over rows of the mean over columns, [R, C] -> scalar."""
    return values.sum() / values.shape[1] if weights is None else (values * weights).sum()
