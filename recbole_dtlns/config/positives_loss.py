"""How inferred positives enter the loss, and where judged lists can."""

from __future__ import annotations

from typing import Any

from recbole.utils import ModelType

from recbole_dtlns.config.choices import DEFAULT_JUDGE, PLAIN_JUDGE
from recbole_dtlns.config.declared import declared
from recbole_dtlns.config.settings import Settings
from recbole_dtlns.errors import UserError


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
    if declared(judge).way == "none":
        return None
    obstacle = list_obstacle(settings, config, judge, effective, ours)
    if settings.positives_loss == "list" and obstacle is not None:
        raise UserError(obstacle)
    default = "list" if declared(judge).prefers_lists and obstacle is None else "pairs"
    return settings.positives_loss or default


def default_judge(settings: Settings, config: Any) -> tuple[str, str | None]:
    """The judge of `dtl_ns` where none is named, and why it is not `learned`.

    It is `learned` where that can be fitted and its lists used, else `rule`.
    """
    if settings.positives_loss == "pairs":
        why = "The judge is rule: as weights of rows (positives_loss=pairs) the learned judge's are small."
        return PLAIN_JUDGE, why
    obstacle = list_obstacle(settings, config, DEFAULT_JUDGE, "dtl_ns", True)
    if obstacle is None:
        try:
            declared(DEFAULT_JUDGE).check(settings.as_dict())
        except UserError as error:
            obstacle = str(error)
    if obstacle is None:
        return DEFAULT_JUDGE, None
    return PLAIN_JUDGE, f"The judge is {PLAIN_JUDGE} and not {DEFAULT_JUDGE}. {obstacle}"


def list_obstacle(settings: Settings, config: Any, judge: str, effective: str | None, ours: bool) -> str | None:
    """Why there can be no judged lists in the loss, and what to do; None where they can be had."""
    if declared(judge).way == "read":
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
