"""What a judge declares of itself, before it is made: its keys, what it reads, what can be done with its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recbole_dtlns.config.budget import Budget
from recbole_dtlns.config.parsers import Key

Way = Literal["none", "read", "asked", "distilled", "fitted"]
"""How verdicts come about: not at all; from a file; by a question about each pair; from a student of such
answers; from a model that is fitted on held-in pairs."""


class JudgeDeclaration:
    """Start values of what a judge declares; a class of its own sets what differs.

    Attributes:
        way: how its verdicts come about.
        keys: configuration keys of this judge alone, by name; None: not said, so that it may read any key.
        reads_codes: it reads the codes of items, so that trees are built.
        reads_titles: titles are shown too, so they are part of the verdict store's keys.
        asks_model: it may ask a language model, so that keys of language models are for it too.
        online: it is fast enough to judge again during training (`judge_refresh`).
        informs: its answers differ from pair to pair, so that others can learn from them (`learned_from`).
        prefers_lists: its probabilities are small and ranked well, so that `positives_loss` is `list` where it can be.
        candidate_topk: how many candidates of a user it is asked about where `candidate_topk` is not set.
        lowest_per_user: the lowest probability that `per_user` accepts where `judge_threshold` is not set.
        about: what it does with the candidates, for `doctor`.
    """

    way: ClassVar[Way] = "asked"
    keys: ClassVar[Mapping[str, Key] | None] = None
    reads_codes: ClassVar[bool] = True
    reads_titles: bool = False
    asks_model: ClassVar[bool] = True
    online: ClassVar[bool] = False
    informs: ClassVar[bool] = True
    prefers_lists: ClassVar[bool] = False
    candidate_topk: ClassVar[Budget] = Budget(20)
    lowest_per_user: ClassVar[float] = 0.5
    about: ClassVar[str] = "asks for each candidate; by far the longest step"

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse keys that cannot work, before any work is done; raises UserError."""

    @classmethod
    def asks(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the judges whose answers it learns from."""
        return ()
