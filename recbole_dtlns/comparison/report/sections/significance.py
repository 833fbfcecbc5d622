"""Which differences hold: ours against each, all pairs, over users and over seeds apart."""

from __future__ import annotations

from recbole_dtlns.comparison.report.section import Section
from recbole_dtlns.comparison.report.sections.ingredients import ingredients
from recbole_dtlns.comparison.report.source import Group, Source
from recbole_dtlns.comparison.report.table import Column, Interval, Line, Table, Value, filled
from recbole_dtlns.comparison.statistics import OVER_SEEDS, OVER_USERS, Compared
from recbole_dtlns.comparison.statistics.words import metric_name

_PAIR = (Column("first", "First"), Column("second", "Second"))
_USERS = (
    Column("difference", "Difference", "signed"),
    Column("t_p", "p, t test", "p"),
    Column("permutation_p", "p, permutation", "p"),
    Column("effect", "d", "effect"),
    Column("n", "Users", "count"),
)
_SEEDS = (
    Column("difference", "Difference", "signed"),
    Column("p", "p, t test", "p"),
    Column("effect", "d", "effect"),
    Column("n", "Seeds", "count"),
)
_READ = (
    "All tests are two-sided; significant means below .05 after correction. Difference: first − second, with its 95 % "
    "interval. p values are corrected over the lines of their table."
)


def significance(source: Source) -> Section:
    """Tables and sentences of all tests."""
    title = "Statistics: every difference with its interval, p value and effect"
    section = Section("significance", title, short="Statistics", folded=True, fold_points=True)
    section.text += [OVER_USERS, OVER_SEEDS, _READ]
    for group in source.groups:
        ours, pairs = source.against_ours(group), source.all_pairs(group)
        section.points += ingredients(source, group)
        section.tables += _tables(source, group, ours, f"ours-{group.slug}", "Ours against each", False)
        if (baseline := source.baseline(group)) is not None and baseline.label != source.ours:
            beside = list(source.against_baseline(group).values())
            title = f"Each against {baseline.label}"
            section.tables += _tables(source, group, beside, f"baseline-{group.slug}", title, True)
        section.tables += _tables(source, group, pairs, f"pairs-{group.slug}", "All pairs", True)
    section.warnings += [f"{what}. {problem}" for what, problem in source.problems.items()]
    return section


def _tables(source: Source, group: Group, compared: list[Compared], name: str, title: str, folded: bool) -> list[Table]:
    tables = []
    for over, columns, line in (("users", _USERS, _over_users), ("seeds", _SEEDS, _over_seeds)):
        lines = [
            Line({"first": each.first, "second": each.second, **values}, _marks(each))
            for each in compared
            if (values := line(each)) is not None
        ]
        if lines:
            note = f"p values corrected by {compared[0].correction}'s method."
            caption = f"{title}, over {over}, test {metric_name(source.metric)}: {group.title}"
            shown = filled((*_PAIR, *columns), lines, keep=2)
            tables.append(Table(f"{name}-{over}", caption, shown, tuple(lines), note, folded, names=2))
    return tables


def _marks(compared: Compared) -> tuple[str, ...]:
    pairs = ((compared.first, compared.first_marks), (compared.second, compared.second_marks))
    return tuple(f"{label}: {mark}" for label, marks in pairs for mark in marks)


def _over_users(compared: Compared) -> dict[str, Value] | None:
    users = compared.users
    if users is None:
        return None
    return {
        "difference": Interval(users.difference, *(users.interval or (None, None))),
        "t_p": compared.users_t_p,
        "permutation_p": compared.users_permutation_p,
        "effect": users.effect,
        "n": users.n,
    }


def _over_seeds(compared: Compared) -> dict[str, Value] | None:
    seeds = compared.seeds
    if seeds is None:
        return None
    return {
        "difference": Interval(seeds.difference, *(seeds.interval or (None, None))),
        "p": compared.seeds_p,
        "effect": seeds.effect,
        "n": seeds.n,
    }
