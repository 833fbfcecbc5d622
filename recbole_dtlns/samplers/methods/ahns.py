"""Adaptive hardness negative sampling (Lai et al., AAAI 2024)."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from recbole_dtlns.config.parsers import Key, number
from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch

_SMALLEST = 1e-3


class AHNS(BaseSampler):
    """The surer the positive, the easier its negative: the candidate whose score is nearest to a target.

    The target hardness is t = beta (s_p + alpha)^(p + 1) with p < 0; n* = argmin_n |s_n - t|. The published code has a
    pole at s_p = -alpha and changes sign below it; here s_p + alpha is at least 1e-3. A target beyond the candidates'
    scores is moved to the nearest of them, which picks the same and keeps its digits. Scores are the model's own, so
    alpha and beta depend on its scale. O(RNC), no state.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "ahns_alpha": Key(1.0, number(0, 1e6), "added to the positive's score in the target hardness"),
        "ahns_beta": Key(0.1, number(0, 1e9), "scale of the target hardness"),
        "ahns_p": Key(-2.0, number(-10, 0), "exponent minus one of the target hardness; below -1 surer means easier"),
    }

    def score(self, batch: Batch) -> Tensor:
        """- |s_n - t|, [R, N]."""
        options = self.context.options
        base = (batch.positive_scores + options["ahns_alpha"]).clamp_min(_SMALLEST)
        target = (options["ahns_beta"] * base ** (options["ahns_p"] + 1)).unsqueeze(1)
        scores = batch.scores
        return -(scores - target.clamp(scores.amin(1, keepdim=True), scores.amax(1, keepdim=True))).abs()
