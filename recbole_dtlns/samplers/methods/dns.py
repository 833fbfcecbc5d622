"""Dynamic negative sampling (Zhang et al., SIGIR 2013)."""

from torch import Tensor

from recbole_dtlns.samplers.base import BaseSampler
from recbole_dtlns.samplers.batch import Batch


class DNS(BaseSampler):
    """The candidate that the model scores highest: argmax_n s(u, n). O(RNC), no state."""

    def score(self, batch: Batch) -> Tensor:
        """The model's scores, [R, N]."""
        return batch.scores
