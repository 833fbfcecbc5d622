"""Uniform negative sampling (RNS), the baseline of every comparison."""

from recbole_dtlns.samplers.base import BaseSampler


class Uniform(BaseSampler):
    """Each negative is uniform over the items that are not positives of the user (Rendle et al., UAI 2009).

    It scores nothing: without the tree view one candidate is drawn, with it the first of equally similar ones wins.
    """

    scores_candidates = False
