"""What console and log say of an epoch: one line, and one about the hardness of its negatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {"score_gap": "score gap", "hardest_share": "hardest chosen", "similarity_co": "similarity co"}
_NAMES |= {"similarity_se": "similarity se", "valid_share": "valid positives", "valid_chance": "by chance"}


def epoch_line(epoch: int, loss: float | None, seconds: float) -> str:
    """`epoch 3: loss 12.31, 1.2 s`; the loss is summed over batches, as RecBole logs it."""
    loss_text = "" if loss is None else f"loss {loss:.4f}, "
    return f"epoch {epoch}: {loss_text}{seconds:.1f} s"


def standing(trainer: Any, epoch: int, score: float) -> str:
    """`valid NDCG@20 0.1234, best so far`, or with the earlier epoch that was better.

    Args:
        trainer: a RecBole trainer that has not compared the score with its best one yet.
        epoch: the number of the epoch, from 0.
        score: of validation.
    """
    before = trainer.best_valid_score
    better = score >= before if trainer.valid_metric_bigger else score <= before  # RecBole saves on a tie
    best_epoch = epoch - (trainer.cur_step + 1) * trainer.eval_step
    beside = "best so far" if better else f"best {before:.4f} in epoch {best_epoch}"
    return f"valid {trainer.config['valid_metric']} {score:.4f}, {beside}"


def hardness_line(epoch: int, means: Mapping[str, float | None], kept: float | None) -> str:
    """The line of an epoch; `kept` is the share of candidates above `tree_exclude` that nothing could replace."""
    parts = [f"{_NAMES[name]}: {value:.4g}" for name, value in means.items() if value is not None]
    if kept is not None:
        parts.append(f"kept above tree_exclude: {kept:.4g}")
    return f"epoch {epoch} hardness [{', '.join(parts)}]"
