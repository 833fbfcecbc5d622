"""Comparisons in sentences. "Significant" means: below .05 after correction."""

from __future__ import annotations

from recbole_dtlns.comparison.number_text import fraction_text, number_text, p_text
from recbole_dtlns.comparison.statistics.seeds import FEWEST_FOR_EFFECT
from recbole_dtlns.comparison.statistics.significance import BENJAMINI_HOCHBERG, Compared

ALPHA = 0.05
OVER_USERS = (
    "Over users: would other users of the same kind show the difference, with the models as they were trained? Each "
    "user's value is averaged over seeds; the interval is a 95 % bootstrap interval, p that of a two-sided paired t "
    "test, d Cohen's d of the users' differences. A small difference that users show and seeds do not may be what the "
    "seeds happened to do."
)
OVER_SEEDS = (
    "Over seeds: would models trained from other seeds show the difference on these users? Runs are paired by seed; "
    "the interval is a 95 % t interval, p that of a two-sided paired t test, d Cohen's d of the differences between "
    f"runs, told from {FEWEST_FOR_EFFECT} seeds on and not to be set beside the d over users."
)
_METRICS = {
    "ndcg": "NDCG",
    "mrr": "MRR",
    "map": "MAP",
    "auc": "AUC",
    "gauc": "GAUC",
    "itemcoverage": "ItemCoverage",
    "averagepopularity": "AveragePopularity",
    "giniindex": "GiniIndex",
    "shannonentropy": "ShannonEntropy",
    "tailpercentage": "TailPercentage",
}


def over_users(compared: Compared) -> str:
    """One sentence on what users say, and half a sentence more where the two tests disagree."""
    users = compared.users
    pair = f"{_named(compared)[0]} and {_named(compared)[1]}"
    if users is None:
        return f"No test over users between {pair}: {metric_name(compared.metric)} was not kept by user for both."
    over = f"over {users.n:,} user{'s' * (users.n != 1)}"
    if compared.users_p is None:
        return f"No test over users between {pair}: there is one user alone, and it takes two."
    sentence = _sentence(compared, users.difference, users.interval, compared.users_p, users.effect, over)
    other = compared.users_permutation_p
    if other is not None and (other < ALPHA) != (compared.users_p < ALPHA):
        sentence = f"{sentence[:-1]}; the permutation test says otherwise ({_p(other)})."
    if compared.first_seeds != compared.second_seeds:
        sentence += (
            f" Their runs have different seeds: {_seeds(compared.first_seeds)} and {_seeds(compared.second_seeds)}."
        )
    return sentence


def over_seeds(compared: Compared) -> str:
    """One sentence on what seeds say."""
    seeds = compared.seeds
    first, second = _named(compared)
    if seeds is None:
        common = len(set(compared.first_seeds) & set(compared.second_seeds))
        return (
            f"No test over seeds between {first} and {second}: they have {common or 'no'} seed{'s' * (common != 1)} in "
            "common, and it takes two."
        )
    if compared.seeds_p is None:
        by = f"{fraction_text(abs(seeds.difference))} {metric_name(compared.metric)}"
        side = "above" if seeds.difference > 0 else "below"
        return f"No test over seeds: {first} is {side} {second} by the same {by} at each of {seeds.n} seeds."
    over = f"over {seeds.n} seeds"
    return _sentence(compared, seeds.difference, seeds.interval, compared.seeds_p, seeds.effect, over)


def metric_name(metric: str) -> str:
    """`ndcg@20` -> `NDCG@20`, as RecBole's settings spell metrics."""
    name, at, k = metric.partition("@")
    return f"{_METRICS.get(name, name.capitalize())}{at}{k}"


def _sentence(
    compared: Compared,
    difference: float,
    interval: tuple[float, float] | None,
    p: float,
    effect: float | None,
    over: str,
) -> str:
    first, second = _named(compared)
    metric, short = metric_name(compared.metric), "BH" if compared.correction == BENJAMINI_HOCHBERG else "Holm"
    significant = p < ALPHA
    low, high = interval or (difference, difference)
    if significant and difference < 0:  # said as a distance: "is below ... by"
        difference, low, high, effect = -difference, -high, -low, None if effect is None else -effect
        side = "below"
    else:
        side = "above"
    size = f" d = {number_text(effect, 2)}," if effect is not None else ""
    evidence = f"[{fraction_text(low)}, {fraction_text(high)}], {_p(p)} ({short}),{size} {over}."
    if significant:
        return f"{first} is {side} {second} by {fraction_text(difference)} {metric} {evidence}"
    return f"No significant difference between {first} and {second}: {fraction_text(difference)} {metric} {evidence}"


def _named(compared: Compared) -> tuple[str, str]:
    pairs = ((compared.first, compared.first_marks), (compared.second, compared.second_marks))
    first, second = (f"{label} [{'; '.join(marks)}]" if marks else label for label, marks in pairs)
    return first, second


def _seeds(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _p(p: float) -> str:
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
