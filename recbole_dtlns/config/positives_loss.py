"""How inferred positives enter the loss, and where judged lists can."""

from __future__ import annotations

from typing import Any

from recbole.utils import ModelType

from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError

LEARNED = "learned"


def positives_loss(settings: Settings, config: Any, judge: str, effective: str | None, ours: bool) -> str | None:
    """`pairs` or `list`; None without a judge. Unset it is `list` for the learned judge wherever there can be lists.

    The learned judge's probabilities are small and ranked well: as a soft target they carry all that it knows, as
    weights of rows next to nothing.

    Args:
        settings: our keys.
        config: RecBole's configuration, for the model.
        judge: name of the judge.
        effective: what draws the negatives.
        ours: whether that is a sampler of ours.

    Raises:
        UserError: lists are asked for where there can be none.
    """
    if judge == "none":
        return None
    obstacle = list_obstacle(settings, config, judge, effective, ours)
    if settings.positives_loss == "list" and obstacle is not None:
        raise UserError(obstacle)
    default = "list" if judge == LEARNED and obstacle is None else "pairs"
    return settings.positives_loss or default


def default_judge(settings: Settings, config: Any) -> tuple[str, str | None]:
    """The judge of `dtl_ns` where none is named, and why it is not `learned`.

    It is `learned` where that can be fitted and its lists used, else `rule`.
    """
    if settings.positives_loss == "pairs":
        return "rule", "The judge is rule: as weights of rows (positives_loss=pairs) the learned judge's are small."
    obstacle = list_obstacle(settings, config, LEARNED, "dtl_ns", True) or learned_obstacle(settings)
    return (LEARNED, None) if obstacle is None else ("rule", f"The judge is rule and not learned. {obstacle}")


def list_obstacle(settings: Settings, config: Any, judge: str, effective: str | None, ours: bool) -> str | None:
    """Why there can be no judged lists in the loss, and what to do; None where they can be had."""
    if judge == "file":
        return (
            "positives_loss=list trains on the judge's probabilities over all candidates of a user, and a file of "
            "verdicts has no candidates behind it. Use positives_loss=pairs, or another judge."
        )
    if not ours or config["MODEL_TYPE"] == ModelType.SEQUENTIAL:
        return (
            "positives_loss=list is added to the loss in our training step, which needs a sampler of ours and a "
            f"general or knowledge-aware pairwise model; here {config['model']} has the negatives of "
            f"{effective or 'no sampler'}. Use positives_loss=pairs, or choose another model or neg_sampler."
        )
    if settings.judge_refresh is not None:
        return (
            "judge_refresh replaces the accepted pairs during training, and positives_loss=list trains on the lists "
            "that they were chosen from. Use positives_loss=pairs with it, or leave judge_refresh out."
        )
    if settings.protocol == "reference":
        return "protocol=reference filters pairs, not lists. Use positives_loss=pairs with it."
    return None


def learned_obstacle(settings: Settings) -> str | None:
    """Why the learned judge cannot be fitted with these keys, and what to do; None where it can be."""
    if settings.judge_decision == "calibrated":
        return (
            "judge_decision=calibrated fits probabilities on held-in pairs, and judge=learned is fitted on such pairs "
            "itself: its raw scores are probabilities. Use per_user, threshold or rate."
        )
    if settings.candidate_source == "file" or settings.candidate_checkpoint is not None:
        return (
            "judge=learned fits the candidate source again without the pairs that it holds in, which a candidate_file "
            "or candidate_checkpoint does not allow. Name a source such as --candidate_source=EASE, or use another "
            "judge."
        )
    if settings.shard is not None:
        return f"shard={settings.shard}: judge=learned is fitted on all users at once. Leave shard out."
    return None
