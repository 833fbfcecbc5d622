"""What a comparison says in plain words: where a row stands beside another, and how sure that is."""

from __future__ import annotations

from recbole_dtlns.comparison.number_text import fraction_text
from recbole_dtlns.comparison.report.source import Group, Row, Source, best_of
from recbole_dtlns.comparison.statistics import Compared
from recbole_dtlns.comparison.statistics.words import ALPHA, metric_name

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_SPOKEN = {"recbole:uniform": "RecBole's uniform sampling", "uniform": "uniform sampling"}
_SIDES = {"max": ("better", "worse"), "min": ("worse", "better"), None: ("higher", "lower")}


def verdict(source: Source, group: Group) -> str:
    """Where our row, or the best one where none is ours, stands among those without marks; empty without any row.

    One sentence on its rank and its distance to the baseline, one on its nearest rival.
    """
    ranked = [row for row in group.ranked(source.metric) if not row.marks]
    ours, name = group.row(source.ours or ""), metric_name(source.metric)
    if not ranked:
        return f"No row without marks has test {name}." if group.rows else ""
    told = ours if ours in ranked else ranked[0]
    value = told.test(source.metric)
    if len(ranked) == 1 or value is None:
        mean = fraction_text(value.mean if value else 0.0)
        return f"{told.label} has test {name} {mean}" + ("." if source.single else ": no other row to rank it by.")
    place = ranked.index(told)
    rank = f"{_ORDINALS[place] if place < len(_ORDINALS) else f'number {place + 1}'} of {len(ranked)} on {name}"
    baseline = source.baseline(group)
    sentence = f"{told.label} is {rank}"
    if baseline is not None and baseline is not told:
        beside = source.against_baseline(group).get(told.label)
        spoken = _SPOKEN.get(baseline.runs[0].sampler, baseline.label)
        away = difference(source, told, baseline, beside)
        side = f"{fraction_text(away, sign=True)} over" if away >= 0 else f"{fraction_text(-away)} below"
        sentence += f": {side} {spoken}, {certainty(beside)}"
    rival = ranked[1] if place == 0 else ranked[0]
    if rival is baseline:
        return f"{sentence}."
    which = "the next" if place == 0 else "the first"
    compared = _between(source, group, told, rival)
    sure = certainty(compared)
    away = difference(source, rival, told, compared)
    side = "above" if away >= 0 else "below"
    return f"{sentence}. {rival.label}, {which}, is {fraction_text(abs(away))} {side} it, {sure}."


def certainty(compared: Compared | None) -> str:
    """How sure a difference is, over users and over seeds apart, to follow a number."""
    over_users, over_seeds = _decided(compared)
    if compared is None or (over_users is None and over_seeds is None):
        return "not tested"
    seeds = f"{compared.seeds.n} seeds" if compared.seeds is not None else "seeds"
    if over_users is None:
        return f"certain over {seeds}" if over_seeds else f"not certain over {seeds}"
    if over_seeds is None:
        alone = "" if compared.seeds is not None else "; one seed says nothing of others"
        return f"certain over users{alone}" if over_users else "not certain over users"
    words = {
        (True, True): f"certain over users and over {seeds}",
        (True, False): f"certain over users, not yet over {seeds}",
        (False, True): f"certain over {seeds}, not over users",
        (False, False): f"certain neither over users nor over {seeds}",
    }
    return words[over_users, over_seeds]


def standing(compared: Compared | None, metric: str) -> str:
    """Where the first row of a comparison stands beside the second, in a few words; empty without a test."""
    over_users, over_seeds = _decided(compared)
    if compared is None or (over_users is None and over_seeds is None):
        return ""
    if not over_users and not over_seeds:
        return "no sure difference" if over_users is not None else "no sure difference over seeds"
    deciding = compared.users if over_users and compared.users is not None else compared.seeds
    side = _SIDES[best_of(metric)][0 if deciding is not None and deciding.difference > 0 else 1]
    if over_users and over_seeds:
        return side
    if over_users:
        return f"{side} over users" + (", not yet over seeds" if over_seeds is False else "")
    return f"{side} over seeds" + (" alone" if over_users is False else "")


def _decided(compared: Compared | None) -> tuple[bool | None, bool | None]:
    """Whether users and seeds show the difference; None where there is no test."""
    if compared is None:
        return None, None
    users, seeds = (None if p is None else p < ALPHA for p in (compared.users_p, compared.seeds_p))
    return users, seeds


def difference(source: Source, row: Row, other: Row, compared: Compared | None) -> float:
    """Mean of a row - that of another, as the test of the two has it; its interval is that of this number.

    Without a test the difference of the means in `result.json`, which are rounded.
    """
    test = None if compared is None else compared.users or compared.seeds
    if compared is not None and test is not None:
        return test.difference if compared.first == row.label else -test.difference
    first, second = row.test(source.metric), other.test(source.metric)
    return (first.mean if first else 0.0) - (second.mean if second else 0.0)


def _between(source: Source, group: Group, row: Row, other: Row) -> Compared | None:
    tested = source.against_ours(group) if row.label == source.ours else source.all_pairs(group)
    return next((pair for pair in tested if {pair.first, pair.second} == {row.label, other.label}), None)
