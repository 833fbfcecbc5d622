"""Keys of RecBole and of ours inside a plan: those of all runs, those of a judge, and ranges of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recbole_dtlns.comparison.plan.plan import ComparisonPlan
from recbole_dtlns.comparison.plan.plan_values import mapping
from recbole_dtlns.comparison.plan.rows import require_judge
from recbole_dtlns.comparison.search.search import Range, parse_range, ranges_of, trial_keys
from recbole_dtlns.config.config_files import raw_value, typed
from recbole_dtlns.config.declared import all_judges
from recbole_dtlns.config.nearest import nearest
from recbole_dtlns.config.settings import Settings, our_keys
from recbole_dtlns.errors import UserError

# RecBole's own metrics; beside accuracy, how much of the catalogue is recommended and how popular that is.
METRICS = ("Recall", "MRR", "NDCG", "Hit", "Precision", "ItemCoverage", "AveragePopularity", "GiniIndex")
# Keys that the comparison sets, and where to say so.
_SET_HERE = {
    "model": "models (--models=A,B)",
    "dataset": "datasets (--datasets=A,B)",
    "neg_sampler": "samplers (--samplers=A,B)",
    "train_neg_sample_args": "samplers (--samplers=recbole:uniform)",
    "tree_view": "samplers (--samplers=NAME+tree)",
    "shuffle_codes": "samplers (--samplers=shuffled_codes)",
    "random_positives": "samplers (--samplers=random_positives)",
    "judge": "judges (--judges=A,B)",
    "seed": "seeds (--seeds=N, or a list; the first one as --seed=N)",
    "split_seed": "split_seed beside fixed (--split_seed=N)",
    "noise_rate": "noise (--noise=0,0.1)",
    "run_dir": "run_dir of the comparison (--run_dir=FOLDER)",
    "evaluate_test": "nothing: trials never read test, all other runs read it once",
    "shard": "identify --shard=i/n, on the same cache_dir",
}
# A judge's keys are those of identification and judging alone: what may differ between the rows of one comparison.
_OF_JUDGES = ("llm_", "server_", "candidate_", "judge_", "student_", "learned_", "positive", "list_")
# Of these a file for all runs may hold a value: every run is given its own on top.
_OVERRIDDEN = {"model", "dataset", "neg_sampler", "judge", "seed", "split_seed", "run_dir"}


def shared_keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of all runs, typed.

    Raises:
        UserError: a key that the comparison sets, or a value of the wrong type.
    """
    for key in given:
        _refuse_set_here(key, "all runs")
    return {key: _value(key, value) for key, value in given.items()}


def judge_keys_of(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Keys of each judge, typed; they must be of identification or judging.

    Raises:
        UserError: an unknown judge or key, one of evaluation, training or budget, or a value of the wrong type.
    """
    typed_keys: dict[str, dict[str, Any]] = {}
    for judge, keys in given.items():
        require_judge(judge)
        for key in mapping(f"judge_keys of {judge}", keys):
            _refuse_set_here(key, f"judge {judge}")
            if key not in our_keys():
                raise UserError(
                    f"judge_keys of {judge}: there is no key {key!r} of a judge{nearest(key, our_keys()) or '.'}"
                )
            if not key.startswith(_OF_JUDGES):
                raise UserError(
                    f"judge_keys of {judge}: {key} is no key of identification or judging ({'*, '.join(_OF_JUDGES)}*), "
                    "so rows with this judge would not be comparable to the others. Give it for all runs: under fixed, "
                    f"or as --{key}=VALUE. For another protocol name a row NAME+reference."
                )
        typed_keys[judge] = {key: _value(key, value) for key, value in mapping(judge, keys).items()}
    return typed_keys


def deal_out(
    shared: dict[str, Any], judge_keys: Mapping[str, Mapping[str, Any]], judges: Sequence[str], flags: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Give keys of language models and of verdict files to the judges of a plan that read them.

    A judge can then be added to a comparison whose other runs are finished: they never saw its keys.

    Args:
        shared: typed keys of all runs; those that are dealt out are taken from it.
        judge_keys: typed keys of each judge.
        judges: all judges of the plan.
        flags: keys given on the command line, which win over `judge_keys`.

    Returns:
        Keys of each judge.

    Raises:
        UserError: no judge of the plan reads a key.
    """
    dealt = {
        judge: {key: value for key, value in keys.items() if key not in flags} for judge, keys in judge_keys.items()
    }
    for key in [key for key in shared if _strangers(key)]:
        value, readers = shared.pop(key), [judge for judge in judges if judge not in _strangers(key)]
        if not readers:
            raise UserError(
                f"{key}: no judge of the plan ({', '.join(judges) or 'none'}) reads it. Name one that does with "
                f"--judges or as a row judge=NAME, or leave {key} out."
            )
        for judge in readers:
            dealt.setdefault(judge, {}).setdefault(key, value)
    return dealt


def _strangers(key: str) -> list[str]:
    """Judges that cannot read a key; those that do not say what they read, of plugins, may read any.

    A judge that asks a language model gets the keys of all such judges: its model may be served, or teach a student.
    """
    judges = {name: judge for name, judge in all_judges().items() if judge.way != "none"}
    readers = [judge for judge in judges.values() if key in (judge.keys or {})]
    of_models = any(judge.asks_model for judge in readers)
    return [
        name
        for name, judge in judges.items()
        if readers and judge.keys is not None and key not in judge.keys and not (of_models and judge.asks_model)
    ]


def check_files(files: Sequence[str]) -> None:
    """Raise UserError if a configuration file of all runs sets what rows or trials must differ in."""
    for key in _SET_HERE:
        if key not in _OVERRIDDEN and raw_value(key, files) is not None:
            raise UserError(f"{' '.join(files)}: {key} cannot be set for all runs; give {_SET_HERE[key]} instead.")


def check_ranges(plan: ComparisonPlan) -> None:
    """Raise UserError unless every range can be read and holds values that its key accepts."""
    for key in plan.shared_search:
        _refuse_set_here(key, "a range")
        if key in plan.fixed:
            raise UserError(f"{key} stands under fixed and under ranges. Remove it from one of them.")
        parse_range(key, plan.shared_search[key])
    for row in plan.rows:
        for key, each in ranges_of(row, plan).items():
            for value in sample_values(each):
                _value(key, value)
        if plan.search == "grid":
            trial_keys(row, plan)


def sample_values(each: Range) -> list[Any]:
    """The options of a range, or its lowest and highest value where there is no end of them."""
    options = each.options()
    return [each.rounded(bound) for bound in each.values[:2]] if options is None else options


def _refuse_set_here(key: str, place: str) -> None:
    if key in _SET_HERE:
        raise UserError(f"{key} cannot be set for {place}: the comparison sets it. Give {_SET_HERE[key]} instead.")


def _value(key: str, value: Any) -> Any:
    """A value as it is written into files: ours by our table, RecBole's as the literal that its text spells."""
    return Settings.parse({key: value}).as_dict()[key] if key in our_keys() else typed(key, value)
