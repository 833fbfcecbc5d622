"""What the console says of an epoch: one line."""

from __future__ import annotations

from typing import Any


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
