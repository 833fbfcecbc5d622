"""DNS(M, N) (Shi et al., WWW 2023)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from recbole_dtlns.config.parsers import Key, flag, whole
from recbole_dtlns.errors import UserError
from recbole_dtlns.samplers.base import BaseSampler, take
from recbole_dtlns.samplers.batch import Batch, Choice


class DNSMN(BaseSampler):
    """One of the M highest scored of N candidates, each alike: hardness that can be tuned.

    M = 1 is DNS, M = N is uniform sampling. The authors' code takes all M at once and adds their losses up, M times the
    expectation of this; `dns_mn_sum` does that where the loss can hold several negatives. O(RNC), no state.
    """

    keys: ClassVar[Mapping[str, Key]] = {
        "dns_mn_m": Key(2, whole(1), "the highest scored candidates that one is picked from, M"),
        "dns_mn_sum": Key(False, flag, "all M of them in the loss, added up, as in the authors' code"),
    }

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an M above N."""
        if options["dns_mn_m"] > options["neg_candidates"]:
            raise UserError(
                f"dns_mn_m={options['dns_mn_m']} of neg_candidates={options['neg_candidates']} candidates: expected at "
                "most as many."
            )

    def score(self, batch: Batch) -> Tensor:
        """The model's scores, [R, N]."""
        return batch.scores

    def pick(self, scores: Tensor) -> Tensor:
        """Positions of one of the M highest, [R, 1], or of all M, [R, M]."""
        m = self.context.options["dns_mn_m"]
        top = scores.topk(m, dim=1).indices
        if self.context.options["dns_mn_sum"]:
            return top
        place = torch.randint(m, (len(top), 1), device=top.device, generator=self.context.generator)
        return top.gather(1, place)

    def choose(self, batch: Batch, picked: Tensor, scores: Tensor) -> Choice:
        """The picked items; several weigh 1 each, so that their losses add up."""
        ids = take(batch.candidates, picked)
        return Choice(ids, weights=torch.ones(ids.shape, device=ids.device) if ids.shape[1] > 1 else None)
