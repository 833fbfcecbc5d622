"""What a sampler makes of the first batch of a run, looked at; later batches cost nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch


def check_first_batch(sampler: BaseSampler, name: str) -> None:
    """Have the next candidates, scores and positions of a sampler checked; then its own methods stand there again.

    Args:
        sampler: not wrapped in the tree view.
        name: for messages.

    Raises:
        UserError: from these methods, where they give what cannot be trained on.
    """
    own = {step: getattr(sampler, step) for step in ("propose", "score", "pick")}
    methods: dict[str, Any] = vars(sampler)

    def propose(users: Tensor, n: int) -> Tensor:
        candidates: Tensor = own["propose"](users, n)
        _require_ids(candidates, f"neg_sampler={name}: `propose`", len(users), 2)
        del methods["propose"]
        return candidates

    def score(batch: Batch) -> Tensor:
        scores: Tensor = own["score"](batch)
        _require_scores(scores, name, batch.candidates)
        del methods["score"]
        return scores

    def pick(scores: Tensor) -> Tensor:
        picked: Tensor = own["pick"](scores)
        place, n = f"neg_sampler={name}: `pick`", scores.shape[1]
        _require_ids(picked, place, len(scores), scores.dim())
        if picked.numel() and not 0 <= int(picked.min()) <= int(picked.max()) < n:
            raise UserError(
                f"{place} gave positions from {int(picked.min())} to {int(picked.max())}; expected 0 to {n - 1}, as "
                f"there are {n} candidates."
            )
        del methods["pick"]
        return picked

    methods.update(propose=propose, score=score, pick=pick)


def _require_scores(scores: Any, name: str, candidates: Tensor) -> None:
    rows, n = candidates.shape
    if not isinstance(scores, Tensor) or scores.shape[:2] != (rows, n) or scores.dim() not in {2, 3}:
        raise UserError(
            f"neg_sampler={name}: `score` gave {_kind(scores)}; expected a tensor [{rows}, {n}], a score for each "
            f"candidate of each positive, or [{rows}, {n}, H] for a pick in each layer."
        )
    missing = int(scores.isnan().sum())
    if missing:
        raise UserError(
            f"neg_sampler={name}: `score` gave NaN for {missing} of {scores.numel()} scores of the first batch, and "
            "NaN has no order to pick by. Give -inf to a candidate that must not be picked."
        )


def _require_ids(ids: Any, place: str, rows: int, dims: int) -> None:
    if not isinstance(ids, Tensor) or ids.dtype != torch.int64 or len(ids.shape) != dims or len(ids) != rows:
        more = "at least one column" if dims == 2 else "at least one column, and a layer each"
        raise UserError(
            f"{place} gave {_kind(ids)}; expected a tensor int64 of {dims} dimensions: {rows} rows, {more}."
        )


def _kind(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"{value!r:.40} ({type(value).__name__})"
    return f"a tensor {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
