"""Popularity negative sampling (PNS), from training counts alone."""

from torch import Tensor

from recbole_dtlns.samplers.base import BaseSampler


class Popularity(BaseSampler):
    """P(item) is proportional to (train count) ** popularity_exponent, without the user's positives.

    RecBole's own popularity sampler counts train, valid and test together; this one sees train only. Items without a
    training interaction are never drawn.
    """

    scores_candidates = False

    def propose(self, users: Tensor, n: int) -> Tensor:
        """Draw n free items for each user by popularity: int64 [R] -> int64 [R, n]."""
        return self.context.popularity.draw(users, n, self.context.generator)
