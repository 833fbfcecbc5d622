"""Keys of ours that were set and that nothing reads under the method in force: what the user is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recbole_dtlns.config.declared import all_judges, asked_judges, table
from recbole_dtlns.config.settings import Settings, keys_of_parts, table_start_values

if TYPE_CHECKING:
    from recbole_dtlns.config.method import RunMethod

_OF_TREES = ("tree_branching", "tree_leaf_size", "tree_max_history", "item_vectors", "codes_co", "codes_se")
_OF_CANDIDATES = ("candidate_source", "candidate_topk", "candidate_config", "candidate_checkpoint")
_OF_VERDICTS = (
    *("judge_decision", "judge_threshold", "judge_rate", "positives_per_user", "export_verdicts", "judge_report"),
    *("llm_max_history", "llm_max_pairs", "positive_weight", "augment_graph"),
)
_OF_LISTS = ("list_weight", "list_size", "list_negatives", "list_users", "list_temperature")


def unread_keys(settings: Settings, method: RunMethod) -> tuple[str, ...]:
    """A line for each group of keys that differ from their start values and are read by nothing.

    A configuration that several runs share may well hold such keys, so this is told and not refused.
    """
    starts = table_start_values()

    def changed(keys: tuple[str, ...]) -> str:
        return ", ".join(key for key in keys if settings[key] != starts[key])

    groups: list[tuple[tuple[str, ...], str]] = []
    if method.judge == "none":
        groups.append((_OF_VERDICTS, "for inferred positives alone, and no judge is named (--judge=learned)"))
        if not method.needs_trees:
            groups.append((_OF_CANDIDATES, "candidates are for a judge alone, and none is named (--judge=learned)"))
    if method.positives_loss != "list" and not method.ranks_lists:
        groups.append((_OF_LISTS, "for positives_loss=list alone"))
    if not method.tree_view:
        groups.append((("alpha_co", "alpha_se"), f"negatives are {method.effective or 'none'}, without the tree view"))
    if not method.needs_trees:
        groups.append((_OF_TREES, "no tree is built, as nothing reads one"))
    if settings.noise_rate == 0:
        groups.append((("noise_kind", "noise_seed"), "noise_rate is 0"))
    told = [f"{keys}: not read here; {why}." for group, why in groups if (keys := changed(group))]
    return (*told, *_of_parts(settings, method))


def _of_parts(settings: Settings, method: RunMethod) -> Iterator[str]:
    """Keys that samplers, judges or candidate sources declare, none of which runs."""
    readers = _readers()
    sources = {name.strip() for name in settings.candidate_source.split(",")} if method.judge != "none" else set()
    if method.declared.way in {"fitted", "read"} or settings.candidate_source == "file":
        # a fitted judge reads all of them as evidence; the leak check of files compares with EASE
        sources |= set(table("candidate sources"))
    running = {
        *(("neg_sampler", name) for name in (method.base, method.sampler) if name is not None),
        *(("judge", name) for name in asked_judges(method.judge, settings.as_dict())),
        *(("candidate_source", name) for name in sources),
    }
    judges = all_judges()
    if any(judges[name].keys is None for kind, name in running if kind == "judge" and name in judges):
        return  # a plugin's judge that does not say which keys it reads
    for key, declared in keys_of_parts().items():
        if settings[key] != declared.default and not running & readers[key]:
            named = " or ".join(f"{kind}={name}" for kind, name in sorted(readers[key]))
            yield f"{key}: not read here; for {named} alone."


def _readers() -> dict[str, set[tuple[str, str]]]:
    """Which samplers, judges and sources declare each key, as (`neg_sampler`, name) and so on."""
    readers: dict[str, set[tuple[str, str]]] = {}
    for chosen_by, names in (
        ("neg_sampler", ("samplers",)),
        ("judge", ("judges", "other judges")),
        ("candidate_source", ("candidate sources", "other candidate sources")),
    ):
        for tables in names:
            for name, kind in table(tables).items():
                for key in getattr(kind, "keys", None) or {}:
                    readers.setdefault(key, set()).add((chosen_by, name))
    return readers
