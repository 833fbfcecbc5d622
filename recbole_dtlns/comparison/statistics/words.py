"""Comparisons in sentences. "Significant" means: below .05 after correction."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from recbole_dtlns.comparison.statistics.seeds import SeedComparison
from recbole_dtlns.comparison.statistics.significance import Compared
from recbole_dtlns.comparison.statistics.users import UserComparison

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
    "runs, not to be set beside the d over users."
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
    """One sentence on what users say, and half a one more where the two tests disagree."""
    found = compared.users
    pair = f"{_named(compared)[0]} and {_named(compared)[1]}"
    if found is None:
        return f"No test over users between {pair}: {metric_name(compared.metric)} was not kept by user for both."
    over = f"over {found.n:,} user{'s' * (found.n != 1)}"
    if compared.users_p is None:
        return f"No test over users between {pair}: there is one user alone, and it takes two."
    said = _sentence(compared, found.difference, found.interval, compared.users_p, found.effect, over)
    other = compared.users_permutation_p
    if other is not None and (other < ALPHA) != (compared.users_p < ALPHA):
        said = f"{said[:-1]}; the permutation test says otherwise ({_p(other)})."
    if compared.first_seeds != compared.second_seeds:
        said += f" Their runs have different seeds: {_seeds(compared.first_seeds)} and {_seeds(compared.second_seeds)}."
    return said


def over_seeds(compared: Compared) -> str:
    """One sentence on what seeds say."""
    found = compared.seeds
    first, second = _named(compared)
    if found is None:
        common = len(set(compared.first_seeds) & set(compared.second_seeds))
        return (
            f"No test over seeds between {first} and {second}: they have {common or 'no'} seed{'s' * (common != 1)} in "
            "common, and it takes two."
        )
    if compared.seeds_p is None:
        by = f"{_number(abs(found.difference))} {metric_name(compared.metric)}"
        side = "above" if found.difference > 0 else "below"
        return f"No test over seeds: {first} is {side} {second} by the same {by} at each of {found.n} seeds."
    over = f"over {found.n} seeds"
    return _sentence(compared, found.difference, found.interval, compared.seeds_p, found.effect, over)


def turned(compared: Compared) -> Compared:
    """The same comparison told of the second row: second - first. Two-sided p values stay as they are."""
    return replace(
        compared,
        first=compared.second,
        second=compared.first,
        first_marks=compared.second_marks,
        second_marks=compared.first_marks,
        first_seeds=compared.second_seeds,
        second_seeds=compared.first_seeds,
        users=None if compared.users is None else _negated(compared.users),
        seeds=None if compared.seeds is None else _negated(compared.seeds),
    )


_Found = TypeVar("_Found", UserComparison, SeedComparison)


def _negated(found: _Found) -> _Found:
    interval = None if found.interval is None else (-found.interval[1], -found.interval[0])
    effect = None if found.effect is None else -found.effect
    return replace(found, difference=-found.difference, interval=interval, effect=effect)


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
    metric, short = metric_name(compared.metric), "BH" if compared.correction != "Holm" else "Holm"
    significant = p < ALPHA
    low, high = interval or (difference, difference)
    if significant and difference < 0:  # said as a distance: "is below ... by"
        difference, low, high, effect = -difference, -high, -low, None if effect is None else -effect
        side = "below"
    else:
        side = "above"
    size = f" d = {_short(effect)}," if effect is not None else ""
    evidence = f"[{_number(low)}, {_number(high)}], {_p(p)} ({short}),{size} {over}."
    if significant:
        return f"{first} is {side} {second} by {_number(difference)} {metric} {evidence}"
    return f"No significant difference between {first} and {second}: {_number(difference)} {metric} {evidence}"


def _named(compared: Compared) -> tuple[str, str]:
    pairs = ((compared.first, compared.first_marks), (compared.second, compared.second_marks))
    first, second = (f"{label} [{'; '.join(marks)}]" if marks else label for label, marks in pairs)
    return first, second


def _seeds(seeds: tuple[int, ...]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _p(p: float) -> str:
    return "p < .0001" if p < 0.0001 else f"p = {_short(p, 4 if p < 0.1 else 2)}"


def _number(value: float) -> str:
    """Four decimals, or two digits where those would show nothing of it."""
    if value != 0 and abs(value) < 0.00005:
        return f"{value:.1e}"
    return _short(value, 4)


def _short(value: float, decimals: int = 2) -> str:
    """Without the zero before the point, as -.05."""
    text = f"{value:.{decimals}f}"
    if not float(text):
        return f"{0:.{decimals}f}"[1:]
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text
